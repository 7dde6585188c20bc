/* hmac.h - HMAC-SHA-256 (RFC 2104, FIPS 180-4) and a comparison whose time says nothing. */
#ifndef VIDIMUS_CRYPTO_HMAC_H
#define VIDIMUS_CRYPTO_HMAC_H

#include "base/slice.h"
#include "base/status.h"

#define HMAC_SIZE 32

/* Over the parts one after another; that their borders are unambiguous is the caller's work. */
enum status hmac_sha256(slice key, const slice *parts, size_t n_parts, unsigned char out[HMAC_SIZE]);
/* Octets of the same number in time that depends on that number only; different numbers are unequal at once. */
bool hmac_equal(slice a, slice b);

#endif
