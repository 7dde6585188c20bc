/*
 * from_reference.h - a second reader of From fields that shares no code with mail/address: it cuts the text into tokens,
 * writes their kinds down as a word, and asks a regular expression for RFC 5322's address-list whether it likes the word.
 */
#ifndef VIDIMUS_TESTS_FROM_REFERENCE_H
#define VIDIMUS_TESTS_FROM_REFERENCE_H

#include "base/slice.h"

struct from_reference;

struct from_reference *from_reference_new(void);
void from_reference_free(struct from_reference *r);
/* Is this an address list?  If so the domains of all its mailboxes, comments and white space removed; each ends in NUL
 * and lies in storage of `r` until the next call.  -1: not an address list. */
int from_reference_read(struct from_reference *r, slice text, const char *const **domains);

#endif
