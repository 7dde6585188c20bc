/* The grammar of RFC 7208 12, term by term: what is a record, what is a syntax error, and what a term says. */
#include "test.h"

#include "spf/record.h"

static const struct {
    const char *txt;
    bool is;
} versions[] = {
    { "v=spf1", true },         { "v=spf1 -all", true },  { "V=SPF1 -all", true },  { "v=spf1  ", true },
    { "v=spf10 -all", false },  { "v=spf1-all", false },  { "v=spf1\t-all", false }, { " v=spf1 -all", false },
    { "v=spf", false },         { "", false },            { "v=spf2.0/pra", false }, { "spf1 -all", false },
};

static void
test_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(versions); i++) {
        slice s = test_exact(versions[i].txt);
        if (spf_record_is(s) != versions[i].is)
            fail_msg("\"%s\"", versions[i].txt);
        test_release(s);
    }
}

/* One term behind "v=spf1 ". */
static const char *const good[] = {
    "", " ", "   ", "all", "+all", "-all", "~all", "?all", "ALL", "all  ",
    "include:example.org", "INCLUDE:Example.ORG", "include:%{d}", "include:_spf.%{d2}", "include:a.b.c.",
    "a", "a:example.org", "a/24", "a//64", "a/24//64", "a:example.org/24", "a:example.org//64", "a:example.org/0//0",
    "a:example.org/32//128", "a:%{i}._spf.%{d}", "a:foo:bar/baz.example.com", "a:museum.museum.", "a:a.xn--zckzah",
    "a:.com", "a:a.1-2", "a:a.b1", "a:a.1b", "mx", "mx:example.org", "mx/30//126", "MX:%{d}", "ptr", "ptr:example.org",
    "exists:%{ir}.%{l1r+-}._spf.%{d}", "exists:%%.example.org", "exists:a%_", "exists:a%-", "exists:a%%",
    "ip4:192.0.2.0", "ip4:192.0.2.0/0", "ip4:192.0.2.0/32", "ip4:255.255.255.255/9", "ip6:::", "ip6:::1/0",
    "ip6:2001:db8::/32", "ip6:2001:db8::cd30/128", "ip6:::ffff:192.0.2.1", "ip6:1:2:3:4:5:6:7:8",
    "ip6:2001:DB8:0:0:8:800:200C:417A", "redirect=example.org", "REDIRECT=%{d}", "exp=explain.%{d}",
    "exp=e.example.org redirect=r.example.org", "foo=", "foo=bar", "foo=%{c}%{r}%{t}", "a.b_c-d=x:y/z", "foo=a foo=b",
    "moo=%%%_%-", "a=x:y", "v=spf1:x", "include=x", "all all", "-all redirect=example.org", "all ip4:192.0.2.1 a", "a:%{S}.example.org",
    "a:%{d127}.example.org", "a:%{d128}.example.org", "a:%{d99999999999999999999999}.example.org",
    "a:%{dr.-+,/_=}.example.org", "a:%{DR}.example.org", "a:!#$&'()*;<>?@[]^`|~.example.org", "a:\"x\".example.org",
};

