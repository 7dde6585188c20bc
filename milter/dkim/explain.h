/*
 * explain.h - why a signature does not verify, told for `vidimus check --explain`.  Internal to dkim/ and arc/.
 */
#ifndef VIDIMUS_DKIM_EXPLAIN_H
#define VIDIMUS_DKIM_EXPLAIN_H

#include "base/trace.h"
#include "dkim/verify.h"

/* The header fields that h= covers: which are missing, and which stand in the header more often than covered. */
void explain_coverage(struct trace *t, struct arena *a, const struct header_list *headers,
                      const struct dkim_signature *sig);

/* The signature's digest does not verify with `key`: try what usually happens on the way (a field added or taken for
 * another of its name, fields in another order, spaces changed) and say what would make it verify. */
void explain_header(struct trace *t, struct arena *a, const struct header_list *headers,
                    const struct dkim_signature *sig, const struct public_key *key);

/* The two body hashes side by side.  `other` is the hash in the other canonicalisation; empty: not known. */
void explain_body(struct trace *t, struct arena *a, const struct dkim_signature *sig, slice computed, slice other,
                  uint64_t length);

#endif
