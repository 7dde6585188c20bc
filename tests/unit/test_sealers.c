/* test_sealers.c - whose word about an arriving message is believed (RFC 8617 7.2), and every way to fake it. */
#include "test.h"

#include "base/strbuf.h"
#include "pipeline/sealers.h"

#define NOW 1795219200 /* 2026-11-21T00:00:00Z */
#define AR "mx.relay.example; "
#define PASS AR "dmarc=pass header.from=bank.example"

struct hop {
    const char *d, *aar; /* NULL d: no more hops */
};

static const struct {
    const char *label, *file;
    enum arc_status arc;
    struct hop hops[4]; /* oldest first */
    const char *sealer; /* believed; NULL: nobody */
} cases[] = {
    { "one trusted hop", "relay.example\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "upper case in the file", "Relay.EXAMPLE\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "among other results", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "spf=pass smtp.mailfrom=bank.example; dmarc=pass (p=reject) header.from=BANK.example; arc=none" } },
      "relay.example" },
    /* trust */
    { "nobody is trusted", "", ARC_PASS, { { "relay.example", PASS } }, NULL },
    { "another sealer is trusted", "other.example\n", ARC_PASS, { { "relay.example", PASS } }, NULL },
    { "below a trusted sealer", "relay.example\n", ARC_PASS, { { "evil.relay.example", PASS } }, NULL },
    { "a trusted name as the end of another", "relay.example\n", ARC_PASS, { { "evilrelay.example", PASS } }, NULL },
    { "a trusted name as the beginning", "relay.example\n", ARC_PASS, { { "relay.example.evil.example", PASS } }, NULL },
    { "the parent of a trusted sealer", "mx.relay.example\n", ARC_PASS, { { "relay.example", PASS } }, NULL },
    /* the chain has to be valid now */
    { "the chain fails", "relay.example\n", ARC_FAIL, { { "relay.example", PASS } }, NULL },
    { "no chain", "relay.example\n", ARC_NONE, { { NULL, NULL } }, NULL },
    /* the AAR: dmarc=pass exactly once, for this author */
    { "dmarc=fail", "relay.example\n", ARC_PASS, { { "relay.example", AR "dmarc=fail header.from=bank.example" } }, NULL },
    { "no dmarc", "relay.example\n", ARC_PASS, { { "relay.example", AR "spf=pass smtp.mailfrom=bank.example" } }, NULL },
    { "passed twice", "relay.example\n", ARC_PASS,
      { { "relay.example", PASS "; dmarc=pass header.from=bank.example" } }, NULL },
    { "fail, then pass", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "dmarc=fail header.from=bank.example; dmarc=pass header.from=bank.example" } }, NULL },
    { "pass, then fail", "relay.example\n", ARC_PASS, { { "relay.example", PASS "; dmarc=fail header.from=bank.example" } },
      NULL },
    { "another author", "relay.example\n", ARC_PASS, { { "relay.example", AR "dmarc=pass header.from=evil.example" } }, NULL },
    { "a subdomain of the author", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "dmarc=pass header.from=x.bank.example" } }, NULL },
    { "two authors", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "dmarc=pass header.from=bank.example header.from=evil.example" } }, NULL },
    { "two authors, the other way", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "dmarc=pass header.from=evil.example header.from=bank.example" } }, NULL },
    { "the version, said", "relay.example\n", ARC_PASS,
      { { "relay.example", "mx.relay.example 1; dmarc=pass header.from=bank.example" } }, "relay.example" },
    { "another version (RFC 8601 2.2)", "relay.example\n", ARC_PASS,
      { { "relay.example", "mx.relay.example 2; dmarc=pass header.from=bank.example" } }, NULL },
    { "no author", "relay.example\n", ARC_PASS, { { "relay.example", AR "dmarc=pass" } }, NULL },
    { "the author in another property", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "dmarc=pass smtp.from=bank.example" } }, NULL },
    { "the author in a comment", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "dmarc=pass (header.from=bank.example)" } }, NULL },
    { "pass in a comment", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "spf=fail (; dmarc=pass header.from=bank.example) smtp.mailfrom=x.example" } }, NULL },
    { "pass in quotes", "relay.example\n", ARC_PASS,
      { { "relay.example", AR "spf=fail reason=\"; dmarc=pass header.from=bank.example\"" } }, NULL },
    { "unreadable", "relay.example\n", ARC_PASS, { { "relay.example", PASS "; (" } }, NULL },
    { "empty", "relay.example\n", ARC_PASS, { { "relay.example", "" } }, NULL },
    /* later hops */
    { "trusted, then trusted", "relay.example\nlists.example\n", ARC_PASS,
      { { "relay.example", PASS }, { "lists.example", AR "dmarc=fail header.from=bank.example" } }, "relay.example" },
    { "the newest that saw it counts", "relay.example\nlists.example\n", ARC_PASS,
      { { "relay.example", PASS }, { "lists.example", PASS } }, "lists.example" },
    { "trusted, then unknown", "relay.example\n", ARC_PASS, { { "relay.example", PASS }, { "evil.example", PASS } }, NULL },
    { "trusted, unknown, trusted", "relay.example\nlists.example\n", ARC_PASS,
      { { "relay.example", PASS }, { "evil.example", PASS }, { "lists.example", AR "dmarc=fail header.from=bank.example" } },
      NULL },
    { "unknown, then trusted that saw pass", "lists.example\n", ARC_PASS,
      { { "evil.example", PASS }, { "lists.example", PASS } }, "lists.example" },
    { "unknown, then trusted that saw fail", "lists.example\n", ARC_PASS,
      { { "evil.example", PASS }, { "lists.example", AR "dmarc=fail header.from=bank.example" } }, NULL },
    { "a later hop of trust with contradictory results", "relay.example\nlists.example\n", ARC_PASS,
      { { "relay.example", PASS }, { "lists.example", PASS "; dmarc=fail header.from=bank.example" } }, NULL },
    { "of one sealer the newest word", "relay.example\n", ARC_PASS,
      { { "relay.example", PASS }, { "relay.example", AR "dmarc=fail header.from=bank.example" } }, NULL },
    { "of one sealer the newest word, another between", "relay.example\nlists.example\n", ARC_PASS,
      { { "relay.example", PASS },
        { "lists.example", AR "dmarc=fail header.from=bank.example" },
        { "relay.example", AR "dmarc=none header.from=bank.example" } },
      NULL },
    /* scope */
    { "for this author", "relay.example from bank.example\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "for authors below", "relay.example from .example\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "for another author", "relay.example from shop.example\n", ARC_PASS, { { "relay.example", PASS } }, NULL },
    { "for this client", "relay.example client 192.0.2.0/24\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "for this client's name", "relay.example client .relay.example\n", ARC_PASS, { { "relay.example", PASS } },
      "relay.example" },
    { "for another client", "relay.example client 198.51.100.0/24\n", ARC_PASS, { { "relay.example", PASS } }, NULL },
    { "until tomorrow", "relay.example until 2026-11-22\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "until today", "relay.example until 2026-11-21\n", ARC_PASS, { { "relay.example", PASS } }, "relay.example" },
    { "until yesterday", "relay.example until 2026-11-20\n", ARC_PASS, { { "relay.example", PASS } }, NULL },
    { "all scopes", "relay.example from bank.example, client 192.0.2.9, until 2027-01-01\n", ARC_PASS,
      { { "relay.example", PASS } }, "relay.example" },
    { "one scope of several missed", "relay.example from bank.example, client 192.0.2.8, until 2027-01-01\n", ARC_PASS,
      { { "relay.example", PASS } }, NULL },
    { "a second entry for the same sealer", "relay.example from shop.example\nrelay.example from bank.example\n", ARC_PASS,
      { { "relay.example", PASS } }, "relay.example" },
    { "a later hop out of its scope", "relay.example\nlists.example from shop.example\n", ARC_PASS,
      { { "relay.example", PASS }, { "lists.example", AR "dmarc=fail header.from=bank.example" } }, NULL },
};

