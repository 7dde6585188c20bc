/* test_rules.c - the rules file: what it says, what it matches, and every mistake with its place. */
#include "test.h"

#include "base/strbuf.h"
#include "pipeline/rules.h"

/* ---- mistakes: file, line and column, and what is allowed */

static const struct {
    const char *text, *where, *part; /* of the message */
} mistakes[] = {
    { "foo\n", "f:1:1: ", "begins with \"rule NAME:\"" },
    { "\n\n  rule\n", "f:3:7: ", "a name for the rule" },
    { "rule a/b: any -> accept\n", "f:1:6: ", "a name for the rule" },
    { "rule : any -> accept\n", "f:1:6: ", "a name for the rule" },
    { "rule a any -> accept\n", "f:1:8: ", "\":\" after the rule's name" },
    { "rule a: any -> accept\nrule A: any -> tag\n", "f:2:6: ", "in line 1" },
    { "rule a:\n", "f:1:8: ", "a condition is expected: any, from, client" },
    { "rule one:any -> accept\n", "f:1:6: ", "a name for the rule" },
    { "rule a: -> accept\n", "f:1:9: ", "is not a condition" },
    { "rule a: form x.example -> accept\n", "f:1:9: ", "\"form\" is not a condition" },
    { "rule a: from -> accept\n", "f:1:14: ", "from needs a value" },
    { "rule a: from x..example -> accept\n", "f:1:14: ", "\"x..example\" is not a domain" },
    { "rule a: from . -> accept\n", "f:1:14: ", "is not a domain" },
    { "rule a: from *.example -> accept\n", "f:1:14: ", "is not a domain" },
    { "rule a: client 192.0.2.0/33 -> accept\n", "f:1:16: ", "is not an address" },
    { "rule a: client 192.0.2.256 -> accept\n", "f:1:16: ", "is not an address" },
    { "rule a: client 2001:db8::/129 -> accept\n", "f:1:16: ", "is not an address" },
    { "rule a: dmarc failed -> accept\n", "f:1:15: ", "none, pass, fail, temperror, permerror, any" },
    { "rule a: policy p=reject -> accept\n", "f:1:16: ", "unpublished, none, quarantine, reject" },
    { "rule a: spf hardfail -> accept\n", "f:1:13: ", "is not a result" },
    { "rule a: sealer .relay.example -> accept\n", "f:1:16: ", "named exactly" },
    { "rule a: any\n", "f:1:12: ", "\"->\" and an action" },
    { "rule a: any,\n", "f:1:13: ", "a condition" },
    { "rule a: list yes -> accept\n", "f:1:14: ", "\"->\" and an action" },
    { "rule a: any -> bounce\n", "f:1:16: ", "accept, tag, quarantine, reject, defer, continue" },
    { "rule a: any ->\n", "f:1:15: ", "an action" },
    { "rule a: any -> accept reason\n", "f:1:29: ", "local_policy, mailing_list, trusted_forwarder, other" },
    { "rule a: any -> accept reason forwarded\n", "f:1:30: ", "an override type of RFC 9990" },
    { "rule a: any -> accept reason policy_test_mode\n", "f:1:30: ", "an override type of RFC 9990" },
    { "rule a: any -> accept reason other \"x\n", "f:1:36: ", "closing quote" },
    { "rule a: any -> accept reason other \"\xc3\xa9\"\n", "f:1:36: ", "printable ASCII" },
    { "rule a: any -> accept dry-run dry-run\n", "f:1:31: ", "each once" },
    { "rule a: any -> accept log\n", "f:1:23: ", "the end of the rule" },
    { "rule a: dmarc temperror -> reject\n", "f:1:34: ", "the action is defer" },
    { "rule a: dmarc fail temperror -> reject\n", "f:1:39: ", "the action is defer" },
    { "rule a: spf temperror -> reject\n", "f:1:32: ", "the action is defer" },
    { "rule a: dkim temperror -> reject\n", "f:1:33: ", "the action is defer" },
    { "rule a: from x\x01y.example -> accept\n", "f:1:14: ", "control character" },
    { "rule a: from x.example\n   client 192.0.2.1 -> accept\n", "f:2:4: ", "\",\" is missing before client" },
};

