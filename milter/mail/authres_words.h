/*
 * authres_words.h - the words that reader and writer of Authentication-Results agree on (RFC 8601 2.2).
 */
#ifndef VIDIMUS_MAIL_AUTHRES_WORDS_H
#define VIDIMUS_MAIL_AUTHRES_WORDS_H

#include "base/slice.h"

bool authres_is_token_char(char c);   /* RFC 2045 5.1; ASCII only */
bool authres_is_domain_name(slice s); /* domain-name of RFC 6376 3.5, U-labels by RFC 6531 */
bool authres_is_dot_string(slice s);  /* Dot-string of RFC 5321 4.1.2, UTF-8 by RFC 6531 */

#endif
