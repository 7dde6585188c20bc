/*
 * der.h - the RSA public key in a DKIM key record, read without leniency: what is not exact DER is not a key.
 */
#ifndef VIDIMUS_CRYPTO_DER_H
#define VIDIMUS_CRYPTO_DER_H

#include "base/slice.h"

struct rsa_numbers {
    slice modulus, exponent; /* big endian, without leading zeros, parts of the text read */
};

/* SubjectPublicKeyInfo or RSAPublicKey.  False: neither. */
bool der_rsa_public_key(slice der, struct rsa_numbers *out);

#endif
