#include "mail/utf8.h"

static bool
is_between(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* The table of RFC 3629 section 4: only the second octet has bounds that depend on the first. */
size_t
utf8_length(slice s, size_t at)
{
    if (at >= s.n)
        return 0;
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t left = s.n - at, want;
    unsigned char low = 0x80, high = 0xbf;
    if (p[0] < 0x80)
        return 1;
    if (is_between(p[0], 0xc2, 0xdf)) {
        want = 2;
    } else if (is_between(p[0], 0xe0, 0xef)) {
        want = 3;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;
        high = p[0] == 0xed ? 0x9f : 0xbf;
    } else if (is_between(p[0], 0xf0, 0xf4)) {
        want = 4;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (left < want || !is_between(p[1], low, high))
        return 0;
    for (size_t i = 2; i < want; i++)
        if (!is_between(p[i], 0x80, 0xbf))
            return 0;
    return want;
}

bool
utf8_is_valid(slice s)
{
    for (size_t i = 0, n; i < s.n; i += n)
        if ((n = utf8_length(s, i)) == 0)
            return false;
    return true;
}
