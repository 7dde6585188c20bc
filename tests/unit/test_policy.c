/*
 * test_policy.c - the whole decision as a table: result x policy x enforcement x quarantine action x rule x list traffic x
 * sealer x exemption x second opinion x author, every combination.
 *
 * Two things are held against every outcome.  First an oracle: a list of sentences in order of precedence, each with the
 * place it comes from, that says for itself what has to happen; it shares nothing with the code but the words.  Second a
 * set of laws, sentences of the RFCs with MUST in them, each looked at by itself.
 */
#include "test.h"

#include "base/strbuf.h"
#include "pipeline/policy.h"

enum doing { ACCEPT, TAG, QUARANTINE, DEFER, REFUSE };

struct situation {
    enum dmarc_result_code result;
    enum dmarc_policy published;
    bool t_y;
    enum enforcement enforcement;
    enum quarantine_action quarantine_action;
    int rule; /* -1: none; otherwise enum rule_action */
    bool dry_run;
    bool list, sealer, exempt, contradicted;
    int author; /* 0: one; 1..3: none, by enum author_action; 4..6: several */
    enum trouble_action on_temp_error;
    unsigned deferrals;
};

/* ---- the oracle */

/* "if the policy is reject and the value of the t tag is y, a policy of quarantine will be applied ..." (RFC 9989 4.7) */
static enum dmarc_policy
asked_for(const struct situation *s)
{
    if (s->result != DMARC_FAIL || s->published == DMARC_POLICY_UNSET)
        return DMARC_POLICY_NONE;
    if (!s->t_y)
        return s->published;
    return s->published == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
}

static bool
rule_in_force(const struct situation *s)
{
    /* a rule is meant for mail that does not pass (vidimus-rules(5)); a dry-run rule changes nothing; continue leaves it */
    return s->rule >= 0 && !s->dry_run && s->rule != RULE_CONTINUE && s->result != DMARC_PASS;
}

static enum doing
after_deferrals(const struct situation *s)
{
    return s->on_temp_error == TROUBLE_TEMPFAIL && s->deferrals < POLICY_MAX_DEFERRALS ? DEFER : ACCEPT;
}

static enum doing
author_says(const struct situation *s)
{
    static const enum doing words[] = { ACCEPT, REFUSE, QUARANTINE, ACCEPT, REFUSE, QUARANTINE, ACCEPT };
    return words[s->author];
}

static enum doing
policy_says(const struct situation *s)
{
    switch (asked_for(s)) {
    case DMARC_POLICY_QUARANTINE:
        return QUARANTINE;
    case DMARC_POLICY_REJECT:
        return REFUSE;
    default:
        return ACCEPT;
    }
}

/* What happens before Enforcement and QuarantineAction have their say; *gently: as a quarantine it must stay one. */
static enum doing
judged(const struct situation *s, bool *gently, bool *by_author)
{
    *gently = *by_author = false;
    if (rule_in_force(s)) { /* "The final handling of any message is always a matter of local policy" (5.4) */
        static const enum doing actions[] = { ACCEPT, TAG, QUARANTINE, REFUSE, DEFER };
        enum doing d = actions[s->rule];
        /* "the Domain Owner Assessment Policy cannot be applied to the message" (5.3.6): nothing final */
        if (d == REFUSE && s->result == DMARC_TEMPERROR)
            return after_deferrals(s);
        if (d == REFUSE && s->contradicted) {
            *gently = true;
            return QUARANTINE;
        }
        return d;
    }
    /* "care must be taken ... to recognize such messages as the threats they might be" (11.5); "apply the most strict
     * policy selected among the checks that fail" */
    enum doing policy = s->result == DMARC_TEMPERROR ? after_deferrals(s) : policy_says(s);
    if (s->author > 0) {
        enum doing author = author_says(s);
        *by_author = policy == DEFER ? author != ACCEPT : author >= policy;
        if (*by_author)
            return author;
    }
    if (s->result == DMARC_TEMPERROR)
        return policy;
    if (policy != ACCEPT && s->sealer) /* RFC 8617 7.2: local policy may take a trusted chain's word */
        return ACCEPT;
    if (policy == REFUSE && (s->list || s->contradicted)) { /* 7.4: list traffic; design: a contradicted result */
        *gently = true;
        return QUARANTINE;
    }
    return policy;
}

