#include "crypto/verify.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto/key_internal.h"

/*
 * Only for the words of a refusal: did this key make the signature, whatever it signed?  What is recovered here decides
 * nothing, since a parser of the padding is what forgers play with.
 */
static bool
rsa_made_with(const struct public_key *k, enum hash_algorithm h, slice signature)
{
    unsigned char digest[HASH_SIZE_MAX];
    size_t n = sizeof(digest);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    bool made = ctx != NULL && EVP_PKEY_verify_recover_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, hash_md(h)) == 1 &&
                EVP_PKEY_verify_recover(ctx, digest, &n, (const unsigned char *)signature.p,
                                        signature.n) == 1;
    EVP_PKEY_CTX_free(ctx);
    return made;
}

static enum status
rsa_verify(const struct public_key *k, enum hash_algorithm h, slice digest, slice signature,
           bool *good, const char **why)
{
    if (signature.n != (k->bits + 7) / 8) {
        *why = "the signature is not as long as the key's modulus";
        return ST_OK;
    }
    EVP_PKEY_CTX *ctx =
        h == HASH_SHA256 ? EVP_PKEY_CTX_dup(k->ready) : rsa_verify_context(k->pkey, h);
    if (ctx == NULL)
        return ST_INTERNAL;
    /* OpenSSL builds the padded digest it expects and compares all of it: no parser for a forger to
     * play with. */
    *good = EVP_PKEY_verify(ctx, (const unsigned char *)signature.p, signature.n,
                            (const unsigned char *)digest.p, digest.n) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!*good)
        *why = rsa_made_with(k, h, signature) ? "the signed text was changed"
                                              : "the signature was not made with this key";
    return ST_OK;
}

static enum status
ed25519_verify(const struct public_key *k, slice digest, slice signature, bool *good,
               const char **why)
{
    if (signature.n != 64) {
        *why = "an Ed25519 signature has 64 octets";
        return ST_OK;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return ST_NOMEM;
    bool begun = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1;
    *good = begun && EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                                      (const unsigned char *)digest.p, digest.n) == 1;
    EVP_MD_CTX_free(ctx);
    return begun ? ST_OK : ST_INTERNAL;
}

enum status
signature_verify(const struct public_key *k, enum hash_algorithm h, slice digest, slice signature,
                 bool *good, const char **why)
{
    *good = false;
    *why = "the signature does not verify: the text was changed, or the key is another";
    if (digest.n != hash_size(h))
        return ST_INTERNAL;
    enum status st = k->type == KEY_RSA ? rsa_verify(k, h, digest, signature, good, why)
                                        : ed25519_verify(k, digest, signature, good, why);
    if (st != ST_OK || !*good)
        ERR_clear_error();
    return st;
}
