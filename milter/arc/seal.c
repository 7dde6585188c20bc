#include "arc/seal.h"

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/strbuf.h"
#include "crypto/hash.h"

#define LINE_WIDTH 72
#define INSTANCES_MAX 50 /* of one name in h=: bounds the field's length under a flood */

struct arc_seal {
    struct arena *arena;
    struct arc_seal_options o;
    struct body_canon *body;
    int body_id;
    enum sign_algorithm algorithm;
};

struct arc_seal *
arc_seal_new(struct arena *a, struct body_canon *body)
{
    struct arc_seal *s = arena_zalloc(a, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->arena = a;
    s->body = body;
    s->body_id = body_canon_want(body, CANON_RELAXED, CANON_NO_LIMIT);
    return s->body_id < 0 ? NULL : s;
}

/* ------------------------------------------------------------------ h= */

/* RFC 8617 4.1.2: these MUST NOT be covered, whatever the option says. */
static bool
may_be_covered(slice name)
{
    return !slice_ieq(name, SLICE("Authentication-Results")) && !slice_ieq(name, SLICE("ARC-Seal")) &&
           !slice_ieq(name, SLICE("ARC-Message-Signature")) && !slice_ieq(name, SLICE("ARC-Authentication-Results"));
}

static bool
listed(char *const *names, size_t n, slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slice_ieq(slice_from(names[i]), name))
            return true;
    return false;
}

/* The value of h= with its folds, and beside it the canonical text of the fields in that order. */
struct coverage {
    struct strbuf h, text;
    size_t column;
};

static void
cover_name(struct coverage *c, slice name)
{
    if (c->h.n > 0) {
        strbuf_add_char(&c->h, ':');
        c->column++;
        if (c->column + name.n >= LINE_WIDTH) {
            strbuf_add(&c->h, SLICE("\n\t"));
            c->column = 8;
        }
    }
    for (size_t i = 0; i < name.n; i++)
        strbuf_add_char(&c->h, ascii_lower(name.p[i]));
    c->column += name.n;
}

/* All instances from the bottom up (RFC 6376 5.4.2), and one that is not there if it is oversigned. */
static void
cover(struct coverage *c, const struct header_list *headers, slice name, bool oversign)
{
    if (!may_be_covered(name))
        return;
    size_t count = header_list_count_name(headers, name);
    for (size_t i = 0; i < count && i < INSTANCES_MAX; i++) {
        cover_name(c, name);
        header_canon_add(&c->text, CANON_RELAXED, header_list_find(headers, name, (unsigned)(count - i)));
        strbuf_add(&c->text, SLICE("\r\n"));
    }
    if (oversign && count < INSTANCES_MAX)
        cover_name(c, name);
}

static void
cover_all(struct coverage *c, const struct arc_seal_options *o, const struct header_list *headers)
{
    if (!listed(o->headers, o->n_headers, SLICE("From"))) /* RFC 6376 5.4: it MUST be signed */
        cover(c, headers, SLICE("From"), listed(o->oversign, o->n_oversign, SLICE("From")));
    for (size_t i = 0; i < o->n_headers; i++) {
        slice name = slice_from(o->headers[i]);
        if (!listed(o->headers, i, name))
            cover(c, headers, name, listed(o->oversign, o->n_oversign, name));
    }
    for (size_t i = 0; i < o->n_oversign; i++) {
        slice name = slice_from(o->oversign[i]);
        if (!listed(o->oversign, i, name) && !listed(o->headers, o->n_headers, name) && !slice_ieq(name, SLICE("From")))
            cover(c, headers, name, true);
    }
}

/* ------------------------------------------------------------------ the fields */

/* Our own field in the form the canonicaliser reads. */
static enum status
add_canonical(struct arc_seal *s, struct strbuf *out, slice name, slice value)
{
    static const struct header_limits limits = { 1, SIZE_MAX / 2 };
    struct header_list *one = header_list_new(s->arena, &limits);
    enum status st = one == NULL ? ST_NOMEM : header_list_add(one, name, value);
    if (st == ST_OK)
        header_canon_add(out, CANON_RELAXED, header_list_at(one, 0));
    return st;
}

/* Sign what `text` holds, and end the field `value`, which stands at "b=", with it. */
static enum status
add_signature(struct arc_seal *s, slice text, struct strbuf *value)
{
    unsigned char digest[HASH_SIZE_MAX];
    struct signature sig;
    enum status st = hash_once(HASH_SHA256, text, digest);
    if (st == ST_OK)
        st = signer_sign(s->o.signer, s->o.key, s->algorithm, digest, &sig);
    if (st != ST_OK)
        return st;
    struct strbuf b64;
    strbuf_init(&b64, 0);
    base64_encode(&b64, (slice){ (const char *)sig.bytes, sig.n });
    slice b = strbuf_slice(&b64);
    for (size_t at = 0, width = LINE_WIDTH - 10; at < b.n; at += width, width = LINE_WIDTH - 8) {
        if (at > 0)
            strbuf_add(value, SLICE("\n\t"));
        strbuf_add(value, slice_head(slice_tail(b, at), width));
    }
    st = strbuf_status(&b64);
    strbuf_clear(&b64);
    return st == ST_OK ? strbuf_status(value) : st;
}

