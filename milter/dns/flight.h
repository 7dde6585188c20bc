/*
 * flight.h - questions on their way: which server is asked next, what its reply means, who waits for it.
 * Flights live in shards; a shard holds the channels to all servers and one lock.  What is finished is put into an outbox
 * under the lock and handed over after it, so that callbacks may ask again.
 */
#ifndef VIDIMUS_DNS_FLIGHT_H
#define VIDIMUS_DNS_FLIGHT_H

#include "dns/cache.h"
#include "dns/channel.h"
#include "dns/message.h"

#include <pthread.h>

#define FLIGHT_BUCKETS 256u
#define RANDOM_IDS 128u

struct flight;

struct server_state {
    struct nameserver ns;
    bool believed;                   /* its AD bit is */
    atomic_uint misses;              /* timeouts since its last reply */
    atomic_uint_fast64_t down_until_ms; /* 0: up */
    atomic_bool without_edns;
};

/* Shared by all shards. */
struct flight_rules {
    struct server_state servers[NAMESERVERS_MAX];
    size_t n_servers;
    unsigned attempts, attempt_ms, query_ms;
    struct dns_cache *cache;
    uint64_t (*now_ms)(void); /* of the cache */
    atomic_uint_fast64_t questions, from_cache, joined, sent, timeouts, unreachable, failures;
};

struct shard {
    struct flight_rules *rules;
    pthread_mutex_t lock;
    struct channel *channels[NAMESERVERS_MAX];
    struct flight *buckets[FLIGHT_BUCKETS];
    struct flight *todo;   /* their attempt has ended */
    struct flight *parked; /* no server can be reached just now: tried again soon */
    size_t n_flights;
    uint16_t ids[RANDOM_IDS];
    size_t n_ids;
};

/* To be handed over without the lock. */
struct outbox {
    struct flight *landed;
    struct dns_request *expired;
};

/* All with the shard's lock held, but for the last. */
struct flight *flight_find(struct shard *s, uint64_t hash, enum dns_type type, slice name);
void flight_join(struct flight *f, struct dns_request *req);
/* Sends it.  False: no memory. */
bool flight_launch(struct shard *s, uint64_t hash, struct dns_request *req, struct outbox *out);
/* After the channels have been called: goes on with the flights whose attempt has ended. */
void flights_go_on(struct shard *s, struct outbox *out);
/* Lets parked flights try again whose time has come, and takes out the requests whose deadline has.  When there is next
 * something to do here, or UINT64_MAX. */
uint64_t flights_expire(struct shard *s, uint64_t now_ms, struct outbox *out);
/* When the first parked flight wants to go on, or UINT64_MAX. */
uint64_t flights_parked_until(const struct shard *s);
/* Everything still in flight ends as a timeout; the channels are gone. */
void flights_abandon(struct shard *s, struct outbox *out);
void outbox_deliver(struct outbox *out);

#endif
