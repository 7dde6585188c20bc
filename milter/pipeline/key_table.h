/*
 * key_table.h - which key seals as whom: KeyTable and SigningTable in the formats of opendkim(8) and openarc(8).
 *
 * KeyTable, a line each:      NAME DOMAIN:SELECTOR:/path/to/key.pem [from DATE]
 *   Several lines of one NAME are a rotation: the one with the latest DATE that has come signs.  DATE is 2026-12-01 or
 *   2026-12-01T18:00, in UTC.  DOMAIN "%" is the domain that the SigningTable matched.
 * SigningTable, a line each:  PATTERN NAME
 *   PATTERN is an address, a domain, ".domain" (all below it), or either with "*" for any octets; the first line that fits
 *   decides.  NAME "%" is the key named like the matched domain.
 *
 * Ownership: a table owns its text.  Threads: immutable, shared freely.  Errors: every problem as "file:line: what is wrong".
 */
#ifndef VIDIMUS_PIPELINE_KEY_TABLE_H
#define VIDIMUS_PIPELINE_KEY_TABLE_H

#include "base/slice.h"
#include "base/strbuf.h"
#include "crypto/signer.h"

struct key_entry {
    slice name;
    slice domain;     /* a name, or "%" */
    slice selector;   /* a name */
    slice path;       /* also the id by which a signer knows the key */
    int64_t from;     /* Unix time; INT64_MIN: always */
    unsigned line;
};

struct key_table;

struct key_table *key_table_load(const char *file, struct strbuf *errors); /* NULL: there are errors */
struct key_table *key_table_parse(slice text, const char *file, struct strbuf *errors);
void key_table_free(struct key_table *t); /* NULL is fine */
size_t key_table_count(const struct key_table *t);
const struct key_entry *key_table_at(const struct key_table *t, size_t i);
/* The entry of that name that signs now; NULL: there is none, or none yet. */
const struct key_entry *key_table_pick(const struct key_table *t, slice name, int64_t now);
/* Every key file, once. */
enum status key_table_list(const struct key_table *t, struct signer_keys *out);

struct signing_table;

/* Names that `keys` does not have are errors. */
struct signing_table *signing_table_load(const char *file, const struct key_table *keys, struct strbuf *errors);
struct signing_table *signing_table_parse(slice text, const char *file, const struct key_table *keys, struct strbuf *errors);
void signing_table_free(struct signing_table *t); /* NULL is fine */
/* The name of the key for this address (its domain a name; an empty local part fits domain patterns only); empty: none. */
slice signing_table_match(const struct signing_table *t, slice local_part, slice domain);

#endif