static enum doing
oracle(const struct situation *s)
{
    bool gently, by_author;
    if (s->exempt)
        return ACCEPT;
    enum doing d = judged(s, &gently, &by_author);
    if (s->enforcement == ENFORCE_MONITOR) /* nothing is refused, everything is said */
        return d == TAG ? TAG : ACCEPT;
    if (s->enforcement == ENFORCE_QUARANTINE && d == REFUSE && !rule_in_force(s)) { /* reject is lowered */
        gently = true;
        d = QUARANTINE;
    }
    bool trouble = s->result == DMARC_TEMPERROR;
    if (d == QUARANTINE && s->quarantine_action == QUARANTINE_REJECT && !gently && !trouble)
        return REFUSE;
    return d;
}

/* ---- the laws */

static bool
printable(const char *p)
{
    for (; *p != '\0'; p++)
        if (*p < 0x20 || *p > 0x7e)
            return false;
    return true;
}

static bool
is_override_type(slice t)
{
    static const char *const types[] = { "local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder" };
    for (size_t i = 0; i < COUNT(types); i++)
        if (slice_eq(t, slice_from(types[i])))
            return true;
    return false;
}

/* NULL: every law holds; otherwise the one that does not. */
static const char *
broken_law(const struct situation *s, const struct policy_outcome *o)
{
    bool plain = s->rule < 0 && s->author == 0;
    bool touched = o->action != ACTION_ACCEPT || o->hold != NULL || o->tag.n > 0;
    if (plain && s->result == DMARC_FAIL && s->published == DMARC_POLICY_NONE && touched)
        return "RFC 9989 5.4: policies of p=none MUST NOT modify existing mail handling";
    if (s->author == 0 && s->result == DMARC_TEMPERROR && o->action == ACTION_REJECT)
        return "RFC 9989 5.3.6: with DNS trouble the policy cannot be applied";
    if (plain && s->list && o->action == ACTION_REJECT && s->published == DMARC_POLICY_REJECT && s->result == DMARC_FAIL &&
        !s->t_y)
        return "RFC 9989 7.4: MUST NOT reject solely on the basis of p=reject";
    if (plain && (s->result == DMARC_PASS || s->result == DMARC_NONE) && touched)
        return "RFC 9989 5.3.2, 5.3.5: nothing to apply";
    if (s->result == DMARC_PASS && s->author == 0 && touched)
        return "a rule that names no result does not touch mail that passes";
    if (s->enforcement == ENFORCE_MONITOR && (o->action != ACTION_ACCEPT || o->hold != NULL))
        return "monitoring refuses nothing";
    if (s->exempt && touched)
        return "an exempt client is not refused";
    if (s->contradicted && s->author == 0 && o->action == ACTION_REJECT &&
        !(s->quarantine_action == QUARANTINE_REJECT && (s->rule == RULE_QUARANTINE || asked_for(s) == DMARC_POLICY_QUARANTINE)))
        return "a contradicted result is not refused";
    if (o->disposition != (o->action == ACTION_REJECT       ? DMARC_POLICY_REJECT
                           : o->action == ACTION_QUARANTINE ? DMARC_POLICY_QUARANTINE
                                                            : DMARC_POLICY_NONE))
        return "the disposition reported is what was done";
    bool deviates = s->result == DMARC_FAIL && s->published != DMARC_POLICY_UNSET && o->disposition != s->published;
    if (deviates != (o->n_overrides > 0))
        return "RFC 9990: a reason MUST be there if the applied disposition differs from the published policy";
    bool tested = false;
    for (size_t i = 0; i < o->n_overrides; i++) {
        if (!is_override_type(o->overrides[i].type))
            return "RFC 9990: type of the reason";
        tested |= slice_eq(o->overrides[i].type, SLICE("policy_test_mode"));
    }
    if (deviates && tested != (s->t_y && s->published != DMARC_POLICY_NONE))
        return "RFC 9990: policy_test_mode is for t=y";
    if ((o->action == ACTION_REJECT || o->action == ACTION_TEMPFAIL) != (o->reply.text != NULL))
        return "a refusal has a reply, nothing else has";
    if (o->reply.text != NULL && (strlen(o->reply.text) >= 500 || !printable(o->reply.text)))
        return "a reply is printable and below 500 octets";
    if (o->action == ACTION_REJECT && (strcmp(o->reply.code, "550") != 0 || strcmp(o->reply.xcode, "5.7.1") != 0))
        return "reject is 550 5.7.1";
    if (o->action == ACTION_TEMPFAIL && (strcmp(o->reply.code, "451") != 0 || strcmp(o->reply.xcode, "4.7.1") != 0))
        return "deferral is 451 4.7.1";
    if (o->action == ACTION_REJECT && s->result == DMARC_FAIL && s->author == 0 &&
        (strstr(o->reply.text, "DMARC") == NULL || strstr(o->reply.text, "bank.example") == NULL))
        return "RFC 9989 7.2: the word DMARC and the domain";
    if (o->action == ACTION_QUARANTINE &&
        (o->hold != NULL) + (o->tag.n > 0) != 1)
        return "quarantine is a hold or a header field";
    if (o->action == ACTION_QUARANTINE && (o->hold != NULL) != (s->quarantine_action == QUARANTINE_HOLD))
        return "quarantine is by choice";
    if (o->why.n == 0)
        return "there is always a reason in words";
    return NULL;
}

