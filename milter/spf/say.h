/*
 * say.h - SPF's facts in words for people: reasons and traces.
 */
#ifndef VIDIMUS_SPF_SAY_H
#define VIDIMUS_SPF_SAY_H

#include "base/arena.h"
#include "base/trace.h"
#include "dns/resolver.h"

/* Text from DNS or mail as printable ASCII of at most `max` octets.  {NULL,0}: no memory. */
slice spf_say(struct arena *a, slice text, size_t max);
/* An answer in the trace. */
void spf_trace_answer(struct trace *t, enum dns_type type, slice name, const struct dns_answer *answer);

#endif
