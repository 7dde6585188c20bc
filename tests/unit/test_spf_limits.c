/* RFC 7208 4.6.4: every limit just below, at and just beyond it; what a hostile tree of records may make us ask. */
#include "spf_world.h"

#include "spf/limits.h"

/* `n` times `term`, with "#" as a running number. */
static void
repeat(struct strbuf *b, const char *term, int n)
{
    for (int i = 0; i < n; i++) {
        strbuf_add_char(b, ' ');
        for (const char *p = term; *p != '\0'; p++)
            if (*p == '#')
                strbuf_printf(b, "%d", i);
            else
                strbuf_add_char(b, *p);
    }
}

static void
expect_terms(const char *term, int n, const char *tail, enum spf_result want)
{
    struct strbuf b;
    char label[200];
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "here.example. A 198.51.100.1\nhere.example. MX 0 here.example.\n"
                       "flat.example. TXT \"v=spf1 ip4:198.51.100.1\"\n"
                       "one.example. TXT \"v=spf1 a:here.example\"\n"
                       "five.example. TXT \"v=spf1 a:here.example a:here.example mx:here.example exists:x.here.example"
                       " a:here.example\"\nx.here.example. TXT x\n"
                       "1.2.0.192.in-addr.arpa. PTR client.example.\nclient.example. A 192.0.2.1\n*.w.example. A 198.51.100.1\n"
                       "pass.example. TXT \"v=spf1 +all\"\n"
                       "d.example. TXT \"v=spf1");
    repeat(&b, term, n);
    strbuf_printf(&b, " %s\"\n", tail);
    snprintf(label, sizeof(label), "%d x %s %s", n, term, tail);
    world_expect(label, strbuf_str(&b), "192.0.2.1", "d.example", want,
                 want == SPF_PERMERROR ? "more than 10 DNS-lookup terms" : NULL);
    strbuf_clear(&b);
}

static void
test_terms(void **state)
{
    (void)state;
    static const char *const each[] = { "a:here.example", "mx:here.example", "ptr:example.org", "include:flat.example" };
    for (size_t i = 0; i < COUNT(each); i++)
        for (int n = 9; n <= 11; n++)
            expect_terms(each[i], n, "+all", n <= 10 ? SPF_PASS : SPF_PERMERROR);
    /* over the records of a tree: an include and its terms; the redirect; what stands behind */
    for (int n = 4; n <= 6; n++)
        expect_terms("include:one.example", n, "+all", n <= 5 ? SPF_PASS : SPF_PERMERROR);
    for (int n = 3; n <= 5; n++)
        expect_terms("a:here.example", n, "include:five.example +all", n <= 4 ? SPF_PASS : SPF_PERMERROR);
    for (int n = 8; n <= 10; n++)
        expect_terms("a:here.example", n, "redirect=pass.example", n <= 9 ? SPF_PASS : SPF_PERMERROR);
    /* what is not reached does not count, however much there is */
    expect_terms("a:here.example", 10, "ip4:192.0.2.1 include:loop.example", SPF_PASS);
    expect_terms("ip4:198.51.100.#", 200, "+all", SPF_PASS);
    /* 4.6.4: %{p} asks for PTR records, which counts once */
    for (int n = 8; n <= 10; n++)
        expect_terms("a:%{p}.w.example", n, "+all", n <= 9 ? SPF_PASS : SPF_PERMERROR);
    for (int n = 7; n <= 9; n++)
        expect_terms("a:here.example", n, "a:%{p}.w.example +all", n <= 8 ? SPF_PASS : SPF_PERMERROR);
}

static void
expect_voids(const char *term, int n, unsigned allowed, enum spf_result want)
{
    struct strbuf b;
    struct world w;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "nodata.example. TXT x\nv1.example. TXT \"v=spf1 a:gone.example\"\nd.example. TXT \"v=spf1");
    repeat(&b, term, n);
    strbuf_add_str(&b, " +all\"\n");
    world_open(&w, strbuf_str(&b));
    w.rq.sender_domain = SLICE("d.example");
    w.rq.max_voids = allowed;
    spf_prefetch(w.arena, w.dns, &w.rq);
    world_run(&w, spf_check);
    if (w.out.result != want)
        fail_msg("%d x %s, %u allowed: %s (%.*s)", n, term, allowed, spf_result_name(w.out.result), SLICE_ARG(w.out.reason));
    assert_true(w.out.voids == (want == SPF_PERMERROR ? allowed + 1 : (unsigned)n));
    world_close(&w);
    strbuf_clear(&b);
}

