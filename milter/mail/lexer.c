#include "mail/lexer.h"
#include "mail/utf8.h"

#include <string.h>

bool
lexer_at_end(const struct lexer *x)
{
    return x->at >= x->text.n;
}

bool
lexer_is_at(const struct lexer *x, char c)
{
    return x->at < x->text.n && x->text.p[x->at] == c;
}

bool
lexer_take(struct lexer *x, char c)
{
    bool is = lexer_is_at(x, c);
    x->at += is;
    return is;
}

/* White space or a whole fold at `at`; 0: neither. */
static size_t
blank_length(slice s, size_t at)
{
    if (ascii_is_wsp(s.p[at]))
        return 1;
    size_t end = at + (s.p[at] == '\r');
    if (end + 1 < s.n && s.p[end] == '\n' && ascii_is_wsp(s.p[end + 1]))
        return end + 2 - at;
    return 0;
}

/* A printable character at `at`: VCHAR or UTF-8 (RFC 6532 3.1). */
static size_t
visible_length(slice s, size_t at)
{
    unsigned char c = (unsigned char)s.p[at];
    return c <= ' ' || c == 0x7f ? 0 : utf8_length(s, at);
}

/* A quoted pair at the backslash at `at`, or any character of comments and quoted strings. */
static size_t
content_length(slice s, size_t at)
{
    if (s.p[at] != '\\') {
        size_t n = blank_length(s, at);
        return n > 0 ? n : visible_length(s, at);
    }
    if (at + 1 >= s.n)
        return 0;
    size_t n = ascii_is_wsp(s.p[at + 1]) ? 1 : visible_length(s, at + 1);
    return n == 0 ? 0 : n + 1;
}

bool
lexer_skip_cfws(struct lexer *x)
{
    size_t depth = 0;
    while (x->at < x->text.n) {
        char c = x->text.p[x->at];
        size_t n = 1;
        if (c == '(')
            depth++;
        else if (depth == 0)
            n = blank_length(x->text, x->at);
        else if (c == ')')
            depth--;
        else if ((n = content_length(x->text, x->at)) == 0)
            return false;
        if (n == 0)
            return true;
        x->at += n;
    }
    return depth == 0;
}

void
lexer_skip_fws(struct lexer *x)
{
    for (size_t n; x->at < x->text.n && (n = blank_length(x->text, x->at)) > 0;)
        x->at += n;
}

bool
lexer_take_pair(struct lexer *x)
{
    size_t n = lexer_is_at(x, '\\') ? content_length(x->text, x->at) : 0;
    x->at += n;
    return n > 0;
}

slice
lexer_run(struct lexer *x, bool (*belongs)(char c))
{
    size_t start = x->at;
    while (x->at < x->text.n) {
        char c = x->text.p[x->at];
        size_t n = (unsigned char)c < 0x80 ? belongs(c) : utf8_length(x->text, x->at);
        if (n == 0)
            break;
        x->at += n;
    }
    return (slice){ x->text.p + start, x->at - start };
}

bool
lexer_quoted(struct lexer *x, slice *inner)
{
    if (!lexer_take(x, '"'))
        return false;
    size_t start = x->at;
    while (x->at < x->text.n) {
        if (x->text.p[x->at] == '"') {
            *inner = (slice){ x->text.p + start, x->at - start };
            x->at++;
            return true;
        }
        size_t n = content_length(x->text, x->at);
        if (n == 0)
            return false;
        x->at += n;
    }
    return false;
}

slice
lexer_unquote(struct arena *a, slice inner)
{
    char *p = arena_alloc(a, inner.n + 1);
    size_t n = 0;
    if (p == NULL)
        return (slice){ NULL, 0 };
    for (size_t i = 0; i < inner.n; i++) {
        if (inner.p[i] == '\\' && i + 1 < inner.n)
            i++;
        else if (inner.p[i] == '\r' || inner.p[i] == '\n')
            continue; /* of a fold: no others get here */
        p[n++] = inner.p[i];
    }
    p[n] = '\0';
    return (slice){ p, n };
}

bool
lexer_is_atext(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}