/* ---- all of it */

struct world {
    struct rules *rules[7][2]; /* by action + 1, dry-run */
    struct sealers *sealers;
    struct arc_set set;
    slice rcpt;
    unsigned long seen;
};

static struct rules *
one_rule(const char *action, bool dry_run)
{
    struct strbuf text, errors;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    strbuf_printf(&text, "rule r: from .example -> %s%s\n", action, dry_run ? " dry-run" : "");
    struct rules *r = rules_parse(strbuf_slice(&text), "f", &errors);
    if (r == NULL)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&text);
    strbuf_clear(&errors);
    return r;
}

static void
facts(const struct world *w, const struct situation *s, struct record *m)
{
    *m = (struct record){ .header_from = SLICE("bank.example"), .list_traffic = s->list, .exempt = s->exempt };
    m->dmarc = (struct dmarc_result){ .result = s->result,
                                      .policy = s->published,
                                      .disposition = asked_for(s),
                                      .testing = s->t_y && s->result == DMARC_FAIL && asked_for(s) != s->published,
                                      .from_domain = SLICE("bank.example"),
                                      .reason = s->result == DMARC_PASS ? SLICE_EMPTY : SLICE("no aligned pass: no signature") };
    if (s->sealer)
        m->arc = (struct arc_result){ .status = ARC_PASS, .sets = 1, .chain = &w->set };
}

static void
decide(const struct world *w, const struct situation *s, struct arena *a, struct policy_outcome *o)
{
    struct record m;
    struct config c;
    memset(&c, 0, sizeof(c));
    c.enforcement = s->enforcement;
    c.quarantine_action = s->quarantine_action;
    c.on_temp_error = s->on_temp_error;
    c.missing_author = (enum author_action)(s->author > 0 ? (s->author - 1) % 3 : 0);
    c.multiple_authors = c.missing_author;
    facts(w, s, &m);
    struct policy_input in = { .record = &m,
                               .author_problem = s->author > 0 ? "several From fields" : NULL,
                               .several_authors = s->author > 3,
                               .exempt_reason = "IgnoreHosts",
                               .contradicted = s->contradicted,
                               .contradiction = SLICE_EMPTY,
                               .deferrals = s->deferrals,
                               .now = 1795219200 };
    const struct rules *rules = s->rule < 0 ? NULL : w->rules[s->rule][s->dry_run];
    assert_int_equal(policy_decide(a, &c, rules, w->sealers, &in, NULL, o), ST_OK);
}

static void
describe(const struct situation *s, char *text, size_t n)
{
    snprintf(text, n,
             "result=%s policy=%d t=%d enforcement=%d quarantine=%d rule=%d%s list=%d sealer=%d exempt=%d contradicted=%d "
             "author=%d temperror=%d deferrals=%u",
             dmarc_result_name(s->result), s->published, s->t_y, s->enforcement, s->quarantine_action, s->rule,
             s->dry_run ? " dry-run" : "", s->list, s->sealer, s->exempt, s->contradicted, s->author, s->on_temp_error,
             s->deferrals);
}

