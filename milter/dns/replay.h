/*
 * replay.h - the DNS answers of one message kept as text, and a resolver that answers from such text: `--record` and
 * `--replay` of `vidimus check`.
 *
 * The text is that of a master file with two directives:
 *   $NOW 1700000000                          as of when the message was judged (Unix time); optional
 *   $ANSWER example.org. TXT ok 300 ad       status in words, TTL, "ad" if authenticated
 *   TXT "v=spf1 -all"                        its records follow
 * A question that had no answer when the session was written down is kept as a timeout, and one that the text does not
 * hold is answered so.  Budget and deadline were judged when it was recorded and are not judged again.
 */
#ifndef VIDIMUS_DNS_REPLAY_H
#define VIDIMUS_DNS_REPLAY_H

#include "base/strbuf.h"
#include "dns/resolver.h"

#define DNS_REPLAY_FILE "dns.txt" /* its name in the folder of --record */

void dns_session_write(struct dns_session *s, int64_t now, struct strbuf *out); /* now 0: not said */
/* *now: its $NOW, or 0; may be NULL.  ST_SYNTAX: `errors` holds "line N: what is wrong" a line each, *out is untouched. */
enum status resolver_replay_new(slice text, struct strbuf *errors, int64_t *now, struct resolver **out);

#endif
