/*
 * One message through the whole pipeline from a zone in memory: the verdict does not depend on how the message was cut,
 * may be given up at any point, and an allocation that fails costs a temporary failure of that message and nothing else.
 */
#include "test.h"

#include "config/config.h"
#include "crypto/keys.h"
#include "dns/zone.h"
#include "mail/eml.h"
#include "pipeline/pipeline.h"
#include "second/second.h"
#include "nomem.h"

/* Only the pipeline's own allocations count, not the test's. */
#define ARMED(call)                                                                                \
    do {                                                                                           \
        nomem_counted = true;                                                                      \
        call;                                                                                      \
        nomem_counted = false;                                                                     \
    } while (0)

bool __real_slice_eq(slice a, slice b);
bool __wrap_slice_eq(slice a, slice b);

static _Atomic size_t comparisons; /* a resolver may compare on its own thread */

bool
__wrap_slice_eq(slice a, slice b)
{
    comparisons++;
    return __real_slice_eq(a, b);
}

static const char zone[] =
    "bank.example. TXT \"v=spf1 include:_spf.bank.example mx -all\"\n"
    "_spf.bank.example. TXT \"v=spf1 ip4:192.0.2.0/25 ?all\"\n"
    "bank.example. MX 10 mx.bank.example.\n"
    "mx.bank.example. A 192.0.2.200\n"
    "200.2.0.192.in-addr.arpa. PTR mx.bank.example.\n"
    "_dmarc.bank.example. TXT \"v=DMARC1; p=reject; rua=mailto:x@bank.example\"\n"
    "_dmarc.shop.example. TXT \"v=DMARC1; p=quarantine; t=y\"\n"
    "_dmarc.football.example.com. TXT \"v=DMARC1; p=reject; adkim=s\"\n"
    "broken.example. TXT \"v=spf1 ipv4:192.0.2.1 -all\"\n"
    "$DELAY late.example 60\n$DELAY mx.late.example 60\n$DELAY host.late.example 60\n"
    "late.example. TXT \"v=spf1 mx -all\"\n"
    "late.example. MX 10 mx.late.example.\n"
    "mx.late.example. A 192.0.2.210\n"
    "host.late.example. TXT \"v=spf1 a -all\"\n"
    "host.late.example. A 192.0.2.210\n"
    "early.example. TXT \"v=spf1 redirect=all.example -all\"\n"
    "all.example. TXT \"v=spf1 +all\"\n"
    "_dmarc.early.example. TXT \"v=DMARC1; p=reject\"\n"
    "$STATUS slow.example. TXT servfail\n"
    "$STATUS _dmarc.down.example. TXT servfail\n";

#define ARC_JUNK "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.example; s=s; b=AAAA\r\nARC-Message-Signature: i=1\r\n"
#define FORGED "Authentication-Results: mx.test; dmarc=pass\r\nAuthentication-Results: other.test; none\r\n"

/* NULL: the message of RFC 8463 Appendix A, whose two signatures pass. */
static const struct {
    const char *label, *ip, *mail_from, *text;
    const char *action, *dmarc; /* by RFC 9989, and what vidimus.conf(5) says of Enforcement */
} cases[] = {
    { "the vector of RFC 8463", "203.0.113.5", "<joe@football.example.com>", NULL, "accept", "pass" },
    { "SPF through an include", "192.0.2.7", "<a@bank.example>", "From: a@bank.example\r\n\r\nx\r\n", "accept", "pass" },
    { "SPF through MX", "192.0.2.200", "<a@bank.example>", "From: A <a@bank.example>\r\nTo: b\r\n\r\n", "accept", "pass" },
    { "forged", "203.0.113.5", "<x@evil.example>", FORGED "From: a@bank.example\r\n\r\nx\r\n", "reject", "fail" },
    { "test mode", "203.0.113.5", "<>", "From: a@shop.example\r\n\r\nx\r\n", "accept", "fail" },
    { "a list", "203.0.113.5", "<x@l.example>", "List-Id: <l>\r\nFrom: a@bank.example\r\n\r\nx\r\n", "quarantine", "fail" },
    { "junk for a chain", "192.0.2.7", "<a@bank.example>", ARC_JUNK "From: a@bank.example\r\n\r\nx\r\n", "accept", "pass" },
    { "junk for a signature", "192.0.2.7", "<a@bank.example>", "DKIM-Signature: x\r\nDKIM-Signature: v=1; d=bank.example\r\nFrom: a@bank.example\r\n\r\nx\r\n", "accept", "pass" },
    { "nobody's", "203.0.113.5", "<x@evil.example>", "Subject: s\r\n\r\nx\r\n", "reject", "permerror" },
    { "two authors", "203.0.113.5", "<x@evil.example>", "From: a@x.example\r\nFrom: a@bank.example\r\n\r\nx\r\n", "reject", "permerror" },
    { "no policy to be had", "203.0.113.5", "<a@down.example>", "From: a@down.example\r\n\r\nx\r\n", "tempfail", "temperror" },
    { "no record", "203.0.113.5", "<a@none.example>", "From: a@none.example\r\n\r\n\r\n\r\n \t \r\nx", "accept", "none" },
};