static const char *const bad[] = {
    "foo", "-foo", "+", "-", "--all", "!all", "=", "=x", ":", "/", "all:", "all:x.y", "all/24", "all.", "-all.",
    "include", "include:", "include/24", "include:example.org/24", "include:x", "redirect", "redirect:example.org",
    "redirect=", "redirect=x", "exp=", "exp=x", "-redirect=example.org", "+exp=example.org",
    "redirect=a.example redirect=b.example", "exp=a.example exp=b.example",
    "a:", "a:x", "a:x.", "a:1.2.3.4", "a:example.1", "a:example.", "a:example.com-", "a:example.-com", "a:example.c_m",
    "a/", "a/33", "a/024", "a/00", "a//", "a//129", "a//00", "a/24/64", "a///64", "a//64/24", "a/a", "a:/24", "a://64",
    "a:example.org/", "a:example.org//", "a:example.org/x", "a24", "A:example.org/4294967320",
    "a:example.org\t", "a:ex\x01mple.org", "a:ex\xc3\xa4mple.org", "a:\x7f.example.org", "\357\273\277all",
    "mx:", "mx/33", "ptr:", "ptr/24", "ptr:example.org/24", "exists", "exists:", "exists/24", "exists:example.org/24",
    "ip4", "ip4:", "ip4/24", "ip4:1.2.3", "ip4:1.2.3.4.5", "ip4:1.2.3.256", "ip4:01.2.3.4", "ip4:1.2.3.4/", "ip4:1.2.3.4/33",
    "ip4:1.2.3.4/032", "ip4:1.2.3.4//32", "ip4:1.2.3.4/24//64", "ip4:1.2.3.4:25", "ip4:2001:db8::1", "ip4:%{i}", "ip4: 1.2.3.4",
    "ip6", "ip6:", "ip6::", "ip6:1.2.3.4", "ip6:::1//64", "ip6:::1/129", "ip6:::1/00", "ip6:::1::2", "ip6:2001:db8::g", "ip6:fe80::1%eth0",
    "a:%", "a:%x.org", "a:%(d).example.org", "a:%{}.example.org", "a:%{x}.example.org", "a:%{d", "a:%{d0}.example.org",
    "a:%{d00}.example.org", "a:%{dr2}.example.org", "a:%{d r}.example.org", "a:%{d!}.example.org", "a:%{d|}.example.org",
    "a:%{c}.example.org", "a:%{r}.example.org", "a:%{t}.example.org", "include:%{T}", "exp=%{r}.example.org", "a:%{d}.", "a:%{d}com",
    "a:%{d}.c%{d}m", "foo=%", "foo=%{z}", "foo=\t", "f\xc3\xb6o=bar", "1foo=bar", "-foo=bar", "fo+o=bar", ".foo=bar",
    "-all foo", "all a:%{z}", "ip4:1.2.3.4 moo",
};

static enum status
parse(const char *term, struct spf_record *r, slice *text)
{
    char buf[300];
    struct spf_syntax_error e = { .why = NULL };
    snprintf(buf, sizeof(buf), "v=spf1 %s", term);
    *text = test_exact(buf);
    enum status st = spf_record_parse(*text, r, &e);
    if (st != ST_OK) {
        assert_non_null(e.why);
        assert_true(e.term.n > 0 && e.term.p >= text->p && e.term.p + e.term.n <= text->p + text->n);
    }
    return st;
}

static void
test_grammar(void **state)
{
    (void)state;
    struct spf_record r;
    slice text;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (parse(good[i], &r, &text) != ST_OK)
            fail_msg("refused: %s", good[i]);
        test_release(text);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (parse(bad[i], &r, &text) != ST_SYNTAX)
            fail_msg("accepted: %s", bad[i]);
        test_release(text);
    }
}

static void
test_nul(void **state)
{
    (void)state;
    static const char with_nul[] = "v=spf1 a:ex\0mple.org -all";
    struct spf_record r;
    struct spf_syntax_error e;
    slice s = test_exact_bytes(with_nul, sizeof(with_nul) - 1);
    assert_int_equal(spf_record_parse(s, &r, &e), ST_SYNTAX);
    test_release(s);
}

