#include "pipeline/state.h"

#include "second/second.h"

/* The native verifier runs unless the other engine is chosen and nobody compares; the other one where it is chosen, or
 * for a second opinion on the same answers. */
void
checks_dkim_start(struct message *m, const struct dkim_options *o)
{
    const struct second_dkim_ops *other = second_dkim();
    bool compare = m->c->second_opinion != SECOND_OFF || m->p->parts.second_opinion;
    bool native = m->c->dkim_engine == ENGINE_NATIVE;
    if (native || compare) {
        m->dkim = dkim_new(m->a, m->dns, m->p->parts.keys, o);
        message_note(m, m->dkim == NULL ? ST_NOMEM : ST_OK);
    }
    if (other != NULL && (!native || compare)) {
        m->second_dkim = other->start(m->a, m->dns, o);
        message_note(m, m->second_dkim == NULL ? ST_NOMEM : ST_OK);
    }
}

void
checks_dkim_field(struct message *m, const struct header_field *f)
{
    if (m->dkim != NULL)
        message_note(m, dkim_add_field(m->dkim, f));
    if (m->second_dkim != NULL)
        message_note(m, second_dkim()->add_field(m->second_dkim, f));
}

void
checks_dkim_header_end(struct message *m)
{
    if (m->dkim != NULL)
        message_note(m, dkim_header_end(m->dkim, m->headers, m->author.domain, m->body));
    if (m->second_dkim != NULL)
        message_note(m, second_dkim()->header_end(m->second_dkim, m->headers, m->author.domain));
}

void
checks_dkim_body(struct message *m, slice chunk)
{
    if (m->second_dkim != NULL)
        message_note(m, second_dkim()->body(m->second_dkim, chunk));
}

void
checks_dkim_finish(struct message *m)
{
    const struct dkim_result *native = NULL, *other = NULL;
    size_t n_native = 0, n_other = 0;
    if (m->dkim != NULL)
        message_note(m, dkim_finish(m->dkim, m->t, &native, &n_native));
    if (m->second_dkim != NULL)
        message_note(m, second_dkim()->finish(m->second_dkim, m->t, &other, &n_other));
    if (m->trouble != ST_OK)
        return;
    bool chosen = m->c->dkim_engine == ENGINE_NATIVE;
    m->record.dkim = chosen ? native : other;
    m->record.n_dkim = chosen ? n_native : n_other;
    if (m->dkim != NULL && m->second_dkim != NULL)
        message_contradicted(m, "dkim", second_dkim_difference(m->a, native, n_native, other, n_other));
}

void
checks_dkim_clear(struct message *m)
{
    if (m->second_dkim != NULL)
        second_dkim()->clear(m->second_dkim);
    m->second_dkim = NULL;
}