struct world {
    struct resolver *resolver;
    struct key_cache *keys;
    struct config *config;
    struct pipeline *pipeline;
    struct strbuf vector; /* the message of RFC 8463 */
};

static void
add_file(struct strbuf *b, const char *name)
{
    const char *top = getenv("srcdir");
    char path[1024], chunk[4096];
    snprintf(path, sizeof(path), "%s/tests/data/%s", top == NULL ? "." : top, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        strbuf_add(b, (slice){ chunk, n });
    fclose(f);
}

static int
set_up(void **state)
{
    static struct world w;
    static const char *const overrides[] = { "AuthservID=mx.test", "IgnoreHosts=", "ReceivedSPF=yes" };
    struct strbuf text, errors;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    strbuf_init(&w.vector, 0);
    strbuf_add_str(&text, zone);
    add_file(&text, "dkim-keys.zone");
    add_file(&w.vector, "rfc8463.eml");
    if (resolver_zone_new(strbuf_slice(&text), &errors, &w.resolver) != ST_OK
        || config_load(NULL, overrides, COUNT(overrides), &errors, &w.config) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    w.keys = key_cache_new(16);
    struct pipeline_parts parts = { .config = w.config, .resolver = w.resolver, .keys = w.keys, .now = 1528637909 };
    w.pipeline = pipeline_new(&parts, &errors);
    assert_non_null(w.pipeline);
    strbuf_clear(&text);
    strbuf_clear(&errors);
    *state = &w;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *w = *state;
    pipeline_release(w->pipeline);
    key_cache_free(w->keys);
    config_release(w->config);
    resolver_free(w->resolver);
    strbuf_clear(&w->vector);
    return 0;
}

struct run {
    struct message *m;
    size_t chunk; /* octets of a body chunk: 0 whole, 1.., or SIZE_MAX: sizes that vary */
    long steps;   /* calls to be made before the message is given up; negative: all */
    uint32_t random;
};

static bool
go_on(struct run *r)
{
    return r->steps < 0 || r->steps-- > 0;
}

static enum status
header(void *arg, slice name, slice value)
{
    struct run *r = arg;
    if (!go_on(r))
        return ST_LIMIT;
    slice n = test_exact_bytes(name.p, name.n), v = test_exact_bytes(value.p, value.n);
    ARMED(message_header(r->m, n, v));
    test_release(n);
    test_release(v);
    return ST_OK;
}

static enum status
eoh(void *arg)
{
    struct run *r = arg;
    if (!go_on(r))
        return ST_LIMIT;
    ARMED(message_eoh(r->m));
    return ST_OK;
}

static enum status
body(void *arg, slice chunk)
{
    struct run *r = arg;
    while (chunk.n > 0) {
        if (!go_on(r))
            return ST_LIMIT;
        r->random = r->random * 1664525 + 1013904223;
        size_t n = r->chunk == 0 ? chunk.n : r->chunk == SIZE_MAX ? (r->random >> 24) % 9 + 1 : r->chunk;
        slice part = test_exact_bytes(chunk.p, n < chunk.n ? n : chunk.n);
        ARMED(message_body(r->m, part));
        chunk = slice_tail(chunk, part.n);
        test_release(part);
    }
    return ST_OK;
}

/* Everything that the caller would do, as text. */
static void
describe(const struct verdict *v, struct strbuf *out)
{
    strbuf_printf(out, "%s dmarc=%s reply=%d %s hold=%s\n", action_name(v->record->action), dmarc_result_name(v->record->dmarc.result),
                  (int)v->reply.kind, v->reply.text == NULL ? "-" : v->reply.text, v->quarantine == NULL ? "-" : v->quarantine);
    for (size_t i = 0; i < v->n_deletes; i++)
        strbuf_printf(out, "-%.*s %u\n", SLICE_ARG(v->deletes[i].name), v->deletes[i].nth);
    for (size_t i = 0; i < v->n_inserts; i++)
        strbuf_printf(out, "+%.*s:%.*s\n", SLICE_ARG(v->inserts[i].name), SLICE_ARG(v->inserts[i].value));
}

/* False: given up before the end, or not even begun. */
static bool
judge(struct world *w, size_t i, struct run *r, struct strbuf *out)
{
    static const struct eml_handler handler = { header, eoh, body };
    struct peer peer = { .name = SLICE("mx.client.example"), .mta_name = SLICE_EMPTY, .daemon_name = SLICE_EMPTY };
    netaddr_parse(slice_from(cases[i].ip), &peer.client);
    ARMED(r->m = message_new(w->pipeline, &peer, NULL));
    if (r->m == NULL)
        return false;
    ARMED(message_helo(r->m, SLICE("mx.client.example")));
    ARMED(message_mail(r->m, slice_from(cases[i].mail_from), SLICE_EMPTY));
    ARMED(message_rcpt(r->m, SLICE("<b@receiver.example>")));
    slice text = cases[i].text == NULL ? strbuf_slice(&w->vector) : slice_from(cases[i].text);
    bool whole = eml_read_memory(text, &handler, r) == ST_OK && go_on(r);
    const struct verdict *v = NULL;
    if (whole)
        ARMED(v = message_eom(r->m));
    if (v != NULL)
        describe(v, out);
    message_free(r->m);
    return whole;
}

static void
verdicts_are_those_of_the_rfcs(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf got, want;
        struct run r = { .steps = -1 };
        strbuf_init(&got, 0);
        strbuf_init(&want, 0);
        strbuf_printf(&want, "%s dmarc=%s ", cases[i].action, cases[i].dmarc);
        assert_true(judge(w, i, &r, &got));
        if (!slice_starts(strbuf_slice(&got), strbuf_slice(&want)))
            fail_msg("%s: %s", cases[i].label, strbuf_str(&got));
        strbuf_clear(&got);
        strbuf_clear(&want);
    }
}

/* "mx" of the sender's record, then the host's address, and "a" of the HELO name's: two round trips, not three or four. */
static void
likely_names_are_asked_with_the_record(void **state)
{
    struct world *w = *state;
    struct peer peer = { .name = SLICE("unknown"), .mta_name = SLICE_EMPTY, .daemon_name = SLICE_EMPTY };
    netaddr_parse(SLICE("192.0.2.210"), &peer.client);
    struct strbuf asked;
    strbuf_init(&asked, 0);
    struct message *m = message_new(w->pipeline, &peer, NULL);
    assert_non_null(m);
    message_helo(m, SLICE("host.late.example"));
    message_mail(m, SLICE("<a@late.example>"), SLICE_EMPTY);
    message_write_dns(m, 0, &asked); /* answers come later: what is asked by now did not wait for one */
    static const char *const first[] = { "$ANSWER late.example. TXT ", "$ANSWER late.example. MX ", "$ANSWER host.late.example. TXT ",
                                         "$ANSWER host.late.example. A " };
    for (size_t i = 0; i < COUNT(first); i++)
        if (strstr(strbuf_str(&asked), first[i]) == NULL)
            fail_msg("%s is not among %s", first[i], strbuf_str(&asked));
    message_rcpt(m, SLICE("<b@receiver.example>"));
    message_header(m, SLICE("From"), SLICE(" a@late.example"));
    message_eoh(m);
    const struct verdict *v = message_eom(m);
    assert_non_null(v);
    assert_int_equal(v->record->spf->result, SPF_PASS);
    assert_int_equal(v->record->spf_helo->result, SPF_PASS);
    message_free(m);
    strbuf_clear(&asked);
}

static void
chunks_change_nothing(void **state)
{
    struct world *w = *state;
    static const size_t chunks[] = { 1, 2, 3, 7, SIZE_MAX };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf whole, cut;
        struct run r = { .steps = -1 };
        strbuf_init(&whole, 0);
        strbuf_init(&cut, 0);
        assert_true(judge(w, i, &r, &whole));
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct run c = { .steps = -1, .chunk = chunks[k], .random = (uint32_t)k };
            strbuf_reset(&cut);
            assert_true(judge(w, i, &c, &cut));
            if (!slice_eq(strbuf_slice(&whole), strbuf_slice(&cut)))
                fail_msg("%s in chunks of %zu: %s", cases[i].label, chunks[k], strbuf_str(&cut));
        }
        strbuf_clear(&whole);
        strbuf_clear(&cut);
    }
}

