/*
 * A whole check: the first line is a local part, the second a HELO name, each further one the record of d.example, i1.example,
 * i2.example, ...  Asking early never changes what is said, the limits hold, and the other engine survives it as well.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/trace.h"
#include "dns/zone.h"
#include "second/second.h"
#include "spf/received.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
add_record(struct strbuf *zone, unsigned nth, slice text)
{
    if (nth == 0)
        strbuf_add_str(zone, "d.example. TXT \"");
    else
        strbuf_printf(zone, "i%u.example. TXT \"", nth);
    for (size_t i = 0; i < text.n; i++)
        strbuf_printf(zone, "\\%03u", (unsigned char)text.p[i]);
    strbuf_add_str(zone, "\"\n");
}

static struct resolver *
make_zone(slice records)
{
    struct strbuf zone, errors;
    struct resolver *r = NULL;
    strbuf_init(&zone, 0);
    strbuf_init(&errors, 0);
    strbuf_add_str(&zone, "a.example. A 192.0.2.1\na.example. AAAA 2001:db8::1\na.example. MX 0 a.example.\n"
                          "d.example. MX 5 a.example.\nd.example. MX 6 gone.example.\nd.example. A 198.51.100.1\n"
                          "*.w.example. A 127.0.0.2\nbroken.example. TXT x\n$STATUS broken.example. * servfail\n"
                          "1.2.0.192.in-addr.arpa. PTR a.example.\n1.2.0.192.in-addr.arpa. PTR b.d.example.\n"
                          "b.d.example. A 192.0.2.1\n");
    slice line;
    for (unsigned nth = 0; records.n > 0 && nth < 20; nth++) {
        slice_cut(records, '\n', &line, &records);
        add_record(&zone, nth, line);
    }
    if (resolver_zone_new(strbuf_slice(&zone), &errors, &r) != ST_OK)
        abort();
    strbuf_clear(&zone);
    strbuf_clear(&errors);
    return r;
}

static struct spf_outcome
check(struct arena *a, struct resolver *r, struct spf_request *rq, spf_engine *engine, bool early)
{
    static const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 200 };
    struct dns_session *dns = dns_session_new(r, &limits);
    struct trace *t = early ? NULL : trace_new();
    struct spf_outcome o;
    rq->ahead = NULL;
    if (dns == NULL)
        abort();
    if (early)
        spf_prefetch(a, dns, rq);
    if (engine(a, dns, rq, t, &o) != ST_OK)
        abort();
    assert(o.lookups <= 10 && o.voids <= 3);
    assert(spf_received_field(a, rq, &o).n > 0);
    /* 11 records or other terms, 8 in vain, 10 hosts for each mx, PTR and its names, exp= */
    assert(dns_session_usage(dns).questions <= 11 + 8 + 100 + 11 + 1);
    dns_session_free(dns);
    trace_free(t);
    return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 20000)
        return 0;
    slice all = { (const char *)data, size }, local, helo;
    slice_cut(all, '\n', &local, &all);
    slice_cut(all, '\n', &helo, &all);
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .helo = helo, .sender_local = local, .sender_domain = SLICE("d.example"),
                              .receiver = SLICE("mta.example.org"), .now = 1700000000, .max_voids = 2, .want_explanation = true };
    netaddr_parse(size % 3 ? SLICE("192.0.2.1") : SLICE("2001:db8::1"), &rq.client);
    struct resolver *r = make_zone(all);
    struct arena *a = arena_new(0);
    struct spf_outcome late = check(a, r, &rq, spf_check, false), early = check(a, r, &rq, spf_check, true);
    assert(late.result == early.result && late.lookups == early.lookups && late.voids == early.voids);
    assert(slice_eq(late.reason, early.reason) && slice_eq(late.explanation, early.explanation));
    if (second_spf() != NULL)
        (void)check(a, r, &rq, second_spf(), false);
    arena_free(a);
    resolver_free(r);
    return 0;
}
