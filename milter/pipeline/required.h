/*
 * required.h - RequiredHeaders: fields that RFC 5322 3.6 demands, and those it allows only once.
 */
#ifndef VIDIMUS_PIPELINE_REQUIRED_H
#define VIDIMUS_PIPELINE_REQUIRED_H

#include "base/arena.h"
#include "mail/headers.h"

/* What is wrong, in words, or empty.  {NULL,0}: no memory. */
slice required_problem(struct arena *a, const struct header_list *headers);

#endif
