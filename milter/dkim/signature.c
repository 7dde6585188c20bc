#include "dkim/signature.h"

#include <string.h>

#include "base/base64.h"
#include "mail/domain.h"
#include "mail/lexer.h"

/* In h=.  Each costs many times the octets that it takes in the field, and there may be many such fields. */
#define NAMES_MAX 1000

/* What all readers of single tags work on. */
struct reading {
    struct arena *arena;
    struct dkim_signature *sig;
    struct dkim_objection *objection;
    bool accept_rsa_sha1;
    enum status st;
};

static bool
object(struct reading *r, enum dkim_result_code code, const char *reason)
{
    *r->objection = (struct dkim_objection){ code, slice_from(reason) };
    return false;
}

static bool
no_memory(struct reading *r)
{
    r->st = ST_NOMEM;
    return false;
}

/* The tag's value, or an objection if it is absent or empty. */
static bool
required(struct reading *r, const char *name, slice *value)
{
    const struct tag *t = taglist_find(&r->sig->tags, slice_from(name));
    if (t != NULL && t->value.n > 0) {
        *value = t->value;
        return true;
    }
    slice reason =
        arena_printf(r->arena, "required tag %s= is %s", name, t == NULL ? "missing" : "empty");
    if (reason.p == NULL)
        return no_memory(r);
    *r->objection = (struct dkim_objection){ DKIM_PERMERROR, reason };
    return false;
}

/* RFC 8301 3.1: rsa-sha1 must not verify. */
static bool
read_algorithm(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    if (!required(r, "a", &s->a))
        return false;
    s->key_type = KEY_RSA;
    s->hash = HASH_SHA256;
    if (slice_eq(s->a, SLICE("rsa-sha256")))
        return true;
    if (slice_eq(s->a, SLICE("ed25519-sha256"))) {
        s->key_type = KEY_ED25519;
        return true;
    }
    bool sha1 = slice_eq(s->a, SLICE("rsa-sha1"));
    if (sha1 && r->accept_rsa_sha1) {
        s->hash = HASH_SHA1;
        return true;
    }
    if (!sha1)
        s->a = SLICE_EMPTY; /* not ours to print */
    return object(r, DKIM_PERMERROR,
                  sha1 ? "rsa-sha1 is no longer accepted (RFC 8301)" : "unknown algorithm in a=");
}

static bool
read_base64(struct reading *r, const char *name, slice *out)
{
    slice text;
    if (!required(r, name, &text))
        return false;
    enum status st = base64_decode(r->arena, text, out);
    if (st == ST_NOMEM)
        return no_memory(r);
    if (st == ST_OK && out->n > 0)
        return true;
    return object(r, DKIM_PERMERROR, name[1] == 'h' ? "bh= is not base64" : "b= is not base64");
}

static bool
read_signature_value(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    const struct tag *t = taglist_find(&s->tags, SLICE("b"));
    if (t != NULL) {
        s->b_start = t->value_start;
        s->b_end = t->value_end;
        s->b_text = taglist_strip_fws(r->arena, t->value);
        if (s->b_text.p == NULL)
            return no_memory(r);
    }
    return read_base64(r, "b", &s->b);
}

static bool
read_body_hash(struct reading *r)
{
    if (!read_base64(r, "bh", &r->sig->bh))
        return false;
    if (r->sig->bh.n != hash_size(r->sig->hash))
        return object(r, DKIM_PERMERROR, "bh= has not the length of its hash");
    return true;
}

static bool
canon_named(slice word, enum canon *c)
{
    *c = slice_eq(word, SLICE("relaxed")) ? CANON_RELAXED : CANON_SIMPLE;
    return *c == CANON_RELAXED || slice_eq(word, SLICE("simple"));
}

static bool
read_canonicalisations(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    const struct tag *t = taglist_find(&s->tags, SLICE("c"));
    slice header, body;
    s->header_canon = s->body_canon = CANON_SIMPLE;
    if (t == NULL)
        return true;
    if (!slice_cut(t->value, '/', &header, &body))
        body = SLICE("simple"); /* RFC 6376 3.5: a single name is that of the header */
    if (canon_named(header, &s->header_canon) && canon_named(body, &s->body_canon))
        return true;
    return object(r, DKIM_PERMERROR, "unknown canonicalisation in c=");
}

