/* batch_internal.h - a batch between its reader (batch.c) and its writer (batch_write.c). */
#ifndef VIDIMUS_REPORT_BATCH_INTERNAL_H
#define VIDIMUS_REPORT_BATCH_INTERNAL_H

#include "report/batch.h"
#include "report/tally.h"

struct arena;

/* Counters of `traffic`, in the order of its columns; tallies of one counter use the first. */
enum { T_MESSAGES, T_SPF, T_DKIM, T_PASSED, T_QUARANTINED, T_REJECTED, T_DEFERRED, T_WOULD_QUARANTINE, T_WOULD_REJECT };

struct entry { /* one record */
    slice id, author, source, text;
    int64_t time_ms;
    int day;
    bool duplicate;
    unsigned char traffic_add[TALLY_COUNTERS];
    struct tally_cell *row, *traffic, *let;
};

struct aside {
    uint64_t at;
    slice reason, text;
};

struct batch {
    struct batch_place place;
    struct arena *arena;
    struct entry *entries;
    struct aside *aside;
    size_t n, cap, n_aside, cap_aside;
    uint64_t lines, duplicates;
    struct tally *ids, *rows, *policies, *traffic, *let;
    struct strbuf key, text; /* scratch */
};

#endif
