/*
 * test_row.c - from one line of the spool to the row of a report: which messages are reported, the disposition and its
 * reasons, the order of signatures, the policy with its defaults.  RFC 9990 3.1 and RFC 9989 4.7.
 */
#include "autoconf.h"

#include "test.h"

#include <jansson.h>

#include "report/row.h"

/* A message of a.example that passed by DKIM under p=reject. */
static struct line
plain(json_t *published)
{
    return (struct line){ .source = SLICE("192.0.2.1"), .author = SLICE("a.example"), .mail_from = SLICE("b.a.example"),
                          .dmarc_result = SLICE("pass"), .policy = SLICE("reject"), .disposition = SLICE("none"),
                          .policy_domain = SLICE("a.example"), .dkim_aligned = true, .published = published,
                          .action = SLICE("accept"), .has_spf = true, .spf_result = SLICE("pass"), .spf_domain = SLICE("b.a.example"),
                          .spf_reason = SLICE_EMPTY };
}

static json_t *
row(const struct line *l)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    row_text(l, &b);
    json_t *o = json_loads(strbuf_str(&b), JSON_REJECT_DUPLICATES, NULL);
    if (o == NULL)
        fail_msg("no JSON: %s", strbuf_str(&b));
    strbuf_clear(&b);
    return o;
}

static void
who_is_reported(void **state)
{
    (void)state;
    json_t *published = json_pack("{s:s}", "p", "reject");
    struct line l = plain(published), other = l;
    assert_true(row_reportable(&l));
    other.dmarc_result = SLICE("fail");
    assert_true(row_reportable(&other));
    static const char *const none[] = { "none", "temperror", "permerror", "" };
    for (size_t i = 0; i < COUNT(none); i++) { /* nothing was applied */
        other = l;
        other.dmarc_result = slice_from(none[i]);
        assert_false(row_reportable(&other));
    }
    other = l;
    other.published = NULL; /* nobody asked for a report */
    assert_false(row_reportable(&other));
    other = l;
    other.source = SLICE_EMPTY; /* source_ip is required */
    assert_false(row_reportable(&other));
    other = l;
    other.author = SLICE_EMPTY; /* and so is header_from */
    assert_false(row_reportable(&other));
    other = l;
    other.action = SLICE("tempfail"); /* it comes again */
    assert_false(row_reportable(&other));
    other = l;
    other.to_reports = true; /* else two reporters report on each other's reports */
    assert_false(row_reportable(&other));
    json_decref(published);
}

/* "If alignment fails and the policy applied does not match the configured policy, the reason MUST be included"; and what
 * is said of policy_evaluated is what DMARC did. */
static void
dispositions_and_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *label, *result, *policy, *lowered, *action; /* lowered: what t=y left of the policy */
        const char *override;                                   /* type; NULL: none */
        const char *disposition, *reason;                       /* NULL: none */
    } cases[] = {
        { "pass", "pass", "reject", "none", "accept", NULL, "pass", NULL },
        { "pass where nothing is asked for", "pass", "none", "none", "accept", NULL, "none", NULL },
        { "pass without a policy that counts", "pass", "", "none", "accept", NULL, "none", NULL },
        { "pass, refused by somebody else", "pass", "reject", "none", "reject", NULL, "pass", NULL },
        { "fail, reject", "fail", "reject", "reject", "reject", NULL, "reject", NULL },
        { "fail, quarantine", "fail", "quarantine", "quarantine", "quarantine", NULL, "quarantine", NULL },
        { "fail, none", "fail", "none", "none", "accept", NULL, "none", NULL },
        { "let through without a word", "fail", "reject", "reject", "accept", NULL, "none", "local_policy" },
        { "let through as a list", "fail", "reject", "reject", "quarantine", "mailing_list", "quarantine", "mailing_list" },
        { "refused though none was asked for", "fail", "none", "none", "reject", NULL, "reject", "local_policy" },
        { "t=y", "fail", "reject", "quarantine", "quarantine", NULL, "quarantine", "policy_test_mode" },
        { "t=y, and something else as well", "fail", "reject", "quarantine", "accept", NULL, "none", "local_policy" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct line l = plain(NULL);
        bool pass = strcmp(cases[i].result, "pass") == 0;
        l.dmarc_result = slice_from(cases[i].result);
        l.policy = slice_from(cases[i].policy);
        l.disposition = slice_from(cases[i].lowered);
        l.testing = !pass && strcmp(cases[i].policy, cases[i].lowered) != 0;
        l.action = slice_from(cases[i].action);
        l.dkim_aligned = pass;
        if (cases[i].override != NULL)
            l.overrides[l.n_overrides++] = (struct line_override){ slice_from(cases[i].override), SLICE_EMPTY };
        json_t *o = row(&l), *why = json_object_get(o, "why");
        const char *type = json_string_value(json_object_get(json_array_get(why, 0), "type"));
        if (strcmp(json_string_value(json_object_get(o, "disp")), cases[i].disposition) != 0 ||
            strcmp(type == NULL ? "" : type, cases[i].reason == NULL ? "" : cases[i].reason) != 0 || json_array_size(why) > 1)
            fail_msg("%s: %s, %s", cases[i].label, json_string_value(json_object_get(o, "disp")), type == NULL ? "no reason" : type);
        assert_string_equal(json_string_value(json_object_get(o, "dkim")), pass ? "pass" : "fail");
        assert_string_equal(json_string_value(json_object_get(o, "spf")), "fail");
        json_decref(o);
    }
}

