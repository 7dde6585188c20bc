/*
 * key_record.h - the TXT record that holds a key (RFC 6376 3.6.1), read strictly.
 */
#ifndef VIDIMUS_DKIM_KEY_RECORD_H
#define VIDIMUS_DKIM_KEY_RECORD_H

#include "base/arena.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

struct key_record {
    enum key_type type;
    bool known_type;      /* k= is one of ours */
    bool revoked;         /* p= is empty */
    bool for_email;       /* s= is absent or names "*" or "email" */
    bool allows_sha256, allows_sha1; /* h= */
    bool testing;         /* t=y */
    bool no_subdomains;   /* t=s */
    slice data;           /* p= decoded */
};

/* ST_SYNTAX: no key record, and *why says in words what is wrong (static text). */
enum status key_record_parse(struct arena *a, slice text, struct key_record *out, const char **why);
/* May a signature of this type and hash be checked with it?  NULL: yes; else why not.  Not the key data itself. */
const char *key_record_refusal(const struct key_record *k, enum key_type type, enum hash_algorithm hash,
                               bool i_is_subdomain);

#endif
