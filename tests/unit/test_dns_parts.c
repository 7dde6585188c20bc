/* The parts behind the resolver, each alone: messages, cache, name servers, replays. */
#include "test.h"

#include "dns/cache.h"
#include "dns/message.h"
#include "dns/nameserver.h"
#include "dns/replay.h"
#include "dns/zone.h"

/* ---- messages ---- */

static void
test_query(void **state)
{
    (void)state;
    /* RFC 1035 4.1, 3.1; RFC 6840 5.7 (AD); RFC 6891 6.1.2 (OPT) */
    uint8_t got[DNS_QUERY_MAX];
    size_t n = dns_message_query(got, 0xabcd, DNS_TXT, (slice){ "a.b\0c", 5 }, true);
    assert_int_equal(n, 12 + 7 + 4 + 11);
    assert_memory_equal(got, "\xab\xcd\1\x20\0\1\0\0\0\0\0\1", 12);
    assert_memory_equal(got + 12, "\1a\3b\0c\0\0\x10\0\1", 11);
    assert_memory_equal(got + n - 11, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
    assert_int_equal(dns_message_query(got, 1, DNS_A, SLICE("a"), false), 12 + 3 + 4);
    assert_int_equal(got[11], 0);
    char longest[253];
    memset(longest, 'x', sizeof(longest));
    longest[63] = longest[127] = longest[191] = '.';
    assert_int_equal(dns_message_query(got, 1, DNS_A, (slice){ longest, 253 }, true), DNS_QUERY_MAX);
}

#define HEAD(flags, an, ns, ar) "\x12\x34\x81" flags "\0\1\0" an "\0" ns "\0" ar "\1a\7example\0"
#define ASK_A "\0\1\0\1"
#define ASK_MX "\0\x0f\0\1"
#define ASK_TXT "\0\x10\0\1"
#define A_RR "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"
#define SOA_RR "\xc0\x0e\0\6\0\1\0\0\0\x64\0\x1c\1n\xc0\x0e\1r\xc0\x0e\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x32"
#define NS_RR "\xc0\x0e\0\2\0\1\0\0\0\x64\0\4\1n\xc0\x0e"
#define REFERRAL(flags) "\x12\x34" flags "\0\0\1\0\0\0\1\0\0\1a\7example\0" ASK_A NS_RR
#define CNAME_RR "\xc0\x0c\0\5\0\1\0\0\0\x14\0\4\1b\xc0\x0e"
#define B_A_RR "\1b\xc0\x0e\0\1\0\1\0\0\0\x0a\0\4\xc0\0\2\2"

static const struct {
    const char *label;
    enum dns_type type;
    const char *msg;
    size_t n;
    bool readable;
    enum dns_status status;
    size_t records;
    uint32_t ttl;
    bool unfinished;
} messages[] = {
#define M(text) text, sizeof(text) - 1
    { "A", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A A_RR), true, DNS_OK, 1, 300, false },
    { "two A", DNS_A, M(HEAD("\x80", "\2", "\0", "\0") ASK_A A_RR A_RR), true, DNS_OK, 2, 300, false },
    { "NODATA", DNS_A, M(HEAD("\x80", "\0", "\1", "\0") ASK_A SOA_RR), true, DNS_NODATA, 0, 50, false },
    { "NODATA, no SOA", DNS_A, M(HEAD("\x80", "\0", "\0", "\0") ASK_A), true, DNS_NODATA, 0, 0, false },
    /* RFC 2308 2.2: NS and no SOA is a referral, of use to nobody unless the server has authority or asks further itself */
    { "referral", DNS_A, M(REFERRAL("\x81")), true, DNS_SERVFAIL, 0, 0, false },
    { "referral with authority", DNS_A, M(REFERRAL("\x85")), true, DNS_NODATA, 0, 0, false },
    { "NS from a recursive server", DNS_A, M(HEAD("\x80", "\0", "\1", "\0") ASK_A NS_RR), true, DNS_NODATA, 0, 0, false },
    { "NODATA with NS and SOA", DNS_A, M("\x12\x34\x81\0\0\1\0\0\0\2\0\0\1a\7example\0" ASK_A NS_RR SOA_RR), true, DNS_NODATA, 0, 50, false },
    { "an answer with NS", DNS_A, M("\x12\x34\x81\0\0\1\0\1\0\1\0\0\1a\7example\0" ASK_A A_RR NS_RR), true, DNS_OK, 1, 300, false },
    { "NXDOMAIN with NS", DNS_A, M("\x12\x34\x81\3\0\1\0\0\0\1\0\0\1a\7example\0" ASK_A NS_RR), true, DNS_NXDOMAIN, 0, 0, false },
    { "NXDOMAIN", DNS_A, M(HEAD("\x83", "\0", "\1", "\0") ASK_A SOA_RR), true, DNS_NXDOMAIN, 0, 50, false },
    { "SERVFAIL", DNS_A, M(HEAD("\x82", "\0", "\0", "\0") ASK_A), true, DNS_SERVFAIL, 0, 0, false },
    { "REFUSED", DNS_A, M(HEAD("\x85", "\0", "\0", "\0") ASK_A), true, DNS_SERVFAIL, 0, 0, false },
    { "BADVERS", DNS_A, M(HEAD("\x80", "\0", "\0", "\1") ASK_A "\0\0\x29\4\xd0\1\0\0\0\0\0"), true, DNS_SERVFAIL, 0, 0, false },
    { "CNAME", DNS_A, M(HEAD("\x80", "\2", "\0", "\0") ASK_A CNAME_RR B_A_RR), true, DNS_OK, 1, 10, false },
    { "CNAME after its target", DNS_A, M(HEAD("\x80", "\2", "\0", "\0") ASK_A B_A_RR CNAME_RR), true, DNS_OK, 1, 10, false },
    { "CNAME alone", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A CNAME_RR), true, DNS_NODATA, 0, 20, true },
    { "CNAME and SOA", DNS_A, M(HEAD("\x80", "\1", "\1", "\0") ASK_A CNAME_RR SOA_RR), true, DNS_NODATA, 0, 20, false },
    { "CNAME and NXDOMAIN", DNS_A, M(HEAD("\x83", "\1", "\1", "\0") ASK_A CNAME_RR SOA_RR), true, DNS_NXDOMAIN, 0, 20, false },
    { "CNAME to itself", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x0c\0\5\0\1\0\0\0\1\0\2\xc0\x0c"), false, 0, 0, 0, false },
    { "a record of another name", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A B_A_RR), true, DNS_NODATA, 0, 0, false },
    { "another class", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x0c\0\1\0\3\0\0\1\x2c\0\4\xc0\0\2\1"), true, DNS_NODATA, 0, 0, false },
    { "TTL above 2^31", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x0c\0\1\0\1\xff\0\0\0\0\4\xc0\0\2\1"), true, DNS_OK, 1, 0, false },
    { "null MX", DNS_MX, M(HEAD("\x80", "\1", "\0", "\0") ASK_MX "\xc0\x0c\0\x0f\0\1\0\0\0\1\0\3\0\0\0"), true, DNS_OK, 1, 1, false },
    { "MX with a dot in a label", DNS_MX, M(HEAD("\x80", "\1", "\0", "\0") ASK_MX "\xc0\x0c\0\x0f\0\1\0\0\0\1\0\7\0\0\3x.y\0"), true, DNS_NODATA, 0, 0, false },
    { "MX too short", DNS_MX, M(HEAD("\x80", "\1", "\0", "\0") ASK_MX "\xc0\x0c\0\x0f\0\1\0\0\0\1\0\2\0\0\0"), false, 0, 0, 0, false },
    { "MX with more behind the name", DNS_MX, M(HEAD("\x80", "\1", "\0", "\0") ASK_MX "\xc0\x0c\0\x0f\0\1\0\0\0\1\0\4\0\0\0\0"), false, 0, 0, 0, false },
    { "TXT of two strings", DNS_TXT, M(HEAD("\x80", "\1", "\0", "\0") ASK_TXT "\xc0\x0c\0\x10\0\1\0\0\0\1\0\5\1a\2b\0"), true, DNS_OK, 1, 1, false },
    { "TXT without a string", DNS_TXT, M(HEAD("\x80", "\1", "\0", "\0") ASK_TXT "\xc0\x0c\0\x10\0\1\0\0\0\1\0\0"), true, DNS_OK, 1, 1, false },
    { "TXT string beyond its record", DNS_TXT, M(HEAD("\x80", "\1", "\0", "\0") ASK_TXT "\xc0\x0c\0\x10\0\1\0\0\0\1\0\2\2a"), false, 0, 0, 0, false },
    { "A of three octets", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x0c\0\1\0\1\0\0\0\1\0\3\1\2\3"), false, 0, 0, 0, false },
    { "record beyond the message", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x0c\0\1\0\1\0\0\0\1\0\5\1\2\3\4"), false, 0, 0, 0, false },
    { "fewer records than counted", DNS_A, M(HEAD("\x80", "\2", "\0", "\0") ASK_A A_RR), false, 0, 0, 0, false },
    { "pointer to itself", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x1b\0\1\0\1\0\0\0\1\0\4\1\2\3\4"), false, 0, 0, 0, false },
    { "pointer forwards", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x20\0\1\0\1\0\0\0\1\0\4\1\2\3\4"), false, 0, 0, 0, false },
    { "pointer into the header", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\xc0\x04\0\1\0\1\0\0\0\1\0\4\1\2\3\4"), false, 0, 0, 0, false },
    { "label of a kind unknown", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_A "\x41" "a\0\0\1\0\1\0\0\0\1\0\4\1\2\3\4"), false, 0, 0, 0, false },
    { "another type asked", DNS_A, M(HEAD("\x80", "\1", "\0", "\0") ASK_MX A_RR), false, 0, 0, 0, false },
    { "another name asked", DNS_A, M("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\1b\7example\0" ASK_A), false, 0, 0, 0, false },
    { "a question", DNS_A, M("\x12\x34\x01\x20\0\1\0\0\0\0\0\0\1a\7example\0" ASK_A), false, 0, 0, 0, false },
    { "a header only", DNS_A, M("\x12\x34\x81\x80\0\1\0\0\0\0\0\0"), false, 0, 0, 0, false },
    { "nothing", DNS_A, "", 0, false, 0, 0, 0, false },
    { "two OPT", DNS_A, M(HEAD("\x80", "\0", "\0", "\2") ASK_A "\0\0\x29\4\xd0\0\0\0\0\0\0" "\0\0\x29\4\xd0\0\0\0\0\0\0"), false, 0, 0, 0, false },
#undef M
};

static void
test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct dns_reply r;
        slice exact = test_exact_bytes(messages[i].msg, messages[i].n);
        dns_message_read((const uint8_t *)exact.p, exact.n, messages[i].type, SLICE("a.example"), &r);
        if (r.readable != messages[i].readable)
            fail_msg("%s: readable %d", messages[i].label, r.readable);
        if (r.readable && (r.status != messages[i].status || r.found.n != messages[i].records ||
                           r.unfinished != messages[i].unfinished || r.ttl != messages[i].ttl))
            fail_msg("%s: %s, %zu records, ttl %u, unfinished %d", messages[i].label, dns_status_name(r.status), r.found.n,
                     r.ttl, r.unfinished);
        if (r.unfinished)
            assert_true(slice_eq((slice){ r.target, r.target_n }, SLICE("b.example")));
        result_builder_clear(&r.found);
        test_release(exact);
    }
}

/* A reply as large and as entangled as can be; a hundred of them take no time that anybody would notice. */
static void
test_hostile_message(void **state)
{
    (void)state;
    static uint8_t msg[65535];
    static const uint8_t head[] = HEAD("\x80", "\0", "\0", "\0") ASK_A;
    size_t n = sizeof(head) - 1, answers = 0;
    memcpy(msg, head, n);
    while (n + 16 <= sizeof(msg)) { /* CNAMEs of a.example, all to different names */
        uint8_t rr[] = { 0xc0, 0x0c, 0, 5, 0, 1, 0, 0, 0, 1, 0, 4, 1, (uint8_t)answers, 0xc0, 0x0e };
        memcpy(msg + n, rr, sizeof(rr));
        n += sizeof(rr);
        answers++;
    }
    msg[6] = (uint8_t)(answers >> 8);
    msg[7] = (uint8_t)answers;
    for (int i = 0; i < 100; i++) {
        struct dns_reply r;
        dns_message_read(msg, n, DNS_A, SLICE("a.example"), &r);
        assert_true(r.found.n == 0 && (!r.readable || r.unfinished)); /* no address is in there */
        result_builder_clear(&r.found);
    }
}

/* ---- the cache ---- */

static struct dns_result *
result(enum dns_status status, uint32_t ttl, slice data, uint64_t now_ms)
{
    struct result_builder b;
    result_builder_init(&b);
    if (status == DNS_OK)
        result_builder_add(&b, data);
    return result_builder_finish(&b, status, ttl, false, now_ms);
}

static void
put(struct dns_cache *c, uint64_t hash, slice name, struct dns_result *r, uint64_t now_ms)
{
    dns_cache_put(c, hash, DNS_TXT, name, r, now_ms);
    dns_result_drop(r);
}

static bool
has(struct dns_cache *c, uint64_t hash, slice name, uint64_t now_ms)
{
    struct dns_result *r = dns_cache_get(c, hash, DNS_TXT, name, now_ms);
    dns_result_drop(r);
    return r != NULL;
}

static void
test_cache_times(void **state)
{
    (void)state;
    struct dns_cache *c = dns_cache_new(64);
    put(c, 1, SLICE("a"), result(DNS_OK, 10, SLICE("x"), 5000), 5000);
    assert_true(has(c, 1, SLICE("a"), 14999));
    assert_false(has(c, 1, SLICE("b"), 5000)); /* same hash, another name */
    assert_null(dns_cache_get(c, 1, DNS_A, SLICE("a"), 5000));
    assert_false(has(c, 1, SLICE("a"), 15000));
    assert_int_equal(dns_cache_count(c), 0); /* a stale one goes when it is met */
    put(c, 1, SLICE("a"), result(DNS_OK, 0, SLICE("x"), 0), 0);
    put(c, 1, SLICE("b"), result(DNS_SERVFAIL, 100, SLICE_EMPTY, 0), 0);
    put(c, 1, SLICE("c"), result(DNS_TIMEOUT, 100, SLICE_EMPTY, 0), 0);
    assert_int_equal(dns_cache_count(c), 0);
    put(c, 1, SLICE("n"), result(DNS_NXDOMAIN, 86400, SLICE_EMPTY, 0), 0);
    assert_true(has(c, 1, SLICE("n"), 899999));
    assert_false(has(c, 1, SLICE("n"), 900000));
    put(c, 1, SLICE("p"), result(DNS_OK, INT32_MAX, SLICE("x"), 0), 0);
    assert_true(has(c, 1, SLICE("p"), 86399999));
    assert_false(has(c, 1, SLICE("p"), 86400000));
    /* the newer one replaces, and who holds the older one keeps it */
    put(c, 1, SLICE("r"), result(DNS_OK, 10, SLICE("old"), 0), 0);
    struct dns_result *old = dns_cache_get(c, 1, DNS_TXT, SLICE("r"), 1);
    put(c, 1, SLICE("r"), result(DNS_OK, 10, SLICE("new"), 0), 0);
    struct dns_result *new = dns_cache_get(c, 1, DNS_TXT, SLICE("r"), 1);
    assert_slice(old->records[0].data, "old");
    assert_slice(new->records[0].data, "new");
    assert_int_equal(dns_cache_count(c), 1);
    dns_cache_free(c);
    dns_result_drop(old);
    dns_result_drop(new);
    dns_cache_free(NULL);
}

static void
test_cache_bounds(void **state)
{
    (void)state;
    struct dns_cache *c = dns_cache_new(160);
    char name[32], *big = calloc(1, 2000);
    assert_non_null(big);
    for (uint64_t i = 0; i < 5000; i++) {
        int n = snprintf(name, sizeof(name), "n%u", (unsigned)i);
        put(c, i * UINT64_C(0x9e3779b97f4a7c15), (slice){ name, (size_t)n }, result(DNS_OK, 60, SLICE("x"), 0), 0);
        /* one that is asked for all the time stays */
        if (i == 0 || i % 8 == 0)
            assert_true(has(c, 0, SLICE("n0"), 0));
        assert_true(dns_cache_count(c) <= 160);
    }
    assert_int_equal(dns_cache_count(c), 160);
    for (uint64_t i = 0; i < 1000; i++) { /* bounded in octets as well: 16 shards of 10 KB */
        int n = snprintf(name, sizeof(name), "b%u", (unsigned)i);
        put(c, i * UINT64_C(0x9e3779b97f4a7c15), (slice){ name, (size_t)n }, result(DNS_OK, 60, (slice){ big, 2000 }, 0), 0);
    }
    assert_true(dns_cache_count(c) <= 16 * 4);
    put(c, 7, SLICE("huge"), result(DNS_OK, 60, (slice){ big, 1999 }, 0), 0);
    dns_cache_free(c);
    c = dns_cache_new(0);
    put(c, 1, SLICE("a"), result(DNS_OK, 60, SLICE("x"), 0), 0);
    assert_false(has(c, 1, SLICE("a"), 0));
    dns_cache_free(c);
    free(big);
}

/* ---- name servers ---- */

static void
test_resolv_conf(void **state)
{
    (void)state;
    struct nameserver ns[NAMESERVERS_MAX];
    assert_int_equal(nameservers_from_resolv_conf(SLICE("# x\nsearch example.org\nnameserver 192.0.2.1\r\n"
                                                        "nameserver\t::1  # c\nnameserver bad\nnameserverx 192.0.2.2\n;nameserver 192.0.2.3"),
                                                  ns),
                     2);
    assert_int_equal(ns[0].port, 53);
    assert_false(nameserver_is_loopback(&ns[0]));
    assert_true(nameserver_is_loopback(&ns[1]));
    assert_int_equal(nameservers_from_resolv_conf(SLICE_EMPTY, ns), 1);
    assert_true(nameserver_is_loopback(&ns[0]));
    assert_int_equal(nameservers_from_resolv_conf(SLICE("nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.1\n"
                                                        "nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.1\n"
                                                        "nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.1\n"),
                                                  ns),
                     NAMESERVERS_MAX);
}

/* ---- replays ---- */

static void
test_replay(void **state)
{
    (void)state;
    static const char zone_text[] = "example. 60 TXT \"a\\000b \\\"q\\\"\" \"c\"\nexample. TXT second\nexample. MX 0 .\nexample. MX 10 mx.example.\n"
                                    "1.example. PTR host.example.\nexample. A 192.0.2.1\nexample. AAAA ::ffff:192.0.2.1\n"
                                    "$STATUS broken.example * servfail\n$DELAY late.example 5000\n";
    struct resolver *zone = NULL, *replay = NULL;
    struct strbuf text, again, errors;
    int64_t now = 0;
    strbuf_init(&text, 0);
    strbuf_init(&again, 0);
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(SLICE(zone_text), &errors, &zone), ST_OK);
    struct dns_session *s = dns_session_new(zone, &(struct dns_limits){ 1000, 9 });
    static const struct {
        enum dns_type type;
        slice name;
    } asked[] = { { DNS_TXT, SLICE("example") },   { DNS_MX, SLICE("example") },        { DNS_PTR, SLICE("1.example") },
                  { DNS_A, SLICE("Example.") },    { DNS_AAAA, SLICE("example") },      { DNS_TXT, SLICE("broken.example") },
                  { DNS_A, SLICE("none.example") }, { DNS_A, SLICE("o d\0\377@.example") }, { DNS_A, SLICE("late.example") },
                  { DNS_A, SLICE("a..b") },        { DNS_A, SLICE("beyond.example") } };
    for (size_t i = 0; i < COUNT(asked); i++)
        dns_start(s, asked[i].type, asked[i].name, NULL, NULL);
    dns_session_write(s, 1700000000, &text);
    assert_int_equal(resolver_replay_new(strbuf_slice(&text), &errors, &now, &replay), ST_OK);
    struct dns_session *r = dns_session_new(replay, &(struct dns_limits){ 1000, 3 });
    for (size_t i = 0; i < COUNT(asked); i++)
        dns_lookup(r, asked[i].type, asked[i].name);
    dns_session_write(r, now, &again);
    assert_string_equal(strbuf_str(&again), strbuf_str(&text));
    assert_int_equal(dns_lookup(r, DNS_A, SLICE("late.example"))->status, DNS_TIMEOUT);
    assert_int_equal(dns_lookup(r, DNS_A, SLICE("beyond.example"))->status, DNS_BUDGET);
    assert_int_equal(dns_lookup(r, DNS_A, SLICE("a..b"))->status, DNS_BADNAME);
    assert_int_equal(dns_lookup(r, DNS_A, SLICE("never.asked"))->status, DNS_TIMEOUT);
    const struct dns_answer *a = dns_lookup(r, DNS_TXT, SLICE("example"));
    assert_int_equal(a->n, 2);
    assert_true(slice_eq(a->records[0].data, SLICE("a\0b \"q\"c")));
    assert_int_equal(a->ttl, 60);
    dns_session_free(s);
    dns_session_free(r);
    resolver_free(zone);
    resolver_free(replay);
    strbuf_clear(&text);
    strbuf_clear(&again);
}

static void
test_replay_faults(void **state)
{
    (void)state;
    static const char *const faults[] = { "TXT x\n",
                                          "$NOW\n",
                                          "$ANSWER a TXT ok\n",
                                          "$ANSWER a TXT ok 60 xx\n",
                                          "$ANSWER a TXT fine 60\nTXT x\n",
                                          "$ANSWER a TXT badname 60\n",
                                          "$ANSWER a NS ok 60\n",
                                          "$ANSWER a TXT ok 60\n",
                                          "$ANSWER a TXT ok 60\nA 192.0.2.1\n",
                                          "$ANSWER a TXT nodata 60\nTXT x\n",
                                          "$ANSWER a TXT ok 60\nTXT \"x\n",
                                          "$ANSWER a TXT nodata 60\n$ANSWER A. TXT nodata 60\n" };
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct resolver *r = NULL;
        struct strbuf errors;
        strbuf_init(&errors, 0);
        slice exact = test_exact(faults[i]);
        if (resolver_replay_new(exact, &errors, NULL, &r) != ST_SYNTAX || r != NULL || !slice_starts(strbuf_slice(&errors), SLICE("line ")))
            fail_msg("%s", faults[i]);
        test_release(exact);
        strbuf_clear(&errors);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),        cmocka_unit_test(test_messages),    cmocka_unit_test(test_hostile_message),
        cmocka_unit_test(test_cache_times),  cmocka_unit_test(test_cache_bounds), cmocka_unit_test(test_resolv_conf),
        cmocka_unit_test(test_replay),       cmocka_unit_test(test_replay_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
