/*
 * spf_bounds.h - which records libspf2 1.2.10 reads whole and survives: a bound on their compiled form.
 * Threads: no shared state.
 */
#ifndef VIDIMUS_SECOND_SPF_BOUNDS_H
#define VIDIMUS_SECOND_SPF_BOUNDS_H

#include "base/slice.h"

/* A record that passed spf_record_parse() and may be shown to libspf2. */
bool spf_libspf2_survives(slice record);

#endif
