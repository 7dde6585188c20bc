/*
 * dnsfake.h - a name server on loopback for tests, on a thread of its own, UDP and TCP on one port.
 * What it does with a question is said by the first label of the name, up to the first digit or hyphen:
 *   ok          A 192.0.2.1, AAAA 2001:db8::1, MX 10 mx.example, TXT "one" "two", PTR ptr.example; TTL 300 ("ok-ttl7": 7)
 *   nx nodata   NXDOMAIN, NODATA, each with a SOA of TTL 60;  nosoa: NODATA without
 *   servfail refused notimp formerr   that RCODE;  badedns: FORMERR while there is an OPT record, else as ok
 *   silent      no reply
 *   slow        as ok, 60 ms later
 *   big         truncated over UDP; over TCP a TXT of 20,000 octets
 *   wide        a TXT of 900 octets, by UDP
 *   cname       CNAME to ok.<rest>, with its records;  dangling: without them and without SOA
 *   cnx         CNAME and NXDOMAIN;  cnodata: CNAME and a SOA
 *   loop        CNAME to itself;  endless: CNAME to another endless name each time
 *   spoofed     replies that do not match (id, name, garbage, three octets, none), then as ok
 *   mutated     the reply of ok with octets changed, by a counter
 *   ad          as ok with AD set
 */
#ifndef VIDIMUS_TEST_DNSFAKE_H
#define VIDIMUS_TEST_DNSFAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dnsfake;

/* port 0: a free one.  Ends the test program if it cannot. */
struct dnsfake *dnsfake_start(uint16_t port);
void dnsfake_stop(struct dnsfake *f); /* waits for its thread */
const char *dnsfake_text(const struct dnsfake *f); /* "127.0.0.1@PORT" */
uint16_t dnsfake_port(const struct dnsfake *f);
unsigned dnsfake_count(const struct dnsfake *f); /* questions seen */
unsigned dnsfake_count_tcp(const struct dnsfake *f);
void dnsfake_delay_all(struct dnsfake *f, unsigned ms); /* every reply that much later, in order */
void dnsfake_fail_all(struct dnsfake *f, unsigned rcode); /* 0: no more */
/* Header flags and OPT of the last question. */
bool dnsfake_saw_ad(const struct dnsfake *f);
unsigned dnsfake_saw_edns(const struct dnsfake *f); /* its size, or 0 */

#endif
