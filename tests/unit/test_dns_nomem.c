/* Every allocation of milter/dns failed in turn: the first, the second, ... until a run needs no more of them.
 * No crash, no leak, every question answered, and never an answer that says less than the truth as if it were all. */
#include "test.h"

#include "dns/network.h"
#include "dns/replay.h"
#include "dns/zone.h"
#include "dnsfake.h"
#include "nomem.h"

static const struct dns_limits limits = { 3000, 100 };

static void
count_call(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    (void)answer;
    (*(unsigned *)arg)++;
    dns_start(s, DNS_A, SLICE("more.example"), NULL, NULL);
}

static void
check_answer(const struct dns_answer *a, size_t records)
{
    if (a->status == DNS_OK)
        assert_int_equal(a->n, records);
    else if (a->status != DNS_SERVFAIL && a->status != DNS_TIMEOUT)
        fail_msg("%s", dns_status_name(a->status));
}

static void
zone_run(void)
{
    struct resolver *r = NULL, *replay = NULL;
    struct strbuf errors, text;
    strbuf_init(&errors, 0);
    strbuf_init(&text, 0);
    enum status st = resolver_zone_new(SLICE("*.example. TXT one two\n*.example. TXT \"thr\\101e\"\nd.example. A 192.0.2.1\n"
                                             "d.example. A 192.0.2.2\n$DELAY d.example 1\n$STATUS s.example * servfail\n"),
                                       &errors, &r);
    assert_true(st == ST_OK || st == ST_NOMEM);
    struct dns_session *s = st == ST_OK ? dns_session_new(r, &limits) : NULL;
    if (s != NULL) {
        unsigned calls = 0;
        dns_start(s, DNS_TXT, SLICE("a.example"), count_call, &calls);
        assert_int_equal(calls, 1);
        dns_start(s, DNS_TXT, SLICE("a.example"), count_call, &calls);
        assert_int_equal(calls, 2);
        check_answer(dns_lookup(s, DNS_TXT, SLICE("a.example")), 2);
        check_answer(dns_lookup(s, DNS_A, SLICE("d.example")), 2);
        dns_session_write(s, 1, &text);
        if (strbuf_status(&text) == ST_OK)
            st = resolver_replay_new(strbuf_slice(&text), &errors, NULL, &replay);
        assert_true(st == ST_OK || st == ST_NOMEM);
    }
    dns_session_free(s);
    resolver_free(r);
    resolver_free(replay);
    strbuf_clear(&errors);
    strbuf_clear(&text);
}

static struct dnsfake *server;

static void
network_run(void)
{
    struct resolver *r = NULL;
    struct strbuf error;
    const char *servers[] = { dnsfake_text(server) };
    struct resolver_network_options o = { .nameservers = servers, .n_nameservers = 1, .query_timeout_ms = 900, .cache_entries = 16 };
    strbuf_init(&error, 0);
    enum status st = resolver_network_new(&o, &error, &r);
    assert_true(st == ST_OK || st == ST_NOMEM);
    for (int round = 0; round < 2 && st == ST_OK; round++) {
        struct dns_session *s = dns_session_new(r, &limits);
        if (s == NULL)
            continue;
        dns_start(s, DNS_TXT, SLICE("big.example"), NULL, NULL);
        dns_start(s, DNS_A, SLICE("cname.example"), NULL, NULL);
        check_answer(dns_lookup(s, DNS_MX, SLICE("ok.example")), 1);
        check_answer(dns_lookup(s, DNS_A, SLICE("cname.example")), 1);
        check_answer(dns_lookup(s, DNS_A, SLICE("dangling.example")), 1);
        check_answer(dns_lookup(s, DNS_TXT, SLICE("big.example")), 1);
        dns_session_free(s);
    }
    resolver_free(r);
    strbuf_clear(&error);
}

static void
each_allocation(void (*run)(void))
{
    long needed = 0;
    for (long n = 1; n < 2000; n++) {
        atomic_store(&nomem_in, n);
        run();
        if (atomic_exchange(&nomem_in, 0) > 0)
            break;
        needed = n;
    }
    assert_true(needed > 10);
}

static void
test_zone(void **state)
{
    (void)state;
    each_allocation(zone_run);
}

static void
test_network(void **state)
{
    (void)state;
    server = dnsfake_start(0);
    each_allocation(network_run);
    dnsfake_stop(server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_zone), cmocka_unit_test(test_network) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
