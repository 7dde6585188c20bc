/*
 * parts.h - what outlives one configuration: log, resolver with its cache, public keys, spool, deferrals.  Counted; carried over to the
 * next generation where the options that made it are the same.
 * Threads: counting is atomic; the things themselves are thread-safe by their own headers.
 */
#ifndef VIDIMUS_GLUE_PARTS_H
#define VIDIMUS_GLUE_PARTS_H

#include "base/log.h"
#include "base/strbuf.h"
#include "config/config.h"

struct part;

void part_release(struct part *p);      /* NULL is fine */
void *part_thing(const struct part *p); /* the struct log, resolver, key_cache, spool or deferrals; NULL of NULL */

/* Each gives a count on a part made from `c`, or on `old` (may be NULL) if that would be the same.
 * NULL: no memory, or what stands in `errors`. */
struct part *part_log(const struct config *c, bool verbose, struct part *old);
struct part *part_resolver(const struct config *c, struct part *old, struct strbuf *errors);
struct part *part_keys(struct part *old);
struct part *part_deferrals(struct part *old);
struct part *part_spool(const struct config *c, struct part *log, struct part *old, struct strbuf *errors);

#endif
