#include "autoconf.h"

#include "glue/parts.h"
#include "crypto/keys.h"
#include "dns/network.h"
#include "pipeline/deferrals.h"
#include "record/spool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_KEYS_KEPT 4096

struct part {
    atomic_uint references;
    void *thing;
    void (*free)(void *thing);
    char *key;            /* the options it was made from */
    struct part *borrows; /* counted; freed after it */
};

static struct part *
hold(struct part *p)
{
    if (p != NULL)
        atomic_fetch_add_explicit(&p->references, 1, memory_order_relaxed);
    return p;
}

void
part_release(struct part *p)
{
    while (p != NULL && atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) == 1) {
        struct part *next = p->borrows;
        p->free(p->thing);
        free(p->key);
        free(p);
        p = next;
    }
}

void *
part_thing(const struct part *p)
{
    return p == NULL ? NULL : p->thing;
}

/* Takes over `thing` and the text of `key`.  NULL: no memory, and the thing is freed. */
static struct part *
part_new(void *thing, void (*free_it)(void *), struct strbuf *key, struct part *borrows)
{
    struct part *p = thing == NULL || strbuf_status(key) != ST_OK ? NULL : calloc(1, sizeof(*p));
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
    p->borrows = hold(borrows);
    return p;
}

static bool
same(const struct part *old, struct strbuf *key)
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

struct part *
part_log(const struct config *c, bool verbose, struct part *old)
{
    enum log_target target = c->syslog ? LOG_TO_SYSLOG : LOG_TO_STDERR;
    enum log_level level = verbose ? LOG_LEVEL_DEBUG : level_from(c->log_level);
    struct strbuf key;
    strbuf_init(&key, 0);
    strbuf_printf(&key, "%d %s %d %d", (int)target, c->syslog_facility, (int)level, (int)c->log_format);
    struct part *p = same(old, &key) ? hold(old)
                                     : part_new(log_new(target, "vidimus-milter", c->syslog_facility, level,
                                                        c->log_format == LOG_FORMAT_JSON),
                                                free_log, &key, NULL);
    strbuf_clear(&key);
    return p;
}

static void
free_resolver(void *r)
{
    resolver_free(r);
}

static struct resolver *
new_resolver(const struct config *c, struct strbuf *errors)
{
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
        config_problem(c, "Nameservers", errors, "%s", strbuf_str(&why));
    strbuf_clear(&why);
    return r;
}

struct part *
part_resolver(const struct config *c, struct part *old, struct strbuf *errors)
{
    struct strbuf key;
    strbuf_init(&key, 0);
    strbuf_printf(&key, "%u %u %d", c->dns_timeout_ms, c->dns_cache_entries, (int)c->trust_ad);
    for (size_t i = 0; i < c->nameservers.n; i++)
        strbuf_printf(&key, " %s", c->nameservers.items[i]);
    struct part *p = same(old, &key) ? hold(old) : part_new(new_resolver(c, errors), free_resolver, &key, NULL);
    strbuf_clear(&key);
    return p;
}

static void
free_keys(void *k)
{
    key_cache_free(k);
}

struct part *
part_keys(struct part *old)
{
    struct strbuf none;
    strbuf_init(&none, 0);
    return old != NULL ? hold(old) : part_new(key_cache_new(PUBLIC_KEYS_KEPT), free_keys, &none, NULL);
}

static void
free_deferrals(void *d)
{
    deferrals_free(d);
}

/* A reload does not begin to count anew. */
struct part *
part_deferrals(struct part *old)
{
    struct strbuf none;
    strbuf_init(&none, 0);
    return old != NULL ? hold(old) : part_new(deferrals_new(), free_deferrals, &none, NULL);
}

static void
free_spool(void *s)
{
    spool_close(s);
}

static struct spool *
new_spool(const struct config *c, struct log *log, struct strbuf *errors)
{
    enum status st = ST_INTERNAL;
    errno = 0;
    struct spool *spool = spool_open(c, log, &st);
    if (spool == NULL)
        config_problem(c, "RecordDirectory", errors, "%s cannot be used: %s%s%s", c->record_directory, status_name(st),
                      errno != 0 ? ", " : "", errno != 0 ? strerror(errno) : "");
    return spool;
}

struct part *
part_spool(const struct config *c, struct part *log, struct part *old, struct strbuf *errors)
{
    struct strbuf key;
    strbuf_init(&key, 0);
    strbuf_printf(&key, "%s %d %u %u %u", c->record_directory, (int)c->record_sync, c->record_segment_bytes, c->record_segment_age_s,
                  c->record_buffer_bytes);
    struct part *p = same(old, &key) ? hold(old)
                                     : part_new(new_spool(c, part_thing(log), errors), free_spool, &key, log);
    strbuf_clear(&key);
    return p;
}
