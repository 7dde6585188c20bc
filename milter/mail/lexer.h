/*
 * lexer.h - the words of structured header fields (RFC 5322 3.2, RFC 6532): white space, comments, quoted strings.
 * Only forwards, so whoever reads with it is linear.  Control characters and ill-formed UTF-8 belong to nothing here,
 * not even behind a backslash: RFC 5322 lets them stand in obsolete text, where they only serve to deceive.
 * Folds are CRLF WSP or, as a milter gets them, LF WSP.
 */
#ifndef VIDIMUS_MAIL_LEXER_H
#define VIDIMUS_MAIL_LEXER_H

#include "base/arena.h"
#include "base/slice.h"

struct lexer {
    slice text;
    size_t at;
};

bool lexer_at_end(const struct lexer *x);
bool lexer_is_at(const struct lexer *x, char c);
bool lexer_take(struct lexer *x, char c); /* steps over c if it is next */
/* Steps over [CFWS], comments nested to any depth.  False: a comment that does not end, or holds what it must not. */
bool lexer_skip_cfws(struct lexer *x);
void lexer_skip_fws(struct lexer *x); /* steps over white space and folds */
bool lexer_take_pair(struct lexer *x); /* steps over a quoted pair if one is next */
/* The longest run of octets that belong, and of UTF-8 characters; may be empty. */
slice lexer_run(struct lexer *x, bool (*belongs)(char c));
/* At a quote: steps over the quoted string; *inner is what stands between the quotes, as written.  False: malformed. */
bool lexer_quoted(struct lexer *x, slice *inner);
/* What the inside of a quoted string says: quoted pairs and folds undone.  {NULL,0}: no memory. */
slice lexer_unquote(struct arena *a, slice inner);

bool lexer_is_atext(char c); /* RFC 5322 3.2.3 */

#endif
