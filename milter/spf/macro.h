/*
 * macro.h - SPF macros (RFC 7208 7): their syntax, and their expansion.
 * Facts go in, text comes out; no DNS, no clock.  Threads: no shared state.
 */
#ifndef VIDIMUS_SPF_MACRO_H
#define VIDIMUS_SPF_MACRO_H

#include "base/netlist.h"
#include "base/slice.h"
#include "base/strbuf.h"

struct spf_macro_facts {
    slice local;          /* %{l}: local part, "postmaster" already put in */
    slice sender_domain;  /* %{o} */
    slice domain;         /* %{d}: the domain of the record being judged */
    struct netaddr client; /* %{i} %{c} %{v} */
    slice validated_name; /* %{p}; empty: "unknown" */
    slice helo;           /* %{h} */
    slice receiver;       /* %{r}; empty: "unknown" */
    int64_t now;          /* %{t} */
};

/* NULL: the text is a domain-spec (domain_end included) / a macro-string / an explain-string; else what is wrong. */
const char *spf_macro_check_domain_spec(slice text);
const char *spf_macro_check_string(slice text);
const char *spf_macro_check_explain(slice text);

/* Is any of these macro letters (lower case) used in the text, as itself or in upper case? */
bool spf_macro_uses(slice text, const char *letters);

/* Append the expansion of a text that passed one of the checks.  The buffer's own limit bounds it. */
void spf_macro_expand(struct strbuf *out, slice text, const struct spf_macro_facts *facts);
/* A domain-spec to a name to ask for: expanded, one final dot dropped, cut from the left at label borders to 253 octets
 * (RFC 7208 7.3).  Empty, or with labels that DNS cannot carry, it is up to the caller to refuse.
 * The slice is `scratch`'s.  ST_NOMEM: no memory. */
enum status spf_macro_target(struct strbuf *scratch, slice domain_spec, const struct spf_macro_facts *facts, slice *out);

#endif
