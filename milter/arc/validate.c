#include "arc/arc.h"

#include "arc/chain.h"
#include "dkim/explain.h"
#include "dkim/verify.h"

/* One way to read an AMS.  Without c= there are two: simple/simple is what DKIM, imported by RFC
 * 8617 4.1.2, has for a default; relaxed/relaxed is what the signers in the field and the
 * conformance suite take. */
struct ams_reading {
    struct dkim_signature sig;
    int body_id;
    unsigned char digest[HASH_SIZE_MAX];
};

struct ams_readings {
    struct ams_reading *all;
    size_t n;
};

/* Keys asked for before the whole header is there: ten sets, more than real chains have.  ARC
 * fields stand above From, and a flood of them must not use up the message's queries before DMARC
 * has asked its own. */
#define EARLY_KEYS_MAX 20u

struct arc {
    struct verifier v;
    unsigned early_keys;
    struct chain chain;
    const struct header_list *headers;
    struct body_canon *body;
    struct ams_readings ams[ARC_MAX_SETS + 1]; /* by instance */
    unsigned char (*seal_digests)[HASH_SIZE_MAX]; /* by instance, once the newest message signature has passed */
    struct trace *trace;
};

const char *
arc_status_name(enum arc_status s)
{
    switch (s) {
    case ARC_NONE:
        return "none";
    case ARC_PASS:
        return "pass";
    case ARC_FAIL:
        return "fail";
    }
    return "none";
}

struct arc *
arc_new(struct arena *a, struct dns_session *dns, struct key_cache *keys,
        const struct dkim_options *o)
{
    struct arc *c = arena_zalloc(a, sizeof(*c));
    if (c != NULL)
        c->v = (struct verifier){ a, dns, keys, *o };
    return c;
}

enum status
arc_header(struct arc *c, const struct header_field *f)
{
    const struct dkim_signature *sig;
    enum status st = chain_add(c->v.arena, &c->chain, f, &sig);
    if (st == ST_OK && sig != NULL && c->early_keys < EARLY_KEYS_MAX) {
        verifier_ask_key(&c->v, sig);
        c->early_keys++;
    }
    return st;
}

