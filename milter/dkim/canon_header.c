#include "dkim/canon.h"

#include <string.h>

#include "mail/headers.h"

/* RFC 6376 3.4.2: unfold, one SP for each run of white space, none at the end of the value nor around the colon. */
static void
relaxed_value(struct strbuf *out, slice v)
{
    bool space = false, begun = false;
    size_t i = 0;
    while (i < v.n) {
        size_t start = i;
        while (i < v.n && !ascii_is_wsp(v.p[i]) && v.p[i] != '\r')
            i++;
        if (i > start) {
            if (space && begun)
                strbuf_add_char(out, ' ');
            strbuf_add(out, (slice){ v.p + start, i - start });
            begun = true;
            space = false;
        }
        if (i == v.n)
            break;
        if (ascii_is_wsp(v.p[i])) {
            space = true;
            i++;
        } else if (i + 1 < v.n && v.p[i + 1] == '\n' && (i + 2 == v.n || ascii_is_wsp(v.p[i + 2]))) {
            i += 2; /* a fold: the CRLF goes, the white space after it stays */
        } else { /* a CR of its own is text like any other */
            if (space && begun)
                strbuf_add_char(out, ' ');
            strbuf_add_char(out, '\r');
            begun = true;
            space = false;
            i++;
        }
    }
}

void
header_canon_add(struct strbuf *out, enum canon c, const struct header_field *f)
{
    if (c == CANON_SIMPLE) {
        strbuf_add(out, f->raw);
        return;
    }
    for (size_t i = 0; i < f->name.n; i++)
        strbuf_add_char(out, ascii_lower(f->name.p[i]));
    strbuf_add_char(out, ':');
    relaxed_value(out, f->value);
}
