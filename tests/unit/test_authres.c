#include "test.h"

#include "mail/authres.h"

/* "id/version{method=result(reason)[ptype.name=value,...]...}", "?" for a syntax error, "~" before what is not exact. */
static void
read_field(struct arena *a, slice text, char *to, size_t size)
{
    struct authres r;
    enum status st = authres_parse(a, text, &r);
    if (st != ST_OK) {
        snprintf(to, size, st == ST_SYNTAX ? "?" : "#");
        return;
    }
    size_t n = (size_t)snprintf(to, size, "%s%.*s/%u{", r.exact ? "" : "~", SLICE_ARG(r.authserv_id), r.version);
    for (size_t i = 0; i < r.n_results && n < size; i++) {
        const struct authres_result *res = &r.results[i];
        n += (size_t)snprintf(to + n, size - n, "%s%.*s=%.*s", i == 0 ? "" : " ", SLICE_ARG(res->method),
                              SLICE_ARG(res->result));
        if (res->reason.n > 0 && n < size)
            n += (size_t)snprintf(to + n, size - n, "(%.*s)", SLICE_ARG(res->reason));
        for (size_t k = 0; k < res->n_properties && n < size; k++) {
            const struct authres_property *p = &res->properties[k];
            n += (size_t)snprintf(to + n, size - n, " %.*s.%.*s=%.*s", SLICE_ARG(p->ptype), SLICE_ARG(p->name),
                                  SLICE_ARG(p->value));
        }
        if (n < size)
            n += (size_t)snprintf(to + n, size - n, ";");
    }
    if (n < size)
        snprintf(to + n, size - n, "}");
}

