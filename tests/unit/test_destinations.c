/* Where reports may go: RFC 9990 3.5 and 4, and its example of section 4. */
#include "autoconf.h"

#include "test.h"

#include "nomem.h"

#include "dns/zone.h"
#include "report/destinations.h"

static const struct {
    const char *uri, *address; /* NULL: no destination */
} uris[] = {
    { "mailto:reports@example.com", "reports@example.com" },
    { "MAILTO:Reports+x@Example.COM", "Reports+x@example.com" },
    { "mailto:a@example.com!10m", "a@example.com" },      /* RFC 9990: the size is ignored */
    { "mailto:a@example.com?subject=x&cc=b@c.example", "a@example.com" },
    { "mailto:a%2Bb@example.com", "a+b@example.com" },
    { "mailto:a@b\xc3\xbc" "cher.example", NULL },         /* a URI is ASCII */
    { "mailto:a@b%C3%BCcher.example", "a@xn--bcher-kva.example" },
    { "mailto:a,b@example.com", NULL },
    { "mailto:a%2Cb@example.com", NULL },
    { "mailto:a@x.example%2Cb@example.com", NULL },
    { "mailto:a%0D%0ABcc:x@example.com", NULL },
    { "mailto:a%00b@example.com", NULL },
    { "mailto:%22a b%22@example.com", NULL },
    { "mailto:-oQ/tmp@example.com", NULL },                /* no option of sendmail(8) */
    { "mailto:a..b@example.com", NULL },
    { "mailto:.a@example.com", NULL },
    { "mailto:a@[192.0.2.1]", NULL },
    { "mailto:a@localhost", NULL },
    { "mailto:a%4", NULL },
    { "mailto:@example.com", NULL },
    { "https://example.com/report", NULL },
    { "example.com", NULL },
    { "", NULL },
};

static void
one_address_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(uris); i++) {
        struct arena *a = arena_new(0);
        slice exact = test_exact(uris[i].uri), address = SLICE_EMPTY;
        bool good = destination_parse(a, exact, &address) == ST_OK;
        if (good != (uris[i].address != NULL) || (good && !slice_eq(address, slice_from(uris[i].address))))
            fail_msg("%s: %.*s", uris[i].uri, SLICE_ARG(address));
        test_release(exact);
        arena_free(a);
    }
}

static const char zone[] =
    "_dmarc.blue.example.com. TXT \"v=DMARC1; p=none; rua=mailto:reports@red.example.net\"\n"
    "_dmarc.example.com. TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.example.net. TXT \"v=DMARC1; p=none\"\n"
    "blue.example.com._report._dmarc.red.example.net. TXT \"v=DMARC1\"\n"
    "blue.example.com._report._dmarc.moved.example.org. TXT \"v=DMARC1; rua=mailto:new@moved.example.org\"\n"
    "blue.example.com._report._dmarc.abroad.example.org. TXT \"v=DMARC1; rua=mailto:x@victim.example\"\n"
    "blue.example.com._report._dmarc.list.example.org. TXT \"v=DMARC1; rua=mailto:a@list.example.org,mailto:x@victim.example\"\n"
    "blue.example.com._report._dmarc.pair.example.org. TXT \"v=DMARC1\"\n"
    "blue.example.com._report._dmarc.pair.example.org. TXT \"v=DMARC1; rua=mailto:x@victim.example\"\n"
    "blue.example.com._report._dmarc.both.example.org. TXT \"v=DMARC1\"\n"
    "blue.example.com._report._dmarc.both.example.org. TXT \"v=DMARC1; rua=mailto:b@both.example.org\"\n"
    "blue.example.com._report._dmarc.ruf.example.org. TXT \"v=DMARC1; ruf=mailto:x@victim.example\"\n"
    "blue.example.com._report._dmarc.other.example.org. TXT \"v=spf1 -all\" \n"
    "blue.example.com._report._dmarc.late.example.org. TXT \"p=none; v=DMARC1\"\n"
    "*._report._dmarc.all.example.org. TXT \"v=DMARC1\"\n"
    "blue.example.com._report._dmarc.two.example.org. TXT \"hello\"\n"
    "blue.example.com._report._dmarc.two.example.org. TXT \"v=DMARC1;\"\n"
    "$STATUS blue.example.com._report._dmarc.ill.example.org. TXT servfail\n";

