/*
 * import.h - closed segments of the spool into the store, exactly once: how far a segment is taken stands in the same
 * transaction as what was taken from it, and a segment is removed only after all of it is committed.
 * Killed anywhere, the next run goes on where the last commit was.  Several importers may run, on one spool or on many.
 */
#ifndef VIDIMUS_REPORT_IMPORT_H
#define VIDIMUS_REPORT_IMPORT_H

#include "report/store.h"

struct import_options {
    const char *directory; /* the spool */
    unsigned keep_days;    /* raw rows older than that are counted, not kept */
    int64_t now;           /* Unix seconds */
    size_t batch_bytes;    /* 0: the default.  For tests */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* octets; may be NULL */
    void *arg;
};

struct import_result {
    uint64_t segments, records, set_aside, duplicates, bytes;
    uint64_t busy; /* segments that another importer has in hand */
};

/* ST_OK: all that could be taken is.  Otherwise `error` says what stopped it; what was committed stays. */
enum status import_run(struct store *s, const struct import_options *o, struct import_result *r, struct strbuf *error);

#endif
