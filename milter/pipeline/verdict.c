#include "pipeline/state.h"

#include "base/clock.h"
#include "pipeline/deferrals.h"
#include "pipeline/forged.h"
#include "pipeline/iprev.h"
#include "pipeline/policy.h"
#include "pipeline/required.h"
#include "pipeline/rules.h"
#include "pipeline/results.h"
#include "pipeline/sealing.h"
#include "pipeline/story.h"
#include "pipeline/twopass.h"
#include "spf/received.h"

#define MAX_INSERTS 8

static const char *const own_fields[] = { POLICY_TAG_FIELD, TWO_PASS_FIELD, NULL };

/* ---- the checks, each finished with what DNS has said by the deadline */

void
message_finish_iprev(struct message *m)
{
    slice name;
    if (!m->c->check_iprev || m->iprev_done)
        return;
    m->iprev_done = true;
    trace_begin(m->t, "iprev");
    m->record.iprev = iprev_check(m->a, m->dns, &m->record.client, m->record.client_name, m->t, &name);
    trace_end(m->t);
    if (m->record.iprev == IPREV_PASS && name.n > 0)
        m->record.client_name = name;
}

static void
finish_mail_from(struct message *m)
{
    if (!m->mfrom_done)
        message_note(m, checks_spf(m, &m->mfrom_request, &m->mfrom));
    m->record.spf = &m->mfrom;
}

static void
finish_helo(struct message *m)
{
    struct record *r = &m->record;
    if (r->mail_from.n == 0) { /* the null path: MAIL FROM was judged as postmaster@HELO (RFC 7208 2.4) */
        r->spf_helo = &m->mfrom;
        return;
    }
    if (!m->helo_done)
        message_note(m, checks_spf(m, &m->helo_request, &m->helo));
    r->spf_helo = &m->helo;
}

static void
finish_signatures(struct message *m)
{
    struct record *r = &m->record;
    message_note(m, body_canon_finish(m->body));
    if (m->trouble != ST_OK)
        return;
    checks_dkim_finish(m);
    message_note(m, arc_finish(m->arc, m->t, &r->arc));
}

static void
finish_dmarc(struct message *m)
{
    struct record *r = &m->record;
    struct dmarc_input in = { .author_domain = m->author.domain,
                              .spf = r->spf,
                              .dkim = r->dkim,
                              .n_dkim = r->n_dkim,
                              .psl = m->p->psl,
                              .psl_guard = m->c->psl_guard,
                              .walk_compare = m->c->walk_compare };
    if (m->author.state == AUTHOR_ONE) {
        message_note(m, dmarc_evaluate(m->a, m->dns, &in, m->t, &r->dmarc));
    } else if (m->author.n_domains > 1) {
        message_note(m, dmarc_evaluate_several(m->a, m->dns, &in, m->author.domains, m->author.n_domains, m->t, &r->dmarc));
    } else {
        r->dmarc = (struct dmarc_result){ .result = DMARC_PERMERROR, .reason = slice_from(m->author.problem) };
        trace_line(m->t, "dmarc: permerror: %s", m->author.problem);
    }
    if (r->dmarc.walk_differs.n > 0)
        log_event(m->p->parts.log, LOG_LEVEL_INFO, r->queue_id, "event", "walk-compare", "from",
                  arena_strdup(m->a, r->header_from), "difference", arena_strdup(m->a, r->dmarc.walk_differs), (char *)NULL);
}

/* Names that keep us waiting are the sender's to choose, but not those of the domain that he claims to be: first is what
 * only this one can delay. */
static void
finish_checks(struct message *m)
{
    finish_mail_from(m);
    if (m->trouble == ST_OK)
        finish_signatures(m);
    if (m->trouble == ST_OK)
        finish_helo(m);
    if (m->trouble == ST_OK)
        message_finish_iprev(m);
    if (m->trouble == ST_OK)
        finish_dmarc(m);
}

/* ---- policy */

const char *
message_exemption(const struct message *m)
{
    const struct record *r = &m->record;
    slice verified = r->iprev == IPREV_PASS ? r->client_name : SLICE_EMPTY;
    if (netlist_has(m->c->ignore_hosts, &r->client, verified))
        return "IgnoreHosts";
    if (r->authenticated && m->c->ignore_authenticated_clients)
        return "authenticated";
    return NULL;
}

