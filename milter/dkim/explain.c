#include "dkim/explain.h"

#include <inttypes.h>

#include "base/base64.h"
#include "crypto/verify.h"

#define ATTEMPTS_MAX 200 /* verifications spent on one explanation */

struct attempt {
    struct arena *arena;
    const struct dkim_signature *sig;
    const struct public_key *key;
    const struct header_field **fields;
    unsigned left;
};

/* Does the signature verify over these fields? */
static bool
verifies(struct attempt *t, const struct dkim_signature *sig)
{
    unsigned char digest[HASH_SIZE_MAX];
    const char *why;
    bool good = false;
    if (t->left == 0)
        return false;
    t->left--;
    if (signed_fields_hash(t->arena, sig, t->fields, sig->n_names, digest) != ST_OK)
        return false;
    slice d = { (const char *)digest, hash_size(sig->hash) };
    return signature_verify(t->key, sig->hash, d, sig->b, &good, &why) == ST_OK && good;
}

static size_t
count_before(const struct dkim_signature *sig, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < i; k++)
        n += slice_ieq(sig->names[k], sig->names[i]);
    return n;
}

void
explain_coverage(struct trace *t, struct arena *a, const struct header_list *headers,
                 const struct dkim_signature *sig)
{
    const struct header_field **fields = t == NULL ? NULL : signed_fields(a, headers, sig);
    if (fields == NULL)
        return;
    for (size_t i = 0; i < sig->n_names && i < ATTEMPTS_MAX; i++) {
        slice name = sig->names[i];
        if (count_before(sig, i) > 0)
            continue; /* told with the first of its name */
        size_t there = header_list_count_name(headers, name),
               listed = dkim_signature_names_count(sig, name);
        if (there > 0 && slice_ieq(name, sig->field->name))
            there--;
        const char *note = there == 0 ? "missing (signed as absent, or removed since)"
                           : there > listed
                               ? "repeated: only the lowest are signed, the others are not"
                           : there == listed ? "signed"
                                             : "signed, and none may be added";
        trace_line(t, "%.*s: %zu in the header, %zu in h=: %s", SLICE_ARG(name), there, listed,
                   note);
    }
}

/* A field that was added after signing takes a place that was empty, or another field's. */
static bool
try_without_each(struct trace *t, struct attempt *at)
{
    for (size_t i = 0; i < at->sig->n_names; i++) {
        const struct header_field *f = at->fields[i];
        if (f == NULL)
            continue;
        at->fields[i] = NULL;
        bool good = verifies(at, at->sig);
        at->fields[i] = f;
        if (good) {
            trace_line(
                t,
                "header changed: it verifies without %.*s number %u, which was added after signing",
                SLICE_ARG(f->name), f->nth);
            return true;
        }
    }
    return false;
}

static bool
try_other_instances(struct trace *t, struct attempt *at, const struct header_list *headers)
{
    for (size_t i = 0; i < at->sig->n_names; i++) {
        const struct header_field *f = at->fields[i];
        size_t there = f == NULL ? 0 : header_list_count_name(headers, f->name);
        for (unsigned nth = 1; nth <= there && at->left > 0; nth++) {
            at->fields[i] = header_list_find(headers, f->name, nth);
            if (at->fields[i] == f || at->fields[i] == at->sig->field)
                continue;
            if (verifies(at, at->sig)) {
                trace_line(t,
                           "header changed: it verifies with %.*s number %u in the place of number "
                           "%u: a field of "
                           "this name was added below, or the order changed",
                           SLICE_ARG(f->name), nth, f->nth);
                at->fields[i] = f;
                return true;
            }
        }
        at->fields[i] = f;
    }
    return false;
}

static bool
try_other_canonicalisation(struct trace *t, struct attempt *at)
{
    struct dkim_signature other = *at->sig;
    other.header_canon = other.header_canon == CANON_SIMPLE ? CANON_RELAXED : CANON_SIMPLE;
    if (!verifies(at, &other))
        return false;
    trace_line(t,
               "it verifies with the header canonicalised as %s: the signer says one thing in c= "
               "and did another",
               other.header_canon == CANON_SIMPLE ? "simple" : "relaxed");
    return true;
}

