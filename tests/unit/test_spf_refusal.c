/* What a client hears whose SPF result is one that SPFReject or SPFRejectHelo lists: the codes of RFC 7372 3.2, and 5.7.1 where it has none. */
#include "test.h"

#include "base/strbuf.h"
#include "config/config.h"
#include "dns/zone.h"
#include "pipeline/pipeline.h"
#include "second/second.h"

#include <string.h>

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LABEL TEN TEN TEN TEN TEN TEN
#define LONG_PATH "<a@" LABEL "." LABEL "." LABEL ".long.example>"

static const char zone[] =
    "fail.example. TXT \"v=spf1 -all\"\n"
    "told.example. TXT \"v=spf1 -all exp=e.told.example\"\ne.told.example. TXT \"%{i} is none of ours\"\n"
    "long.example. TXT \"v=spf1 -all exp=e.long.example\"\ne.long.example. TXT \"" HUNDRED "\" \"" HUNDRED HUNDRED TEN "/end\"\n"
    "*.long.example. TXT \"v=spf1 -all exp=e.long.example\"\n"
    "softfail.example. TXT \"v=spf1 ~all\"\n"
    "neutral.example. TXT \"v=spf1 ?all\"\n"
    "broken.example. TXT \"v=spf1 all:x\"\n"
    "many.example. TXT \"v=spf1 -all\"\nmany.example. TXT \"v=spf1 +all\"\n"
    "host.example. A 192.0.2.1\nfalse.example. A 203.0.113.1\n"
    "both.example. TXT \"v=spf1 redirect=pass.example -all\"\n"
    "pass.example. TXT \"v=spf1 +all\"\n"
    "$STATUS later.example. TXT servfail\n$STATUS late.example. TXT timeout\n";

struct refusal_case {
    const char *label, *path, *helo;
    enum reply_kind kind;
    const char *code, *xcode, *text;
};

static const struct refusal_case cases[] = {
    { "fail", "<a@fail.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", "SPF fail for MAIL FROM fail.example" },
    { "its own words", "<a@told.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", "told.example, which explains: 192.0.2.1 is none of ours" },
    { "long words of its own are whole", "<a@long.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", HUNDRED HUNDRED HUNDRED TEN "/end" },
    { "or are left out", LONG_PATH, "pass.example", REPLY_REJECT, "550", "5.7.23", LABEL ".long.example: -all" },
    { "softfail is not fail", "<a@softfail.example>", "pass.example", REPLY_REJECT, "550", "5.7.1", "SPF softfail" },
    { "neutral", "<a@neutral.example>", "pass.example", REPLY_REJECT, "550", "5.7.1", "SPF neutral" },
    { "none", "<a@none.example>", "pass.example", REPLY_REJECT, "550", "5.7.1", "SPF none" },
    { "no name at all", "<a@>", "pass.example", REPLY_REJECT, "550", "5.7.1", "SPF none for MAIL FROM: not a domain name" },
    { "permerror", "<a@broken.example>", "pass.example", REPLY_REJECT, "550", "5.7.24", "SPF permerror" },
    { "two records", "<a@many.example>", "pass.example", REPLY_REJECT, "550", "5.7.24", "SPF permerror" },
    { "temperror", "<a@later.example>", "pass.example", REPLY_TEMPFAIL, "451", "4.4.3", "later.example" },
    { "timeout", "<a@late.example>", "pass.example", REPLY_TEMPFAIL, "451", "4.4.3", "late.example" },
    { "pass", "<a@pass.example>", "pass.example", REPLY_CONTINUE, NULL, NULL, NULL },
    { "HELO", "<a@pass.example>", "fail.example", REPLY_REJECT, "550", "5.7.23", "SPF fail for HELO fail.example" },
    { "HELO temperror", "<a@pass.example>", "later.example", REPLY_TEMPFAIL, "451", "4.4.3", "HELO later.example" },
    { "null path", "<>", "fail.example", REPLY_REJECT, "550", "5.7.23", "fail.example" },
};

