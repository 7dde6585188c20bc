#include "pipeline/policy_data.h"

#include <string.h>

/* ---- what the results ask for, before anything local */

static enum step
author_step(const struct decision *d)
{
    enum author_action a = d->in->several_authors ? d->c->multiple_authors : d->c->missing_author;
    switch (a) {
    case AUTHOR_REJECT:
        return STEP_REJECT;
    case AUTHOR_QUARANTINE:
        return STEP_QUARANTINE;
    case AUTHOR_ACCEPT:
        return STEP_ACCEPT;
    }
    return STEP_ACCEPT;
}

static enum step
disposition_step(enum dmarc_policy p)
{
    switch (p) {
    case DMARC_POLICY_UNSET:
    case DMARC_POLICY_NONE:
        return STEP_ACCEPT;
    case DMARC_POLICY_QUARANTINE:
        return STEP_QUARANTINE;
    case DMARC_POLICY_REJECT:
        return STEP_REJECT;
    }
    return STEP_ACCEPT;
}

/* Neither pass nor fail: the policy is not applied (RFC 9989 5.3.6), and nobody waits for ever. */
static enum step
temperror_step(const struct decision *d)
{
    bool again = config_on_temp_error(d->c) == TROUBLE_TEMPFAIL && d->in->deferrals < POLICY_MAX_DEFERRALS;
    return again ? STEP_DEFER : STEP_ACCEPT;
}

static enum step
dmarc_step(const struct decision *d)
{
    const struct dmarc_result *r = &d->facts.dmarc;
    switch (r->result) {
    case DMARC_FAIL:
        return disposition_step(r->disposition);
    case DMARC_TEMPERROR:
        return temperror_step(d);
    case DMARC_NONE:
    case DMARC_PASS:
    case DMARC_PERMERROR:
        return STEP_ACCEPT;
    }
    return STEP_ACCEPT;
}

static void
note(struct plan *p, const char *text)
{
    if (p->why.n > 0)
        strbuf_add_str(&p->why, "; ");
    strbuf_add_str(&p->why, text);
}

/* Why the published policy is not what happens (RFC 9990: policy_evaluated/reason). */
static void
override(struct plan *p, slice type, slice comment)
{
    if (p->n_overrides < POLICY_MAX_OVERRIDES)
        p->overrides[p->n_overrides++] = (struct override){ type, comment };
}

static void
begin(const struct decision *d, struct plan *p)
{
    const struct dmarc_result *r = &d->facts.dmarc;
    p->step = dmarc_step(d);
    strbuf_add(&p->why, r->reason.n > 0 || r->result != DMARC_PASS ? r->reason : SLICE("aligned pass"));
    if (r->result == DMARC_TEMPERROR && p->step == STEP_ACCEPT && config_on_temp_error(d->c) == TROUBLE_TEMPFAIL)
        note(p, "deferred often enough");
    if (r->result == DMARC_FAIL && r->testing) {
        note(p, "t=y");
        override(p, SLICE("policy_test_mode"), SLICE("t=y"));
    }
    if (d->in->author_problem == NULL)
        return;
    enum step s = author_step(d);
    p->for_author = s >= p->step || (p->step == STEP_DEFER && s != STEP_ACCEPT);
    if (!p->for_author)
        return;
    p->step = s;
    strbuf_reset(&p->why);
    strbuf_add_str(&p->why, d->in->author_problem);
    override(p, SLICE("local_policy"), slice_from(d->in->author_problem));
}

/* ---- what is known beside them */

static bool
is_exempt(const struct decision *d, struct plan *p)
{
    if (!d->facts.exempt)
        return false;
    const char *reason = d->in->exempt_reason != NULL ? d->in->exempt_reason : "by configuration";
    slice text = arena_printf(d->a, "client exempt: %s", reason);
    p->step = STEP_ACCEPT;
    note(p, text.p == NULL ? "client exempt" : text.p);
    override(p, SLICE("local_policy"), text.p == NULL ? SLICE("client exempt") : text);
    return true;
}

/* The first rule that fits; dry-run rules are stepped over unless they are to count. */
static void
find_rule(const struct decision *d, bool dry_rules_count, struct trace *t, struct plan *p)
{
    size_t at = 0;
    const struct rule *r;
    while ((r = rules_match(d->rules, &d->facts, &at, t)) != NULL && r->dry_run && !dry_rules_count)
        if (p->dry_rule == NULL)
            p->dry_rule = r;
    p->rule = r;
}

