/*
 * ahead.h - what a record will ask DNS if nothing matches before: the list that is asked early, and how long it is.
 * Terms behind "all", or behind an ip4 or ip6 term that holds the client, are never reached and not on it.
 * Threads: no shared state.
 */
#ifndef VIDIMUS_SPF_AHEAD_H
#define VIDIMUS_SPF_AHEAD_H

#include "dns/resolver.h"
#include "spf/record.h"

enum spf_question_kind {
    SPF_ASK_ADDRESS, /* a: A or AAAA as the client's; exists: A */
    SPF_ASK_MX,      /* then the addresses of the names it gives */
    SPF_ASK_RECORD,  /* include, redirect: another record to walk */
    SPF_ASK_LATE     /* ptr, or a target that quotes %{p}: depends on earlier answers, never asked early */
};

struct spf_question {
    enum spf_question_kind kind;
    enum dns_type type;
    slice domain_spec; /* empty: the current domain */
};

struct spf_ahead {
    const struct spf_record *record;
    const struct netaddr *client;
    size_t at;     /* as of spf_record_next(); 0: the whole record */
    bool finished; /* false to begin with */
};

/* The next question; one each for every term that counts against the limit of 10.  False: no more. */
bool spf_ahead_next(struct spf_ahead *h, struct spf_question *out);
/* How many questions are left; *records of them lead to another record. */
unsigned spf_ahead_count(struct spf_ahead h, unsigned *records);

#endif
