/*
 * keys.h - public keys out of DNS: read strictly, built cheaply, kept between messages.
 * A public_key never changes once made, so threads share it; it is counted, and each holder releases its own count.
 */
#ifndef VIDIMUS_CRYPTO_KEYS_H
#define VIDIMUS_CRYPTO_KEYS_H

#include "base/slice.h"
#include "base/status.h"

enum key_type { KEY_RSA, KEY_ED25519 };

struct public_key;

/*
 * RSA: DER of a SubjectPublicKeyInfo (RFC 5280) or of a bare RSAPublicKey (RFC 8017 A.1.1), nothing before, after or
 * in between, shortest lengths and integers, odd modulus of 512 to 16384 bits, odd exponent from 3 up to 32 bits.
 * Ed25519: the 32 octets of RFC 8463 4.2; canonical, and none of the points of small order.
 * ST_SYNTAX: no such key, and *why says in words what is wrong.
 */
enum status public_key_new(enum key_type type, slice data, struct public_key **out, const char **why);
struct public_key *public_key_hold(struct public_key *k);
void public_key_release(struct public_key *k); /* NULL is fine */
enum key_type public_key_type(const struct public_key *k);
unsigned public_key_bits(const struct public_key *k); /* RSA: of the modulus; Ed25519: 256 */

/* Keys by the name they were found at and the text of the record: an entry can never be out of date, since another
 * text is another key.  Bounded: the entry used longest ago in its set makes room.  All calls are thread-safe. */
struct key_cache;

struct key_cache *key_cache_new(size_t max_keys); /* NULL: no memory */
void key_cache_free(struct key_cache *c);         /* NULL is fine */
/* A count of its own for the caller, or NULL.  A NULL cache holds nothing.  `flags` are the caller's own: what else the
 * record says, so that it need not be read again. */
struct public_key *key_cache_get(struct key_cache *c, slice name, slice text, unsigned *flags);
/* Takes a count of its own. */
void key_cache_put(struct key_cache *c, slice name, slice text, struct public_key *k, unsigned flags);

struct key_cache_stats {
    uint64_t hits, misses;
    size_t keys;
};
struct key_cache_stats key_cache_stats(struct key_cache *c);

#endif
