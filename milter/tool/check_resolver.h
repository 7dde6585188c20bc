/*
 * check_resolver.h - where `vidimus check` has its answers from: the network, a zone file, or what was kept before.
 */
#ifndef VIDIMUS_TOOL_CHECK_RESOLVER_H
#define VIDIMUS_TOOL_CHECK_RESOLVER_H

#include "config/config.h"
#include "dns/resolver.h"
#include "tool/check_options.h"

/* EX_OK, or a status to end with after a message on standard error. */
int check_resolver_open(const struct check_options *o, const struct config *c, struct resolver **out);

#endif
