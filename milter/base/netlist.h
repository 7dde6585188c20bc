/*
 * netlist.h - IP addresses and lists of them, of networks and of host names.
 * Addresses are kept in network byte order; an IPv4-mapped IPv6 address is read as IPv4 (RFC 7208 5).
 */
#ifndef VIDIMUS_BASE_NETLIST_H
#define VIDIMUS_BASE_NETLIST_H

#include "base/slice.h"
#include "base/status.h"

struct sockaddr;

struct netaddr {
    uint8_t family; /* 4, 6, or 0: none known (a local submission) */
    uint8_t bytes[16];
};

#define NETADDR_TEXT_MAX 46

/* RFC 4291 and dotted-quad text, nothing around it.  No zone index, no leading zeros in a quad. */
bool netaddr_parse(slice text, struct netaddr *out);
struct netaddr netaddr_from_sockaddr(const struct sockaddr *sa); /* NULL or another family: family 0 */
/* Canonical text (RFC 5952) into buf; "" for family 0.  Returns buf. */
const char *netaddr_text(const struct netaddr *a, char buf[NETADDR_TEXT_MAX]);
bool netaddr_equal(const struct netaddr *a, const struct netaddr *b);
/* Same family, and the first `prefix` bits are the same. */
bool netaddr_in(const struct netaddr *a, const struct netaddr *net, unsigned prefix);
/* Name under in-addr.arpa or ip6.arpa, NUL-terminated, into buf of at least 74 octets. */
const char *netaddr_reverse_name(const struct netaddr *a, char buf[80]);

/* A list of addresses, networks (CIDR), host names and domains (".example.org": all below it); "!" before
 * an entry excepts it, and the first entry that fits decides.  Immutable once built, shared freely. */
struct netlist;

struct netlist *netlist_new(void);
/* One entry.  ST_SYNTAX: neither address, network nor name. */
enum status netlist_add(struct netlist *l, slice entry);
void netlist_free(struct netlist *l);
size_t netlist_count(const struct netlist *l);
/* `verified_name` is a host name confirmed forwards and backwards, or empty.  A NULL list holds nothing. */
bool netlist_has(const struct netlist *l, const struct netaddr *a, slice verified_name);

#endif