static void
a_message_may_be_given_up_anywhere(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf out;
        strbuf_init(&out, 0);
        bool whole = false;
        for (long steps = 0; !whole; steps++) {
            struct run r = { .steps = steps, .chunk = 5 };
            whole = judge(w, i, &r, &out);
        }
        strbuf_clear(&out);
    }
}

static bool
is_tempfail(slice described)
{
    return slice_starts(described, SLICE("tempfail "));
}

/* The action and the DMARC result; what stands behind them may name a method that could not be finished. */
static bool
same_outcome(slice a, slice b)
{
    slice action_a, dmarc_a, action_b, dmarc_b, rest;
    slice_cut(a, ' ', &action_a, &rest);
    slice_cut(rest, ' ', &dmarc_a, &rest);
    slice_cut(b, ' ', &action_b, &rest);
    slice_cut(rest, ' ', &dmarc_b, &rest);
    return slice_eq(action_a, action_b) && slice_eq(dmarc_a, dmarc_b);
}

/* The Nth allocation fails, for every N: a temporary failure or the same outcome, never another one. */
static void
memory_may_end_at_any_point(void **state)
{
    struct world *w = *state;
    nomem_counted = false;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf whole;
        struct run r = { .steps = -1 };
        strbuf_init(&whole, 0);
        assert_true(judge(w, i, &r, &whole));
        bool reached = true;
        for (long n = 1; reached; n++) {
            struct strbuf got;
            strbuf_init(&got, 0);
            struct run f = { .steps = -1 };
            nomem_in = n;
            bool judged = judge(w, i, &f, &got);
            reached = nomem_in <= 0;
            nomem_in = 0;
            assert_int_equal(strbuf_status(&got), ST_OK);
            if (judged && !is_tempfail(strbuf_slice(&got)) && !same_outcome(strbuf_slice(&got), strbuf_slice(&whole)))
                fail_msg("%s, allocation %ld: %s", cases[i].label, n, strbuf_str(&got));
            strbuf_clear(&got);
        }
        strbuf_clear(&whole);
    }
}

