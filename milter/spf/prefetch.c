/*
 * The questions of a check, asked before the check is made.  Records are walked in the order in
 * which they arrive.
 *
 * Race-free without a lock: a slot's answer is stored before `arrived` is counted up, and whoever
 * counts it up from zero works through all slots until it has counted down to zero again.  So one
 * thread at a time touches the rest of the state, and an answer that is there at once is queued
 * rather than nested: no chain of includes drives the C stack.
 *
 * The budget is RFC 7208 4.6.4's.  A tree of records with at most 10 terms is asked in full, and
 * evaluation asks nothing more. Where more terms are known than evaluation may ask, which of them
 * it will reach depends on answers, so nothing more is asked ahead; and a record that alone holds
 * 10 is entered at its first include only, for each further term in there would push another one
 * beyond the limit.
 */
#include "mail/domain.h"
#include "spf/ahead.h"
#include "spf/identity.h"
#include "spf/limits.h"
#include "spf/spf.h"

#include <stdatomic.h>
#include <string.h>

/* Addresses of MX hosts asked early, all mx terms together: 10 terms of 10 hosts would spend the
 * message's whole budget. */
#define AHEAD_MX_HOSTS 20

struct slot {
    struct spf_prefetch *owner;
    enum spf_question_kind kind; /* RECORD or MX */
    bool done;
    _Atomic(const struct dns_answer *) answer;
    size_t name_length;
    char name[DOMAIN_MAX];
};

struct spf_prefetch {
    struct dns_session *dns;
    struct spf_identity id;
    atomic_uint arrived;
    atomic_uint terms; /* known in all records seen so far; written by whoever is at work */
    unsigned mx_hosts;
    size_t n_slots;
    struct slot slots[SPF_MAX_TERMS + 1];
};

static dns_callback on_answer;

static void
ask_later(struct spf_prefetch *p, enum spf_question_kind kind, enum dns_type type, slice name)
{
    if (p->n_slots == COUNT(p->slots) || name.n > DOMAIN_MAX)
        return;
    struct slot *s = &p->slots[p->n_slots++];
    s->owner = p;
    s->kind = kind;
    s->name_length = name.n;
    memcpy(s->name, name.p, name.n);
    dns_start(p->dns, type, name, on_answer, s);
}

static void
ask(struct spf_prefetch *p, const struct spf_question *q, slice domain, struct strbuf *scratch)
{
    struct spf_macro_facts facts = p->id.facts;
    facts.domain = domain;
    slice name = domain;
    if (q->domain_spec.n > 0 && (!spf_identity_expands(&p->id, q->domain_spec) ||
                                 spf_macro_target(scratch, q->domain_spec, &facts, &name) != ST_OK))
        return;
    switch (q->kind) {
    case SPF_ASK_ADDRESS:
        dns_start(p->dns, q->type, name, NULL, NULL);
        break;
    case SPF_ASK_RECORD:
        if (domain_labels(name) < 2)
            break;
        ask_later(p, q->kind, q->type, name);
        break;
    case SPF_ASK_MX:
        ask_later(p, q->kind, q->type, name);
        break;
    case SPF_ASK_LATE:
        break;
    }
}

static void
walk_record(struct spf_prefetch *p, slice text, slice domain)
{
    struct spf_record r;
    struct spf_syntax_error error;
    if (spf_record_parse(text, &r, &error) != ST_OK)
        return;
    struct spf_ahead h = { .record = &r, .client = &p->id.facts.client };
    unsigned records;
    unsigned more = spf_ahead_count(h, &records), known = atomic_fetch_add(&p->terms, more) + more;
    if (known > SPF_MAX_TERMS)
        return;
    bool full = records > 0 && known == SPF_MAX_TERMS;
    struct strbuf scratch;
    strbuf_init(&scratch, 0);
    for (struct spf_question q; spf_ahead_next(&h, &q);) {
        ask(p, &q, domain, &scratch);
        if (full && q.type == DNS_TXT)
            break;
    }
    strbuf_clear(&scratch);
}

static void
take_record(struct spf_prefetch *p, const struct slot *s, const struct dns_answer *answer)
{
    const struct dns_record *only = NULL;
    for (size_t i = 0; i < answer->n; i++) {
        if (!spf_record_is(answer->records[i].data))
            continue;
        if (only != NULL)
            return;
        only = &answer->records[i];
    }
    if (only != NULL)
        walk_record(p, only->data, (slice){ s->name, s->name_length });
}

static void
take_mx(struct spf_prefetch *p, const struct dns_answer *answer)
{
    if (answer->n > SPF_MAX_MX_HOSTS)
        return;
    enum dns_type type = p->id.facts.client.family == 6 ? DNS_AAAA : DNS_A;
    for (size_t i = 0; i < answer->n && p->mx_hosts < AHEAD_MX_HOSTS; i++)
        if (answer->records[i].data.n > 0) {
            p->mx_hosts++;
            dns_start(p->dns, type, answer->records[i].data, NULL, NULL);
        }
}

static void
take(struct spf_prefetch *p, struct slot *s, const struct dns_answer *answer)
{
    s->done = true;
    if (answer->status != DNS_OK)
        return;
    if (s->kind == SPF_ASK_MX)
        take_mx(p, answer);
    else
        take_record(p, s, answer);
}

static void
on_answer(void *arg, struct dns_session *dns, const struct dns_answer *answer)
{
    (void)dns;
    struct slot *arrived = arg;
    struct spf_prefetch *p = arrived->owner;
    atomic_store_explicit(&arrived->answer, answer, memory_order_release);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) != 0)
        return; /* someone is at work and will see it */
    unsigned counted = 1;
    do {
        for (size_t i = 0; i < p->n_slots; i++) {
            struct slot *s = &p->slots[i];
            const struct dns_answer *got = atomic_load_explicit(&s->answer, memory_order_acquire);
            if (got != NULL && !s->done)
                take(p, s, got);
        }
        counted = atomic_fetch_sub_explicit(&p->arrived, counted, memory_order_acq_rel) - counted;
    } while (counted != 0);
}

unsigned
spf_prefetch_terms(const struct spf_prefetch *p)
{
    return atomic_load(&p->terms);
}

void
spf_prefetch(struct arena *a, struct dns_session *dns, struct spf_request *rq)
{
    rq->ahead = NULL;
    struct spf_prefetch *p = arena_zalloc(a, sizeof(*p));
    if (p == NULL || spf_identity_of(a, rq, &p->id) != ST_OK || p->id.why_none != NULL)
        return;
    p->dns = dns;
    atomic_init(&p->arrived, 0);
    atomic_init(&p->terms, 0);
    for (size_t i = 0; i < COUNT(p->slots); i++)
        atomic_init(&p->slots[i].answer, NULL);
    rq->ahead = p;
    ask_later(p, SPF_ASK_RECORD, DNS_TXT, p->id.facts.domain);
}