static void
decide(struct message *m, struct policy_outcome *out)
{
    struct record *r = &m->record;
    struct policy_input in = { .record = r,
                               .author_problem = m->author.problem,
                               .several_authors = m->author.state == AUTHOR_SEVERAL,
                               .exempt_reason = message_exemption(m),
                               .contradicted = m->c->second_opinion == SECOND_VETO && m->contradiction.n > 0,
                               .contradiction = m->contradiction,
                               .now = r->time_ms / 1000 };
    r->exempt = in.exempt_reason != NULL;
    const struct header_field *id = header_list_find(m->headers, SLICE("Message-ID"), 1);
    uint64_t attempt = deferrals_key(r, id == NULL ? SLICE_EMPTY : id->value);
    in.deferrals = deferrals_count(m->p->parts.deferrals, attempt, in.now);
    message_note(m, policy_decide(m->a, m->c, m->p->rules, m->p->sealers, &in, m->t, out));
    if (m->trouble != ST_OK)
        return;
    if (out->action == ACTION_TEMPFAIL)
        deferrals_note(m->p->parts.deferrals, attempt, in.now);
    r->action = out->action;
    r->would = out->would;
    if (out->rule != NULL && out->rule->seal != RULE_SEAL_AS_CONFIGURED)
        m->seal_word = out->rule->seal == RULE_SEAL ? SEAL_BY_RULE : SEAL_NOT_BY_RULE;
    r->rule = out->rule == NULL ? SLICE_EMPTY : out->rule->name;
    r->why = out->why;
    r->overrides = out->overrides;
    r->n_overrides = out->n_overrides;
    r->arc_trusted = out->arc_trusted;
    m->verdict.reply = out->reply;
    m->verdict.quarantine = out->hold;
    if (out->dry_rule != NULL)
        log_event(m->p->parts.log, LOG_LEVEL_INFO, r->queue_id, "event", "dry-run", "rule",
                  arena_strdup(m->a, out->dry_rule->name), "action", rule_action_name(out->dry_rule->action), (char *)NULL);
}

/* RequiredHeaders refuses what the checks would have let through; nobody is refused who is exempt or only watched. */
static void
require_headers(struct message *m)
{
    struct record *r = &m->record;
    if (!m->c->required_headers || r->exempt || m->c->enforcement == ENFORCE_MONITOR || r->action == ACTION_REJECT)
        return;
    slice problem = required_problem(m->a, m->headers);
    if (problem.p == NULL)
        message_note(m, ST_NOMEM);
    if (problem.n == 0)
        return;
    r->action = ACTION_REJECT;
    r->why = problem;
    m->verdict.quarantine = NULL;
    m->verdict.reply = (struct reply){ REPLY_REJECT, "550", "5.6.0", problem.p };
}

/* ---- edits */

static void
add_insert(struct message *m, struct header_edit *list, slice name, slice value)
{
    if (value.p == NULL) {
        message_note(m, ST_NOMEM);
        return;
    }
    list[m->verdict.n_inserts++] = (struct header_edit){ .name = name, .nth = 0, .value = value };
}

static void
make_edits(struct message *m, slice tag)
{
    struct verdict *v = &m->verdict;
    struct header_edit *inserts = arena_array(m->a, MAX_INSERTS, sizeof(*inserts));
    if (inserts == NULL) {
        message_note(m, ST_NOMEM);
        return;
    }
    bool internal = netlist_has(m->c->internal_hosts, &m->record.client, SLICE_EMPTY);
    message_note(m, forged_find(m->a, m->c, m->record.reporter, internal, m->headers, own_fields, &v->deletes, &v->n_deletes));
    v->inserts = inserts;
    if (tag.n > 0)
        add_insert(m, inserts, slice_from(POLICY_TAG_FIELD), arena_printf(m->a, " %.*s", SLICE_ARG(tag)));
    if (m->c->received_spf)
        add_insert(m, inserts, SLICE("Received-SPF"), spf_received_field(m->a, &m->mfrom_request, m->record.spf));
    slice results = results_field(m->a, m->c, &m->record);
    add_insert(m, inserts, SLICE("Authentication-Results"), results);
    sealing_add(m, inserts, results);
}

static void
second_pass(struct message *m)
{
    struct header_edit *inserts = arena_array(m->a, MAX_INSERTS, sizeof(*inserts));
    if (inserts == NULL)
        message_note(m, ST_NOMEM);
    else
        sealing_second_pass(m, inserts);
}

/* ---- answer */

void
message_defer(struct message *m, const char *why, struct reply reply)
{
    m->record.action = ACTION_TEMPFAIL;
    m->record.why = slice_from(why);
    m->verdict.quarantine = NULL;
    m->verdict.reply = reply;
}

