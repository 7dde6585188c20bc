/* key_internal.h - what a public key is inside crypto/; nobody else includes this. */
#ifndef VIDIMUS_CRYPTO_KEY_INTERNAL_H
#define VIDIMUS_CRYPTO_KEY_INTERNAL_H

#include <stdatomic.h>

#include <openssl/evp.h>

#include "crypto/hash.h"
#include "crypto/keys.h"

struct public_key {
    atomic_uint count;
    enum key_type type;
    unsigned bits;
    EVP_PKEY *pkey;
    /* RSA with SHA-256, set up once; each verification works on a copy, which costs a tenth of a set-up. */
    EVP_PKEY_CTX *ready;
};

/* The algorithm fetched once per process; NULL: OpenSSL does not offer it. */
const EVP_MD *hash_md(enum hash_algorithm a);
/* A context set up to verify RSASSA-PKCS1-v1_5 with that hash; NULL: no memory or not offered. */
EVP_PKEY_CTX *rsa_verify_context(EVP_PKEY *pkey, enum hash_algorithm a);

#endif
