/*
 * zone.h - a resolver that answers from master-file text (RFC 1035 5) in memory: for tests, `--zone` and replays.
 *
 * Understood: $ORIGIN, $TTL, @, names relative to the origin (the root if none was given), owner left out, class IN, TTLs
 * in seconds or as 1h30m, quoted strings, \DDD and \X, parentheses, comments.  Records of A, AAAA, CNAME, MX, PTR, SOA and
 * TXT are kept; of other known types only that the name exists.  Names of many zones may stand in one text.
 * Answers as an authoritative server with a recursive one before it would give them: CNAMEs followed (16 at most, a longer
 * chain or a loop is SERVFAIL), wildcards by the closest encloser (RFC 4592), NODATA at empty non-terminals, else NXDOMAIN.
 *
 * Two directives of our own state what a zone cannot say:
 *   $STATUS name type|* servfail|timeout|nxdomain|nodata|refused    the answer to such questions (refused: SERVFAIL)
 *   $DELAY name ms                                                  answers for the name come that much later
 * A name "*.x" stands for every name below x that does not exist, as with records.
 * One string of TXT may be longer than 255 octets here, since its parts would be joined anyway.
 *
 * Ownership: the text is copied.  Threads: the zone never changes.
 */
#ifndef VIDIMUS_DNS_ZONE_H
#define VIDIMUS_DNS_ZONE_H

#include "base/strbuf.h"
#include "dns/resolver.h"

/* ST_SYNTAX: `errors` holds "line N: what is wrong" a line each, *out is untouched. */
enum status resolver_zone_new(slice text, struct strbuf *errors, struct resolver **out);

#endif