static struct sealers *
read_file(const char *file)
{
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct sealers *s = sealers_parse(slice_from(file), "f", &errors);
    if (s == NULL)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    return s;
}

static void
fill(struct record *m, struct arc_set sets[4], const struct hop hops[4], enum arc_status status)
{
    memset(m, 0, sizeof(*m));
    unsigned n = 0;
    for (; n < 4 && hops[n].d != NULL; n++)
        sets[n] = (struct arc_set){ .instance = n + 1,
                                    .seal_d = slice_from(hops[n].d),
                                    .seal_s = SLICE("sel"),
                                    .aar_payload = slice_from(hops[n].aar) };
    m->arc = (struct arc_result){ .status = status, .sets = n, .chain = n > 0 ? sets : NULL };
    m->header_from = SLICE("bank.example");
    m->iprev = IPREV_PASS;
    m->client_name = SLICE("mx.relay.example");
    assert_true(netaddr_parse(SLICE("192.0.2.9"), &m->client));
}

static void
test_trust(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(0);
        struct sealers *s = read_file(cases[i].file);
        struct arc_set sets[4];
        struct record m;
        struct sealer_trust out;
        fill(&m, sets, cases[i].hops, cases[i].arc);
        assert_int_equal(sealers_trust(a, s, &m, NOW, NULL, &out), ST_OK);
        if (out.trusted != (cases[i].sealer != NULL) ||
            (out.trusted && !slice_eq(out.sealer, slice_from(cases[i].sealer))) || out.why.n == 0 ||
            (out.comment.n > 0) != out.trusted)
            fail_msg("%s: trusted=%d %.*s: %.*s", cases[i].label, out.trusted, SLICE_ARG(out.sealer), SLICE_ARG(out.why));
        sealers_free(s);
        arena_free(a);
    }
}

