/*
 * metrics.h - the counters for Prometheus over HTTP (MetricsListen).
 * Threads: libmicrohttpd's own; it reads counters and holds the current generation while it does.
 */
#ifndef VIDIMUS_GLUE_METRICS_H
#define VIDIMUS_GLUE_METRICS_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "config/config.h"

struct metrics;
struct service;

/* MetricsListen of `c`: "ADDRESS:PORT", "[IPV6]:PORT" or "PORT" on 127.0.0.1.  NULL: `errors` says why. */
struct metrics *metrics_start(struct service *s, const struct config *c, struct strbuf *errors);
void metrics_stop(struct metrics *m); /* NULL is fine */
/* Whether metrics_start() would understand it (-n). */
bool metrics_check(const struct config *c, struct strbuf *errors);

/* The text exposition format 0.0.4 (metrics_text.c). */
void metrics_text(struct service *s, struct strbuf *out);

#endif
