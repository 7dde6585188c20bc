/*
 * spool.h - the append-only spool of records: one JSON line a message in one O_APPEND write, segments rotated by
 * size and age and closed atomically (renamed from NAME.open to NAME.jsonl), a bounded buffer in memory while the disk is full.
 *
 * Several processes may share the directory: each has a segment of its own, and holds a lock (flock) on it for as long as it
 * writes.  An open segment that nobody has locked was left by a process that died; spool_adopt() closes it.
 * Open it after the last fork: it starts a thread (age of segments, draining, RecordSync batch, the alarm).
 * Threads: all calls are thread-safe.  Errors: spool_append says whether the record is safe by the measure of RecordSync.
 */
#ifndef VIDIMUS_RECORD_SPOOL_H
#define VIDIMUS_RECORD_SPOOL_H

#include "base/slice.h"
#include "base/status.h"

struct config;
struct log;
struct spool;

#define SPOOL_OPEN_SUFFIX ".open"
#define SPOOL_CLOSED_SUFFIX ".jsonl"

/* Opens (and makes, mode 0750) c->record_directory.  NULL with *st set: cannot be used at all.  A disk that is full just
 * now is no such reason: the records go to the buffer. */
struct spool *spool_open(const struct config *c, struct log *log, enum status *st);
void spool_close(struct spool *s); /* drains if it can, closes the open segment; NULL is fine */
/* ST_OK: written (and synced, as configured), or kept in the buffer to be drained.  ST_LIMIT: lost, the buffer is full.
 * ST_INTERNAL: written, but the disk did not confirm it (RecordSync message only). */
enum status spool_append(struct spool *s, slice line);

struct spool_counters {
    uint64_t written, written_bytes; /* records, octets with line ends */
    uint64_t lost;                   /* records that found the buffer full */
    uint64_t errors;                 /* system calls that failed */
    uint64_t segments;               /* closed and handed over */
    uint64_t buffered, buffered_bytes; /* now */
};
struct spool_counters spool_counters(struct spool *s);

/* Close the segments in `directory` whose writer is gone: unlocked NAME.open becomes NAME.jsonl, an empty one is removed.
 * Returns how many, -1 if the directory cannot be read. */
int spool_adopt(const char *directory);

#endif
