#include "dns/network.h"
#include "dns/flight.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SHARDS_MAX       4u
#define EVENTS           16
#define QUERY_TIMEOUT_MS 5000u
#define ATTEMPT_MS_MIN   50u
#define TIMER_TAG        UINT64_MAX

struct network {
    struct resolver base;
    struct flight_rules rules;
    struct shard shards[SHARDS_MAX];
    size_t n_shards;
    uint64_t seed;
    int epoll_fd, timer_fd;
    pthread_t dispatcher;
    bool dispatcher_runs, library_ready, timer_ready;
    atomic_bool stopping;
    /* When the timer goes off, 0: not armed.  Written under timer_lock. */
    atomic_uint_fast64_t armed_ms;
    pthread_mutex_t timer_lock;
};

/* ---- the timer ---- */

/* Timeouts of later questions lie later, so nearly always this is one load.  It is done under the
 * lock of the shard where the question was put, and the dispatcher clears armed_ms before it looks
 * through the shards: either the dispatcher sees the question or this thread sees the timer
 * unarmed. */
static void
arm_timer(struct network *net, uint64_t at_ms)
{
    uint64_t armed = atomic_load(&net->armed_ms);
    if (armed != 0 && armed <= at_ms)
        return;
    pthread_mutex_lock(&net->timer_lock);
    armed = atomic_load(&net->armed_ms);
    if (armed == 0 || at_ms < armed) {
        struct itimerspec t = { .it_value = { .tv_sec = (time_t)(at_ms / 1000),
                                              .tv_nsec = (long)(at_ms % 1000) * 1000000 + 1 } };
        timerfd_settime(net->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
        atomic_store(&net->armed_ms, at_ms);
    }
    pthread_mutex_unlock(&net->timer_lock);
}

static void
timer_went_off(struct network *net)
{
    uint64_t times;
    pthread_mutex_lock(&net->timer_lock);
    if (read(net->timer_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
        atomic_store(&net->armed_ms, 0);
    pthread_mutex_unlock(&net->timer_lock);
    for (size_t i = 0; i < net->n_shards; i++) {
        struct shard *s = &net->shards[i];
        struct outbox out = { 0 };
        pthread_mutex_lock(&s->lock);
        for (size_t k = 0; k < net->rules.n_servers; k++)
            channel_expire(s->channels[k]);
        flights_go_on(s, &out);
        uint64_t now_ms = clock_mono_ms(), next_ms = flights_expire(s, now_ms, &out);
        for (size_t k = 0; k < net->rules.n_servers && s->n_flights > 0; k++) {
            int wait_ms = channel_wait_ms(s->channels[k]);
            if (wait_ms >= 0 && now_ms + (uint64_t)wait_ms < next_ms)
                next_ms = now_ms + (uint64_t)wait_ms;
        }
        if (next_ms != UINT64_MAX)
            arm_timer(net, next_ms > now_ms ? next_ms : now_ms + 1);
        pthread_mutex_unlock(&s->lock);
        outbox_deliver(&out);
    }
}

/* ---- the dispatcher ---- */

static void
socket_ready(struct network *net, const struct epoll_event *ev)
{
    size_t tag = (size_t)(ev->data.u64 >> 32);
    struct shard *s = &net->shards[tag / NAMESERVERS_MAX];
    struct outbox out = { 0 };
    bool readable = (ev->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    pthread_mutex_lock(&s->lock);
    channel_ready(s->channels[tag % NAMESERVERS_MAX], (int)(uint32_t)ev->data.u64, readable,
                  (ev->events & EPOLLOUT) != 0);
    flights_go_on(s, &out);
    if (s->parked != NULL)
        arm_timer(net, flights_parked_until(s));
    pthread_mutex_unlock(&s->lock);
    outbox_deliver(&out);
}

static void *
dispatch(void *arg)
{
    struct network *net = arg;
    struct epoll_event events[EVENTS];
    while (!atomic_load(&net->stopping)) {
        int n = epoll_wait(net->epoll_fd, events, EVENTS, -1);
        bool timer = false;
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == TIMER_TAG)
                timer = true;
            else
                socket_ready(net, &events[i]);
        }
        if (timer)
            timer_went_off(net);
    }
    return NULL;
}

/* ---- asking ---- */

static struct dns_result *
network_ask(struct resolver *r, struct dns_request *req)
{
    struct network *net = (struct network *)(void *)r; /* its first member */
    struct flight_rules *rules = &net->rules;
    uint64_t hash = slice_hash(req->name, net->seed ^ (uint64_t)req->type);
    atomic_fetch_add_explicit(&rules->questions, 1, memory_order_relaxed);
    struct dns_result *result =
        dns_cache_get(rules->cache, hash, req->type, req->name, rules->now_ms());
    uint64_t now_ms = result == NULL ? clock_mono_ms() : 0;
    if (result == NULL && now_ms >= req->deadline_ms)
        return dns_result_static(DNS_TIMEOUT);
    if (result == NULL) {
        struct shard *s = &net->shards[(hash >> 32) % net->n_shards];
        struct outbox out = { 0 };
        pthread_mutex_lock(&s->lock);
        struct flight *f = flight_find(s, hash, req->type, req->name);
        if (f != NULL) {
            flight_join(f, req);
        } else if ((result = dns_cache_get(rules->cache, hash, req->type, req->name,
                                           rules->now_ms())) == NULL &&
                   !flight_launch(s, hash, req, &out)) {
            result = dns_result_static(DNS_SERVFAIL);
            pthread_mutex_unlock(&s->lock);
            return result;
        }
        if (result == NULL) {
            uint64_t due_ms = now_ms + rules->attempt_ms, parked_ms = flights_parked_until(s);
            if (parked_ms < due_ms)
                due_ms = parked_ms;
            arm_timer(net, due_ms < req->deadline_ms ? due_ms : req->deadline_ms);
        }
        pthread_mutex_unlock(&s->lock);
        outbox_deliver(&out);
    }
    if (result != NULL) {
        req->from_cache = true;
        atomic_fetch_add_explicit(&rules->from_cache, 1, memory_order_relaxed);
    }
    return result;
}

static void
network_free(struct resolver *r)
{
    struct network *net = (struct network *)(void *)r;
    if (net->dispatcher_runs) {
        atomic_store(&net->stopping, true);
        arm_timer(net, 1);
        pthread_join(net->dispatcher, NULL);
    }
    for (size_t i = 0; i < net->n_shards; i++) {
        struct shard *s = &net->shards[i];
        struct outbox out = { 0 };
        pthread_mutex_lock(&s->lock);
        for (size_t k = 0; k < net->rules.n_servers; k++)
            channel_free(s->channels[k]);
        flights_abandon(s, &out);
        pthread_mutex_unlock(&s->lock);
        outbox_deliver(&out);
        pthread_mutex_destroy(&s->lock);
    }
    if (net->library_ready)
        channel_library_clear();
    dns_cache_free(net->rules.cache);
    if (net->timer_ready)
        pthread_mutex_destroy(&net->timer_lock);
    if (net->epoll_fd >= 0)
        close(net->epoll_fd);
    if (net->timer_fd >= 0)
        close(net->timer_fd);
    free(net);
}

static const struct resolver_ops network_ops = { .ask = network_ask, .free = network_free };

/* ---- making one ---- */

static enum status
read_system_servers(struct nameserver out[NAMESERVERS_MAX], size_t *n)
{
    char text[8192];
    size_t got = 0;
    FILE *f = fopen("/etc/resolv.conf", "re");
    if (f != NULL) {
        got = fread(text, 1, sizeof(text), f);
        fclose(f);
    }
    *n = nameservers_from_resolv_conf((slice){ text, got }, out);
    return ST_OK;
}

static enum status
set_servers(struct network *net, const struct resolver_network_options *o, struct strbuf *error)
{
    struct nameserver servers[NAMESERVERS_MAX];
    size_t n = 0;
    if (o->n_nameservers == 0)
        read_system_servers(servers, &n);
    for (size_t i = 0; i < o->n_nameservers && n < NAMESERVERS_MAX; i++) {
        if (!nameserver_parse(slice_from(o->nameservers[i]), &servers[n++])) {
            strbuf_printf(error, "\"%s\" is no name server: an address is wanted, or ADDRESS@PORT",
                          o->nameservers[i]);
            return ST_SYNTAX;
        }
    }
    struct flight_rules *rules = &net->rules;
    for (size_t i = 0; i < n; i++) {
        rules->servers[i].ns = servers[i];
        rules->servers[i].believed = o->trust_ad || nameserver_is_loopback(&servers[i]);
    }
    rules->n_servers = n;
    rules->query_ms = o->query_timeout_ms == 0 ? QUERY_TIMEOUT_MS : o->query_timeout_ms;
    rules->attempts = n == 1 ? 3 : n < 4 ? (unsigned)n * 2 : (unsigned)n;
    rules->attempt_ms = rules->query_ms / rules->attempts;
    if (rules->attempt_ms < ATTEMPT_MS_MIN)
        rules->attempt_ms = ATTEMPT_MS_MIN;
    return ST_OK;
}

static enum status
add_shard(struct network *net)
{
    size_t at = net->n_shards;
    struct shard *s = &net->shards[at];
    pthread_mutex_init(&s->lock, NULL);
    s->rules = &net->rules;
    net->n_shards++;
    for (size_t k = 0; k < net->rules.n_servers; k++) {
        const struct nameserver *ns = &net->rules.servers[k].ns;
        /* from loopback nobody can forge a reply, so the source port need not change */
        struct channel_options co = { .server = *ns,
                                      .timeout_ms = net->rules.attempt_ms,
                                      .keep_open = nameserver_is_loopback(ns),
                                      .epoll_fd = net->epoll_fd,
                                      .tag = (uint32_t)(at * NAMESERVERS_MAX + k) };
        enum status st = channel_new(&co, &s->channels[k]);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* No signal is for this thread: the daemon's own threads wait for them. */
static enum status
start_dispatcher(struct network *net)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&net->dispatcher, NULL, dispatch, net);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    net->dispatcher_runs = rc == 0;
    return rc == 0 ? ST_OK : ST_INTERNAL;
}

static enum status
set_up(struct network *net, const struct resolver_network_options *o)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = TIMER_TAG };
    net->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    net->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (net->epoll_fd < 0 || net->timer_fd < 0 ||
        epoll_ctl(net->epoll_fd, EPOLL_CTL_ADD, net->timer_fd, &ev) != 0)
        return ST_INTERNAL;
    pthread_mutex_init(&net->timer_lock, NULL);
    net->timer_ready = true;
    if (getrandom(&net->seed, sizeof(net->seed), 0) != (ssize_t)sizeof(net->seed))
        return ST_INTERNAL;
    net->rules.now_ms = o->now_ms != NULL ? o->now_ms : clock_mono_ms;
    net->rules.cache = dns_cache_new(o->cache_entries);
    if (net->rules.cache == NULL)
        return ST_NOMEM;
    enum status st = channel_library_init();
    net->library_ready = st == ST_OK;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = processors < 1                    ? 1
               : (size_t)processors > SHARDS_MAX ? SHARDS_MAX
                                                 : (size_t)processors;
    while (st == ST_OK && net->n_shards < n)
        st = add_shard(net);
    return st == ST_OK ? start_dispatcher(net) : st;
}

