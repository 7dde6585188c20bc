/*
 * test_policy_nomem.c - every allocation of milter/dmarc and of the policy in milter/pipeline failed in turn, until a run
 * needs no more of them: no crash, no leak, ST_NOMEM or an error in words, and never half a verdict.
 */
#include "test.h"

#include "autoconf.h"
#include "dmarc/psl.h"
#include "dmarc/record.h"
#include "dns/zone.h"
#include "pipeline/deferrals.h"
#include "pipeline/policy.h"
#include "nomem.h"

/* Runs with the 1st, 2nd, ... allocation failing; true from `run`: everything worked. */
static void
fail_each(bool (*run)(void))
{
    bool worked = false;
    long n = 0;
    while (!worked) {
        nomem_in = ++n;
        worked = run();
        if (nomem_in > 0) { /* none failed any more */
            assert_true(worked);
            break;
        }
        worked = false;
    }
    nomem_in = 0;
    assert_true(n > 1);
}

/* ---- what is allocated from the heap */

static bool
read_rules(void)
{
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct rules *r = rules_parse(
        SLICE("rule a: from .example.org a b c d e f, client 192.0.2.1 .example.net, not list, any, any, any -> tag\n"
              "rule b: list-id .x, sealer trusted y, dmarc fail any -> accept reason other \"why\"\n"
              "rule c: any -> tag\nrule d: any -> tag\nrule e: any -> tag\nrule f: any -> tag\nrule g: any -> tag\n"
              "rule h: any -> tag\nrule i: any -> tag\nrule j: any -> tag\nrule k: any -> tag\nrule l: any -> tag\n"
              "rule m: any -> tag\nrule n: any -> tag\nrule o: any -> tag\nrule p: any -> tag\nrule q: any -> tag\n"),
        "f", &errors);
    if (r != NULL)
        assert_int_equal(rules_count(r), 17);
    rules_free(r);
    strbuf_clear(&errors);
    return r != NULL;
}

static bool
read_sealers(void)
{
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct sealers *s = sealers_parse(SLICE("a.example from b.example c d e f g, client 192.0.2.1 .d.example\nb\nc\nd\ne\nf\ng\n"
                                            "h\ni\nj\nk\nl\nm\nn\no\np\nq\n"),
                                      "f", &errors);
    if (s != NULL)
        assert_int_equal(sealers_count(s), 17);
    sealers_free(s);
    strbuf_clear(&errors);
    return s != NULL;
}

static bool
load_rules(void)
{
    const char *top = getenv("srcdir");
    char path[1024];
    struct strbuf errors;
    snprintf(path, sizeof(path), "%s/conf/examples/own-domain.rules", top == NULL ? "." : top);
    strbuf_init(&errors, 0);
    struct rules *r = rules_load(path, &errors);
    rules_free(r);
    strbuf_clear(&errors);
    return r != NULL;
}

static bool
make_table(void)
{
    struct deferrals *d = deferrals_new();
    deferrals_free(d);
    return d != NULL;
}

#ifdef HAVE_PSL
static bool
load_list(void)
{
    struct dmarc_psl *p = NULL;
    enum status st = dmarc_psl_load(NULL, &p);
    assert_true((st == ST_OK) == (p != NULL));
    dmarc_psl_free(p);
    return st == ST_OK;
}
#endif

static void
test_heap(void **state)
{
    (void)state;
    fail_each(read_rules);
    fail_each(read_sealers);
    fail_each(make_table);
#ifdef HAVE_PSL
    nomem_in = 1; /* the library's own allocations are its own affair */
    assert_false(load_list());
    nomem_in = 0;
    assert_true(load_list());
#endif
}

static void
test_files(void **state)
{
    (void)state;
    fail_each(load_rules);
}

/* ---- what is allocated from the message's arena */

#define BLOCK ((size_t)32768)

static struct arena *
arena_with(size_t room)
{
    struct arena *a = arena_new(BLOCK);
    assert_non_null(a);
    assert_non_null(arena_alloc(a, BLOCK - room));
    return a;
}

static void
with_ever_more_room(enum status (*attempt)(struct arena *a))
{
    bool worked = false;
    for (size_t room = 0; room < BLOCK; room += 16) {
        struct arena *a = arena_with(room);
        enum status st = attempt(a);
        assert_true(st == ST_OK || st == ST_NOMEM); /* questions begun ahead take room too, so it is not all monotone */
        worked = st == ST_OK;
        arena_free(a);
    }
    assert_true(worked);
}

static enum status
read_record(struct arena *a)
{
    struct dmarc_record r;
    return dmarc_record_parse(
        a, SLICE("v=DMARC1; p=x; rua=mailto:a@b.example,c; ruf=mailto:d@e.example; t=q; t=y; fo=9"), &r);
}