static void
fields_follow_rfc8601(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        /* RFC 8601 appendix B */
        { " example.org 1; none", "example.org/1{}" },
        { " example.com;\r\n spf=pass smtp.mailfrom=example.net", "example.com/1{spf=pass smtp.mailfrom=example.net;}" },
        { " example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net",
          "example.com/1{auth=pass smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net;}" },
        { " example.com; iprev=pass policy.iprev=192.0.2.200", "example.com/1{iprev=pass policy.iprev=192.0.2.200;}" },
        { " example.com; dkim=pass reason=\"good signature\" header.i=@mail-router.example.net; dkim=fail\r\n"
          " reason=\"bad signature\"\theader.i=@newyork.example.com",
          "example.com/1{dkim=pass(good signature) header.i=@mail-router.example.net; "
          "dkim=fail(bad signature) header.i=@newyork.example.com;}" },
        { " foo.example.net (foobar) 1 (baz);\n\tdkim (Because I like it) / 1 (One yay) = (wait for it) fail\n\t"
          "policy (A dot can go here) . (like that) expired\n\t(this surprised me) = (as I wasn't expecting it) 1362471462",
          "foo.example.net/1{dkim=fail policy.expired=1362471462;}" },
        /* forms */
        { "a;b=c", "a/1{b=c;}" },
        { "\"a b\";b=c", "a b/1{b=c;}" },
        { "\"a\\\"\\\\b\";b=c", "a\"\\b/1{b=c;}" },
        { "a 2;b=c", "a/2{b=c;}" },
        { "a 99999999999999999999;b=c", "a/4294967295{b=c;}" },
        { "a;NONE", "a/1{}" },
        { "a;none=pass", "a/1{none=pass;}" },
        { "a;none/1=pass", "a/1{none=pass;}" },
        { "a;B-1=C-2 D.E=F", "a/1{b-1=c-2 d.e=F;}" },
        { "a;-b=-c", "a/1{-b=-c;}" },
        { "a;b=c reason=d", "a/1{b=c(d);}" },
        { "a;b=c reason=\"\"", "a/1{b=c;}" },
        { "a;b=c(x)reason=d(y)e.f=g", "a/1{b=c(d) e.f=g;}" },
        { "a;b=c d.e=\"f\"g.h=i", "a/1{b=c d.e=f g.h=i;}" },
        { "a;b=c d.e=\"\"", "a/1{b=c d.e=;}" },
        { "a;b=c d.e=@f", "a/1{b=c d.e=@f;}" },
        { "a;b=c d.e=x=y@f", "a/1{b=c d.e=x=y@f;}" },
        { "a;b=c d.e=\"x y\"@f", "a/1{b=c d.e=x y@f;}" },
        { "a;b=c d.e=f.", "a/1{b=c d.e=f.;}" },
        { "a;b=c d.reason=e", "a/1{b=c d.reason=e;}" },
        { "a;b=c d.e=\"2001:db8::1\"", "a/1{b=c d.e=2001:db8::1;}" },
        { "\xc3\xbc;b=c d.e=\xc3\xbc@\xc3\xbc", "\xc3\xbc/1{b=c d.e=\xc3\xbc@\xc3\xbc;}" },
        { "a;b=c (\xc3\xbc)", "a/1{b=c;}" },
        /* in use, with one meaning, but not RFC 8601 */
        { "a;b=c;", "~a/1{b=c;}" },
        { "a;b=c d.e=f/g+h=", "~a/1{b=c d.e=f/g+h=;}" },
        { "a;b=c d.e=2001:db8::1", "~a/1{b=c d.e=2001:db8::1;}" },
        { "mx.microsoft.com 1; spf=pass smtp.mailfrom=x.test; dmarc=pass action=none header.from=x.test",
          "~mx.microsoft.com/1{spf=pass smtp.mailfrom=x.test; dmarc=pass .action=none header.from=x.test;}" },
        { "a;b=c d_e.f=g", "~a/1{b=c d_e.f=g;}" },
        { "a;b=c d.e=x..y@f", "~a/1{b=c d.e=x..y@f;}" },
        { "a;b=c d.e=x@_f", "~a/1{b=c d.e=x@_f;}" },
        { "a;b=c d.e=f reason=g", "~a/1{b=c d.e=f .reason=g;}" },
        /* not RFC 8601 */
        { "", "?" },
        { " ", "?" },
        { "a", "?" },
        { "a;", "?" },
        { ";b=c", "?" },
        { "a b=c", "?" },
        { "a b;c=d", "?" },
        { "a 1 2;b=c", "?" },
        { "a 1b;b=c", "?" },
        { "\"a\"1;b=c", "?" },
        { "a,b;c=d", "?" },
        { "a/1;b=c", "?" },
        { "a;none;", "?" },
        { "a;none;b=c", "?" },
        { "a;b=c;none", "?" },
        { "a;none x", "?" },
        { "a;b", "?" },
        { "a;b=", "?" },
        { "a;=c", "?" },
        { "a;;b=c", "?" },
        { "a;b-=c", "?" },
        { "a;b=c-", "?" },
        { "a;b=\"c\"", "?" },
        { "a;b/=c", "?" },
        { "a;b/x=c", "?" },
        { "a;b=c d", "?" },
        { "a;b=c d.", "?" },
        { "a;b=c d.e", "?" },
        { "a;b=c d.e=", "?" },
        { "a;b=c .e=f", "?" },
        { "a;b=c\"d\"", "?" },
        { "a;b=c d.e=f,g", "?" },
        { "a;b=c d.e=<f@g>", "?" },
        { "a;b=c d.e=f@", "?" },
        { "a;b=c d.e=f@g@h", "?" },
        { "a;b=c d.e=\"f", "?" },
        { "a;b=c reason=\"f", "?" },
        { "a;b=c reason=\"f\"g.h=i", "?" },
        { "a;b=c (d", "?" },
        { "a;b=c )", "?" },
        { "(a;b=c", "?" },
        { "a;b=c\r\nd.e=f", "?" },
        { "a;b=c d.e=f\r\n", "?" },
        { "a;b=c \x01", "?" },
        { "a;b=c (\x01)", "?" },
        { "a;b=c d.e=\xfc", "?" },
        { "\xfc;b=c", "?" },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char got[500];
        slice exact = test_exact(cases[i].text);
        read_field(a, exact, got, sizeof(got));
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("case %zu \"%s\": got \"%s\", wanted \"%s\"", i, cases[i].text, got, cases[i].want);
        test_release(exact);
    }
    struct authres r;
    assert_int_equal(authres_parse(a, SLICE("a;b=c d.e=f\0"), &r), ST_SYNTAX);
    char many[1000] = "a";
    for (size_t n = 1; n <= 101; n++) {
        memcpy(many + 1 + (n - 1) * 4, ";b=c", 5);
        assert_int_equal(authres_parse(a, slice_from(many), &r), n <= 100 ? ST_OK : ST_LIMIT);
    }
    arena_free(a);
}