static enum step
rule_step(enum rule_action a)
{
    switch (a) {
    case RULE_ACCEPT:
    case RULE_CONTINUE:
        return STEP_ACCEPT;
    case RULE_TAG:
        return STEP_TAG;
    case RULE_QUARANTINE:
        return STEP_QUARANTINE;
    case RULE_REJECT:
        return STEP_REJECT;
    case RULE_DEFER:
        return STEP_DEFER;
    }
    return STEP_ACCEPT;
}

static void
apply_rule(const struct decision *d, struct plan *p)
{
    const struct rule *r = p->rule;
    slice text = arena_printf(d->a, "rule %.*s", SLICE_ARG(r->name));
    p->by_rule = true;
    p->for_author = false;
    p->step = rule_step(r->action);
    note(p, text.p == NULL ? "rule" : text.p);
    if (p->step == STEP_REJECT && d->facts.dmarc.result == DMARC_TEMPERROR) {
        p->step = temperror_step(d); /* RFC 9989 5.3.6 */
        note(p, "not refused for good while DNS is in trouble");
    }
    slice comment = r->reason_comment.n > 0 ? r->reason_comment : text;
    override(p, r->reason_type.n > 0 ? r->reason_type : SLICE("local_policy"), comment);
}

/* Trusted sealers, then list traffic (RFC 9989 7.4): only where a policy would be applied. */
static void
apply_knowledge(const struct decision *d, struct plan *p)
{
    if (d->facts.dmarc.result != DMARC_FAIL || p->for_author)
        return;
    if (p->step != STEP_ACCEPT && d->trust.trusted) {
        p->step = STEP_ACCEPT;
        note(p, d->trust.why.p); /* NUL-terminated by arena_printf() */
        override(p, SLICE("local_policy"), d->trust.comment);
    } else if (p->step == STEP_REJECT && d->facts.list_traffic) {
        p->step = STEP_QUARANTINE;
        p->keep = true;
        note(p, "list traffic is not refused");
        override(p, SLICE("mailing_list"), SLICE("list traffic is not refused"));
    }
}

static void
apply_second_opinion(const struct decision *d, struct plan *p)
{
    if (p->step != STEP_REJECT || !d->in->contradicted || p->for_author)
        return;
    p->step = STEP_QUARANTINE;
    p->keep = true;
    note(p, "the second engine contradicts");
    override(p, SLICE("local_policy"), SLICE("a second verifier contradicts"));
}

static void
apply_enforcement(enum enforcement e, struct plan *p)
{
    switch (e) {
    case ENFORCE_FULL:
        return;
    case ENFORCE_QUARANTINE: /* a rule's reject is the operator's own word and stands */
        if (p->step != STEP_REJECT || p->by_rule)
            return;
        p->step = STEP_QUARANTINE;
        p->keep = true;
        note(p, "Enforcement quarantine");
        override(p, SLICE("local_policy"), SLICE("policies are enforced up to quarantine"));
        return;
    case ENFORCE_MONITOR:
        if (p->step == STEP_ACCEPT || p->step == STEP_TAG)
            return;
        p->step = STEP_ACCEPT;
        note(p, "Enforcement monitor");
        override(p, SLICE("local_policy"), SLICE("policies are monitored, not enforced"));
        return;
    }
}

static void
apply_quarantine_action(const struct decision *d, struct plan *p)
{
    if (p->step != STEP_QUARANTINE || d->c->quarantine_action != QUARANTINE_REJECT)
        return;
    if (p->keep || d->facts.dmarc.result == DMARC_TEMPERROR)
        return;
    p->step = STEP_REJECT;
    p->quarantined = true;
    note(p, "quarantine is by refusal");
    override(p, SLICE("local_policy"), SLICE("mail to be quarantined is refused here"));
}

static void
make_plan(const struct decision *d, enum enforcement e, bool dry_rules_count, struct trace *t, struct plan *p)
{
    *p = (struct plan){ .step = STEP_ACCEPT };
    strbuf_init(&p->why, 0);
    begin(d, p);
    if (is_exempt(d, p))
        return;
    find_rule(d, dry_rules_count, t, p);
    if (p->rule != NULL && p->rule->action != RULE_CONTINUE)
        apply_rule(d, p);
    else
        apply_knowledge(d, p);
    apply_second_opinion(d, p);
    apply_enforcement(e, p);
    apply_quarantine_action(d, p);
}

/* ---- the outcome */

static enum dmarc_policy
applied(enum step s)
{
    switch (s) {
    case STEP_ACCEPT:
    case STEP_TAG:
    case STEP_DEFER:
        return DMARC_POLICY_NONE;
    case STEP_QUARANTINE:
        return DMARC_POLICY_QUARANTINE;
    case STEP_REJECT:
        return DMARC_POLICY_REJECT;
    }
    return DMARC_POLICY_NONE;
}

