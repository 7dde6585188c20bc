#include "spf/ahead.h"
#include "spf/macro.h"

static enum dns_type
address_type(const struct netaddr *client)
{
    return client->family == 6 ? DNS_AAAA : DNS_A;
}

static void
set(struct spf_question *q, enum spf_question_kind kind, enum dns_type type, slice domain_spec)
{
    *q = (struct spf_question){ .kind = kind, .type = type, .domain_spec = domain_spec };
    if (spf_macro_uses(domain_spec, "p"))
        q->kind = SPF_ASK_LATE;
}

bool
spf_ahead_next(struct spf_ahead *h, struct spf_question *out)
{
    struct spf_term t;
    h->finished = h->finished || !h->record->asks;
    while (!h->finished && spf_record_next(h->record, &h->at, &t)) {
        h->finished = spf_term_matches_alone(&t, h->client);
        switch (t.mechanism) {
        case SPF_MECH_ALL:
        case SPF_MECH_IP4:
        case SPF_MECH_IP6:
            continue;
        case SPF_MECH_INCLUDE:
            set(out, SPF_ASK_RECORD, DNS_TXT, t.domain_spec);
            return true;
        case SPF_MECH_A:
            set(out, SPF_ASK_ADDRESS, address_type(h->client), t.domain_spec);
            return true;
        case SPF_MECH_MX:
            set(out, SPF_ASK_MX, DNS_MX, t.domain_spec);
            return true;
        case SPF_MECH_EXISTS:
            set(out, SPF_ASK_ADDRESS, DNS_A, t.domain_spec);
            return true;
        case SPF_MECH_PTR:
            set(out, SPF_ASK_LATE, DNS_PTR, t.domain_spec);
            return true;
        }
    }
    if (h->finished)
        return false;
    h->finished = true;
    if (h->record->redirect.n == 0)
        return false;
    set(out, SPF_ASK_RECORD, DNS_TXT, h->record->redirect);
    return true;
}

unsigned
spf_ahead_count(struct spf_ahead h, unsigned *records)
{
    struct spf_question q;
    unsigned n = 0;
    *records = 0;
    while (spf_ahead_next(&h, &q)) {
        n++;
        *records += q.type == DNS_TXT;
    }
    return n;
}
