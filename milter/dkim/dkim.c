#include "dkim/dkim.h"

#include <inttypes.h>

#include "dkim/accept.h"
#include "dkim/explain.h"
#include "dkim/verify.h"

struct candidate {
    struct candidate *next;
    struct dkim_signature sig;
    struct dkim_objection objection; /* DKIM_NONE: worth a look */
    bool looked_at;                  /* among the first `max_signatures` */
    int body_id, other_body_id; /* other: in the other canonicalisation; negative: not asked for */
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
dkim_new(struct arena *a, struct dns_session *dns, struct key_cache *keys,
         const struct dkim_options *o)
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
    enum status st = dkim_signature_parse(d->v.arena, f, SIGNATURE_DKIM,
                                          d->v.options.accept_rsa_sha1, &c->sig, &c->objection);
    if (st != ST_OK || c->objection.code != DKIM_NONE || d->asked >= d->v.options.max_signatures)
        return st;
    verifier_ask_key(&d->v, &c->sig);
    d->asked++;
    return ST_OK;
}

static void
choose(struct dkim *d, slice author)
{
    unsigned left = d->v.options.max_signatures;
    for (unsigned far = 0; far <= 2; far++)
        for (struct candidate *c = d->first; c != NULL && left > 0; c = c->next)
            if (c->objection.code == DKIM_NONE && dkim_distance(&c->sig, author) == far) {
                c->looked_at = true;
                left--;
                verifier_ask_key(&d->v, &c->sig); /* free if asked already */
            }
}

static enum status
prepare(struct dkim *d, struct candidate *c)
{
    const struct dkim_signature *s = &c->sig;
    uint64_t length = s->has_length ? s->length : CANON_NO_LIMIT;
    c->body_id = body_canon_want_with(d->body, s->hash, s->body_canon, length);
    c->other_body_id = -1;
    if (d->v.options.explain)
        c->other_body_id = body_canon_want_with(
            d->body, s->hash, s->body_canon == CANON_SIMPLE ? CANON_RELAXED : CANON_SIMPLE, length);
    const struct header_field **fields = signed_fields(d->v.arena, d->headers, s);
    if (c->body_id < 0 || fields == NULL)
        return ST_NOMEM;
    return signed_fields_hash(d->v.arena, s, fields, s->n_names, c->digest);
}

enum status
dkim_header_end(struct dkim *d, const struct header_list *headers, slice author_domain,
                struct body_canon *body)
{
    enum status st = ST_OK;
    d->headers = headers;
    d->body = body;
    choose(d, author_domain);
    for (struct candidate *c = d->first; c != NULL && st == ST_OK; c = c->next)
        if (c->looked_at)
            st = prepare(d, c);
    return st;
}

/* ---- judging */

/* Header and key are known to be as *r says; now the body and our own rules. */
static enum status
settle(const struct dkim *d, const struct candidate *c, slice body, uint64_t length,
       struct dkim_result *r)
{
    const struct dkim_signature *s = &c->sig;
    struct arena *a = d->v.arena;
    if (r->result != DKIM_PASS && r->result != DKIM_FAIL)
        return ST_OK;
    if (s->has_length && s->length > length) { /* RFC 6376 3.5 l= */
        r->result = DKIM_PERMERROR;
        r->reason =
            arena_printf(a, "l= is larger than the body, which has %" PRIu64 " octets", length);
    } else if (!slice_eq(body, s->bh)) {
        r->reason =
            r->result == DKIM_PASS
                ? SLICE("body changed: its hash is not bh=; the header is intact")
                : SLICE("body changed: its hash is not bh=; the signature does not verify either");
        r->result = DKIM_FAIL;
    } else if (r->result == DKIM_FAIL) {
        r->reason = arena_printf(a, "header: %.*s", SLICE_ARG(r->reason));
    } else {
        enum status st =
            dkim_accept(a, &d->v.options, d->headers, s, r->unsigned_bytes, &r->reason);
        r->result = r->reason.n > 0 ? DKIM_POLICY : DKIM_PASS;
        return st;
    }
    return r->reason.p == NULL ? ST_NOMEM : ST_OK;
}

static enum status
judge(const struct dkim *d, const struct candidate *c, struct trace *t, struct dkim_result *r)
{
    const struct dkim_signature *s = &c->sig;
    struct arena *a = d->v.arena;
    struct signature_outcome o;
    slice body = body_canon_digest(d->body, c->body_id);
    uint64_t length = body_canon_length(d->body, c->body_id);
    enum status st =
        verifier_check(&d->v, s, (slice){ (const char *)c->digest, hash_size(s->hash) }, &o);
    if (st == ST_OK && body.n == 0)
        st = ST_INTERNAL;
    if (st == ST_OK) {
        r->result = o.code;
        r->reason = o.reason;
        r->key_bits = o.key_bits;
        r->testing = o.testing;
        if (s->has_length && s->length < length)
            r->unsigned_bytes = length - s->length;
        explain_body(t, a, s, body, body_canon_digest(d->body, c->other_body_id), length);
        if (o.code == DKIM_PASS || o.code == DKIM_FAIL)
            explain_coverage(t, a, d->headers, s);
        if (o.code == DKIM_FAIL)
            explain_header(t, a, d->headers, s, o.key);
        st = settle(d, c, body, length, r);
    }
    signature_outcome_clear(&o);
    return st;
}

static enum status
judge_candidate(const struct dkim *d, struct candidate *c, struct trace *t, struct dkim_result *r)
{
    const struct dkim_signature *s = &c->sig;
    *r = (struct dkim_result){ .field = s->field,
                               .d = s->d,
                               .s = s->s,
                               .a = s->a,
                               .i = s->i,
                               .b = s->b_text,
                               .result = c->objection.code,
                               .reason = c->objection.reason };
    trace_begin(t, "DKIM-Signature %u: d=%.*s s=%.*s a=%.*s", s->field->nth, SLICE_ARG(s->d),
                SLICE_ARG(s->s), SLICE_ARG(s->a));
    enum status st = ST_OK;
    if (c->looked_at) {
        st = judge(d, c, t, r);
    } else if (r->result == DKIM_NONE) {
        r->result = DKIM_POLICY;
        r->reason = arena_printf(d->v.arena, "ignored: only %u signatures are looked at",
                                 d->v.options.max_signatures);
        st = r->reason.p == NULL ? ST_NOMEM : ST_OK;
    }
    if (r->key_bits > 0)
        trace_line(t, "key: %u bits%s", r->key_bits, r->testing ? ", in test mode (t=y)" : "");
    trace_line(t, "%s%s%.*s", dkim_result_name(r->result), r->reason.n > 0 ? ": " : "",
               SLICE_ARG(r->reason));
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
