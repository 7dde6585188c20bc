#include "test.h"

#include "mail/address.h"

/* "local|domain local|domain ..." of what was read; "?" for a syntax error, "#" for a limit. */
static void
read_list(struct arena *a, slice text, char *to, size_t size)
{
    struct mailbox_list l = { 0 };
    enum status st = address_list_parse(a, text, 100, &l);
    size_t n = (size_t)snprintf(to, size, "%s%s", st == ST_SYNTAX ? "?" : st == ST_LIMIT ? "#" : "",
                                l.has_group ? "G " : "");
    for (size_t i = 0; i < l.n && st == ST_OK && n < size; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%.*s|%.*s", i == 0 ? "" : " ", SLICE_ARG(l.boxes[i].local_part),
                              SLICE_ARG(l.boxes[i].domain));
}

struct list_case {
    const char *text, *want;
};

static void
check_lists(const struct list_case *cases, size_t n)
{
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < n; i++) {
        char got[500];
        slice exact = test_exact(cases[i].text);
        read_list(a, exact, got, sizeof(got));
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("case %zu \"%s\": got \"%s\", wanted \"%s\"", i, cases[i].text, got, cases[i].want);
        test_release(exact);
    }
    arena_free(a);
}

static void
lists_follow_rfc5322(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        /* RFC 5322 appendix A.1, A.5, A.6 */
        { " John Doe <jdoe@machine.example>", "jdoe|machine.example" },
        { " \"Joe Q. Public\" <john.q.public@example.com>", "john.q.public|example.com" },
        { " Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
          "mary|x.test jdoe|example.org one|y.test" },
        { " <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
          "boss|nil.test sysservices|example.net" },
        { " A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
          "G c|a.test joe|where.test jdoe|one.test" },
        { " Undisclosed recipients:;", "G " },
        { " Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete|silly.test" },
        { "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
          "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
          "G c|public.example joe|example.org jdoe|one.test" },
        { "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "G " },
        { " Joe Q. Public <john.q.public@example.com>", "john.q.public|example.com" },
        { " Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", "mary|example.net jdoe|test.example" },
        { " John Doe <jdoe@machine(comment).  example>", "jdoe|machine.example" },
        /* forms */
        { "a@b", "a|b" },
        { "<a@b>", "a|b" },
        { "a.b.c@d.e", "a.b.c|d.e" },
        { "a . b@c", "a.b|c" },
        { "\"a\".b@c", "a.b|c" },
        { "\"a b\"@c", "a b|c" },
        { "\"a\\@b\"@c", "a@b|c" },
        { "\"a\\\"b\"@c", "a\"b|c" },
        { "\"a\r\n b\"@c", "a b|c" },
        { "\"\"@c", "|c" },
        { "a@b.", "a|b." },
        { "a@[192.0.2.1]", "a|[192.0.2.1]" },
        { "a@ [ IPv6:2001:db8::1 ] (c)", "a|[IPv6:2001:db8::1]" },
        { "a@[(b]", "a|[(b]" },
        { "a@[x\\]y]", "a|[x\\]y]" },
        { "<@a,@b:c@d>", "c|d" },
        { "<,@a,,@b,:c@d>", "c|d" },
        { "x <@[1.2.3.4]:c@d>", "c|d" },
        { "a@b,", "a|b" },
        { ",,a@b,(c), ,c@d", "a|b c|d" },
        { "g:a@b;,c@d", "G a|b c|d" },
        { "g:,a@b,;", "G a|b" },
        { "g:,,(x);", "G " },
        { "g:;,h:;", "G " },
        { "a.. <b@c>", "b|c" },
        { "=?utf-8?Q?J=C3=B6rg?= <j@b>", "j|b" },
        { "=?utf-8?B?ZXZpbEBiYW5rLmV4YW1wbGU=?= <j@b>", "j|b" },
        { "\"a@bank.example\" <x@y>", "x|y" },
        { "\"<a@bank.example>,\" <x@y>", "x|y" },
        { "(a@bank.example) x@y", "x|y" },
        { "((((((((((a))))))))))x@y", "x|y" },
        { "\xc3\xbc@b\xc3\xbc" "cher.example", "\xc3\xbc|b\xc3\xbc" "cher.example" },
        { "x@bank\xe3\x80\x82" "example", "x|bank\xe3\x80\x82" "example" },
        { "J\xc3\xb6rg (\xe2\x82\xac) \"\xc3\xbc\" <j@b>", "j|b" },
        /* dots as carriers have given out; an unquoted address for a display name: both count */
        { "a..b@c", "a..b|c" },
        { "<a...b.@carrier.example>", "a...b.|carrier.example" },
        { "\"a\"..\"b\".@c", "a..b.|c" },
        { "a.@b", "a.|b" },
        { "a@b <c@d>", "a|b c|d" },
        { "a@b <a@b>", "a|b a|b" },
        { "a@b (x) <@e:c@d>, <e@f>", "a|b c|d e|f" },
        { "g: a@b <c@d>;", "G a|b c|d" },
        /* no address list */
        { "", "?" },
        { " ", "?" },
        { "()", "?" },
        { ",", "?" },
        { "<>", "?" },
        { "a", "?" },
        { "a@", "?" },
        { "@b", "?" },
        { "a@b c", "?" },
        { "a@b <>", "?" },
        { "a@b <c>", "?" },
        { "a@b <c@d> e", "?" },
        { "a@b <c@d> <e@f>", "?" },
        { "a@b x <c@d>", "?" },
        { "x a@b <c@d>", "?" },
        { "@b <c@d>", "?" },
        { "a@b@c", "?" },
        { "a b@c", "?" },
        { "a\"b\"@c", "?" },
        { "\"a\"\"b\"@c", "?" },
        { "..@b", "?" },
        { "a..b c@d", "?" },
        { ".a@b", "?" },
        { "a@.b", "?" },
        { "a@b..c", "?" },
        { "a@b..", "?" },
        { "a@\"b\"", "?" },
        { "a@b[c]", "?" },
        { "a@[b]c", "?" },
        { "a@[b", "?" },
        { "a@[b[c]", "?" },
        { "<a@b", "?" },
        { "a@b>", "?" },
        { "<<a@b>>", "?" },
        { "<a@b> x", "?" },
        { "<a@b> <c@d>", "?" },
        { "<a@b><c@d>", "?" },
        { "<a@b>c@d", "?" },
        { "<a@b,c@d>", "?" },
        { "<:a@b>", "?" },
        { "<@a>", "?" },
        { "<@a:>", "?" },
        { "<@a@b:c@d>", "?" },
        { "<@a:@b:c@d>", "?" },
        { "<@a,@b>", "?" },
        { "x<a@b>y", "?" },
        { "a@b;", "?" },
        { "a@b:c@d", "?" },
        { "g:a@b", "?" },
        { "g:a@b;;", "?" },
        { "g:h:a@b;;", "?" },
        { "g:a@b; c@d", "?" },
        { "g:a@b c@d;", "?" },
        { ":a@b;", "?" },
        { "a@b (", "?" },
        { "(a@b", "?" },
        { "a@b)", "?" },
        { "((a)x@y", "?" },
        { "(\\)x@y", "?" },
        { "\"a@b", "?" },
        { "\"a\\\"@b", "?" },
        { "a\\@b@c", "?" },
        { "[a] <b@c>", "?" },
        { "John Doe, Jr. <b@c>", "?" },
        { "a@b\r\n", "?" },
        { "a@b\r\nc", "?" },
        { "a@b\rc", "?" },
        { "a\x01@b", "?" },
        { "(\x01)a@b", "?" },
        { "\"\\\x01\"@b", "?" },
        { "\x7f@b", "?" },
        { "(\x7f)a@b", "?" },
        { "\"\x7f\"@b", "?" },
        { "\"\\\x7f\"@b", "?" },
        { "a@[\x7f]", "?" },
        { "\xfc@b", "?" },
        { "(\xfc)a@b", "?" },
        { "\"\xfc\" <a@b>", "?" },
        { "\xc0\xaf@b", "?" },
        { "a@[\xfc]", "?" },
        { "a@[\x01]", "?" },
        { ".", "?" },
        { ". <a@b>", "?" },
        { "a@b,;", "?" },
    };
    check_lists(cases, COUNT(cases));
}

