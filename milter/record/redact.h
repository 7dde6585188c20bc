/* redact.h - header fields of a message without what is personal in them (RFC 6590). */
#ifndef VIDIMUS_RECORD_REDACT_H
#define VIDIMUS_RECORD_REDACT_H

#include "base/arena.h"
#include "mail/headers.h"

#define REDACT_HEADERS_MAX 65536 /* octets of fields in a report; what is beyond is left out, as is said there */

/* All fields, lines ending in LF.  Addresses in address fields lose their display names and keep only the domain and a
 * keyed hash of the local part; in other fields whatever stands before an "@" is hashed.  {NULL,0}: no memory. */
slice redact_headers(struct arena *a, const struct header_list *headers, slice key);

#endif
