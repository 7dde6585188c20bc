#include "pipeline/iprev.h"

#include "mail/domain.h"

#include <stdatomic.h>

/* RFC 8601 3: a bound on the names looked at; the one of RFC 7208 4.6.4 for ptr. */
#define IPREV_MAX_NAMES 10
/* Asked ahead of need: nearly every client has one name, and the rest is rarely worth a question. */
#define IPREV_PREFETCH_NAMES 1

static enum dns_type
address_type(const struct netaddr *client)
{
    return client->family == 4 ? DNS_A : DNS_AAAA;
}

static void
ptr_arrived(void *arg, struct dns_session *dns, const struct dns_answer *answer)
{
    const struct netaddr *client = arg;
    for (size_t i = 0; i < answer->n && i < IPREV_PREFETCH_NAMES; i++)
        dns_start(dns, address_type(client), answer->records[i].data, NULL, NULL);
}

static void
start_reverse(struct dns_session *dns, const struct netaddr *client)
{
    char name[80];
    dns_start(dns, DNS_PTR, slice_from(netaddr_reverse_name(client, name)), ptr_arrived, (void *)(uintptr_t)client);
}

static bool
is_trouble(enum dns_status st)
{
    return st == DNS_SERVFAIL || st == DNS_TIMEOUT || st == DNS_BUDGET;
}

static bool
answer_has(const struct dns_answer *answer, const struct netaddr *client)
{
    for (size_t i = 0; i < answer->n; i++)
        if (netaddr_equal(&answer->records[i].addr, client))
            return true;
    return false;
}

/* An MTA that looked the client up has its name from the PTR record, and says "unknown" or an address in brackets where the
 * name did not lead back.  Whether it does is asked here again, for not every MTA looks, and nobody can have a name of
 * somebody else's lead to his own address; the PTR record need not be asked for twice. */
static bool
is_looked_up(slice mta_says)
{
    return mta_says.n > 0 && mta_says.p[0] != '[' && slice_find(mta_says, '.') < mta_says.n;
}

struct ahead {
    const struct netaddr *client;
    atomic_bool confirmed;
};

static void
forward_arrived(void *arg, struct dns_session *dns, const struct dns_answer *answer)
{
    struct ahead *h = arg;
    (void)dns;
    atomic_store(&h->confirmed, answer_has(answer, h->client));
}

void
iprev_prefetch(struct arena *a, struct dns_session *dns, const struct netaddr *client, slice mta_says)
{
    struct ahead *h = client->family == 0 ? NULL : arena_zalloc(a, sizeof(*h));
    if (h == NULL)
        return;
    h->client = client;
    atomic_init(&h->confirmed, false);
    if (is_looked_up(mta_says))
        dns_start(dns, address_type(client), mta_says, forward_arrived, h);
    if (!atomic_load(&h->confirmed)) /* an answer that was in the cache is there by now */
        start_reverse(dns, client);
}

static bool
confirms(struct arena *a, struct dns_session *dns, const struct netaddr *client, slice mta_says, struct trace *t, slice *name)
{
    if (!is_looked_up(mta_says))
        return false;
    const struct dns_answer *forward = dns_lookup(dns, address_type(client), mta_says);
    bool good = answer_has(forward, client) && domain_from_text(a, mta_says, name) == ST_OK;
    trace_line(t, "%s %.*s, the name the MTA has: %s%s", dns_type_name(address_type(client)), SLICE_ARG(mta_says),
               dns_status_name(forward->status), good ? ", has the client's address" : "");
    return good;
}

enum iprev_result
iprev_check(struct arena *a, struct dns_session *dns, const struct netaddr *client, slice mta_says, struct trace *t, slice *name)
{
    char reverse[80];
    *name = SLICE_EMPTY;
    if (client->family == 0)
        return IPREV_NONE;
    if (confirms(a, dns, client, mta_says, t, name))
        return IPREV_PASS;
    *name = SLICE_EMPTY;
    netaddr_reverse_name(client, reverse);
    const struct dns_answer *ptr = dns_lookup(dns, DNS_PTR, slice_from(reverse));
    trace_line(t, "PTR %s: %s", reverse, dns_status_name(ptr->status));
    if (is_trouble(ptr->status))
        return IPREV_TEMPERROR;
    if (ptr->status != DNS_OK)
        return IPREV_PERMERROR;
    bool trouble = false;
    for (size_t i = 0; i < ptr->n && i < IPREV_MAX_NAMES; i++) {
        slice host = ptr->records[i].data;
        const struct dns_answer *forward = dns_lookup(dns, address_type(client), host);
        trace_line(t, "%s %.*s: %s", dns_type_name(address_type(client)), SLICE_ARG(host),
                   dns_status_name(forward->status));
        trouble = trouble || is_trouble(forward->status);
        if (!answer_has(forward, client))
            continue;
        if (domain_from_text(a, host, name) != ST_OK)
            *name = SLICE_EMPTY;
        return IPREV_PASS;
    }
    return trouble ? IPREV_TEMPERROR : IPREV_FAIL;
}