/*
 * Composition Kills (2020) A3 to A19 and their kin, as From fields: what the grammar says of each.  The genuine address
 * is never that of bank.example unless a reader that follows RFC 5322 says so too.
 */
static void
attacks_meet_the_grammar(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        { "<x@bank.example>, <y@attacker.example>", "x|bank.example y|attacker.example" },
        { "x@bank.example, y@attacker.example", "x|bank.example y|attacker.example" },
        { "<x@bank.example><y@attacker.example>", "?" },
        { "x@bank.example <y@attacker.example>", "x|bank.example y|attacker.example" },
        { "<x@bank.example>(<y@attacker.example>)", "x|bank.example" },
        { "(<x@bank.example>)<y@attacker.example>", "y|attacker.example" },
        { "\"<x@bank.example>\"<y@attacker.example>", "y|attacker.example" },
        { "<@attacker.example,@bank.example:y@third.example>", "y|third.example" },
        { "<@bank.example:y@attacker.example>", "y|attacker.example" },
        { "<@bank.example,y@attacker.example>", "?" },
        { "=?utf-8?B?PHhAYmFuay5leGFtcGxlPg==?=<y@attacker.example>", "y|attacker.example" },
        { "=?utf-8?B?eEBiYW5rLmV4YW1wbGU=?=", "?" },
        { "=?utf-8?Q?x=40bank.example=2C?= <y@attacker.example>", "y|attacker.example" },
        { "=?utf-8?Q?x@bank.example?= <y@attacker.example>", "=?utf-8?Q?x|bank.example?= y|attacker.example" },
        { "<x@bank.example(>y@attacker.example)", "?" },
        { "<x@bank.example(>,y@attacker.example)>", "x|bank.example" },
        { "<x@attacker.example(.bank.example>", "?" },
        { "<x@attacker.example(.bank.example)>", "x|attacker.example" },
        { "<x@attacker.example>bank.example", "?" },
        { "<x@attacker.example>.bank.example", "?" },
        { "<x@bank.example\\,y@attacker.example>", "?" },
        { "<\"x@bank.example\\\"\"@attacker.example>", "x@bank.example\"|attacker.example" },
        { "<\\\"x@bank.example\\\"@attacker.example>", "?" },
        { "\"x@bank.example\"@attacker.example", "x@bank.example|attacker.example" },
        { "x\\@bank.example@attacker.example", "?" },
        { "x@bank.example\\@attacker.example", "?" },
        { "bank:x@bank.example;y@attacker.example", "?" },
        { "bank.example:y@attacker.example;", "G y|attacker.example" },
        { "bank:;, y@attacker.example", "G y|attacker.example" },
        { "x@bank.example;y@attacker.example", "?" },
        { "x@bank.example y@attacker.example", "?" },
        { "x@bank.example\r\n y@attacker.example", "?" },
        { "x@bank.example,\r\n <y@attacker.example>", "x|bank.example y|attacker.example" },
        { "\"x@bank.example\r\n\" <y@attacker.example>", "?" },
        { "\"bank\"\" <x@bank.example>\" <y@attacker.example>", "y|attacker.example" },
        { "\"bank\\\" <x@bank.example>, \" <y@attacker.example>", "y|attacker.example" },
        { "x@bank.example (\\) <y@attacker.example>", "?" },
        { "x@bank.example (\\) <y@attacker.example>)", "x|bank.example" },
        { "(\\(x@bank.example) <y@attacker.example>", "y|attacker.example" },
        { "x@bank.example\xe2\x80\xa8<y@attacker.example>", "x|bank.example\xe2\x80\xa8 y|attacker.example" },
        { "x@bank.example\xef\xbc\x9c" "y@attacker.example", "?" },
        { "x@[bank.example]", "x|[bank.example]" },
        { "x@bank.example[y@attacker.example]", "?" },
        { "x@bank.example.", "x|bank.example." },
        { "x@bank . example", "x|bank.example" },
        { "x@bank.\r\n example", "x|bank.example" },
        { "x@bank.(attacker.)example", "x|bank.example" },
        { "<x@bank.example> , ,", "x|bank.example" },
        { "<y@attacker.example> (via) <x@bank.example>", "?" },
        { "\"x\"@bank.example", "x|bank.example" },
        { "x%bank.example@attacker.example", "x%bank.example|attacker.example" },
        { "bank.example!x@attacker.example", "bank.example!x|attacker.example" },
        { "<x@bank.example", "?" },
        { "x@bank.example>", "?" },
        { "< x@bank.example >", "x|bank.example" },
        { "<x @ bank.example>", "x|bank.example" },
    };
    check_lists(cases, COUNT(cases));
    static const char *const nul[] = { "x@bank.example", "<x@bank.example>", "(c)\"q\" <x@[1]>" };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(nul); i++)
        for (size_t at = 0; at <= strlen(nul[i]); at++) { /* A3: a NUL at any place */
            char text[50], got[100];
            size_t n = strlen(nul[i]);
            memcpy(text, nul[i], at);
            text[at] = '\0';
            memcpy(text + at + 1, nul[i] + at, n - at);
            slice exact = test_exact_bytes(text, n + 1);
            read_list(a, exact, got, sizeof(got));
            assert_string_equal(got, "?");
            test_release(exact);
        }
    arena_free(a);
}