/* A pipeline with options of its own beside AuthservID and no exempt hosts, and messages through it. */
static struct pipeline *
pipeline_with(struct world *w, const char *option, const char *second, const char *third)
{
    const char *const overrides[] = { "AuthservID=mx.test", "IgnoreHosts=", option, second, third };
    size_t n = third != NULL ? 5 : second != NULL ? 4 : option != NULL ? 3 : 2;
    struct strbuf errors;
    struct config *c;
    strbuf_init(&errors, 0);
    if (config_load(NULL, overrides, n, &errors, &c) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    const struct pipeline_parts parts = { .config = c, .resolver = w->resolver, .keys = w->keys, .now = 1528637909 };
    struct pipeline *p = pipeline_new(&parts, &errors);
    assert_non_null(p);
    config_release(c); /* the pipeline has a count of its own */
    strbuf_clear(&errors);
    return p;
}

static struct message *
message_of(struct pipeline *p, const char *ip, const char *name, const char *mta_name)
{
    struct peer peer = { .name = slice_from(name), .mta_name = slice_from(mta_name), .daemon_name = SLICE_EMPTY };
    assert_true(netaddr_parse(slice_from(ip), &peer.client));
    struct message *m = message_new(p, &peer, NULL);
    assert_non_null(m);
    return m;
}

/* With SPFReject, so that MAIL is answered as well; what the last answer is. */
static struct reply
answer_of(struct pipeline *p, size_t header_octets, const struct verdict **v, struct message **m)
{
    static char value[100000];
    struct peer peer = { .name = SLICE("x"), .mta_name = SLICE_EMPTY, .daemon_name = SLICE_EMPTY };
    netaddr_parse(SLICE("203.0.113.5"), &peer.client);
    memset(value, 'x', sizeof(value));
    *v = NULL;
    ARMED(*m = message_new(p, &peer, NULL));
    if (*m == NULL)
        return (struct reply){ .kind = REPLY_CONTINUE };
    struct reply r;
    ARMED(r = message_helo(*m, SLICE("mx.client.example")));
    if (r.kind == REPLY_CONTINUE)
        ARMED(r = message_mail(*m, SLICE("<a@bank.example>"), SLICE_EMPTY));
    if (r.kind != REPLY_CONTINUE)
        return r;
    ARMED(message_header(*m, SLICE("Authentication-Results"), SLICE(" mx.test; dmarc=pass")));
    ARMED(message_header(*m, SLICE("From"), SLICE(" a@bank.example")));
    for (; header_octets > 0; header_octets -= header_octets < sizeof(value) ? header_octets : sizeof(value))
        ARMED(message_header(*m, SLICE("X"), slice_head((slice){ value, sizeof(value) }, header_octets)));
    ARMED(message_eoh(*m));
    ARMED(*v = message_eom(*m));
    return (*v)->reply;
}

/* Memory ends, by MaximumMessageMemory or altogether: OnError says what becomes of the message, and it is never refused for it. */
static void
trouble_of_ours_is_answered_by_OnError(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *on_error;
        enum reply_kind kind;
        enum action action;
    } answers[] = { { "OnError=tempfail", REPLY_TEMPFAIL, ACTION_TEMPFAIL }, { "OnError=accept", REPLY_ACCEPT, ACTION_ACCEPT } };
    nomem_counted = false;
    for (size_t i = 0; i < COUNT(answers); i++) {
        const struct verdict *v;
        struct message *m;
        struct pipeline *p = pipeline_with(w, "MaximumMessageMemory=1M", answers[i].on_error, NULL);
        assert_int_equal(answer_of(p, 0, &v, &m).kind, REPLY_REJECT); /* p=reject, and room enough */
        message_free(m);
        struct reply r = answer_of(p, 1200000, &v, &m);
        assert_int_equal(r.kind, answers[i].kind);
        assert_int_equal(v->record->action, answers[i].action);
        assert_true(slice_eq(v->record->why, SLICE("out of memory")));
        assert_true(r.kind == REPLY_ACCEPT ? r.code == NULL : r.code[0] == '4');
        message_free(m);
        pipeline_release(p);
        p = pipeline_with(w, "SPFReject=fail", answers[i].on_error, NULL);
        bool reached = true;
        for (long n = 1; reached; n++) { /* RFC 7208 8.4: 550, at MAIL, unless memory ends */
            nomem_in = n;
            r = answer_of(p, 0, &v, &m);
            reached = nomem_in <= 0;
            nomem_in = 0;
            bool undecided = v != NULL && v->record->dmarc.result == DMARC_TEMPERROR && r.kind == REPLY_CONTINUE;
            bool by_option = r.kind == answers[i].kind || (answers[i].kind == REPLY_ACCEPT && undecided);
            if (m != NULL && r.kind != REPLY_REJECT && !by_option)
                fail_msg("%s, allocation %ld: %d", answers[i].on_error, n, (int)r.kind);
            message_free(m);
        }
        assert_int_equal(r.kind, REPLY_REJECT);
        pipeline_release(p);
    }
}

