#include "test.h"

#include "dns/zone.h"
#include "pipeline/iprev.h"

static const char zone[] =
    "1.2.0.192.in-addr.arpa. PTR mx.example.\n"
    "mx.example. A 192.0.2.1\n"
    "2.2.0.192.in-addr.arpa. PTR other.example.\n"
    "other.example. A 192.0.2.77\n"
    "3.2.0.192.in-addr.arpa. PTR gone.example.\n"
    "4.2.0.192.in-addr.arpa. PTR one.example.\n"
    "4.2.0.192.in-addr.arpa. PTR MX4.Example.\n"
    "one.example. A 192.0.2.9\n"
    "mx4.example. A 192.0.2.9\n"
    "mx4.example. A 192.0.2.4\n"
    "$STATUS 5.2.0.192.in-addr.arpa. * servfail\n"
    "6.2.0.192.in-addr.arpa. PTR slow.example.\n"
    "$STATUS slow.example. * servfail\n"
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.example.\n"
    "six.example. AAAA 2001:db8::1\n"
    "six.example. A 192.0.2.1\n";

static struct resolver *resolver;

static int
begin(void **state)
{
    (void)state;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    if (resolver_zone_new(slice_from(zone), &errors, &resolver) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    resolver_free(resolver);
    return 0;
}

struct checked {
    struct arena *arena;
    enum iprev_result result;
    slice name;
    unsigned questions;
};

/* One client, whose name the MTA says; `early`: the questions are begun at connect. */
static struct checked
check(const char *ip, const char *said, bool early)
{
    const struct dns_limits limits = { .timeout_ms = 2000, .max_queries = 20 };
    struct checked c = { .arena = arena_new(0) };
    struct dns_session *dns = dns_session_new(resolver, &limits);
    struct netaddr client;
    assert_true(netaddr_parse(slice_from(ip), &client));
    if (early)
        iprev_prefetch(dns, &client, slice_from(said));
    c.result = iprev_check(c.arena, dns, &client, slice_from(said), NULL, &c.name);
    c.name = arena_slice(c.arena, c.name);
    c.questions = dns_session_usage(dns).questions;
    dns_session_free(dns);
    return c;
}

/* RFC 8601 section 3: pass, fail, temperror, permerror. */
static const struct {
    const char *ip;
    enum iprev_result result;
    const char *name;
} cases[] = {
    { "192.0.2.1", IPREV_PASS, "mx.example" },   { "192.0.2.2", IPREV_FAIL, "" },
    { "192.0.2.3", IPREV_FAIL, "" },             { "192.0.2.4", IPREV_PASS, "mx4.example" },
    { "192.0.2.5", IPREV_TEMPERROR, "" },        { "192.0.2.6", IPREV_TEMPERROR, "" },
    { "192.0.2.200", IPREV_PERMERROR, "" },      { "2001:db8::1", IPREV_PASS, "six.example" },
    { "::ffff:192.0.2.1", IPREV_PASS, "mx.example" },
};

static void
names_count_only_when_they_lead_back(void **state)
{
    (void)state;
    static const char *const said[] = { "unknown", "[192.0.2.1]", "", "192.0.2.1", "not a name." }; /* these say nothing */
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct checked got = check(cases[i].ip, said[i % COUNT(said)], true);
        if (got.result != cases[i].result || !slice_eq(got.name, slice_from(cases[i].name)))
            fail_msg("%s: %s, \"%.*s\"", cases[i].ip, iprev_result_name(got.result), SLICE_ARG(got.name));
        arena_free(got.arena);
    }
}

/* What the MTA found is confirmed, or not, by one question. */
static void
the_name_of_the_mta_is_confirmed(void **state)
{
    (void)state;
    static const struct {
        const char *ip, *said;
        enum iprev_result result;
        const char *name;
        unsigned questions;
    } c[] = {
        { "192.0.2.1", "MX.example", IPREV_PASS, "mx.example", 1 },
        { "192.0.2.1", "mx.example.", IPREV_PASS, "mx.example", 1 },
        { "::ffff:192.0.2.1", "mx.example", IPREV_PASS, "mx.example", 1 },
        { "2001:db8::1", "six.example", IPREV_PASS, "six.example", 1 },
        { "192.0.2.4", "MX4.Example", IPREV_PASS, "mx4.example", 1 },
        { "192.0.2.4", "one.example", IPREV_FAIL, "", 1 },
        { "192.0.2.2", "mx.example", IPREV_FAIL, "", 1 },                /* a name of somebody else's */
        { "2001:db8::2", "six.example", IPREV_FAIL, "", 1 },
        { "192.0.2.3", "gone.example", IPREV_FAIL, "", 1 },
        { "192.0.2.6", "slow.example", IPREV_TEMPERROR, "", 1 },
        { "192.0.2.1", "unknown", IPREV_PASS, "mx.example", 2 },
        { "192.0.2.1", "[192.0.2.1]", IPREV_PASS, "mx.example", 2 },
        { "192.0.2.1", "", IPREV_PASS, "mx.example", 2 },
    };
    for (size_t i = 0; i < COUNT(c); i++)
        for (int early = 0; early < 2; early++) {
            struct checked got = check(c[i].ip, c[i].said, early);
            if (got.result != c[i].result || !slice_eq(got.name, slice_from(c[i].name)) || got.questions != c[i].questions)
                fail_msg("%s, \"%s\": %s, \"%.*s\", %u questions", c[i].ip, c[i].said, iprev_result_name(got.result),
                         SLICE_ARG(got.name), got.questions);
            arena_free(got.arena);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_count_only_when_they_lead_back),
                                        cmocka_unit_test(the_name_of_the_mta_is_confirmed) };
    return cmocka_run_group_tests(tests, begin, end);
}
