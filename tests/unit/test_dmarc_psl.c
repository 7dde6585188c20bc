/* test_dmarc_psl.c - the Public Suffix List: the Organizational Domain of RFC 7489, the guard, the comparison. */
#include "test.h"

#include "dmarc/dmarc.h"
#include "dmarc/psl.h"
#include "dns/zone.h"

#include <unistd.h>

/* A list of our own, so that the expectations do not age: the rules' meaning is that of publicsuffix.org's format. */
static const char list_text[] = "// ===BEGIN ICANN DOMAINS===\n"
                                "example\nco.example\n*.wild.example\n!city.wild.example\n\xc3\xa9t\xc3\xa9.example\ncom\n"
                                "// ===END ICANN DOMAINS===\n"
                                "// ===BEGIN PRIVATE DOMAINS===\nhost.com\n// ===END PRIVATE DOMAINS===\n";

static struct dmarc_psl *
load(slice text, enum status want)
{
    char path[] = "/tmp/vidimus-psl-XXXXXX";
    struct dmarc_psl *p = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), (long)text.n);
    close(fd);
    assert_int_equal(dmarc_psl_load(path, &p), want);
    unlink(path);
    return p;
}

static void
test_org_domain(void **state)
{
    (void)state;
    static const struct {
        const char *name, *org;
    } cases[] = {
        { "example", "" },
        { "a.example", "a.example" },
        { "b.a.example", "a.example" },
        { "B.A.EXAMPLE", "a.example" },
        { "b.a.example.", "a.example" },
        { "co.example", "" },
        { "a.co.example", "a.co.example" },
        { "x.y.a.co.example", "a.co.example" },
        { "a.wild.example", "" },
        { "b.a.wild.example", "b.a.wild.example" },
        { "city.wild.example", "city.wild.example" },
        { "a.city.wild.example", "city.wild.example" },
        { "a.xn--t-9fab.example", "a.xn--t-9fab.example" },
        { "b.a.\xc3\xa9t\xc3\xa9.example", "a.xn--t-9fab.example" },
        { "host.com", "" },
        { "a.host.com", "a.host.com" },
        { "unlisted", "" },
        { "a.unlisted", "a.unlisted" },
        { "b.a.unlisted", "a.unlisted" },
        { ".example", "" },
        { "a..example", "" },
        { "", "" },
    };
    struct arena *a = arena_new(0);
    struct dmarc_psl *p = load(slice_from(list_text), ST_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice got = dmarc_psl_org_domain(p, a, slice_from(cases[i].name));
        if (!slice_eq(got, slice_from(cases[i].org)))
            fail_msg("%s: %.*s", cases[i].name, SLICE_ARG(got));
    }
    assert_true(dmarc_psl_is_suffix(p, SLICE("co.example")));
    assert_false(dmarc_psl_is_suffix(p, SLICE("a.co.example")));
    assert_false(dmarc_psl_is_suffix(NULL, SLICE("co.example")));
    dmarc_psl_free(p);
    arena_free(a);
}

/* A file that is missing, empty or cut off is refused, so that the list loaded before stays. */
static void
test_bad_files(void **state)
{
    (void)state;
    struct dmarc_psl *p = NULL;
    assert_int_equal(dmarc_psl_load("/nonexistent/list", &p), ST_SYNTAX);
    load(SLICE(""), ST_SYNTAX);
    load(SLICE("// nothing\n"), ST_SYNTAX);
    for (size_t n = 20; n < sizeof(list_text); n++) { /* a part that begins and does not end */
        slice cut = slice_head(slice_from(list_text), n);
        bool ended = slice_icontains(cut, SLICE("// ===END ICANN"));
        bool more = slice_icontains(cut, SLICE("// ===BEGIN PRIVATE"));
        if (n % 7 == 0 && (!ended || more) && !slice_icontains(cut, SLICE("// ===END PRIVATE")) &&
            !slice_icontains(slice_tail(cut, n - 16), SLICE("// ===E")))
            load(cut, ST_SYNTAX);
    }
    assert_int_equal(dmarc_psl_load(NULL, &p), ST_OK); /* the system's */
    assert_true(dmarc_psl_is_suffix(p, SLICE("com")));
    assert_true(dmarc_psl_is_suffix(p, SLICE("co.uk")));
    dmarc_psl_free(p);
}

struct judged {
    enum dmarc_result_code result;
    char org[64], policy_domain[64], differs[300];
};

static struct judged
judge(const struct dmarc_psl *p, bool guard, bool compare, const char *zone, const char *author, const char *dkim)
{
    const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 120 };
    struct resolver *resolver = NULL;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(slice_from(zone), &errors, &resolver), ST_OK);
    strbuf_clear(&errors);
    struct arena *a = arena_new(0);
    struct dns_session *dns = dns_session_new(resolver, &limits);
    struct dkim_result signature = { .result = DKIM_PASS, .d = slice_from(dkim) };
    struct dmarc_input in = { .author_domain = slice_from(author), .dkim = &signature, .n_dkim = 1, .psl = p,
                              .psl_guard = guard, .walk_compare = compare };
    struct dmarc_result r;
    struct judged j;
    assert_int_equal(dmarc_evaluate(a, dns, &in, NULL, &r), ST_OK);
    j.result = r.result;
    snprintf(j.org, sizeof(j.org), "%.*s", SLICE_ARG(r.org_domain));
    snprintf(j.policy_domain, sizeof(j.policy_domain), "%.*s", SLICE_ARG(r.policy_domain));
    snprintf(j.differs, sizeof(j.differs), "%.*s", SLICE_ARG(r.walk_differs));
    dns_session_free(dns);
    resolver_free(resolver);
    arena_free(a);
    return j;
}

