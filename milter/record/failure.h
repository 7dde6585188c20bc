/*
 * failure.h - what the daemon does for failure reports (RFC 9991): decide whether one is asked for, take out what is
 * personal, and leave an entry in RecordDirectory/failure, one file each, complete or not there.  `vidimus report` sends.
 * Off unless FailureReports yes.  Threads: all calls are thread-safe.
 */
#ifndef VIDIMUS_RECORD_FAILURE_H
#define VIDIMUS_RECORD_FAILURE_H

#include "base/arena.h"
#include "mail/headers.h"
#include "record/record.h"

#define FAILURE_DIRECTORY "failure" /* inside RecordDirectory */
#define FAILURE_SUFFIX ".json"
#define FAILURE_WAITING_MAX 1000    /* entries nobody has sent: more are dropped, so that an attack fills no disk */

#define FAILURE_BODY_MAX 65536      /* octets of a body, where it is asked for at all */

struct config;

enum failure_kind { FAILURE_NONE, FAILURE_DMARC, FAILURE_SIGNATURE, FAILURE_SPF };

/* Does the domain ask for a report about this message (ruf, fo), and may there be one?  Never about mail that is itself a
 * report or an automatic answer, has no sender, comes from a list or from our own users, nor for a public suffix. */
enum failure_kind failure_wanted(const struct record *r, const struct header_list *headers);

/* Can the key file be used?  False: *why says why not. */
bool failure_key_usable(const char *path, const char **why);
/* Leave an entry.  body: empty unless FailureReportBody asks for it.  ST_LIMIT: too many wait already.  ST_INTERNAL: errno. */
enum status failure_enqueue(const struct config *c, struct arena *a, enum failure_kind kind, const struct record *r,
                            const struct header_list *headers, slice body);

/* Every local part of a mail address replaced by a keyed hash (RFC 6590): the same for the same one, and nothing to anybody
 * without the key.  {NULL,0}: no memory. */
slice failure_redact(struct arena *a, slice text, slice key);

#endif
