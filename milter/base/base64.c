#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
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
        char c = text.p[i];
        if (ascii_is_wsp(c) || c == '\r' || c == '\n')
            continue;
        if (c == '=') {
            pads++;
            continue;
        }
        int v = sextet(c);
        if (v < 0 || pads > 0)
            return ST_SYNTAX;
        bits = (bits & 0xffff) << 6 | (uint32_t)v;
        if (digits++ % 4 != 0)
            p[n++] = (unsigned char)(bits >> (6 - 2 * ((digits - 1) % 4)));
    }
    size_t last = digits % 4;
    bool right = last == 0 ? pads == 0 : last == 1 ? false : pads == 4 - last;
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
