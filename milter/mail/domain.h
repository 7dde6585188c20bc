/*
 * domain.h - domain names as text: checked, folded to A-labels, taken apart (RFC 1035 2.3, RFC 5890, RFC 8616).
 * A "name" here is lower-case ASCII A-labels without a trailing dot: the only form that is compared, asked for,
 * stored or printed.  libidn2 is used here and nowhere else.
 */
#ifndef VIDIMUS_MAIL_DOMAIN_H
#define VIDIMUS_MAIL_DOMAIN_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

#define DOMAIN_MAX 253
#define DOMAIN_LABEL_MAX 63

/* Text from mail to a name: one trailing dot dropped, full-width and ideographic dots taken as dots, U-labels
 * to A-labels by IDNA 2008, lower case.  Labels: letters, digits, "-" and "_" (not "-" at either end).
 * ST_SYNTAX: not a domain name (empty label, too long, other octets, bad IDNA, address literal). */
enum status domain_from_text(struct arena *a, slice text, slice *out);
/* Is it a name in the form above already? */
bool domain_is_name(slice s);
size_t domain_labels(slice name);
slice domain_parent(slice name);               /* without its leftmost label; empty for a single label */
slice domain_last_labels(slice name, size_t n); /* the rightmost n labels, or all */
bool domain_equal_or_below(slice name, slice parent);

#endif
