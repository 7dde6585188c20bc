/* A whole message, put to both DKIM engines.  Ours gives the same verdict whatever the chunks; and what libopendkim passes
 * behind its guard, ours passes, unless there is a CR that ends no line: libopendkim drops one at the end of a body (see
 * tests/conformance/dkim_deviations.py). */
#include <assert.h>
#include <string.h>

#include "crypto/keys.h"
#include "dns/zone.h"
#include "mail/eml.h"
#include "second/second.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char zone[] =
#include "signed_zone.h"
    ;

struct run {
    struct arena *a;
    struct header_list *headers;
    struct dkim *dkim;
    struct body_canon *body;
    struct second_dkim *other;
    const struct second_dkim_ops *ops;
    size_t step;
};

static enum status
on_header(void *arg, slice name, slice value)
{
    struct run *r = arg;
    assert(header_list_add(r->headers, name, value) == ST_OK);
    const struct header_field *f = header_list_at(r->headers, header_list_count(r->headers) - 1);
    assert(dkim_add_field(r->dkim, f) == ST_OK);
    return r->other == NULL ? ST_OK : r->ops->add_field(r->other, f);
}

static enum status
on_eoh(void *arg)
{
    struct run *r = arg;
    assert(dkim_header_end(r->dkim, r->headers, SLICE("example.org"), r->body) == ST_OK);
    return r->other == NULL ? ST_OK : r->ops->header_end(r->other, r->headers, SLICE("example.org"));
}

static enum status
on_body(void *arg, slice chunk)
{
    struct run *r = arg;
    for (size_t i = 0, step = r->step == 0 ? chunk.n : r->step; i < chunk.n; i += step) {
        slice part = slice_head(slice_tail(chunk, i), step);
        body_canon_feed(r->body, part);
        if (r->other != NULL)
            assert(r->ops->body(r->other, part) == ST_OK);
    }
    return ST_OK;
}

static void
verify(struct run *r, struct resolver *dns, slice message, const struct dkim_result **results, size_t *n,
       const struct dkim_result **others, size_t *n_others)
{
    static const struct eml_handler handler = { on_header, on_eoh, on_body };
    const struct dns_limits limits = { 1000, 120 };
    const struct header_limits none = { 0, 0 };
    const struct dkim_options o = { .min_rsa_bits = 1024, .max_rsa_bits = 8192, .max_signatures = 5, .clock_skew_s = 300,
                                    .now = 1700000100 };
    struct dns_session *s = dns_session_new(dns, &limits);
    r->headers = header_list_new(r->a, &none);
    r->dkim = dkim_new(r->a, s, NULL, &o);
    r->body = body_canon_new(r->a);
    r->other = r->ops == NULL ? NULL : r->ops->start(r->a, s, &o);
    if (eml_read_memory(message, &handler, r) == ST_OK) {
        assert(body_canon_finish(r->body) == ST_OK);
        assert(dkim_finish(r->dkim, NULL, results, n) == ST_OK);
        if (r->other != NULL)
            assert(r->ops->finish(r->other, NULL, others, n_others) == ST_OK);
    }
    if (r->other != NULL)
        r->ops->clear(r->other);
    body_canon_clear(r->body);
    dns_session_free(s);
}

static bool
has_lone_cr(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n'))
            return true;
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct resolver *dns;
    const struct dkim_result *whole = NULL, *pieces = NULL, *other = NULL;
    size_t n = 0, n_pieces = 0, n_other = 0;
    slice message = { (const char *)data, size };
    if (dns == NULL)
        assert(resolver_zone_new(SLICE(zone), NULL, &dns) == ST_OK);
    struct arena *a = arena_new(0);
    struct run first = { .a = a, .ops = second_dkim() }, again = { .a = a, .step = 3 };
    verify(&first, dns, message, &whole, &n, &other, &n_other);
    verify(&again, dns, message, &pieces, &n_pieces, NULL, NULL);
    for (size_t i = 0; i < n; i++) {
        assert(whole[i].result == pieces[i].result && slice_eq(whole[i].reason, pieces[i].reason));
        assert(i >= n_other || has_lone_cr(message) || other[i].result != DKIM_PASS || whole[i].result == DKIM_PASS);
    }
    arena_free(a);
    return 0;
}
