/*
 * accept.h - what our own rules say of signatures, whichever engine verifies them: which are looked at first, and which
 * do not count although they verify.  Internal to dkim/ and second/.
 */
#ifndef VIDIMUS_DKIM_ACCEPT_H
#define VIDIMUS_DKIM_ACCEPT_H

#include "dkim/signature.h"

/* 0: the author's own domain, 1: one above or below it, 2: any other (RFC 6376 6.1 leaves the order to us). */
unsigned dkim_distance(const struct dkim_signature *s, slice author_domain);

/* Times, unsigned body text, copies of fields that people and programs read once.  *objection is empty if there is
 * none.  ST_NOMEM or ST_OK. */
enum status dkim_accept(struct arena *a, const struct dkim_options *o, const struct header_list *headers,
                        const struct dkim_signature *s, uint64_t unsigned_bytes, slice *objection);

#endif
