#include "pipeline/iprev.h"

#include "mail/domain.h"

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
 * name did not lead back.  So a name says what PTR is: only whether it leads to the client is asked here, since not every MTA
 * has asked that, and nobody can have a name of somebody else's lead to an address of his own. */
static bool
is_looked_up(slice mta_says)
{
    struct netaddr address;
    return domain_labels(mta_says) > 1 && mta_says.p[0] != '[' && slice_find(mta_says, ' ') == mta_says.n &&
           !netaddr_parse(mta_says, &address);
}

void
iprev_prefetch(struct dns_session *dns, const struct netaddr *client, slice mta_says)
{
    char name[80];
    if (client->family == 0)
        return;
    if (is_looked_up(mta_says))
        dns_start(dns, address_type(client), mta_says, NULL, NULL);
    else
        dns_start(dns, DNS_PTR, slice_from(netaddr_reverse_name(client, name)), ptr_arrived, (void *)(uintptr_t)client);
}

/* Does that name lead to the client? */
static enum iprev_result
look_forward(struct arena *a, struct dns_session *dns, const struct netaddr *client, slice host, struct trace *t, slice *name)
{
    const struct dns_answer *forward = dns_lookup(dns, address_type(client), host);
    trace_line(t, "%s %.*s: %s", dns_type_name(address_type(client)), SLICE_ARG(host), dns_status_name(forward->status));
    if (!answer_has(forward, client))
        return is_trouble(forward->status) ? IPREV_TEMPERROR : IPREV_FAIL;
    if (domain_from_text(a, host, name) != ST_OK)
        *name = SLICE_EMPTY;
    return IPREV_PASS;
}

enum iprev_result
iprev_check(struct arena *a, struct dns_session *dns, const struct netaddr *client, slice mta_says, struct trace *t, slice *name)
{
    char reverse[80];
    *name = SLICE_EMPTY;
    if (client->family == 0)
        return IPREV_NONE;
    if (is_looked_up(mta_says)) {
        trace_line(t, "the MTA has the client's name, %.*s", SLICE_ARG(mta_says));
        return look_forward(a, dns, client, mta_says, t, name);
    }
    netaddr_reverse_name(client, reverse);
    const struct dns_answer *ptr = dns_lookup(dns, DNS_PTR, slice_from(reverse));
    trace_line(t, "PTR %s: %s", reverse, dns_status_name(ptr->status));
    if (is_trouble(ptr->status))
        return IPREV_TEMPERROR;
    if (ptr->status != DNS_OK)
        return IPREV_PERMERROR;
    enum iprev_result worst = IPREV_FAIL;
    for (size_t i = 0; i < ptr->n && i < IPREV_MAX_NAMES; i++) {
        enum iprev_result one = look_forward(a, dns, client, ptr->records[i].data, t, name);
        if (one == IPREV_PASS)
            return one;
        if (one == IPREV_TEMPERROR)
            worst = one;
    }
    return worst;
}
