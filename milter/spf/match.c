#include "mail/domain.h"
#include "spf/walk.h"

bool
spf_count_term(struct spf_walk *w)
{
    if (w->lookups == SPF_MAX_TERMS) {
        w->reason = SLICE("more than 10 DNS-lookup terms");
        return false;
    }
    w->lookups++;
    return true;
}

static bool
voids_allowed(struct spf_walk *w)
{
    if (w->voids <= w->rq->max_voids)
        return true;
    w->reason = arena_printf(w->arena, "more than %u void DNS lookups", w->rq->max_voids);
    return false;
}

const struct dns_answer *
spf_walk_ask(struct spf_walk *w, enum dns_type type, slice name, bool count_void)
{
    const struct dns_answer *answer = dns_lookup(w->dns, type, name);
    bool is_void = answer->status == DNS_NODATA || answer->status == DNS_NXDOMAIN;
    spf_trace_answer(w->trace, type, name, answer);
    if (is_void && count_void) {
        w->voids++;
        trace_line(w->trace, "void lookup %u, %u allowed", w->voids, w->rq->max_voids);
    }
    return answer;
}

/* An answer is there, is not, or could not be had.  A name that DNS cannot carry does not exist
 * (RFC 7208 4.8 leaves it open); it is not asked for, so it is no void lookup. */
static enum spf_match
judge(struct spf_walk *w, enum dns_type type, slice name, const struct dns_answer *answer)
{
    switch (answer->status) {
    case DNS_OK:
        return SPF_MATCH;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        return voids_allowed(w) ? SPF_NO_MATCH : SPF_MATCH_PERMERROR;
    case DNS_BADNAME:
        return SPF_NO_MATCH;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BUDGET:
        break;
    }
    /* A limit that is met is met again when the message comes again: no reason to try later (4.6.4). */
    bool limit = answer->status == DNS_BUDGET;
    w->reason = arena_printf(w->arena, "DNS %s for %s of %.*s", dns_status_name(answer->status),
                             dns_type_name(type), SLICE_ARG(spf_say(w->arena, name, 260)));
    return limit ? SPF_MATCH_PERMERROR : SPF_MATCH_TEMPERROR;
}

static enum dns_type
address_type(const struct spf_walk *w)
{
    return w->rq->client.family == 6 ? DNS_AAAA : DNS_A;
}

static bool
holds_client(const struct spf_walk *w, const struct dns_answer *answer, unsigned prefix4,
             unsigned prefix6)
{
    unsigned prefix = w->rq->client.family == 6 ? prefix6 : prefix4;
    for (size_t i = 0; i < answer->n; i++)
        if (netaddr_in(&w->rq->client, &answer->records[i].addr, prefix))
            return true;
    return false;
}

static enum spf_match
match_address(struct spf_walk *w, const struct spf_term *t, slice name, bool count_void)
{
    const struct dns_answer *answer = spf_walk_ask(w, address_type(w), name, count_void);
    enum spf_match m = judge(w, address_type(w), name, answer);
    return m == SPF_MATCH && !holds_client(w, answer, t->prefix4, t->prefix6) ? SPF_NO_MATCH : m;
}

static enum spf_match
match_mx(struct spf_walk *w, const struct spf_term *t, slice name)
{
    const struct dns_answer *mx = spf_walk_ask(w, DNS_MX, name, true);
    enum spf_match m = judge(w, DNS_MX, name, mx);
    if (m != SPF_MATCH)
        return m;
    if (mx->n > SPF_MAX_MX_HOSTS) {
        w->reason = arena_printf(w->arena, "%.*s has more than 10 MX hosts",
                                 SLICE_ARG(spf_say(w->arena, name, 260)));
        return SPF_MATCH_PERMERROR;
    }
    for (size_t i = 0; i < mx->n; i++)
        if (mx->records[i].data.n > 0)
            dns_start(w->dns, address_type(w), mx->records[i].data, NULL, NULL);
    /* 4.6.4 counts terms: hosts without an address of the client's family are one void lookup of theirs, however many. */
    unsigned voids_before = w->voids;
    for (size_t i = 0; i < mx->n; i++) {
        if (mx->records[i].data.n == 0) /* the null MX, RFC 7505: no host */
            continue;
        m = match_address(w, t, mx->records[i].data, w->voids == voids_before);
        if (m != SPF_NO_MATCH)
            return m;
    }
    return SPF_NO_MATCH;
}

/* The names of the client's address, the first 10 of them (RFC 7208 5.5, 4.6.4). */
static void
ask_names(struct spf_walk *w, bool count_void)
{
    char reverse[80];
    if (w->names_asked)
        return;
    w->names_asked = true;
    netaddr_reverse_name(&w->rq->client, reverse);
    const struct dns_answer *ptr = spf_walk_ask(w, DNS_PTR, slice_from(reverse), count_void);
    w->names_void = ptr->status == DNS_NODATA || ptr->status == DNS_NXDOMAIN;
    for (size_t i = 0; i < ptr->n && w->n_names < SPF_MAX_PTR_NAMES; i++)
        w->names[w->n_names++] = (struct spf_client_name){ .name = ptr->records[i].data };
    if (ptr->n > SPF_MAX_PTR_NAMES)
        trace_line(w->trace, "only the first 10 of %zu names are looked at", ptr->n);
}

