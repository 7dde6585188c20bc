#include "dns/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS          16u
#define BYTES_PER_ENTRY 1024u

struct kept {
    uint64_t hash, expires_ms;
    struct dns_result *result;
    struct kept *next; /* in its bucket */
    size_t slot, bytes;
    enum dns_type type;
    bool used; /* since the hand passed */
    size_t name_n;
    char name[];
};

struct shard {
    pthread_mutex_t lock;
    struct kept **buckets, **slots;
    size_t n_buckets, n_slots; /* buckets: a power of two */
    size_t *free_slots;
    size_t n_free, bytes, hand;
};

struct dns_cache {
    struct shard shards[SHARDS];
};

struct dns_cache *
dns_cache_new(size_t entries)
{
    struct dns_cache *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    size_t each = (entries + SHARDS - 1) / SHARDS, n_buckets = 1;
    while (n_buckets < each)
        n_buckets *= 2;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        pthread_mutex_init(&s->lock, NULL);
        s->n_slots = each;
        s->n_buckets = n_buckets;
        s->slots = calloc(each == 0 ? 1 : each, sizeof(struct kept *));
        s->buckets = calloc(n_buckets, sizeof(struct kept *));
        s->free_slots = calloc(each == 0 ? 1 : each, sizeof(size_t));
        if (s->slots == NULL || s->buckets == NULL || s->free_slots == NULL) {
            dns_cache_free(c);
            return NULL;
        }
        while (s->n_free < each) {
            s->free_slots[s->n_free] = s->n_free;
            s->n_free++;
        }
    }
    return c;
}

void
dns_cache_free(struct dns_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        for (size_t k = 0; s->slots != NULL && k < s->n_slots; k++) {
            if (s->slots[k] == NULL)
                continue;
            dns_result_drop(s->slots[k]->result);
            free(s->slots[k]);
        }
        free(s->slots);
        free(s->free_slots);
        free(s->buckets);
        if (s->n_buckets > 0)
            pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

static struct shard *
shard_of(struct dns_cache *c, uint64_t hash)
{
    return &c->shards[(hash >> 56) % SHARDS];
}

static struct kept *
find(struct shard *s, uint64_t hash, enum dns_type type, slice name)
{
    struct kept *k = s->buckets[hash & (s->n_buckets - 1)];
    while (k != NULL &&
           !(k->hash == hash && k->type == type && slice_eq((slice){ k->name, k->name_n }, name)))
        k = k->next;
    return k;
}

static void
discard(struct shard *s, struct kept *k)
{
    struct kept **at = &s->buckets[k->hash & (s->n_buckets - 1)];
    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    s->slots[k->slot] = NULL;
    s->free_slots[s->n_free++] = k->slot;
    s->bytes -= k->bytes;
    dns_result_drop(k->result);
    free(k);
}

struct dns_result *
dns_cache_get(struct dns_cache *c, uint64_t hash, enum dns_type type, slice name, uint64_t now_ms)
{
    struct shard *s = shard_of(c, hash);
    struct dns_result *result = NULL;
    pthread_mutex_lock(&s->lock);
    struct kept *k = find(s, hash, type, name);
    if (k != NULL && now_ms >= k->expires_ms) {
        discard(s, k);
    } else if (k != NULL) {
        k->used = true;
        result = dns_result_hold(k->result);
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

/* Moves the hand until `bytes` more fit and a slot is free; that slot.  Every entry is passed twice
 * at most: the first time it loses `used`, the second time it goes. */
static size_t
make_room(struct shard *s, size_t bytes, uint64_t now_ms)
{
    while (s->n_free == 0 || s->bytes + bytes > s->n_slots * BYTES_PER_ENTRY) {
        struct kept *k = s->slots[s->hand];
        s->hand = (s->hand + 1) % s->n_slots;
        if (k != NULL && (!k->used || now_ms >= k->expires_ms))
            discard(s, k);
        else if (k != NULL)
            k->used = false;
    }
    return s->free_slots[--s->n_free];
}

static bool
worth_keeping(const struct dns_result *r)
{
    return r->ttl > 0 &&
           (r->status == DNS_OK || r->status == DNS_NODATA || r->status == DNS_NXDOMAIN);
}

void
dns_cache_put(struct dns_cache *c, uint64_t hash, enum dns_type type, slice name,
              struct dns_result *result, uint64_t now_ms)
{
    struct shard *s = shard_of(c, hash);
    size_t bytes = sizeof(struct kept) + name.n + result->bytes;
    if (!worth_keeping(result) || bytes > s->n_slots * BYTES_PER_ENTRY / 4)
        return;
    struct kept *k = calloc(1, sizeof(*k) + name.n);
    if (k == NULL)
        return;
    uint32_t cap = result->status == DNS_OK ? DNS_CACHE_POSITIVE_MAX : DNS_CACHE_NEGATIVE_MAX;
    *k = (struct kept){ .hash = hash,
                        .expires_ms =
                            now_ms + (uint64_t)(result->ttl < cap ? result->ttl : cap) * 1000,
                        .result = dns_result_hold(result),
                        .bytes = bytes,
                        .type = type,
                        .name_n = name.n };
    memcpy(k->name, name.p, name.n);
    pthread_mutex_lock(&s->lock);
    struct kept *old = find(s, hash, type, name);
    if (old != NULL)
        discard(s, old);
    k->slot = make_room(s, bytes, now_ms);
    s->slots[k->slot] = k;
    k->next = s->buckets[hash & (s->n_buckets - 1)];
    s->buckets[hash & (s->n_buckets - 1)] = k;
    s->bytes += bytes;
    pthread_mutex_unlock(&s->lock);
}

size_t
dns_cache_count(struct dns_cache *c)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        n += c->shards[i].n_slots - c->shards[i].n_free;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
    return n;
}