/* RFC 9990 3.1.3: passes in strict alignment, in relaxed alignment, other passes, the rest. */
static void
signatures_stand_in_order(void **state)
{
    (void)state;
    static const struct line_dkim given[] = {
        { .d = { "", 0 }, .s = { "x", 1 }, .result = { "permerror", 9 }, .reason = { "no d=", 5 } }, /* nobody's */
        { .d = { "fail.example", 12 }, .s = { "s", 1 }, .result = { "fail", 4 }, .reason = { "body", 4 } },
        { .d = { "other.example", 13 }, .s = { "s", 1 }, .result = { "pass", 4 }, .pass = true },
        { .d = { "b.a.example", 11 }, .s = { "s", 1 }, .result = { "pass", 4 }, .pass = true, .aligned = true },
        { .d = { "a.example", 9 }, .s = { "bad", 3 }, .result = { "neutral", 7 }, .aligned = true, .reason = { "odd", 3 } },
        { .d = { "a.example", 9 }, .s = { "s", 1 }, .result = { "pass", 4 }, .pass = true, .aligned = true },
    };
    static const char *const want[][3] = { { "a.example", "pass", NULL },      { "b.a.example", "pass", NULL },
                                           { "other.example", "pass", NULL },  { "fail.example", "fail", "body" },
                                           { "a.example", "neutral", "odd" } };
    struct line l = plain(NULL);
    for (l.n_dkim = 0; l.n_dkim < COUNT(given); l.n_dkim++)
        l.dkim[l.n_dkim] = given[l.n_dkim];
    json_t *o = row(&l), *sig = json_object_get(o, "sig");
    assert_int_equal(json_array_size(sig), COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++) {
        const json_t *one = json_array_get(sig, i);
        const char *human = json_string_value(json_object_get(one, "h"));
        assert_string_equal(json_string_value(json_object_get(one, "d")), want[i][0]);
        assert_string_equal(json_string_value(json_object_get(one, "r")), want[i][1]);
        assert_string_equal(human == NULL ? "" : human, want[i][2] == NULL ? "" : want[i][2]);
    }
    json_decref(o);
}

static void
identifiers_and_spf(void **state)
{
    (void)state;
    struct line l = plain(NULL);
    json_t *o = row(&l);
    assert_string_equal(json_string_value(json_object_get(o, "ip")), "192.0.2.1");
    assert_string_equal(json_string_value(json_object_get(o, "from")), "a.example");
    assert_string_equal(json_string_value(json_object_get(o, "env")), "b.a.example");
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "mfrom"), "d")), "b.a.example");
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "mfrom"), "r")), "pass");
    json_decref(o);
    l.null_path = true; /* "existing but empty if the message had a null reverse-path" */
    l.mail_from = SLICE_EMPTY;
    o = row(&l);
    assert_string_equal(json_string_value(json_object_get(o, "env")), "");
    json_decref(o);
    l.null_path = false; /* not known */
    l.spf_domain = SLICE_EMPTY; /* domain is required, so there is no result */
    o = row(&l);
    assert_null(json_object_get(o, "env"));
    assert_null(json_object_get(o, "mfrom"));
    json_decref(o);
}

static void
the_policy_has_its_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *published, *p, *sp, *np, *adkim, *aspf, *t, *fo;
    } cases[] = {
        { "{\"p\":\"reject\"}", "reject", "reject", "reject", "r", "r", "n", "0" },
        { "{\"p\":\"reject\",\"sp\":\"quarantine\"}", "reject", "quarantine", "quarantine", "r", "r", "n", "0" },
        { "{\"p\":\"none\",\"np\":\"reject\"}", "none", "none", "reject", "r", "r", "n", "0" },
        { "{\"p\":null,\"rua\":[\"mailto:a@a.example\"]}", "none", "none", "none", "r", "r", "n", "0" },
        { "{\"p\":\"reject\",\"adkim\":\"s\",\"aspf\":\"s\",\"t\":\"y\",\"fo\":\"1:d\"}", "reject", "reject", "reject", "s", "s", "y",
          "1:d" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *published = json_loads(cases[i].published, 0, NULL);
        struct line l = plain(published);
        struct strbuf b;
        strbuf_init(&b, 0);
        row_policy_text(&l, &b);
        json_t *o = json_loads(strbuf_str(&b), JSON_REJECT_DUPLICATES, NULL);
        const char *const names[] = { "p", "sp", "np", "adkim", "aspf", "t", "fo" };
        const char *const want[] = { cases[i].p,    cases[i].sp, cases[i].np, cases[i].adkim,
                                     cases[i].aspf, cases[i].t,  cases[i].fo };
        for (size_t k = 0; k < COUNT(names); k++)
            if (strcmp(json_string_value(json_object_get(o, names[k])), want[k]) != 0)
                fail_msg("%s: %s=%s", cases[i].published, names[k], json_string_value(json_object_get(o, names[k])));
        json_decref(o);
        json_decref(published);
        strbuf_clear(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_reported),     cmocka_unit_test(dispositions_and_reasons),    cmocka_unit_test(signatures_stand_in_order),
        cmocka_unit_test(identifiers_and_spf), cmocka_unit_test(the_policy_has_its_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
