/*
 * tally.h - counting by key within one batch of the import, so that the store sees each key once.
 * Ownership: keys and texts are copied into the tally's arena; all of it goes with tally_free().
 */
#ifndef VIDIMUS_REPORT_TALLY_H
#define VIDIMUS_REPORT_TALLY_H

#include "base/slice.h"
#include "base/status.h"

#define TALLY_COUNTERS 9

struct tally;

struct tally_cell {
    slice key;
    slice text;   /* what the first caller put there, or {NULL,0} */
    int64_t time; /* for whoever keeps the newest */
    uint64_t n[TALLY_COUNTERS];
};

struct tally *tally_new(void); /* NULL: no memory */
void tally_free(struct tally *t);
/* The cell of that key, new ones with everything 0.  NULL: no memory.  It stays where it is until tally_free(). */
struct tally_cell *tally_cell(struct tally *t, slice key);
slice tally_keep(struct tally *t, slice text); /* a copy; {NULL,0}: no memory */
/* All cells sorted by key: importers that meet in one store take its rows in the same order, and never wait in a ring. */
struct tally_cell **tally_sorted(struct tally *t, size_t *n); /* NULL: no memory; belongs to the tally */

#endif
