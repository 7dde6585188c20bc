/*
 * resolver.h - questions to DNS, asked early and awaited late.
 *
 * A `resolver` is shared by all messages: the network (c-ares, with an answer cache in front) or a zone text in memory.
 * A `dns_session` is one message's view of it: answers memoised, one deadline and one query budget for all methods.
 * Errors: a session never fails; what could not be asked or was not answered in time is an answer with that status.
 * Ownership: answers belong to the session and live as long as it does.  Threads: all calls are thread-safe;
 * callbacks of dns_start() may run on the resolver's thread while the message's own thread is elsewhere.
 */
#ifndef VIDIMUS_DNS_RESOLVER_H
#define VIDIMUS_DNS_RESOLVER_H

#include "base/netlist.h"
#include "base/slice.h"
#include "base/status.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

enum dns_status {
    DNS_OK,       /* at least one record of the type asked for */
    DNS_NODATA,   /* the name exists, the type does not (RFC 2308) */
    DNS_NXDOMAIN, /* the name does not exist */
    DNS_SERVFAIL, /* SERVFAIL, REFUSED, any other RCODE, a referral, or an answer that cannot be read */
    DNS_TIMEOUT,  /* no answer by the message's deadline, or none from any server */
    DNS_BADNAME,  /* not asked: an empty label, a label over 63 or a name over 253 octets */
    DNS_BUDGET    /* not asked: the message's query budget is spent */
};

struct dns_record {
    slice data;          /* TXT: the strings of the record joined, any octets; MX, PTR, CNAME: the name, lower case, no final dot */
    struct netaddr addr; /* A, AAAA; an AAAA in ::ffff:0:0/96 keeps family 6 */
    uint16_t preference; /* MX */
};

struct dns_answer {
    enum dns_status status;
    const struct dns_record *records; /* of the type asked for, CNAMEs followed */
    size_t n;
    bool authenticated;  /* the AD bit, from a resolver believed (TrustAD, or on this host); never raises a result */
    bool from_cache;
    uint32_t ttl;        /* seconds left when it was handed out */
};

struct resolver;
struct dns_session;

struct dns_limits {
    unsigned timeout_ms;  /* from the session's start to its deadline */
    unsigned max_queries; /* distinct questions, cached ones included */
};

/* NULL: no memory.  The resolver must outlive the session. */
struct dns_session *dns_session_new(struct resolver *r, const struct dns_limits *limits);
/* After it returns no callback of this session runs any more.  NULL is fine. */
void dns_session_free(struct dns_session *s);

/* The deadline counts from now again.  The pipeline calls it where the MTA begins to wait for us: the client may have spent
 * minutes on sending its body since MAIL, and those are not ours. */
void dns_session_restart(struct dns_session *s);

/* From now on the last `queries` of the budget and the last `ms` before the deadline are for dns_start_kept() and
 * dns_lookup_kept() alone.  What a message makes us ask is its sender's choice, names that never answer among it; the policy
 * that decides about it has to be found all the same.  What there was no budget for is asked when there is. */
void dns_session_keep(struct dns_session *s, unsigned queries, unsigned ms);

/* Names: raw octets with "." between labels, case ignored, no escapes, a final dot allowed.
 * Ask, do not wait.  Asking again is free.  on_answer (may be NULL) is called exactly once, at once on this thread if
 * the answer is there (asked from within a callback: as soon as that one has returned), else on the resolver's thread; it may
 * call dns_start() but never dns_lookup(); it is not called once the session is being freed. */
typedef void dns_callback(void *arg, struct dns_session *s, const struct dns_answer *answer);
void dns_start(struct dns_session *s, enum dns_type type, slice name, dns_callback *on_answer, void *arg);
/* Ask if not asked yet, wait up to the deadline.  Never NULL. */
const struct dns_answer *dns_lookup(struct dns_session *s, enum dns_type type, slice name);
/* The same out of all of the budget and the time. */
void dns_start_kept(struct dns_session *s, enum dns_type type, slice name, dns_callback *on_answer, void *arg);
const struct dns_answer *dns_lookup_kept(struct dns_session *s, enum dns_type type, slice name);

const char *dns_status_name(enum dns_status st); /* "ok", "nodata", "nxdomain", "servfail", "timeout", ... */
const char *dns_type_name(enum dns_type t);      /* "A", "TXT", ... */

/* What this message asked, for log, JSON and --explain. */
struct dns_usage {
    unsigned questions; /* distinct */
    unsigned sent;      /* of them not answered from the cache or by a question already in flight */
    unsigned wait_ms;   /* the message's own thread stood still */
};
struct dns_usage dns_session_usage(struct dns_session *s);
/* Every question with its answer, in the order asked; answer is NULL where none has come yet. */
void dns_session_each(struct dns_session *s, void (*fn)(void *arg, enum dns_type type, slice name, const struct dns_answer *answer), void *arg);

void resolver_free(struct resolver *r); /* after its last session; NULL is fine */

#endif
