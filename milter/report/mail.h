/*
 * mail.h - report mail as text: MIME (RFC 2045), lines end in LF, which whoever delivers turns into CRLF if need be.
 */
#ifndef VIDIMUS_REPORT_MAIL_H
#define VIDIMUS_REPORT_MAIL_H

#include "base/strbuf.h"

/* Who reports: from the configuration. */
struct reporter {
    slice org_name, email, extra_contact;
    slice domain; /* of the mail address: the Submitter */
};

struct aggregate_mail {
    slice report_id, file_name, domain;
    int day; /* YYYYMMDD */
    int64_t now;
    slice gzip_base64; /* the attachment, without line ends */
};

void mail_aggregate(const struct reporter *who, slice to, const struct aggregate_mail *m, struct strbuf *out);

struct failure_mail {
    slice id;         /* of the report: unique */
    slice author;     /* Author Domain */
    int64_t now;
    slice explanation;
    slice feedback;   /* the fields of message/feedback-report */
    slice headers;    /* redacted, lines end in LF */
    slice body;       /* empty: headers only */
};

void mail_failure(const struct reporter *who, slice to, const struct failure_mail *m, struct strbuf *out);

/* RFC 5322 3.3 date, in UTC. */
void mail_date(int64_t unix_s, struct strbuf *out);

#endif