static enum doing
done(const struct policy_outcome *o)
{
    switch (o->action) {
    case ACTION_ACCEPT:
        return o->tag.n > 0 ? TAG : ACCEPT;
    case ACTION_QUARANTINE:
        return QUARANTINE;
    case ACTION_REJECT:
        return REFUSE;
    case ACTION_TEMPFAIL:
        return DEFER;
    }
    return ACCEPT;
}

static void
look_at(struct world *w, const struct situation *s)
{
    struct arena *a = arena_new(0);
    struct policy_outcome o, full;
    char text[400];
    decide(w, s, a, &o);
    enum doing want = oracle(s);
    const char *law = broken_law(s, &o);
    describe(s, text, sizeof(text));
    if (done(&o) != want)
        fail_msg("%s: did %d, the oracle says %d (%.*s)", text, done(&o), want, SLICE_ARG(o.why));
    if (law != NULL)
        fail_msg("%s: %s (%.*s)", text, law, SLICE_ARG(o.why));
    /* what full enforcement with the rule in force does is what it would have done */
    struct situation in_full = *s;
    in_full.enforcement = ENFORCE_FULL;
    in_full.dry_run = false;
    decide(w, &in_full, a, &full);
    if (o.would != full.disposition)
        fail_msg("%s: would=%d, but it does %d", text, o.would, full.disposition);
    bool dry = s->rule >= 0 && s->dry_run && s->result != DMARC_PASS && !s->exempt;
    if ((o.dry_rule != NULL) != dry)
        fail_msg("%s: the dry-run rule is not named", text);
    w->seen++;
    arena_free(a);
}

/* Everything local, for one result with its policy. */
static void
look_around(struct world *w, struct situation s)
{
    for (int bits = 0; bits < 16; bits++)
        for (int e = 0; e < 3; e++)
            for (int q = 0; q < 3; q++)
                for (int rule = -1; rule < 12; rule++)
                    for (s.author = 0; s.author < 7; s.author++) {
                        s.list = bits & 1;
                        s.sealer = bits & 2;
                        s.exempt = bits & 4;
                        s.contradicted = bits & 8;
                        s.enforcement = (enum enforcement)e;
                        s.quarantine_action = (enum quarantine_action)q;
                        s.rule = rule < 0 ? -1 : rule / 2;
                        s.dry_run = rule >= 0 && rule % 2;
                        look_at(w, &s);
                    }
}

static void
world_open(struct world *w)
{
    struct strbuf errors;
    strbuf_init(&errors, 0);
    memset(w, 0, sizeof(*w));
    for (int i = RULE_ACCEPT; i <= RULE_CONTINUE; i++)
        for (int dry = 0; dry < 2; dry++)
            w->rules[i][dry] = one_rule(rule_action_name((enum rule_action)i), dry);
    w->sealers = sealers_parse(SLICE("relay.example\n"), "f", &errors);
    assert_non_null(w->sealers);
    w->set = (struct arc_set){ .instance = 1,
                               .seal_d = SLICE("relay.example"),
                               .seal_s = SLICE("s"),
                               .aar_payload = SLICE("relay.example; dmarc=pass header.from=bank.example") };
    strbuf_clear(&errors);
}

static void
world_close(struct world *w)
{
    for (int i = RULE_ACCEPT; i <= RULE_CONTINUE; i++)
        for (int dry = 0; dry < 2; dry++)
            rules_free(w->rules[i][dry]);
    sealers_free(w->sealers);
}