/* RFC 6376 3.5: no dot at either end; IDNA by RFC 8616. */
static bool
read_name(struct reading *r, const char *tag, size_t labels_min, const char *reason, slice *name)
{
    slice text;
    if (!required(r, tag, &text))
        return false;
    enum status st = text.p[text.n - 1] == '.' ? ST_SYNTAX : domain_from_text(r->arena, text, name);
    if (st == ST_NOMEM)
        return no_memory(r);
    if (st == ST_OK && domain_labels(*name) >= labels_min)
        return true;
    *name = SLICE_EMPTY;
    return object(r, DKIM_PERMERROR, reason);
}

static bool
read_names(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    if (!read_name(r, "d", 2, "d= is not a domain name", &s->d) ||
        !read_name(r, "s", 1, "s= is not a selector", &s->s))
        return false;
    s->key_name = arena_printf(r->arena, "%.*s._domainkey.%.*s", SLICE_ARG(s->s), SLICE_ARG(s->d));
    return s->key_name.p != NULL || no_memory(r);
}

/* RFC 5322 3.6.8 ftext: printable ASCII except the colon, which is gone already. */
static bool
is_field_name(slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return false;
    return true;
}

/* An empty name between colons stands for no field: it is passed over, as the other verifiers do.
 */
static bool
read_signed_names(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    const struct tag *t = taglist_find(&s->tags, SLICE("h"));
    if (t == NULL)
        return object(r, DKIM_PERMERROR, "required tag h= is missing");
    slice rest = t->value, name;
    size_t most = 1;
    for (size_t i = 0; i < rest.n; i++)
        most += rest.p[i] == ':';
    slice *names = arena_array(r->arena, most < NAMES_MAX ? most : NAMES_MAX, sizeof(*names));
    if (names == NULL)
        return no_memory(r);
    s->names = names;
    for (bool more = true; more;) {
        more = slice_cut(rest, ':', &name, &rest);
        name = slice_trim(name);
        if (!is_field_name(name))
            return object(r, DKIM_PERMERROR, "h= holds what is no field name");
        if (name.n == 0)
            continue;
        if (s->n_names == NAMES_MAX)
            return object(r, DKIM_POLICY, "ignored: h= holds more than 1000 names");
        names[s->n_names++] = name;
    }
    return true;
}

size_t
dkim_signature_names_count(const struct dkim_signature *sig, slice name)
{
    size_t n = 0;
    for (size_t i = 0; i < sig->n_names; i++)
        n += slice_ieq(sig->names[i], name);
    return n;
}

/* dkim-quoted-printable (RFC 6376 2.11): "=" and two upper-case hexadecimal digits stand for an
 * octet. */
static slice
unquoted(struct arena *a, slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *p = arena_alloc(a, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; p != NULL && i < text.n; i++) {
        const char *high = NULL, *low = NULL;
        if (text.p[i] == '=' && text.n - i > 2 && text.p[i + 1] != '\0' && text.p[i + 2] != '\0') {
            high = strchr(hex, text.p[i + 1]);
            low = strchr(hex, text.p[i + 2]);
        }
        bool quoted = high != NULL && low != NULL;
        p[n] = text.p[i];
        if (quoted)
            p[n] = (char)((high - hex) << 4 | (low - hex));
        n++;
        i += quoted ? 2 : 0;
    }
    return (slice){ p, n };
}

