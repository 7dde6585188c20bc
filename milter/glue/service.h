/*
 * service.h - what the daemon is between messages: the current generation (a configuration with all that was built from
 * it), swapped whole by a reload, and the counters.
 * Ownership: a message holds the generation it began with; the last one to let go of an old generation frees it.
 * Threads: everything here may be called on any thread.
 */
#ifndef VIDIMUS_GLUE_SERVICE_H
#define VIDIMUS_GLUE_SERVICE_H

#include "base/log.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "glue/counters.h"
#include "pipeline/pipeline.h"

struct identity;
struct keyholder_launcher;
struct part;

struct generation {
    atomic_uint references;
    struct config *config;
    struct log *log;           /* of log_part */
    struct pipeline *pipeline; /* NULL only while it is being built */
    struct signer *signer;     /* the pipeline's; NULL: nothing is sealed */
    struct part *log_part, *resolver_part, *keys_part, *spool_part, *deferrals_part;
};

struct service_setup {
    const char *config_file;              /* NULL: defaults only */
    const char *const *overrides;
    size_t n_overrides;
    struct keyholder_launcher *launcher;  /* NULL: no sealing */
    bool verbose;                         /* LogLevel debug, whatever it says */
};

struct service;

/* Builds the first generation of `first` (whose count is taken over, also on failure).  NULL: `errors` says why. */
struct service *service_new(const struct service_setup *setup, struct config *first, struct strbuf *errors);
/* Lets go of the generation: service_acquire() has none to give any more. */
void service_stop(struct service *s);
void service_free(struct service *s); /* when no connection is left; NULL is fine */
/* Reads the file again and swaps, or leaves everything as it is; either way the log says so.  False: the old one stays. */
bool service_reload(struct service *s);

struct generation *service_acquire(struct service *s); /* NULL after service_stop() */
void generation_release(struct generation *g); /* NULL is fine */
struct counters *service_counters(struct service *s);

/* For -n: everything the configuration names is opened as the daemon would, keys before and the rest after becoming `who` (NULL:
 * unknown), and nothing is kept.  Adds to `errors`. */
bool service_check(struct config *c, const struct identity *who, struct strbuf *errors);

#endif
