/*
 * dkim.h - verification of all DKIM signatures of one message (RFC 6376, 8301, 8463, 8616).
 * Order of calls: dkim_new; dkim_add_field for each field as it arrives (key lookups start); dkim_header_end once the
 * header is complete (contexts are registered with the body canonicaliser); the caller feeds the body to that;
 * dkim_finish.  (dkim_header and dkim_eoh are names of libopendkim, which is linked too.)
 * Ownership: all in the message's arena.  Threads: one message, one thread at a time.
 */
#ifndef VIDIMUS_DKIM_DKIM_H
#define VIDIMUS_DKIM_DKIM_H

#include "base/arena.h"
#include "base/trace.h"
#include "dkim/canon.h"
#include "dns/resolver.h"
#include "mail/headers.h"

struct key_cache; /* crypto/keys.h: public keys by name and text of the record, shared by all messages */

enum dkim_result_code {
    DKIM_NONE, DKIM_PASS, DKIM_FAIL, DKIM_POLICY, DKIM_NEUTRAL, DKIM_TEMPERROR, DKIM_PERMERROR
};

const char *dkim_result_name(enum dkim_result_code r); /* the word of RFC 8601 2.7.1 */

struct dkim_options {
    unsigned min_rsa_bits;   /* default 1024 */
    unsigned max_rsa_bits;   /* default 8192 */
    unsigned max_signatures; /* looked at; the rest is reported as policy "ignored" */
    unsigned clock_skew_s;   /* t= may lie that far ahead; x= may have passed that long ago */
    bool accept_unsigned_body; /* a pass although l= leaves body text unsigned; default no */
    bool accept_rsa_sha1;    /* only for the conformance cases of the old rules; the configuration never sets it */
    bool explain;            /* a trace will be handed in: hash the body in both canonicalisations, to tell more */
    int64_t now;             /* Unix time to judge by */
};

struct dkim_result {
    enum dkim_result_code result;
    const struct header_field *field; /* the signature itself */
    slice d, s;         /* names; empty if unreadable */
    slice a;            /* "rsa-sha256"; printable, empty if unreadable */
    slice i;            /* identity: "@example.org" or as given */
    slice b;            /* signature value without white space, as written: header.b takes its first octets */
    unsigned key_bits;  /* 0: key not seen */
    uint64_t unsigned_bytes; /* octets of the canonical body that l= leaves out */
    bool testing;       /* the key says t=y */
    slice reason;       /* in words, printable ASCII; empty for a plain pass */
};

struct dkim;

/* author_domain may still be unknown then (see dkim_header_end).  NULL: no memory. */
struct dkim *dkim_new(struct arena *a, struct dns_session *dns, struct key_cache *keys, const struct dkim_options *o);
/* Any header field: those that are no DKIM-Signature are passed over. */
enum status dkim_add_field(struct dkim *d, const struct header_field *f);
/* author_domain: a name, or empty; its signatures are looked at first.  trace may be NULL. */
enum status dkim_header_end(struct dkim *d, const struct header_list *headers, slice author_domain,
                            struct body_canon *body);
/* After body_canon_finish().  *results: one for each DKIM-Signature field, in header order; n 0: none. */
enum status dkim_finish(struct dkim *d, struct trace *t, const struct dkim_result **results, size_t *n);

#endif
