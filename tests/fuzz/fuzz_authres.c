/* Authentication-Results: what is read and can be written is read the same again; a field that says whose it is claims so. */
#include <assert.h>
#include <stdlib.h>

#include "mail/authres.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
text_of(struct arena *a, slice s)
{
    const char *p = arena_strdup(a, s);
    assert(p != NULL);
    return p;
}

/* Write it again; false if some value could not be written. */
static bool
rebuild(struct arena *a, const struct authres *r, slice *out)
{
    struct authres_builder *b = authres_builder_new(a, r->authserv_id, 1000000);
    bool all = b != NULL;
    for (size_t i = 0; i < r->n_results; i++) {
        const struct authres_result *res = &r->results[i];
        authres_add_result(b, text_of(a, res->method), text_of(a, res->result));
        authres_add_reason(b, res->reason);
        all = all && res->reason.n < 400;
        for (size_t k = 0; k < res->n_properties; k++) {
            const struct authres_property *p = &res->properties[k];
            all = all && p->ptype.n > 0 && p->value.n > 0 && p->value.n < 400;
            if (all)
                authres_add_value(b, text_of(a, p->ptype), text_of(a, p->name), p->value);
        }
    }
    *out = authres_finish(b);
    return all;
}

/* HTAB, C1 and line separators may be read but are not written. */
static bool
is_writable(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\t' || s.p[i] == '\xc2' || s.p[i] == '\xe2')
            return false;
    return true;
}

static void
check(struct arena *a, const struct authres *r)
{
    slice out;
    struct authres again;
    if (!rebuild(a, r, &out))
        return;
    assert(out.p != NULL && authres_parse(a, out, &again) == ST_OK);
    assert(slice_eq(r->authserv_id, again.authserv_id) && again.version == 1);
    assert(r->n_results == again.n_results);
    for (size_t i = 0; i < r->n_results; i++) {
        const struct authres_result *x = &r->results[i], *y = &again.results[i];
        assert(slice_eq(x->method, y->method) && slice_eq(x->result, y->result) && slice_eq(x->reason, y->reason));
        assert(x->n_properties == y->n_properties);
        for (size_t k = 0; k < x->n_properties; k++) {
            const struct authres_property *p = &x->properties[k], *q = &y->properties[k];
            assert(slice_eq(p->ptype, q->ptype) && slice_eq(p->name, q->name) && slice_eq(p->value, q->value));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct arena *a = arena_new(0);
    struct authres r;
    assert(a != NULL);
    enum status st = authres_parse(a, text, &r);
    assert(st == ST_OK || st == ST_SYNTAX || st == ST_LIMIT);
    authres_claims(a, text, SLICE("mx.example.org"));
    if (st == ST_OK) {
        assert(r.n_results <= 100);
        assert(r.authserv_id.n == 0 || authres_claims(a, text, r.authserv_id));
        if (is_writable(text))
            check(a, &r);
    }
    arena_free(a);
    return 0;
}
