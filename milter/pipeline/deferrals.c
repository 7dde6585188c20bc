#include "pipeline/deferrals.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 1024
#define WAYS 8

struct entry {
    uint64_t key;
    int64_t last;   /* Unix time of the last deferral counted */
    unsigned count; /* 0: free */
};

struct deferrals {
    pthread_mutex_t lock;
    struct entry entries[BUCKETS][WAYS];
};

struct deferrals *
deferrals_new(void)
{
    struct deferrals *d = calloc(1, sizeof(*d));
    if (d != NULL && pthread_mutex_init(&d->lock, NULL) != 0) {
        free(d);
        return NULL;
    }
    return d;
}

void
deferrals_free(struct deferrals *d)
{
    if (d == NULL)
        return;
    pthread_mutex_destroy(&d->lock);
    free(d);
}

uint64_t
deferrals_key(const struct record *r, slice message_id)
{
    uint64_t h = slice_hash(r->mail_from, 1);
    h = slice_hash(r->header_from, h);
    for (size_t i = 0; i < r->n_rcpt_domains; i++)
        h = slice_hash(r->rcpt_domains[i], h);
    return slice_hash(slice_trim(message_id), h);
}

static bool
is_live(const struct entry *e, int64_t now)
{
    return e->count > 0 && now - e->last <= DEFERRALS_KEPT_S && e->last <= now + DEFERRALS_KEPT_S;
}

static struct entry *
find(struct entry *bucket, uint64_t key, int64_t now)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (bucket[i].key == key && is_live(&bucket[i], now))
            return &bucket[i];
    return NULL;
}

static bool
is_same_attempt(const struct entry *e, int64_t now)
{
    return now >= e->last && now - e->last < DEFERRALS_APART_S;
}

unsigned
deferrals_count(struct deferrals *d, uint64_t key, int64_t now)
{
    if (d == NULL)
        return 0;
    pthread_mutex_lock(&d->lock);
    const struct entry *e = find(d->entries[key % BUCKETS], key, now);
    unsigned count = e == NULL ? 0 : e->count - is_same_attempt(e, now);
    pthread_mutex_unlock(&d->lock);
    return count;
}

void
deferrals_note(struct deferrals *d, uint64_t key, int64_t now)
{
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    struct entry *bucket = d->entries[key % BUCKETS], *e = find(bucket, key, now);
    if (e == NULL) {
        e = &bucket[0]; /* a free or outlived one, else the oldest */
        for (unsigned i = 0; i < WAYS && is_live(e, now); i++)
            if (!is_live(&bucket[i], now) || bucket[i].last < e->last)
                e = &bucket[i];
        *e = (struct entry){ .key = key };
    }
    if (e->count == 0 || !is_same_attempt(e, now)) {
        e->count++;
        e->last = now;
    }
    pthread_mutex_unlock(&d->lock);
}