static const char zone[] = "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=quarantine; np=none; rua=mailto:a@example.com\"\n"
                           "_dmarc.two.example TXT \"v=DMARC1; p=bad\"\n$STATUS _dmarc.late.example TXT servfail\n";

static enum status
evaluate(struct arena *a, const char *author, bool several)
{
    const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 120 };
    struct resolver *resolver = NULL;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_int_equal(resolver_zone_new(slice_from(zone), &errors, &resolver), ST_OK);
    struct dns_session *dns = dns_session_new(resolver, &limits);
    const struct spf_outcome spf = { .result = SPF_PASS, .domain = SLICE("c.b.example.com") };
    const struct dkim_result dkim[] = { { .result = DKIM_FAIL, .d = SLICE("x.example.com") },
                                        { .result = DKIM_PASS, .d = SLICE("example.net") },
                                        { .result = DKIM_PASS, .d = SLICE("y.com") },
                                        { .result = DKIM_FAIL },
                                        { .result = DKIM_FAIL },
                                        { .result = DKIM_FAIL } };
    struct dmarc_input in = { .author_domain = slice_from(author), .spf = &spf, .dkim = dkim, .n_dkim = COUNT(dkim) };
    struct dmarc_result r = { .result = DMARC_PERMERROR, .reason = SLICE("untouched") };
    const slice authors[] = { slice_from(author), SLICE("late.example") };
    static size_t room_ahead;
    struct arena *ahead = arena_with(room_ahead += 16); /* it may come to nothing, and that changes nothing */
    room_ahead %= 1024;
    dmarc_prefetch(ahead, dns, in.author_domain);
    enum status st = several ? dmarc_evaluate_several(a, dns, &in, authors, 2, NULL, &r) : dmarc_evaluate(a, dns, &in, NULL, &r);
    if (st != ST_OK)
        assert_slice(r.reason, "untouched");
    else
        assert_true(r.reason.p != NULL && (several || (r.result == DMARC_PASS) == (strcmp(author, "a.example.com") == 0)));
    dns_session_free(dns);
    arena_free(ahead);
    resolver_free(resolver);
    strbuf_clear(&errors);
    return st;
}

static enum status
evaluate_pass(struct arena *a)
{
    return evaluate(a, "a.example.com", false);
}

static enum status
evaluate_bad(struct arena *a)
{
    return evaluate(a, "two.example", false);
}

static enum status
evaluate_late(struct arena *a)
{
    return evaluate(a, "late.example", false);
}

static enum status
evaluate_other(struct arena *a)
{
    return evaluate(a, "other.example", true);
}

static struct rules *rules;
static struct sealers *sealers;
static bool contradicted;

static enum status
decide(struct arena *a)
{
    static const struct arc_set set = { .instance = 1,
                                        .seal_d = { "relay.example", 13 },
                                        .seal_s = { "s", 1 },
                                        .aar_payload = { "r.example; dmarc=pass header.from=bank.example", 46 } };
    struct record m = { .header_from = SLICE("bank.example"),
                        .arc = { .status = ARC_PASS, .sets = 1, .chain = &set },
                        .dmarc = { .result = DMARC_FAIL, .policy = DMARC_POLICY_REJECT, .disposition = DMARC_POLICY_REJECT,
                                   .reason = SLICE("no aligned pass") } };
    struct config c;
    struct policy_outcome o;
    memset(&c, 0, sizeof(c));
    memset(&o, 0x5a, sizeof(o));
    const struct policy_outcome before = o;
    struct policy_input in = { .record = &m, .contradicted = contradicted };
    enum status st = policy_decide(a, &c, rules, sealers, &in, NULL, &o);
    if (st != ST_OK)
        assert_memory_equal(&o, &before, sizeof(o));
    else
        assert_true(o.why.n > 0 && (o.action == ACTION_REJECT) == (o.reply.text != NULL) &&
                    (o.action == ACTION_QUARANTINE) == (o.hold != NULL) &&
                    o.arc_trusted == (sealers != NULL)); /* what could not be read is not taken for a sealer's silence */
    return st;
}

static void
test_arena(void **state)
{
    (void)state;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    with_ever_more_room(read_record);
    with_ever_more_room(evaluate_pass);
    with_ever_more_room(evaluate_bad);
    with_ever_more_room(evaluate_late);
    with_ever_more_room(evaluate_other);
    with_ever_more_room(decide); /* refused */
    contradicted = true;
    with_ever_more_room(decide); /* held */
    sealers = sealers_parse(SLICE("relay.example\n"), "f", &errors);
    with_ever_more_room(decide); /* let pass on a sealer's word */
    rules = rules_parse(SLICE("rule r: any -> tag reason other \"x\"\n"), "f", &errors);
    with_ever_more_room(decide);
    rules_free(rules);
    sealers_free(sealers);
    strbuf_clear(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
