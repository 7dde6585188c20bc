#include "dkim/dkim.h"

#include <inttypes.h>

#include "dkim/explain.h"
#include "dkim/verify.h"
#include "mail/domain.h"

struct candidate {
    struct candidate *next;
    struct dkim_signature sig;
    struct dkim_objection objection; /* DKIM_NONE: worth a look */
    bool looked_at;                  /* among the first `max_signatures` */
    int body_id;
    unsigned char digest[HASH_SIZE_MAX];
};

struct dkim {
    struct verifier v;
    struct candidate *first, **end;
    size_t n, asked;
    const struct header_list *headers;
    struct body_canon *body;
};

const char *
dkim_result_name(enum dkim_result_code r)
{
    switch (r) {
    case DKIM_NONE:
        return "none";
    case DKIM_PASS:
        return "pass";
    case DKIM_FAIL:
        return "fail";
    case DKIM_POLICY:
        return "policy";
    case DKIM_NEUTRAL:
        return "neutral";
    case DKIM_TEMPERROR:
        return "temperror";
    case DKIM_PERMERROR:
        return "permerror";
    }
    return "none";
}

struct dkim *
dkim_new(struct arena *a, struct dns_session *dns, struct key_cache *keys, const struct dkim_options *o)
{
    struct dkim *d = arena_zalloc(a, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->v = (struct verifier){ a, dns, keys, *o };
    d->end = &d->first;
    return d;
}

enum status
dkim_add_field(struct dkim *d, const struct header_field *f)
{
    if (!slice_ieq(f->name, SLICE("DKIM-Signature")))
        return ST_OK;
    struct candidate *c = arena_zalloc(d->v.arena, sizeof(*c));
    if (c == NULL)
        return ST_NOMEM;
    *d->end = c;
    d->end = &c->next;
    d->n++;
    enum status st =
        dkim_signature_parse(d->v.arena, f, SIGNATURE_DKIM, d->v.options.accept_rsa_sha1, &c->sig, &c->objection);
    if (st != ST_OK || c->objection.code != DKIM_NONE || d->asked >= d->v.options.max_signatures)
        return st;
    verifier_ask_key(&d->v, &c->sig);
    d->asked++;
    return ST_OK;
}

/* The author's own domain, then one above or below it, then all others (RFC 6376 6.1 leaves the order to us). */
static unsigned
distance(const struct candidate *c, slice author)
{
    if (author.n == 0 || slice_ieq(c->sig.d, author))
        return 0;
    return domain_equal_or_below(c->sig.d, author) || domain_equal_or_below(author, c->sig.d) ? 1 : 2;
}

static void
choose(struct dkim *d, slice author)
{
    unsigned left = d->v.options.max_signatures;
    for (unsigned far = 0; far <= 2; far++)
        for (struct candidate *c = d->first; c != NULL && left > 0; c = c->next)
            if (c->objection.code == DKIM_NONE && distance(c, author) == far) {
                c->looked_at = true;
                left--;
                verifier_ask_key(&d->v, &c->sig); /* free if asked already */
            }
}

enum status
dkim_header_end(struct dkim *d, const struct header_list *headers, slice author_domain, struct body_canon *body)
{
    d->headers = headers;
    d->body = body;
    choose(d, author_domain);
    for (struct candidate *c = d->first; c != NULL; c = c->next) {
        if (!c->looked_at)
            continue;
        const struct dkim_signature *s = &c->sig;
        c->body_id = body_canon_want_with(body, s->hash, s->body_canon, s->has_length ? s->length : CANON_NO_LIMIT);
        const struct header_field **fields = signed_fields(d->v.arena, headers, s);
        if (c->body_id < 0 || fields == NULL)
            return ST_NOMEM;
        enum status st = signed_fields_hash(d->v.arena, s, fields, s->n_names, c->digest);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* ---- judging */

/* A second copy of what people and programs read once (RFC 6376 8.15, RFC 7103 5): of From any second one, of the others
 * one more than the signature covers.  The name, or NULL. */
static const char *
unsigned_copy(const struct dkim *d, const struct dkim_signature *s)
{
    static const char *const once[] = { "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
                                        "Content-Type", "Content-Transfer-Encoding", "MIME-Version" };
    if (header_list_count_name(d->headers, SLICE("From")) > 1)
        return "From";
    for (size_t i = 0; i < COUNT(once); i++) {
        size_t there = header_list_count_name(d->headers, slice_from(once[i]));
        size_t covered = there > 1 ? dkim_signature_names_count(s, slice_from(once[i])) : 0;
        if (covered > 0 && there > covered)
            return once[i];
    }
    return NULL;
}

/* What verifies may still be unacceptable.  False: *r says why, or memory is out. */
static bool
acceptable(const struct dkim *d, const struct dkim_signature *s, struct dkim_result *r)
{
    const struct dkim_options *o = &d->v.options;
    struct arena *a = d->v.arena;
    const char *copy;
    r->result = DKIM_POLICY;
    if (s->has_time && s->time > o->now && s->time - o->now > (int64_t)o->clock_skew_s)
        r->reason = arena_printf(a, "signed %" PRId64 " seconds in the future", s->time - o->now);
    else if (s->has_expiry && o->now > s->expiry && o->now - s->expiry > (int64_t)o->clock_skew_s)
        r->reason = arena_printf(a, "signature expired %" PRId64 " seconds ago", o->now - s->expiry);
    else if (r->unsigned_bytes > 0 && !o->accept_unsigned_body)
        r->reason = arena_printf(a, "%" PRIu64 " octets of the body are not signed", r->unsigned_bytes);
    else if ((copy = unsigned_copy(d, s)) != NULL)
        r->reason = arena_printf(a, "the header has more than one %s field, not all of them signed", copy);
    else
        return true;
    return false;
}

static enum status
judge(const struct dkim *d, struct candidate *c, struct trace *t, struct dkim_result *r)
{
    const struct dkim_signature *s = &c->sig;
    struct arena *a = d->v.arena;
    struct signature_outcome o;
    slice digest = { (const char *)c->digest, hash_size(s->hash) }, body = body_canon_digest(d->body, c->body_id);
    uint64_t length = body_canon_length(d->body, c->body_id);
    enum status st = verifier_check(&d->v, s, digest, &o);
    if (st != ST_OK) {
        signature_outcome_clear(&o);
        return st;
    }
    if (body.n == 0) {
        signature_outcome_clear(&o);
        return ST_INTERNAL;
    }
    r->result = o.code;
    r->reason = o.reason;
    r->key_bits = o.key_bits;
    r->testing = o.testing;
    if (s->has_length && s->length < length)
        r->unsigned_bytes = length - s->length;
    bool same_body = slice_eq(body, s->bh);
    explain_body(t, a, s, body, length);
    if (o.code == DKIM_PASS || o.code == DKIM_FAIL)
        explain_coverage(t, a, d->headers, s);
    if (o.code == DKIM_FAIL)
        explain_header(t, a, d->headers, s, o.key);
    signature_outcome_clear(&o);
    if (r->result == DKIM_PERMERROR || r->result == DKIM_TEMPERROR)
        return ST_OK;
    if (s->has_length && s->length > length) { /* RFC 6376 3.5 l= */
        r->result = DKIM_PERMERROR;
        r->reason = arena_printf(a, "l= is larger than the body, which has %" PRIu64 " octets", length);
    } else if (!same_body) {
        r->reason = r->result == DKIM_PASS ? SLICE("body changed: its hash is not bh=; the header is intact")
                                           : SLICE("body changed: its hash is not bh=; the signature does not verify either");
        r->result = DKIM_FAIL;
    } else if (r->result == DKIM_PASS && acceptable(d, s, r)) {
        r->result = DKIM_PASS;
    } else if (r->result == DKIM_FAIL) {
        r->reason = arena_printf(a, "%.*s: the header was changed, or the key is another", SLICE_ARG(r->reason));
    }
    return r->reason.p == NULL ? ST_NOMEM : ST_OK;
}

static enum status
judge_candidate(const struct dkim *d, struct candidate *c, struct trace *t, struct dkim_result *r)
{
    const struct dkim_signature *s = &c->sig;
    *r = (struct dkim_result){ .field = s->field, .d = s->d, .s = s->s, .a = s->a, .i = s->i, .b = s->b_text,
                               .result = c->objection.code, .reason = c->objection.reason };
    trace_begin(t, "DKIM-Signature %u: d=%.*s s=%.*s a=%.*s", s->field->nth, SLICE_ARG(s->d), SLICE_ARG(s->s),
                SLICE_ARG(s->a));
    enum status st = ST_OK;
    if (c->looked_at) {
        st = judge(d, c, t, r);
    } else if (r->result == DKIM_NONE) {
        r->result = DKIM_POLICY;
        r->reason = arena_printf(d->v.arena, "ignored: only %u signatures are looked at", d->v.options.max_signatures);
        st = r->reason.p == NULL ? ST_NOMEM : ST_OK;
    }
    if (r->key_bits > 0)
        trace_line(t, "key: %u bits%s", r->key_bits, r->testing ? ", in test mode (t=y)" : "");
    trace_line(t, "%s%s%.*s", dkim_result_name(r->result), r->reason.n > 0 ? ": " : "", SLICE_ARG(r->reason));
    trace_end(t);
    return st;
}

enum status
dkim_finish(struct dkim *d, struct trace *t, const struct dkim_result **results, size_t *n)
{
    struct dkim_result *all = arena_array(d->v.arena, d->n + 1, sizeof(*all));
    if (all == NULL)
        return ST_NOMEM;
    size_t i = 0;
    for (struct candidate *c = d->first; c != NULL; c = c->next) {
        enum status st = judge_candidate(d, c, t, &all[i++]);
        if (st != ST_OK)
            return st;
    }
    *results = all;
    *n = d->n;
    return ST_OK;
}
