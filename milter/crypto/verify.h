/*
 * verify.h - does this signature over this digest verify with this key?
 */
#ifndef VIDIMUS_CRYPTO_VERIFY_H
#define VIDIMUS_CRYPTO_VERIFY_H

#include "crypto/hash.h"
#include "crypto/keys.h"

/*
 * RSA: RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2), the padding compared as a whole and never parsed; the signature as long as
 * the modulus and below it.  Ed25519: PureEdDSA over the digest's octets (RFC 8463 3), S below the group order.
 * ST_OK with *good; where it is false, *why says in words what is wrong.  ST_NOMEM, ST_INTERNAL: could not be checked.
 */
enum status signature_verify(const struct public_key *k, enum hash_algorithm h, slice digest, slice signature,
                             bool *good, const char **why);

#endif