static void
test_voids(void **state)
{
    (void)state;
    static const char *const each[] = { "a:n#.example", "mx:n#.example", "exists:n#.example", "a:nodata.example",
                                        "mx:nodata.example", "include:v1.example" };
    for (size_t i = 0; i < COUNT(each); i++)
        for (int n = 1; n <= 5; n++)
            for (unsigned allowed = 0; allowed <= 4; allowed++)
                expect_voids(each[i], n, allowed, (unsigned)n <= allowed ? SPF_PASS : SPF_PERMERROR);
}

/* 4.6.4 limits terms: an mx is one, whatever number of its hosts have no address of the client's family. */
static void
test_voids_of_mx_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *terms;
        enum spf_result want;
        const char *reason;
    } cases[] = {
        { "mx:four.example ip6:2001:db8::/32 -all", SPF_PASS, "ip6:2001:db8::/32" },
        { "mx:four.example mx:gone.example ip6:2001:db8::/32 -all", SPF_PASS, "ip6:2001:db8::/32" },
        { "mx:four.example mx:gone.example -all", SPF_FAIL, "-all" },
        { "mx:four.example mx:four.example ip6:2001:db8::/32 -all", SPF_PASS, "ip6:2001:db8::/32" },
        { "mx:four.example a:gone.example exists:gone.example ip6:2001:db8::/32 -all", SPF_PERMERROR, NULL },
        { "mx:four.example mx:four.example mx:four.example ip6:2001:db8::/32 -all", SPF_PERMERROR, NULL },
        { "a:m0.example a:m1.example a:m2.example ip6:2001:db8::/32 -all", SPF_PERMERROR, NULL }, /* three terms */
        { "mx:last.example -all", SPF_PASS, "mx:last.example" }, /* the fourth host is the client */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf b;
        strbuf_init(&b, 0);
        strbuf_printf(&b, "d.example. TXT \"v=spf1 %s\"\nlast.example. MX 40 six.example.\nsix.example. AAAA 2001:db8::1\n",
                      cases[i].terms);
        for (int k = 0; k < 4; k++)
            strbuf_printf(&b, "four.example. MX %d m%d.example.\nm%d.example. A 198.51.100.%d\n", k, k, k, k + 1);
        for (int k = 0; k < 3; k++)
            strbuf_printf(&b, "last.example. MX %d m%d.example.\n", k, k);
        world_expect(cases[i].terms, strbuf_str(&b), "2001:db8::1", "d.example", cases[i].want, cases[i].reason);
        strbuf_clear(&b);
    }
}

/* MX: the eleventh host is permerror; PTR: further names are ignored.  An exp= that is not there is no void lookup. */
static void
test_hosts(void **state)
{
    (void)state;
    for (int n = 9; n <= 11; n++) {
        struct strbuf b;
        strbuf_init(&b, 0);
        strbuf_add_str(&b, "d.example. TXT \"v=spf1 mx +all\"\n");
        for (int i = 0; i < n; i++)
            strbuf_printf(&b, "d.example. MX %d m%d.example.\nm%d.example. A 198.51.100.1\n", i, i, i);
        world_expect("MX", strbuf_str(&b), "192.0.2.1", "d.example", n <= 10 ? SPF_PASS : SPF_PERMERROR,
                     n <= 10 ? "+all" : "d.example has more than 10 MX hosts");
        strbuf_reset(&b);
        strbuf_add_str(&b, "d.example. TXT \"v=spf1 ptr:right.example -all\"\n");
        for (int i = 0; i < n; i++)
            strbuf_printf(&b, "1.2.0.192.in-addr.arpa. PTR %s.example.\n", i == n - 1 ? "a.right" : "a.wrong");
        strbuf_add_str(&b, "a.right.example. A 192.0.2.1\na.wrong.example. A 192.0.2.1\n");
        world_expect("PTR", strbuf_str(&b), "192.0.2.1", "d.example", n <= 10 ? SPF_PASS : SPF_FAIL, NULL);
        strbuf_clear(&b);
    }
    /* the names are the client's: their absence is no void lookup of the domain's */
    world_expect("PTR names that are not there",
                 "d.example. TXT \"v=spf1 ptr ~all\"\n1.2.0.192.in-addr.arpa. PTR a.d.example.\n"
                 "1.2.0.192.in-addr.arpa. PTR b.d.example.\n1.2.0.192.in-addr.arpa. PTR c.d.example.\n",
                 "192.0.2.1", "d.example", SPF_SOFTFAIL, "~all");
}

