/*
 * utf8.h - is it UTF-8 (RFC 3629)?  Overlong forms, surrogates and what lies above U+10FFFF are not.
 */
#ifndef VIDIMUS_MAIL_UTF8_H
#define VIDIMUS_MAIL_UTF8_H

#include "base/slice.h"

/* Octets of the well-formed character that begins at s.p[at] (1 for ASCII, NUL included); 0: none begins there. */
size_t utf8_length(slice s, size_t at);
bool utf8_is_valid(slice s);

#endif
