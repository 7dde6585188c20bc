/* spoolgen.h - made-up records for the tests of spool, import and reports: the same seed gives the same mail. */
#ifndef VIDIMUS_TEST_SPOOLGEN_H
#define VIDIMUS_TEST_SPOOLGEN_H

#include "base/arena.h"
#include "record/record.h"

struct spoolgen {
    uint64_t state;   /* of the random numbers */
    uint64_t number;  /* of records so far */
    const char *host; /* in the ids */
    int64_t first_ms; /* time of the first record */
    unsigned domains; /* different author domains */
    unsigned sources; /* different addresses */
    unsigned step_ms; /* between records */
    bool hostile;     /* text that mail chooses holds whatever it may */
};

/* The next record; everything lives in the arena.  Never fails but by memory, which ends the program. */
const struct record *spoolgen_next(struct spoolgen *g, struct arena *a);
uint64_t spoolgen_random(struct spoolgen *g, uint64_t below);

#endif
