/*
 * signature.h - one DKIM-Signature, ARC-Message-Signature or ARC-Seal, read and judged by itself: no header, body or
 * key is looked at.  What breaks a MUST of RFC 6376 3.5 and 6.1.1 or RFC 8617 4.1 is objected to here, and only here.
 * Ownership: all in the arena; slices borrow from the field.
 */
#ifndef VIDIMUS_DKIM_SIGNATURE_H
#define VIDIMUS_DKIM_SIGNATURE_H

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "dkim/dkim.h"
#include "mail/taglist.h"

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_AMS, SIGNATURE_SEAL };

/* What is held against a signature; code DKIM_NONE: nothing so far. */
struct dkim_objection {
    enum dkim_result_code code;
    slice reason; /* printable ASCII */
};

struct dkim_signature {
    const struct header_field *field;
    enum signature_kind kind;
    struct taglist tags;
    size_t b_start, b_end;     /* in field->value: all of the value of b= */
    slice d, s;                /* names */
    slice a;                   /* as written */
    slice i;                   /* DKIM: as written, without white space; "@d" if absent */
    slice b_text;              /* b= without white space */
    enum key_type key_type;
    enum hash_algorithm hash;
    enum canon header_canon, body_canon;
    slice bh, b;               /* decoded */
    const slice *names;        /* h=, in order; empty names are left out */
    size_t n_names;
    bool i_is_subdomain;       /* the domain of i= lies below d= */
    bool has_length, has_time, has_expiry;
    uint64_t length;           /* l=; saturates */
    int64_t time, expiry;      /* t=, x=; saturate */
    slice key_name;            /* where the key is: s._domainkey.d */
};

/* *out always holds what could be read.  *o: DKIM_PERMERROR or DKIM_NEUTRAL with a reason, or DKIM_NONE.
 * accept_rsa_sha1: see struct dkim_options.  ST_NOMEM or ST_OK. */
enum status dkim_signature_parse(struct arena *a, const struct header_field *f, enum signature_kind kind,
                            bool accept_rsa_sha1, struct dkim_signature *out, struct dkim_objection *o);
/* Does h= name this field?  How often? */
size_t dkim_signature_names_count(const struct dkim_signature *sig, slice name);

#endif