enum status
resolver_network_new(const struct resolver_network_options *options, struct strbuf *error,
                     struct resolver **out)
{
    struct network *net = calloc(1, sizeof(*net));
    if (net == NULL)
        return ST_NOMEM;
    net->base.ops = &network_ops;
    net->epoll_fd = net->timer_fd = -1;
    enum status st = set_servers(net, options, error);
    if (st == ST_OK) {
        st = set_up(net, options);
        if (st != ST_OK)
            strbuf_printf(error, "the resolver cannot be set up: %s",
                          st == ST_INTERNAL ? strerror(errno) : status_name(st));
    }
    if (st == ST_OK)
        *out = &net->base;
    else
        network_free(&net->base);
    return st;
}

struct resolver_network_stats
resolver_network_stats(struct resolver *r)
{
    struct network *net = (struct network *)(void *)r;
    struct flight_rules *rules = &net->rules;
    return (struct resolver_network_stats){ .questions = atomic_load(&rules->questions),
                                            .from_cache = atomic_load(&rules->from_cache),
                                            .joined = atomic_load(&rules->joined),
                                            .sent = atomic_load(&rules->sent),
                                            .timeouts = atomic_load(&rules->timeouts),
                                            .unreachable = atomic_load(&rules->unreachable),
                                            .failures = atomic_load(&rules->failures),
                                            .cached = dns_cache_count(rules->cache) };
}
