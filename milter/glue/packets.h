/*
 * packets.h - what libmilter reads from an MTA is looked at for the one malformation that it does not survive, and the
 * connections that it has open are counted.
 */
#ifndef VIDIMUS_GLUE_PACKETS_H
#define VIDIMUS_GLUE_PACKETS_H

#include <stdbool.h>
#include <stddef.h>

bool packets_watch_up_to(size_t descriptors); /* before the first connection; false: no memory */
void packets_begin(int fd);                   /* a connection was accepted */
/* Ends the connections on which nothing was read for longer than that; called every few seconds.  Returns how many. */
unsigned packets_reap(unsigned idle_s);
unsigned packets_open(void);                  /* connections that were, and are not closed yet */

#endif