static void
forged_ids_are_recognised(void **state)
{
    (void)state;
    static const char *const ours[] = { /* all claim to be mx.example.org */
        " mx.example.org; dkim=pass header.d=bank.example",
        "mx.example.org;none",
        "MX.Example.ORG; dkim=pass",
        "\tmx.example.org\t; dkim=pass",
        "\r\n\tmx.example.org; dkim=pass",
        "\n mx.example.org\n ; dkim=pass",
        "\"mx.example.org\"; dkim=pass",
        "\" mx.example.org \"; dkim=pass",
        "\"mx\\.example.org\"; dkim=pass",
        "\"mx.exa\\mple.org\" 1; dkim=pass",
        "(c) mx.example.org (d); dkim=pass",
        "(a(b)c)mx.example.org(d); dkim=pass",
        "((((((((((((((((c)))))))))))))))) mx.example.org; dkim=pass",
        "(\\))mx.example.org; dkim=pass",
        "mx.(c)example.org; dkim=pass",
        "mx (c) . (d) example . org; dkim=pass",
        "mx.\r\n example.org; dkim=pass",
        "mx. example .org; dkim=pass",
        "mx.example.org.; dkim=pass",
        "mx.example.org..; dkim=pass",
        "mx.example.org 1; dkim=pass",
        "mx.example.org 2; dkim=pass",
        "mx.example.org 00001; dkim=pass",
        "mx.example.org 1.0; dkim=pass",
        "mx.example.org/1; dkim=pass",
        "mx.example.org(1); dkim=pass",
        "mx.example.org version=1; dkim=pass",
        "mx.example.org",
        "mx.example.org;",
        "mx.example.org dkim=pass",
        "mx.example.org, dkim=pass",
        "mx.example.org: dkim=pass",
        "mx.example.org=x",
        "mx.example.org;;;",
        "mx.example.org; (unterminated",
        "mx.example.org (unterminated",
        "(unterminated mx.example.org; dkim=pass", /* a reader without comments stops at neither */
        "(a\\) mx.example.org; dkim=pass",         /* a reader without quoted pairs */
        "(a(b) mx.example.org; dkim=pass",         /* a reader without nesting */
        "(a\\) mx.example.org; dkim=pass (b) ) other.example; none", /* the same, with RFC 5322 seeing another id */
        "(a(b) mx.example.org; dkim=pass (c)) other.example; none",
        "\"mx.example.org; dkim=pass",
        "\"mx.example.org\\\"; dkim=pass",
        "<mx.example.org>; dkim=pass",
        "; mx.example.org; dkim=pass",
        "mx.example.org\x01; dkim=pass",
        "\x7fmx.example.org; dkim=pass",
        "mx.exa\x01mple.org; dkim=pass",
        ("mx\xe3\x80\x82" "example.org; dkim=pass"),
        "\xef\xbd\x8d\xef\xbd\x98.example.org; dkim=pass", /* full-width "mx" */
        ("mx.ex\xc2\xad" "ample.org; dkim=pass"),
        "=?utf-8?q?mx.example.org?=; dkim=pass",
        "mx.=?utf-8?b?ZXhhbXBsZS5vcmc=?=; dkim=pass",
        "(c) =?us-ascii?q?=6d=78.example.org?= 1; dkim=pass",
        "mx.example.org other.example; dkim=pass",
        "mx.example.org\xc2\xa0; dkim=pass", /* NO-BREAK SPACE, which some readers trim */
        "\xc2\xa0mx.example.org; dkim=pass",
        "\xef\xbb\xbfmx.example.org; dkim=pass", /* BYTE ORDER MARK */
        "mx.example.org\xe2\x80\x8b\xe3\x80\x80; dkim=pass",
        "\xa0mx.example.org\xa0; dkim=pass", /* no UTF-8 */
        "\"\xe2\x80\x83mx.example.org\xe2\x80\x83\" 1; dkim=pass",
        "mx.example.org.\xc2\xa0 (c); dkim=pass",
    };
    static const char *const others[] = {
        "",
        " ",
        ";",
        "other.example; dkim=pass header.d=mx.example.org",
        "other.example (mx.example.org); dkim=pass",
        "(mx.example.org) other.example; dkim=pass",
        "(\\() other.example (mx.example.org); dkim=pass",
        "other.example; mx.example.org=pass",
        "other.example;mx.example.org;",
        "mx.example.org.example; dkim=pass",
        "amx.example.org; dkim=pass",
        "xmx.example.org; dkim=pass",
        "example.org; dkim=pass",
        "x.example.org; dkim=pass",
        "mx.example.orgx; dkim=pass",
        "mx.example.org-x; dkim=pass",
        "mx-example.org; dkim=pass",
        "mx.example.or; dkim=pass",
        ("mx.ex\xc2\xa0" "ample.org; dkim=pass"),
        "other.example\xc2\xa0; dkim=pass",
        "other.example 1; dkim=pass (=?utf-8?q?mx.example.org?=)",
        "(=?utf-8?q?mx.example.org?=) other.example; dkim=pass",
        "\"other.example\"; dkim=pass reason=\"mx.example.org\"",
        ("mx.b\xc3\xbc" "cher.example; dkim=pass"),
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=mx.example.org;",
    };
    struct arena *a = arena_new(0);
    static const char *const ids[] = { "mx.example.org", "MX.EXAMPLE.ORG", "mx.example.org." };
    for (size_t k = 0; k < COUNT(ids); k++) {
        for (size_t i = 0; i < COUNT(ours); i++) {
            slice exact = test_exact(ours[i]);
            if (!authres_claims(a, exact, slice_from(ids[k])))
                fail_msg("not seen: \"%s\"", ours[i]);
            test_release(exact);
        }
        for (size_t i = 0; i < COUNT(others); i++) {
            slice exact = test_exact(others[i]);
            if (authres_claims(a, exact, slice_from(ids[k])))
                fail_msg("not ours: \"%s\"", others[i]);
            test_release(exact);
        }
    }
    arena_free(a);
}

