/*
 * results.h - our Authentication-Results field (RFC 8601, RFC 9989 9.1), and the same results as an AAR's payload.
 */
#ifndef VIDIMUS_PIPELINE_RESULTS_H
#define VIDIMUS_PIPELINE_RESULTS_H

#include "base/arena.h"
#include "record/record.h"

struct config;

/* Value with leading space and folds as LF HTAB.  {NULL,0}: no memory. */
slice results_field(struct arena *a, const struct config *c, const struct record *r);

#endif
