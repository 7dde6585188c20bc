/*
 * iprev.h - the reverse-path of the client's address (RFC 8601 3): PTR, then forward again.
 */
#ifndef VIDIMUS_PIPELINE_IPREV_H
#define VIDIMUS_PIPELINE_IPREV_H

#include "base/arena.h"
#include "base/trace.h"
#include "dns/resolver.h"
#include "record/record.h"

/* Start the lookups, the forward one of the name that the MTA says the client has at once, those of other names as soon as
 * the PTR answer is there.  client lives as long as the session. */
void iprev_prefetch(struct dns_session *dns, const struct netaddr *client, slice mta_says);
/* name: the first confirmed name, empty unless IPREV_PASS. */
enum iprev_result iprev_check(struct arena *a, struct dns_session *dns, const struct netaddr *client, struct trace *t,
                              slice *name);

#endif
