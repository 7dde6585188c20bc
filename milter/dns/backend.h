/*
 * backend.h - what stands behind resolver.h: requests of sessions, counted results, and the operations of a resolver.
 * Seen only inside dns/.
 */
#ifndef VIDIMUS_DNS_BACKEND_H
#define VIDIMUS_DNS_BACKEND_H

#include "dns/resolver.h"

#include <stdatomic.h>

/* One answer.  Immutable once built, shared by cache and sessions, counted. */
struct dns_result {
    atomic_uint references;
    bool immortal; /* one of the static results: not counted */
    bool authenticated;
    enum dns_status status;
    uint32_t ttl;     /* seconds, when it arrived */
    uint64_t born_ms; /* monotonic clock, when it arrived */
    size_t bytes;     /* of memory */
    size_t n;
    const struct dns_record *records; /* in the same block of memory */
};

struct dns_result *dns_result_hold(struct dns_result *r);
void dns_result_drop(struct dns_result *r); /* NULL is fine */
/* A result without records and TTL that needs no memory: for SERVFAIL, TIMEOUT, BADNAME, BUDGET and the like. */
struct dns_result *dns_result_static(enum dns_status status);

/* Collects records, then makes a result of them in one block.  Memory trouble is kept and shows at the end. */
struct result_builder {
    struct dns_record *records;
    size_t *offsets; /* of each record's data in `data` */
    size_t n, cap;
    char *data;
    size_t data_n, data_cap;
    bool failed;
};

void result_builder_init(struct result_builder *b);
void result_builder_clear(struct result_builder *b);
/* A record with room for data_n octets of data, to be filled at once; NULL: no memory. */
struct dns_record *result_builder_add(struct result_builder *b, slice data);
/* More octets for the data of the record added last. */
void result_builder_append(struct result_builder *b, slice data);
/* The result, counted once for the caller; SERVFAIL (static) without memory.  The builder is empty afterwards. */
struct dns_result *result_builder_finish(struct result_builder *b, enum dns_status status, uint32_t ttl, bool authenticated,
                                         uint64_t now_ms);

/* One question of one session on its way. */
struct dns_request {
    enum dns_type type;
    slice name; /* canonical; lives as long as the request */
    uint64_t deadline_ms;
    /* The answer, with a count for the receiver.  Called exactly once, with no lock of the resolver held. */
    void (*done)(struct dns_request *req, struct dns_result *result);
    bool sent;       /* by ask(): a question of its own went out */
    bool from_cache; /* by ask(): the result returned was not asked for now */
    struct dns_request *next; /* the resolver's, until done() */
};

struct resolver_ops {
    /* Either the result at once, counted for the caller, or NULL: done() follows, perhaps before ask() returns. */
    struct dns_result *(*ask)(struct resolver *r, struct dns_request *req);
    void (*free)(struct resolver *r);
    bool holds_all_answers; /* a replay: budget and bad names were judged when it was recorded */
};

struct resolver {
    const struct resolver_ops *ops;
};

#endif
