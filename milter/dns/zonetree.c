#include "dns/zonetree.h"
#include "dns/name.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX     16
#define BUCKETS_FIRST 64
#define TYPE_ANY      0u

struct rr {
    enum dns_type type;
    uint32_t ttl;
    struct dns_record record;
    struct rr *next;
};

struct said_status {
    unsigned type; /* or TYPE_ANY */
    enum dns_status status;
    struct said_status *next;
};

struct node {
    slice name;
    bool exists; /* it owns records or is an ancestor of one that does: not only a place for a
                    status or a delay */
    unsigned delay_ms;
    struct rr *rrs, *last_rr; /* in the order of the text */
    struct said_status *statuses;
    struct node *next_in_bucket;
};

struct zonetree {
    struct arena *arena;
    struct node **buckets;
    size_t n_buckets, n_nodes;
    bool delays;
};

/* ---- nodes ---- */

static struct node *
find_node(const struct zonetree *z, slice name)
{
    struct node *n = z->buckets[slice_hash(name, 0) & (z->n_buckets - 1)];
    while (n != NULL && !slice_eq(n->name, name))
        n = n->next_in_bucket;
    return n;
}

static bool
grow_buckets(struct zonetree *z)
{
    size_t n_buckets = z->n_buckets * 2;
    struct node **buckets = calloc(n_buckets, sizeof(struct node *));
    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < z->n_buckets; i++) {
        for (struct node *n = z->buckets[i]; n != NULL;) {
            struct node *next = n->next_in_bucket;
            size_t at = slice_hash(n->name, 0) & (n_buckets - 1);
            n->next_in_bucket = buckets[at];
            buckets[at] = n;
            n = next;
        }
    }
    free(z->buckets);
    z->buckets = buckets;
    z->n_buckets = n_buckets;
    return true;
}

/* `name` is in the zone's arena.  NULL: no memory. */
static struct node *
add_node(struct zonetree *z, slice name)
{
    struct node *n = find_node(z, name);
    if (n != NULL)
        return n;
    if (z->n_nodes >= z->n_buckets && !grow_buckets(z))
        return NULL;
    n = arena_zalloc(z->arena, sizeof(*n));
    if (n == NULL)
        return NULL;
    n->name = name;
    size_t at = slice_hash(name, 0) & (z->n_buckets - 1);
    n->next_in_bucket = z->buckets[at];
    z->buckets[at] = n;
    z->n_nodes++;
    return n;
}

static slice
parent_of(slice name)
{
    return slice_tail(name, slice_find(name, '.') + 1);
}

/* The node and all above it exist (RFC 4592 2.2.2: empty non-terminals). */
static struct node *
add_existing(struct zonetree *z, slice name)
{
    struct node *owner = NULL;
    for (;; name = parent_of(name)) {
        struct node *n = add_node(z, name);
        if (n == NULL)
            return NULL;
        if (owner == NULL)
            owner = n;
        if (n->exists)
            return owner;
        n->exists = true;
        if (name.n == 0)
            return owner;
    }
}

/* ---- building ---- */

struct zonetree *
zonetree_new(struct arena *arena)
{
    struct zonetree *z = calloc(1, sizeof(*z));
    if (z == NULL)
        return NULL;
    z->arena = arena;
    z->n_buckets = BUCKETS_FIRST;
    z->buckets = calloc(z->n_buckets, sizeof(struct node *));
    if (z->buckets == NULL || !zonetree_add_name(z, SLICE_EMPTY)) {
        zonetree_free(z);
        return NULL;
    }
    return z;
}

void
zonetree_free(struct zonetree *z)
{
    if (z == NULL)
        return;
    free(z->buckets);
    free(z);
}

bool
zonetree_add_name(struct zonetree *z, slice name)
{
    return add_existing(z, name) != NULL;
}

bool
zonetree_add(struct zonetree *z, slice name, enum dns_type type, uint32_t ttl,
             const struct dns_record *record)
{
    struct node *owner = add_existing(z, name);
    struct rr *rr = arena_zalloc(z->arena, sizeof(*rr));
    if (owner == NULL || rr == NULL)
        return false;
    *rr = (struct rr){ .type = type, .ttl = ttl, .record = *record };
    if (owner->last_rr == NULL)
        owner->rrs = rr;
    else
        owner->last_rr->next = rr;
    owner->last_rr = rr;
    return true;
}

