#include "pipeline/sealing.h"

#include "arc/seal.h"
#include "base/clock.h"
#include "mail/authres.h"
#include "pipeline/seal.h"
#include "pipeline/twopass.h"

#include <string.h>

/* ------------------------------------------------------------------ what all messages share */

bool
sealing_load(struct pipeline *p, struct strbuf *errors)
{
    const struct config *c = p->parts.config;
    /* without a signer the tables are nobody's business: `vidimus check` need not be able to read them */
    bool ok = p->parts.signer == NULL || seal_plan_load(c, p->parts.signer, &p->seal_plan, errors) == ST_OK;
    if (c->two_pass_secret_file != NULL) {
        if (config_can_read(c, "TwoPassSecretFile", c->two_pass_secret_file, errors))
            p->two_pass = two_pass_load(c->two_pass_secret_file, errors);
        ok = ok && p->two_pass != NULL;
    }
    return ok;
}

void
sealing_unload(struct pipeline *p)
{
    seal_plan_free(p->seal_plan);
    two_pass_free(p->two_pass);
    signer_free(p->parts.signer);
}

/* ------------------------------------------------------------------ gathering */

static bool
wanted(const struct message *m)
{
    return m->p->seal_plan != NULL;
}

static bool
from_inside(const struct message *m)
{
    return netlist_has(m->c->internal_hosts, &m->record.client, SLICE_EMPTY);
}

void
sealing_sender(struct message *m, slice local_part)
{
    m->seal_sender.local_part = local_part;
    m->seal_sender.domain = m->record.mail_from_domain;
}

void
sealing_recipient(struct message *m, const struct seal_address *r)
{
    if (!wanted(m))
        return;
    if (m->n_seal_rcpts == m->seal_rcpt_cap) {
        size_t cap = m->seal_rcpt_cap == 0 ? 8 : m->seal_rcpt_cap * 2;
        struct seal_address *grown = arena_array(m->a, cap, sizeof(*grown));
        if (grown == NULL) {
            message_note(m, ST_NOMEM);
            return;
        }
        if (m->n_seal_rcpts > 0)
            memcpy(grown, m->seal_rcpts, m->n_seal_rcpts * sizeof(*grown));
        m->seal_rcpts = grown;
        m->seal_rcpt_cap = cap;
    }
    const struct seal_address own = { arena_slice(m->a, r->local_part), r->domain, arena_slice(m->a, r->transport),
                                      arena_slice(m->a, r->relay) };
    if (own.local_part.p == NULL || own.transport.p == NULL || own.relay.p == NULL)
        message_note(m, ST_NOMEM);
    else
        m->seal_rcpts[m->n_seal_rcpts++] = own;
}

static void
find_verdict_of_arrival(struct message *m)
{
    const char *why = NULL;
    struct two_pass_verdict *v = arena_zalloc(m->a, sizeof(*v));
    enum status st = v == NULL ? ST_NOMEM
                               : two_pass_read(m->a, m->p->two_pass, m->headers, m->record.time_ms / 1000,
                                               m->c->two_pass_max_age_s, v, &why);
    if (st != ST_OK && st != ST_SYNTAX) /* trouble of ours must not have the message judged as the filter's */
        message_note(m, st);
    if (st == ST_OK)
        m->arrival = v;
    else if (header_list_count_name(m->headers, SLICE(TWO_PASS_FIELD)) > 0)
        log_event(m->p->parts.log, LOG_LEVEL_WARNING, m->record.queue_id, "event", "two-pass", "result", "ignored", "why", why,
                  (char *)NULL);
    trace_line(m->t, "two passes: %s", st == ST_OK ? "the verdict of arrival is ours and of this message" : why == NULL ? status_name(st) : why);
}

void
sealing_eoh(struct message *m)
{
    if (wanted(m)) {
        m->seal = arc_seal_new(m->a, m->body);
        if (m->seal == NULL)
            message_note(m, ST_NOMEM);
    }
    if (m->p->two_pass != NULL && from_inside(m) && m->trouble == ST_OK)
        find_verdict_of_arrival(m);
}

