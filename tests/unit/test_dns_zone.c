/* Zone text in memory: the syntax of RFC 1035 5, wildcards of RFC 4592, CNAMEs, and the directives of our own. */
#include "test.h"

#include "dns/zone.h"

static const char zone_text[] =
    "$ORIGIN example.org.\n"
    "$TTL 1h\n"
    "@ IN SOA ns hostmaster (\n"
    "    2026112101 ; serial\n"
    "    3600 600 1d 300 )\n"
    "  NS ns\n"
    "\tTXT \"v=spf1 \" \"-all\" ; two strings are one record\n"
    "@ 60 IN TXT plain\n"
    "@ IN 2h MX 10 mx.example.org.\n"
    "@ MX 0 .\n"
    "ns A 192.0.2.53\n"
    "mx A 192.0.2.25\n"
    "mx A 192.0.2.26\n"
    "MX AAAA 2001:db8::25\n"
    "map AAAA ::ffff:192.0.2.1\n"
    "alias CNAME mx\n"
    "chain CNAME alias\n"
    "loop CNAME loop2\n"
    "loop2 CNAME loop\n"
    "dangling CNAME nothing.example.net.\n"
    "*.wild TXT wildcard\n"
    "*.wild MX 5 mx\n"
    "there.wild A 192.0.2.9\n"
    "below.there.wild A 192.0.2.10\n"
    "*.cwild CNAME mx\n"
    "deep.ent A 192.0.2.11\n"
    "srv SRV 0 0 25 mx\n"
    "odd\\001\\255name TXT \"a\\000b\\255c\\\"d\\;e\"\n"
    "under_score TXT ok ; comment \"with\" (quotes\n"
    "1.2.0.192.in-addr.arpa. PTR MX.Example.ORG.\n"
    "$STATUS broken * servfail\n"
    "$STATUS slow TXT timeout\n"
    "slow A 192.0.2.12\n"
    "$STATUS no.mx MX nodata\n"
    "$STATUS gone * nxdomain\n"
    "$STATUS refused * refused\n"
    "$STATUS *.badwild TXT servfail\n"
    "$DELAY late 60\n"
    "late TXT \"late indeed\"\n"
    "$DELAY toolate 60000\n"
    "toolate TXT never\n";

