/*
 * destinations.h - where a report may go (RFC 9990 3.5 and 4): mailto only, one address a URI, and addresses outside the
 * organization only with their consent in DNS.  No answer is no.
 */
#ifndef VIDIMUS_REPORT_DESTINATIONS_H
#define VIDIMUS_REPORT_DESTINATIONS_H

#include "base/arena.h"
#include "dmarc/psl.h"
#include "dns/resolver.h"

#define DESTINATIONS_MAX 10

enum report_kind { REPORT_AGGREGATE /* rua */, REPORT_FAILURE /* ruf */ };

/* "local@name", the domain as a name.  ST_SYNTAX: not a mailto URI that a report can go to;
 * ST_NOMEM. */
enum status destination_parse(struct arena *a, slice uri, slice *address);
slice destination_host(slice address);

enum consent {
    CONSENT_SAME, /* the same organization: nobody to ask */
    CONSENT_YES,
    CONSENT_NO,
    CONSENT_LATER /* DNS could not say just now, or there was no memory to ask */
};

/* May reports about `policy_domain` go to `address`?  `guard`: PSLGuard's list, or NULL; neighbours below a public suffix
 * are then not one organization.  *use is `address`, or the one of the same host that the consent names instead.  *why: in
 * words, printable ASCII. */
enum consent destination_consent(struct arena *a, struct resolver *r, unsigned timeout_ms, const struct dmarc_psl *guard,
                                 enum report_kind kind, slice policy_domain, slice address, slice *use, slice *why);

#endif
