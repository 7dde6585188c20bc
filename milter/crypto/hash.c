#include "crypto/hash.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/key_internal.h"

struct hash {
    EVP_MD_CTX *ctx;
    enum status st;
};

static const struct {
    const char *name;
    size_t size;
} algorithms[] = {
    [HASH_SHA256] = { "SHA2-256", 32 },
    [HASH_SHA1] = { "SHA1", 20 },
};

/* A fetch walks OpenSSL's provider store under locks, so it is done once; written under
 * pthread_once, read ever after. */
static EVP_MD *fetched[COUNT(algorithms)];
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void
fetch_all(void)
{
    for (size_t i = 0; i < COUNT(algorithms); i++)
        fetched[i] = EVP_MD_fetch(NULL, algorithms[i].name, NULL);
}

const EVP_MD *
hash_md(enum hash_algorithm a)
{
    pthread_once(&fetch_once, fetch_all);
    return fetched[a];
}

size_t
hash_size(enum hash_algorithm a)
{
    return algorithms[a].size;
}

struct hash *
hash_new(enum hash_algorithm a)
{
    const EVP_MD *md = hash_md(a);
    struct hash *h = md == NULL ? NULL : calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL || EVP_DigestInit_ex2(h->ctx, md, NULL) != 1) {
        hash_free(h);
        return NULL;
    }
    h->st = ST_OK;
    return h;
}

void
hash_add(struct hash *h, slice data)
{
    if (data.n > 0 && h->st == ST_OK && EVP_DigestUpdate(h->ctx, data.p, data.n) != 1)
        h->st = ST_INTERNAL;
}

enum status
hash_digest_with(const struct hash *h, slice end, unsigned char out[HASH_SIZE_MAX])
{
    if (h->st != ST_OK)
        return h->st;
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    if (copy == NULL)
        return ST_NOMEM;
    bool ok = EVP_MD_CTX_copy_ex(copy, h->ctx) == 1 && (end.n == 0 || EVP_DigestUpdate(copy, end.p, end.n) == 1) &&
              EVP_DigestFinal_ex(copy, out, NULL) == 1;
    EVP_MD_CTX_free(copy);
    return ok ? ST_OK : ST_INTERNAL;
}

enum status
hash_digest(const struct hash *h, unsigned char out[HASH_SIZE_MAX])
{
    return hash_digest_with(h, SLICE_EMPTY, out);
}

void
hash_free(struct hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

enum status
hash_once(enum hash_algorithm a, slice data, unsigned char out[HASH_SIZE_MAX])
{
    const EVP_MD *md = hash_md(a);
    if (md == NULL)
        return ST_INTERNAL;
    return EVP_Digest(data.p, data.n, out, NULL, md, NULL) == 1 ? ST_OK : ST_INTERNAL;
}
