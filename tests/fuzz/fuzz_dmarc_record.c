/* A DMARC Policy Record and its reporting URIs: what is read stands in the text, keeps to the grammar, and reads the same
 * when it is written out again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/strbuf.h"
#include "dmarc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_uri(slice uri, slice text)
{
    slice again;
    assert(uri.p >= text.p && uri.p + uri.n <= text.p + text.n && uri.n > 2);
    assert(!slice_has(uri, '!') && !slice_has(uri, ',') && !slice_has(uri, ' ') && slice_has(uri, ':'));
    assert(dmarc_uri_parse(uri, &again) && slice_eq(uri, again));
}

static void
write_uris(struct strbuf *b, const char *tag, const slice *uris, size_t n, slice text)
{
    for (size_t i = 0; i < n; i++) {
        check_uri(uris[i], text);
        strbuf_printf(b, "%s%.*s", i > 0 ? "," : tag, SLICE_ARG(uris[i]));
    }
}

static void
write_request(struct strbuf *b, const char *tag, enum dmarc_policy p)
{
    if (p != DMARC_POLICY_UNSET)
        strbuf_printf(b, "%s%s", tag, dmarc_policy_name(p));
}

static void
check_round_trip(struct arena *a, const struct dmarc_record *r, slice text)
{
    struct strbuf b;
    struct dmarc_record s;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "v=DMARC1");
    write_request(&b, ";p=", r->p);
    write_request(&b, ";sp=", r->sp);
    write_request(&b, ";np=", r->np);
    strbuf_printf(&b, ";adkim=%c;aspf=%c;psd=%c;t=%c;fo=%.*s", r->adkim_strict ? 's' : 'r', r->aspf_strict ? 's' : 'r', r->psd,
                  r->testing ? 'y' : 'n', SLICE_ARG(r->fo));
    write_uris(&b, ";rua=", r->rua, r->n_rua, text);
    write_uris(&b, ";ruf=", r->ruf, r->n_ruf, text);
    assert(dmarc_record_parse(a, strbuf_slice(&b), &s) == ST_OK);
    assert(s.p == r->p && s.sp == r->sp && s.np == r->np && s.adkim_strict == r->adkim_strict &&
           s.aspf_strict == r->aspf_strict && s.psd == r->psd && s.testing == r->testing && slice_eq(s.fo, r->fo) &&
           s.n_rua == r->n_rua && s.n_ruf == r->n_ruf && s.bad_policy == (r->p == DMARC_POLICY_UNSET));
    assert(s.bad_policy || s.warning.n == 0);
    strbuf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size }, uri;
    struct dmarc_record r;
    struct arena *a = arena_new(0);
    if (dmarc_uri_parse(text, &uri))
        check_uri(uri, text);
    enum status st = dmarc_record_parse(a, text, &r);
    assert((st == ST_OK) == dmarc_record_is(text));
    if (st == ST_OK) {
        assert(r.psd == dmarc_record_psd(text));
        assert(!r.bad_policy || (r.sp == DMARC_POLICY_UNSET && r.np == DMARC_POLICY_UNSET && r.warning.n > 0));
        assert(!r.bad_policy || r.p == (r.n_rua > 0 ? DMARC_POLICY_NONE : DMARC_POLICY_UNSET));
        assert(r.n_rua <= DMARC_MAX_URIS && r.n_ruf <= DMARC_MAX_URIS);
        for (size_t i = 0; i < r.warning.n; i++)
            assert(r.warning.p[i] >= 0x20 && r.warning.p[i] <= 0x7e);
        check_round_trip(a, &r, text);
    }
    arena_free(a);
    return 0;
}