/* Signers that take repeated fields from the top, against RFC 6376 5.4.2. */
static bool
try_top_down(struct trace *t, struct attempt *at, const struct header_list *headers)
{
    struct attempt reversed = *at;
    reversed.fields =
        arena_array(at->arena, at->sig->n_names + 1, sizeof(const struct header_field *));
    if (reversed.fields == NULL)
        return false;
    for (size_t i = 0; i < at->sig->n_names && i < ATTEMPTS_MAX; i++)
        reversed.fields[i] =
            header_list_find(headers, at->sig->names[i], (unsigned)count_before(at->sig, i) + 1);
    bool good = at->sig->n_names < ATTEMPTS_MAX && verifies(&reversed, at->sig);
    at->left = reversed.left;
    if (good)
        trace_line(t, "it verifies with repeated fields taken from the top: their order changed, "
                      "or the signer is wrong");
    return good;
}

/* A value without "[...] " at its front: what mailing lists put before a Subject.  False: there is none. */
static bool
without_list_tag(struct arena *a, const struct header_field *f, struct header_field *out)
{
    size_t open = 0;
    while (open < f->value.n && ascii_is_wsp(f->value.p[open]))
        open++;
    size_t close = open + slice_find(slice_tail(f->value, open), ']');
    if (close >= f->value.n || f->value.p[open] != '[')
        return false;
    slice rest = slice_tail(f->value, close + 1);
    while (rest.n > 0 && ascii_is_wsp(rest.p[0]))
        rest = slice_tail(rest, 1);
    size_t value_at = (size_t)(f->value.p - f->raw.p);
    slice raw = arena_printf(a, "%.*s%.*s", (int)(value_at + open), f->raw.p, SLICE_ARG(rest));
    if (raw.p == NULL || raw.n < value_at)
        return false;
    *out = (struct header_field){ .raw = raw,
                                  .name = slice_head(raw, f->name.n),
                                  .value = slice_tail(raw, value_at),
                                  .nth = f->nth };
    return true;
}

static bool
try_without_list_tags(struct trace *t, struct attempt *at)
{
    for (size_t i = 0; i < at->sig->n_names; i++) {
        const struct header_field *f = at->fields[i];
        struct header_field shorter;
        if (f == NULL || !without_list_tag(at->arena, f, &shorter))
            continue;
        at->fields[i] = &shorter;
        bool good = verifies(at, at->sig);
        at->fields[i] = f;
        if (good) {
            trace_line(t,
                       "header changed: it verifies without the [...] at the front of %.*s, which "
                       "mailing lists add",
                       SLICE_ARG(f->name));
            return true;
        }
    }
    return false;
}

void
explain_header(struct trace *t, struct arena *a, const struct header_list *headers,
               const struct dkim_signature *sig, const struct public_key *key)
{
    struct attempt at = { a, sig, key, NULL, ATTEMPTS_MAX };
    if (t == NULL || key == NULL || (at.fields = signed_fields(a, headers, sig)) == NULL)
        return;
    if (try_without_list_tags(t, &at) || try_without_each(t, &at) ||
        try_other_instances(t, &at, headers) || try_top_down(t, &at, headers) ||
        try_other_canonicalisation(t, &at))
        return;
    trace_line(t, "no field added since, no list's [...] and no change of order explains it: a signed field was "
                  "altered or removed, or another key made the signature");
}

static slice
base64_of(struct arena *a, slice data)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    base64_encode(&b, data);
    return strbuf_finish(&b, a);
}

void
explain_body(struct trace *t, struct arena *a, const struct dkim_signature *sig, slice computed,
             slice other, uint64_t length)
{
    if (t == NULL)
        return;
    bool same = slice_eq(sig->bh, computed), relaxed = sig->body_canon == CANON_RELAXED;
    trace_line(t, "body %s: %" PRIu64 " octets as %s", same ? "unchanged" : "changed", length,
               relaxed ? "relaxed" : "simple");
    if (same)
        return;
    slice signed_hash = base64_of(a, sig->bh), ours = base64_of(a, computed);
    trace_line(t, "signed as   bh=%.*s", SLICE_ARG(signed_hash));
    trace_line(t, "is now      bh=%.*s", SLICE_ARG(ours));
    if (other.n > 0 && slice_eq(sig->bh, other))
        trace_line(t, "as %s it is bh=: %s", relaxed ? "simple" : "relaxed",
                   relaxed ? "the signer says one thing in c= and did another"
                           : "only white space at line ends or between words changed, which c= "
                             "does not allow");
}
