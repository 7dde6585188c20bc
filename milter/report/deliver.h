/*
 * deliver.h - hand a finished message to the mail system: the sendmail(8) program (default) or an SMTP server.
 */
#ifndef VIDIMUS_REPORT_DELIVER_H
#define VIDIMUS_REPORT_DELIVER_H

#include "base/slice.h"
#include "base/strbuf.h"

enum delivered {
    DELIVERED,
    DELIVER_LATER,  /* a temporary failure: try again */
    DELIVER_REFUSED, /* for good, for this message */
    DELIVER_NOBODY  /* for good: there is no such recipient */
};

/* sender and recipient: addresses without <>.  message: lines end in LF.  note: why, one line of printable ASCII. */
enum delivered deliver_sendmail(const char *program, slice sender, slice recipient, slice message, struct strbuf *note);
/* url: smtp://HOST[:PORT] (TLS by STARTTLS demanded unless the host is this one) or smtps://HOST[:PORT]. */
enum delivered deliver_smtp(const char *url, slice sender, slice recipient, slice message, struct strbuf *note);

#endif
