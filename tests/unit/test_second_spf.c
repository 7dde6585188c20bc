/* libspf2 behind its guard: what would end the process is met, what it gets wrong is held, and differences are put in words. */
#include "spf_world.h"

static void
with_both(const char *zone, const char *client, struct world *native, struct world *other)
{
    struct world *w[] = { native, other };
    spf_engine *engines[] = { spf_check, second_spf() };
    for (size_t i = 0; i < 2; i++) {
        world_open(w[i], zone);
        assert_true(netaddr_parse(slice_from(client), &w[i]->rq.client));
        w[i]->rq.sender_domain = SLICE("d.example");
        w[i]->rq.want_explanation = true;
        world_run(w[i], engines[i]);
    }
}

static const struct {
    const char *label, *zone, *client;
    enum spf_result want;
} agreed[] = {
    { "ip4", "d.example. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n", "192.0.2.9", SPF_PASS },
    { "fail", "d.example. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n", "198.51.100.9", SPF_FAIL },
    { "ip6", "d.example. TXT \"v=spf1 ip6:2001:db8::/32 ~all\"\n", "2001:db8::9", SPF_PASS },
    { "mapped", "d.example. TXT \"v=spf1 ip4:192.0.2.9 ~all\"\n", "::ffff:192.0.2.9", SPF_PASS },
    { "a", "d.example. TXT \"v=spf1 a:a.example ~all\"\na.example. A 192.0.2.9\n", "192.0.2.9", SPF_PASS },
    { "mx", "d.example. TXT \"v=spf1 mx ~all\"\nd.example. MX 0 a.example.\na.example. A 192.0.2.9\n", "192.0.2.9", SPF_PASS },
    { "exists", "d.example. TXT \"v=spf1 exists:%{ir}.x.example ?all\"\n9.2.0.192.x.example. A 127.0.0.2\n", "192.0.2.9", SPF_PASS },
    { "ptr", "d.example. TXT \"v=spf1 ptr -all\"\n9.2.0.192.in-addr.arpa. PTR h.d.example.\nh.d.example. A 192.0.2.9\n",
      "192.0.2.9", SPF_PASS },
    { "include", "d.example. TXT \"v=spf1 include:i.example -all\"\ni.example. TXT \"v=spf1 ip4:192.0.2.9 -all\"\n", "192.0.2.9",
      SPF_PASS },
    { "include none", "d.example. TXT \"v=spf1 include:i.example -all\"\n", "192.0.2.9", SPF_PERMERROR },
    { "redirect", "d.example. TXT \"v=spf1 redirect=i.example\"\ni.example. TXT \"v=spf1 -all\"\n", "192.0.2.9", SPF_FAIL },
    { "neutral", "d.example. TXT \"v=spf1 a:gone.example\"\n", "192.0.2.9", SPF_NEUTRAL },
    { "none", "d.example. A 192.0.2.1\n", "192.0.2.9", SPF_NONE },
    { "servfail", "$STATUS d.example. TXT servfail\n", "192.0.2.9", SPF_TEMPERROR },
    { "servfail of a", "d.example. TXT \"v=spf1 a:a.example -all\"\n$STATUS a.example. A servfail\n", "192.0.2.9", SPF_TEMPERROR },
    { "two records", "d.example. TXT \"v=spf1 -all\"\nd.example. TXT \"v=spf1 +all\"\n", "192.0.2.9", SPF_PERMERROR },
    { "syntax error behind the match", "d.example. TXT \"v=spf1 ip4:192.0.2.9 foo\"\n", "192.0.2.9", SPF_PERMERROR },
    { "voids of MX hosts",
      "d.example. TXT \"v=spf1 mx a:gone.example +all\"\nd.example. MX 1 a.gone.example.\nd.example. MX 2 b.gone.example.\n"
      "d.example. MX 3 c.gone.example.\n",
      "192.0.2.9", SPF_PASS },
    { "voids", "d.example. TXT \"v=spf1 a:a.gone.example a:b.gone.example a:c.gone.example +all\"\n", "192.0.2.9", SPF_PERMERROR },
};

static void
test_agreed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(agreed); i++) {
        struct world native, other;
        with_both(agreed[i].zone, agreed[i].client, &native, &other);
        if (native.out.result != agreed[i].want || other.out.result != agreed[i].want)
            fail_msg("%s: native %s, libspf2 %s (%.*s)", agreed[i].label, spf_result_name(native.out.result),
                     spf_result_name(other.out.result), SLICE_ARG(other.out.reason));
        assert_true(second_spf_has_opinion(&other.out));
        assert_slice(second_spf_difference(other.arena, &native.out, &other.out), "");
        world_close(&native);
        world_close(&other);
    }
}