static void
forged_ids_of_other_kinds(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    slice u_label = SLICE("mx.b\xc3\xbc" "cher.example"), a_label = SLICE("mx.xn--bcher-kva.example");
    assert_true(authres_claims(a, u_label, a_label));
    assert_true(authres_claims(a, a_label, u_label));
    assert_true(authres_claims(a, SLICE("\"MX.B\xc3\x9c" "CHER.example.\" 2;"), a_label));
    assert_true(authres_claims(a, SLICE("mx.bu\xcc\x88" "cher (x) . example;"), u_label));
    assert_false(authres_claims(a, SLICE("mx.bucher.example;"), a_label));
    assert_true(authres_claims(a, SLICE("\"my mail/1 (a)\"; dkim=pass"), SLICE("my mail/1 (a)")));
    assert_true(authres_claims(a, SLICE("mymail/1; dkim=pass"), SLICE("mymail/1")));
    assert_true(authres_claims(a, SLICE("MX_1; dkim=pass"), SLICE("mx_1")));
    assert_false(authres_claims(a, SLICE("mx.example.org;"), SLICE_EMPTY));
    assert_true(authres_claims(a, SLICE("mx\0.example.org;"), SLICE("mx.example.org")));

    enum { BIG = 70000 }; /* over every limit that once let forgeries through (4 KB, 64 KB) */
    char *big = malloc(BIG + 100);
    assert_non_null(big);
    static const struct {
        char first, fill, last;
    } shapes[] = { { '(', 'x', ')' }, { '(', '(', ')' }, { ' ', ' ', ' ' }, { ';', ',', '<' }, { '(', '\\', ' ' } };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        memset(big, shapes[i].fill, BIG);
        big[0] = shapes[i].first;
        big[BIG - 1] = shapes[i].last;
        memcpy(big + BIG, "mx.example.org; dkim=pass", 26);
        if (!authres_claims(a, (slice){ big, BIG + 25 }, SLICE("mx.example.org")))
            fail_msg("shape %zu not seen", i);
    }
    memset(big, 'x', BIG);
    assert_false(authres_claims(a, (slice){ big, BIG }, SLICE("mx.example.org")));
    for (size_t i = 0; i + 1 < BIG; i += 2)
        memcpy(big + i, "\xc2\xad", 2);
    memcpy(big + BIG, "mx.example.org; dkim=pass", 26);
    authres_claims(a, (slice){ big, BIG + 25 }, SLICE("mx.example.org"));
    free(big);
    arena_free(a);
}