/* R9: at n - 1, n and n + 1.  What cannot be looked at whole is not let through, as a forged result may stand in the rest; not
 * even where policies are only watched. */
static void
headers_beyond_the_limits_are_refused(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *limit;
        size_t fields, octets; /* "X:" and what follows it; each field; beside the From of 20 octets */
        bool refused;
    } sizes[] = {
        { "MaximumHeaderFields=100", 98, 3, false },
        { "MaximumHeaderFields=100", 99, 3, false },
        { "MaximumHeaderFields=100", 100, 3, true },
        { "MaximumHeaderBytes=64K", 1, 65536 - 20 - 1, false },
        { "MaximumHeaderBytes=64K", 1, 65536 - 20, false },
        { "MaximumHeaderBytes=64K", 1, 65536 - 20 + 1, true },
        { "MaximumHeaderBytes=64K", 2, 65536, true },
    };
    static const char from[] = " a@none.example";
    static char value[65536];
    memset(value, 'x', sizeof(value));
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (int monitored = 0; monitored < 2; monitored++) {
            struct pipeline *p = pipeline_with(w, sizes[i].limit, monitored ? "Enforcement=monitor" : "Enforcement=full", NULL);
            struct message *m = message_of(p, "203.0.113.5", "x", "");
            message_mail(m, SLICE("<a@none.example>"), SLICE_EMPTY);
            message_header(m, SLICE("From"), slice_from(from));
            for (size_t k = 0; k < sizes[i].fields; k++)
                message_header(m, SLICE("X"), (slice){ value, sizes[i].octets - 2 });
            message_eoh(m);
            const struct verdict *v = message_eom(m);
            if ((v->reply.kind == REPLY_REJECT) != sizes[i].refused || (v->record->action == ACTION_REJECT) != sizes[i].refused)
                fail_msg("%s, %zu fields of %zu: %s", sizes[i].limit, sizes[i].fields, sizes[i].octets, action_name(v->record->action));
            if (sizes[i].refused)
                assert_string_equal(v->reply.code, "552");
            message_free(m);
            pipeline_release(p);
        }
}