static void
paths_follow_rfc5321(void **state)
{
    (void)state;
    static const struct {
        const char *text, *local, *domain; /* local NULL: ST_SYNTAX */
    } cases[] = {
        { "<user@example.org>", "user", "example.org" },
        { "user@example.org", "user", "example.org" },
        { "<>", "", "" },
        { "", "", "" },
        { "<@a.example,@b.example:user@example.org>", "user", "example.org" },
        { "<@[192.0.2.1]:user@example.org>", "user", "example.org" },
        { "<\"a b\"@example.org>", "a b", "example.org" },
        { "<\"a\\\"@b\"@example.org>", "a\"@b", "example.org" },
        { "<user@[192.0.2.1]>", "user", "[192.0.2.1]" },
        { "<user@[IPv6:2001:db8::1]>", "user", "[IPv6:2001:db8::1]" },
        { "<postmaster>", "postmaster", "" },
        { "<\xc3\xbc@b\xc3\xbc" "cher.example>", "\xc3\xbc", "b\xc3\xbc" "cher.example" },
        { "<a..b.@carrier.example>", "a..b.", "carrier.example" },
        { "<bounce+x=y.example@example.org>", "bounce+x=y.example", "example.org" },
        { "<user@example.org", NULL, NULL },
        { "user@example.org>", NULL, NULL },
        { "<<user@example.org>>", NULL, NULL },
        { "<user@example.org> ", NULL, NULL },
        { " <user@example.org>", NULL, NULL },
        { "<", NULL, NULL },
        { ">", NULL, NULL },
        { "<user@>", NULL, NULL },
        { "<@example.org>", NULL, NULL },
        { "<@a.example:>", NULL, NULL },
        { "<@a.example,user@example.org>", NULL, NULL },
        { "<user@a@b>", NULL, NULL },
        { "<user name@example.org>", NULL, NULL },
        { "<user@example.net(.example.com>", NULL, NULL }, /* CVE-2020-12272 */
        { "<user@example.net(.example.com)>", NULL, NULL },
        { "<(c)user@example.org>", NULL, NULL },
        { "<user@exa mple.org>", NULL, NULL },
        { "<user@[192.0.2.1>", NULL, NULL },
        { "<user@[]>", NULL, NULL },
        { "<user@[a]b>", NULL, NULL },
        { "<\"user@example.org>", NULL, NULL },
        { "<\"user\"x@example.org>", NULL, NULL },
        { "<\"a\r\n b\"@example.org>", NULL, NULL },
        { "<us\\er@example.org>", NULL, NULL },
        { "<user@example.org\n>", NULL, NULL },
        { "<user@example.org;dkim=pass>", NULL, NULL },
        { "<\xfc@example.org>", NULL, NULL },
        { "<a,b@example.org>", NULL, NULL },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice exact = test_exact(cases[i].text);
        struct mailbox m = { 0 };
        enum status st = address_path_parse(a, exact, &m);
        if (st != (cases[i].local == NULL ? ST_SYNTAX : ST_OK))
            fail_msg("case %zu \"%s\": %s", i, cases[i].text, status_name(st));
        if (st == ST_OK) {
            assert_slice(m.local_part, cases[i].local);
            assert_slice(m.domain, cases[i].domain);
        }
        test_release(exact);
    }
    struct mailbox m;
    assert_int_equal(address_path_parse(a, SLICE("<a\0b@c>"), &m), ST_SYNTAX);
    arena_free(a);
}

