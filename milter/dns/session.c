/*
 * session.c - one message's view of the resolver.
 * The session is counted: one for its message, one for each request that the resolver still holds.
 * So the message can go while answers are on their way; they find `closing` set, and only the cache
 * gains by them.
 */
#include "dns/backend.h"
#include "dns/name.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUCKETS 32

struct waiter {
    dns_callback *fn;
    void *arg;
    struct entry *entry;
    bool embedded; /* in its entry: not freed alone */
    struct waiter *next;
};

struct entry {
    struct dns_request req;
    struct dns_session *s;
    struct dns_result *result;
    struct dns_answer answer; /* final once done */
    bool done;
    unsigned sleepers; /* threads in dns_lookup for this answer */
    struct waiter *waiters, *last_waiter;
    struct waiter first;
    struct entry *next, *next_in_bucket;
    char name[];
};

/* A thread that is running callbacks of this session.  What becomes ready inside a callback is
 * queued here instead of being called from within, so a chain of cached answers does not deepen the
 * stack. */
struct runner {
    pthread_t thread;
    struct waiter *ready, *last_ready;
    struct runner *next;
};

struct dns_session {
    struct resolver *resolver;
    unsigned timeout_ms, max_queries;
    unsigned kept_queries, kept_ms; /* of those, for what decides */
    pthread_mutex_t
        lock; /* guards all below; never held while a resolver or a callback is called */
    pthread_cond_t changed;
    uint64_t deadline_ms;
    unsigned common_questions; /* not out of what is kept */
    unsigned references;
    bool closing;
    struct runner *runners;
    struct entry *entries, *last_entry, *buckets[BUCKETS];
    struct dns_usage usage;
    uint64_t wait_us;
};

struct dns_session *
dns_session_new(struct resolver *r, const struct dns_limits *limits)
{
    struct dns_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) {
        free(s);
        return NULL;
    }
    /* deadlines are on the monotonic clock: a step of the wall clock must not move them */
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int bad = pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (bad == 0 && (bad = pthread_mutex_init(&s->lock, NULL)) != 0)
        pthread_cond_destroy(&s->changed);
    if (bad != 0) {
        free(s);
        return NULL;
    }
    s->resolver = r;
    s->references = 1;
    s->max_queries = limits->max_queries;
    s->timeout_ms = limits->timeout_ms;
    s->deadline_ms = clock_mono_ms() + s->timeout_ms;
    return s;
}

void
dns_session_restart(struct dns_session *s)
{
    pthread_mutex_lock(&s->lock);
    s->deadline_ms =
        clock_mono_ms() +
        s->timeout_ms; /* questions already sent keep the deadline they were sent with */
    pthread_mutex_unlock(&s->lock);
}

void
dns_session_keep(struct dns_session *s, unsigned queries, unsigned ms)
{
    pthread_mutex_lock(&s->lock);
    s->kept_queries = queries < s->max_queries ? queries : s->max_queries;
    s->kept_ms = ms < s->timeout_ms ? ms : s->timeout_ms;
    pthread_mutex_unlock(&s->lock);
}

static void
free_waiters(struct waiter *w)
{
    while (w != NULL) {
        struct waiter *next = w->next;
        if (!w->embedded)
            free(w);
        w = next;
    }
}

