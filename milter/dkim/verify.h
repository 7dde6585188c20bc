/*
 * verify.h - what DKIM-Signature, ARC-Message-Signature and ARC-Seal have in common: which header fields are covered,
 * their hash, the key and the check of the signature.  Internal to dkim/ and arc/.
 */
#ifndef VIDIMUS_DKIM_VERIFY_H
#define VIDIMUS_DKIM_VERIFY_H

#include "dkim/signature.h"

struct verifier {
    struct arena *arena;
    struct dns_session *dns;
    struct key_cache *keys;
    struct dkim_options options;
};

/* Ask for the key, do not wait. */
void verifier_ask_key(const struct verifier *v, const struct dkim_signature *sig);

/* For each name of h= the field it stands for (RFC 6376 5.4.2: from the bottom upwards), NULL where none is left.  The
 * signature's own field is not counted.  NULL: no memory. */
const struct header_field **signed_fields(struct arena *a, const struct header_list *headers,
                                          const struct dkim_signature *sig);

/* The signature's own field, canonical, with b= emptied and no CRLF at the end (RFC 6376 3.7). */
enum status signature_field_add(struct arena *a, const struct dkim_signature *sig, struct strbuf *out);

/* The hash of those fields, each with its CRLF, and of the signature's own. */
enum status signed_fields_hash(struct arena *a, const struct dkim_signature *sig,
                               const struct header_field *const *fields, size_t n,
                               unsigned char digest[HASH_SIZE_MAX]);

struct signature_outcome {
    enum dkim_result_code code; /* pass, fail, temperror, permerror */
    slice reason;
    unsigned key_bits;          /* 0: no key seen */
    bool testing;
    struct public_key *key;     /* the key that code speaks of, counted; NULL: none.  signature_outcome_clear() */
};

/* Wait for the key and check the signature of that digest. */
enum status verifier_check(const struct verifier *v, const struct dkim_signature *sig, slice digest,
                           struct signature_outcome *out);
void signature_outcome_clear(struct signature_outcome *o);

#endif
