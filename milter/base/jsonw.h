/*
 * jsonw.h - writing JSON into a strbuf: commas, quoting and escaping in one place.
 * What comes out is ASCII on one line whatever the text holds: octets outside printable ASCII are escaped one by one, so
 * text that is not ASCII should not get here unless its octets are what is wanted.
 */
#ifndef VIDIMUS_BASE_JSONW_H
#define VIDIMUS_BASE_JSONW_H

#include "base/strbuf.h"

/* A comma if one is due, then the name (NULL inside an array). */
void jsonw_name(struct strbuf *b, const char *name);
void jsonw_text(struct strbuf *b, const char *name, slice s);        /* "" stays "" */
void jsonw_text_or_null(struct strbuf *b, const char *name, slice s); /* empty is null */
void jsonw_word(struct strbuf *b, const char *name, const char *word); /* NULL is null */
void jsonw_int(struct strbuf *b, const char *name, int64_t v);
void jsonw_bool(struct strbuf *b, const char *name, bool v);
void jsonw_null(struct strbuf *b, const char *name);
void jsonw_open(struct strbuf *b, const char *name, char bracket); /* '{' or '[' */
void jsonw_close(struct strbuf *b, char bracket);                  /* '}' or ']' */

#endif