static void
test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct strbuf errors;
        strbuf_init(&errors, 0);
        slice text = test_exact(mistakes[i].text);
        struct rules *r = rules_parse(text, "f", &errors);
        slice said = strbuf_slice(&errors);
        if (r != NULL || !slice_starts(said, slice_from(mistakes[i].where)) ||
            !slice_icontains(said, slice_from(mistakes[i].part)))
            fail_msg("%s: wanted %s...%s, got %.*s", mistakes[i].text, mistakes[i].where, mistakes[i].part,
                     SLICE_ARG(said));
        rules_free(r);
        test_release(text);
        strbuf_clear(&errors);
    }
}

/* One reading finds every faulty rule, each once. */
static void
test_all_mistakes_at_once(void **state)
{
    (void)state;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_null(rules_parse(SLICE("rule a: form x -> accept\nrule b: any -> tag\nrule c: any -> foo bar baz\n"
                                  "  more of c\nrule d: any\n"),
                            "f", &errors));
    unsigned lines = 0;
    slice said = strbuf_slice(&errors);
    for (size_t i = 0; i < said.n; i++)
        lines += said.p[i] == '\n';
    assert_int_equal(lines, 3);
    strbuf_clear(&errors);
}

/* Problems are listed up to a hundred, and it is said that there are more. */
static void
test_many_mistakes(void **state)
{
    (void)state;
    for (unsigned n = 99; n <= 102; n++) {
        struct strbuf text, errors;
        strbuf_init(&text, 0);
        strbuf_init(&errors, 0);
        for (unsigned i = 0; i < n; i++)
            strbuf_add_str(&text, "foo\n");
        assert_null(rules_parse(strbuf_slice(&text), "f", &errors));
        unsigned lines = 0;
        slice said = strbuf_slice(&errors);
        for (size_t i = 0; i < said.n; i++)
            lines += said.p[i] == '\n';
        assert_int_equal(lines, n < 101 ? n : 101);
        assert_int_equal(slice_icontains(said, SLICE("f: more problems are not listed\n")), n > 100);
        strbuf_clear(&text);
        strbuf_clear(&errors);
    }
}

/* More values and rules than a list begins with. */
static void
test_long_lists(void **state)
{
    (void)state;
    struct strbuf text, errors;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    for (unsigned r = 0; r < 100; r++) {
        strbuf_printf(&text, "rule r%u: from", r);
        for (unsigned i = 0; i < 50; i++)
            strbuf_printf(&text, " d%u.r%u.example", i, r);
        strbuf_add_str(&text, ", any, any, any, any, any -> accept\n");
    }
    struct rules *r = rules_parse(strbuf_slice(&text), "f", &errors);
    assert_string_equal(strbuf_str(&errors), "");
    assert_int_equal(rules_count(r), 100);
    struct record m = { .header_from = SLICE("d49.r99.example"), .dmarc = { .result = DMARC_FAIL } };
    size_t at = 0;
    assert_slice(rules_match(r, &m, &at, NULL)->name, "r99");
    rules_free(r);
    strbuf_clear(&text);
    strbuf_clear(&errors);
}

static void
test_missing_file(void **state)
{
    (void)state;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_null(rules_load("/nonexistent/rules", &errors));
    assert_true(slice_icontains(strbuf_slice(&errors), SLICE("/nonexistent/rules: cannot be read")));
    strbuf_clear(&errors);
}

static void
test_layout(void **state)
{
    (void)state;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    static const char text[] = "# a comment\r\n\r\n"
                               "Rule one: any -> Accept # at the end\r\n"
                                "rule two :\n\tfrom example.org,\n# in between\n\n   not list\n  -> tag\n"
                                "  dry-run reason mailing_list \"a, b -> c # d\"\n"
                                "rule three: any -> defer";
    struct rules *r = rules_parse(slice_from(text), "f", &errors);
    assert_string_equal(strbuf_str(&errors), "");
    assert_non_null(r);
    assert_int_equal(rules_count(r), 3);
    assert_slice(rules_at(r, 1)->name, "two");
    assert_int_equal(rules_at(r, 1)->action, RULE_TAG);
    assert_true(rules_at(r, 1)->dry_run);
    assert_slice(rules_at(r, 1)->reason_type, "mailing_list");
    assert_slice(rules_at(r, 1)->reason_comment, "a, b -> c # d");
    assert_int_equal(rules_at(r, 1)->line, 4);
    assert_int_equal(rules_at(r, 2)->action, RULE_DEFER);
    rules_free(r);
    strbuf_clear(&errors);
}

