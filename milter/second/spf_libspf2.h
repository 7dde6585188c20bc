/*
 * spf_libspf2.h - libspf2 as an SPF engine.  The one place that sees its headers is spf_libspf2.c.
 * Threads: as spf_check().
 */
#ifndef VIDIMUS_SECOND_SPF_LIBSPF2_H
#define VIDIMUS_SECOND_SPF_LIBSPF2_H

#include "spf/spf.h"

/* As spf_check(), in builds with libspf2.  Records it does not survive, or would read wrongly without saying so, are not shown to
 * it: the result is then temperror with a reason that begins with SECOND_NOT_ASKED. */
enum status spf_libspf2_check(struct arena *a, struct dns_session *dns, const struct spf_request *rq, struct trace *t,
                              struct spf_outcome *out);

#endif
