/*
 * stats.h - what the operator wants to know before and after enforcement: volume, alignment, what was refused, what would
 * be at full enforcement, and what a sealer, an exemption or a rule alone let through.  Bounded: the busiest, then the rest.
 * Ownership: all in the arena.
 */
#ifndef VIDIMUS_REPORT_STATS_H
#define VIDIMUS_REPORT_STATS_H

#include "base/arena.h"
#include "report/store.h"

struct stats_counts {
    uint64_t messages, spf, dkim, passed, quarantined, rejected, deferred, would_quarantine, would_reject;
};

struct stats_row {
    slice name;   /* day as text, author domain, source, ... */
    slice second; /* of let-through: the name of the sealer, exemption or rule; of pairs: the source */
    struct stats_counts n;
};

struct stats_list {
    struct stats_row *rows;
    size_t n;
};

struct stats {
    int since, until;          /* YYYYMMDD, both inside */
    slice author;              /* only this one; empty: all */
    struct stats_counts total;
    uint64_t authors, sources; /* how many different ones */
    struct stats_list days, by_author, by_source, refused; /* refused: author and source pairs, most refusals first */
    struct stats_list let_through; /* name: sealer, exemption, rule, enforcement; second: which; n.messages */
};

/* limit: rows of each list but the days.  ST_INTERNAL: store_error(). */
enum status stats_read(struct store *s, struct arena *a, int since, int until, slice author, unsigned limit, struct stats *out);

#endif
