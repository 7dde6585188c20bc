#include "spf/identity.h"
#include "mail/domain.h"

/* As %{h} shows it: what the client said, but in A-labels (RFC 8616 4). */
static enum status
helo_text(struct arena *a, slice helo, slice *out)
{
    *out = helo;
    if (slice_is_printable(helo))
        return ST_OK;
    enum status st = domain_from_text(a, helo, out);
    return st == ST_SYNTAX ? ST_OK : st;
}

enum status
spf_identity_of(struct arena *a, const struct spf_request *rq, struct spf_identity *out)
{
    bool by_helo = rq->scope == SPF_SCOPE_HELO || rq->sender_domain.n == 0;
    struct netaddr address;
    slice given = by_helo ? rq->helo : rq->sender_domain, name = SLICE_EMPTY;
    struct spf_identity id = {
        .facts = { .client = rq->client, .receiver = rq->receiver, .now = rq->now }
    };
    /* RFC 7208 4.3: no local part is "postmaster"; 2.4: so is the null reverse-path */
    id.facts.local = by_helo || rq->sender_local.n == 0 ? SLICE("postmaster") : rq->sender_local;
    enum status st = helo_text(a, rq->helo, &id.facts.helo);
    if (st != ST_OK)
        return st;
    st = domain_from_text(a, given, &name);
    if (st == ST_NOMEM)
        return st;
    if (given.n == 0)
        id.why_none = "no HELO name was given";
    else if (st != ST_OK || netaddr_parse(name, &address)) /* RFC 1123 2.1: no name looks like an address */
        id.why_none = by_helo ? "the HELO name is not a domain name" : "not a domain name";
    else if (domain_labels(name) < 2)
        id.why_none = "a single label is not a full domain name";
    else if (rq->client.family == 0)
        id.why_none = "the client has no IP address";
    id.facts.domain = id.facts.sender_domain = st == ST_OK ? name : SLICE_EMPTY;
    id.local_usable = slice_is_printable(id.facts.local);
    id.helo_usable = slice_is_printable(id.facts.helo);
    *out = id;
    return ST_OK;
}

bool
spf_identity_expands(const struct spf_identity *id, slice text)
{
    return (id->local_usable || !spf_macro_uses(text, "sl")) &&
           (id->helo_usable || !spf_macro_uses(text, "h"));
}
