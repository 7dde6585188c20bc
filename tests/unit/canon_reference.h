/* canon_reference.h - RFC 6376 3.4.3 and 3.4.4 read word by word, on the whole body: slow, and what canon is compared with. */
#ifndef VIDIMUS_TEST_CANON_REFERENCE_H
#define VIDIMUS_TEST_CANON_REFERENCE_H

#include <stdlib.h>

#include "base/arena.h"
#include "dkim/canon.h"

static inline slice
canon_reference(struct arena *a, enum canon c, slice body)
{
    char *out = arena_alloc(a, body.n + 2);
    if (out == NULL)
        abort();
    size_t n = 0;
    for (size_t i = 0; i < body.n;) {
        size_t j = i;
        if (c == CANON_RELAXED)
            while (j < body.n && ascii_is_wsp(body.p[j]))
                j++;
        if (j == i) {
            out[n++] = body.p[i++];
            continue;
        }
        bool line_end = j == body.n || (j + 1 < body.n && body.p[j] == '\r' && body.p[j + 1] == '\n');
        if (!line_end)
            out[n++] = ' ';
        i = j;
    }
    while (n >= 2 && out[n - 2] == '\r' && out[n - 1] == '\n')
        n -= 2;
    if (n > 0 || c == CANON_SIMPLE) {
        out[n++] = '\r';
        out[n++] = '\n';
    }
    return (slice){ out, n };
}

#endif
