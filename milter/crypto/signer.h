/*
 * signer.h - who signs digests with a key that the caller names but does not have.
 * Two implementations: the key holder process (keyholder.h) for the daemon, and keys in this process (signer_local_new)
 * for the tool, the tests and the benchmark.
 * Threads: sign and find may be called on any thread at once.  Errors: anything but ST_OK means there is no signature.
 */
#ifndef VIDIMUS_CRYPTO_SIGNER_H
#define VIDIMUS_CRYPTO_SIGNER_H

#include "crypto/sign.h"

struct signer;

struct signer_ops {
    /* The algorithm of a key; false: there is no such key, or it could not be read. */
    bool (*find)(struct signer *s, slice key, enum sign_algorithm *algorithm);
    /* ST_SYNTAX: no such key of that algorithm; ST_TIMEOUT, ST_INTERNAL, ST_NOMEM: it could not be done now. */
    enum status (*sign)(struct signer *s, slice key, enum sign_algorithm algorithm,
                        const unsigned char digest[DIGEST_SIZE], struct signature *out);
    void (*free)(struct signer *s);
};

struct signer { /* the head of an implementation's own struct */
    const struct signer_ops *ops;
};

static inline bool
signer_find(struct signer *s, slice key, enum sign_algorithm *algorithm)
{
    return s->ops->find(s, key, algorithm);
}
static inline enum status
signer_sign(struct signer *s, slice key, enum sign_algorithm algorithm, const unsigned char digest[DIGEST_SIZE],
            struct signature *out)
{
    return s->ops->sign(s, key, algorithm, digest, out);
}
static inline void
signer_free(struct signer *s) /* NULL is fine */
{
    if (s != NULL)
        s->ops->free(s);
}

/* ---- keys by name, as the configuration lists them */
struct signer_key {
    char *id;   /* what callers name it by: any text without a line end */
    char *path; /* of the PEM file */
};

struct signer_keys { /* {0} is the empty list */
    struct signer_key *keys;
    size_t n, cap;
};

/* Copies both; an id that is there already is left alone.  ST_NOMEM. */
enum status signer_keys_add(struct signer_keys *l, slice id, slice path);
void signer_keys_clear(struct signer_keys *l);

/* Reads the keys at once.  What cannot be used is left out and said in `errors`, a line "PATH: reason" each.
 * NULL: no memory. */
struct signer *signer_local_new(const struct signer_keys *l, bool loose_mode, struct strbuf *errors);

#endif