static const struct verdict *
answer_without_verdict(struct message *m, struct reply reply, enum action action, const char *why)
{
    m->verdict = (struct verdict){ .reply = reply, .record = &m->record };
    m->record.action = action;
    m->record.why = slice_from(why);
    m->record.ms = (unsigned)(clock_mono_ms() - m->started_ms);
    story_log(m->p->parts.log, &m->record);
    return &m->verdict;
}

/* Trouble of ours: the message is not judged, so it is not refused for good; OnError says what follows. */
static const struct verdict *
answer_trouble(struct message *m)
{
    static const struct reply later = { REPLY_TEMPFAIL, "451", "4.3.0", "Message could not be checked, try again later" };
    bool accept = m->c->on_error == TROUBLE_ACCEPT;
    return answer_without_verdict(m, accept ? (struct reply){ .kind = REPLY_ACCEPT } : later,
                                  accept ? ACTION_ACCEPT : ACTION_TEMPFAIL, status_name(m->trouble));
}

static void
trace_question(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    struct trace *t = arg;
    if (answer == NULL) {
        trace_line(t, "%s %.*s: no answer was needed", dns_type_name(type), SLICE_ARG(name));
        return;
    }
    trace_begin(t, "%s %.*s: %s", dns_type_name(type), SLICE_ARG(name), dns_status_name(answer->status));
    for (size_t i = 0; i < answer->n; i++) {
        char ip[NETADDR_TEXT_MAX];
        const struct dns_record *rec = &answer->records[i];
        if (type == DNS_A || type == DNS_AAAA)
            trace_line(t, "%s", netaddr_text(&rec->addr, ip));
        else if (type == DNS_MX)
            trace_line(t, "%u %.*s", rec->preference, SLICE_ARG(rec->data));
        else
            trace_line(t, "%.*s", SLICE_ARG(rec->data));
    }
    trace_end(t);
}

static void
trace_dns(struct message *m)
{
    if (m->t == NULL || m->dns == NULL)
        return;
    trace_begin(m->t, "DNS, in the order asked");
    dns_session_each(m->dns, trace_question, m->t);
    trace_end(m->t);
}

static void
trace_edits(struct message *m)
{
    const struct verdict *v = &m->verdict;
    trace_begin(m->t, "edits");
    for (size_t i = 0; i < v->n_deletes; i++)
        trace_line(m->t, "remove %.*s number %u", SLICE_ARG(v->deletes[i].name), v->deletes[i].nth);
    for (size_t i = 0; i < v->n_inserts; i++)
        trace_line(m->t, "add %.*s on top", SLICE_ARG(v->inserts[i].name));
    trace_end(m->t);
}

static void
judge(struct message *m)
{
    struct policy_outcome policy;
    finish_checks(m);
    if (m->trouble == ST_OK)
        decide(m, &policy);
    if (m->trouble == ST_OK)
        require_headers(m);
    if (m->trouble == ST_OK)
        make_edits(m, policy.tag);
}

const struct verdict *
message_decide(struct message *m)
{
    if (m->skipped)
        return answer_without_verdict(m, (struct reply){ .kind = REPLY_ACCEPT }, ACTION_ACCEPT, "IgnoreHosts");
    if (m->header_limit != NULL)
        return answer_without_verdict(m, (struct reply){ REPLY_REJECT, "552", "5.3.4", m->header_limit }, ACTION_REJECT,
                                      m->header_limit);
    if (m->trouble == ST_OK)
        (m->arrival != NULL ? second_pass : judge)(m);
    if (m->trouble != ST_OK)
        return answer_trouble(m);
    trace_dns(m);
    trace_edits(m);
    m->verdict.record = &m->record;
    m->verdict.dns = dns_session_usage(m->dns);
    m->record.ms = (unsigned)(clock_mono_ms() - m->started_ms);
    if (m->arrival == NULL) /* the first pass wrote it */
        message_keep_records(m);
    story_log(m->p->parts.log, &m->record);
    return &m->verdict;
}

const struct verdict *
message_spf_only(struct message *m)
{
    if (m->dns != NULL)
        dns_session_keep(m->dns, 0, 0); /* nothing else comes */
    if (m->trouble == ST_OK && !m->skipped)
        finish_mail_from(m);
    if (m->trouble == ST_OK && !m->skipped)
        finish_helo(m);
    if (m->trouble != ST_OK)
        return answer_trouble(m);
    m->verdict.record = &m->record;
    if (m->dns != NULL)
        m->verdict.dns = dns_session_usage(m->dns);
    trace_dns(m);
    return &m->verdict;
}
