/* test_rule_examples.c - the examples that are shipped: each is read, and does what its comment says. */
#include "test.h"

#include "base/strbuf.h"
#include "pipeline/policy.h"

#define NOW 1795219200 /* 2026-11-21 */

/* A message in the words an operator would use. */
struct mail {
    const char *from, *client, *client_name, *mail_from;
    enum spf_result spf;
    enum dkim_result_code dkim;
    const char *signed_by; /* NULL: no signature */
    enum dmarc_result_code dmarc;
    enum dmarc_policy policy;
    bool list;
};

static const struct {
    const char *file;
    const char *what;
    struct mail mail;
    enum enforcement enforcement;
    enum action action;
    bool tagged;
    const char *rule;     /* "": none */
    const char *dry_rule; /* "": none */
    const char *reason;   /* type of the override; "": none */
} cases[] = {
#define FAIL DMARC_FAIL, DMARC_POLICY_REJECT
    { "forwarder.rules", "through the forwarder, by address",
      { "bank.example", "192.0.2.5", NULL, "bank.example", SPF_FAIL, DKIM_NONE, NULL, FAIL, false }, ENFORCE_FULL,
      ACTION_ACCEPT, false, "alumni-forwarder", "", "trusted_forwarder" },
    { "forwarder.rules", "through the forwarder, by name",
      { "bank.example", "203.0.113.9", "mx2.forward.alumni.example", "bank.example", SPF_FAIL, DKIM_NONE, NULL, FAIL, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "alumni-forwarder", "", "trusted_forwarder" },
    { "forwarder.rules", "rewritten reverse-path",
      { "bank.example", "203.0.113.9", NULL, "srs.alumni.example", SPF_PASS, DKIM_NONE, NULL, FAIL, false }, ENFORCE_FULL,
      ACTION_ACCEPT, false, "srs-forwarder", "", "trusted_forwarder" },
    { "forwarder.rules", "the reverse-path only claimed",
      { "bank.example", "203.0.113.9", NULL, "srs.alumni.example", SPF_SOFTFAIL, DKIM_NONE, NULL, FAIL, false }, ENFORCE_FULL,
      ACTION_REJECT, false, "", "", "" },
    { "forwarder.rules", "from elsewhere",
      { "bank.example", "192.0.2.16", NULL, "bank.example", SPF_FAIL, DKIM_NONE, NULL, FAIL, false }, ENFORCE_FULL,
      ACTION_REJECT, false, "", "", "" },
    { "own-domain.rules", "forged, p=none",
      { "example.org", "203.0.113.9", NULL, "evil.example", SPF_PASS, DKIM_NONE, NULL, DMARC_FAIL, DMARC_POLICY_NONE, false },
      ENFORCE_FULL, ACTION_REJECT, false, "forged-us", "", "local_policy" },
    { "own-domain.rules", "forged subdomain, p=none",
      { "it.example.org", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_PASS, "evil.example", DMARC_FAIL,
        DMARC_POLICY_NONE, false },
      ENFORCE_FULL, ACTION_REJECT, false, "forged-us", "", "local_policy" },
    { "own-domain.rules", "genuine",
      { "example.org", "203.0.113.9", NULL, "example.org", SPF_PASS, DKIM_PASS, "example.org", DMARC_PASS,
        DMARC_POLICY_NONE, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "", "", "" },
    { "own-domain.rules", "the newsletter service",
      { "example.org", "203.0.113.9", NULL, "b.newsletter.example", SPF_PASS, DKIM_NONE, NULL, DMARC_FAIL, DMARC_POLICY_NONE,
        false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "our-newsletter", "", "" },
    { "own-domain.rules", "no record, forged, the forger's own SPF passes",
      { "example.org", "203.0.113.9", NULL, "evil.example", SPF_PASS, DKIM_PASS, "evil.example", DMARC_NONE,
        DMARC_POLICY_UNSET, false },
      ENFORCE_FULL, ACTION_REJECT, false, "forged-us-unpublished", "", "" },
    { "own-domain.rules", "no record, signed by us",
      { "example.org", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_PASS, "mail.example.org", DMARC_NONE,
        DMARC_POLICY_UNSET, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "", "", "" },
    { "own-domain.rules", "no record, our key cannot be had now",
      { "example.org", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_TEMPERROR, "mail.example.org", DMARC_NONE,
        DMARC_POLICY_UNSET, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "", "", "" },
    { "own-domain.rules", "no record, SPF cannot be had now",
      { "example.org", "203.0.113.9", NULL, "example.org", SPF_TEMPERROR, DKIM_NONE, NULL, DMARC_NONE, DMARC_POLICY_UNSET,
        false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "", "", "" },
    { "own-domain.rules", "no record, sent from our hosts",
      { "example.org", "203.0.113.9", NULL, "example.org", SPF_PASS, DKIM_NONE, NULL, DMARC_NONE, DMARC_POLICY_UNSET, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "us-by-spf", "", "" },
    { "own-domain.rules", "somebody else",
      { "bank.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_NONE, NULL, DMARC_FAIL, DMARC_POLICY_NONE, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "", "", "" },
    { "soften-partner.rules", "from its own network",
      { "partner.example", "198.51.100.7", NULL, "partner.example", SPF_FAIL, DKIM_NONE, NULL, FAIL, false }, ENFORCE_FULL,
      ACTION_ACCEPT, true, "partner-own-network", "", "local_policy" },
    { "soften-partner.rules", "from elsewhere",
      { "partner.example", "203.0.113.9", NULL, "partner.example", SPF_FAIL, DKIM_NONE, NULL, FAIL, false }, ENFORCE_FULL,
      ACTION_REJECT, false, "partner-as-published", "", "" },
    { "soften-partner.rules", "an invoice",
      { "billing.partner.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_PASS, "invoices.example", FAIL, false },
      ENFORCE_FULL, ACTION_ACCEPT, false, "partner-invoices", "", "local_policy" },
    { "soften-partner.rules", "an invoice whose signature fails",
      { "billing.partner.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_FAIL, "invoices.example", FAIL, false },
      ENFORCE_FULL, ACTION_REJECT, false, "partner-as-published", "", "" },
    { "step-by-step.rules", "a bank, enforcement up to quarantine",
      { "bank.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_NONE, NULL, FAIL, false }, ENFORCE_QUARANTINE,
      ACTION_REJECT, false, "refuse-now", "", "" },
    { "step-by-step.rules", "a bank, monitoring",
      { "bank.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_NONE, NULL, FAIL, false }, ENFORCE_MONITOR,
      ACTION_ACCEPT, false, "refuse-now", "", "local_policy" },
    { "step-by-step.rules", "a bank, through a list",
      { "bank.example", "203.0.113.9", NULL, "list.example", SPF_PASS, DKIM_NONE, NULL, FAIL, true }, ENFORCE_QUARANTINE,
      ACTION_QUARANTINE, false, "", "", "mailing_list" },
    { "step-by-step.rules", "next in line",
      { "post.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_NONE, NULL, FAIL, false }, ENFORCE_QUARANTINE,
      ACTION_QUARANTINE, false, "", "refuse-next", "local_policy" },
    { "step-by-step.rules", "a policy of quarantine",
      { "other.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_NONE, NULL, DMARC_FAIL, DMARC_POLICY_QUARANTINE,
        false },
      ENFORCE_QUARANTINE, ACTION_ACCEPT, true, "mark-only", "", "local_policy" },
    { "step-by-step.rules", "another domain's reject",
      { "other.example", "203.0.113.9", NULL, "evil.example", SPF_NONE, DKIM_NONE, NULL, FAIL, false }, ENFORCE_QUARANTINE,
      ACTION_QUARANTINE, false, "", "", "local_policy" },
};

static void
example_path(char *path, size_t n, const char *file)
{
    const char *top = getenv("srcdir");
    snprintf(path, n, "%s/conf/examples/%s", top == NULL ? "." : top, file);
}

static struct rules *
load(const char *file)
{
    char path[1024];
    struct strbuf errors;
    strbuf_init(&errors, 0);
    example_path(path, sizeof(path), file);
    struct rules *r = rules_load(path, &errors);
    if (r == NULL)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    return r;
}

static void
test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct mail *x = &cases[i].mail;
        struct arena *a = arena_new(0);
        struct rules *rules = load(cases[i].file);
        struct spf_outcome spf = { .result = x->spf, .domain = slice_from(x->mail_from) };
        struct dkim_result dkim = { .result = x->dkim, .d = slice_from(x->signed_by) };
        struct record m = { .header_from = slice_from(x->from),
                            .mail_from = SLICE("somebody"),
                            .mail_from_domain = slice_from(x->mail_from),
                            .client_name = slice_from(x->client_name),
                            .iprev = x->client_name != NULL ? IPREV_PASS : IPREV_FAIL,
                            .spf = &spf,
                            .dkim = &dkim,
                            .n_dkim = x->signed_by != NULL,
                            .list_traffic = x->list };
        assert_true(netaddr_parse(slice_from(x->client), &m.client));
        m.dmarc = (struct dmarc_result){ .result = x->dmarc,
                                         .policy = x->policy,
                                         .disposition = x->dmarc == DMARC_FAIL ? x->policy : DMARC_POLICY_NONE,
                                         .reason = SLICE("a reason") };
        struct config c;
        memset(&c, 0, sizeof(c));
        c.enforcement = cases[i].enforcement;
        struct policy_input in = { .record = &m, .now = NOW };
        struct policy_outcome o;
        assert_int_equal(policy_decide(a, &c, rules, NULL, &in, NULL, &o), ST_OK);
        slice rule = o.rule == NULL ? SLICE_EMPTY : o.rule->name, dry = o.dry_rule == NULL ? SLICE_EMPTY : o.dry_rule->name;
        slice reason = o.n_overrides == 0 ? SLICE_EMPTY : o.overrides[0].type;
        if (o.action != cases[i].action || (o.tag.n > 0) != cases[i].tagged || !slice_eq(rule, slice_from(cases[i].rule)) ||
            !slice_eq(dry, slice_from(cases[i].dry_rule)) || !slice_eq(reason, slice_from(cases[i].reason)))
            fail_msg("%s, %s: %s rule=%.*s dry=%.*s reason=%.*s (%.*s)", cases[i].file, cases[i].what, action_name(o.action),
                     SLICE_ARG(rule), SLICE_ARG(dry), SLICE_ARG(reason), SLICE_ARG(o.why));
        rules_free(rules);
        arena_free(a);
    }
}

static void
test_sealers_example(void **state)
{
    (void)state;
    char path[1024];
    struct strbuf errors;
    strbuf_init(&errors, 0);
    example_path(path, sizeof(path), "trusted.sealers");
    struct sealers *s = sealers_load(path, &errors);
    if (s == NULL)
        fail_msg("%s", strbuf_str(&errors));
    assert_int_equal(sealers_count(s), 2);
    static const struct {
        const char *sealer, *from, *client;
        int64_t now;
        bool trusted;
    } looks[] = {
        { "lists.example.org", "bank.example", "192.0.2.17", NOW, true },
        { "lists.example.org", "bank.example", "192.0.2.33", NOW, false },
        { "relay.partner.example", "partner.example", "203.0.113.9", NOW, true },
        { "relay.partner.example", "bank.example", "203.0.113.9", NOW, false },
        { "relay.partner.example", "partner.example", "203.0.113.9", NOW + 86400 * 365, false },
    };
    for (size_t i = 0; i < COUNT(looks); i++) {
        struct arena *a = arena_new(0);
        const struct arc_set set = { .instance = 1,
                                     .seal_d = slice_from(looks[i].sealer),
                                     .seal_s = SLICE("s"),
                                     .aar_payload = arena_printf(a, "x.example; dmarc=pass header.from=%s", looks[i].from) };
        struct record m = { .arc = { .status = ARC_PASS, .sets = 1, .chain = &set }, .header_from = slice_from(looks[i].from) };
        struct sealer_trust out;
        assert_true(netaddr_parse(slice_from(looks[i].client), &m.client));
        assert_int_equal(sealers_trust(a, s, &m, looks[i].now, NULL, &out), ST_OK);
        if (out.trusted != looks[i].trusted)
            fail_msg("%s for %s from %s: %.*s", looks[i].sealer, looks[i].from, looks[i].client, SLICE_ARG(out.why));
        arena_free(a);
    }
    sealers_free(s);
    strbuf_clear(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_sealers_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
