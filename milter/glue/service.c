/*
 * service.c - generations: a configuration and all that was built from it, swapped whole.
 * What is dear to build or must not exist twice (log, DNS cache, keys, spool) is carried over where the options that made
 * it are the same.
 */
#include "autoconf.h"

#include "glue/service.h"
#include "crypto/keyholder.h"
#include "glue/parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SIGNING_TIMEOUT_MS 3000u

struct service {
    struct service_setup setup;
    struct counters counters;
    pthread_mutex_t lock; /* current */
    struct generation *current;
    pthread_mutex_t reloading; /* one reload at a time */
};

/* ---- generations ---- */

void
generation_release(struct generation *g)
{
    if (g == NULL || atomic_fetch_sub_explicit(&g->references, 1, memory_order_acq_rel) != 1)
        return;
    pipeline_release(g->pipeline);
    part_release(g->spool_part);
    part_release(g->resolver_part);
    part_release(g->keys_part);
    part_release(g->deferrals_part);
    part_release(g->log_part);
    config_release(g->config);
    free(g);
}

static bool
make_parts(const struct service *s, struct generation *g, const struct generation *old, struct strbuf *errors)
{
    static const struct generation none;
    const struct config *c = g->config;
    if (old == NULL)
        old = &none;
    g->log_part = part_log(c, s->setup.verbose, old->log_part);
    g->log = part_thing(g->log_part);
    g->resolver_part = part_resolver(c, old->resolver_part, errors);
    g->keys_part = part_keys(old->keys_part);
    g->deferrals_part = part_deferrals(old->deferrals_part);
    if (c->record_directory != NULL)
        g->spool_part = part_spool(c, g->log_part, old->spool_part, errors);
    bool good = g->log_part != NULL && g->resolver_part != NULL && g->keys_part != NULL &&
                g->deferrals_part != NULL &&
                (g->spool_part != NULL || c->record_directory == NULL);
    if (!good && errors->n == 0)
        strbuf_add_str(errors, "out of memory\n");
    return good;
}

/* A holder that is silent for so long is taken for wedged; the message still has time to be answered. */
static unsigned
signing_timeout(const struct config *c)
{
    return c->message_timeout_ms / 4 < SIGNING_TIMEOUT_MS ? c->message_timeout_ms / 4 : SIGNING_TIMEOUT_MS;
}

/* Takes over the count on `c`.  NULL: `errors` says why. */
static struct generation *
generation_new(const struct service *s, struct config *c, const struct generation *old, struct strbuf *errors)
{
    struct generation *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        config_release(c);
        strbuf_add_str(errors, "out of memory\n");
        return NULL;
    }
    atomic_init(&g->references, 1);
    g->config = c;
    bool good = make_parts(s, g, old, errors);
    struct pipeline_parts parts = {
        .config = c,
        .resolver = part_thing(g->resolver_part),
        .keys = part_thing(g->keys_part),
        .spool = part_thing(g->spool_part),
        .deferrals = part_thing(g->deferrals_part),
        .log = g->log,
    };
    if (good && c->arc_seal && s->setup.launcher != NULL) {
        parts.signer = keyholder_open(s->setup.launcher, g->log, signing_timeout(c), errors);
        good = parts.signer != NULL;
        g->signer = parts.signer;
    }
    if (good)
        g->pipeline = pipeline_new(&parts, errors);
    if (g->pipeline != NULL)
        return g;
    generation_release(g);
    return NULL;
}

/* ---- the service ---- */

struct service *
service_new(const struct service_setup *setup, struct config *first, struct strbuf *errors)
{
    struct service *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        config_release(first);
        strbuf_add_str(errors, "out of memory\n");
        return NULL;
    }
    s->setup = *setup;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->reloading, NULL);
    s->current = generation_new(s, first, NULL, errors);
    if (s->current != NULL)
        return s;
    service_free(s);
    return NULL;
}

void
service_free(struct service *s)
{
    if (s == NULL)
        return;
    generation_release(s->current);
    pthread_mutex_destroy(&s->reloading);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct generation *
service_acquire(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    struct generation *g = s->current;
    if (g != NULL)
        atomic_fetch_add_explicit(&g->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&s->lock);
    return g;
}

void
service_stop(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    struct generation *g = s->current;
    s->current = NULL;
    pthread_mutex_unlock(&s->lock);
    generation_release(g);
}

struct counters *
service_counters(struct service *s)
{
    return &s->counters;
}

/* Each problem is a line of the log. */
static void
log_problems(struct log *log, slice problems)
{
    slice line;
    while (problems.n > 0) {
        (void)slice_cut(problems, '\n', &line, &problems);
        struct log_line *l = log_begin(log, LOG_LEVEL_ERROR, SLICE_EMPTY);
        log_field(l, "event", SLICE("reload"));
        log_field(l, "error", line);
        log_end(l);
    }
}

/* Of a setting that may be left out, which is NULL. */
static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What was fixed at the start: the socket is open, and root is gone. */
static bool
needs_a_restart(const struct config *old, const struct config *c)
{
    return !same_text(old->socket, c->socket) || !same_text(old->user_id, c->user_id) || !same_text(old->pid_file, c->pid_file) ||
           !same_text(old->metrics_listen, c->metrics_listen) || old->umask != c->umask ||
           old->idle_timeout_s != c->idle_timeout_s || old->maximum_connections != c->maximum_connections ||
           old->sandbox != c->sandbox || (c->arc_seal && !old->arc_seal);
}

bool
service_reload(struct service *s)
{
    struct strbuf errors;
    struct config *c = NULL;
    struct generation *next = NULL;
    strbuf_init(&errors, 1 << 20);
    pthread_mutex_lock(&s->reloading);
    struct generation *old = service_acquire(s);
    if (old == NULL) { /* stopped */
        pthread_mutex_unlock(&s->reloading);
        return false;
    }
    if (config_load(s->setup.config_file, s->setup.overrides, s->setup.n_overrides, &errors, &c) == ST_OK)
        next = generation_new(s, c, old, &errors);
    if (next != NULL) {
        if (needs_a_restart(old->config, next->config))
            log_event(next->log, LOG_LEVEL_WARNING, SLICE_EMPTY, "event", "reload", "warning",
                      "changes of Socket, UserID, PidFile, UMask, IdleTimeout, MaximumConnections, MetricsListen and Sandbox, and turning ArcSeal on, need a restart", (char *)NULL);
        log_problems(next->log, strbuf_slice(&errors)); /* what it can do without: a key that cannot be read */
        log_event(next->log, LOG_LEVEL_INFO, SLICE_EMPTY, "event", "reload", "result", "done", (char *)NULL);
        pthread_mutex_lock(&s->lock);
        s->current = next;
        pthread_mutex_unlock(&s->lock);
        generation_release(old); /* the service's count; messages have their own */
        count(&s->counters.reloads);
    } else {
        log_problems(old->log, strbuf_slice(&errors));
        log_event(old->log, LOG_LEVEL_ERROR, SLICE_EMPTY, "event", "reload", "result", "failed", "effect",
                  "the old configuration stays", (char *)NULL);
        count(&s->counters.reloads_failed);
    }
    generation_release(old);
    pthread_mutex_unlock(&s->reloading);
    strbuf_clear(&errors);
    return next != NULL;
}
