/*
 * slice.h - borrowed bytes, the form in which all text from mail, DNS and files is passed around.
 * A slice may hold NUL and 8-bit octets, need not end in NUL and never owns what it points to.
 * Comparison folds ASCII only: the locale never decides a domain.
 */
#ifndef VIDIMUS_BASE_SLICE_H
#define VIDIMUS_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct slice {
    const char *p;
    size_t n;
} slice;

#define SLICE(lit) ((slice){ (lit), sizeof(lit) - 1 })
#define SLICE_EMPTY ((slice){ "", 0 })
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* For printf: printf("%.*s", SLICE_ARG(s)).  Only for text already known to be printable. */
#define SLICE_ARG(s) ((int)(s).n), ((s).p)

slice slice_from(const char *s); /* NUL-terminated text; NULL gives the empty slice */
bool slice_eq(slice a, slice b);
bool slice_ieq(slice a, slice b);
bool slice_starts(slice s, slice prefix);
bool slice_istarts(slice s, slice prefix);
bool slice_iends(slice s, slice suffix);
bool slice_has(slice s, char c);
bool slice_is_printable(slice s); /* SP and the visible characters of ASCII, nothing else */
size_t slice_find(slice s, char c);        /* index of the first c, or s.n */
size_t slice_rfind(slice s, char c);       /* index of the last c, or s.n */
bool slice_icontains(slice s, slice part); /* linear enough for short parts only */
bool slice_ifits(slice pattern, slice text); /* "*" in the pattern is any octets; ASCII case does not matter */
slice slice_head(slice s, size_t n);       /* the first n octets, or all */
slice slice_tail(slice s, size_t from);    /* from that index on, or empty */
slice slice_after_bom(slice s);            /* behind the byte order mark that some editors put before UTF-8 */
slice slice_trim(slice s);                 /* without SP, HTAB, CR, LF at both ends */
slice slice_trim_wsp(slice s);             /* without SP and HTAB at both ends */
/* Cut at the first `sep`: *head is before it, *rest after it.  False, and all in *head, if there is none. */
bool slice_cut(slice s, char sep, slice *head, slice *rest);
/* Decimal digits only, 1 to 19 of them, no sign.  False: not a number, or above UINT64_MAX/2. */
bool slice_to_u64(slice s, uint64_t *out);
uint64_t slice_hash(slice s, uint64_t seed); /* for tables, ASCII case folded; not cryptographic */

static inline bool
ascii_is_wsp(char c)
{
    return c == ' ' || c == '\t';
}
static inline bool
ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool
ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool
ascii_is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}
static inline char
ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

#endif
