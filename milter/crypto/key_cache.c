#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "crypto/keys.h"

#define WAYS   8  /* entries of one set: one of these makes room for a newcomer */
#define SHARDS 16 /* locks */

struct entry {
    struct public_key *key; /* NULL: free */
    char *name_and_text;    /* the two behind each other */
    size_t name_n, text_n;
    unsigned flags;
    uint64_t hash, used;
};

struct shard {
    pthread_mutex_t lock;
    uint64_t clock, hits, misses;
    size_t keys;
    struct entry *entries; /* sets * WAYS */
};

struct key_cache {
    uint64_t seed; /* so that nobody outside can choose names that fall into one set */
    size_t sets;   /* in each shard */
    struct shard shards[SHARDS];
};

struct key_cache *
key_cache_new(size_t max_keys)
{
    struct key_cache *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->sets = max_keys / (SHARDS * WAYS);
    if (c->sets == 0)
        c->sets = 1;
    bool ok = RAND_bytes((unsigned char *)&c->seed, sizeof(c->seed)) == 1;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&c->shards[i].lock, NULL);
        c->shards[i].entries = calloc(c->sets, WAYS * sizeof(struct entry));
        ok = ok && c->shards[i].entries != NULL;
    }
    if (!ok) {
        key_cache_free(c);
        return NULL;
    }
    return c;
}

static void
entry_clear(struct entry *e)
{
    public_key_release(e->key);
    free(e->name_and_text);
    *e = (struct entry){ 0 };
}

void
key_cache_free(struct key_cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        for (size_t k = 0; s->entries != NULL && k < c->sets * WAYS; k++)
            entry_clear(&s->entries[k]);
        free(s->entries);
        pthread_mutex_destroy(&s->lock);
    }
    free(c);
}

static uint64_t
hash_of(const struct key_cache *c, slice name, slice text)
{
    /* The end of a record is the end of its key as a rule; the whole text is compared anyway. */
    return slice_hash(slice_tail(text, text.n > 64 ? text.n - 64 : 0),
                      slice_hash(name, c->seed) + text.n);
}

static struct shard *
shard_of(struct key_cache *c, uint64_t hash)
{
    return &c->shards[hash % SHARDS];
}

static struct entry *
set_of(const struct key_cache *c, const struct shard *s, uint64_t hash)
{
    return &s->entries[hash / SHARDS % c->sets * WAYS];
}

/* NULL: not there. */
static struct entry *
find(struct entry *set, uint64_t hash, slice name, slice text)
{
    for (size_t i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];
        if (e->key != NULL && e->hash == hash &&
            slice_eq((slice){ e->name_and_text, e->name_n }, name) &&
            slice_eq((slice){ e->name_and_text + e->name_n, e->text_n }, text))
            return e;
    }
    return NULL;
}

struct public_key *
key_cache_get(struct key_cache *c, slice name, slice text, unsigned *flags)
{
    if (c == NULL)
        return NULL;
    uint64_t hash = hash_of(c, name, text);
    struct shard *s = shard_of(c, hash);
    struct public_key *k = NULL;
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(set_of(c, s, hash), hash, name, text);
    if (e != NULL) {
        k = public_key_hold(e->key);
        *flags = e->flags;
        e->used = ++s->clock;
        s->hits++;
    } else {
        s->misses++;
    }
    pthread_mutex_unlock(&s->lock);
    return k;
}

void
key_cache_put(struct key_cache *c, slice name, slice text, struct public_key *k, unsigned flags)
{
    char *copy = c == NULL || text.n > SIZE_MAX - name.n ? NULL : malloc(name.n + text.n + 1);
    if (copy == NULL) /* a cache may forget */
        return;
    if (name.n > 0)
        memcpy(copy, name.p, name.n);
    if (text.n > 0)
        memcpy(copy + name.n, text.p, text.n);
    uint64_t hash = hash_of(c, name, text);
    struct shard *s = shard_of(c, hash);
    pthread_mutex_lock(&s->lock);
    struct entry *set = set_of(c, s, hash), *e = find(set, hash, name, text);
    if (e == NULL) {
        e = &set[0];
        for (size_t i = 1; i < WAYS && e->key != NULL; i++)
            if (set[i].key == NULL || set[i].used < e->used)
                e = &set[i];
    }
    if (e->key == NULL)
        s->keys++;
    entry_clear(e);
    *e = (struct entry){ public_key_hold(k), copy, name.n, text.n, flags, hash, ++s->clock };
    pthread_mutex_unlock(&s->lock);
}

struct key_cache_stats
key_cache_stats(struct key_cache *c)
{
    struct key_cache_stats sum = { 0 };
    for (size_t i = 0; c != NULL && i < SHARDS; i++) {
        struct shard *s = &c->shards[i];
        pthread_mutex_lock(&s->lock);
        sum.hits += s->hits;
        sum.misses += s->misses;
        sum.keys += s->keys;
        pthread_mutex_unlock(&s->lock);
    }
    return sum;
}
