/*
 * suppress.h - addresses and domains that get no reports: the operator's file, and what bounces have taught.
 */
#ifndef VIDIMUS_REPORT_SUPPRESS_H
#define VIDIMUS_REPORT_SUPPRESS_H

#include "report/reporter.h"

#define SUPPRESS_DAYS 180 /* what a bounce taught is forgotten after that, by `report expire` */

struct suppressions; /* the operator's file, read once */

/* path may be NULL.  A file that is named and cannot be read is an error: better no reports than unwanted ones. */
enum status suppressions_load(const char *path, struct strbuf *error, struct suppressions **out);
void suppressions_free(struct suppressions *s);
/* *why: in words. */
enum status suppressed(struct reporter_job *j, const struct suppressions *file, slice address, bool *is, const char **why);
enum status suppress(struct reporter_job *j, slice target, slice reason);

/* Read a bounce (RFC 3464) of a report of ours and learn from it.  *targets: how many addresses or domains are new on the
 * list.  A message that does not prove to know the Report-ID of a report sent to that very address teaches nothing. */
enum status suppress_from_bounce(struct reporter_job *j, slice message, unsigned *targets);

#endif
