/*
 * network.h - the resolver that asks name servers, by c-ares, with an answer cache in front.
 *
 * A question is looked up in the cache and sent on the thread that asks; one dispatcher thread reads the replies, sees to
 * timeouts and wakes who waits, and sleeps when nothing is asked.  Identical questions in flight are one.
 * Servers are tried in the order given: after a timeout, a refusal or SERVFAIL the next one, and one that has gone silent
 * is left alone for a while.  A reply that cannot be read counts as SERVFAIL.  CNAMEs that a reply leaves unfinished are
 * followed (8 at most).
 * Threads: create it after the last fork(); it owns threads and sockets.
 */
#ifndef VIDIMUS_DNS_NETWORK_H
#define VIDIMUS_DNS_NETWORK_H

#include "base/strbuf.h"
#include "dns/resolver.h"

struct resolver_network_options {
    const char *const *nameservers; /* "ADDR" or "ADDR@PORT"; at most 8 are used */
    size_t n_nameservers;           /* 0: those of /etc/resolv.conf */
    unsigned query_timeout_ms;      /* for one question, all servers and repetitions together; 0: 5000 */
    size_t cache_entries;           /* 0: no cache */
    bool trust_ad;                  /* believe the AD bit of every server, not only of loopback ones */
    uint64_t (*now_ms)(void);       /* clock of the cache; NULL: the monotonic one.  For tests */
};

/* ST_SYNTAX: a name server that is none, said in `error`.  Other failures say there what could not be had. */
enum status resolver_network_new(const struct resolver_network_options *options, struct strbuf *error, struct resolver **out);

/* Since the start, for the metrics. */
struct resolver_network_stats {
    uint64_t questions;  /* of sessions */
    uint64_t from_cache;
    uint64_t joined;     /* a question already in flight answered them */
    uint64_t sent;       /* messages to servers, repetitions included */
    uint64_t timeouts, unreachable, failures; /* of servers, by attempt; failures: SERVFAIL, REFUSED, unreadable */
    uint64_t cached;     /* answers in the cache now */
};
struct resolver_network_stats resolver_network_stats(struct resolver *r);

#endif