/* ---- matching */

static const struct arc_set chain[2] = {
    { .instance = 1, .seal_d = { "first.example", 13 }, .seal_s = { "s", 1 } },
    { .instance = 2, .seal_d = { "relay.example", 13 }, .seal_s = { "s", 1 } },
};

struct facts {
    struct record m;
    struct spf_outcome spf;
    struct dkim_result dkim[2];
    slice rcpt[2];
};

/* A failing message from mx.example.net [192.0.2.9], From a@news.example.org, through a list. */
static void
facts_init(struct facts *f)
{
    memset(f, 0, sizeof(*f));
    f->spf = (struct spf_outcome){ .result = SPF_SOFTFAIL, .domain = SLICE("bounce.example.net") };
    f->dkim[0] = (struct dkim_result){ .result = DKIM_PASS, .d = SLICE("lists.example.net") };
    f->dkim[1] = (struct dkim_result){ .result = DKIM_FAIL, .d = SLICE("news.example.org") };
    f->rcpt[0] = SLICE("here.example");
    f->rcpt[1] = SLICE("there.example");
    f->m = (struct record){ .client_name = SLICE("mx.example.net"),
                            .iprev = IPREV_PASS,
                            .mail_from = SLICE("b@bounce.example.net"),
                            .mail_from_domain = SLICE("bounce.example.net"),
                            .rcpt_domains = f->rcpt,
                            .n_rcpt_domains = 2,
                            .spf = &f->spf,
                            .dkim = f->dkim,
                            .n_dkim = 2,
                            .arc = { .status = ARC_PASS, .sets = 2, .chain = chain },
                            .dmarc = { .result = DMARC_FAIL, .policy = DMARC_POLICY_REJECT },
                            .header_from = SLICE("news.example.org"),
                            .list_id = SLICE("Some list <talk.lists.example.net>"),
                            .list_traffic = true };
    assert_true(netaddr_parse(SLICE("192.0.2.9"), &f->m.client));
}

static const struct {
    const char *conditions;
    bool fits;
} matches[] = {
    { "any", true },
    { "from news.example.org", true },
    { "from NEWS.Example.ORG", true },
    { "from example.org", false },
    { "from .example.org", true },
    { "from .news.example.org", true },
    { "from .ws.example.org", false },
    { "from .xample.org", false },
    { "from a.example b.example news.example.org", true },
    { "not from .example.org", false },
    { "client 192.0.2.9", true },
    { "client 192.0.2.8/31", true },
    { "client 192.0.2.10/31", false },
    { "client 2001:db8::/32", false },
    { "client ::ffff:192.0.2.9", true },
    { "client mx.example.net", true },
    { "client example.net", false },
    { "client .example.net", true },
    { "client .mx.example.net", true },
    { "client !192.0.2.9 192.0.2.0/24", false },
    { "client !192.0.2.8 192.0.2.0/24", true },
    { "mail-from bounce.example.net", true },
    { "mail-from .example.net", true },
    { "mail-from news.example.org", false },
    { "mail-from <>", false },
    { "rcpt here.example", false }, /* every recipient's domain has to be listed */
    { "rcpt here.example there.example", true },
    { "rcpt .example", true },
    { "list", true },
    { "not list", false },
    { "list-id talk.lists.example.net", true },
    { "list-id .example.net", true },
    { "list-id lists.example.net", false },
    { "list-id .alk.lists.example.net", false },
    { "sealer relay.example", true },
    { "sealer first.example", false }, /* the newest seal counts */
    { "sealer trusted", false },
    { "signed-by lists.example.net", true },
    { "signed-by .example.net", true },
    { "signed-by news.example.org", false }, /* that one does not verify */
    { "dmarc fail", true },
    { "dmarc pass none", false },
    { "dmarc any", true },
    { "policy reject", true },
    { "policy unpublished none quarantine", false },
    { "spf softfail", true },
    { "spf pass none", false },
    { "dkim pass", true },
    { "dkim fail", true },
    { "dkim none temperror", false },
    { "from .example.org, list, dmarc fail", true },
    { "from .example.org, not list, dmarc fail", false },
    { "from .example.org, from .news.example.org", true },
};

