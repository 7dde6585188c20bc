#include "dns/name.h"

#include <string.h>

bool
dns_name_canonical(slice name, char out[DNS_NAME_MAX], size_t *n)
{
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > DNS_NAME_MAX)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if (++label > DNS_LABEL_MAX) {
            return false;
        }
        out[i] = ascii_lower(c);
    }
    if (label == 0)
        return false;
    *n = name.n;
    return true;
}

size_t
dns_name_to_wire(slice canonical, uint8_t out[DNS_WIRE_MAX])
{
    if (canonical.n == 0) {
        out[0] = 0;
        return 1;
    }
    size_t length_at = 0;
    for (size_t i = 0; i < canonical.n; i++) {
        if (canonical.p[i] == '.') {
            out[length_at] = (uint8_t)(i - length_at);
            length_at = i + 1;
        } else {
            out[i + 1] = (uint8_t)canonical.p[i];
        }
    }
    out[length_at] = (uint8_t)(canonical.n - length_at);
    out[canonical.n + 1] = 0;
    return canonical.n + 2;
}

static void
add_escaped(struct strbuf *b, unsigned char c, const char *special)
{
    if (c <= ' ' || c >= 0x7f || strchr(special, c) != NULL)
        strbuf_printf(b, "\\%03u", (unsigned)c);
    else
        strbuf_add_char(b, (char)c);
}

void
dns_name_text(struct strbuf *b, slice canonical)
{
    for (size_t i = 0; i < canonical.n; i++)
        add_escaped(b, (unsigned char)canonical.p[i], "\"\\();@$*");
    strbuf_add_char(b, '.');
}

void
dns_string_text(struct strbuf *b, slice octets)
{
    strbuf_add_char(b, '"');
    for (size_t i = 0; i < octets.n; i++) {
        if (octets.p[i] == ' ')
            strbuf_add_char(b, ' ');
        else
            add_escaped(b, (unsigned char)octets.p[i], "\"\\");
    }
    strbuf_add_char(b, '"');
}
