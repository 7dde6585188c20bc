#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What an octet means to the decoder: 0 to 63 a digit, or one of these. */
enum { SKIP = 64, PAD = 65, BAD = 66 };

static unsigned
meaning(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '+' || c == '/')
        return c == '+' ? 62 : 63;
    return ascii_is_wsp(c) || c == '\r' || c == '\n' ? SKIP : c == '=' ? PAD : BAD;
}

/* The digits of a signature or key come in long runs: four at once by table, 0x80 marks all that is no digit. */
#define U 0x80
static const unsigned char digit[256] = {
    U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,
    U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  62, U,  U,  U,  63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, U,  U,  U,  U,  U,  U,
    U,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, U,  U,  U,  U,  U,
    U,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, U,  U,  U,  U,  U,
    U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,
    U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,
    U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,
    U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,  U,
};
#undef U

/* Whole groups of four digits from *i on; octets written. */
static size_t
decode_run(slice text, size_t *i, unsigned char *p)
{
    const unsigned char *t = (const unsigned char *)text.p;
    size_t n = 0;
    while (text.n - *i >= 4) {
        unsigned a = digit[t[*i]], b = digit[t[*i + 1]], c = digit[t[*i + 2]], d = digit[t[*i + 3]];
        if (((a | b | c | d) & 0x80) != 0)
            break;
        p[n++] = (unsigned char)(a << 2 | b >> 4);
        p[n++] = (unsigned char)(b << 4 | c >> 2);
        p[n++] = (unsigned char)(c << 6 | d);
        *i += 4;
    }
    return n;
}

enum status
base64_decode(struct arena *a, slice text, slice *out)
{
    unsigned char *p = arena_alloc(a, text.n / 4 * 3 + 3);
    if (p == NULL)
        return ST_NOMEM;
    size_t n = 0, digits = 0, pads = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (digits % 4 == 0 && pads == 0) {
            n += decode_run(text, &i, p + n);
            if (i == text.n)
                break;
        }
        unsigned v = meaning(text.p[i]);
        if (v == SKIP)
            continue;
        if (v == PAD) {
            pads++;
            continue;
        }
        if (v == BAD || pads > 0)
            return ST_SYNTAX;
        bits = (bits & 0xffff) << 6 | v;
        if (digits++ % 4 != 0)
            p[n++] = (unsigned char)(bits >> (6 - 2 * ((digits - 1) % 4)));
    }
    size_t last = digits % 4;
    bool right = last == 0 ? pads == 0 : last == 1 ? false : pads == 0 || pads == 4 - last;
    if (!right || (last == 2 && (bits & 15) != 0) || (last == 3 && (bits & 3) != 0))
        return ST_SYNTAX;
    *out = (slice){ (const char *)p, n };
    return ST_OK;
}

void
base64_encode(struct strbuf *b, slice data)
{
    const unsigned char *p = (const unsigned char *)data.p;
    size_t i = 0;
    for (; i + 3 <= data.n; i += 3) {
        char q[4] = { alphabet[p[i] >> 2], alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4],
                      alphabet[(p[i + 1] & 15) << 2 | p[i + 2] >> 6], alphabet[p[i + 2] & 63] };
        strbuf_add(b, (slice){ q, 4 });
    }
    if (data.n - i == 1) {
        char q[4] = { alphabet[p[i] >> 2], alphabet[(p[i] & 3) << 4], '=', '=' };
        strbuf_add(b, (slice){ q, 4 });
    } else if (data.n - i == 2) {
        char q[4] = { alphabet[p[i] >> 2], alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4],
                      alphabet[(p[i + 1] & 15) << 2], '=' };
        strbuf_add(b, (slice){ q, 4 });
    }
}
