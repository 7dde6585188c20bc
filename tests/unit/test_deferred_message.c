/* test_deferred_message.c - a message whose policy cannot be had is deferred so often and no oftener. */
#include "test.h"

#include "config/config.h"
#include "dns/zone.h"
#include "pipeline/deferrals.h"
#include "pipeline/pipeline.h"
#include "pipeline/policy.h"

static enum reply_kind
deliver(struct pipeline *p, const char *message_id)
{
    struct peer peer = { .name = SLICE("mx.example.net") };
    assert_true(netaddr_parse(SLICE("203.0.113.9"), &peer.client));
    struct message *m = message_new(p, &peer, NULL);
    assert_non_null(m);
    message_helo(m, SLICE("mx.example.net"));
    message_mail(m, SLICE("<a@example.org>"), SLICE_EMPTY);
    message_rcpt(m, SLICE("<b@here.example>"));
    message_header(m, SLICE("From"), SLICE(" a@example.org"));
    message_header(m, SLICE("Message-ID"), slice_from(message_id));
    message_eoh(m);
    message_body(m, SLICE("text\r\n"));
    enum reply_kind kind = message_eom(m)->reply.kind;
    message_free(m);
    return kind;
}

static void
test_five_times(void **state)
{
    (void)state;
    struct strbuf errors;
    struct resolver *resolver = NULL;
    struct config *c = NULL;
    const char *const settings[] = { "OnTempError=defer", "CheckIPRev=no" };
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(SLICE("$STATUS _dmarc.example.org TXT servfail\n"), &errors, &resolver), ST_OK);
    assert_int_equal(config_load(NULL, settings, COUNT(settings), &errors, &c), ST_OK);
    struct deferrals *d = deferrals_new();
    struct pipeline_parts parts = { .config = c, .resolver = resolver, .deferrals = d };
    for (unsigned i = 0; i < POLICY_MAX_DEFERRALS + 3; i++) { /* a new pipeline each time: a reload does not matter */
        parts.now = 1795219200 + (int64_t)i * 3600;
        struct pipeline *p = pipeline_new(&parts, &errors);
        if (p == NULL)
            fail_msg("%s", strbuf_str(&errors));
        bool deferred = i < POLICY_MAX_DEFERRALS;
        for (unsigned again = 0; again < 10; again++) /* in haste: one attempt */
            assert_int_equal(deliver(p, " <1@example.org>"), deferred ? REPLY_TEMPFAIL : REPLY_CONTINUE);
        pipeline_release(p);
    }
    struct pipeline *p = pipeline_new(&parts, &errors);
    assert_int_equal(deliver(p, " <2@example.org>"), REPLY_TEMPFAIL); /* another message begins its own count */
    pipeline_release(p);
    config_release(c);
    deferrals_free(d);
    resolver_free(resolver);
    strbuf_clear(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