static enum status
prepare_ams(struct arc *c, const struct dkim_signature *sig, struct ams_readings *out)
{
    static const enum canon defaults[] = { CANON_SIMPLE, CANON_RELAXED };
    bool said = taglist_find(&sig->tags, SLICE("c")) != NULL;
    out->n = said ? 1 : COUNT(defaults);
    out->all = arena_array(c->v.arena, out->n, sizeof(*out->all));
    const struct header_field **fields = signed_fields(c->v.arena, c->headers, sig);
    if (out->all == NULL || fields == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < out->n; i++) {
        struct ams_reading *r = &out->all[i];
        r->sig = *sig;
        if (!said)
            r->sig.header_canon = r->sig.body_canon = defaults[i];
        r->body_id = body_canon_want(c->body, r->sig.body_canon,
                                     sig->has_length ? sig->length : CANON_NO_LIMIT);
        if (r->body_id < 0)
            return ST_NOMEM;
        enum status st = signed_fields_hash(c->v.arena, &r->sig, fields, sig->n_names, r->digest);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status
arc_eoh(struct arc *c, const struct header_list *headers, struct body_canon *body)
{
    enum status st = ST_OK;
    c->headers = headers;
    c->body = body;
    chain_close(&c->chain);
    for (unsigned i = 1; c->chain.problem == NULL && i <= c->chain.highest && st == ST_OK; i++) {
        verifier_ask_key(&c->v, &c->chain.sets[i]->as); /* free if asked already */
        verifier_ask_key(&c->v, &c->chain.sets[i]->ams);
        st = prepare_ams(c, &c->chain.sets[i]->ams, &c->ams[i]);
    }
    return st;
}

/* ---- signatures */

/* What stands against a signature of instance i; NULL text: nothing. */
struct complaint {
    const char *what;
    slice detail;
};

static enum status
check_ams_reading(const struct arc *c, const struct ams_reading *r, struct complaint *bad)
{
    const struct dkim_signature *s = &r->sig;
    slice body = body_canon_digest(c->body, r->body_id);
    uint64_t length = body_canon_length(c->body, r->body_id);
    struct signature_outcome o;
    *bad = (struct complaint){ NULL, SLICE_EMPTY };
    enum status st =
        verifier_check(&c->v, s, (slice){ (const char *)r->digest, hash_size(s->hash) }, &o);
    if (st == ST_OK && body.n == 0)
        st = ST_INTERNAL;
    if (st == ST_OK) {
        explain_body(c->trace, c->v.arena, s, body, SLICE_EMPTY, length);
        if (o.code == DKIM_PASS || o.code == DKIM_FAIL)
            explain_coverage(c->trace, c->v.arena, c->headers, s);
        if (o.code == DKIM_FAIL)
            explain_header(c->trace, c->v.arena, c->headers, s, o.key);
        if (!slice_eq(body, s->bh))
            *bad = (struct complaint){ "body changed: its hash is not bh=", SLICE_EMPTY };
        else if (o.code != DKIM_PASS)
            *bad = (struct complaint){ "signature", o.reason };
        else if (s->has_length && s->length > length)
            *bad = (struct complaint){ "l= is larger than the body", SLICE_EMPTY };
        else if (s->has_length && s->length < length && !c->v.options.accept_unsigned_body)
            *bad = (struct complaint){ "l= leaves a part of the body unsigned", SLICE_EMPTY };
    }
    signature_outcome_clear(&o);
    return st;
}

static enum status
check_ams(const struct arc *c, unsigned i, struct complaint *bad)
{
    const struct ams_readings *readings = &c->ams[i];
    enum status st = ST_OK;
    *bad = (struct complaint){ NULL, SLICE_EMPTY };
    for (size_t k = 0; k < readings->n && st == ST_OK; k++) {
        st = check_ams_reading(c, &readings->all[k], bad);
        if (bad->what == NULL)
            break;
    }
    return st;
}

static void
add_field(struct strbuf *text, const struct header_field *f)
{
    header_canon_add(text, CANON_RELAXED, f);
    strbuf_add(text, SLICE("\r\n"));
}

/* RFC 8617 5.1.1: a seal covers all sets up to its own in order, each as AAR, AMS, AS; itself last, its b= emptied.  Each
 * begins as the one before does, so one pass makes the digests of all: hashed one by one, n seals would cost n * n. */
static enum status
hash_seals(struct arc *c)
{
    struct hash *so_far = hash_new(HASH_SHA256);
    struct strbuf text;
    strbuf_init(&text, 0);
    enum status st = so_far == NULL ? ST_NOMEM : ST_OK;
    for (unsigned i = 1; i <= c->chain.highest && st == ST_OK; i++) {
        const struct chain_set *set = c->chain.sets[i];
        strbuf_reset(&text);
        add_field(&text, set->aar);
        add_field(&text, set->ams.field);
        size_t before = text.n;
        st = signature_field_add(c->v.arena, &set->as, &text);
        if (st == ST_OK)
            st = strbuf_status(&text);
        if (st == ST_OK)
            st = hash_digest_with(so_far, strbuf_slice(&text), c->seal_digests[i]);
        if (st != ST_OK || i == c->chain.highest)
            break;
        hash_add(so_far, slice_head(strbuf_slice(&text), before));
        strbuf_reset(&text);
        add_field(&text, set->as.field);
        st = strbuf_status(&text);
        hash_add(so_far, strbuf_slice(&text));
    }
    strbuf_clear(&text);
    hash_free(so_far);
    return st;
}

static enum status
check_seal(const struct arc *c, unsigned i, struct complaint *bad)
{
    struct signature_outcome o = { 0 };
    *bad = (struct complaint){ NULL, SLICE_EMPTY };
    enum status st = verifier_check(&c->v, &c->chain.sets[i]->as, (slice){ (const char *)c->seal_digests[i], 32 }, &o);
    if (st == ST_OK && o.code != DKIM_PASS)
        *bad = (struct complaint){ "signature", o.reason };
    signature_outcome_clear(&o);
    return st;
}

/* ---- the verdict */

static enum status
fail(const struct arc *c, struct arc_result *out, unsigned instance, const char *field,
     const char *what, slice detail)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    if (instance > 0)
        strbuf_printf(&b, "i=%u: ", instance);
    strbuf_add_str(&b, field);
    strbuf_add_str(&b, what);
    if (detail.n > 0) {
        strbuf_add(&b, SLICE(": "));
        strbuf_add(&b, detail);
    }
    out->status = ARC_FAIL;
    out->reason = strbuf_finish(&b, c->v.arena);
    trace_line(c->trace, "fail: %.*s", SLICE_ARG(out->reason));
    return out->reason.p == NULL ? ST_NOMEM : ST_OK;
}

static enum status
chain_report(const struct arc *c, struct arc_result *out)
{
    struct arc_set *sets = arena_array(c->v.arena, c->chain.highest, sizeof(*sets));
    if (sets == NULL)
        return ST_NOMEM;
    for (unsigned i = 1; i <= c->chain.highest; i++) {
        const struct chain_set *s = c->chain.sets[i];
        sets[i - 1] = (struct arc_set){ .instance = i,
                                        .aar = s->aar,
                                        .ams = s->ams.field,
                                        .as = s->as.field,
                                        .seal_d = s->as.d,
                                        .seal_s = s->as.s,
                                        .ams_d = s->ams.d,
                                        .ams_s = s->ams.s,
                                        .aar_payload = s->aar_payload };
        trace_line(c->trace, "set %u: seal d=%.*s s=%.*s, message signature d=%.*s s=%.*s", i,
                   SLICE_ARG(s->as.d), SLICE_ARG(s->as.s), SLICE_ARG(s->ams.d),
                   SLICE_ARG(s->ams.s));
    }
    out->chain = sets;
    out->sets = c->chain.highest;
    return ST_OK;
}

/* RFC 8617 5.2 step 5; never changes the verdict. */
static enum status
find_oldest_pass(struct arc *c, struct arc_result *out)
{
    struct trace *t = c->trace;
    c->trace = NULL; /* older message signatures are expected to break: not worth an explanation */
    out->oldest_pass = 0;
    enum status st = ST_OK;
    for (unsigned i = c->chain.highest - 1; i >= 1 && out->oldest_pass == 0 && st == ST_OK; i--) {
        struct complaint bad;
        st = check_ams(c, i, &bad);
        if (bad.what != NULL)
            out->oldest_pass = (int)i + 1;
    }
    c->trace = t;
    trace_line(t, "oldest-pass %d", out->oldest_pass);
    return st;
}

static enum status
validate(struct arc *c, struct arc_result *out)
{
    struct complaint bad;
    unsigned newest = c->chain.highest;
    trace_begin(c->trace, "ARC-Message-Signature i=%u", newest);
    enum status st = check_ams(c, newest, &bad);
    trace_end(c->trace);
    if (st != ST_OK)
        return st;
    if (bad.what != NULL)
        return fail(c, out, newest, "ARC-Message-Signature: ", bad.what, bad.detail);
    c->seal_digests = arena_array(c->v.arena, newest + 1, sizeof(*c->seal_digests));
    if (c->seal_digests == NULL)
        return ST_NOMEM;
    st = hash_seals(c);
    if (st != ST_OK)
        return st;
    for (unsigned i = newest; i >= 1; i--) {
        st = check_seal(c, i, &bad);
        if (st != ST_OK)
            return st;
        if (bad.what != NULL)
            return fail(c, out, i, "ARC-Seal: ", bad.what, bad.detail);
    }
    st = find_oldest_pass(c, out);
    if (st != ST_OK)
        return st;
    out->status = ARC_PASS;
    trace_line(c->trace, "pass");
    return ST_OK;
}

enum status
arc_finish(struct arc *c, struct trace *t, struct arc_result *out)
{
    *out = (struct arc_result){ .status = ARC_NONE,
                                .oldest_pass = -1,
                                .reason = SLICE_EMPTY,
                                .highest_instance = c->chain.highest,
                                .sealed_fail = c->chain.sealed_fail };
    if (!c->chain.any)
        return ST_OK;
    c->trace = t;
    trace_begin(t, "ARC chain");
    enum status st;
    if (c->chain.problem != NULL) {
        st = fail(c, out, c->chain.problem_instance, "", c->chain.problem, c->chain.problem_detail);
    } else {
        st = chain_report(c, out);
        if (st == ST_OK)
            st = validate(c, out);
    }
    trace_end(t);
    return st;
}