/* A record of any length that DNS can carry is read to its end. */
static void
test_long_records(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "d.example. TXT \"v=spf1");
    for (int i = 0; i < 400; i++)
        strbuf_printf(&b, " ip4:10.%d.%d.0/24", i / 200, i % 200);
    strbuf_add_str(&b, " ip4:192.0.2.1 -all\"\n");
    world_expect("400 ip4", strbuf_str(&b), "192.0.2.1", "d.example", SPF_PASS, "ip4:192.0.2.1");
    world_expect("400 ip4, none", strbuf_str(&b), "192.0.2.2", "d.example", SPF_FAIL, "-all");
    strbuf_reset(&b);
    strbuf_add_str(&b, "d.example. TXT \"v=spf1");
    while (b.n < 60 * 1024)
        strbuf_printf(&b, " ip6:2001:db8:%x::/48", (unsigned)b.n & 0xffff);
    strbuf_add_str(&b, " ~all\"\n");
    world_expect("60 KB", strbuf_str(&b), "192.0.2.2", "d.example", SPF_SOFTFAIL, "~all");
    strbuf_reset(&b);
    strbuf_add_str(&b, "d.example. TXT \"v=spf1");
    while (b.n < 60 * 1024)
        strbuf_add_str(&b, " a");
    strbuf_add_str(&b, " foo\"\n");
    world_expect("60 KB, an error in the last term", strbuf_str(&b), "192.0.2.2", "d.example", SPF_PERMERROR,
                 "syntax error in term \"foo\": unknown mechanism");
    strbuf_clear(&b);
}

/* Every name below has a record of `width` such terms again. */
static void
bomb(const char *term, int width, unsigned max_questions)
{
    struct strbuf b;
    struct world w;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "*.bomb.example. TXT \"v=spf1");
    repeat(&b, term, width);
    strbuf_add_str(&b, " -all\"\n");
    world_open(&w, strbuf_str(&b));
    w.rq.sender_domain = SLICE("x.bomb.example");
    spf_prefetch(w.arena, w.dns, &w.rq);
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_PERMERROR);
    assert_slice(w.out.reason, "more than 10 DNS-lookup terms");
    assert_int_equal(w.out.lookups, 10);
    print_message("%d x %s at every level: %u questions\n", width, term, w.questions);
    if (w.questions > max_questions)
        fail_msg("more than %u", max_questions);
    world_close(&w);
    strbuf_clear(&b);
}

/*
 * The domain's own record and 10 terms: 11 questions.  Where fewer than 10 stand at a level, some may have been asked ahead before
 * the tree showed itself to be beyond the limit: never more than the 8 beside the first.
 */
static void
test_bombs(void **state)
{
    (void)state;
    for (int width = 10; width <= 20; width += 5)
        bomb("include:i#.%{d}", width, 11);
    bomb("include:%{d3}.i#.%{d}", 10, 11);
    for (int width = 1; width < 10; width++)
        bomb("include:i#.%{d}", width, 11 + 8);
    bomb("include:i#.%{d2}", 1, 11);
}

