/*
 * arc.h - validation of an ARC chain (RFC 8617 5.2) on the canonicaliser, the verifier and the keys of DKIM.
 * Order of calls as in dkim.h.  Any junk in an ARC field makes the chain fail; nothing here depends on its being sane.
 * Chain state is computed once; sealing, trust and reports ask only struct arc_result.
 */
#ifndef VIDIMUS_ARC_ARC_H
#define VIDIMUS_ARC_ARC_H

#include "base/arena.h"
#include "base/trace.h"
#include "dkim/canon.h"
#include "dkim/dkim.h"
#include "dns/resolver.h"
#include "mail/headers.h"

#define ARC_MAX_SETS 50

enum arc_status { ARC_NONE, ARC_PASS, ARC_FAIL };

const char *arc_status_name(enum arc_status s);

struct arc_set {
    unsigned instance;
    const struct header_field *aar, *ams, *as;
    slice seal_d, seal_s; /* of the AS, names */
    slice ams_d, ams_s;
    slice aar_payload;    /* the AAR's value after "i=N;": an Authentication-Results value */
};

struct arc_result {
    enum arc_status status;
    unsigned sets;           /* highest instance of a well-formed chain; 0 otherwise */
    unsigned highest_instance; /* highest readable instance number, whatever the chain is worth; 0: none */
    bool sealed_fail;        /* the newest seal says cv=fail (RFC 8617 5.1: do not seal) */
    int oldest_pass;         /* RFC 8617 5.2 step 5: 0 all AMS verify, m > 0; -1 unknown */
    const struct arc_set *chain; /* [0] is instance 1; only for a well-formed chain, else NULL */
    slice reason;            /* why it failed, printable ASCII; empty otherwise */
};

struct arc;

struct arc *arc_new(struct arena *a, struct dns_session *dns, struct key_cache *keys, const struct dkim_options *o);
enum status arc_header(struct arc *c, const struct header_field *f); /* other fields are passed over */
enum status arc_eoh(struct arc *c, const struct header_list *headers, struct body_canon *body);
enum status arc_finish(struct arc *c, struct trace *t, struct arc_result *out);

#endif
