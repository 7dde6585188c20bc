/*
 * test_results.c - what our Authentication-Results field says of a record, read back: RFC 8601 2.3 and 2.7, RFC 6008 4,
 * RFC 8617 10.2, RFC 9989 9.1.
 */
#include "test.h"

#include "config/config.h"
#include "mail/authres.h"
#include "pipeline/results.h"

static struct arena *a;

static int
begin(void **state)
{
    (void)state;
    a = arena_new(0);
    return a == NULL;
}

static int
end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

/* A message of user@a.example through mx.a.example, about which nothing is known yet. */
static struct record
plain(void)
{
    static const struct spf_outcome mfrom = { .result = SPF_PASS, .scope = SPF_SCOPE_MFROM, .domain = { "a.example", 9 } };
    static const struct spf_outcome helo = { .result = SPF_SOFTFAIL, .scope = SPF_SCOPE_HELO, .domain = { "mx.a.example", 12 } };
    struct record r = { .reporter = SLICE("me.example"), .mail_from = SLICE("user@a.example"), .spf = &mfrom, .spf_helo = &helo,
                        .arc = { .oldest_pass = -1 }, .header_from = SLICE("a.example"),
                        .dmarc = { .reason = SLICE("no record") } };
    assert_true(netaddr_parse(SLICE("192.0.2.1"), &r.client));
    return r;
}

/* "method=result ptype.property=value ...; ..." of the whole field. */
static slice
told(const struct record *r, size_t max)
{
    const struct config c = { .maximum_authres_bytes = (unsigned)max };
    struct authres ar;
    struct strbuf b;
    slice field = results_field(a, &c, r);
    assert_non_null(field.p);
    assert_in_range(field.n, 1, max);
    assert_int_equal(authres_parse(a, field, &ar), ST_OK);
    assert_true(ar.exact);
    assert_slice(ar.authserv_id, "me.example");
    strbuf_init(&b, 0);
    for (size_t i = 0; i < ar.n_results; i++) {
        const struct authres_result *one = &ar.results[i];
        strbuf_printf(&b, "%s%.*s=%.*s", i > 0 ? "; " : "", SLICE_ARG(one->method), SLICE_ARG(one->result));
        for (size_t k = 0; k < one->n_properties; k++)
            strbuf_printf(&b, " %.*s.%.*s=%.*s", SLICE_ARG(one->properties[k].ptype), SLICE_ARG(one->properties[k].name),
                          SLICE_ARG(one->properties[k].value));
    }
    return strbuf_finish(&b, a);
}

#define BEFORE "dmarc=none header.from=a.example; dkim=none; "
#define SPF "spf=pass smtp.mailfrom=a.example; spf=softfail smtp.helo=mx.a.example"

static void
both_identities_of_spf(void **state)
{
    (void)state;
    struct record r = plain();
    assert_slice(told(&r, 20000), BEFORE SPF "; arc=none");
    r.spf_helo = NULL;
    assert_slice(told(&r, 20000), BEFORE "spf=pass smtp.mailfrom=a.example; arc=none");
    /* the null reverse-path was judged as postmaster@HELO (RFC 7208 2.4): one result, of that name */
    const struct spf_outcome null_path = { .result = SPF_FAIL, .scope = SPF_SCOPE_MFROM, .domain = SLICE("mx.a.example") };
    r.mail_from = SLICE_EMPTY;
    r.spf = r.spf_helo = &null_path;
    assert_slice(told(&r, 20000), BEFORE "spf=fail smtp.helo=mx.a.example; arc=none");
    /* a path without a domain is no null path, and has none to name */
    const struct spf_outcome no_domain = { .result = SPF_NONE, .scope = SPF_SCOPE_MFROM, .domain = SLICE_EMPTY };
    r.mail_from = SLICE("user");
    r.spf = &no_domain;
    r.spf_helo = NULL;
    assert_slice(told(&r, 20000), BEFORE "spf=none; arc=none");
}