static void
test_every_combination(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    static const enum dmarc_result_code others[] = { DMARC_NONE, DMARC_PASS, DMARC_PERMERROR };
    for (int p = DMARC_POLICY_NONE; p <= DMARC_POLICY_REJECT; p++)
        for (int t = 0; t < 2; t++)
            look_around(&w, (struct situation){ .result = DMARC_FAIL, .published = (enum dmarc_policy)p, .t_y = t });
    for (size_t i = 0; i < COUNT(others); i++)
        look_around(&w, (struct situation){ .result = others[i],
                                            .published = others[i] == DMARC_PASS ? DMARC_POLICY_REJECT : DMARC_POLICY_UNSET });
    for (int i = 0; i < 4; i++)
        look_around(&w, (struct situation){ .result = DMARC_TEMPERROR,
                                            .published = i % 2 ? DMARC_POLICY_REJECT : DMARC_POLICY_UNSET,
                                            .on_temp_error = i / 2 ? TROUBLE_TEMPFAIL : TROUBLE_ACCEPT });
    for (unsigned n = POLICY_MAX_DEFERRALS - 1; n <= POLICY_MAX_DEFERRALS + 1; n++)
        look_around(&w, (struct situation){ .result = DMARC_TEMPERROR, .on_temp_error = TROUBLE_TEMPFAIL, .deferrals = n });
    print_message("%lu combinations\n", w.seen);
    world_close(&w);
}

/* ---- words */

static void
test_replies(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct record m = { .header_from = SLICE("bank.example") };
    m.dmarc = (struct dmarc_result){ .result = DMARC_FAIL,
                                     .policy = DMARC_POLICY_REJECT,
                                     .disposition = DMARC_POLICY_REJECT,
                                     .reason = SLICE("no aligned pass: spf=pass smtp.mailfrom=evil.example, no signature") };
    struct config c;
    struct policy_outcome o;
    memset(&c, 0, sizeof(c));
    struct policy_input in = { .record = &m };
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &o), ST_OK);
    assert_string_equal(o.reply.text, "Email rejected per DMARC policy for bank.example: no aligned pass: spf=pass "
                                      "smtp.mailfrom=evil.example, no signature");
    static char url[] = "https://here.example/dmarc";
    c.reject_url = url;
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &o), ST_OK);
    assert_non_null(strstr(o.reply.text, "no signature; see https://here.example/dmarc"));
    /* a long reason is cut, the address is not */
    for (size_t n = 300; n < 1200; n++) {
        char *reason = malloc(n);
        assert_non_null(reason);
        memset(reason, n % 2 ? 'x' : '\n', n);
        m.dmarc.reason = (slice){ reason, n };
        assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &o), ST_OK);
        assert_true(strlen(o.reply.text) < 500 && printable(o.reply.text));
        assert_string_equal(strstr(o.reply.text, "; see "), "; see https://here.example/dmarc");
        free(reason);
    }
    arena_free(a);
}

/* Each reason for which nobody can say who the author is has its own text. */
static void
test_author_replies(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct record m = { .dmarc = { .result = DMARC_PERMERROR, .reason = SLICE("no author") } };
    struct config c;
    struct policy_outcome one, two;
    memset(&c, 0, sizeof(c));
    struct policy_input in = { .record = &m, .author_problem = "several From fields", .several_authors = true };
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &one), ST_OK);
    in.author_problem = "no From field";
    in.several_authors = false;
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &two), ST_OK);
    assert_int_equal(one.action, ACTION_REJECT);
    assert_int_equal(two.action, ACTION_REJECT);
    assert_non_null(strstr(one.reply.text, "several From fields"));
    assert_non_null(strstr(two.reply.text, "no From field"));
    /* each option for itself */
    c.missing_author = AUTHOR_ACCEPT;
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &two), ST_OK);
    assert_int_equal(two.action, ACTION_ACCEPT);
    in.several_authors = true;
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &one), ST_OK);
    assert_int_equal(one.action, ACTION_REJECT);
    c.multiple_authors = AUTHOR_QUARANTINE;
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &one), ST_OK);
    assert_int_equal(one.action, ACTION_QUARANTINE);
    assert_non_null(one.hold);
    arena_free(a);
}

