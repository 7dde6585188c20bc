/*
 * rdata.h - records as master-file text (RFC 1035 5.1), read and written: for zone text and for replays.
 */
#ifndef VIDIMUS_DNS_RDATA_H
#define VIDIMUS_DNS_RDATA_H

#include "dns/resolver.h"
#include "dns/zonetext.h"

/* A type of dns_type by its name, or one of the known types that are not kept (*kept false).  False: unknown. */
bool rdata_type(slice word, enum dns_type *type, bool *kept);
/* NULL: fine, else what is wrong.  Text of *out is in the arena. */
const char *rdata_read(struct arena *a, enum dns_type type, const struct zone_word *words, size_t n, slice origin,
                       struct dns_record *out);
void rdata_write(struct strbuf *b, enum dns_type type, const struct dns_record *r);

#endif
