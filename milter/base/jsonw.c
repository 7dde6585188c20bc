#include "base/jsonw.h"

#include <inttypes.h>

void
jsonw_name(struct strbuf *b, const char *name)
{
    char last = b->n > 0 ? b->p[b->n - 1] : '{';
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        strbuf_add_char(b, ',');
    if (name == NULL)
        return;
    strbuf_add_char(b, '"');
    strbuf_add_str(b, name);
    strbuf_add(b, SLICE("\":"));
}

static void
quoted(struct strbuf *b, slice s)
{
    static const char hex[] = "0123456789abcdef";
    strbuf_add_char(b, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        strbuf_add(b, (slice){ s.p + from, i - from });
        from = i + 1;
        const char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        strbuf_add(b, c == 0 ? SLICE("\\ufffd") : (slice){ escape, sizeof(escape) }); /* readers refuse NUL */
    }
    strbuf_add(b, slice_tail(s, from));
    strbuf_add_char(b, '"');
}

void
jsonw_text(struct strbuf *b, const char *name, slice s)
{
    jsonw_name(b, name);
    quoted(b, s);
}

void
jsonw_null(struct strbuf *b, const char *name)
{
    jsonw_name(b, name);
    strbuf_add(b, SLICE("null"));
}

void
jsonw_text_or_null(struct strbuf *b, const char *name, slice s)
{
    if (s.n == 0)
        jsonw_null(b, name);
    else
        jsonw_text(b, name, s);
}

void
jsonw_word(struct strbuf *b, const char *name, const char *word)
{
    if (word == NULL)
        jsonw_null(b, name);
    else
        jsonw_text(b, name, slice_from(word));
}

void
jsonw_int(struct strbuf *b, const char *name, int64_t v)
{
    jsonw_name(b, name);
    strbuf_printf(b, "%" PRId64, v);
}

void
jsonw_bool(struct strbuf *b, const char *name, bool v)
{
    jsonw_name(b, name);
    strbuf_add(b, v ? SLICE("true") : SLICE("false"));
}

void
jsonw_open(struct strbuf *b, const char *name, char bracket)
{
    jsonw_name(b, name);
    strbuf_add_char(b, bracket);
}

void
jsonw_close(struct strbuf *b, char bracket)
{
    strbuf_add_char(b, bracket);
}