/* What follows another version is of no grammar known here (RFC 8601 2.2, 5). */
static void
other_versions_are_told_from_the_head(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool other;
    } cases[] = {
        { "a 2; b=c", true },
        { "a 2; b:c <d> /e, (f", true },
        { "a 2;", true },
        { "a 2", true },
        { "(x) \"a b\"\r\n\t(y) 0 (z) ; ???", true },
        { "a 99999999999999999999 ;=", true },
        { "a; b=c", false },
        { "a 1; b:c", false },
        { "a 01; b:c", false },
        { "a; b=c 2", false },
        { "a 2b; b=c", false },
        { "a 192.0.2.1; b=c", false },
        { "a v2; b=c", false },
        { "a (2); b=c", false },
        { "a2; b=c", false },
        { "a.2; b=c", false },
        { "2; b=c", false },
        { "", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(0);
        slice text = test_exact(cases[i].text);
        if (authres_is_other_version(a, text) != cases[i].other)
            fail_msg("\"%s\"", cases[i].text);
        test_release(text);
        arena_free(a);
    }
}

static void
fields_are_built(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct authres_builder *b = authres_builder_new(a, SLICE("mx.example.org"), 1000);
    assert_slice(authres_finish(b), " mx.example.org; none");
    b = authres_builder_new(a, SLICE("mx.example.org"), 1000);
    authres_add_result(b, "dmarc", "pass");
    authres_add_comment(b, SLICE("p=reject dis=none"));
    authres_add_value(b, "header", "from", SLICE("example.org"));
    authres_add_result(b, "dkim", "fail");
    authres_add_reason(b, SLICE("body \"hash\""));
    authres_add_value(b, "header", "d", SLICE("example.org"));
    authres_add_value(b, "header", "b", SLICE("Ab/dE+="));
    authres_add_result(b, "spf", "pass");
    authres_add_value(b, "smtp", "mailfrom", SLICE("user@example.org"));
    authres_add_result(b, "iprev", "pass");
    authres_add_value(b, "policy", "iprev", SLICE("2001:db8::1"));
    assert_slice(authres_finish(b), " mx.example.org;\n"
                                    "\tdmarc=pass (p=reject dis=none) header.from=example.org;\n"
                                    "\tdkim=fail reason=\"body \\\"hash\\\"\" header.d=example.org\n"
                                    "\theader.b=\"Ab/dE+=\";\n"
                                    "\tspf=pass smtp.mailfrom=user@example.org;\n"
                                    "\tiprev=pass policy.iprev=\"2001:db8::1\"");
    b = authres_builder_new(a, SLICE("a b"), 1000);
    authres_add_comment(b, SLICE("before any result"));
    authres_add_result(b, "x", "y");
    authres_add_comment(b, SLICE("a\r\nb(c\\)\x01\xfc\xc3\xbc"));
    authres_add_comment(b, SLICE("\r\n"));
    authres_add_value(b, "p", "v", SLICE_EMPTY);
    authres_add_value(b, "p", "v", SLICE("a\nb"));
    authres_add_value(b, "p", "v", SLICE("a\0b"));
    authres_add_value(b, "p", "v", SLICE("a\tb"));
    authres_add_value(b, "p", "v", SLICE("\xfc"));
    authres_add_value(b, "p", "v", SLICE("\xc2\x85"));
    authres_add_value(b, "p", "v", SLICE("\xe2\x80\xa8"));
    authres_add_value(b, "p", "v", SLICE("a b@c"));
    authres_add_reason(b, SLICE("too late"));
    assert_slice(authres_finish(b), " \"a b\";\n\tx=y (ab\\(c\\\\\\)\xc3\xbc) p.v=\"a b\"@c");
    assert_null(authres_builder_new(a, SLICE("a\nb"), 1000));
    assert_null(authres_builder_new(a, SLICE_EMPTY, 1000));
    authres_add_result(NULL, "x", "y");
    authres_add_value(NULL, "x", "y", SLICE("z"));
    assert_null(authres_finish(NULL).p);
    size_t whole = strlen(" a;\n\tb=c");
    for (size_t max = 0; max < 20; max++) {
        b = authres_builder_new(a, SLICE("a"), max);
        authres_add_result(b, "b", "c");
        assert_int_equal(authres_finish(b).n, max < whole ? 0 : whole);
    }
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_follow_rfc8601),
        cmocka_unit_test(forged_ids_are_recognised),
        cmocka_unit_test(forged_ids_of_other_kinds),
        cmocka_unit_test(other_versions_are_told_from_the_head),
        cmocka_unit_test(fields_are_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
