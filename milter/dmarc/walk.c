#include "dmarc/walk.h"

#include "dmarc/record.h"
#include "mail/domain.h"

#include <string.h>

struct memo_entry {
    struct memo_entry *next;
    struct dmarc_step step;
};

struct dmarc_memo {
    struct arena *a;
    struct dns_session *dns;
    struct trace *t;
    struct memo_entry *first;
};

size_t
dmarc_walk_names(slice start, slice names[DMARC_WALK_MAX])
{
    size_t n = 0, labels = domain_labels(start);
    if (labels == 0)
        return 0;
    names[n++] = start;
    slice next = labels < 8 ? domain_parent(start) : domain_last_labels(start, 7); /* RFC 9989 4.10 step 4 */
    for (; next.n > 0 && n < DMARC_WALK_MAX; next = domain_parent(next))
        names[n++] = next;
    return n;
}

bool
dmarc_is_trouble(enum dns_status st)
{
    switch (st) {
    case DNS_OK:
    case DNS_NODATA:
    case DNS_NXDOMAIN:
    case DNS_BADNAME: /* too long a name for DNS holds no record */
        return false;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BUDGET:
        return true;
    }
    return true;
}

/* ---- one name */

struct dmarc_memo *
dmarc_memo_new(struct arena *a, struct dns_session *dns, struct trace *t)
{
    struct dmarc_memo *m = arena_zalloc(a, sizeof(*m));
    if (m != NULL)
        *m = (struct dmarc_memo){ .a = a, .dns = dns, .t = t };
    return m;
}

static slice
record_name(struct arena *a, slice domain)
{
    static const char label[] = "_dmarc.";
    const size_t n = sizeof(label) - 1;
    char *p = arena_alloc(a, n + domain.n);
    if (p == NULL)
        return (slice){ NULL, 0 };
    memcpy(p, label, n);
    memcpy(p + n, domain.p, domain.n);
    return (slice){ p, n + domain.n };
}

static const struct dmarc_step *
known(const struct dmarc_memo *m, slice domain)
{
    for (const struct memo_entry *e = m->first; e != NULL; e = e->next)
        if (slice_ieq(e->step.domain, domain))
            return &e->step;
    return NULL;
}

/* Others than DMARC records are discarded before counting, several are discarded together (RFC 9989 4.10 step 2). */
static bool
read_answer(struct dmarc_memo *m, const struct dns_answer *answer, struct dmarc_step *step)
{
    slice text = SLICE_EMPTY;
    for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++)
        if (dmarc_record_is(answer->records[i].data) && step->n_records++ == 0)
            text = answer->records[i].data;
    if (step->n_records != 1)
        return true;
    struct dmarc_record *r = arena_zalloc(m->a, sizeof(*r));
    if (r == NULL || dmarc_record_parse(m->a, text, r) == ST_NOMEM)
        return false;
    step->record = r;
    return true;
}

static void
tell_step(struct trace *t, slice name, const struct dmarc_step *s)
{
    if (s->record != NULL)
        trace_line(t, "TXT %.*s: \"%.*s\"%s%.*s", SLICE_ARG(name), SLICE_ARG(s->record->text),
                   s->record->warning.n > 0 ? "; " : "", SLICE_ARG(s->record->warning));
    else if (s->n_records > 1)
        trace_line(t, "TXT %.*s: %u DMARC records, all discarded", SLICE_ARG(name), s->n_records);
    else
        trace_line(t, "TXT %.*s: %s", SLICE_ARG(name),
                   s->status == DNS_OK ? "no DMARC record among them" : dns_status_name(s->status));
}

const struct dmarc_step *
dmarc_memo_ask(struct dmarc_memo *m, slice domain)
{
    const struct dmarc_step *old = known(m, domain);
    if (old != NULL)
        return old;
    slice name = record_name(m->a, domain);
    struct memo_entry *e = arena_zalloc(m->a, sizeof(*e));
    if (name.p == NULL || e == NULL)
        return NULL;
    const struct dns_answer *answer = dns_lookup_kept(m->dns, DNS_TXT, name);
    e->step = (struct dmarc_step){ .domain = domain, .status = answer->status };
    if (!read_answer(m, answer, &e->step))
        return NULL;
    e->next = m->first;
    m->first = e;
    tell_step(m->t, name, &e->step);
    return &e->step;
}

void
dmarc_memo_start(struct dmarc_memo *m, slice domain)
{
    slice name = known(m, domain) != NULL ? (slice){ NULL, 0 } : record_name(m->a, domain);
    if (name.p != NULL)
        dns_start_kept(m->dns, DNS_TXT, name, NULL, NULL);
}

/* ---- the walk */

/* psd=n, psd=y: stop (RFC 9989 4.10 steps 2 and 6). */
static bool
ends_here(const struct dmarc_step *s)
{
    return s != NULL && s->record != NULL && s->record->psd != 'u';
}

void
dmarc_walk_init(struct dmarc_walk *w, slice start)
{
    *w = (struct dmarc_walk){ .start = start };
}

enum status
dmarc_walk_on(struct dmarc_walk *w, struct dmarc_memo *m, size_t steps)
{
    slice names[DMARC_WALK_MAX];
    size_t n = dmarc_walk_names(w->start, names);
    if (w->complete || w->trouble != NULL)
        return ST_OK;
    for (size_t i = w->n; i < steps && i < n && !ends_here(known(m, names[i])); i++)
        dmarc_memo_start(m, names[i]);
    while (w->n < steps && w->n < n) {
        const struct dmarc_step *s = dmarc_memo_ask(m, names[w->n]);
        if (s == NULL)
            return ST_NOMEM;
        w->steps[w->n++] = s;
        if (dmarc_is_trouble(s->status)) {
            w->trouble = s;
            return ST_OK;
        }
        if (ends_here(s)) {
            w->complete = true;
            return ST_OK;
        }
    }
    w->complete = w->n == n;
    return ST_OK;
}

slice
dmarc_walk_org_domain(const struct dmarc_walk *w, const struct dmarc_psl *guard, const struct dmarc_step **psd)
{
    slice shortest = w->start;
    *psd = NULL;
    for (size_t i = 0; i < w->n; i++) {
        const struct dmarc_step *s = w->steps[i];
        if (s->record == NULL)
            continue;
        bool guarded = i > 0 && dmarc_psl_is_suffix(guard, s->domain); /* stands in for a psd=y that is missing (11.8) */
        if (s->record->psd == 'n' && !guarded) /* rule 1 */
            return s->domain;
        if (guarded || (i > 0 && s->record->psd == 'y')) { /* rule 2 */
            *psd = s;
            return domain_last_labels(w->start, domain_labels(s->domain) + 1);
        }
        shortest = s->domain; /* rule 3 */
    }
    return shortest;
}
