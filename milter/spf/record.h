/*
 * record.h - an SPF record as text: selected, checked whole, and read term by term (RFC 7208 4.5, 4.6.1, 5, 6, 12).
 * Nothing is stored but slices of the text, so a record of any length costs no memory; no DNS, no clock.
 * Threads: no shared state.
 */
#ifndef VIDIMUS_SPF_RECORD_H
#define VIDIMUS_SPF_RECORD_H

#include "base/netlist.h"
#include "base/slice.h"
#include "base/status.h"
#include "spf/spf.h"

enum spf_mechanism {
    SPF_MECH_ALL,
    SPF_MECH_INCLUDE,
    SPF_MECH_A,
    SPF_MECH_MX,
    SPF_MECH_PTR,
    SPF_MECH_IP4,
    SPF_MECH_IP6,
    SPF_MECH_EXISTS
};

struct spf_term {
    slice text; /* as written, qualifier included */
    enum spf_mechanism mechanism;
    enum spf_result result;    /* what a match means: pass, fail, softfail, neutral */
    slice domain_spec;         /* macros unexpanded; empty: the current domain */
    struct netaddr network;    /* ip4, ip6; an ip6 network keeps family 6 even inside ::ffff:0:0/96 */
    unsigned prefix4, prefix6; /* ip4, ip6, a, mx; 32 and 128 unless given */
};

struct spf_record {
    slice text;                        /* borrowed */
    slice redirect, redirect_text;     /* domain-spec and the whole modifier; empty: none, or made void by "all" */
    slice explanation;                 /* domain-spec of exp=; empty: none */
    bool has_all;
    bool asks; /* some term or redirect= makes DNS queries */
};

struct spf_syntax_error {
    slice term;      /* the offending term; any octets */
    const char *why; /* static */
};

/* Does this TXT record begin with the version section "v=spf1"? (RFC 7208 4.5) */
bool spf_record_is(slice txt);
/* Check the whole record; the text must pass spf_record_is().  ST_SYNTAX: *error says where (RFC 7208 4.6). */
enum status spf_record_parse(slice text, struct spf_record *out, struct spf_syntax_error *error);
/* The next mechanism of a record that was parsed.  *at begins as 0.  False: no more.  After "all" there are none (5.1). */
bool spf_record_next(const struct spf_record *r, size_t *at, struct spf_term *out);
/* Does the term make DNS queries that count against the limit of 10? (RFC 7208 4.6.4) */
bool spf_term_asks(const struct spf_term *t);
/* An ip4, ip6 or all term that matches this client without asking anybody. */
bool spf_term_matches_alone(const struct spf_term *t, const struct netaddr *client);

#endif