/* RFC 6376 3.5 i=: the local part is opaque, the domain is d= or below it. */
static bool
read_identity(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    const struct tag *t = taglist_find(&s->tags, SLICE("i"));
    if (t == NULL) {
        s->i = arena_printf(r->arena, "@%.*s", SLICE_ARG(s->d));
        return s->i.p != NULL || no_memory(r);
    }
    slice i = taglist_strip_fws(r->arena, t->value), domain = SLICE_EMPTY;
    if (i.p == NULL)
        return no_memory(r);
    size_t at = slice_rfind(i, '@');
    slice text = unquoted(r->arena, slice_tail(i, at + 1));
    if (text.p == NULL)
        return no_memory(r);
    bool is_name = at < i.n && text.n > 0 && text.p[text.n - 1] != '.'; /* as in d=: no dot at its end */
    enum status st = is_name ? domain_from_text(r->arena, text, &domain) : ST_SYNTAX;
    if (st == ST_NOMEM)
        return no_memory(r);
    if (st != ST_OK)
        return object(r, DKIM_PERMERROR, "i= is not an identity");
    if (!domain_equal_or_below(domain, s->d))
        return object(r, DKIM_PERMERROR, "the domain of i= is not d= nor below it");
    s->i = i;
    s->i_is_subdomain = domain.n != s->d.n;
    return true;
}

/* Digits only, as many as the grammar allows; what is too large for arithmetic is INT64_MAX and so
 * above everything. */
static bool
read_number(struct reading *r, const char *tag, size_t digits_max, bool *present, uint64_t *value)
{
    const struct tag *t = taglist_find(&r->sig->tags, slice_from(tag));
    *present = t != NULL;
    if (t == NULL)
        return true;
    slice digits = t->value;
    bool good = digits.n > 0 && digits.n <= digits_max;
    for (size_t i = 0; i < digits.n && good; i++)
        good = ascii_is_digit(digits.p[i]);
    if (!good) {
        slice reason = arena_printf(r->arena, "%s= is not a number", tag);
        *r->objection = (struct dkim_objection){ DKIM_PERMERROR, reason };
        return reason.p != NULL ? false : no_memory(r);
    }
    while (digits.n > 1 && digits.p[0] == '0')
        digits = slice_tail(digits, 1);
    if (!slice_to_u64(digits, value) || *value > INT64_MAX)
        *value = INT64_MAX;
    return true;
}

static bool
read_times(struct reading *r)
{
    struct dkim_signature *s = r->sig;
    uint64_t t = 0, x = 0;
    /* RFC 6376 3.5 has 12 digits for both but asks readers to take more for "far away". */
    if (!read_number(r, "t", 76, &s->has_time, &t))
        return false;
    s->time = (int64_t)t;
    if (s->kind == SIGNATURE_SEAL) /* RFC 8617 4.1.3: x= is none of its tags, hence ignored */
        return true;
    if (!read_number(r, "x", 76, &s->has_expiry, &x))
        return false;
    s->expiry = (int64_t)x;
    if (s->has_time && s->has_expiry && x <= t)
        return object(r, DKIM_PERMERROR, "x= is not after t=");
    return true;
}

/* RFC 6376 3.5 q=: dns/txt is the only method there is; a list without it is for others. */
static bool
read_query_methods(struct reading *r)
{
    const struct tag *t = taglist_find(&r->sig->tags, SLICE("q"));
    if (t == NULL)
        return true;
    slice rest = t->value, method;
    for (bool more = true; more;) {
        more = slice_cut(rest, ':', &method, &rest);
        if (slice_eq(slice_trim(method), SLICE("dns/txt")))
            return true;
    }
    return object(r, DKIM_PERMERROR, "q= does not offer dns/txt");
}

static bool
read_version(struct reading *r)
{
    slice v;
    if (!required(r, "v", &v))
        return false;
    return slice_eq(v, SLICE("1")) || object(r, DKIM_PERMERROR, "unknown version in v=");
}

/* RFC 8617 4.1.2: an AMS is a DKIM-Signature without v= and with another i=; the seal comes later
 * and cannot be covered. */
static bool
read_message_signature(struct reading *r)
{
    return read_body_hash(r) && read_canonicalisations(r) && read_signed_names(r) &&
           read_number(r, "l", 76, &r->sig->has_length, &r->sig->length) && read_query_methods(r);
}

