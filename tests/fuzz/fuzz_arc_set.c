/* A header with anything at all in its ARC fields: a chain is whole or has a reason, and no more than a verdict comes out. */
#include <assert.h>
#include <string.h>

#include "arc/chain.h"
#include "dns/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The keys of the seeds, which are i=1 and i=2 of a chain that passes. */
static const char zone[] =
#include "signed_zone.h"
    ;

static struct header_list *
read_fields(struct arena *a, slice text)
{
    struct header_limits none = { 0, 0 };
    struct header_list *l = header_list_new(a, &none);
    while (text.n > 0) {
        size_t end = 0;
        do
            end = end + slice_find(slice_tail(text, end), '\n') + 1;
        while (end < text.n && ascii_is_wsp(text.p[end]));
        slice field = slice_head(text, end - 1), name, value;
        if (field.n > 0 && field.p[field.n - 1] == '\r')
            field.n--;
        if (slice_cut(field, ':', &name, &value))
            assert(header_list_add(l, name, value) == ST_OK);
        text = slice_tail(text, end);
    }
    return l;
}

static void
check_chain(struct arena *a, const struct header_list *l, const struct arc_result *result)
{
    struct chain c = { 0 };
    const struct dkim_signature *sig;
    for (size_t i = 0; i < header_list_count(l); i++)
        assert(chain_add(a, &c, header_list_at(l, i), &sig) == ST_OK);
    chain_close(&c);
    assert(c.any == (result->status != ARC_NONE));
    assert((c.any && c.problem == NULL) == (result->chain != NULL));
    assert(result->sets == (result->chain != NULL ? c.highest : 0) && result->sets <= ARC_MAX_SETS);
    for (unsigned i = 1; result->chain != NULL && i <= c.highest; i++) {
        const struct chain_set *s = c.sets[i];
        assert(s != NULL && s->aar != NULL && s->ams.field != NULL && s->as.field != NULL);
        assert(s->cv == (i == 1 ? CV_NONE : CV_PASS));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct resolver *resolver;
    const struct dns_limits limits = { 1000, 120 };
    struct dkim_options o = { .min_rsa_bits = 1024, .max_rsa_bits = 8192, .max_signatures = 10, .now = 1700000000 };
    if (resolver == NULL)
        assert(resolver_zone_new(SLICE(zone), NULL, &resolver) == ST_OK);
    struct arena *a = arena_new(0);
    struct header_list *l = read_fields(a, (slice){ (const char *)data, size });
    struct dns_session *s = dns_session_new(resolver, &limits);
    struct body_canon *body = body_canon_new(a);
    struct arc *c = arc_new(a, s, NULL, &o);
    struct arc_result r;
    for (size_t i = 0; i < header_list_count(l); i++)
        assert(arc_header(c, header_list_at(l, i)) == ST_OK);
    assert(arc_eoh(c, l, body) == ST_OK);
    body_canon_feed(body, SLICE("Hi.\r\n"));
    assert(body_canon_finish(body) == ST_OK);
    assert(arc_finish(c, NULL, &r) == ST_OK);
    assert((r.status == ARC_FAIL) == (r.reason.n > 0));
    for (size_t i = 0; i < r.reason.n; i++)
        assert(r.reason.p[i] >= ' ' && r.reason.p[i] <= '~');
    check_chain(a, l, &r);
    body_canon_clear(body);
    dns_session_free(s);
    arena_free(a);
    return 0;
}
