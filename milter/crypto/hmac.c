#include "crypto/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

enum status
hmac_sha256(slice key, const slice *parts, size_t n_parts, unsigned char out[HMAC_SIZE])
{
    static const unsigned char none[1] = { 0 };
    char digest[] = "SHA256";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                            OSSL_PARAM_construct_end() };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *c = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    size_t n = 0;
    const unsigned char *k = key.n == 0 ? none : (const unsigned char *)key.p; /* NULL would mean: the key set before */
    bool ok = c != NULL && EVP_MAC_init(c, k, key.n, params) > 0;
    for (size_t i = 0; ok && i < n_parts; i++)
        ok = parts[i].n == 0 || EVP_MAC_update(c, (const unsigned char *)parts[i].p, parts[i].n) > 0;
    ok = ok && EVP_MAC_final(c, out, &n, HMAC_SIZE) > 0 && n == HMAC_SIZE;
    EVP_MAC_CTX_free(c);
    EVP_MAC_free(mac);
    return ok ? ST_OK : ST_INTERNAL;
}

bool
hmac_equal(slice a, slice b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
