/*
 * zonetext.h - the lexer of master-file text (RFC 1035 5.1): logical lines cut into words.  Iterative, linear.
 */
#ifndef VIDIMUS_DNS_ZONETEXT_H
#define VIDIMUS_DNS_ZONETEXT_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"

struct zone_word {
    slice raw; /* without the quotes; escapes as written */
    bool quoted;
};

struct zone_lexer {
    slice text;
    size_t at;
    unsigned line;      /* where the next logical line begins */
    struct zone_word *words; /* of the current logical line; memory kept from line to line */
    size_t n, cap;
    unsigned first_line; /* of the current logical line */
    bool indented;       /* it began with white space: the owner is that of the line before */
    const char *error;   /* why zone_lexer_next() gave ST_SYNTAX; the faulty line is skipped */
};

void zone_lexer_init(struct zone_lexer *l, slice text);
void zone_lexer_clear(struct zone_lexer *l);
/* The next logical line that is not empty.  *more is false at the end.  ST_SYNTAX: see error, and go on. */
enum status zone_lexer_next(struct zone_lexer *l, bool *more);

/* What the functions below say when memory is short: compare the pointer. */
extern const char zone_no_memory[];

/* Octets of a word with \DDD and \X undone.  NULL: fine, else what is wrong. */
const char *zone_unescape(struct arena *a, slice raw, slice *out);
/* A name, made absolute with `origin` (canonical, "" is the root) and canonical itself; "" is the root.
 * NULL: fine, else what is wrong. */
const char *zone_name(struct arena *a, slice raw, slice origin, slice *out);
/* Seconds, or 1w2d3h4m5s; at most 2^31-1 (RFC 2181 8). */
bool zone_ttl(slice raw, uint32_t *out);

#endif
