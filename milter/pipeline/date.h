/*
 * date.h - a day, or a minute of it, as operators write it in tables and lists: 2026-12-01 or 2026-12-01T18:00, in UTC.
 */
#ifndef VIDIMUS_PIPELINE_DATE_H
#define VIDIMUS_PIPELINE_DATE_H

#include "base/slice.h"

/* Unix time at which it begins.  False: no such date, or before 1970. */
bool date_parse(slice text, int64_t *out);

#endif