static bool
fits(const char *conditions, const struct record *m, struct trace *t)
{
    struct strbuf text, errors;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    strbuf_printf(&text, "rule r: %s -> accept\n", conditions);
    struct rules *r = rules_parse(strbuf_slice(&text), "f", &errors);
    if (r == NULL)
        fail_msg("%s: %s", conditions, strbuf_str(&errors));
    size_t at = 0;
    bool hit = rules_match(r, m, &at, t) != NULL;
    assert_int_equal(at, 1);
    rules_free(r);
    strbuf_clear(&text);
    strbuf_clear(&errors);
    return hit;
}

static void
test_matches(void **state)
{
    (void)state;
    struct facts f;
    facts_init(&f);
    for (size_t i = 0; i < COUNT(matches); i++) {
        struct trace *t = trace_new();
        if (fits(matches[i].conditions, &f.m, NULL) != matches[i].fits || fits(matches[i].conditions, &f.m, t) != matches[i].fits)
            fail_msg("%s", matches[i].conditions);
        trace_free(t);
    }
}

/* What is not known fits nothing; a name of the client that is not verified is not known. */
static void
test_unknown(void **state)
{
    (void)state;
    struct facts f;
    facts_init(&f);
    f.m.iprev = IPREV_FAIL;
    assert_false(fits("client mx.example.net", &f.m, NULL));
    assert_true(fits("client 192.0.2.9", &f.m, NULL));
    f.m.client = (struct netaddr){ 0 };
    assert_false(fits("client 0.0.0.0/0 ::/0", &f.m, NULL));
    f.m.header_from = SLICE_EMPTY;
    assert_false(fits("from .example.org", &f.m, NULL));
    assert_true(fits("not from .example.org", &f.m, NULL));
    f.m.mail_from = f.m.mail_from_domain = SLICE_EMPTY;
    assert_true(fits("mail-from <>", &f.m, NULL));
    assert_false(fits("mail-from .example.net", &f.m, NULL));
    f.m.rcpt_without_name = true; /* one more, at an address literal */
    assert_false(fits("rcpt .example", &f.m, NULL));
    f.m.rcpt_without_name = false;
    assert_true(fits("rcpt .example", &f.m, NULL));
    f.m.n_rcpt_domains = 0;
    assert_false(fits("rcpt .example", &f.m, NULL));
    f.m.arc.status = ARC_FAIL;
    assert_false(fits("sealer relay.example", &f.m, NULL));
    f.m.arc = (struct arc_result){ .status = ARC_PASS };
    assert_false(fits("sealer relay.example", &f.m, NULL));
    f.m.arc_trusted = true;
    assert_true(fits("sealer trusted", &f.m, NULL));
    f.m.spf = NULL;
    assert_true(fits("spf none", &f.m, NULL));
    assert_false(fits("spf pass softfail", &f.m, NULL));
    f.m.n_dkim = 0;
    assert_true(fits("dkim none", &f.m, NULL));
    f.m.list_id = SLICE_EMPTY;
    assert_false(fits("list-id .example.net", &f.m, NULL));
    f.m.list_id = SLICE("talk.lists.example.net");
    assert_true(fits("list-id talk.lists.example.net", &f.m, NULL));
}