static void
limits_are_met_exactly(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct mailbox_list l;
    for (size_t n = 1; n <= 20; n++) {
        char text[200];
        for (size_t i = 0; i < n; i++)
            memcpy(text + 4 * i, "a@b,", 5);
        for (size_t max = 0; max <= 20; max++) {
            assert_int_equal(address_list_parse(a, slice_from(text), max, &l), n <= max ? ST_OK : ST_LIMIT);
            if (n <= max)
                assert_int_equal(l.n, n);
        }
    }
    static const char text[] = "\"a\".b@c . d, \"x\"@[ 1 ], <@r:(c)\"q\"@e>";
    bool done = false;
    for (size_t limit = 1; !done && limit < 100000; limit += 16) {
        struct arena *small = arena_new(limit);
        enum status st = address_list_parse(small, slice_from(text), 9, &l);
        assert_true(st == ST_OK || st == ST_NOMEM);
        done = st == ST_OK;
        arena_free(small);
    }
    assert_true(done);
    arena_free(a);
}

/* RFC 5322 3.2.3 */
static void
dot_atoms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "a", true },        { "a.b.c", true },       { "!#$%&'*+-/=?^_`{|}~09Zz", true }, { "-", true },
        { "", false },        { ".", false },          { ".a", false },                     { "a.", false },
        { "a..b", false },    { "a b", false },        { "a\"b", false },                   { "a@b", false },
        { "a,b", false },     { "a(b)", false },       { "a\\b", false },                   { "a\n", false },
        { "b\303\274", false }, { "a\177", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice exact = test_exact(cases[i].text);
        if (address_is_dot_atom(exact) != cases[i].good)
            fail_msg("%s", cases[i].text);
        test_release(exact);
    }
    assert_false(address_is_dot_atom((slice){ "a\0b", 3 }));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_follow_rfc5322),
        cmocka_unit_test(attacks_meet_the_grammar),
        cmocka_unit_test(paths_follow_rfc5321),
        cmocka_unit_test(limits_are_met_exactly),
        cmocka_unit_test(dot_atoms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