/* The example of RFC 8617 7.2.2, its address in the form of RFC 5952. */
static void
test_comment(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct sealers *s = read_file("d1.example\nd2.example\n");
    struct record m;
    struct sealer_trust out;
    struct arc_set sets[4];
    const struct hop hops[4] = { { "d1.example", "d1.example; arc=none smtp.remote-ip=\"2001:DB8::1A\"; "
                                                 "dmarc=pass header.from=bank.example" },
                                 { "d2.example", "d2.example; dmarc=fail header.from=bank.example" } };
    fill(&m, sets, hops, ARC_PASS);
    sets[0].seal_s = SLICE("s3");
    sets[1].seal_s = SLICE("s2");
    assert_int_equal(sealers_trust(a, s, &m, NOW, NULL, &out), ST_OK);
    assert_true(out.trusted);
    assert_int_equal(out.instance, 1);
    assert_slice(out.comment,
                 "arc=pass as[2].d=d2.example as[2].s=s2 as[1].d=d1.example as[1].s=s3 remote-ip[1]=2001:db8::1a");
    /* what is no address is not repeated */
    sets[0].aar_payload = SLICE("d1.example; arc=none smtp.remote-ip=evil; dmarc=pass header.from=bank.example");
    assert_int_equal(sealers_trust(a, s, &m, NOW, NULL, &out), ST_OK);
    assert_slice(out.comment, "arc=pass as[2].d=d2.example as[2].s=s2 as[1].d=d1.example as[1].s=s3");
    sealers_free(s);
    arena_free(a);
}

static void
test_unverified_client_name(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct sealers *s = read_file("relay.example client .relay.example\n");
    struct record m;
    struct sealer_trust out;
    struct arc_set sets[4];
    const struct hop hops[4] = { { "relay.example", PASS } };
    fill(&m, sets, hops, ARC_PASS);
    m.iprev = IPREV_FAIL;
    assert_int_equal(sealers_trust(a, s, &m, NOW, NULL, &out), ST_OK);
    assert_false(out.trusted);
    m.header_from = SLICE_EMPTY; /* nobody can say who the author is */
    m.iprev = IPREV_PASS;
    assert_int_equal(sealers_trust(a, s, &m, NOW, NULL, &out), ST_OK);
    assert_false(out.trusted);
    assert_int_equal(sealers_trust(a, NULL, &m, NOW, NULL, &out), ST_OK);
    assert_false(out.trusted);
    sealers_free(s);
    arena_free(a);
}

