/*
 * canon_scan.h - where relaxed canonicalisation has to change something: the search that decides its speed.
 * Three bodies of one function, all compiled and tested wherever the machine allows it.
 */
#ifndef VIDIMUS_DKIM_CANON_SCAN_H
#define VIDIMUS_DKIM_CANON_SCAN_H

#include <stdint.h>
#include <string.h>

#include "base/slice.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * The first octet at or after `from` where a run of white space begins that may not stay as it is: an HTAB, or an SP
 * followed by SP, HTAB, CR or the end of the text (what comes next is not known).  n if there is none.
 */
static inline size_t
canon_scan_bytes(const char *p, size_t n, size_t from)
{
    for (; from < n; from++) {
        if (p[from] == '\t')
            return from;
        if (p[from] == ' ' &&
            (from + 1 == n || ascii_is_wsp(p[from + 1]) || p[from + 1] == '\r'))
            return from;
    }
    return n;
}

/* 0x80 in each octet of v that equals c; exact, with no carry between octets. */
static inline uint64_t
canon_octets_equal(uint64_t v, unsigned char c)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t x = v ^ (UINT64_C(0x0101010101010101) * c);
    return ~(((x & low7) + low7) | x | low7);
}

/* Eight octets at a time, in portable C: finds the word, the byte loop finds the octet. */
static inline size_t
canon_scan_words(const char *p, size_t n, size_t from)
{
    for (; n - from > 8; from += 8) {
        uint64_t here, next;
        memcpy(&here, p + from, 8);
        memcpy(&next, p + from + 1, 8);
        uint64_t sp = canon_octets_equal(here, ' ');
        uint64_t hit = canon_octets_equal(here, '\t');
        if (sp != 0)
            hit |= sp & (canon_octets_equal(next, ' ') | canon_octets_equal(next, '\t') |
                         canon_octets_equal(next, '\r'));
        if (hit != 0)
            break;
    }
    return canon_scan_bytes(p, n, from);
}

#ifdef __SSE2__
static inline size_t
canon_scan_sse2(const char *p, size_t n, size_t from)
{
    const __m128i space = _mm_set1_epi8(' '), tab = _mm_set1_epi8('\t'), cr = _mm_set1_epi8('\r');
    for (; n - from > 16; from += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(p + from));
        __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(p + from + 1));
        __m128i follows = _mm_or_si128(_mm_cmpeq_epi8(next, space),
                                       _mm_or_si128(_mm_cmpeq_epi8(next, tab), _mm_cmpeq_epi8(next, cr)));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(here, tab), _mm_and_si128(_mm_cmpeq_epi8(here, space), follows));
        int mask = _mm_movemask_epi8(hit);
        if (mask != 0)
            return from + (size_t)__builtin_ctz((unsigned)mask);
    }
    return canon_scan_words(p, n, from);
}
#define canon_scan canon_scan_sse2
#else
#define canon_scan canon_scan_words
#endif

#endif
