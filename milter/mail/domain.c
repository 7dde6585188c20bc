#include "mail/domain.h"
#include "mail/utf8.h"

#include <string.h>

#include <idn2.h>

/* A label of 63 octets of Punycode never needs more than four octets of UTF-8 for each of them. */
#define DOMAIN_TEXT_MAX ((size_t)(DOMAIN_MAX + 1) * 4)

static bool
is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '-' || c == '_';
}

bool
domain_is_name(slice s)
{
    if (s.n == 0 || s.n > DOMAIN_MAX)
        return false;
    for (size_t i = 0, start = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '.') {
            if (!is_label_char(s.p[i]))
                return false;
            continue;
        }
        size_t n = i - start;
        if (n == 0 || n > DOMAIN_LABEL_MAX || s.p[start] == '-' || s.p[i - 1] == '-')
            return false;
        start = i + 1;
    }
    return true;
}

/*
 * U-labels by libidn2: the mapping of UTS #46 first, non-transitional, then the tests of IDNA 2008.  The mapping takes
 * full-width letters and the dots U+3002, U+FF0E and U+FF61 to what they stand for; joiners out of context, marks of
 * direction and the like are errors.  Whatever it returns is checked again by domain_is_name().
 */
static enum status
to_a_labels(struct arena *a, slice text, slice *out)
{
    if (memchr(text.p, '\0', text.n) != NULL || !utf8_is_valid(text))
        return ST_SYNTAX;
    const char *u = arena_strdup(a, text);
    if (u == NULL)
        return ST_NOMEM;
    char *ascii = NULL;
    int rc = idn2_to_ascii_8z(u, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (rc == IDN2_MALLOC)
        return ST_NOMEM;
    if (rc != IDN2_OK || ascii == NULL)
        return ST_SYNTAX;
    *out = arena_slice(a, slice_from(ascii));
    idn2_free(ascii);
    return out->p == NULL ? ST_NOMEM : ST_OK;
}

enum status
domain_from_text(struct arena *a, slice text, slice *out)
{
    if (text.n == 0 || text.n > DOMAIN_TEXT_MAX)
        return ST_SYNTAX;
    bool ascii = true;
    for (size_t i = 0; i < text.n && ascii; i++)
        ascii = (unsigned char)text.p[i] < 0x80;
    slice mapped = text;
    if (!ascii) {
        enum status st = to_a_labels(a, text, &mapped);
        if (st != ST_OK)
            return st;
    }
    if (mapped.n > 0 && mapped.p[mapped.n - 1] == '.')
        mapped.n--;
    if (mapped.n > DOMAIN_MAX)
        return ST_SYNTAX;
    slice name = arena_lower(a, mapped);
    if (name.p == NULL)
        return ST_NOMEM;
    if (!domain_is_name(name))
        return ST_SYNTAX;
    *out = name;
    return ST_OK;
}

size_t
domain_labels(slice name)
{
    size_t n = name.n > 0;
    for (size_t i = 0; i < name.n; i++)
        n += name.p[i] == '.';
    return n;
}

slice
domain_parent(slice name)
{
    return slice_tail(name, slice_find(name, '.') + 1);
}

slice
domain_last_labels(slice name, size_t n)
{
    size_t i = name.n, dots = 0;
    while (i > 0) {
        if (name.p[i - 1] == '.' && ++dots == n)
            break;
        i--;
    }
    return n == 0 ? SLICE_EMPTY : slice_tail(name, i);
}

bool
domain_equal_or_below(slice name, slice parent)
{
    if (parent.n == 0 || name.n < parent.n || !slice_iends(name, parent))
        return false;
    return name.n == parent.n || name.p[name.n - parent.n - 1] == '.';
}