/* Forwards too?  An error skips the name (5.5).  The names are the client's choice, not the
 * domain's, so an absent one is no void lookup of the domain's record (4.6.4 gives the same reason
 * for its two limits). */
static bool
is_validated(struct spf_walk *w, struct spf_client_name *n)
{
    if (n->state == SPF_NAME_UNKNOWN) {
        const struct dns_answer *answer = spf_walk_ask(w, address_type(w), n->name, false);
        n->state = answer->status == DNS_OK && holds_client(w, answer, 32, 128) ? SPF_NAME_VALID
                                                                                : SPF_NAME_FALSE;
    }
    return n->state == SPF_NAME_VALID;
}

static enum spf_match
match_ptr(struct spf_walk *w, slice target)
{
    if (w->names_asked && w->names_void)
        w->voids++; /* every term counts, asked anew or not, as with other mechanisms */
    ask_names(w, true);
    if (!voids_allowed(w))
        return SPF_MATCH_PERMERROR;
    if (target.n == 0)
        return SPF_NO_MATCH;
    for (size_t i = 0; i < w->n_names; i++)
        if (domain_equal_or_below(w->names[i].name, target) && is_validated(w, &w->names[i]))
            return SPF_MATCH;
    return SPF_NO_MATCH;
}

slice
spf_validated_name(struct spf_walk *w, slice domain, bool after)
{
    ask_names(w, !after);
    /* the domain itself, else one below it, else any (7.3) */
    for (size_t i = 0; i < w->n_names; i++)
        if (slice_ieq(w->names[i].name, domain) && is_validated(w, &w->names[i]))
            return w->names[i].name;
    for (size_t i = 0; i < w->n_names; i++)
        if (domain_equal_or_below(w->names[i].name, domain) && is_validated(w, &w->names[i]))
            return w->names[i].name;
    for (size_t i = 0; i < w->n_names; i++)
        if (is_validated(w, &w->names[i]))
            return w->names[i].name;
    return SLICE_EMPTY;
}

enum spf_match
spf_walk_target(struct spf_walk *w, slice domain_spec, bool after, slice *out)
{
    slice domain = spf_walk_top(w)->domain;
    *out = domain;
    if (domain_spec.n == 0)
        return SPF_MATCH;
    if (!spf_identity_expands(&w->id, domain_spec)) {
        trace_line(w->trace, "not ASCII what its macros stand for (RFC 8616 4)");
        return SPF_NO_MATCH;
    }
    struct spf_macro_facts facts = w->id.facts;
    facts.domain = domain;
    if (spf_macro_uses(domain_spec, "p")) {
        /* 4.6.4: asking for the PTR records of %{p} counts like the mechanism */
        if (!after && !w->names_asked && !spf_count_term(w))
            return SPF_MATCH_PERMERROR;
        facts.validated_name = spf_validated_name(w, domain, after);
        if (!after && !voids_allowed(w))
            return SPF_MATCH_PERMERROR;
    }
    w->names_sender |= spf_macro_uses(domain_spec, "ls");
    slice name;
    w->st = spf_macro_target(&w->scratch, domain_spec, &facts, &name);
    if (w->st == ST_OK) {
        *out = arena_slice(w->arena, name);
        if (out->p == NULL)
            w->st = ST_NOMEM;
    }
    if (w->st != ST_OK)
        return SPF_NO_MATCH;
    if (spf_macro_uses(domain_spec, "slodiphv"))
        trace_line(w->trace, "target: %.*s", SLICE_ARG(*out));
    return SPF_MATCH;
}

enum spf_match
spf_match_asking(struct spf_walk *w, const struct spf_term *t)
{
    slice name;
    enum spf_match m = spf_walk_target(w, t->domain_spec, false, &name);
    if (m != SPF_MATCH)
        return m;
    switch (t->mechanism) {
    case SPF_MECH_A:
        return match_address(w, t, name, true);
    case SPF_MECH_MX:
        return match_mx(w, t, name);
    case SPF_MECH_PTR:
        return match_ptr(w, name);
    case SPF_MECH_EXISTS: /* 5.7: A, whatever the client's family */
        return judge(w, DNS_A, name, spf_walk_ask(w, DNS_A, name, true));
    case SPF_MECH_ALL:
    case SPF_MECH_INCLUDE:
    case SPF_MECH_IP4:
    case SPF_MECH_IP6:
        break;
    }
    return SPF_NO_MATCH;
}
