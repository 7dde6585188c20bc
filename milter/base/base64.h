/*
 * base64.h - RFC 4648 base64 as DKIM uses it: folding white space anywhere is ignored on reading (RFC 6376 3.5 b=).
 */
#ifndef VIDIMUS_BASE_BASE64_H
#define VIDIMUS_BASE_BASE64_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"

/* Strict but for white space: padding right or, as the base64string of RFC 6376 2.10 may, left out; no stray characters,
 * unused bits zero.  ST_SYNTAX otherwise. */
enum status base64_decode(struct arena *a, slice text, slice *out);
void base64_encode(struct strbuf *b, slice data); /* no line breaks */

#endif