static void
the_chain(void **state)
{
    (void)state;
    static const struct {
        enum arc_status status;
        int oldest_pass;
        const char *want;
    } cases[] = {
        { ARC_NONE, -1, "arc=none" },
        { ARC_PASS, 0, "arc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1" }, /* all verify: 0 is an answer */
        { ARC_PASS, 3, "arc=pass header.oldest-pass=3 smtp.remote-ip=192.0.2.1" },
        { ARC_FAIL, -1, "arc=fail smtp.remote-ip=192.0.2.1" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct record r = plain();
        r.arc = (struct arc_result){ .status = cases[i].status, .oldest_pass = cases[i].oldest_pass, .reason = SLICE("broken") };
        assert_slice(told(&r, 20000), arena_printf(a, BEFORE SPF "; %s", cases[i].want).p);
    }
    struct record r = plain();
    r.iprev = IPREV_FAIL;
    assert_slice(told(&r, 20000), BEFORE SPF "; arc=none; iprev=fail policy.iprev=192.0.2.1");
}

/* policy.dmarc is what was applied "after all options" (RFC 9989 9.1), and is there only where a policy was found. */
static void
the_policy_applied(void **state)
{
    (void)state;
    static const char *const want[] = { "none", "quarantine", "reject", "none" }; /* by enum action */
    const struct dmarc_record published = { .p = DMARC_POLICY_REJECT };
    for (enum action done = ACTION_ACCEPT; done <= ACTION_TEMPFAIL; done++) {
        struct record r = plain();
        r.dmarc = (struct dmarc_result){ .result = DMARC_FAIL, .policy = DMARC_POLICY_REJECT, .disposition = DMARC_POLICY_REJECT,
                                         .record = &published };
        r.action = done;
        assert_slice(told(&r, 20000), arena_printf(a, "dmarc=fail header.from=a.example policy.dmarc=%s; dkim=none; " SPF "; arc=none",
                                                   want[done]).p);
    }
    struct record r = plain();
    r.header_from = SLICE_EMPTY;
    r.dmarc.result = DMARC_PERMERROR;
    assert_slice(told(&r, 20000), "dmarc=permerror; dkim=none; " SPF "; arc=none");
}

/* RFC 6008 4: at least eight octets of b=, and as many as tell signatures apart. */
static void
signatures_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *b[3], *said[3];
    } cases[] = {
        { { "abcdefghijkl", "bbcdefghijkl", "cbcdefghijkl" }, { "abcdefgh", "bbcdefgh", "cbcdefgh" } },
        { { "abcdefghijkl", "abcdefghijkm", "abcdefghXjkl" }, { "abcdefghijkl", "abcdefghijkm", "abcdefghX" } },
        { { "abcdefghij", "abcdefghij", "x" }, { "abcdefghij", "abcdefghij", "x" } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct dkim_result d[3];
        struct strbuf want;
        strbuf_init(&want, 0);
        strbuf_add_str(&want, "dmarc=none header.from=a.example; ");
        for (size_t k = 0; k < COUNT(d); k++) {
            d[k] = (struct dkim_result){ .result = DKIM_PASS, .d = SLICE("a.example"), .s = SLICE("s"), .a = SLICE("rsa-sha256"),
                                         .b = slice_from(cases[i].b[k]), .reason = SLICE_EMPTY };
            strbuf_printf(&want, "dkim=pass header.d=a.example header.s=s header.a=rsa-sha256 header.b=%s; ", cases[i].said[k]);
        }
        strbuf_add_str(&want, SPF "; arc=none");
        struct record r = plain();
        r.dkim = d;
        r.n_dkim = COUNT(d);
        assert_slice(told(&r, 20000), strbuf_str(&want));
        strbuf_clear(&want);
    }
}

/* A flood of signatures: the one that passes is listed wherever it stands, what is not listed is said, and there is a field. */
static void
a_flood_hides_nothing(void **state)
{
    (void)state;
    struct dkim_result d[80];
    for (size_t i = 0; i < COUNT(d); i++)
        d[i] = (struct dkim_result){ .result = i == COUNT(d) - 1 ? DKIM_PASS : DKIM_FAIL, .d = SLICE("a.example"), .s = SLICE("s"),
                                     .a = SLICE("rsa-sha256"), .b = arena_printf(a, "%08zu", i), .reason = SLICE("no") };
    struct record r = plain();
    r.dkim = d;
    r.n_dkim = COUNT(d);
    static const size_t limits[] = { 20000, 4096, 1000 };
    for (size_t i = 0; i < COUNT(limits); i++) {
        char *text = arena_strdup(a, told(&r, limits[i]));
        assert_non_null(strstr(text, "dkim=pass header.d=a.example header.s=s header.a=rsa-sha256 header.b=00000079; dkim=policy; "));
        size_t n = 0;
        for (const char *p = text; (p = strstr(p, "dkim=fail")) != NULL; p++)
            n++;
        assert_in_range(n, limits[i] == 20000 ? 49 : 1, 49);
    }
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(both_identities_of_spf),    CASE(the_chain),             CASE(the_policy_applied),
        CASE(signatures_are_told_apart), CASE(a_flood_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
