/*
 * packets.h - what libmilter reads from an MTA is looked at for the malformations that it does not survive, and the connections
 * that it has open are counted.
 */
#ifndef VIDIMUS_GLUE_PACKETS_H
#define VIDIMUS_GLUE_PACKETS_H

#include <stdbool.h>
#include <stddef.h>

bool packets_watch_up_to(size_t descriptors); /* before the first connection; false: no memory */
void packets_begin(int fd);                   /* a connection was accepted */
/* Ends the connections on which nothing was read for longer than that; called every few seconds.  Returns how many. */
unsigned packets_reap(unsigned idle_s);
/* Until a worker has turned to the connection accepted last, 20 ms at most.
 * libmilter starts a worker for a new connection only where it counts none idle, and one that it has woken for the
 * connection before counts until it runs: of a burst, most would wait for those few workers, for ever if their MTAs are
 * silent in the middle of a packet. */
void packets_wait_taken(void);
/* The command whose packet has led to the callback that asks, SMFIC_...; 0: none did, or it is not known (thread sanitizer). */
char packets_command(void);
unsigned packets_open(void);                  /* connections that were, and are not closed yet */

#endif