struct client {
    const char *name, *user; /* as the MTA says */
};

static void
run_from(const struct client *from, const struct refusal_case *list, size_t n, const char *const *settings, size_t n_settings)
{
    struct strbuf errors;
    struct resolver *resolver = NULL;
    struct config *c = NULL;
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(SLICE(zone), &errors, &resolver), ST_OK);
    assert_int_equal(config_load(NULL, settings, n_settings, &errors, &c), ST_OK);
    struct pipeline_parts parts = { .config = c, .resolver = resolver };
    struct pipeline *p = pipeline_new(&parts, &errors);
    if (p == NULL)
        fail_msg("%s", strbuf_str(&errors));
    for (size_t i = 0; i < n; i++) {
        struct peer peer = { .client = { 4, { 192, 0, 2, 1 } }, .name = slice_from(from->name), .mta_name = SLICE_EMPTY, .daemon_name = SLICE_EMPTY };
        struct message *m = message_new(p, &peer, NULL);
        assert_non_null(m);
        message_helo(m, slice_from(list[i].helo));
        struct reply r = message_mail(m, slice_from(list[i].path), slice_from(from->user));
        if (r.kind != list[i].kind)
            fail_msg("%s: kind %d", list[i].label, r.kind);
        if (r.kind != REPLY_CONTINUE && (strcmp(r.code, list[i].code) != 0 || strcmp(r.xcode, list[i].xcode) != 0 ||
                                         strstr(r.text, list[i].text) == NULL))
            fail_msg("%s: %s %s %s", list[i].label, r.code, r.xcode, r.text);
        assert_true(r.text == NULL || strlen(r.text) <= REPLY_TEXT_MAX);
        message_free(m);
    }
    pipeline_release(p);
    config_release(c);
    resolver_free(resolver);
    strbuf_clear(&errors);
}

static void
run_cases(const struct refusal_case *list, size_t n, const char *const *settings, size_t n_settings)
{
    run_from(&(struct client){ "", "" }, list, n, settings, n_settings);
}

static void
test_codes(void **state)
{
    (void)state;
    static const char *const settings[] = { "SPFReject=fail,softfail,neutral,none,permerror,temperror", "SPFRejectHelo=fail,temperror",
                                            "CheckIPRev=no", "IgnoreHosts=" };
    run_cases(cases, COUNT(cases), settings, COUNT(settings));
}

/* RFC 7208 2.4: the null path has no domain but the HELO name, and no other result than that name's. */
static void
test_helo_alone(void **state)
{
    (void)state;
    static const struct refusal_case helo_cases[] = {
        { "null path, fail", "<>", "fail.example", REPLY_REJECT, "550", "5.7.23", "SPF fail for HELO fail.example: -all" },
        { "null path, its own words", "<>", "told.example", REPLY_REJECT, "550", "5.7.23", "HELO told.example, which explains: 192" },
        { "null path, temperror", "<>", "later.example", REPLY_TEMPFAIL, "451", "4.4.3", "HELO later.example" },
        { "null path, not listed", "<>", "softfail.example", REPLY_CONTINUE, NULL, NULL, NULL },
        { "null path, pass", "<>", "pass.example", REPLY_CONTINUE, NULL, NULL, NULL },
        { "null path, a literal", "<>", "[192.0.2.1]", REPLY_CONTINUE, NULL, NULL, NULL },
        { "MAIL FROM fails", "<a@fail.example>", "pass.example", REPLY_CONTINUE, NULL, NULL, NULL },
        { "HELO fails", "<a@pass.example>", "fail.example", REPLY_REJECT, "550", "5.7.23", "SPF fail for HELO fail.example" },
    };
    static const struct refusal_case mfrom_cases[] = {
        { "null path", "<>", "fail.example", REPLY_REJECT, "550", "5.7.23", "SPF fail for HELO fail.example" },
        { "HELO fails", "<a@pass.example>", "fail.example", REPLY_CONTINUE, NULL, NULL, NULL },
    };
    static const char *const helo[] = { "SPFRejectHelo=fail,temperror", "CheckIPRev=no", "IgnoreHosts=" };
    static const char *const mfrom[] = { "SPFReject=fail", "CheckIPRev=no", "IgnoreHosts=" };
    run_cases(helo_cases, COUNT(helo_cases), helo, COUNT(helo));
    run_cases(mfrom_cases, COUNT(mfrom_cases), mfrom, COUNT(mfrom));
}