/* Each domain once, in the order of RCPT; as many as the MTA takes, and compared no more often for that (R34). */
static void
recipients_are_kept_by_domain(void **state)
{
    struct world *w = *state;
    enum { DOMAINS = 3000 };
    struct pipeline *p = pipeline_with(w, NULL, NULL, NULL);
    struct message *m = message_of(p, "192.0.2.7", "x", "");
    message_mail(m, SLICE("<a@bank.example>"), SLICE_EMPTY);
    char path[64];
    comparisons = 0;
    for (unsigned i = 0; i < 3 * DOMAINS; i++) {
        snprintf(path, sizeof(path), "<u%u@%s%u.example>", i, i % 2 == 0 ? "d" : "D", i % DOMAINS);
        message_rcpt(m, slice_from(path));
    }
    assert_true(comparisons < 30 * DOMAINS); /* one after the other: millions */
    message_header(m, SLICE("From"), SLICE(" a@bank.example"));
    const struct verdict *v = message_eom(m);
    assert_int_equal(v->record->n_rcpt_domains, DOMAINS);
    for (unsigned i = 0; i < DOMAINS; i++) {
        snprintf(path, sizeof(path), "d%u.example", i);
        assert_true(slice_eq(v->record->rcpt_domains[i], slice_from(path)));
    }
    message_free(m);
    pipeline_release(p);
}

/* RFC 8601 2.5: one id for each administrative unit; hosts that share the daemon may each have their own. */
static void
the_name_may_come_from_the_mta(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *told, *id;
    } macros[] = { { "mx7.Test", " mx7.test;" }, { "", " mx.test;" }, { "no name at all", " mx.test;" } };
    struct pipeline *p = pipeline_with(w, "AuthservIDMacro=j", NULL, NULL);
    for (size_t i = 0; i < COUNT(macros); i++) {
        struct message *m = message_of(p, "192.0.2.7", "x", macros[i].told);
        message_mail(m, SLICE("<a@bank.example>"), SLICE_EMPTY);
        message_header(m, SLICE("Authentication-Results"), SLICE(" MX7.test; dmarc=pass"));
        message_header(m, SLICE("Authentication-Results"), SLICE(" mx.test; dmarc=pass"));
        message_header(m, SLICE("From"), SLICE(" a@bank.example"));
        message_eoh(m);
        const struct verdict *v = message_eom(m);
        assert_int_equal(v->n_deletes, i == 0 ? 2 : 1);
        assert_true(slice_starts(v->inserts[v->n_inserts - 1].value, slice_from(macros[i].id)));
        message_free(m);
    }
    pipeline_release(p);
}

/* RFC 8601 5: what claims to be ours goes, from wherever; what claims to be of an id that we trust stays if it comes from inside,
 * and if nobody can read it as ours; what is of a version that nobody knows goes unless it comes from inside. */
static void
fields_that_claim_to_be_ours_go(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *label, *value;
        bool from_outside, from_inside; /* it is deleted */
    } fields[] = {
        { "ours", " mx.test; dmarc=pass header.from=a.example", true, true },
        { "somebody else's", " other.test; dmarc=pass header.from=a.example", false, false },
        { "of a trusted id", " relay.test; dmarc=pass header.from=a.example", true, false },
        { "of a trusted id, in other letters", " Relay.Test 1 (x); none", true, false },
        { "of a trusted id, but not of this grammar", " relay.test dmarc pass", true, false },
        { "ours behind a comment that some end early", " (\\)relay.test;) mx.test; dmarc=pass", true, true },
        { "ours before a comment that does not end", " mx.test (relay.test; dmarc=pass", true, true },
        { "an encoded word, which may say anything", " =?us-ascii?q?mx.test?=; dmarc=pass", true, true },
        { "another version", " other.test 2; dmarc=pass header.from=a.example", true, false },
    };
    struct pipeline *p = pipeline_with(w, "InternalHosts=192.0.2.7", "TrustedAuthservIDs=relay.test", NULL);
    for (size_t i = 0; i < COUNT(fields); i++)
        for (int inside = 0; inside < 2; inside++) {
            struct message *m = message_of(p, inside ? "192.0.2.7" : "192.0.2.8", "x", "");
            message_mail(m, SLICE("<a@bank.example>"), SLICE_EMPTY);
            message_header(m, SLICE("authentication-results"), slice_from(fields[i].value));
            message_header(m, SLICE("From"), SLICE(" a@bank.example"));
            message_eoh(m);
            if ((message_eom(m)->n_deletes > 0) != (inside ? fields[i].from_inside : fields[i].from_outside))
                fail_msg("%s, from %s", fields[i].label, inside ? "inside" : "outside");
            message_free(m);
        }
    pipeline_release(p);
    /* where several hosts write under one id, those inside may be told to be believed: it is then listed as well */
    p = pipeline_with(w, "InternalHosts=192.0.2.7", "TrustedAuthservIDs=mx.test", NULL);
    struct message *m = message_of(p, "192.0.2.7", "x", "");
    message_mail(m, SLICE("<a@bank.example>"), SLICE_EMPTY);
    message_header(m, SLICE("Authentication-Results"), SLICE(" mx.test; dmarc=pass header.from=a.example"));
    message_header(m, SLICE("Authentication-Results"), SLICE(" mx.test (relay.test; dmarc=pass"));
    message_header(m, SLICE("From"), SLICE(" a@bank.example"));
    message_eoh(m);
    const struct verdict *v = message_eom(m);
    assert_int_equal(v->n_deletes, 1);
    assert_int_equal(v->deletes[0].nth, 2);
    message_free(m);
    pipeline_release(p);
}

