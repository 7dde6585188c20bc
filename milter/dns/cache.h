/*
 * cache.h - answers kept while their TTL lasts.  Bounded in entries and in octets; what was not asked for lately goes
 * first (clock).  Sharded, so that threads seldom meet at a lock.  A stale answer is never handed out.
 * Time comes in as an argument.  Threads: all calls are thread-safe.
 */
#ifndef VIDIMUS_DNS_CACHE_H
#define VIDIMUS_DNS_CACHE_H

#include "dns/backend.h"

#define DNS_CACHE_POSITIVE_MAX 86400u /* seconds */
#define DNS_CACHE_NEGATIVE_MAX 900u   /* a name may appear at any time; RFC 2308 5 asks for a cap */

struct dns_cache;

/* `entries` answers at most, rounded up to the number of shards, and 1 KB for each on average; 0: nothing is kept.
 * NULL: no memory. */
struct dns_cache *dns_cache_new(size_t entries);
void dns_cache_free(struct dns_cache *c); /* NULL is fine */
/* `hash` is of type and name, by the caller, with a seed that nobody outside knows.  Counted for the caller; NULL: not
 * there or too old. */
struct dns_result *dns_cache_get(struct dns_cache *c, uint64_t hash, enum dns_type type, slice name, uint64_t now_ms);
/* Only OK, NODATA and NXDOMAIN with a TTL are kept; takes a count of its own. */
void dns_cache_put(struct dns_cache *c, uint64_t hash, enum dns_type type, slice name, struct dns_result *result, uint64_t now_ms);
size_t dns_cache_count(struct dns_cache *c);

#endif