static void
destroy(struct dns_session *s)
{
    for (struct entry *e = s->entries; e != NULL;) {
        struct entry *next = e->next;
        free_waiters(e->waiters);
        dns_result_drop(e->result);
        free(e);
        e = next;
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

/* Gives one count back and unlocks; the last one frees. */
static void
release_locked(struct dns_session *s)
{
    bool last = --s->references == 0;
    pthread_mutex_unlock(&s->lock);
    if (last)
        destroy(s);
}

void
dns_session_free(struct dns_session *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    while (s->runners != NULL)
        pthread_cond_wait(&s->changed, &s->lock);
    release_locked(s);
}

/* ---- callbacks ---- */

static struct runner *
runner_of_this_thread(struct dns_session *s)
{
    pthread_t self = pthread_self();
    for (struct runner *r = s->runners; r != NULL; r = r->next)
        if (pthread_equal(r->thread, self))
            return r;
    return NULL;
}

static void
remove_runner(struct dns_session *s, struct runner *r)
{
    struct runner **at = &s->runners;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (s->closing && s->runners == NULL)
        pthread_cond_broadcast(&s->changed);
}

/* Called and left with the lock held.  Takes over the list. */
static void
run_waiters(struct dns_session *s, struct waiter *first, struct waiter *last)
{
    if (first == NULL)
        return;
    struct runner *outer = runner_of_this_thread(s);
    if (outer != NULL) {
        if (outer->ready == NULL)
            outer->ready = first;
        else
            outer->last_ready->next = first;
        outer->last_ready = last;
        return;
    }
    struct runner self = {
        .thread = pthread_self(), .ready = first, .last_ready = last, .next = s->runners
    };
    s->runners = &self;
    while (self.ready != NULL && !s->closing) {
        struct waiter *w = self.ready;
        self.ready = w->next;
        dns_callback *fn = w->fn;
        void *arg = w->arg;
        const struct dns_answer *answer = &w->entry->answer;
        if (!w->embedded)
            free(w);
        pthread_mutex_unlock(&s->lock);
        fn(arg, s, answer);
        pthread_mutex_lock(&s->lock);
    }
    free_waiters(self.ready);
    remove_runner(s, &self);
}

/* ---- answers ---- */

static uint32_t
ttl_left(const struct dns_result *r, uint64_t now_ms)
{
    uint64_t age_s = now_ms > r->born_ms ? (now_ms - r->born_ms) / 1000 : 0;
    return age_s >= r->ttl ? 0 : r->ttl - (uint32_t)age_s;
}

/* Lock held on entry and on return.  Takes over the count of `result`; an entry already settled
 * keeps what it has. */
static void
settle(struct entry *e, struct dns_result *result)
{
    struct dns_session *s = e->s;
    if (e->done || s->closing) {
        dns_result_drop(result);
        return;
    }
    e->done = true;
    e->result = result;
    e->answer =
        (struct dns_answer){ .status = result->status,
                             .records = result->records,
                             .n = result->n,
                             .authenticated = result->authenticated,
                             .from_cache = e->req.from_cache,
                             .ttl = result->ttl == 0 ? 0 : ttl_left(result, clock_mono_ms()) };
    if (e->sleepers > 0)
        pthread_cond_broadcast(&s->changed);
    struct waiter *first = e->waiters, *last = e->last_waiter;
    e->waiters = e->last_waiter = NULL;
    run_waiters(s, first, last);
}

static void
on_done(struct dns_request *req, struct dns_result *result)
{
    struct entry *e = (struct entry *)(void *)req; /* its first member */
    struct dns_session *s = e->s;
    pthread_mutex_lock(&s->lock);
    settle(e, result);
    release_locked(s);
}

/* ---- questions ---- */

static unsigned
bucket_of(enum dns_type type, slice name)
{
    uint64_t h = slice_hash(name, (uint64_t)type);
    return (unsigned)(h % BUCKETS);
}

static struct entry *
find(struct dns_session *s, enum dns_type type, slice name, unsigned bucket)
{
    for (struct entry *e = s->buckets[bucket]; e != NULL; e = e->next_in_bucket)
        if (e->req.type == type && slice_eq(e->req.name, name))
            return e;
    return NULL;
}

static uint64_t
deadline(const struct dns_session *s, bool kept)
{
    return kept ? s->deadline_ms : s->deadline_ms - s->kept_ms;
}

static bool
is_spent(const struct dns_session *s, bool kept)
{
    return s->usage.questions >= s->max_queries ||
           (!kept && s->common_questions >= s->max_queries - s->kept_queries);
}

static struct entry *
add_entry(struct dns_session *s, enum dns_type type, slice name, unsigned bucket, bool kept)
{
    struct entry *e = calloc(1, sizeof(*e) + name.n);
    if (e == NULL)
        return NULL;
    if (name.n > 0)
        memcpy(e->name, name.p, name.n);
    e->s = s;
    e->req = (struct dns_request){
        .type = type, .name = { e->name, name.n }, .deadline_ms = deadline(s, kept), .done = on_done
    };
    e->next_in_bucket = s->buckets[bucket];
    s->buckets[bucket] = e;
    if (s->last_entry == NULL)
        s->entries = e;
    else
        s->last_entry->next = e;
    s->last_entry = e;
    s->usage.questions++;
    return e;
}

/* Lock held on entry and on return, given up while the resolver is asked. */
static void
ask(struct entry *e)
{
    struct dns_session *s = e->s;
    s->references++; /* the request's */
    pthread_mutex_unlock(&s->lock);
    struct dns_result *result = s->resolver->ops->ask(s->resolver, &e->req);
    pthread_mutex_lock(&s->lock);
    if (e->req.sent)
        s->usage.sent++;
    if (result == NULL)
        return;
    s->references--; /* never the last: the caller is still in the session */
    settle(e, result);
}

/* Lock held.  The entry, new or old; *fresh: it has to be asked.  NULL: no memory. */
static struct entry *
enter(struct dns_session *s, enum dns_type type, slice name, bool kept, bool *fresh)
{
    char canonical[DNS_NAME_MAX];
    size_t n = 0;
    enum dns_status refused = DNS_OK;
    *fresh = false;
    if (dns_name_canonical(name, canonical, &n))
        name = (slice){ canonical, n };
    else
        refused = DNS_BADNAME;
    unsigned bucket = bucket_of(type, name);
    struct entry *e = find(s, type, name, bucket);
    bool spent = refused == DNS_OK && is_spent(s, kept) && !s->resolver->ops->holds_all_answers;
    bool again = !spent && e != NULL && e->done && e->answer.status == DNS_BUDGET;
    if (e != NULL && !again)
        return e; /* else the new entry comes before it in the bucket */
    if (spent)
        refused = DNS_BUDGET;
    e = add_entry(s, type, name, bucket, kept);
    if (e == NULL)
        return NULL;
    s->common_questions += !kept && refused == DNS_OK;
    if (refused != DNS_OK) {
        s->usage.questions--;
        settle(e, dns_result_static(refused));
    } else {
        *fresh = !s->closing; /* a callback that still runs while the message goes asks nothing any
                                 more */
    }
    return e;
}

/* False: no memory for it. */
static bool
add_waiter(struct entry *e, dns_callback *fn, void *arg, struct waiter **out)
{
    struct waiter *w = &e->first;
    if (w->fn == NULL)
        w->embedded = true; /* used once only, also after it has run: the queue of a runner may
                               still hold it */
    else if ((w = calloc(1, sizeof(*w))) == NULL)
        return false;
    w->fn = fn;
    w->arg = arg;
    w->entry = e;
    *out = w;
    return true;
}

static const struct dns_answer no_memory = { .status = DNS_SERVFAIL };

static void
start(struct dns_session *s, enum dns_type type, slice name, bool kept, dns_callback *on_answer,
      void *arg)
{
    bool fresh = false;
    struct waiter *w = NULL;
    pthread_mutex_lock(&s->lock);
    struct entry *e = enter(s, type, name, kept, &fresh);
    if (on_answer != NULL && (e == NULL || !add_waiter(e, on_answer, arg, &w))) {
        pthread_mutex_unlock(&s->lock);
        on_answer(arg, s, &no_memory);
        pthread_mutex_lock(&s->lock);
    }
    if (w != NULL && e->done) {
        run_waiters(s, w, w);
    } else if (w != NULL) {
        if (e->last_waiter == NULL)
            e->waiters = w;
        else
            e->last_waiter->next = w;
        e->last_waiter = w;
    }
    if (fresh)
        ask(e);
    pthread_mutex_unlock(&s->lock);
}

void
dns_start(struct dns_session *s, enum dns_type type, slice name, dns_callback *on_answer, void *arg)
{
    start(s, type, name, false, on_answer, arg);
}

void
dns_start_kept(struct dns_session *s, enum dns_type type, slice name, dns_callback *on_answer, void *arg)
{
    start(s, type, name, true, on_answer, arg);
}

static const struct dns_answer *
lookup(struct dns_session *s, enum dns_type type, slice name, bool kept)
{
    bool fresh = false;
    pthread_mutex_lock(&s->lock);
    struct entry *e = enter(s, type, name, kept, &fresh);
    if (fresh)
        ask(e);
    if (e != NULL && !e->done) {
        uint64_t began_us = clock_mono_us();
        uint64_t until_ms = deadline(s, kept);
        struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
                                  .tv_nsec = (long)(until_ms % 1000) * 1000000 };
        e->sleepers++;
        while (!e->done && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
            continue;
        e->sleepers--;
        s->wait_us += clock_mono_us() - began_us;
        if (!e->done)
            settle(e, dns_result_static(DNS_TIMEOUT));
    }
    pthread_mutex_unlock(&s->lock);
    return e == NULL ? &no_memory : &e->answer;
}

const struct dns_answer *
dns_lookup(struct dns_session *s, enum dns_type type, slice name)
{
    return lookup(s, type, name, false);
}

const struct dns_answer *
dns_lookup_kept(struct dns_session *s, enum dns_type type, slice name)
{
    return lookup(s, type, name, true);
}

/* ---- what was asked ---- */

struct dns_usage
dns_session_usage(struct dns_session *s)
{
    pthread_mutex_lock(&s->lock);
    struct dns_usage u = s->usage;
    u.wait_ms = (unsigned)(s->wait_us / 1000);
    pthread_mutex_unlock(&s->lock);
    return u;
}

void
dns_session_each(struct dns_session *s,
                 void (*fn)(void *arg, enum dns_type type, slice name,
                            const struct dns_answer *answer),
                 void *arg)
{
    pthread_mutex_lock(&s->lock);
    for (struct entry *e = s->entries; e != NULL;
         e = e->next) { /* entries are added at the end and never leave */
        if (find(s, e->req.type, e->req.name, bucket_of(e->req.type, e->req.name)) != e)
            continue; /* there was no budget for it at first */
        const struct dns_answer *answer = e->done ? &e->answer : NULL;
        pthread_mutex_unlock(&s->lock);
        fn(arg, e->req.type, e->req.name, answer);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}
