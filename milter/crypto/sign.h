/*
 * sign.h - private keys of sealing: read from a file, made, and used to sign a SHA-256 digest.
 * Algorithms are rsa-sha256 (RFC 6376 3.3.1, PKCS #1 v1.5) and ed25519-sha256 (RFC 8463 3); both are deterministic.
 * Ownership: a key is freed by its owner.  Threads: a key may sign on several threads at once.
 * In the daemon only the key holder process calls private_key_load(); see keyholder.h.
 */
#ifndef VIDIMUS_CRYPTO_SIGN_H
#define VIDIMUS_CRYPTO_SIGN_H

#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"

#define DIGEST_SIZE 32      /* SHA-256 */
#define SIGNATURE_MAX 1024  /* RSA-8192 */
#define SIGN_RSA_MIN_BITS 1024 /* RFC 8301 3.2: no verifier takes less */
#define SIGN_RSA_MAX_BITS 8192

enum sign_algorithm { SIGN_RSA_SHA256, SIGN_ED25519_SHA256 };

const char *sign_algorithm_name(enum sign_algorithm a); /* "rsa-sha256", "ed25519-sha256" */

struct signature {
    size_t n;
    unsigned char bytes[SIGNATURE_MAX];
};

struct private_key;

/* A PEM file, PKCS #8 or the older forms, without a pass phrase; regular, and closed to group and others unless
 * `loose_mode`.  NULL: refused, and the reason is appended to `error` without the path and without a line end. */
struct private_key *private_key_load(const char *path, bool loose_mode, struct strbuf *error);
/* bits: of RSA only.  NULL: the library would not. */
struct private_key *private_key_make(enum sign_algorithm a, unsigned bits);
void private_key_free(struct private_key *k); /* NULL is fine */

enum sign_algorithm private_key_algorithm(const struct private_key *k);
unsigned private_key_bits(const struct private_key *k);
enum status private_key_sign(const struct private_key *k, const unsigned char digest[DIGEST_SIZE], struct signature *out);

/* What p= publishes: SubjectPublicKeyInfo for RSA (RFC 6376 3.6.1), the 32 octets for Ed25519 (RFC 8463 4). */
enum status private_key_public(const struct private_key *k, struct strbuf *out);
/* Is this the key that p= holds?  RSA also in the bare RSAPublicKey form, which some zones publish. */
bool private_key_matches(const struct private_key *k, slice published);
/* The text of the TXT record: "v=DKIM1; k=rsa; p=...". */
enum status private_key_record(const struct private_key *k, bool testing, struct strbuf *out);
/* A new PKCS #8 file of mode 0600; an existing one is never overwritten.  False: errno says why. */
bool private_key_write(const struct private_key *k, const char *path);

#endif