static struct resolver *
zone(const char *text)
{
    struct resolver *r = NULL;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    slice exact = test_exact(text);
    if (resolver_zone_new(exact, &errors, &r) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    test_release(exact);
    strbuf_clear(&errors);
    return r;
}

static const struct {
    enum dns_type type;
    const char *name;
    enum dns_status status;
    const char *records; /* as text, joined by "|" */
} cases[] = {
    { DNS_TXT, "example.org", DNS_OK, "v=spf1 -all|plain" },
    { DNS_TXT, "EXAMPLE.Org.", DNS_OK, "v=spf1 -all|plain" },
    { DNS_MX, "example.org", DNS_OK, "10 mx.example.org|0 " },
    { DNS_SOA, "example.org", DNS_OK, "ns.example.org" },
    { DNS_A, "example.org", DNS_NODATA, "" },
    { DNS_A, "mx.example.org", DNS_OK, "192.0.2.25|192.0.2.26" },
    { DNS_AAAA, "mx.example.org", DNS_OK, "2001:db8::25" },
    { DNS_AAAA, "map.example.org", DNS_OK, "::ffff:192.0.2.1" },
    { DNS_A, "alias.example.org", DNS_OK, "192.0.2.25|192.0.2.26" },
    { DNS_A, "chain.example.org", DNS_OK, "192.0.2.25|192.0.2.26" },
    { DNS_TXT, "chain.example.org", DNS_NODATA, "" },
    { DNS_CNAME, "chain.example.org", DNS_OK, "alias.example.org" },
    { DNS_A, "loop.example.org", DNS_SERVFAIL, "" },
    { DNS_A, "dangling.example.org", DNS_NXDOMAIN, "" },
    { DNS_TXT, "any.wild.example.org", DNS_OK, "wildcard" },
    { DNS_TXT, "a.b.wild.example.org", DNS_OK, "wildcard" },
    { DNS_A, "any.wild.example.org", DNS_NODATA, "" },
    { DNS_TXT, "there.wild.example.org", DNS_NODATA, "" },    /* exists: no wildcard (RFC 4592 2.2.1) */
    { DNS_TXT, "x.there.wild.example.org", DNS_NXDOMAIN, "" }, /* closest encloser is there.wild */
    { DNS_TXT, "wild.example.org", DNS_NODATA, "" },
    { DNS_A, "x.cwild.example.org", DNS_OK, "192.0.2.25|192.0.2.26" },
    { DNS_A, "ent.example.org", DNS_NODATA, "" },
    { DNS_A, "deep.ent.example.org", DNS_OK, "192.0.2.11" },
    { DNS_A, "org", DNS_NODATA, "" },
    { DNS_A, "nowhere.example.org", DNS_NXDOMAIN, "" },
    { DNS_A, "example.com", DNS_NXDOMAIN, "" },
    { DNS_A, "srv.example.org", DNS_NODATA, "" },
    { DNS_TXT, "under_score.example.org", DNS_OK, "ok" },
    { DNS_PTR, "1.2.0.192.in-addr.arpa", DNS_OK, "mx.example.org" },
    { DNS_A, "broken.example.org", DNS_SERVFAIL, "" },
    { DNS_TXT, "slow.example.org", DNS_TIMEOUT, "" },
    { DNS_A, "slow.example.org", DNS_OK, "192.0.2.12" },
    { DNS_MX, "no.mx.example.org", DNS_NODATA, "" },
    { DNS_A, "gone.example.org", DNS_NXDOMAIN, "" },
    { DNS_A, "refused.example.org", DNS_SERVFAIL, "" },
    { DNS_TXT, "x.badwild.example.org", DNS_SERVFAIL, "" },
    { DNS_A, "x.badwild.example.org", DNS_NXDOMAIN, "" },
    { DNS_TXT, "late.example.org", DNS_OK, "late indeed" },
    { DNS_TXT, "toolate.example.org", DNS_TIMEOUT, "" },
    { DNS_A, "", DNS_BADNAME, "" },
    { DNS_A, ".", DNS_BADNAME, "" },
    { DNS_A, "a..b", DNS_BADNAME, "" },
    { DNS_A, ".a", DNS_BADNAME, "" },
    { DNS_A, "a..", DNS_BADNAME, "" },
    { DNS_A, "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc.example", DNS_NXDOMAIN, "" },
    { DNS_A, "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd.example", DNS_BADNAME, "" },
};

static void
answer_text(const struct dns_answer *a, enum dns_type type, struct strbuf *out)
{
    char text[NETADDR_TEXT_MAX];
    for (size_t i = 0; i < a->n; i++) {
        if (i > 0)
            strbuf_add_char(out, '|');
        if (type == DNS_MX)
            strbuf_printf(out, "%u ", a->records[i].preference);
        if (type == DNS_A || type == DNS_AAAA)
            strbuf_add_str(out, netaddr_text(&a->records[i].addr, text));
        else
            strbuf_add(out, a->records[i].data);
    }
}

static void
test_answers(void **state)
{
    (void)state;
    struct resolver *r = zone(zone_text);
    struct dns_session *s = dns_session_new(r, &(struct dns_limits){ 400, 100 });
    assert_non_null(s);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf got;
        strbuf_init(&got, 0);
        slice name = test_exact(cases[i].name);
        const struct dns_answer *a = dns_lookup(s, cases[i].type, name);
        answer_text(a, cases[i].type, &got);
        if (a->status != cases[i].status || strcmp(strbuf_str(&got), cases[i].records) != 0)
            fail_msg("%s %s: %s \"%s\", wanted %s \"%s\"", dns_type_name(cases[i].type), cases[i].name,
                     dns_status_name(a->status), strbuf_str(&got), dns_status_name(cases[i].status), cases[i].records);
        strbuf_clear(&got);
        test_release(name);
    }
    dns_session_free(s);
    resolver_free(r);
}

static void
test_octets(void **state)
{
    (void)state;
    struct resolver *r = zone(zone_text);
    struct dns_session *s = dns_session_new(r, &(struct dns_limits){ 1000, 100 });
    const struct dns_answer *a = dns_lookup(s, DNS_TXT, SLICE("odd\001\377NAME.example.org"));
    assert_int_equal(a->status, DNS_OK);
    assert_true(slice_eq(a->records[0].data, SLICE("a\0b\377c\"d;e")));
    a = dns_lookup(s, DNS_TXT, SLICE("example.org"));
    assert_int_equal(a->ttl, 60); /* the smallest of the set */
    char name[255];
    memset(name, 'a', sizeof(name));
    for (size_t i = 49; i < sizeof(name); i += 50)
        name[i] = '.';
    assert_int_equal(dns_lookup(s, DNS_A, (slice){ name, 253 })->status, DNS_NXDOMAIN);
    assert_int_equal(dns_lookup(s, DNS_A, (slice){ name, 254 })->status, DNS_BADNAME);
    dns_session_free(s);
    resolver_free(r);
}

