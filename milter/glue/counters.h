/*
 * counters.h - what the daemon counts for its metrics, its shutdown line and its limits.  Relaxed atomics: each number is
 * right, no two of them are of one instant.
 */
#ifndef VIDIMUS_GLUE_COUNTERS_H
#define VIDIMUS_GLUE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTER_RESULTS 8 /* at least the values of every result enum */
#define COUNTER_BUCKETS 9

struct counters {
    atomic_uint connections;   /* open now */
    atomic_uint finishing;     /* messages whose verdict is being made or sent now */
    _Atomic uint64_t connections_total, connections_waited; /* ... accept was put off at MaximumConnections */
    _Atomic uint64_t messages, aborted, failed /* by trouble of our own */;
    _Atomic uint64_t actions[COUNTER_RESULTS], spf[COUNTER_RESULTS], dkim[COUNTER_RESULTS], arc[COUNTER_RESULTS],
        dmarc[COUNTER_RESULTS];
    _Atomic uint64_t bytes;
    _Atomic uint64_t eom_ms_total, eom_bucket[COUNTER_BUCKETS + 1]; /* end of message to verdict; counters_eom_bound() */
    _Atomic uint64_t reloads, reloads_failed;
};

static inline void
count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Upper bounds of the buckets in ms; the one after the last is without bound. */
static inline unsigned
counters_eom_bound(unsigned i)
{
    static const unsigned bounds[COUNTER_BUCKETS] = { 1, 5, 10, 25, 50, 100, 500, 2500, 20000 };
    return bounds[i];
}

#endif
