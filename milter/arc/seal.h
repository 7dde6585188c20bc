/*
 * seal.h - makes one ARC set (RFC 8617 5.1) on the canonicaliser that DKIM verification feeds anyway.
 * Order of calls: arc_seal_new() before the body, arc_seal_finish() when the results stand and all other edits are
 * decided (RFC 8617 5.1 step 1).  Deterministic: the same message, results, key and time give the same octets.
 * Ownership: everything lives in the arena given.  Threads: one message, one thread at a time.
 */
#ifndef VIDIMUS_ARC_SEAL_H
#define VIDIMUS_ARC_SEAL_H

#include "arc/arc.h"
#include "crypto/signer.h"

struct arc_seal_options {
    slice domain, selector; /* d= and s=, names */
    slice key;              /* what the signer knows the key by */
    struct signer *signer;
    int64_t now;            /* t=, Unix time */
    char *const *headers;   /* names that the AMS covers where they occur, all their instances; From always */
    size_t n_headers;
    char *const *oversign;  /* names covered once more than they occur, so that none can be added */
    size_t n_oversign;
};

/* Header values as smfi_insheader() wants them: leading space, folds as LF HTAB. */
struct arc_seal_set {
    slice aar, ams, as;
    unsigned instance;  /* 0: no set was made */
    enum arc_status cv;
    slice domain, selector;
    const char *why_not; /* static text where no set was made; NULL otherwise */
};

struct arc_seal;

/* NULL: no memory. */
struct arc_seal *arc_seal_new(struct arena *a, struct body_canon *body);
/* After body_canon_finish().  `authres` is our own Authentication-Results value of this message: "id; results...".
 * cv= is chain->status and comes from nowhere else.  ST_OK: out->instance says whether there is a set; without one
 * out->why_not says why the protocol wants none.  Any other status: the signer's or memory's, and *out holds no set. */
enum status arc_seal_finish(struct arc_seal *s, const struct arc_seal_options *o, const struct header_list *headers,
                            slice authres, const struct arc_result *chain, struct arc_seal_set *out);

#endif
