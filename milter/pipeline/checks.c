#include "pipeline/state.h"

#include "second/second.h"

/* A client without an address (a local submission) has nothing that SPF could judge. */
static void
no_client(const struct spf_request *rq, struct spf_outcome *out)
{
    *out = (struct spf_outcome){ .result = SPF_NONE,
                                 .scope = rq->scope,
                                 .domain = SLICE_EMPTY,
                                 .mechanism = SLICE_EMPTY,
                                 .reason = SLICE("the client's address is not known"),
                                 .explanation = SLICE_EMPTY };
}

void
message_contradicted(struct message *m, const char *method, slice difference)
{
    if (difference.p == NULL) {
        message_note(m, ST_NOMEM);
        return;
    }
    if (difference.n == 0)
        return;
    m->contradiction = difference;
    trace_line(m->t, "second opinion on %s: %.*s", method, SLICE_ARG(difference));
    log_event(m->p->parts.log, LOG_LEVEL_WARNING, m->record.queue_id, "event", "second-opinion", "method", method, "difference",
              arena_strdup(m->a, difference), (char *)NULL);
}

/* The engine that was not chosen, on the same answers. */
static void
ask_other_spf(struct message *m, const struct spf_request *rq, const struct spf_outcome *chosen)
{
    spf_engine *libspf2 = second_spf();
    struct spf_outcome other;
    if (libspf2 == NULL)
        return;
    bool native = m->c->spf_engine == ENGINE_NATIVE;
    enum status st = (native ? libspf2 : spf_check)(m->a, m->dns, rq, NULL, &other);
    message_note(m, st);
    if (st == ST_OK)
        message_contradicted(m, rq->scope == SPF_SCOPE_HELO ? "spf of HELO" : "spf",
                             second_spf_difference(m->a, native ? chosen : &other, native ? &other : chosen));
}

enum status
checks_spf(struct message *m, const struct spf_request *rq, struct spf_outcome *out)
{
    if (rq->client.family == 0) {
        no_client(rq, out);
        return ST_OK;
    }
    spf_engine *engine = m->c->spf_engine == ENGINE_NATIVE ? spf_check : second_spf();
    enum status st = engine(m->a, m->dns, rq, m->t, out);
    if (st == ST_OK && (m->c->second_opinion != SECOND_OFF || m->p->parts.second_opinion))
        ask_other_spf(m, rq, out);
    return st;
}