static const struct {
    const char *text, *error;
} faults[] = {
    { "a.example. A 192.0.2.1\nb.example. A nonsense\n", "line 2: " },
    { "a.example. AAAA 192.0.2.1\n", "line 1: " },
    { "a.example. A ::1\n", "line 1: " },
    { "a.example. WHAT 1\n", "line 1: " },
    { "a.example. IN\n", "line 1: " },
    { "  A 192.0.2.1\n", "line 1: a record without an owner" },
    { "a.example. TXT \"open\n\nb.example. A 192.0.2.1\n", "line 1: " },
    { "\n(a.example. A\n 192.0.2.1\n", "line 2: a parenthesis" },
    { "a.example. A 192.0.2.1 )\n", "line 1: " },
    { "a.example. MX 65536 b\n", "line 1: " },
    { "a.example. MX 10\n", "line 1: " },
    { "a..example. A 192.0.2.1\n", "line 1: " },
    { "a\\.b.example. A 192.0.2.1\n", "line 1: " },
    { "a\\256.example. A 192.0.2.1\n", "line 1: " },
    { "a.example. TXT \\25\n", "line 1: " },
    { "a.example. TXT\n", "line 1: " },
    { "a.example. SOA a b 1 2 3 4\n", "line 1: " },
    { "$INCLUDE other\n", "line 1: unknown directive" },
    { "$TTL x\n", "line 1: " },
    { "$TTL 2147483648\n", "line 1: " },
    { "$ORIGIN\n", "line 1: " },
    { "$STATUS a b c\n", "line 1: " },
    { "$STATUS a TXT ok\n", "line 1: " },
    { "$DELAY a b\n", "line 1: " },
    { "$DELAY a 3600001\n", "line 1: " },
};

static void
test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct resolver *r = NULL;
        struct strbuf errors;
        strbuf_init(&errors, 0);
        slice exact = test_exact(faults[i].text);
        assert_int_equal(resolver_zone_new(exact, &errors, &r), ST_SYNTAX);
        assert_null(r);
        if (!slice_starts(strbuf_slice(&errors), slice_from(faults[i].error)))
            fail_msg("%s: \"%s\"", faults[i].text, strbuf_str(&errors));
        test_release(exact);
        strbuf_clear(&errors);
    }
}

static void
test_all_faults_are_said(void **state)
{
    (void)state;
    struct resolver *r = NULL;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(SLICE("a. A x\nb. A 192.0.2.1\nc. A y"), &errors, &r), ST_SYNTAX);
    assert_string_equal(strbuf_str(&errors), "line 1: A wants one IPv4 address\nline 3: A wants one IPv4 address\n");
    strbuf_clear(&errors);
    assert_int_equal(resolver_zone_new(SLICE(""), &errors, &r), ST_OK);
    resolver_free(r);
}

/* Many names: the table grows under them. */
static void
test_many_names(void **state)
{
    (void)state;
    struct strbuf text, errors;
    struct resolver *r = NULL;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    for (unsigned i = 0; i < 3000; i++)
        strbuf_printf(&text, "h%u.z%u.example. A 192.0.2.%u\n", i, i % 70, i % 250);
    assert_int_equal(resolver_zone_new(strbuf_slice(&text), &errors, &r), ST_OK);
    struct dns_session *s = dns_session_new(r, &(struct dns_limits){ 1000, 10000 });
    for (unsigned i = 0; i < 3000; i++) {
        char name[40];
        snprintf(name, sizeof(name), "h%u.z%u.example", i, i % 70);
        const struct dns_answer *a = dns_lookup(s, DNS_A, slice_from(name));
        assert_int_equal(a->status, DNS_OK);
        assert_int_equal(a->records[0].addr.bytes[3], i % 250);
        snprintf(name, sizeof(name), "h%u.z%u.example", i, (i + 1) % 70);
        assert_int_equal(dns_lookup(s, DNS_A, slice_from(name))->status, DNS_NXDOMAIN);
    }
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("z1.example"))->status, DNS_NODATA);
    dns_session_free(s);
    resolver_free(r);
    strbuf_clear(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_octets),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_all_faults_are_said),
        cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
