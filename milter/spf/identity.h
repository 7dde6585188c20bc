/*
 * identity.h - whom a check is about: the domain, and the facts that macros may quote (RFC 7208 2.3, 2.4, 4.3; RFC 8616 4).
 * Ownership: text lives in the arena or is borrowed from the request.  Threads: no shared state.
 */
#ifndef VIDIMUS_SPF_IDENTITY_H
#define VIDIMUS_SPF_IDENTITY_H

#include "base/arena.h"
#include "spf/macro.h"
#include "spf/spf.h"

struct spf_identity {
    struct spf_macro_facts facts; /* facts.domain: the domain judged, as a name; empty: there is none */
    const char *why_none;         /* why there is none; NULL if there is one */
    bool local_usable, helo_usable; /* printable ASCII: only such text is ever put into a question */
};

/* ST_NOMEM, else ST_OK and *out complete. */
enum status spf_identity_of(struct arena *a, const struct spf_request *rq, struct spf_identity *out);
/* Can this text be expanded?  RFC 8616 4: a term whose macros would quote a non-ASCII local part matches nothing. */
bool spf_identity_expands(const struct spf_identity *id, slice text);

#endif
