/*
 * second.h - the other engines: what operators' stacks run today, behind the interfaces of our own (design 6a).
 * Each asks our resolver, never DNS itself, and is guarded where it is known to be wrong or to break.
 */
#ifndef VIDIMUS_SECOND_SECOND_H
#define VIDIMUS_SECOND_SECOND_H

#include "spf/spf.h"

/* The signature of spf_check(). */
typedef enum status spf_engine(struct arena *a, struct dns_session *dns, const struct spf_request *rq, struct trace *t,
                               struct spf_outcome *out);

/* libspf2, or NULL in a build without it. */
spf_engine *second_spf(void);

/* What an engine refuses to judge is no opinion: its outcome has a reason that begins with these words. */
#define SECOND_NOT_ASKED "not asked: "
bool second_spf_has_opinion(const struct spf_outcome *o);
/* Two outcomes of one request, in words: "native pass (ip4:192.0.2.1), libspf2 fail (-all)"; empty if they agree, or if the
 * other one has no opinion.  {NULL,0}: no memory. */
slice second_spf_difference(struct arena *a, const struct spf_outcome *native, const struct spf_outcome *other);

#endif