static bool
read_ams(struct reading *r)
{
    if (!read_message_signature(r))
        return false;
    if (dkim_signature_names_count(r->sig, SLICE("ARC-Seal")) > 0)
        return object(r, DKIM_PERMERROR, "h= covers ARC-Seal");
    return true;
}

static bool
read_dkim(struct reading *r)
{
    if (!read_version(r) || !read_message_signature(r) || !read_identity(r))
        return false;
    return dkim_signature_names_count(r->sig, SLICE("From")) > 0 ||
           object(r, DKIM_PERMERROR, "h= does not cover From");
}

/* RFC 8617 4.1.3: the scope of a seal is fixed, so an h= makes it invalid. */
static bool
read_seal(struct reading *r)
{
    r->sig->header_canon = CANON_RELAXED;
    return taglist_find(&r->sig->tags, SLICE("h")) == NULL ||
           object(r, DKIM_PERMERROR, "a seal has no h=");
}

/*
 * RFC 8617 4.1.2, 4.1.3: `instance [CFWS] ";" tag-list`, with CFWS around the words of the instance too.  What stands there
 * besides those words becomes space, so that all is a tag list and no offset changes.  Other text is left as it is.
 */
static enum status
without_comments(struct arena *a, slice value, slice *out)
{
    struct lexer x = { value, 0 };
    *out = value;
    if (!lexer_skip_cfws(&x) || !lexer_take(&x, 'i'))
        return ST_OK;
    size_t name = x.at - 1;
    if (!lexer_skip_cfws(&x) || !lexer_take(&x, '=') || !lexer_skip_cfws(&x))
        return ST_OK;
    slice digits = lexer_run(&x, ascii_is_digit);
    if (!lexer_skip_cfws(&x) || !lexer_is_at(&x, ';') || !slice_has(slice_head(value, x.at), '('))
        return ST_OK;
    char *p = arena_alloc(a, value.n);
    if (p == NULL)
        return ST_NOMEM;
    memcpy(p, value.p, value.n);
    memset(p, ' ', x.at);
    p[name] = 'i';
    p[name + 1] = '=';
    if (digits.n > 0)
        memcpy(p + (digits.p - value.p), digits.p, digits.n);
    *out = (slice){ p, value.n };
    return ST_OK;
}

static bool
read_all(struct reading *r)
{
    slice text = r->sig->field->value;
    enum status st = r->sig->kind == SIGNATURE_DKIM ? ST_OK : without_comments(r->arena, text, &text);
    if (st == ST_OK)
        st = taglist_parse(r->arena, text, &r->sig->tags);
    if (st == ST_NOMEM)
        return no_memory(r);
    if (st != ST_OK) /* RFC 8601 2.7.1: syntax errors are neutral */
        return object(r, DKIM_NEUTRAL,
                      st == ST_LIMIT ? "more than 64 tags" : "not a list of tags, or a tag twice");
    /* d=, s= and b= first: a report can then name the signature, whatever else is wrong with it */
    if (!read_names(r) || !read_signature_value(r) || !read_algorithm(r) || !read_times(r))
        return false;
    switch (r->sig->kind) {
    case SIGNATURE_DKIM:
        return read_dkim(r);
    case SIGNATURE_AMS:
        return read_ams(r);
    case SIGNATURE_SEAL:
        return read_seal(r);
    }
    return false;
}

enum status
dkim_signature_parse(struct arena *a, const struct header_field *f, enum signature_kind kind,
                     bool accept_rsa_sha1, struct dkim_signature *out, struct dkim_objection *o)
{
    *out = (struct dkim_signature){ .field = f,
                                    .kind = kind,
                                    .d = SLICE_EMPTY,
                                    .s = SLICE_EMPTY,
                                    .a = SLICE_EMPTY,
                                    .i = SLICE_EMPTY,
                                    .b_text = SLICE_EMPTY,
                                    .key_name = SLICE_EMPTY };
    *o = (struct dkim_objection){ DKIM_NONE, SLICE_EMPTY };
    struct reading r = { a, out, o, accept_rsa_sha1, ST_OK };
    read_all(&r);
    return r.st;
}
