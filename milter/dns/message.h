/*
 * message.h - DNS messages: the question as it goes out, and our own reader of what comes back (RFC 1035 4).
 * The reader trusts no length, count or pointer of the message; compression pointers may only point backwards, so every
 * name ends (RFC 1035 4.1.4).  It allocates nothing but the result.
 */
#ifndef VIDIMUS_DNS_MESSAGE_H
#define VIDIMUS_DNS_MESSAGE_H

#include "dns/backend.h"
#include "dns/name.h"

#define DNS_QUERY_MAX (12 + DNS_WIRE_MAX + 4 + 11)
#define DNS_UDP_SIZE 1232 /* octets of UDP payload that pass unfragmented nearly everywhere */

/* RD and AD set (RFC 6840 5.7: AD in a question says that the asker understands it), with an OPT record (RFC 6891) last
 * in the message if `edns`.  Returns its length. */
size_t dns_message_query(uint8_t out[DNS_QUERY_MAX], uint16_t id, enum dns_type type, slice name, bool edns);

struct dns_reply {
    bool readable;             /* false: not an answer to this question, malformed, or a loop of CNAMEs */
    unsigned rcode;            /* with the upper bits of the OPT record */
    bool has_opt;
    bool authenticated;        /* the AD bit */
    enum dns_status status;    /* OK, NODATA, NXDOMAIN, or SERVFAIL for any other RCODE and a referral */
    uint32_t ttl;              /* the smallest on the way; negative answers: RFC 2308 5, 0 without SOA */
    struct result_builder found; /* the records, if OK; to be finished or cleared by the caller */
    /* The answer ends in a CNAME whose target it says nothing about, not even by a SOA: ask for this name. */
    bool unfinished;
    char target[DNS_NAME_MAX];
    size_t target_n;
};

/* `name` is canonical.  found is initialised in any case. */
void dns_message_read(const uint8_t *msg, size_t n, enum dns_type type, slice name, struct dns_reply *out);

#endif
