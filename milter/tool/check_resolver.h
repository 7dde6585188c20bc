/*
 * check_resolver.h - where `vidimus check` has its answers from: the network, a zone file, or what was kept before; and
 * how they are kept (`--record`).
 */
#ifndef VIDIMUS_TOOL_CHECK_RESOLVER_H
#define VIDIMUS_TOOL_CHECK_RESOLVER_H

#include "config/config.h"
#include "pipeline/pipeline.h"
#include "tool/check_options.h"

/* Each: EX_OK, or a status to end with after a message on standard error. */

/* *now: as of when to judge, 0: the clock.  A replay knows when it was recorded. */
int check_resolver_open(const struct check_options *o, const struct config *c, struct resolver **out, int64_t *now);
/* Writes the answers of a message judged as of `now`, and the verdict, into the folder of --record, which is made. */
int check_resolver_keep(const struct check_options *o, struct message *m, const struct verdict *v, int64_t now);

#endif