/* ------------------------------------------------------------------ results from the message, for tests of sealing */

/* All Authentication-Results of our id as one payload, and the chain's status as they tell it.  Only the tool asks. */
static enum status
results_in_message(struct message *m, slice *payload, enum arc_status *status)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_printf(&b, " %.*s", SLICE_ARG(m->record.reporter));
    for (size_t i = 0; i < header_list_count(m->headers); i++) {
        const struct header_field *f = header_list_at(m->headers, i);
        struct authres parsed;
        if (!slice_ieq(f->name, SLICE("Authentication-Results")) || authres_parse(m->a, f->value, &parsed) != ST_OK ||
            !slice_ieq(parsed.authserv_id, m->record.reporter))
            continue;
        for (size_t k = 0; k < parsed.n_results; k++)
            if (slice_eq(parsed.results[k].method, SLICE("arc")))
                *status = slice_eq(parsed.results[k].result, SLICE("pass"))   ? ARC_PASS
                          : slice_eq(parsed.results[k].result, SLICE("fail")) ? ARC_FAIL
                                                                              : ARC_NONE;
        if (parsed.n_results > 0) {
            slice text = header_unfold(m->a, f->value);
            strbuf_add(&b, SLICE(";\n\t"));
            strbuf_add(&b, slice_trim(slice_tail(text, slice_find(text, ';') + 1)));
        }
    }
    *payload = strbuf_finish(&b, m->a);
    return payload->p == NULL ? ST_NOMEM : ST_OK;
}

/* ------------------------------------------------------------------ the set */

static void
log_seal(struct message *m, enum status st, const struct seal_choice *choice)
{
    const struct arc_seal_set *s = m->verdict.seal;
    if (s != NULL) {
        trace_line(m->t, "sealed: i=%u cv=%s d=%.*s s=%.*s", s->instance, arc_status_name(s->cv), SLICE_ARG(s->domain),
                   SLICE_ARG(s->selector));
        return;
    }
    trace_line(m->t, "not sealed: %s", st != ST_OK ? status_name(st) : choice->why_not == NULL ? "" : choice->why_not);
    if (st == ST_OK)
        return;
    log_event(m->p->parts.log, LOG_LEVEL_ERROR, m->record.queue_id, "event", "seal", "key", arena_strdup(m->a, choice->key), "error",
              status_name(st), "follows", m->c->seal_on_error == TROUBLE_TEMPFAIL ? "tempfail" : "unsealed", (char *)NULL);
}

static void
insert(struct message *m, struct header_edit *inserts, slice name, slice value)
{
    inserts[m->verdict.n_inserts++] = (struct header_edit){ .name = name, .nth = 0, .value = value };
}

static enum status
make_set(struct message *m, const struct seal_choice *choice, slice results, const struct arc_result *chain,
         struct header_edit *inserts)
{
    struct arc_result judged = *chain;
    struct arc_seal_options o = { .domain = choice->domain,
                                  .selector = choice->selector,
                                  .key = choice->key,
                                  .signer = m->p->parts.signer,
                                  .now = m->record.time_ms / 1000,
                                  .headers = m->c->seal_headers.items,
                                  .n_headers = m->c->seal_headers.n,
                                  .oversign = m->c->oversign_headers.items,
                                  .n_oversign = m->c->oversign_headers.n };
    struct arc_seal_set *set = arena_zalloc(m->a, sizeof(*set));
    enum status st = set == NULL ? ST_NOMEM : ST_OK;
    if (st == ST_OK && m->p->parts.results_from_header)
        st = results_in_message(m, &results, &judged.status);
    if (st == ST_OK)
        st = arc_seal_finish(m->seal, &o, m->headers, results, &judged, set);
    if (st != ST_OK)
        return st;
    if (set->instance == 0) {
        trace_line(m->t, "not sealed: %s", set->why_not);
        return ST_OK;
    }
    /* each on top of the one before: AS, AMS, AAR from the top (RFC 8617 5.1) */
    insert(m, inserts, SLICE("ARC-Authentication-Results"), set->aar);
    insert(m, inserts, SLICE("ARC-Message-Signature"), set->ams);
    insert(m, inserts, SLICE("ARC-Seal"), set->as);
    m->verdict.seal = set;
    m->record.sealed = true;
    return ST_OK;
}

