/*
 * deferrals.h - how often a message was deferred already, so that trouble that lasts does not hold mail up for ever:
 * after POLICY_MAX_DEFERRALS the message is let through as OnTempError accept would.
 * A table of fixed size in memory, the oldest entry of a bucket going first; what is forgotten is only deferred again.
 * Threads: all calls are thread-safe.
 */
#ifndef VIDIMUS_PIPELINE_DEFERRALS_H
#define VIDIMUS_PIPELINE_DEFERRALS_H

#include "base/slice.h"
#include "record/record.h"

#define DEFERRALS_KEPT_S (5 * 86400) /* what an MTA retries for (RFC 5321 4.5.4.1) */
#define DEFERRALS_APART_S 1800       /* attempts closer to the last one counted are the same one: trouble may last a while */

struct deferrals;

struct deferrals *deferrals_new(void); /* NULL: no memory */
void deferrals_free(struct deferrals *d); /* NULL is fine */
/* The same for every attempt to deliver one message: reverse-path, recipients' domains, author and Message-ID. */
uint64_t deferrals_key(const struct record *r, slice message_id);
/* How often it was deferred before this attempt in the last DEFERRALS_KEPT_S; a NULL table knows nothing. */
unsigned deferrals_count(struct deferrals *d, uint64_t key, int64_t now);
/* It is deferred now. */
void deferrals_note(struct deferrals *d, uint64_t key, int64_t now);

#endif
