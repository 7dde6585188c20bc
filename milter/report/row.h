/*
 * row.h - what RFC 9990 groups on: one line of the spool as the row of a report, in one canonical text.
 * Two messages belong to the same <record> exactly if their keys are equal octet by octet: "one record per (IP, result,
 * authentication identifiers)" (3.1.1.7).  A human_result is none of these.  It may be about the one message, a signature
 * that expired so many seconds ago; that of the first message stands for all of the row.
 */
#ifndef VIDIMUS_REPORT_ROW_H
#define VIDIMUS_REPORT_ROW_H

#include "base/strbuf.h"
#include "report/line.h"

/* Does the message belong into a report at all? */
bool row_reportable(const struct line *l);
/* row_text() without the human_results. */
void row_key(const struct line *l, struct strbuf *out);
/* JSON: ip, from, env (absent: unknown), disp, dkim, spf, why [{type, comment}], sig [{d, s, r, h}], mfrom {d, r, h}. */
void row_text(const struct line *l, struct strbuf *out);
/* policy_published as JSON, tags absent from the record filled with their defaults (RFC 9990 3.1.1.5), and rua. */
void row_policy_text(const struct line *l, struct strbuf *out);

#endif