/* RFC 8617 4.1.2.  i= stands first, as its grammar wants. */
static enum status
make_ams(struct arc_seal *s, const struct header_list *headers, struct arc_seal_set *set)
{
    struct coverage c = { .column = 10 };
    strbuf_init(&c.h, 0);
    strbuf_init(&c.text, 0);
    cover_all(&c, &s->o, headers);
    struct strbuf v;
    strbuf_init(&v, 0);
    strbuf_printf(&v, " i=%u; a=%s; c=relaxed/relaxed;\n\td=%.*s; s=%.*s; t=%" PRId64 ";\n\th=", set->instance,
                  sign_algorithm_name(s->algorithm), SLICE_ARG(s->o.domain), SLICE_ARG(s->o.selector), s->o.now);
    strbuf_add(&v, strbuf_slice(&c.h));
    strbuf_add(&v, SLICE(";\n\tbh="));
    base64_encode(&v, body_canon_digest(s->body, s->body_id));
    strbuf_add(&v, SLICE(";\n\tb="));
    enum status st = strbuf_status(&v);
    if (st == ST_OK)
        st = add_canonical(s, &c.text, SLICE("ARC-Message-Signature"), strbuf_slice(&v));
    if (st == ST_OK && (st = strbuf_status(&c.h)) == ST_OK && (st = strbuf_status(&c.text)) == ST_OK)
        st = add_signature(s, strbuf_slice(&c.text), &v);
    strbuf_clear(&c.h);
    strbuf_clear(&c.text);
    set->ams = strbuf_finish(&v, s->arena);
    return st == ST_OK && set->ams.p == NULL ? ST_NOMEM : st;
}

/* The sets below ours, oldest first (RFC 8617 5.1.1); none of them under a failed chain (5.1.2). */
static void
add_chain(struct strbuf *text, const struct arc_result *chain)
{
    for (unsigned i = 0; chain->status == ARC_PASS && i < chain->sets; i++) {
        const struct header_field *fields[] = { chain->chain[i].aar, chain->chain[i].ams, chain->chain[i].as };
        for (size_t k = 0; k < COUNT(fields); k++) {
            header_canon_add(text, CANON_RELAXED, fields[k]);
            strbuf_add(text, SLICE("\r\n"));
        }
    }
}

static enum status
make_as(struct arc_seal *s, const struct arc_result *chain, struct arc_seal_set *set)
{
    struct strbuf text, v;
    strbuf_init(&text, 0);
    strbuf_init(&v, 0);
    add_chain(&text, chain);
    strbuf_printf(&v, " i=%u; a=%s; cv=%s;\n\td=%.*s; s=%.*s; t=%" PRId64 ";\n\tb=", set->instance,
                  sign_algorithm_name(s->algorithm), arc_status_name(set->cv), SLICE_ARG(s->o.domain),
                  SLICE_ARG(s->o.selector), s->o.now);
    enum status st = strbuf_status(&v);
    if (st == ST_OK)
        st = add_canonical(s, &text, SLICE("ARC-Authentication-Results"), set->aar);
    strbuf_add(&text, SLICE("\r\n"));
    if (st == ST_OK)
        st = add_canonical(s, &text, SLICE("ARC-Message-Signature"), set->ams);
    strbuf_add(&text, SLICE("\r\n"));
    if (st == ST_OK)
        st = add_canonical(s, &text, SLICE("ARC-Seal"), strbuf_slice(&v));
    if (st == ST_OK && (st = strbuf_status(&text)) == ST_OK)
        st = add_signature(s, strbuf_slice(&text), &v);
    strbuf_clear(&text);
    set->as = strbuf_finish(&v, s->arena);
    return st == ST_OK && set->as.p == NULL ? ST_NOMEM : st;
}

/* ------------------------------------------------------------------ whether, and all three */

/* RFC 8617 5.1 steps 2 and 3, and the bound of 4.2.1. */
static const char *
why_no_set(const struct arc_result *chain)
{
    if (chain->sealed_fail)
        return "the newest seal says cv=fail";
    if (chain->highest_instance >= ARC_MAX_SETS)
        return "the chain has no room for another set";
    if (chain->status == ARC_PASS && (chain->chain == NULL || chain->sets != chain->highest_instance))
        return "the chain is not in order";
    return NULL;
}

enum status
arc_seal_finish(struct arc_seal *s, const struct arc_seal_options *o, const struct header_list *headers, slice authres,
                const struct arc_result *chain, struct arc_seal_set *out)
{
    s->o = *o;
    *out = (struct arc_seal_set){ .why_not = why_no_set(chain) };
    if (out->why_not != NULL)
        return ST_OK;
    if (!signer_find(s->o.signer, s->o.key, &s->algorithm))
        return ST_SYNTAX;
    struct arc_seal_set set = { .instance = chain->highest_instance + 1,
                                .cv = chain->status,
                                .domain = s->o.domain,
                                .selector = s->o.selector };
    slice payload = slice_trim(authres);
    set.aar = arena_printf(s->arena, " i=%u; %.*s", set.instance, SLICE_ARG(payload));
    enum status st = set.aar.p == NULL ? ST_NOMEM : make_ams(s, headers, &set);
    if (st == ST_OK)
        st = make_as(s, chain, &set);
    if (st == ST_OK)
        *out = set;
    return st;
}