/* A temporary error is not known either, for the condition and for its contrary, unless it is named. */
static void
test_temporary_errors(void **state)
{
    (void)state;
    struct facts f;
    facts_init(&f);
    f.spf.result = SPF_TEMPERROR;
    f.dkim[1].result = DKIM_TEMPERROR;
    assert_false(fits("spf pass", &f.m, NULL));
    assert_false(fits("not spf pass", &f.m, NULL));
    assert_true(fits("spf temperror", &f.m, NULL));
    assert_false(fits("not spf pass temperror", &f.m, NULL));
    assert_true(fits("signed-by lists.example.net", &f.m, NULL));
    assert_false(fits("signed-by news.example.org", &f.m, NULL));
    assert_false(fits("not signed-by news.example.org", &f.m, NULL));
    assert_true(fits("not signed-by other.example", &f.m, NULL));
    assert_true(fits("dkim pass", &f.m, NULL));
    assert_false(fits("dkim fail", &f.m, NULL));
    assert_false(fits("not dkim fail", &f.m, NULL));
    assert_true(fits("dkim temperror", &f.m, NULL));
}

/* A rule that names no dmarc result is meant for mail that does not pass. */
static void
test_pass_is_left_alone(void **state)
{
    (void)state;
    struct facts f;
    facts_init(&f);
    f.m.dmarc.result = DMARC_PASS;
    assert_false(fits("any", &f.m, NULL));
    assert_false(fits("from .example.org", &f.m, NULL));
    assert_true(fits("from .example.org, dmarc pass", &f.m, NULL));
    assert_true(fits("from .example.org, dmarc any", &f.m, NULL));
    assert_true(fits("not dmarc fail", &f.m, NULL));
    for (int r = DMARC_NONE; r <= DMARC_PERMERROR; r++) {
        f.m.dmarc.result = (enum dmarc_result_code)r;
        assert_int_equal(fits("any", &f.m, NULL), r != DMARC_PASS);
    }
}

static void
test_first_match(void **state)
{
    (void)state;
    struct facts f;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    facts_init(&f);
    struct rules *r = rules_parse(SLICE("\xEF\xBB\xBFrule a: from x.example -> accept\nrule b: list -> tag dry-run\n"
                                        "rule c: list -> quarantine\nrule d: any -> reject\n"),
                                  "f", &errors);
    assert_non_null(r);
    size_t at = 0;
    assert_slice(rules_match(r, &f.m, &at, NULL)->name, "b");
    assert_slice(rules_match(r, &f.m, &at, NULL)->name, "c");
    assert_slice(rules_match(r, &f.m, &at, NULL)->name, "d");
    assert_null(rules_match(r, &f.m, &at, NULL));
    at = 0;
    assert_null(rules_match(NULL, &f.m, &at, NULL));
    rules_free(r);
    strbuf_clear(&errors);
}

/* ---- --explain: which rules nearly fitted, and what was missing */

static void
gather(void *arg, unsigned depth, const char *text)
{
    (void)depth;
    strbuf_printf(arg, "%s\n", text);
}

static void
test_explain(void **state)
{
    (void)state;
    struct facts f;
    struct strbuf said;
    facts_init(&f);
    struct trace *t = trace_new();
    strbuf_init(&said, 0);
    fits("from .example.org, list, client 198.51.100.1", &f.m, t);
    fits("from .example.com, not list", &f.m, t);
    fits("list", &f.m, t);
    f.m.dmarc.result = DMARC_PASS;
    fits("list", &f.m, t);
    trace_each(t, gather, &said);
    assert_string_equal(strbuf_str(&said),
                        "rule r (line 1): nearly, does not fit: client\n"
                        "rule r (line 1): does not fit: from, not list\n"
                        "rule r (line 1): fits, accept\n"
                        "rule r (line 1): nearly, does not fit: the message passes DMARC, and the rule names no dmarc result\n");
    strbuf_clear(&said);
    trace_free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),     cmocka_unit_test(test_all_mistakes_at_once),
        cmocka_unit_test(test_missing_file), cmocka_unit_test(test_layout),
        cmocka_unit_test(test_matches),      cmocka_unit_test(test_temporary_errors),
         cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_pass_is_left_alone), cmocka_unit_test(test_first_match),
        cmocka_unit_test(test_explain),      cmocka_unit_test(test_many_mistakes),
        cmocka_unit_test(test_long_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