/* mx of 10 hosts, ten times: the hosts asked ahead stay within bounds, and a match ends it all. */
static void
test_mx_bomb(void **state)
{
    (void)state;
    struct strbuf b;
    struct world w;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "d.example. TXT \"v=spf1 mx:m0.example");
    for (int i = 1; i < 10; i++)
        strbuf_printf(&b, " mx:m%d.example", i);
    strbuf_add_str(&b, " -all\"\n");
    for (int i = 0; i < 10; i++)
        for (int k = 0; k < 10; k++)
            strbuf_printf(&b, "m%d.example. MX 0 h%d-%d.example.\nh%d-%d.example. A %s\n", i, i, k, i, k,
                          i == 0 && k == 9 ? "192.0.2.1" : "198.51.100.7");
    world_open(&w, strbuf_str(&b));
    w.rq.sender_domain = SLICE("d.example");
    spf_prefetch(w.arena, w.dns, &w.rq);
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_PASS);
    assert_true(w.questions <= 1 + 10 + 20);
    world_close(&w);
    strbuf_clear(&b);
}

/* A tree within the limit is asked in full and nothing twice; includes of one level cost one round trip. */
static void
test_ahead(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "$DELAY d.example. 50\nd.example. TXT \"v=spf1");
    repeat(&b, "include:i#.example", 9);
    strbuf_add_str(&b, " -all\"\n");
    for (int i = 0; i < 9; i++)
        strbuf_printf(&b, "$DELAY i%d.example. 50\ni%d.example. TXT \"v=spf1 ip4:198.51.100.%d\"\n", i, i, i);
    uint64_t least[2] = { UINT64_MAX, UINT64_MAX }; /* the machine may stand still for a while: the best of several counts */
    for (int round = 0; round < 20 && (least[0] >= 350 || least[1] >= 350); round++) {
        int ahead = round % 2;
        struct world w;
        world_open(&w, strbuf_str(&b));
        w.rq.sender_domain = SLICE("d.example");
        uint64_t start = clock_mono_ms();
        if (ahead)
            spf_prefetch(w.arena, w.dns, &w.rq);
        world_run(&w, spf_check);
        uint64_t took = clock_mono_ms() - start;
        assert_int_equal(w.out.result, SPF_FAIL);
        assert_int_equal(w.out.lookups, 9);
        assert_int_equal(w.questions, 10);
        least[ahead] = took < least[ahead] ? took : least[ahead];
        world_close(&w);
    }
    print_message("9 includes, 50 ms a question: asked ahead %u ms, prefetched %u ms\n", (unsigned)least[0], (unsigned)least[1]);
    for (int ahead = 0; ahead < 2; ahead++)
        assert_in_range(least[ahead], 100, 349); /* 10 in a row would be 500 */
    strbuf_clear(&b);
}

/* What the deadline cuts off is temperror, never a match or no match (4.6.4). */
static void
test_deadline(void **state)
{
    (void)state;
    static const struct { const char *zone, *reason; } c[] = {
        { "$DELAY d.example. 5000\nd.example. TXT \"v=spf1 +all\"\n", "DNS timeout for TXT of d.example" },
        { "d.example. TXT \"v=spf1 a:slow.example +all\"\n$DELAY slow.example. 5000\nslow.example. A 192.0.2.1\n",
          "DNS timeout for A of slow.example" },
        { "d.example. TXT \"v=spf1 include:slow.example +all\"\n$STATUS slow.example. TXT timeout\n",
          "DNS timeout for TXT of slow.example" },
        { "d.example. TXT \"v=spf1 mx +all\"\nd.example. MX 0 slow.example.\n$STATUS slow.example. * timeout\n",
          "DNS timeout for A of slow.example" },
        { "d.example. TXT \"v=spf1 redirect=slow.example\"\n$STATUS slow.example. * timeout\n",
          "DNS timeout for TXT of slow.example" },
    };
    for (size_t i = 0; i < COUNT(c); i++)
        for (int early = 0; early < 2; early++) {
            struct world w;
            world_open(&w, c[i].zone);
            dns_session_free(w.dns);
            w.dns = dns_session_new(w.resolver, &(struct dns_limits){ .timeout_ms = 400, .max_queries = 50 });
            w.rq.sender_domain = SLICE("d.example");
            if (early)
                spf_prefetch(w.arena, w.dns, &w.rq);
            world_run(&w, spf_check);
            assert_int_equal(w.out.result, SPF_TEMPERROR);
            assert_slice(w.out.reason, c[i].reason);
            world_close(&w);
        }
    /* what the message's query budget does not cover is a limit met, by the sender's choice: permerror (4.6.4) */
    struct world w;
    world_open(&w, "d.example. TXT \"v=spf1 a:x.example +all\"\n");
    dns_session_free(w.dns);
    w.dns = dns_session_new(w.resolver, &(struct dns_limits){ .timeout_ms = 5000, .max_queries = 1 });
    w.rq.sender_domain = SLICE("d.example");
    world_run(&w, spf_check);
    assert_int_equal(w.out.result, SPF_PERMERROR);
    assert_slice(w.out.reason, "DNS budget for A of x.example");
    world_close(&w);
}

