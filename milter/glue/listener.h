/*
 * listener.h - the daemon's side of the milter socket: opening it, and accepting from it within limits.
 *
 * Calls of the C library that libmilter makes are answered here instead (listener.c says why): accept(), syslog(), sigwait().
 */
#ifndef VIDIMUS_GLUE_LISTENER_H
#define VIDIMUS_GLUE_LISTENER_H

#include <sys/types.h>

#include "base/strbuf.h"
#include "config/config.h"

struct counters;
struct service;

/* Opens c->socket, after callbacks_register().  A unix socket left behind by a dead daemon is replaced, a live one is not;
 * it is given to uid and gid where these are not (uid_t)-1.  False: `errors` says why. */
bool listener_open(const struct config *c, uid_t uid, gid_t gid, struct strbuf *errors);
const char *listener_path(const struct config *c); /* of a unix socket; NULL: it is no such socket */
/* From now on: at most that many connections at once, further ones wait in the backlog of the socket. */
void listener_limit(unsigned maximum, struct counters *n);
/* Whose log takes libmilter's own messages; before, and with NULL, standard error does. */
void listener_log_to(struct service *s);
uint64_t listener_stopped_at_ms(void); /* when the signal to stop came (clock_mono_ms); 0: not yet */
void listener_close(const struct config *c); /* removes a unix socket */

#endif
