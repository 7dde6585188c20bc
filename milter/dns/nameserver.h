/*
 * nameserver.h - which name servers are asked: "ADDR", "ADDR@PORT" or "ADDR:PORT" (IPv6 with a port: "[ADDR]:PORT" or
 * "ADDR@PORT"), or those of the system.
 */
#ifndef VIDIMUS_DNS_NAMESERVER_H
#define VIDIMUS_DNS_NAMESERVER_H

#include "base/netlist.h"

#define NAMESERVERS_MAX 8

struct nameserver {
    struct netaddr addr;
    uint16_t port;
};

bool nameserver_parse(slice text, struct nameserver *out);
bool nameserver_is_loopback(const struct nameserver *ns);
/* From text in the form of resolv.conf(5), at most NAMESERVERS_MAX; how many.  None: 127.0.0.1, as resolv.conf(5) says. */
size_t nameservers_from_resolv_conf(slice text, struct nameserver out[NAMESERVERS_MAX]);

#endif