/* Memory may end anywhere; then the status says so, or the outcome is what it is with enough of it. */
static void
test_no_memory(void **state)
{
    (void)state;
    static const char zone[] = "d.example. TXT \"v=spf1 include:%{d}.i.example exists:%{p}.%{i}.x.example mx:m.example -all"
                               " exp=%{o}.e.example\"\n"
                               "d.example.i.example. TXT \"v=spf1 redirect=r.%{d}\"\n"
                               "r.d.example.i.example. TXT \"v=spf1 ip4:198.51.100.1 ?all\"\n"
                               "m.example. MX 0 m.example.\nm.example. A 198.51.100.9\n"
                               "d.example.e.example. TXT \"%{i} is not %{d}'s\"\n";
    const size_t block = 16384; /* the first of an arena, and with this limit the only one */
    spf_engine *engines[] = { spf_check, second_spf() };
    for (size_t e = 0; e < COUNT(engines) && engines[e] != NULL; e++) {
        unsigned whole = 0, short_of = 0;
        for (size_t left = 0; left < 9000; left += 16) {
            struct world w;
            struct spf_outcome o = { .result = SPF_NONE };
            world_open(&w, zone);
            arena_free(w.arena);
            w.arena = arena_new(block);
            assert_non_null(w.arena);
            assert_non_null(arena_alloc(w.arena, block - left));
            w.rq.sender_domain = SLICE("d.example");
            w.rq.want_explanation = true;
            spf_prefetch(w.arena, w.dns, &w.rq);
            enum status st = engines[e](w.arena, w.dns, &w.rq, w.trace, &o);
            assert_true(st == ST_OK || st == ST_NOMEM);
            if (o.result != (st == ST_OK ? SPF_FAIL : SPF_NONE))
                fail_msg("engine %zu, %zu octets: %s, %s (%.*s)", e, left, status_name(st), spf_result_name(o.result),
                         SLICE_ARG(o.reason));
            whole += st == ST_OK;
            short_of += st != ST_OK;
            world_close(&w);
        }
        assert_true(whole > 0 && short_of > 0);
    }
}

/* A session may end while answers are outstanding, at any moment. */
static void
test_abandoned(void **state)
{
    (void)state;
    for (unsigned wait_us = 0; wait_us <= 12000; wait_us += 500) {
        struct world w;
        world_open(&w, "$DELAY d.example. 3\nd.example. TXT \"v=spf1 include:a.example include:b.example mx:c.example -all\"\n"
                       "$DELAY a.example. 3\na.example. TXT \"v=spf1 include:c.example a:b.example\"\n"
                       "$DELAY b.example. 4\nb.example. TXT \"v=spf1 mx:c.example\"\nb.example. A 192.0.2.7\n"
                       "$DELAY c.example. 3\nc.example. TXT \"v=spf1 a a:b.example\"\nc.example. MX 0 b.example.\n");
        w.rq.sender_domain = SLICE("d.example");
        spf_prefetch(w.arena, w.dns, &w.rq);
        for (uint64_t until = clock_mono_us() + wait_us; clock_mono_us() < until;)
            ;
        world_close(&w);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),        cmocka_unit_test(test_voids),
        cmocka_unit_test(test_voids_of_mx_hosts), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_long_records), cmocka_unit_test(test_bombs), cmocka_unit_test(test_mx_bomb),
        cmocka_unit_test(test_ahead),        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_deadline),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