/* Dates against the library's calendar. */
static void
test_dates(void **state)
{
    (void)state;
    static const struct {
        const char *date;
        int64_t last; /* second of that day, UTC; 0: no date */
    } dates[] = {
        { "1970-01-01", 86399 },          { "2000-02-29", 951868799 },  { "2026-11-21", 1795305599 },
        { "2024-12-31", 1735689599 },     { "2100-03-01", 4107628799 }, { "9999-12-31", 253402300799 },
        { "2026-02-29", 0 },              { "2100-02-29", 0 },          { "2026-13-01", 0 },
        { "2026-00-10", 0 },              { "2026-10-00", 0 },          { "2026-04-31", 0 },
        { "26-11-21", 0 },                { "2026-1-2", 0 },            { "2026-11-21x", 0 },
        { "2026/11/21", 0 },              { "1969-12-31", 0 },          { "-026-11-21", 0 },
    };
    const struct hop hops[4] = { { "relay.example", PASS } };
    for (size_t i = 0; i < COUNT(dates); i++) {
        struct arena *a = arena_new(0);
        struct strbuf errors;
        struct record m;
        struct sealer_trust out;
        struct arc_set sets[4];
        strbuf_init(&errors, 0);
        slice text = arena_printf(a, "relay.example until %s", dates[i].date);
        struct sealers *s = sealers_parse(text, "f", &errors);
        if ((s != NULL) != (dates[i].last != 0))
            fail_msg("%s: %s", dates[i].date, strbuf_str(&errors));
        fill(&m, sets, hops, ARC_PASS);
        for (int k = 0; s != NULL && k < 2; k++) {
            assert_int_equal(sealers_trust(a, s, &m, dates[i].last + k, NULL, &out), ST_OK);
            if (out.trusted != (k == 0))
                fail_msg("%s: trusted=%d at its end %+d", dates[i].date, out.trusted, k);
        }
        sealers_free(s);
        strbuf_clear(&errors);
        arena_free(a);
    }
}

static void
test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *part;
    } mistakes[] = {
        { ".relay.example\n", "f:1:1: ", "exactly as in d=" },
        { "relay..example\n", "f:1:1: ", "is not a sealer's domain" },
        { "\"relay.example\"\n", "f:1:1: ", "is not a sealer's domain" },
        { "a.example\nrelay.example until\n", "f:2:20: ", "until needs a value" },
        { "relay.example until tomorrow\n", "f:1:21: ", "is not a date" },
        { "relay.example until 2027-01-01 2028-01-01\n", "f:1:32: ", "one date" },
        { "relay.example for bank.example\n", "f:1:15: ", "from, client, until" },
        { "relay.example from bank.example,\n", "f:1:33: ", "from, client, until" },
        { "relay.example from bank.example client 192.0.2.1\n", "f:1:33: ", "\",\" is missing before client" },
        { "relay.example from b@nk\n", "f:1:20: ", "is not a domain" },
        { "relay.example client 300.0.0.1\n", "f:1:22: ", "is not an address" },
    };
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct strbuf errors;
        strbuf_init(&errors, 0);
        struct sealers *s = sealers_parse(slice_from(mistakes[i].text), "f", &errors);
        slice said = strbuf_slice(&errors);
        if (s != NULL || !slice_starts(said, slice_from(mistakes[i].where)) ||
            !slice_icontains(said, slice_from(mistakes[i].part)))
            fail_msg("%s: %.*s", mistakes[i].text, SLICE_ARG(said));
        sealers_free(s);
        strbuf_clear(&errors);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust),  cmocka_unit_test(test_comment),  cmocka_unit_test(test_unverified_client_name),
        cmocka_unit_test(test_dates),  cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
