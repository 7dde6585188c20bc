#include "dns/flight.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CHAIN_MAX      8     /* CNAMEs that we follow ourselves */
#define MISSES_DOWN    3     /* timeouts in a row that make a server silent */
#define SILENT_MS      10000 /* how long it is left alone then */
#define UNREACHABLE_MS 1000  /* and after a refused connection: it may just be starting again */
#define PAUSE_MS       200   /* before all are tried again, when none can be reached */
#define PAUSES_MAX     8 /* a local resolver restarts within that time; longer, and it is down */

struct flight {
    struct shard *shard;
    struct dns_request *requests;
    struct flight *next_in_bucket;
    struct flight *next; /* in todo, parked or outbox */
    uint64_t hash, give_up_ms, resume_ms;
    enum dns_type type;
    unsigned attempts, links, pauses;
    unsigned failed;    /* bit of each server that answered with a failure */
    bool authenticated; /* all links so far */
    uint32_t ttl;       /* the smallest of the links so far */
    size_t server;      /* asked now */
    enum channel_outcome outcome;
    struct dns_reply reply;
    struct dns_result *result;
    size_t asked_n, name_n;
    char asked[DNS_NAME_MAX]; /* the name, or the target of its CNAMEs */
    char name[];
};

static void
count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- servers ---- */

static void
server_answered(struct server_state *sv)
{
    /* read first: the line stays shared between processors while all is well */
    if (atomic_load_explicit(&sv->misses, memory_order_relaxed) != 0)
        atomic_store_explicit(&sv->misses, 0, memory_order_relaxed);
    if (atomic_load_explicit(&sv->down_until_ms, memory_order_relaxed) != 0)
        atomic_store_explicit(&sv->down_until_ms, 0, memory_order_relaxed);
}

static void
server_missed(struct server_state *sv, bool unreachable, uint64_t now_ms)
{
    unsigned misses = atomic_fetch_add_explicit(&sv->misses, 1, memory_order_relaxed) + 1;
    if (unreachable)
        atomic_store_explicit(&sv->down_until_ms, now_ms + UNREACHABLE_MS, memory_order_relaxed);
    else if (misses >= MISSES_DOWN)
        atomic_store_explicit(&sv->down_until_ms, now_ms + SILENT_MS, memory_order_relaxed);
}

/* The next one to ask, n_servers if each has answered with a failure.  One that was silent is tried
 * by one question only when its time is over; the others go on leaving it alone until that one has
 * its answer. */
static size_t
choose_server(const struct flight *f, struct flight_rules *rules, uint64_t now_ms, bool *all_down)
{
    size_t n = rules->n_servers, first = f->attempts == 0 ? 0 : f->server + 1, fallback = n;
    *all_down = false;
    for (size_t i = 0; i < n; i++) {
        size_t at = (first + i) % n;
        struct server_state *sv = &rules->servers[at];
        if ((f->failed & 1u << at) != 0)
            continue;
        uint64_t down_until = atomic_load_explicit(&sv->down_until_ms, memory_order_relaxed);
        if (down_until == 0)
            return at;
        if (now_ms >= down_until) {
            atomic_store_explicit(&sv->down_until_ms, now_ms + rules->attempt_ms,
                                  memory_order_relaxed);
            return at;
        }
        if (fallback == n)
            fallback = at;
    }
    *all_down = true;
    return fallback;
}

/* ---- the table ---- */

struct flight *
flight_find(struct shard *s, uint64_t hash, enum dns_type type, slice name)
{
    struct flight *f = s->buckets[hash % FLIGHT_BUCKETS];
    while (f != NULL &&
           !(f->hash == hash && f->type == type && slice_eq((slice){ f->name, f->name_n }, name)))
        f = f->next_in_bucket;
    return f;
}

void
flight_join(struct flight *f, struct dns_request *req)
{
    req->next = f->requests;
    f->requests = req;
    count(&f->shard->rules->joined);
}

static void
unlink_flight(struct flight *f)
{
    struct flight **at = &f->shard->buckets[f->hash % FLIGHT_BUCKETS];
    while (*at != f)
        at = &(*at)->next_in_bucket;
    *at = f->next_in_bucket;
    f->shard->n_flights--;
}

/* Takes over the count of `result`.  It is cached before the flight leaves the table, both under
 * the shard's lock: who finds no flight there finds the answer in the cache. */
