/*
 * name.h - domain names as questions hold them: raw octets, "." between labels, lower case, no final dot.
 * Labels that themselves contain a dot cannot be said in this form and are refused wherever names are read.
 */
#ifndef VIDIMUS_DNS_NAME_H
#define VIDIMUS_DNS_NAME_H

#include "base/slice.h"
#include "base/strbuf.h"

#define DNS_NAME_MAX 253  /* octets without the final dot (RFC 1035 2.3.4: 255 on the wire) */
#define DNS_LABEL_MAX 63
#define DNS_WIRE_MAX 255

/* The canonical form into out.  False: an empty name or label, a label over 63, a name over 253 octets. */
bool dns_name_canonical(slice name, char out[DNS_NAME_MAX], size_t *n);
/* Wire form of a canonical name ("" is the root); returns its length. */
size_t dns_name_to_wire(slice canonical, uint8_t out[DNS_WIRE_MAX]);
/* Master-file text with a final dot; what is not printable or has a meaning there as \DDD. */
void dns_name_text(struct strbuf *b, slice canonical);
/* A quoted string of a master file. */
void dns_string_text(struct strbuf *b, slice octets);

#endif
