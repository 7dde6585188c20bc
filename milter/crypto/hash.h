/*
 * hash.h - message digests, streamed or at once.
 * The algorithms are fetched from OpenSSL once per process and are constant from then on.
 * Errors are sticky: add freely, look at what hash_digest() returns.  Threads: one hash, one thread at a time.
 */
#ifndef VIDIMUS_CRYPTO_HASH_H
#define VIDIMUS_CRYPTO_HASH_H

#include "base/slice.h"
#include "base/status.h"

/* SHA-1 only serves the conformance cases of the rules before RFC 8301. */
enum hash_algorithm { HASH_SHA256, HASH_SHA1 };

#define HASH_SIZE_MAX 32

size_t hash_size(enum hash_algorithm a); /* octets of a digest */

struct hash;

struct hash *hash_new(enum hash_algorithm a); /* NULL: no memory, or OpenSSL does not offer it */
void hash_add(struct hash *h, slice data);
/* The digest of what was added so far; more may be added afterwards. */
enum status hash_digest(const struct hash *h, unsigned char out[HASH_SIZE_MAX]);
/* The same with `end` behind it, which is not added. */
enum status hash_digest_with(const struct hash *h, slice end, unsigned char out[HASH_SIZE_MAX]);
void hash_free(struct hash *h); /* NULL is fine */

enum status hash_once(enum hash_algorithm a, slice data, unsigned char out[HASH_SIZE_MAX]);

#endif