static void
land(struct flight *f, struct dns_result *result, struct outbox *out)
{
    struct flight_rules *rules = f->shard->rules;
    f->result = result;
    dns_cache_put(rules->cache, f->hash, f->type, (slice){ f->name, f->name_n }, result,
                  rules->now_ms());
    unlink_flight(f);
    f->next = out->landed;
    out->landed = f;
}

/* ---- attempts ---- */

static uint16_t
random_id(struct shard *s)
{
    if (s->n_ids == 0) {
        /* at boot this may block until the kernel has entropy: better than predictable ids */
        if (getrandom(s->ids, sizeof(s->ids), 0) != (ssize_t)sizeof(s->ids))
            abort();
        s->n_ids = RANDOM_IDS;
    }
    return s->ids[--s->n_ids];
}

static void
on_outcome(void *arg, enum channel_outcome outcome, const uint8_t *msg, size_t n)
{
    struct flight *f = arg;
    f->outcome = outcome;
    if (outcome == CHANNEL_REPLY)
        dns_message_read(msg, n, f->type, (slice){ f->asked, f->asked_n }, &f->reply);
    f->next = f->shard->todo;
    f->shard->todo = f;
}

static void
send_to(struct flight *f, size_t server)
{
    struct flight_rules *rules = f->shard->rules;
    uint8_t query[DNS_QUERY_MAX];
    bool edns = !atomic_load_explicit(&rules->servers[server].without_edns, memory_order_relaxed);
    size_t n = dns_message_query(query, random_id(f->shard), f->type,
                                 (slice){ f->asked, f->asked_n }, edns);
    f->server = server;
    f->attempts++;
    count(&rules->sent);
    channel_send(f->shard->channels[server], query, n, on_outcome, f);
}

static void
give_up(struct flight *f, struct outbox *out)
{
    land(f, dns_result_static(f->failed != 0 ? DNS_SERVFAIL : DNS_TIMEOUT), out);
}

/* Refusals come at once: without a pause all attempts would be over before a server that restarts
 * is back. */
static void
park(struct flight *f, uint64_t now_ms)
{
    f->pauses++;
    f->attempts = 0;
    f->resume_ms = now_ms + PAUSE_MS;
    f->next = f->shard->parked;
    f->shard->parked = f;
}

static void
try_next(struct flight *f, struct outbox *out)
{
    struct flight_rules *rules = f->shard->rules;
    uint64_t now_ms = clock_mono_ms();
    bool all_down = false;
    size_t server = choose_server(f, rules, now_ms, &all_down);
    if (server == rules->n_servers || now_ms >= f->give_up_ms)
        give_up(f, out);
    else if (all_down && f->attempts > 0 && f->outcome == CHANNEL_UNREACHABLE &&
             f->pauses < PAUSES_MAX)
        park(f, now_ms);
    else if (f->attempts >= rules->attempts)
        give_up(f, out);
    else
        send_to(f, server);
}

static void
take_answer(struct flight *f, struct outbox *out)
{
    struct flight_rules *rules = f->shard->rules;
    struct dns_reply *r = &f->reply;
    f->authenticated = f->authenticated && r->authenticated && rules->servers[f->server].believed;
    if (r->ttl < f->ttl)
        f->ttl = r->ttl;
    if (!r->unfinished) {
        land(f,
             result_builder_finish(&r->found, r->status, f->ttl, f->authenticated, rules->now_ms()),
             out);
    } else if (f->links++ == CHAIN_MAX) {
        land(f, dns_result_static(DNS_SERVFAIL), out);
    } else {
        memcpy(f->asked, r->target, r->target_n);
        f->asked_n = r->target_n;
        f->attempts = 0;
        f->failed = 0;
        try_next(f, out);
    }
}

static void
take_reply(struct flight *f, struct outbox *out)
{
    struct flight_rules *rules = f->shard->rules;
    struct server_state *sv = &rules->servers[f->server];
    struct dns_reply *r = &f->reply;
    server_answered(sv);
    if (r->readable && r->rcode == 1 && !r->has_opt && !atomic_exchange(&sv->without_edns, true)) {
        /* FORMERR without OPT: a server from before EDNS (RFC 6891 7) */
        send_to(f, f->server);
    } else if (r->readable && r->status != DNS_SERVFAIL) {
        take_answer(f, out);
    } else {
        count(&rules->failures);
        f->failed |= 1u << f->server;
        try_next(f, out);
    }
}