static const struct {
    const char *address;
    enum consent consent;
    const char *use;
} asked[] = {
    { "a@blue.example.com", CONSENT_SAME, "a@blue.example.com" },
    { "a@example.com", CONSENT_SAME, "a@example.com" },         /* the same Organizational Domain */
    { "a@other.example.com", CONSENT_SAME, "a@other.example.com" },
    { "reports@red.example.net", CONSENT_YES, "reports@red.example.net" }, /* RFC 9990 4, the example */
    { "reports@example.net", CONSENT_NO, NULL },                /* consent is the host's, not its parent's */
    { "old@moved.example.org", CONSENT_YES, "new@moved.example.org" },
    { "a@abroad.example.org", CONSENT_NO, NULL },               /* step 9: neither address */
    { "a@list.example.org", CONSENT_NO, NULL },                 /* "includes a URI whose host is again different" */
    { "a@pair.example.org", CONSENT_NO, NULL },                 /* whichever of the two comes first */
    { "a@both.example.org", CONSENT_YES, "b@both.example.org" },
    { "a@ruf.example.org", CONSENT_YES, "a@ruf.example.org" },  /* that tag is not about this kind of report */
    { "a@other.example.org", CONSENT_NO, NULL },
    { "a@late.example.org", CONSENT_NO, NULL },                 /* v= comes first */
    { "a@all.example.org", CONSENT_YES, "a@all.example.org" },
    { "a@two.example.org", CONSENT_YES, "a@two.example.org" },
    { "a@nowhere.example.org", CONSENT_NO, NULL },
    { "a@ill.example.org", CONSENT_LATER, NULL },
};

static void
others_are_asked_first(void **state)
{
    (void)state;
    struct strbuf errors;
    struct resolver *r;
    strbuf_init(&errors, 0);
    if (resolver_zone_new(slice_from(zone), &errors, &r) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct arena *a = arena_new(0);
        slice use, why;
        enum consent c = destination_consent(a, r, 5000, NULL, REPORT_AGGREGATE, SLICE("blue.example.com"),
                                             slice_from(asked[i].address), &use, &why);
        if (c != asked[i].consent || (asked[i].use != NULL && !slice_eq(use, slice_from(asked[i].use))))
            fail_msg("%s: %d, %.*s, %.*s", asked[i].address, (int)c, SLICE_ARG(use), SLICE_ARG(why));
        arena_free(a);
    }
    static const struct {
        const char *address;
        enum consent consent;
    } failure[] = { /* of a failure report the ruf tag counts, and nothing that rua says (RFC 9991 5) */
        { "a@ruf.example.org", CONSENT_NO },
        { "a@abroad.example.org", CONSENT_YES },
        { "old@moved.example.org", CONSENT_YES },
    };
    for (size_t i = 0; i < COUNT(failure); i++) {
        struct arena *arena = arena_new(0);
        slice to, reason;
        enum consent c = destination_consent(arena, r, 5000, NULL, REPORT_FAILURE, SLICE("blue.example.com"), slice_from(failure[i].address),
                                             &to, &reason);
        if (c != failure[i].consent || (c == CONSENT_YES && !slice_eq(to, slice_from(failure[i].address))))
            fail_msg("failure report to %s: %d, %.*s", failure[i].address, (int)c, SLICE_ARG(to));
        arena_free(arena);
    }
    struct arena *a = arena_new(0); /* step 4: a name too long for DNS is no consent */
    char domain[240];
    memset(domain, 'a', sizeof(domain));
    for (size_t i = 60; i < sizeof(domain); i += 60)
        domain[i] = '.';
    slice use, why;
    assert_int_equal(destination_consent(a, r, 5000, NULL, REPORT_AGGREGATE, (slice){ domain, 236 }, SLICE("a@all.example.org"), &use,
                                         &why), CONSENT_NO);
    arena_free(a);
    resolver_free(r);
    strbuf_clear(&errors);
}

