/*
 * service.c - generations: a configuration and all that was built from it, swapped whole.
 * What is dear to build or must not exist twice (log, DNS cache, keys, spool) is carried over where the options that made
 * it are the same.
 */
#include "autoconf.h"

#include "glue/service.h"
#include "base/clock.h"
#include "crypto/keyholder.h"
#include "crypto/keys.h"
#include "dns/network.h"
#include "pipeline/key_check.h"
#include "pipeline/seal.h"
#include "record/spool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC_KEYS_KEPT 4096
#define SIGNING_TIMEOUT_MS 3000u

struct shared {
    atomic_uint references;
    void *thing;
    void (*free)(void *thing);
    char *key;             /* the options it was made from */
    struct shared *borrows; /* counted; freed after it */
};

struct service {
    struct service_setup setup;
    struct counters counters;
    pthread_mutex_t lock; /* current */
    struct generation *current;
    pthread_mutex_t reloading; /* one reload at a time */
};

/* ---- shared parts ---- */

static struct shared *
shared_hold(struct shared *p)
{
    if (p != NULL)
        atomic_fetch_add_explicit(&p->references, 1, memory_order_relaxed);
    return p;
}

static void
shared_release(struct shared *p)
{
    while (p != NULL && atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) == 1) {
        struct shared *next = p->borrows;
        p->free(p->thing);
        free(p->key);
        free(p);
        p = next;
    }
}

static void *
thing_of(const struct shared *p)
{
    return p == NULL ? NULL : p->thing;
}

/* Takes over `thing` and the text of `key`.  NULL: no memory, and the thing is freed. */
static struct shared *
shared_new(void *thing, void (*free_it)(void *), struct strbuf *key, struct shared *borrows)
{
    struct shared *p = thing == NULL || strbuf_status(key) != ST_OK ? NULL : calloc(1, sizeof(*p));
    char *copy = p == NULL ? NULL : strdup(strbuf_str(key));
    if (copy == NULL) {
        free(p);
        if (thing != NULL)
            free_it(thing);
        return NULL;
    }
    atomic_init(&p->references, 1);
    p->thing = thing;
    p->free = free_it;
    p->key = copy;
    p->borrows = shared_hold(borrows);
    return p;
}

static bool
same(const struct shared *old, struct strbuf *key)
{
    return old != NULL && strbuf_status(key) == ST_OK && strcmp(old->key, strbuf_str(key)) == 0;
}

/* ---- the parts ---- */

static enum log_level
level_from(const char *name)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    for (unsigned i = 0; i < COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum log_level)i;
    return LOG_LEVEL_INFO;
}

static void
free_log(void *l)
{
    log_free(l);
}

static struct shared *
make_log(const struct service *s, const struct config *c, const struct shared *old, struct strbuf *key)
{
    enum log_target target = c->syslog && !s->setup.to_stderr ? LOG_TO_SYSLOG : LOG_TO_STDERR;
    enum log_level level = s->setup.verbose ? LOG_LEVEL_DEBUG : level_from(c->log_level);
    strbuf_printf(key, "%d %s %d %d", (int)target, c->syslog_facility, (int)level, (int)c->log_format);
    if (same(old, key))
        return NULL;
    return shared_new(log_new(target, "vidimus-milter", c->syslog_facility, level, c->log_format == LOG_FORMAT_JSON), free_log,
                      key, NULL);
}

static void
free_resolver(void *r)
{
    resolver_free(r);
}

static struct shared *
make_resolver(const struct config *c, const struct shared *old, struct strbuf *key, struct strbuf *errors)
{
    strbuf_printf(key, "%u %u %d", c->dns_timeout_ms, c->dns_cache_entries, (int)c->trust_ad);
    for (size_t i = 0; i < c->nameservers.n; i++)
        strbuf_printf(key, " %s", c->nameservers.items[i]);
    if (same(old, key))
        return NULL;
    struct resolver_network_options o = {
        .nameservers = (const char *const *)c->nameservers.items,
        .n_nameservers = c->nameservers.n,
        .query_timeout_ms = c->dns_timeout_ms,
        .cache_entries = c->dns_cache_entries,
        .trust_ad = c->trust_ad,
    };
    struct resolver *r = NULL;
    struct strbuf why;
    strbuf_init(&why, 0);
    if (resolver_network_new(&o, &why, &r) != ST_OK)
        strbuf_printf(errors, "Nameservers: %s\n", strbuf_str(&why));
    strbuf_clear(&why);
    return shared_new(r, free_resolver, key, NULL);
}

static void
free_keys(void *k)
{
    key_cache_free(k);
}

static void
free_spool(void *s)
{
    spool_close(s);
}

static struct shared *
make_spool(const struct config *c, struct shared *log, const struct shared *old, struct strbuf *key, struct strbuf *errors)
{
    strbuf_printf(key, "%s %d %u %u %u", c->record_directory, (int)c->record_sync, c->record_segment_bytes, c->record_segment_age_s,
                  c->record_buffer_bytes);
    if (same(old, key))
        return NULL;
    enum status st = ST_INTERNAL;
    struct spool *spool = spool_open(c, thing_of(log), &st);
    if (spool == NULL)
        strbuf_printf(errors, "RecordDirectory: %s cannot be used: %s%s%s\n", c->record_directory, status_name(st),
                      errno != 0 ? ", " : "", errno != 0 ? strerror(errno) : "");
    return shared_new(spool, free_spool, key, log);
}

