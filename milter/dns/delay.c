#include "dns/delay.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct item {
    uint64_t due_ms;
    struct dns_request *req;
    struct dns_result *result;
    struct item *next;
};

struct delay {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping;
    struct item *items; /* by due_ms */
};

static void
hand_over(struct item *it, bool in_time)
{
    struct dns_result *result = it->result;
    if (!in_time) {
        dns_result_drop(result);
        result = dns_result_static(DNS_TIMEOUT);
    }
    it->req->done(it->req, result);
    free(it);
}

static void *
run(void *arg)
{
    struct delay *d = arg;
    pthread_mutex_lock(&d->lock);
    while (!d->stopping || d->items != NULL) {
        struct item *it = d->items;
        if (it == NULL) {
            pthread_cond_wait(&d->changed, &d->lock);
            continue;
        }
        if (!d->stopping && clock_mono_ms() < it->due_ms) {
            struct timespec until = { .tv_sec = (time_t)(it->due_ms / 1000),
                                      .tv_nsec = (long)(it->due_ms % 1000) * 1000000 };
            pthread_cond_timedwait(&d->changed, &d->lock, &until);
            continue;
        }
        d->items = it->next;
        bool in_time = !d->stopping;
        pthread_mutex_unlock(&d->lock);
        hand_over(it, in_time);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

struct delay *
delay_new(void)
{
    struct delay *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&d->lock, NULL);
    if (pthread_create(&d->thread, NULL, run, d) != 0) {
        pthread_mutex_destroy(&d->lock);
        pthread_cond_destroy(&d->changed);
        free(d);
        return NULL;
    }
    return d;
}

void
delay_free(struct delay *d)
{
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->changed);
    free(d);
}

void
delay_add(struct delay *d, struct dns_request *req, struct dns_result *result, unsigned ms)
{
    uint64_t due_ms = clock_mono_ms() + ms;
    struct item *it = calloc(1, sizeof(*it));
    if (it == NULL) {
        req->done(req, result);
        return;
    }
    if (due_ms > req->deadline_ms) { /* as a server would be given up on */
        due_ms = req->deadline_ms;
        dns_result_drop(result);
        result = dns_result_static(DNS_TIMEOUT);
    }
    *it = (struct item){ .due_ms = due_ms, .req = req, .result = result };
    pthread_mutex_lock(&d->lock);
    struct item **at = &d->items;
    while (*at != NULL && (*at)->due_ms <= due_ms)
        at = &(*at)->next;
    it->next = *at;
    *at = it;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
}
