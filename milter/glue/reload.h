/*
 * reload.h - the thread that waits for SIGUSR1.  libmilter's own signal thread waits for the others (listener.c).
 */
#ifndef VIDIMUS_GLUE_RELOAD_H
#define VIDIMUS_GLUE_RELOAD_H

#include <stdbool.h>

struct service;

/* Before any thread is started: the signals of the daemon are delivered to those that wait for them, to no other. */
void reload_block_signals(void);
/* The thread also ends connections on which the MTA has been silent for longer than idle_s. */
bool reload_start(struct service *s, unsigned idle_s);
void reload_request(void); /* what SIGUSR1 does */
void reload_stop(void); /* the thread is gone when it returns */

#endif