/* A rule on recipients has to know of those that are in no list of domains (RFC 5321 4.1.3, 4.5.1). */
static void
recipients_without_a_name_are_noticed(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *path;
        bool without_name;
    } more[] = { { "<c@other.example>", false }, { "<c@b\xc3\xbc" "cher.example>", false }, { "<Postmaster>", true },
                 { "<c@[192.0.2.25]>", true }, { "<c@[IPv6:2001:db8::25]>", true }, { "c", true } };
    struct pipeline *p = pipeline_with(w, NULL, NULL, NULL);
    for (size_t i = 0; i < COUNT(more); i++) {
        struct message *m = message_of(p, "192.0.2.7", "x", "");
        message_mail(m, SLICE("<a@bank.example>"), SLICE_EMPTY);
        message_rcpt(m, SLICE("<b@receiver.example>"));
        message_rcpt(m, slice_from(more[i].path));
        message_header(m, SLICE("From"), SLICE(" a@bank.example"));
        message_eoh(m);
        const struct record *r = message_eom(m)->record;
        if (r->rcpt_without_name != more[i].without_name || r->n_rcpt_domains != (more[i].without_name ? 1 : 2))
            fail_msg("%s: %d, %zu domains", more[i].path, r->rcpt_without_name, r->n_rcpt_domains);
        message_free(m);
    }
    pipeline_release(p);
}

/* libspf2 follows a redirect= that RFC 7208 6.1 has ignored beside "all", and so says pass: that is written down, and changes
 * what is done with the message only where SecondOpinion is veto. */
static void
a_second_opinion_counts_where_it_has_a_veto(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *option;
        enum action want;
    } opinions[] = { { "SecondOpinion=off", ACTION_REJECT }, { "SecondOpinion=log", ACTION_REJECT }, { "SecondOpinion=veto", ACTION_QUARANTINE } };
    if (second_spf() == NULL)
        skip();
    for (size_t i = 0; i < COUNT(opinions); i++) {
        struct pipeline *p = pipeline_with(w, opinions[i].option, NULL, NULL);
        struct message *m = message_of(p, "203.0.113.5", "unknown", "");
        message_helo(m, SLICE("mx.client.example"));
        message_mail(m, SLICE("<a@early.example>"), SLICE_EMPTY);
        message_header(m, SLICE("From"), SLICE(" a@early.example"));
        message_eoh(m);
        const struct verdict *v = message_eom(m);
        assert_int_equal(v->record->spf->result, SPF_FAIL); /* never anybody else's result */
        assert_int_equal(v->record->dmarc.result, DMARC_FAIL);
        if (v->record->action != opinions[i].want)
            fail_msg("%s: %s", opinions[i].option, action_name(v->record->action));
        message_free(m);
        pipeline_release(p);
    }
}

/* RequiredHeaders refuses what RFC 5322 3.6 does not allow, but nobody who is exempt and nobody where nothing is enforced; and a
 * name makes exempt only if it leads back to the client (RFC 8601 3): anybody can give his address a name of somebody else's. */