/* The override says what the rule says; the sealer's is that of RFC 8617 7.2.2. */
static void
test_override_comments(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct world w;
    struct strbuf errors;
    struct policy_outcome o;
    struct record m;
    struct config c;
    memset(&c, 0, sizeof(c));
    strbuf_init(&errors, 0);
    world_open(&w);
    struct situation s = { .result = DMARC_FAIL, .published = DMARC_POLICY_REJECT, .sealer = true, .rule = -1 };
    decide(&w, &s, a, &o);
    assert_int_equal(o.action, ACTION_ACCEPT);
    assert_true(o.arc_trusted);
    assert_int_equal(o.n_overrides, 1);
    assert_slice(o.overrides[0].type, "local_policy");
    assert_slice(o.overrides[0].comment, "arc=pass as[1].d=relay.example as[1].s=s");
    s.sealer = false;
    s.list = true;
    decide(&w, &s, a, &o);
    assert_slice(o.overrides[0].type, "mailing_list");
    /* a rule's own words */
    struct rules *r = rules_parse(SLICE("rule fw: any -> accept reason trusted_forwarder \"alumni\"\n"), "f", &errors);
    facts(&w, &s, &m);
    struct policy_input in = { .record = &m };
    assert_int_equal(policy_decide(a, &c, r, NULL, &in, NULL, &o), ST_OK);
    assert_int_equal(o.n_overrides, 1);
    assert_slice(o.overrides[0].type, "trusted_forwarder");
    assert_slice(o.overrides[0].comment, "alumni");
    assert_slice(o.rule->name, "fw");
    /* two reasons: t=y and monitoring */
    s.t_y = true;
    s.list = false;
    c.enforcement = ENFORCE_MONITOR;
    facts(&w, &s, &m);
    assert_int_equal(policy_decide(a, &c, NULL, NULL, &in, NULL, &o), ST_OK);
    assert_int_equal(o.n_overrides, 2);
    assert_slice(o.overrides[0].type, "policy_test_mode");
    assert_slice(o.overrides[1].type, "local_policy");
    rules_free(r);
    world_close(&w);
    strbuf_clear(&errors);
    arena_free(a);
}

/* A rule with `sealer trusted` sees the decision about the sealer, and stands before it. */
static void
test_rule_before_sealer(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct world w;
    struct strbuf errors;
    struct policy_outcome o;
    struct record m;
    struct config c;
    memset(&c, 0, sizeof(c));
    strbuf_init(&errors, 0);
    world_open(&w);
    struct situation s = { .result = DMARC_FAIL, .published = DMARC_POLICY_REJECT, .sealer = true, .rule = -1 };
    facts(&w, &s, &m);
    m.arc_trusted = false;
    struct policy_input in = { .record = &m };
    struct rules *r = rules_parse(SLICE("rule x: sealer trusted -> tag\n"), "f", &errors);
    assert_int_equal(policy_decide(a, &c, r, w.sealers, &in, NULL, &o), ST_OK);
    assert_int_equal(o.action, ACTION_ACCEPT);
    assert_true(o.tag.n > 0);
    assert_int_equal(policy_decide(a, &c, r, NULL, &in, NULL, &o), ST_OK);
    assert_int_equal(o.action, ACTION_REJECT);
    m.arc_trusted = true; /* only what is decided here counts */
    assert_int_equal(policy_decide(a, &c, r, NULL, &in, NULL, &o), ST_OK);
    assert_int_equal(o.action, ACTION_REJECT);
    rules_free(r);
    world_close(&w);
    strbuf_clear(&errors);
    arena_free(a);
}

/* Memory that is short at any point is said, never a verdict. */
static void
test_no_memory(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct situation s = { .result = DMARC_FAIL, .published = DMARC_POLICY_REJECT, .list = true, .sealer = true, .rule = -1 };
    struct record m;
    struct config c;
    struct policy_outcome o;
    memset(&c, 0, sizeof(c));
    facts(&w, &s, &m);
    struct policy_input in = { .record = &m };
    bool worked = false;
    for (size_t limit = 1; limit < 200000 && !worked; limit += 61) {
        struct arena *a = arena_new(limit);
        if (a == NULL)
            continue;
        memset(&o, 0xff, sizeof(o));
        enum status st = policy_decide(a, &c, NULL, w.sealers, &in, NULL, &o);
        worked = st == ST_OK;
        assert_true(worked || st == ST_NOMEM);
        arena_free(a);
    }
    assert_true(worked);
    assert_int_equal(o.action, ACTION_ACCEPT);
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_combination), cmocka_unit_test(test_replies),
        cmocka_unit_test(test_author_replies),    cmocka_unit_test(test_override_comments),
        cmocka_unit_test(test_rule_before_sealer), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