/* False: no memory. */
static bool
fill_action(const struct decision *d, const struct plan *p, struct policy_outcome *out)
{
    bool by_header = p->step == STEP_TAG || (p->step == STEP_QUARANTINE && d->c->quarantine_action != QUARANTINE_HOLD);
    switch (p->step) {
    case STEP_ACCEPT:
    case STEP_TAG:
        out->action = ACTION_ACCEPT;
        break;
    case STEP_QUARANTINE:
        out->action = ACTION_QUARANTINE;
        if (!by_header && (out->hold = policy_hold_text(d, p)) == NULL)
            return false;
        break;
    case STEP_DEFER:
        out->action = ACTION_TEMPFAIL;
        out->reply = (struct reply){ REPLY_TEMPFAIL, "451", "4.7.1", policy_defer_text(d, p) };
        return out->reply.text != NULL;
    case STEP_REJECT:
        out->action = ACTION_REJECT;
        out->reply = (struct reply){ REPLY_REJECT, "550", "5.7.1", policy_reject_text(d, p) };
        return out->reply.text != NULL;
    }
    if (by_header)
        out->tag = policy_tag_text(d, p);
    return out->tag.p != NULL;
}

/* Overrides tell a Domain Owner why a failing message met something else than the policy published; nothing else. */
static bool
fill_overrides(const struct decision *d, const struct plan *p, struct policy_outcome *out)
{
    const struct dmarc_result *r = &d->facts.dmarc;
    enum dmarc_policy published = r->policy == DMARC_POLICY_UNSET ? DMARC_POLICY_NONE : r->policy;
    if (r->result != DMARC_FAIL || out->disposition == published || p->n_overrides == 0)
        return true;
    struct override *list = arena_array(d->a, p->n_overrides, sizeof(*list));
    if (list == NULL)
        return false;
    memcpy(list, p->overrides, p->n_overrides * sizeof(*list));
    out->overrides = list;
    out->n_overrides = p->n_overrides;
    return true;
}

static void
tell(struct trace *t, const struct plan *p, const struct policy_outcome *out)
{
    if (p->dry_rule != NULL)
        trace_line(t, "dry-run rule %.*s would have said: %s", SLICE_ARG(p->dry_rule->name),
                   rule_action_name(p->dry_rule->action));
    for (size_t i = 0; i < out->n_overrides; i++)
        trace_line(t, "override %.*s: %.*s", SLICE_ARG(out->overrides[i].type), SLICE_ARG(out->overrides[i].comment));
    trace_line(t, "action %s%s: %.*s", action_name(out->action), out->tag.n > 0 ? " with a header field" : "",
               SLICE_ARG(out->why));
    if (out->reply.text != NULL)
        trace_line(t, "reply %s %s %s", out->reply.code, out->reply.xcode, out->reply.text);
    if (out->would != out->disposition)
        trace_line(t, "full enforcement would have said: %s", dmarc_policy_name(out->would));
}

enum status
policy_decide(struct arena *a, const struct config *c, const struct rules *rules, const struct sealers *sealers,
              const struct policy_input *in, struct trace *t, struct policy_outcome *out)
{
    struct decision d = { .a = a, .c = c, .rules = rules, .in = in, .facts = *in->record };
    struct plan p, full;
    d.facts.arc_trusted = false;
    d.trust = (struct sealer_trust){ .sealer = SLICE_EMPTY, .comment = SLICE_EMPTY, .why = SLICE_EMPTY };
    trace_begin(t, "policy");
    enum status st = ST_OK;
    if (sealers_count(sealers) > 0 && in->record->arc.status == ARC_PASS)
        st = sealers_trust(a, sealers, in->record, in->now, t, &d.trust);
    if (st != ST_OK) {
        trace_end(t);
        return st;
    }
    d.facts.arc_trusted = d.trust.trusted;
    make_plan(&d, ENFORCE_FULL, true, NULL, &full);
    make_plan(&d, c->enforcement, false, t, &p);
    struct policy_outcome r = { .reply = { .kind = REPLY_CONTINUE }, .tag = SLICE_EMPTY, .sealer = d.trust };
    r.disposition = applied(p.step);
    r.would = applied(full.step);
    r.rule = p.rule;
    r.dry_rule = p.dry_rule;
    r.arc_trusted = d.trust.trusted;
    bool good = fill_action(&d, &p, &r) && fill_overrides(&d, &p, &r);
    strbuf_clear(&full.why);
    r.why = strbuf_finish(&p.why, a);
    good = good && r.why.p != NULL;
    if (good) {
        tell(t, &p, &r);
        *out = r;
    }
    trace_end(t);
    return good ? ST_OK : ST_NOMEM;
}
