/*
 * strbuf.h - growing text with a sticky error: append freely, look at strbuf_status() once at the end.
 * Ownership: heap memory, freed by strbuf_clear(); strbuf_slice() borrows until the next append.
 * After an error nothing more is appended; the content is then incomplete and must not be used.
 */
#ifndef VIDIMUS_BASE_STRBUF_H
#define VIDIMUS_BASE_STRBUF_H

#include "base/slice.h"
#include "base/status.h"

struct arena;

struct strbuf {
    char *p;
    size_t n, cap, max;
    enum status st;
};

void strbuf_init(struct strbuf *b, size_t max); /* bytes at most, else ST_LIMIT; 0: no limit */
void strbuf_clear(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* empty again, error forgotten, memory kept */
void strbuf_add(struct strbuf *b, slice s);
void strbuf_add_str(struct strbuf *b, const char *s);
void strbuf_add_char(struct strbuf *b, char c);
void strbuf_add_u64(struct strbuf *b, uint64_t v);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for n octets at the end, to be written in place; NULL after an error.  strbuf_took() says how many were. */
char *strbuf_room(struct strbuf *b, size_t n);
void strbuf_took(struct strbuf *b, size_t n);
enum status strbuf_status(const struct strbuf *b);
slice strbuf_slice(const struct strbuf *b);
/* The text, NUL-terminated, borrowed until the next append; "" after an error. */
const char *strbuf_str(struct strbuf *b);
/* A copy in the arena, and the buffer is cleared.  {NULL,0} after any error. */
slice strbuf_finish(struct strbuf *b, struct arena *a);

#endif