bool
zonetree_say(struct zonetree *z, slice name, const enum dns_type *type, enum dns_status status)
{
    struct node *n = add_node(z, name);
    struct said_status *s = arena_zalloc(z->arena, sizeof(*s));
    if (n == NULL || s == NULL)
        return false;
    *s = (struct said_status){ .type = type == NULL ? TYPE_ANY : (unsigned)*type,
                               .status = status,
                               .next = n->statuses };
    n->statuses = s;
    return true;
}

bool
zonetree_delay(struct zonetree *z, slice name, unsigned ms)
{
    struct node *n = add_node(z, name);
    if (n == NULL)
        return false;
    n->delay_ms = ms;
    z->delays = true;
    return true;
}

bool
zonetree_has_delays(const struct zonetree *z)
{
    return z->delays;
}

/* ---- answers ---- */

/* The node that speaks for the name: itself or the wildcard of its closest encloser (RFC
 * 4592 3.3.1).  `existing`: only what exists; otherwise also what has only a $STATUS or $DELAY. */
static const struct node *
node_for(const struct zonetree *z, slice name)
{
    const struct node *n = find_node(z, name);
    if (n != NULL)
        return n;
    char wild[DNS_NAME_MAX + 2] = "*.";
    while (name.n > 0) {
        name = parent_of(name);
        if (name.n > 0)
            memcpy(wild + 2, name.p, name.n);
        n = find_node(z, (slice){ wild, name.n == 0 ? 1 : name.n + 2 });
        if (n != NULL)
            return n;
        if ((n = find_node(z, name)) != NULL && n->exists)
            return NULL;
    }
    return NULL;
}

static const struct said_status *
said_of(const struct node *n, enum dns_type type)
{
    const struct said_status *any = NULL;
    for (const struct said_status *s = n->statuses; s != NULL; s = s->next) {
        if (s->type == (unsigned)type)
            return s;
        if (s->type == TYPE_ANY)
            any = s;
    }
    return any;
}

/* Into the builder; how many. */
static size_t
collect(const struct node *n, enum dns_type type, struct result_builder *b, uint32_t *ttl)
{
    size_t count = 0;
    for (const struct rr *rr = n->rrs; rr != NULL; rr = rr->next) {
        if (rr->type != type)
            continue;
        struct dns_record *r = result_builder_add(b, rr->record.data);
        if (r != NULL) {
            r->addr = rr->record.addr;
            r->preference = rr->record.preference;
        }
        if (rr->ttl < *ttl)
            *ttl = rr->ttl;
        count++;
    }
    return count;
}

static const struct rr *
cname_of(const struct node *n)
{
    for (const struct rr *rr = n->rrs; rr != NULL; rr = rr->next)
        if (rr->type == DNS_CNAME)
            return rr;
    return NULL;
}

struct dns_result *
zonetree_answer(const struct zonetree *z, enum dns_type type, slice name, unsigned *delay_ms)
{
    struct result_builder b;
    uint32_t ttl = INT32_MAX;
    uint64_t now_ms = clock_mono_ms();
    result_builder_init(&b);
    for (unsigned links = 0; links <= CHAIN_MAX; links++) {
        const struct node *n = node_for(z, name);
        if (n != NULL && n->delay_ms > *delay_ms)
            *delay_ms = n->delay_ms;
        const struct said_status *said = n == NULL ? NULL : said_of(n, type);
        if (said != NULL)
            return dns_result_static(said->status);
        if (n == NULL || !n->exists)
            return dns_result_static(DNS_NXDOMAIN);
        if (collect(n, type, &b, &ttl) > 0)
            return result_builder_finish(&b, DNS_OK, ttl, false, now_ms);
        const struct rr *cname = cname_of(n);
        if (cname == NULL)
            return dns_result_static(DNS_NODATA);
        if (cname->ttl < ttl)
            ttl = cname->ttl;
        name = cname->record.data;
    }
    return dns_result_static(DNS_SERVFAIL);
}