/* vidimus.conf(5): mail of exempt clients is never refused or deferred, and under Enforcement monitor no mail is. */
static void
test_exempt(void **state)
{
    (void)state;
    static const struct refusal_case let_in[] = {
        { "fail", "<a@fail.example>", "pass.example", REPLY_CONTINUE, NULL, NULL, NULL },
        { "temperror", "<a@later.example>", "pass.example", REPLY_CONTINUE, NULL, NULL, NULL },
        { "HELO", "<a@pass.example>", "fail.example", REPLY_CONTINUE, NULL, NULL, NULL },
        { "null path", "<>", "fail.example", REPLY_CONTINUE, NULL, NULL, NULL },
    };
    static const struct refusal_case refused[] = {
        { "fail", "<a@fail.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", "MAIL FROM fail.example" },
        { "HELO", "<a@pass.example>", "fail.example", REPLY_REJECT, "550", "5.7.23", "HELO fail.example" },
    };
    static const struct {
        struct client from;
        const char *third;
        bool exempt;
    } c[] = {
        { { "", "" }, "IgnoreHosts=192.0.2.0/24", true },
        { { "", "user" }, "IgnoreAuthenticatedClients=yes", true },
        { { "", "user" }, "IgnoreAuthenticatedClients=no", false },
        { { "host.example", "" }, "IgnoreHosts=host.example", true },
        { { "false.example", "" }, "IgnoreHosts=false.example", false }, /* its address is another one */
        { { "", "" }, "IgnoreHosts=198.51.100.0/24", false },
        { { "", "" }, "Enforcement=monitor", true },
        { { "", "" }, "Enforcement=quarantine", false },
    };
    for (size_t i = 0; i < COUNT(c); i++) {
        const char *const settings[] = { "SPFReject=fail,temperror", "SPFRejectHelo=fail", c[i].third };
        if (c[i].exempt)
            run_from(&c[i].from, let_in, COUNT(let_in), settings, COUNT(settings));
        else
            run_from(&c[i].from, refused, COUNT(refused), settings, COUNT(settings));
    }
}

/* vidimus.conf(5), SecondOpinion: nobody is refused on a result that the other engine contradicts. */
static void
test_veto(void **state)
{
    (void)state;
    static const struct refusal_case refused[] = {
        { "fail", "<a@fail.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", "MAIL FROM fail.example" },
        { "RFC 7208 6.1", "<a@both.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", "MAIL FROM both.example" },
    };
    static const struct refusal_case vetoed[] = {
        { "fail", "<a@fail.example>", "pass.example", REPLY_REJECT, "550", "5.7.23", "MAIL FROM fail.example" },
        { "libspf2 passes it", "<a@both.example>", "pass.example", REPLY_CONTINUE, NULL, NULL, NULL },
    };
    static const char *const log[] = { "SPFReject=fail", "SecondOpinion=log", "IgnoreHosts=" };
    static const char *const veto[] = { "SPFReject=fail", "SecondOpinion=veto", "IgnoreHosts=" };
    if (second_spf() == NULL)
        skip();
    run_cases(refused, COUNT(refused), log, COUNT(log));
    run_cases(vetoed, COUNT(vetoed), veto, COUNT(veto));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_helo_alone),
        cmocka_unit_test(test_exempt),
        cmocka_unit_test(test_veto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
