/*
 * callbacks.h - libmilter's callbacks: they translate and nothing else.
 * libmilter gives its callbacks no pointer of ours before the first of them has set one, so the service stands in one
 * static variable, set once before smfi_main().
 * Threads: the callbacks of one connection may come on different threads, one at a time; nothing here is thread-local.
 */
#ifndef VIDIMUS_GLUE_CALLBACKS_H
#define VIDIMUS_GLUE_CALLBACKS_H

#include <stdbool.h>

struct service;

/* Hands the callbacks and the limits to libmilter, before the socket is opened.  False: libmilter refused them. */
bool callbacks_register(void);
/* Accepts connections until SIGTERM, SIGINT or SIGHUP.  False: libmilter gave up. */
bool callbacks_serve(struct service *s);

#endif
