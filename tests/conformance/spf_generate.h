/*
 * spf_generate.h - small worlds for spf_compare: a domain, records that it includes, hosts, and one client.
 */
#ifndef VIDIMUS_CONFORMANCE_SPF_GENERATE_H
#define VIDIMUS_CONFORMANCE_SPF_GENERATE_H

#include "base/netlist.h"
#include "base/strbuf.h"

enum quirk {
    PLAIN,
    CIDR_ZERO,          /* /0 and //0 */
    MODIFIER_DOT,       /* a name of a modifier with "." */
    MODIFIER_TWICE,     /* an unknown modifier twice */
    JOINED,             /* delimiters other than "." in macros other than l and s */
    HOSTS_GONE,         /* hosts without addresses */
    HOSTS_BROKEN,       /* SERVFAIL for hosts */
    REDIRECT_EARLY,     /* redirect= before other terms */
    REDIRECT_AND_ALL,   /* redirect= beside "all" */
    DELIMITERS,         /* "," and "/" */
    DIGITS_ALL,         /* as many parts asked for as there are, or more */
    REVERSE_AND_DIGITS, /* both transformers */
    REVERSE_UPPER,      /* "R" */
    DIGITS_BEYOND,      /* more than 128 parts */
    EMPTY_PARTS,        /* macro values with delimiters at their ends or side by side */
    IP6_LONG,           /* ip6 networks of more than 15 characters */
    IP6_MAPPED,         /* ip6:::ffff:a.b.c.d */
    DOMAIN_LONG,        /* a target of more than 253 octets */
    BAD_LABEL,          /* a target with an empty or too long label */
    NULL_MX,            /* RFC 7505 */
    PTR_ERROR,          /* SERVFAIL for PTR or for the names it gives */
    PTR_NAMES,          /* names of PTR that do not exist, and %{p} */
    URL_ESCAPE,         /* upper-case macro letters */
    SELF_INCLUDE,       /* include or redirect to the current domain */
    EXPIRED_EXP,        /* exp= */
    UPPER_NAMES,        /* names of mechanisms and modifiers in upper case */
    TRAILING_DOT,
    SYNTAX,             /* one octet of a record is another one */
    QUIRKS
};

extern const char *const quirks[QUIRKS]; /* their names */

#define RECORDS 5 /* d.example and i1.example to i4.example */

struct world {
    enum quirk quirk;
    struct strbuf records[RECORDS];
    struct strbuf zone; /* hosts, without the records */
    char local[80], helo[80];
    struct netaddr client;
    char client_text[NETADDR_TEXT_MAX];
};

void generate_seed(uint64_t seed);
unsigned generate_roll(unsigned n); /* 0 to n-1 */
void generate_world(struct world *w, enum quirk q);
void world_clear(struct world *w);
/* Master-file text of all of it; borrowed from b. */
slice world_zone(struct world *w, struct strbuf *b);

#endif
