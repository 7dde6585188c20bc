/*
 * received.h - the Received-SPF field (RFC 7208 9.1).
 * Threads: no shared state.
 */
#ifndef VIDIMUS_SPF_RECEIVED_H
#define VIDIMUS_SPF_RECEIVED_H

#include "spf/spf.h"

/* The field's value with its leading space, folds as LF HTAB.  A value that is no printable ASCII or longer than a
 * mailbox can be is left out, never cut.  {NULL,0}: no memory. */
slice spf_received_field(struct arena *a, const struct spf_request *rq, const struct spf_outcome *o);

#endif
