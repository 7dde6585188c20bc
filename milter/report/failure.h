/*
 * failure.h - failure reports (RFC 9991): from the daemon's entries to the mail.
 */
#ifndef VIDIMUS_REPORT_FAILURE_H
#define VIDIMUS_REPORT_FAILURE_H

#include "report/reporter.h"

/* The entries in RecordDirectory/failure into the store, each exactly once; like ones become one with a count (Incidents).
 * An entry that cannot be read is set aside.  No such directory: nothing to do. */
enum status failure_collect(struct store *s, const char *record_directory, slice submitter, int64_t now, uint64_t *taken,
                            struct strbuf *error);
/* The mail for one of them.  entry: the JSON of record/failure.c.  spf_record: what is published, or empty.
 * ST_SYNTAX: the entry is not what the daemon writes. */
enum status failure_message(const struct reporter *who, slice id, slice to, slice entry, int64_t incidents, int64_t now,
                            slice spf_record, struct strbuf *out);
/* The domain whose SPF record belongs into the report, or empty. */
slice failure_spf_domain(struct arena *a, slice entry);

#endif