/* CVE-2023-42118 and its like: each is met by our parser, judged as RFC 7208 says, and shown to nobody. */
static void
test_payloads(void **state)
{
    (void)state;
    enum { A_TERM, EXP_TEXT, MANY_DIGITS, LONG_RECORD, KINDS };
    char *zone = malloc(80000);
    assert_non_null(zone);
    for (int kind = 0; kind < KINDS; kind++) {
        char *p = zone;
        p += sprintf(p, "d.example. TXT \"v=spf1 ");
        if (kind == A_TERM) {
            p += sprintf(p, "a:");
            for (int i = 0; i < 127; i++)
                p += sprintf(p, "%%{d}");
            memset(p, 'a', 5000);
            p += 5000;
            p += sprintf(p, ".example ");
        }
        if (kind == MANY_DIGITS)
            p += sprintf(p, "a:%%{d99999999999999999999999999}.example ");
        for (int i = 0; kind == LONG_RECORD && i < 200; i++)
            p += sprintf(p, "ip4:198.51.100.%d ", i);
        p += sprintf(p, "-all exp=e.example\"\ne.example. TXT \"");
        if (kind == EXP_TEXT) {
            for (int i = 0; i < 127; i++)
                p += sprintf(p, "%%{d}");
            memset(p, 'a', 200);
            p += 200;
        }
        sprintf(p, "x\"\n");
        struct world native, other;
        with_both(zone, "192.0.2.9", &native, &other);
        assert_int_equal(native.out.result, SPF_FAIL);
        assert_int_equal(other.out.result, SPF_FAIL);
        assert_slice(native.out.explanation, kind == EXP_TEXT ? "" : "x");
        assert_true(second_spf_has_opinion(&other.out) == (kind == EXP_TEXT));
        world_close(&native);
        world_close(&other);
    }
    free(zone);
}

/* Its count begins again in every include: ours does not. */
static void
test_bomb(void **state)
{
    (void)state;
    struct world native, other;
    with_both("*.example. TXT \"v=spf1 include:0.%{d} include:1.%{d} include:2.%{d} include:3.%{d} -all\"\n", "192.0.2.9", &native,
              &other);
    assert_int_equal(other.out.result, SPF_PERMERROR);
    assert_slice(other.out.reason, "more than 10 DNS-lookup terms");
    assert_true(other.questions <= 11);
    world_close(&native);
    world_close(&other);
}

static void
test_loopback(void **state)
{
    (void)state;
    static const char *const clients[] = { "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1" };
    for (size_t i = 0; i < COUNT(clients); i++) {
        struct world native, other;
        with_both("d.example. TXT \"v=spf1 -all\"\n", clients[i], &native, &other);
        assert_int_equal(other.out.result, SPF_FAIL);
        assert_false(second_spf_has_opinion(&other.out));
        world_close(&native);
        world_close(&other);
    }
}

static void
test_difference(void **state)
{
    (void)state;
    struct world native, other; /* libspf2 refuses a prefix of 0 */
    with_both("d.example. TXT \"v=spf1 ip4:0.0.0.0/0 -all\"\n", "192.0.2.9", &native, &other);
    assert_slice(second_spf_difference(other.arena, &native.out, &other.out),
                 "native pass (ip4:0.0.0.0/0), libspf2 permerror (Invalid CIDR length)");
    world_close(&native);
    world_close(&other);
}

static void
test_hostile_sender(void **state)
{
    (void)state;
    char text[3000];
    for (int c = 1; c < 256; c += 3)
        for (size_t n = 1; n < sizeof(text); n += 997) {
            struct world w;
            memset(text, c, n);
            world_open(&w, "d.example. TXT \"v=spf1 exists:%{L}.%{lr-}.%{S}.%{H}.%{hr}.%{l1-}.%{i}.x.example -all exp=%{h}.x.example\"\n");
            w.rq.sender_local = w.rq.helo = (slice){ text, n };
            w.rq.sender_domain = SLICE("d.example");
            w.rq.want_explanation = true;
            world_run(&w, second_spf());
            assert_int_equal(w.out.result, SPF_FAIL);
            world_close(&w);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreed),   cmocka_unit_test(test_payloads),   cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_loopback), cmocka_unit_test(test_difference), cmocka_unit_test(test_hostile_sender),
    };
    if (second_spf() == NULL) {
        puts("built without libspf2");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
