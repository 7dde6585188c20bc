/*
 * spf.h - check_host() of RFC 7208, for MAIL FROM and HELO.
 * Input are envelope facts; DNS is asked through the message's session only.
 * Ownership: the outcome lives in the arena given.  Threads: one check is one thread's; prefetching goes on behind it.
 */
#ifndef VIDIMUS_SPF_SPF_H
#define VIDIMUS_SPF_SPF_H

#include "base/arena.h"
#include "base/netlist.h"
#include "base/trace.h"
#include "dns/resolver.h"

enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };
enum spf_scope { SPF_SCOPE_MFROM, SPF_SCOPE_HELO };

struct spf_prefetch;

const char *spf_result_name(enum spf_result r); /* the word of RFC 8601 2.7.2 */

struct spf_request {
    enum spf_scope scope;
    struct netaddr client;
    slice helo;          /* as given; any octets */
    slice sender_local;  /* MAIL FROM: local part, unquoted; empty for none */
    slice sender_domain; /* MAIL FROM: domain as given; empty: the null reverse-path, judged as postmaster@HELO */
    slice receiver;      /* %{r}: our own host name */
    int64_t now;         /* %{t}: Unix time */
    unsigned max_voids;  /* RFC 7208 4.6.4; default 2 */
    bool want_explanation; /* exp= is asked for only then */
    const struct spf_prefetch *ahead; /* set by spf_prefetch(); NULL: nothing has been asked early */
};

struct spf_outcome {
    enum spf_result result;
    enum spf_scope scope;
    slice domain;      /* the domain judged, as a name (mail/domain.h), or empty if there was none */
    slice mechanism;   /* the term that decided, as written; "default" for neutral without one; may be empty */
    slice reason;      /* in words or the term that matched; printable ASCII; empty if there is nothing to say */
    bool reason_names_sender; /* the local part of the reverse-path may stand in `reason`, by %{l} or %{s} in a name asked for */
    slice explanation; /* exp= text, printable ASCII, bounded; empty unless asked for and given */
    unsigned lookups, voids; /* terms counted by RFC 7208 4.6.4 */
};

/* Start what the check will ask, followed through includes as answers come, on the resolver's thread: inside the same limit
 * of 10 terms.  The arena (used during this call only) and the text of the request must outlive the session. */
void spf_prefetch(struct arena *a, struct dns_session *dns, struct spf_request *rq);
/* How many DNS-lookup terms are known by now?  Below 10 all of them have been asked for, beyond it no more is asked ahead. */
unsigned spf_prefetch_terms(const struct spf_prefetch *p);
/* Decide, waiting for DNS as needed.  ST_NOMEM: *out untouched; otherwise ST_OK and *out complete. */
enum status spf_check(struct arena *a, struct dns_session *dns, const struct spf_request *rq, struct trace *t,
                      struct spf_outcome *out);

#endif