static void
test_terms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum spf_mechanism mechanism;
        enum spf_result result;
        const char *domain_spec;
        unsigned prefix4, prefix6;
    } want[] = {
        { "?a:x.example/24//64", SPF_MECH_A, SPF_NEUTRAL, "x.example", 24, 64 },
        { "mx//0", SPF_MECH_MX, SPF_PASS, "", 32, 0 },
        { "~ptr:%{d}", SPF_MECH_PTR, SPF_SOFTFAIL, "%{d}", 32, 128 },
        { "-include:i.example", SPF_MECH_INCLUDE, SPF_FAIL, "i.example", 32, 128 },
        { "+exists:%{i}.e.example", SPF_MECH_EXISTS, SPF_PASS, "%{i}.e.example", 32, 128 },
        { "ip4:192.0.2.0/24", SPF_MECH_IP4, SPF_PASS, "", 24, 128 },
        { "ip6:2001:db8::/32", SPF_MECH_IP6, SPF_PASS, "", 32, 32 },
        { "-all", SPF_MECH_ALL, SPF_FAIL, "", 32, 128 },
    };
    slice text = test_exact("v=spf1  ?a:x.example/24//64 mx//0 exp=e.example ~ptr:%{d} redirect=r.example -include:i.example"
                            " +exists:%{i}.e.example   moo=foo ip4:192.0.2.0/24 ip6:2001:db8::/32 -all mx ");
    struct spf_record r;
    struct spf_syntax_error e;
    assert_int_equal(spf_record_parse(text, &r, &e), ST_OK);
    assert_slice(r.explanation, "e.example");
    assert_slice(r.redirect, ""); /* 5.1: ignored beside "all" */
    struct spf_term t;
    size_t at = 0, n = 0;
    for (; spf_record_next(&r, &at, &t); n++) {
        assert_true(n < COUNT(want));
        assert_slice(t.text, want[n].text);
        assert_int_equal(t.mechanism, want[n].mechanism);
        assert_int_equal(t.result, want[n].result);
        assert_slice(t.domain_spec, want[n].domain_spec);
        assert_int_equal(t.prefix4, want[n].prefix4);
        assert_int_equal(t.prefix6, want[n].prefix6);
    }
    assert_int_equal(n, COUNT(want)); /* nothing behind "all" */
    assert_false(spf_record_next(&r, &at, &t));
    test_release(text);
}

/* RFC 7208 5 and 5.6: an IPv4-mapped client is IPv4 and matches ip4 alone; an ip6 network is IPv6, mapped or not. */
static void
test_networks(void **state)
{
    (void)state;
    static const struct { const char *term, *client; bool match; } c[] = {
        { "ip4:192.0.2.0/24", "192.0.2.255", true },    { "ip4:192.0.2.0/24", "192.0.3.0", false },
        { "ip4:192.0.2.77/24", "192.0.2.1", true },     { "ip4:0.0.0.0/0", "203.0.113.9", true },
        { "ip4:192.0.2.1", "::ffff:192.0.2.1", true },  { "ip4:0.0.0.0/0", "2001:db8::1", false },
        { "ip6:::/0", "192.0.2.1", false },             { "ip6:::/0", "::ffff:192.0.2.1", false },
        { "ip6:::/0", "2001:db8::1", true },            { "ip6:::ffff:0:0/96", "192.0.2.1", false },
        { "ip6:::ffff:192.0.2.1/0", "2001:db8::1", true }, { "ip6:::ffff:192.0.2.1", "::192.0.2.1", false },
        { "ip6:2001:db8::/33", "2001:db8:8000::1", false }, { "ip6:2001:db8::/32", "2001:db8:8000::1", true },
        { "ip6:2001:db8::1", "2001:db8::1", true },     { "ip6:2001:db8::1/127", "2001:db8::", true },
        { "all", "192.0.2.1", true },                   { "a", "192.0.2.1", false },
    };
    for (size_t i = 0; i < COUNT(c); i++) {
        struct spf_record r;
        struct spf_term t;
        struct netaddr client;
        slice text;
        size_t at = 0;
        assert_true(netaddr_parse(slice_from(c[i].client), &client));
        assert_int_equal(parse(c[i].term, &r, &text), ST_OK);
        assert_true(spf_record_next(&r, &at, &t));
        if (spf_term_matches_alone(&t, &client) != c[i].match)
            fail_msg("%s and %s", c[i].term, c[i].client);
        test_release(text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version), cmocka_unit_test(test_grammar),  cmocka_unit_test(test_nul),
        cmocka_unit_test(test_terms),   cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