static void
exempt_is_who_leads_back(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *label, *ip, *name, *list, *enforcement;
        unsigned dates;
        enum action want;
    } cases_of_it[] = {
        { "no Date", "203.0.113.5", "unknown", "IgnoreHosts=", "Enforcement=full", 0, ACTION_REJECT },
        { "nothing is missing", "203.0.113.5", "unknown", "IgnoreHosts=", "Enforcement=full", 1, ACTION_ACCEPT },
        { "one too many", "203.0.113.5", "unknown", "IgnoreHosts=", "Enforcement=full", 2, ACTION_REJECT },
        { "monitored", "203.0.113.5", "unknown", "IgnoreHosts=", "Enforcement=monitor", 0, ACTION_ACCEPT },
        { "exempt by address", "203.0.113.5", "unknown", "IgnoreHosts=203.0.113.5", "Enforcement=full", 0, ACTION_ACCEPT },
        { "exempt by a name that leads back", "192.0.2.200", "mx.bank.example", "IgnoreHosts=mx.bank.example", "Enforcement=full", 0,
          ACTION_ACCEPT },
        { "a name that does not", "192.0.2.201", "mx.bank.example", "IgnoreHosts=mx.bank.example", "Enforcement=full", 0,
          ACTION_REJECT },
    };
    for (size_t i = 0; i < COUNT(cases_of_it); i++) {
        struct pipeline *p = pipeline_with(w, "RequiredHeaders=yes", cases_of_it[i].list, cases_of_it[i].enforcement);
        struct message *m = message_of(p, cases_of_it[i].ip, cases_of_it[i].name, "");
        message_mail(m, SLICE("<a@none.example>"), SLICE_EMPTY);
        message_header(m, SLICE("From"), SLICE(" a@none.example"));
        for (unsigned k = 0; k < cases_of_it[i].dates; k++)
            message_header(m, SLICE("Date"), SLICE(" Mon, 11 Jun 2018 12:00:00 +0000"));
        message_eoh(m);
        const struct verdict *v = message_eom(m);
        if (v->record->action != cases_of_it[i].want || (v->reply.kind == REPLY_REJECT) != (cases_of_it[i].want == ACTION_REJECT))
            fail_msg("%s: %s", cases_of_it[i].label, action_name(v->record->action));
        message_free(m);
        pipeline_release(p);
    }
}

/* RFC 7208 8.4, 8.6, 8.7 and RFC 7372 3.2: 550 5.7.23 for a fail, 550 5.7.24 for permerror, 451 4.4.3 for temperror. */
static void
spf_refuses_early_where_it_is_told_to(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *helo, *mail_from, *code, *xcode;
        enum reply_kind kind;
    } mails[] = {
        { "mx.client.example", "<a@bank.example>", "550", "5.7.23", REPLY_REJECT },
        { "bank.example", "<x@none.example>", "550", "5.7.23", REPLY_REJECT },
        { "bank.example", "<>", "550", "5.7.23", REPLY_REJECT },
        { "mx.client.example", "<a@broken.example>", "550", "5.7.24", REPLY_REJECT },
        { "mx.client.example", "<a@slow.example>", "451", "4.4.3", REPLY_TEMPFAIL },
        { "mx.client.example", "<x@none.example>", NULL, NULL, REPLY_CONTINUE },
    };
    struct pipeline *p = pipeline_with(w, "SPFReject=fail, permerror, temperror", "SPFRejectHelo=fail", NULL);
    for (size_t i = 0; i < COUNT(mails); i++) {
        struct message *m = message_of(p, "203.0.113.5", "x", "");
        message_helo(m, slice_from(mails[i].helo));
        struct reply r = message_mail(m, slice_from(mails[i].mail_from), SLICE_EMPTY);
        if (r.kind != mails[i].kind)
            fail_msg("%s %s: %d %s", mails[i].helo, mails[i].mail_from, (int)r.kind, r.text == NULL ? "" : r.text);
        if (r.kind != REPLY_CONTINUE) {
            assert_string_equal(r.code, mails[i].code);
            assert_string_equal(r.xcode, mails[i].xcode);
        }
        message_free(m);
    }
    pipeline_release(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_those_of_the_rfcs), cmocka_unit_test(chunks_change_nothing),
        cmocka_unit_test(a_message_may_be_given_up_anywhere), cmocka_unit_test(memory_may_end_at_any_point),
        cmocka_unit_test(the_name_may_come_from_the_mta), cmocka_unit_test(exempt_is_who_leads_back),
        cmocka_unit_test(recipients_without_a_name_are_noticed), cmocka_unit_test(fields_that_claim_to_be_ours_go),
        cmocka_unit_test(a_second_opinion_counts_where_it_has_a_veto),
        cmocka_unit_test(recipients_are_kept_by_domain),
        cmocka_unit_test(trouble_of_ours_is_answered_by_OnError), cmocka_unit_test(headers_beyond_the_limits_are_refused),
        cmocka_unit_test(likely_names_are_asked_with_the_record),
        cmocka_unit_test(spf_refuses_early_where_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