void
flights_go_on(struct shard *s, struct outbox *out)
{
    struct flight_rules *rules = s->rules;
    while (s->todo != NULL) {
        struct flight *f = s->todo;
        s->todo = f->next;
        switch (f->outcome) {
        case CHANNEL_REPLY:
            take_reply(f, out);
            break;
        case CHANNEL_TIMEOUT:
        case CHANNEL_UNREACHABLE:
            count(f->outcome == CHANNEL_TIMEOUT ? &rules->timeouts : &rules->unreachable);
            server_missed(&rules->servers[f->server], f->outcome == CHANNEL_UNREACHABLE,
                          clock_mono_ms());
            try_next(f, out);
            break;
        case CHANNEL_CLOSED:
            give_up(f, out);
            break;
        }
    }
}

bool
flight_launch(struct shard *s, uint64_t hash, struct dns_request *req, struct outbox *out)
{
    struct flight *f = calloc(1, sizeof(*f) + req->name.n);
    if (f == NULL)
        return false;
    f->shard = s;
    f->requests = req;
    req->next = NULL;
    req->sent = true;
    f->hash = hash;
    f->type = req->type;
    f->ttl = INT32_MAX;
    f->authenticated = true;
    f->give_up_ms = clock_mono_ms() + s->rules->query_ms;
    memcpy(f->name, req->name.p, req->name.n);
    memcpy(f->asked, req->name.p, req->name.n);
    f->name_n = f->asked_n = req->name.n;
    f->next_in_bucket = s->buckets[hash % FLIGHT_BUCKETS];
    s->buckets[hash % FLIGHT_BUCKETS] = f;
    s->n_flights++;
    try_next(f, out);
    flights_go_on(s, out);
    return true;
}

/* ---- ends ---- */

uint64_t
flights_parked_until(const struct shard *s)
{
    uint64_t earliest = UINT64_MAX;
    for (const struct flight *f = s->parked; f != NULL; f = f->next)
        if (f->resume_ms < earliest)
            earliest = f->resume_ms;
    return earliest;
}

uint64_t
flights_expire(struct shard *s, uint64_t now_ms, struct outbox *out)
{
    struct flight *parked = s->parked;
    s->parked = NULL;
    while (parked != NULL) {
        struct flight *f = parked;
        parked = f->next;
        if (now_ms >= f->resume_ms) {
            try_next(f, out);
        } else {
            f->next = s->parked;
            s->parked = f;
        }
    }
    flights_go_on(s, out);
    uint64_t earliest = flights_parked_until(s);
    if (s->n_flights == 0)
        return earliest;
    for (size_t i = 0; i < FLIGHT_BUCKETS; i++) {
        for (struct flight *f = s->buckets[i]; f != NULL; f = f->next_in_bucket) {
            for (struct dns_request **at = &f->requests; *at != NULL;) {
                struct dns_request *req = *at;
                if (now_ms >= req->deadline_ms) {
                    *at = req->next;
                    req->next = out->expired;
                    out->expired = req;
                } else {
                    if (req->deadline_ms < earliest)
                        earliest = req->deadline_ms;
                    at = &req->next;
                }
            }
        }
    }
    return earliest;
}

void
flights_abandon(struct shard *s, struct outbox *out)
{
    while (s->parked != NULL) {
        struct flight *f = s->parked;
        s->parked = f->next;
        give_up(f, out);
    }
    flights_go_on(s, out); /* those whose channel has said CHANNEL_CLOSED: all the others */
}

void
outbox_deliver(struct outbox *out)
{
    for (struct dns_request *req = out->expired; req != NULL;) {
        struct dns_request *next = req->next; /* the request is gone once done() is called */
        req->done(req, dns_result_static(DNS_TIMEOUT));
        req = next;
    }
    for (struct flight *f = out->landed; f != NULL;) {
        struct flight *next_flight = f->next;
        for (struct dns_request *req = f->requests; req != NULL;) {
            struct dns_request *next = req->next;
            req->done(req, dns_result_hold(f->result));
            req = next;
        }
        dns_result_drop(f->result);
        result_builder_clear(&f->reply.found);
        free(f);
        f = next_flight;
    }
    *out = (struct outbox){ 0 };
}