/* ---- generations ---- */

void
generation_release(struct generation *g)
{
    if (g == NULL || atomic_fetch_sub_explicit(&g->references, 1, memory_order_acq_rel) != 1)
        return;
    pipeline_release(g->pipeline);
    shared_release(g->spool_part);
    shared_release(g->resolver_part);
    shared_release(g->keys_part);
    shared_release(g->log_part);
    config_release(g->config);
    free(g);
}

static struct shared *
made_or_kept(struct shared *made, struct shared *old, struct strbuf *key)
{
    return made != NULL ? made : same(old, key) ? shared_hold(old) : NULL;
}

static bool
make_parts(const struct service *s, struct generation *g, const struct generation *old, struct strbuf *errors)
{
    static const struct generation none;
    const struct config *c = g->config;
    struct strbuf key;
    bool good = true;
    if (old == NULL)
        old = &none;
    strbuf_init(&key, 0);
    g->log_part = made_or_kept(make_log(s, c, old->log_part, &key), old->log_part, &key);
    strbuf_clear(&key);
    g->log = thing_of(g->log_part);
    g->resolver_part = made_or_kept(make_resolver(c, old->resolver_part, &key, errors), old->resolver_part, &key);
    strbuf_clear(&key);
    g->keys_part = shared_hold(old->keys_part);
    if (g->keys_part == NULL)
        g->keys_part = shared_new(key_cache_new(PUBLIC_KEYS_KEPT), free_keys, &key, NULL);
    if (c->record_directory != NULL) {
        g->spool_part = made_or_kept(make_spool(c, g->log_part, old->spool_part, &key, errors), old->spool_part, &key);
        good = g->spool_part != NULL;
    }
    strbuf_clear(&key);
    good = good && g->log_part != NULL && g->resolver_part != NULL && g->keys_part != NULL;
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
        .resolver = thing_of(g->resolver_part),
        .keys = thing_of(g->keys_part),
        .spool = thing_of(g->spool_part),
        .log = g->log,
    };
    if (good && c->arc_seal && s->setup.launcher != NULL) {
        parts.signer = keyholder_open(s->setup.launcher, g->log, signing_timeout(c), errors);
        good = parts.signer != NULL;
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

/* What was fixed at the start: the socket is open, and root is gone. */
static void
say_what_needs_a_restart(const struct config *old, const struct config *c, struct log *log)
{
    bool user = (old->user_id == NULL) != (c->user_id == NULL) || (c->user_id != NULL && strcmp(old->user_id, c->user_id) != 0);
    bool seal = c->arc_seal && !old->arc_seal;
    if (strcmp(old->socket, c->socket) == 0 && !user && !seal && old->sandbox == c->sandbox && old->umask == c->umask &&
        old->idle_timeout_s == c->idle_timeout_s)
        return;
    log_event(log, LOG_LEVEL_WARNING, SLICE_EMPTY, "event", "reload", "warning",
              "changes of Socket, UserID, UMask, IdleTimeout and Sandbox, and turning ArcSeal on, need a restart", (char *)NULL);
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
        say_what_needs_a_restart(old->config, next->config, next->log);
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

/* ---- -n ---- */

static void
check_folder(const char *option, const char *path, bool itself, struct strbuf *errors)
{
    if (path == NULL)
        return;
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (slash != NULL && !itself)
        slash[slash == folder ? 1 : 0] = '\0';
    if (folder != NULL && access(folder, W_OK | X_OK) != 0)
        strbuf_printf(errors, "%s: the folder %s: %s\n", option, folder, strerror(errno));
    free(folder);
}

/* Seals that nobody can verify are an error; what DNS would not say is not ours to mend. */
static void
note_key(void *arg, const struct key_entry *e, enum key_state state, const char *text)
{
    struct strbuf *errors = arg;
    if (state == KEY_WRONG)
        strbuf_printf(errors, "KeyTable, line %u: %.*s._domainkey.%.*s: %s\n", e->line, SLICE_ARG(e->selector),
                      SLICE_ARG(e->domain), text);
    else if (state == KEY_UNSURE)
        fprintf(stderr, "vidimus-milter: note: KeyTable, line %u: %.*s._domainkey.%.*s: %s\n", e->line, SLICE_ARG(e->selector),
                SLICE_ARG(e->domain), text);
}

bool
service_check(struct config *c, struct strbuf *errors)
{
    size_t before = errors->n;
    struct strbuf key;
    strbuf_init(&key, 0);
    struct shared *resolver = make_resolver(c, NULL, &key, errors);
    strbuf_clear(&key);
    struct pipeline_parts parts = { .config = c,
                                    .resolver = thing_of(resolver),
                                    .signer = c->arc_seal ? seal_local_signer(c, true, errors) : NULL };
    struct pipeline *p = pipeline_new(&parts, errors);
    pipeline_release(p);
    if (c->arc_seal && resolver != NULL && errors->n == before)
        (void)key_check(c, thing_of(resolver), clock_wall_s(), note_key, errors, errors);
    shared_release(resolver);
    check_folder("RecordDirectory", c->record_directory, access(c->record_directory == NULL ? "/" : c->record_directory, F_OK) == 0,
                 errors);
    check_folder("HistoryFile", c->history_file, false, errors);
    return errors->n == before;
}
