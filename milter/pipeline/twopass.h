/*
 * twopass.h - the verdict of arrival, carried past a content filter.
 *
 * A filter between arrival and forwarding changes the message and is itself the client of the second pass, so what can be
 * judged there is worth nothing, and what was judged at arrival must travel with the message.  It does so in one field,
 * TWO_PASS_FIELD, with an HMAC-SHA-256 under a secret of ours (TwoPassSecretFile) over
 *   - the time of arrival, the chain status, the number of sets and our results, all of which stand in the field;
 *   - every Message-ID, Date and From field, relaxed: a content filter leaves them as they are, and together they are what
 *     the results are about.  Subject and body are left out, since filters tag the one and take parts from the other;
 *   - every ARC field, relaxed, in order: the chain status is that of these very sets, which the new seal will cover.
 * It is believed for a message from InternalHosts only, exactly once, and not after TwoPassMaxAge; a field from elsewhere
 * is deleted unread.  So a stolen field serves nobody who is not already one of our hosts.
 * What is not believed is no error: the message is then judged like any other.
 */
#ifndef VIDIMUS_PIPELINE_TWOPASS_H
#define VIDIMUS_PIPELINE_TWOPASS_H

#include "arc/arc.h"
#include "base/arena.h"
#include "base/strbuf.h"
#include "mail/headers.h"

#define TWO_PASS_FIELD "X-Vidimus-Arrival"

struct two_pass;

/* A secret a line, at least 32 octets each: the first one makes, all are believed (rotation).  The file is closed to
 * others.  NULL: why not stands in `errors`. */
struct two_pass *two_pass_load(const char *file, struct strbuf *errors);
void two_pass_free(struct two_pass *t); /* NULL is fine */

struct two_pass_verdict {
    int64_t arrived;        /* Unix time */
    enum arc_status arc;
    unsigned sets;
    slice authres;          /* our Authentication-Results value of arrival */
};

/* The field's value, leading space, folds as LF HTAB.  {NULL,0}: no memory. */
slice two_pass_make(struct arena *a, const struct two_pass *t, const struct header_list *headers,
                    const struct two_pass_verdict *v);
/* ST_OK: *out is what we said at arrival.  ST_SYNTAX: there is nothing to be believed, and *why says why (static text).
 * Any other: it could not be found out. */
enum status two_pass_read(struct arena *a, const struct two_pass *t, const struct header_list *headers, int64_t now,
                          unsigned max_age_s, struct two_pass_verdict *out, const char **why);

#endif
