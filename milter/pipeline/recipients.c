/*
 * recipients.c - the domains of a message's recipients, each once, in time that grows with their number: of recipients there
 * may be as many as the MTA takes.
 */
#include "pipeline/state.h"

#include "mail/headers.h"

#include <string.h>

/* Where the name stands in the table of numbers (from 1 on) of domains, or 0 where it would. */
static uint32_t *
find_place(const struct message *m, slice name)
{
    uint64_t seed = m->headers == NULL ? 0 : header_list_seed(m->headers);
    size_t mask = 2 * m->rcpt_cap - 1, i = (size_t)slice_hash(name, seed) & mask;
    while (m->rcpt_places[i] != 0 && !slice_eq(m->rcpt_domains[m->rcpt_places[i] - 1], name))
        i = (i + 1) & mask;
    return &m->rcpt_places[i];
}

static enum status
grow(struct message *m)
{
    size_t n = m->record.n_rcpt_domains, cap = m->rcpt_cap == 0 ? 8 : m->rcpt_cap * 2;
    slice *domains = arena_array(m->a, cap, sizeof(*domains));
    uint32_t *places = arena_array(m->a, 2 * cap, sizeof(*places));
    if (domains == NULL || places == NULL || cap > UINT32_MAX / 2)
        return ST_NOMEM;
    if (n > 0)
        memcpy(domains, m->rcpt_domains, n * sizeof(*domains));
    m->rcpt_domains = domains;
    m->record.rcpt_domains = domains;
    m->rcpt_places = places;
    m->rcpt_cap = cap;
    for (size_t i = 0; i < n; i++)
        *find_place(m, domains[i]) = (uint32_t)i + 1;
    return ST_OK;
}

enum status
recipients_add_domain(struct message *m, slice name)
{
    if (m->rcpt_cap > 0 && *find_place(m, name) != 0)
        return ST_OK;
    if (m->record.n_rcpt_domains == m->rcpt_cap && grow(m) != ST_OK)
        return ST_NOMEM;
    uint32_t *place = find_place(m, name);
    m->rcpt_domains[m->record.n_rcpt_domains++] = name;
    *place = (uint32_t)m->record.n_rcpt_domains;
    return ST_OK;
}
