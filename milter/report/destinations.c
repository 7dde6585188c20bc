#include "autoconf.h"

#include "report/destinations.h"
#include "dmarc/record.h"
#include "dmarc/walk.h"
#include "mail/address.h"
#include "mail/domain.h"

#include <string.h>

#define LOCAL_PART_MAX 64 /* RFC 5321 4.5.3.1.1 */
#define QUERIES 40        /* two tree walks and the question itself */

static int
hex_digit(char c)
{
    c = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 2.1.  ST_SYNTAX: a "%" without two digits. */
static enum status
percent_decode(struct arena *a, slice s, slice *decoded)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; out != NULL && i < s.n; i++) {
        if (s.p[i] != '%') {
            out[n++] = s.p[i];
            continue;
        }
        int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1, low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
        if (high < 0 || low < 0)
            return ST_SYNTAX;
        out[n++] = (char)(high * 16 + low);
        i += 2;
    }
    *decoded = (slice){ out, n };
    return out == NULL ? ST_NOMEM : ST_OK;
}

enum status
destination_parse(struct arena *a, slice uri, slice *address)
{
    slice clean, text, domain;
    if (!dmarc_uri_parse(slice_trim(uri), &clean) || !slice_istarts(clean, SLICE("mailto:")))
        return ST_SYNTAX;
    clean = slice_tail(clean, strlen("mailto:"));
    clean = slice_head(clean, slice_find(clean, '?')); /* header fields of RFC 6068 are nobody's business here */
    enum status st = percent_decode(a, clean, &text);
    if (st != ST_OK)
        return st;
    size_t at = slice_rfind(text, '@');
    slice local = slice_head(text, at);
    /* What needs quotes is not what anybody publishes, and cannot be handed on safely; a comma, a second "@", a line end or a
     * space is none of an atom's: one address or none. */
    if (at == text.n || !address_is_dot_atom(local) || local.n > LOCAL_PART_MAX || local.p[0] == '-')
        return ST_SYNTAX;
    st = domain_from_text(a, slice_tail(text, at + 1), &domain);
    if (st != ST_OK || domain_labels(domain) < 2)
        return st == ST_NOMEM ? st : ST_SYNTAX;
    *address = arena_printf(a, "%.*s@%.*s", SLICE_ARG(local), SLICE_ARG(domain));
    return address->p == NULL ? ST_NOMEM : ST_OK;
}

slice
destination_host(slice address)
{
    return slice_tail(address, slice_rfind(address, '@') + 1);
}

/* ST_TIMEOUT: DNS could not say. */
static enum status
org_domain(struct arena *a, struct dns_session *dns, const struct dmarc_psl *guard, slice name, slice *out)
{
    struct dmarc_memo *m = dmarc_memo_new(a, dns, NULL);
    struct dmarc_walk w;
    const struct dmarc_step *psd;
    if (m == NULL)
        return ST_NOMEM;
    dmarc_walk_init(&w, name);
    if (dmarc_walk_on(&w, m, DMARC_WALK_MAX) != ST_OK)
        return ST_NOMEM;
    if (w.trouble != NULL)
        return ST_TIMEOUT;
    *out = dmarc_walk_org_domain(&w, guard, &psd);
    return ST_OK;
}

/* RFC 9990 4, step 9: the consent may name another address, at the same host only; one at another host, wherever it
 * stands, and there is no report at all (ST_SYNTAX).  *use: the first that is named; untouched if none is. */
static enum status
stays_at_host(struct arena *a, const struct dmarc_record *p, enum report_kind kind, slice host, slice *use)
{
    const slice *uris = kind == REPORT_AGGREGATE ? p->rua : p->ruf;
    size_t n = kind == REPORT_AGGREGATE ? p->n_rua : p->n_ruf;
    slice other;
    for (size_t i = 0; i < n; i++) {
        enum status st = destination_parse(a, uris[i], &other);
        if (st == ST_NOMEM)
            return st;
        if (st != ST_OK)
            continue;
        if (!slice_ieq(destination_host(other), host))
            return ST_SYNTAX;
        if (use->n == 0)
            *use = other;
    }
    return ST_OK;
}

static enum consent
no_memory(slice *why)
{
    *why = SLICE("no memory to ask for consent");
    return CONSENT_LATER;
}

static enum consent
ask(struct arena *a, struct dns_session *dns, enum report_kind kind, slice policy_domain, slice host, slice *use, slice *why)
{
    slice name = arena_printf(a, "%.*s._report._dmarc.%.*s", SLICE_ARG(policy_domain), SLICE_ARG(host));
    *why = SLICE("no consent in DNS");
    if (name.p == NULL)
        return no_memory(why);
    if (name.n > DOMAIN_MAX)
        return CONSENT_NO;
    const struct dns_answer *answer = dns_lookup(dns, DNS_TXT, name);
    if (dmarc_is_trouble(answer->status)) {
        *why = SLICE("DNS could not say whether there is consent");
        return CONSENT_LATER;
    }
    bool consent = false;
    slice named = SLICE_EMPTY;
    for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++) { /* steps 6 to 8: all that are DMARC records count */
        struct dmarc_record p;
        enum status st = dmarc_record_parse(a, answer->records[i].data, &p);
        if (st == ST_NOMEM)
            return no_memory(why);
        if (st != ST_OK)
            continue;
        consent = true;
        st = stays_at_host(a, &p, kind, host, &named);
        if (st == ST_NOMEM)
            return no_memory(why);
        if (st != ST_OK) {
            *why = SLICE("the consent names an address at another host");
            return CONSENT_NO;
        }
    }
    if (!consent)
        return CONSENT_NO;
    if (named.n > 0)
        *use = named;
    *why = SLICE("consent in DNS");
    return CONSENT_YES;
}

enum consent
destination_consent(struct arena *a, struct resolver *r, unsigned timeout_ms, const struct dmarc_psl *guard,
                    enum report_kind kind, slice policy_domain, slice address, slice *use, slice *why)
{
    slice host = destination_host(address), host_org, policy_org;
    *use = address;
    *why = SLICE("the same organization");
    if (slice_ieq(host, policy_domain))
        return CONSENT_SAME;
    const struct dns_limits limits = { timeout_ms, QUERIES };
    struct dns_session *dns = dns_session_new(r, &limits);
    enum status st = dns == NULL ? ST_NOMEM : org_domain(a, dns, guard, policy_domain, &policy_org);
    if (st == ST_OK)
        st = org_domain(a, dns, guard, host, &host_org);
    enum consent c = CONSENT_LATER;
    if (st != ST_OK)
        *why = SLICE("DNS could not say whose the address is");
    else if (host_org.n > 0 && slice_ieq(host_org, policy_org))
        c = CONSENT_SAME;
    else
        c = ask(a, dns, kind, policy_domain, host, use, why);
    /* What the answers held was copied where it is kept: addresses by destination_parse(). */
    dns_session_free(dns);
    return c;
}