/* RFC 9989 11.8: a public suffix with a record that lacks psd=y makes one organization of all below it, and one of them
 * could send reports to any other.  PSLGuard is against that. */
static void
neighbours_below_a_suffix_are_strangers(void **state)
{
    (void)state;
    struct dmarc_psl *guard;
    struct strbuf errors;
    struct resolver *r;
    if (dmarc_psl_load(NULL, &guard) != ST_OK)
        skip();
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(SLICE("_dmarc.example. TXT \"v=DMARC1; p=none\"\n"), &errors, &r), ST_OK);
    struct arena *a = arena_new(0);
    static const struct {
        const char *address;
        enum consent without, with;
    } cases[] = { { "a@victim.example", CONSENT_SAME, CONSENT_NO }, { "a@mx.evil.example", CONSENT_SAME, CONSENT_SAME } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice use, why, to = slice_from(cases[i].address);
        assert_int_equal(destination_consent(a, r, 5000, NULL, REPORT_FAILURE, SLICE("evil.example"), to, &use, &why), cases[i].without);
        assert_int_equal(destination_consent(a, r, 5000, guard, REPORT_FAILURE, SLICE("evil.example"), to, &use, &why), cases[i].with);
    }
    arena_free(a);
    resolver_free(r);
    dmarc_psl_free(guard);
    strbuf_clear(&errors);
}

/* An arena with that many octets left and none to come. */
static struct arena *
arena_with(size_t octets)
{
    enum { BLOCK = 16384 };
    struct arena *a = arena_new(BLOCK);
    assert_non_null(arena_alloc(a, BLOCK - octets));
    assert_null(arena_alloc(a, octets + 1));
    return a;
}

static enum consent
consent_of_moved(struct resolver *r, struct arena *a, slice *why)
{
    slice use;
    enum consent c = destination_consent(a, r, 5000, NULL, REPORT_AGGREGATE, SLICE("blue.example.com"), SLICE("old@moved.example.org"),
                                         &use, why);
    assert_true(c != CONSENT_YES || slice_eq(use, SLICE("new@moved.example.org")));
    return c;
}

/* What memory could not be had for is asked again, and not taken for a refusal. */
static void
no_memory_is_no_answer(void **state)
{
    (void)state;
    struct strbuf errors;
    struct resolver *r;
    slice why, address;
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(slice_from(zone), &errors, &r), ST_OK);
    long turns = 0;
    for (long left = 0; left <= 0; turns++) {
        struct arena *a = arena_new(0);
        nomem_in = turns + 1;
        enum consent c = consent_of_moved(r, a, &why);
        left = nomem_in;
        nomem_in = 0;
        if (c != CONSENT_YES && (left > 0 || c != CONSENT_LATER)) /* a cache may go without */
            fail_msg("allocation %ld: %d, %.*s", turns + 1, (int)c, SLICE_ARG(why));
        arena_free(a);
    }
    assert_true(turns > 1);
    enum consent c = CONSENT_LATER;
    for (turns = 0; c == CONSENT_LATER; turns++) {
        struct arena *a = arena_with((size_t)turns * 16);
        c = consent_of_moved(r, a, &why);
        if (c != CONSENT_LATER && c != CONSENT_YES)
            fail_msg("%ld octets: %d, %.*s", turns * 16, (int)c, SLICE_ARG(why));
        arena_free(a);
    }
    assert_true(turns > 10);
    enum status st = ST_NOMEM;
    for (turns = 0; st == ST_NOMEM; turns++) {
        struct arena *a = arena_with((size_t)turns * 16);
        st = destination_parse(a, SLICE("mailto:a%2Bb@b%C3%BCcher.example"), &address);
        arena_free(a);
    }
    assert_int_equal(st, ST_OK);
    assert_true(turns > 3);
    resolver_free(r);
    strbuf_clear(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_address_or_none), cmocka_unit_test(others_are_asked_first),
                                        cmocka_unit_test(no_memory_is_no_answer),
                                        cmocka_unit_test(neighbours_below_a_suffix_are_strangers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
