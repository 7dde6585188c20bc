/*
 * spool.h - the append-only spool of records (design 9): one JSON line a message in one O_APPEND write, segments rotated by
 * size and age and closed atomically (renamed from NAME.open to NAME.jsonl), a bounded buffer in memory while the disk is full.
 * Threads: all calls are thread-safe.  Errors: spool_append says whether the record is safe by the measure of RecordSync.
 */
#ifndef VIDIMUS_RECORD_SPOOL_H
#define VIDIMUS_RECORD_SPOOL_H

#include "base/slice.h"
#include "base/status.h"

struct config;
struct log;
struct spool;

/* Opens (and makes, mode 0750) c->record_directory.  NULL with *st set: cannot be used at all. */
struct spool *spool_open(const struct config *c, struct log *log, enum status *st);
void spool_close(struct spool *s); /* closes the open segment; NULL is fine */
/* ST_OK: written (and synced, as configured), or kept in the buffer to be drained.  ST_LIMIT: lost, the buffer is full. */
enum status spool_append(struct spool *s, slice line);

#endif
