/* The rules file and the sealers file: read to the end or refused with a reason; a rule that fits does so with and without
 * being explained. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "pipeline/rules.h"
#include "pipeline/sealers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_errors(const void *result, const struct strbuf *errors)
{
    slice said = strbuf_slice(errors);
    assert((result == NULL) == (said.n > 0));
    assert(said.n == 0 || (slice_starts(said, SLICE("f:")) && said.p[said.n - 1] == '\n'));
}

static void
match_all(const struct rules *rules)
{
    static const struct arc_set set = { .instance = 1, .seal_d = { "relay.example", 13 }, .seal_s = { "s", 1 } };
    static const slice rcpt = { "here.example", 12 };
    const struct dkim_result signature = { .result = DKIM_PASS, .d = SLICE("lists.example") };
    const struct spf_outcome spf = { .result = SPF_SOFTFAIL };
    struct record m = { .client_name = SLICE("mx.example.net"),
                        .iprev = IPREV_PASS,
                        .mail_from_domain = SLICE("example.net"),
                        .rcpt_domains = &rcpt,
                        .n_rcpt_domains = 1,
                        .spf = &spf,
                        .dkim = &signature,
                        .n_dkim = 1,
                        .arc = { .status = ARC_PASS, .sets = 1, .chain = &set },
                        .dmarc = { .result = DMARC_FAIL, .policy = DMARC_POLICY_REJECT },
                        .header_from = SLICE("example.org"),
                        .list_id = SLICE("<l.example>"),
                        .list_traffic = true };
    netaddr_parse(SLICE("192.0.2.1"), &m.client);
    struct trace *t = trace_new();
    const struct rule *r;
    size_t told = 0, silent = 0;
    do {
        r = rules_match(rules, &m, &silent, NULL);
        assert(rules_match(rules, &m, &told, t) == r && told == silent && told <= rules_count(rules));
        assert(r == NULL || (r->name.n > 0 && rule_action_name(r->action) != NULL));
    } while (r != NULL);
    trace_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct rules *r = rules_parse(text, "f", &errors);
    check_errors(r, &errors);
    match_all(r);
    rules_free(r);
    strbuf_reset(&errors);
    struct sealers *s = sealers_parse(text, "f", &errors);
    check_errors(s, &errors);
    sealers_free(s);
    strbuf_clear(&errors);
    return 0;
}
