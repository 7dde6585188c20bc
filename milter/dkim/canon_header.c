#include "dkim/canon.h"

#include <string.h>

#include "mail/headers.h"

/* The next octet that is not plain text for relaxed canonicalisation: SP, HTAB or CR. */
static size_t
plain_end(slice v, size_t i)
{
    while (i < v.n && v.p[i] != ' ' && v.p[i] != '\t' && v.p[i] != '\r')
        i++;
    return i;
}

static bool
is_fold(slice v, size_t i)
{
    return v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n' &&
           (i + 2 == v.n || ascii_is_wsp(v.p[i + 2]));
}

/* RFC 6376 3.4.2: unfold, one SP for each run of white space, none at the end of the value nor
 * around the colon.  Octets written, never more than the value has. */
static size_t
relaxed_value(char *to, slice v)
{
    size_t n = 0, i = 0;
    bool space = false;
    while (i < v.n) {
        size_t end = plain_end(v, i);
        if (end == i && ascii_is_wsp(v.p[i])) {
            space = true;
            i++;
            continue;
        }
        if (end == i && is_fold(v, i)) {
            i += 2; /* the CRLF goes, the white space after it stays */
            continue;
        }
        if (end == i)
            end++; /* a CR of its own is text like any other */
        if (space && n > 0)
            to[n++] = ' ';
        space = false;
        memcpy(to + n, v.p + i, end - i);
        n += end - i;
        i = end;
    }
    return n;
}

void
header_canon_add(struct strbuf *out, enum canon c, const struct header_field *f)
{
    if (c == CANON_SIMPLE) {
        strbuf_add(out, f->raw);
        return;
    }
    char *to = strbuf_room(out, f->name.n + 1 + f->value.n);
    if (to == NULL)
        return;
    for (size_t i = 0; i < f->name.n; i++)
        to[i] = ascii_lower(f->name.p[i]);
    to[f->name.n] = ':';
    strbuf_took(out, f->name.n + 1 + relaxed_value(to + f->name.n + 1, f->value));
}