#define SUFFIX "_dmarc.co.example TXT \"v=DMARC1; p=reject\"\n"
#define VICTIM "_dmarc.one.co.example TXT \"v=DMARC1; p=quarantine\"\n"

/* RFC 9989 11.8: a suffix that publishes without psd=y joins unrelated registrants; the guard reads it as psd=y. */
static void
test_guard(void **state)
{
    (void)state;
    struct dmarc_psl *p = load(slice_from(list_text), ST_OK);
    static const struct {
        const char *label, *zone, *author, *dkim;
        enum dmarc_result_code open, guarded;
        const char *org, *policy_domain; /* guarded */
    } cases[] = {
        { "two registrants", SUFFIX VICTIM, "one.co.example", "two.co.example", DMARC_PASS, DMARC_FAIL, "one.co.example",
          "one.co.example" },
        { "two registrants, policy of the suffix", SUFFIX, "one.co.example", "two.co.example", DMARC_PASS, DMARC_FAIL,
          "one.co.example", "co.example" },
        { "one registrant", SUFFIX VICTIM, "a.one.co.example", "b.one.co.example", DMARC_PASS, DMARC_PASS, "one.co.example",
          "one.co.example" },
        { "a private suffix", "_dmarc.host.com TXT \"v=DMARC1; p=none\"\n", "one.host.com", "two.host.com", DMARC_PASS,
          DMARC_FAIL, "one.host.com", "host.com" },
        { "the suffix itself and a registrant", SUFFIX, "co.example", "one.co.example", DMARC_PASS, DMARC_FAIL, "co.example",
          "co.example" },
        { "a suffix that says psd=n", "_dmarc.host.com TXT \"v=DMARC1; p=none; psd=n\"\n", "one.host.com", "two.host.com",
          DMARC_PASS, DMARC_FAIL, "one.host.com", "host.com" },
        { "psd=n at the suffix itself", "_dmarc.host.com TXT \"v=DMARC1; p=none; psd=n\"\n", "host.com", "host.com",
          DMARC_PASS, DMARC_PASS, "host.com", "host.com" },
        { "no suffix", "_dmarc.a.example TXT \"v=DMARC1; p=none\"\n", "x.a.example", "y.a.example", DMARC_PASS, DMARC_PASS,
          "a.example", "a.example" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct judged open = judge(p, false, false, cases[i].zone, cases[i].author, cases[i].dkim);
        struct judged guarded = judge(p, true, false, cases[i].zone, cases[i].author, cases[i].dkim);
        if (open.result != cases[i].open || guarded.result != cases[i].guarded || strcmp(guarded.org, cases[i].org) != 0 ||
            strcmp(guarded.policy_domain, cases[i].policy_domain) != 0)
            fail_msg("%s: open %d, guarded %d org %s policy %s", cases[i].label, open.result, guarded.result, guarded.org,
                     guarded.policy_domain);
        assert_string_equal(guarded.differs, "");
        /* without a list there is no guard */
        assert_int_equal(judge(NULL, true, true, cases[i].zone, cases[i].author, cases[i].dkim).result, open.result);
    }
    dmarc_psl_free(p);
}

/* Only a different result or disposition is worth a line. */
static void
test_compare(void **state)
{
    (void)state;
    struct dmarc_psl *p = load(slice_from(list_text), ST_OK);
    static const struct {
        const char *label, *zone, *author, *dkim;
        const char *differs; /* part of it; NULL: not at all */
    } cases[] = {
        { "the same", "_dmarc.a.example TXT \"v=DMARC1; p=reject\"\n", "x.a.example", "y.a.example", NULL },
        { "no record", "", "x.a.example", "x.a.example", NULL },
        { "a suffix joins by the walk", SUFFIX VICTIM, "one.co.example", "two.co.example",
          "list: dmarc=fail disposition=quarantine org=one.co.example; by the walk: dmarc=pass disposition=none org=co.example" },
        { "psd=n parts by the walk", "_dmarc.x.a.example TXT \"v=DMARC1; p=reject; psd=n\"\n_dmarc.a.example TXT \"v=DMARC1; p=reject\"\n",
          "x.a.example", "a.example", "list: dmarc=pass disposition=none org=a.example; by the walk: dmarc=fail" },
        { "the suffix's policy is found by the walk", SUFFIX, "one.co.example", "elsewhere.com",
          "list: dmarc=none disposition=none org=one.co.example; by the walk: dmarc=fail disposition=reject" },
        { "no record at the organization, by the walk none either", "_dmarc.x.a.example TXT \"v=DMARC1; p=none\"\n",
          "x.a.example", "x.a.example", NULL },
        { "siblings under a domain without a record", "_dmarc.x.a.example TXT \"v=DMARC1; p=reject\"\n", "x.a.example",
          "y.a.example", "list: dmarc=pass disposition=none org=a.example; by the walk: dmarc=fail disposition=reject" },
        { "the organization's sp (RFC 7489 6.3)", "_dmarc.a.example TXT \"v=DMARC1; p=reject; sp=none\"\n", "x.a.example",
          "elsewhere.com", NULL },
        { "trouble: nothing can be compared", "$STATUS _dmarc.a.example TXT servfail\n", "x.a.example", "x.a.example", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct judged j = judge(p, false, true, cases[i].zone, cases[i].author, cases[i].dkim);
        struct judged quiet = judge(p, false, false, cases[i].zone, cases[i].author, cases[i].dkim);
        if (cases[i].differs == NULL ? j.differs[0] != '\0' : strstr(j.differs, cases[i].differs) == NULL)
            fail_msg("%s: %s", cases[i].label, j.differs);
        assert_string_equal(quiet.differs, "");
        assert_int_equal(quiet.result, j.result);
    }
    dmarc_psl_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_org_domain),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
