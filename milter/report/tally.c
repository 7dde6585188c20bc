#include "autoconf.h"

#include "report/tally.h"
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

struct tally {
    struct arena *arena;
    struct tally_cell **slots; /* open addressing; a power of two */
    size_t size, used;
    uint64_t seed;
};

struct tally *
tally_new(void)
{
    struct tally *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->size = 1024;
    t->arena = arena_new(0);
    t->slots = calloc(t->size, sizeof(*t->slots));
    t->seed = (uint64_t)(uintptr_t)t ^ 0x9e3779b97f4a7c15u;
    if (t->arena != NULL && t->slots != NULL)
        return t;
    tally_free(t);
    return NULL;
}

void
tally_free(struct tally *t)
{
    if (t == NULL)
        return;
    arena_free(t->arena);
    free(t->slots);
    free(t);
}

static struct tally_cell **
slot_of(struct tally_cell **slots, size_t size, uint64_t hash, slice key)
{
    size_t i = (size_t)hash & (size - 1);
    while (slots[i] != NULL && !slice_eq(slots[i]->key, key))
        i = (i + 1) & (size - 1);
    return &slots[i];
}

static bool
grow(struct tally *t)
{
    size_t size = t->size * 2;
    struct tally_cell **slots = calloc(size, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i] != NULL)
            *slot_of(slots, size, slice_hash(t->slots[i]->key, t->seed), t->slots[i]->key) = t->slots[i];
    free(t->slots);
    t->slots = slots;
    t->size = size;
    return true;
}

slice
tally_keep(struct tally *t, slice text)
{
    return arena_slice(t->arena, text);
}

struct tally_cell *
tally_cell(struct tally *t, slice key)
{
    uint64_t hash = slice_hash(key, t->seed);
    struct tally_cell **slot = slot_of(t->slots, t->size, hash, key);
    if (*slot != NULL)
        return *slot;
    if (t->used * 2 >= t->size) {
        if (!grow(t))
            return NULL;
        slot = slot_of(t->slots, t->size, hash, key);
    }
    struct tally_cell *c = arena_zalloc(t->arena, sizeof(*c));
    slice kept = c == NULL ? (slice){ NULL, 0 } : tally_keep(t, key);
    if (kept.p == NULL)
        return NULL;
    c->key = kept;
    *slot = c;
    t->used++;
    return c;
}

static int
by_key(const void *a, const void *b)
{
    slice x = (*(struct tally_cell *const *)a)->key, y = (*(struct tally_cell *const *)b)->key;
    int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return c != 0 ? c : (x.n > y.n) - (x.n < y.n);
}

struct tally_cell **
tally_sorted(struct tally *t, size_t *n)
{
    struct tally_cell **all = arena_array(t->arena, t->used + 1, sizeof(struct tally_cell *));
    if (all == NULL)
        return NULL;
    size_t k = 0;
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i] != NULL)
            all[k++] = t->slots[i];
    qsort(all, k, sizeof(struct tally_cell *), by_key);
    *n = k;
    return all;
}
