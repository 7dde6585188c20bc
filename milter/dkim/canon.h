/*
 * canon.h - canonicalisation of RFC 6376 3.4: header fields one by one, the body in one streaming pass that feeds every
 * distinct (canonicalisation, hash, l=) context of all DKIM signatures, ARC sets and seals of the message at once.
 * Results never depend on how the body was cut into chunks, and the price does not depend on the number of different
 * l=: contexts that differ in nothing else share one hash, of which a copy is closed at each length.
 */
#ifndef VIDIMUS_DKIM_CANON_H
#define VIDIMUS_DKIM_CANON_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"
#include "crypto/hash.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

#define CANON_NO_LIMIT UINT64_MAX

struct body_canon;

struct body_canon *body_canon_new(struct arena *a); /* NULL: no memory */
/* Ask for the SHA-256 of the first `length` octets (l=) of the canonical body; the same pair gives the same id.
 * Before the first body_canon_feed().  Negative: no memory. */
int body_canon_want(struct body_canon *b, enum canon c, uint64_t length);
int body_canon_want_with(struct body_canon *b, enum hash_algorithm h, enum canon c, uint64_t length);
void body_canon_feed(struct body_canon *b, slice chunk); /* as received; any cut */
enum status body_canon_finish(struct body_canon *b);
slice body_canon_digest(const struct body_canon *b, int id);    /* 32 octets (SHA-1: 20); empty before finish */
uint64_t body_canon_length(const struct body_canon *b, int id); /* octets of the whole canonical body, l= apart */
void body_canon_clear(struct body_canon *b); /* frees digest contexts that the arena does not hold; NULL is fine */

struct header_field;
/* One field, canonical, without the final CRLF, appended to out. */
void header_canon_add(struct strbuf *out, enum canon c, const struct header_field *f);

#endif
