/*
 * iprev.h - the reverse-path of the client's address (RFC 8601 3): PTR, then forward again.  Where the MTA has looked the
 * client up and says its name, only forward.
 */
#ifndef VIDIMUS_PIPELINE_IPREV_H
#define VIDIMUS_PIPELINE_IPREV_H

#include "base/arena.h"
#include "base/trace.h"
#include "dns/resolver.h"
#include "record/record.h"

/* Start the lookups, later ones as soon as the answer before is there.  mta_says: the client's name, "unknown" and the like
 * are none.  client lives as long as the session. */
void iprev_prefetch(struct dns_session *dns, const struct netaddr *client, slice mta_says);
/* name: the first confirmed name, empty unless IPREV_PASS. */
enum iprev_result iprev_check(struct arena *a, struct dns_session *dns, const struct netaddr *client, slice mta_says,
                              struct trace *t, slice *name);

#endif
