#include "base/slice.h"
#include "base/status.h"

#include <string.h>

const char *
status_name(enum status st)
{
    switch (st) {
    case ST_OK:
        return "ok";
    case ST_NOMEM:
        return "out of memory";
    case ST_SYNTAX:
        return "syntax error";
    case ST_LIMIT:
        return "limit exceeded";
    case ST_TIMEOUT:
        return "timed out";
    case ST_INTERNAL:
        return "internal error";
    }
    return "unknown status";
}

slice
slice_from(const char *s)
{
    return s == NULL ? SLICE_EMPTY : (slice){ s, strlen(s) };
}

bool
slice_eq(slice a, slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
slice_ieq(slice a, slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool
slice_starts(slice s, slice prefix)
{
    return slice_eq(slice_head(s, prefix.n), prefix);
}

bool
slice_istarts(slice s, slice prefix)
{
    return slice_ieq(slice_head(s, prefix.n), prefix);
}

bool
slice_iends(slice s, slice suffix)
{
    return s.n >= suffix.n && slice_ieq(slice_tail(s, s.n - suffix.n), suffix);
}

bool
slice_has(slice s, char c)
{
    return slice_find(s, c) < s.n;
}

bool
slice_is_printable(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

size_t
slice_find(slice s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return at == NULL ? s.n : (size_t)(at - s.p);
}

size_t
slice_rfind(slice s, char c)
{
    for (size_t i = s.n; i-- > 0;)
        if (s.p[i] == c)
            return i;
    return s.n;
}

bool
slice_icontains(slice s, slice part)
{
    for (size_t i = 0; i + part.n <= s.n; i++)
        if (slice_ieq((slice){ s.p + i, part.n }, part))
            return true;
    return false;
}

/* One mark to come back to is enough, so the time is bounded by the product of the lengths. */
bool
slice_ifits(slice pattern, slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && ascii_lower(pattern.p[p]) == ascii_lower(text.p[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

slice
slice_head(slice s, size_t n)
{
    return (slice){ s.p, n < s.n ? n : s.n };
}

slice
slice_tail(slice s, size_t from)
{
    return from >= s.n ? SLICE_EMPTY : (slice){ s.p + from, s.n - from };
}

slice
slice_after_bom(slice s)
{
    return slice_starts(s, SLICE("\xEF\xBB\xBF")) ? slice_tail(s, 3) : s;
}

static bool
is_blank(char c)
{
    return ascii_is_wsp(c) || c == '\r' || c == '\n';
}

slice
slice_trim(slice s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

slice
slice_trim_wsp(slice s)
{
    while (s.n > 0 && ascii_is_wsp(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && ascii_is_wsp(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool
slice_cut(slice s, char sep, slice *head, slice *rest)
{
    size_t at = slice_find(s, sep);
    *head = slice_head(s, at);
    *rest = slice_tail(s, at + 1);
    return at < s.n;
}

bool
slice_to_u64(slice s, uint64_t *out)
{
    if (s.n == 0 || s.n > 19)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]))
            return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0'); /* 19 digits stay below 10^19 < 2^64 */
    }
    if (v > UINT64_MAX / 2)
        return false;
    *out = v;
    return true;
}

uint64_t
slice_hash(slice s, uint64_t seed)
{
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.n; i++) {
        h ^= (unsigned char)ascii_lower(s.p[i]);
        h *= UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    return h ^ (h >> 32);
}
