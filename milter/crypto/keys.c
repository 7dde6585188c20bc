#include "crypto/keys.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "crypto/der.h"
#include "crypto/key_internal.h"

#define RSA_BITS_MIN 512u
#define RSA_BITS_MAX 16384u /* what OpenSSL is willing to compute with */
#define ED25519_SIZE 32

EVP_PKEY_CTX *
rsa_verify_context(EVP_PKEY *pkey, enum hash_algorithm a)
{
    const EVP_MD *md = hash_md(a);
    EVP_PKEY_CTX *ctx = md == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, md) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return NULL;
}

/* Numbers to a key by way of OSSL_PARAM: a tenth of what a decoder chain costs. */
static EVP_PKEY *
rsa_build(const struct rsa_numbers *r)
{
    unsigned char modulus[RSA_BITS_MAX / 8], exponent[4];
    BIGNUM *n = BN_bin2bn((const unsigned char *)r->modulus.p, (int)r->modulus.n, NULL);
    BIGNUM *e = BN_bin2bn((const unsigned char *)r->exponent.p, (int)r->exponent.n, NULL);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    if (n != NULL && e != NULL && ctx != NULL &&
        BN_bn2nativepad(n, modulus, (int)r->modulus.n) > 0 &&
        BN_bn2nativepad(e, exponent, sizeof(exponent)) > 0 && EVP_PKEY_fromdata_init(ctx) == 1) {
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, modulus, r->modulus.n),
            OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, exponent, sizeof(exponent)),
            OSSL_PARAM_construct_end()
        };
        if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
            key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    BN_free(e);
    return key;
}

static unsigned
bit_length(slice number)
{
    unsigned bits = (unsigned)number.n * 8;
    for (unsigned top = (unsigned char)number.p[0]; top < 0x80; top <<= 1)
        bits--;
    return bits;
}

static bool
is_odd(slice number)
{
    return (number.p[number.n - 1] & 1) != 0;
}

static enum status
rsa_new(slice data, struct public_key *k, const char **why)
{
    struct rsa_numbers r;
    *why = NULL;
    if (!der_rsa_public_key(data, &r))
        *why = "not the DER encoding of an RSA public key";
    else if (r.modulus.n > RSA_BITS_MAX / 8)
        *why = "RSA modulus over 16384 bits";
    else if (bit_length(r.modulus) < RSA_BITS_MIN)
        *why = "RSA modulus below 512 bits";
    else if (!is_odd(r.modulus))
        *why = "even RSA modulus";
    else if (r.exponent.n > 4)
        *why = "RSA exponent over 32 bits";
    else if (!is_odd(r.exponent))
        *why = "even RSA exponent";
    else if (r.exponent.n == 1 && r.exponent.p[0] == 1)
        *why = "RSA exponent 1";
    if (*why != NULL)
        return ST_SYNTAX;
    k->bits = bit_length(r.modulus);
    k->pkey = rsa_build(&r);
    k->ready = k->pkey == NULL ? NULL : rsa_verify_context(k->pkey, HASH_SHA256);
    return k->ready == NULL ? ST_INTERNAL : ST_OK;
}

/*
 * With a key of small order, signatures can be made up that hold for many messages.  Octets 0 to 30
 * and the low seven bits of octet 31 are y; the list holds each y of a point whose order divides 8.
 */
static bool
ed25519_small_order(const unsigned char y[ED25519_SIZE])
{
    static const unsigned char list[][ED25519_SIZE] = {
        { 0 },
        { 1 },
        { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
        { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
          0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
          0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
        { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
          0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
          0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
    };
    for (size_t i = 0; i < COUNT(list); i++)
        if (memcmp(y, list[i], ED25519_SIZE) == 0)
            return true;
    return false;
}

/* RFC 8032 5.1.3: y is below p = 2^255 - 19, or the octets are no encoding of a point. */
static bool
ed25519_canonical(const unsigned char y[ED25519_SIZE])
{
    for (size_t i = 1; i < ED25519_SIZE - 1; i++)
        if (y[i] != 0xff)
            return true;
    return y[ED25519_SIZE - 1] != 0x7f || y[0] < 0xed;
}

static enum status
ed25519_new(slice data, struct public_key *k, const char **why)
{
    unsigned char y[ED25519_SIZE];
    *why = NULL;
    if (data.n != ED25519_SIZE) {
        *why = "an Ed25519 key has 32 octets";
        return ST_SYNTAX;
    }
    memcpy(y, data.p, ED25519_SIZE);
    y[ED25519_SIZE - 1] &= 0x7f;
    if (!ed25519_canonical(y))
        *why = "Ed25519 key is not a canonical encoding";
    else if (ed25519_small_order(y))
        *why = "Ed25519 key of small order";
    if (*why != NULL)
        return ST_SYNTAX;
    k->bits = 256;
    k->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, (const unsigned char *)data.p,
                                             data.n);
    return k->pkey == NULL ? ST_INTERNAL : ST_OK;
}

enum status
public_key_new(enum key_type type, slice data, struct public_key **out, const char **why)
{
    struct public_key *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ST_NOMEM;
    atomic_init(&k->count, 1);
    k->type = type;
    enum status st = type == KEY_RSA ? rsa_new(data, k, why) : ed25519_new(data, k, why);
    if (st != ST_OK) {
        public_key_release(k);
        ERR_clear_error();
        return st;
    }
    *out = k;
    return ST_OK;
}

struct public_key *
public_key_hold(struct public_key *k)
{
    atomic_fetch_add_explicit(&k->count, 1, memory_order_relaxed);
    return k;
}

void
public_key_release(struct public_key *k)
{
    if (k == NULL || atomic_fetch_sub_explicit(&k->count, 1, memory_order_acq_rel) != 1)
        return;
    EVP_PKEY_CTX_free(k->ready);
    EVP_PKEY_free(k->pkey);
    free(k);
}

enum key_type
public_key_type(const struct public_key *k)
{
    return k->type;
}

unsigned
public_key_bits(const struct public_key *k)
{
    return k->bits;
}