static void
seal(struct message *m, struct header_edit *inserts, slice results, const struct arc_result *chain)
{
    const struct seal_facts facts = { .recipients = m->seal_rcpts,
                                      .n_recipients = m->n_seal_rcpts,
                                      .sender = m->seal_sender,
                                      .authenticated = m->record.authenticated,
                                      .evaluated = true,
                                      .rule = m->seal_word,
                                      .headers = m->headers,
                                      .now = m->record.time_ms / 1000 };
    struct seal_choice choice;
    seal_choose(m->p->seal_plan, &facts, &choice);
    enum status st = choice.why_not == NULL ? make_set(m, &choice, results, chain, inserts) : ST_OK;
    if (choice.why_not != NULL || st != ST_OK || m->verdict.seal != NULL)
        log_seal(m, st, &choice);
    if (st == ST_NOMEM)
        message_note(m, st);
    else if (st != ST_OK && m->c->seal_on_error == TROUBLE_TEMPFAIL)
        message_defer(m, "it cannot be sealed", (struct reply){ REPLY_TEMPFAIL, "451", "4.7.0", "Message could not be sealed, try again later" });
}

static bool
goes_on(const struct message *m)
{
    return m->record.action == ACTION_ACCEPT || m->record.action == ACTION_QUARANTINE;
}

void
sealing_add(struct message *m, struct header_edit *inserts, slice results)
{
    if (!goes_on(m) || m->trouble != ST_OK)
        return;
    if (m->p->two_pass == NULL) {
        if (wanted(m))
            seal(m, inserts, results, &m->record.arc);
        return;
    }
    if (from_inside(m)) { /* back from our filter without its verdict, or begun inside: these results are of our own host */
        trace_line(m->t, "not sealed: there is no verdict of arrival");
        return;
    }
    const struct two_pass_verdict v = { m->record.time_ms / 1000, m->record.arc.status, m->record.arc.sets, results };
    slice value = two_pass_make(m->a, m->p->two_pass, m->headers, &v);
    if (value.p == NULL)
        message_note(m, ST_NOMEM);
    else
        insert(m, inserts, SLICE(TWO_PASS_FIELD), value);
}

static void
delete_verdict_field(struct message *m)
{
    struct header_edit *e = arena_zalloc(m->a, sizeof(*e));
    if (e == NULL) {
        message_note(m, ST_NOMEM);
        return;
    }
    *e = (struct header_edit){ .name = SLICE(TWO_PASS_FIELD), .nth = 1, .value = SLICE_EMPTY }; /* there is exactly one */
    m->verdict.deletes = e;
    m->verdict.n_deletes = 1;
}

void
sealing_second_pass(struct message *m, struct header_edit *inserts)
{
    struct record *r = &m->record;
    message_note(m, body_canon_finish(m->body));
    if (m->trouble == ST_OK)
        message_note(m, arc_finish(m->arc, m->t, &r->arc));
    if (m->trouble != ST_OK)
        return;
    /* The filter may have broken the newest AMS; the chain is the one judged at arrival, the HMAC covers its fields. */
    struct arc_result chain = r->arc;
    chain.status = m->arrival->arc;
    r->arc = chain;
    r->exempt = true;
    r->action = ACTION_ACCEPT;
    r->why = SLICE("second pass, judged at arrival");
    m->verdict.inserts = inserts;
    delete_verdict_field(m);
    if (wanted(m) && m->trouble == ST_OK)
        seal(m, inserts, m->arrival->authres, &chain);
}
