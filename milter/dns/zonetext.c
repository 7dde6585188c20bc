#include "dns/zonetext.h"
#include "dns/name.h"

#include <stdlib.h>
#include <string.h>

const char zone_no_memory[] = "out of memory";

void
zone_lexer_init(struct zone_lexer *l, slice text)
{
    *l = (struct zone_lexer){ .text = text, .line = 1 };
}

void
zone_lexer_clear(struct zone_lexer *l)
{
    free(l->words);
    *l = (struct zone_lexer){ 0 };
}

static enum status
add_word(struct zone_lexer *l, slice raw, bool quoted)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        struct zone_word *words = realloc(l->words, cap * sizeof(*words));
        if (words == NULL)
            return ST_NOMEM;
        l->words = words;
        l->cap = cap;
    }
    l->words[l->n++] = (struct zone_word){ raw, quoted };
    return ST_OK;
}

static bool
ends_word(char c)
{
    return ascii_is_wsp(c) || c == '\n' || c == '\r' || c == ';' || c == '(' || c == ')' ||
           c == '"';
}

/* From the octet after the opening quote on.  False: the line ends before the string. */
static bool
take_quoted(struct zone_lexer *l, slice *out)
{
    size_t from = l->at;
    while (l->at < l->text.n && l->text.p[l->at] != '"' && l->text.p[l->at] != '\n') {
        if (l->text.p[l->at] == '\\' && l->at + 1 < l->text.n && l->text.p[l->at + 1] != '\n')
            l->at++;
        l->at++;
    }
    *out = (slice){ l->text.p + from, l->at - from };
    if (l->at >= l->text.n || l->text.p[l->at] != '"')
        return false;
    l->at++;
    return true;
}

static slice
take_plain(struct zone_lexer *l)
{
    size_t from = l->at;
    while (l->at < l->text.n && !ends_word(l->text.p[l->at])) {
        if (l->text.p[l->at] == '\\' && l->at + 1 < l->text.n && l->text.p[l->at + 1] != '\n')
            l->at++;
        l->at++;
    }
    return (slice){ l->text.p + from, l->at - from };
}

/* One logical line, possibly empty, up to and with its line end. */
static enum status
take_line(struct zone_lexer *l)
{
    unsigned depth = 0;
    l->n = 0;
    l->error = NULL;
    l->first_line = l->line;
    l->indented = l->at < l->text.n && ascii_is_wsp(l->text.p[l->at]);
    while (l->at < l->text.n) {
        char c = l->text.p[l->at];
        slice word;
        enum status st = ST_OK;
        if (c == '\n') {
            l->at++;
            l->line++;
            if (depth == 0)
                break;
        } else if (ascii_is_wsp(c) || c == '\r') {
            l->at++;
        } else if (c == ';') {
            while (l->at < l->text.n && l->text.p[l->at] != '\n')
                l->at++;
        } else if (c == '(') {
            l->at++;
            depth++;
        } else if (c == ')') {
            l->at++;
            if (depth == 0)
                l->error = "a closing parenthesis too many";
            else
                depth--;
        } else if (c == '"') {
            l->at++;
            if (!take_quoted(l, &word))
                l->error = "a quoted string does not end on its line";
            st = add_word(l, word, true);
        } else {
            word = take_plain(l);
            st = add_word(l, word, false);
        }
        if (st != ST_OK)
            return st;
    }
    if (depth > 0)
        l->error = "a parenthesis is not closed";
    return l->error == NULL ? ST_OK : ST_SYNTAX;
}

enum status
zone_lexer_next(struct zone_lexer *l, bool *more)
{
    while (l->at < l->text.n) {
        *more = true;
        enum status st = take_line(l);
        if (st != ST_OK || l->n > 0)
            return st;
    }
    *more = false;
    return ST_OK;
}

/* The escape at p[*i] == '\\' (RFC 1035 5.1); *i moves past it.  -1: not one. */
static int
take_escape(slice s, size_t *i)
{
    size_t at = *i + 1;
    if (at >= s.n)
        return -1;
    if (!ascii_is_digit(s.p[at])) {
        *i = at + 1;
        return (unsigned char)s.p[at];
    }
    if (s.n - at < 3 || !ascii_is_digit(s.p[at + 1]) || !ascii_is_digit(s.p[at + 2]))
        return -1;
    int v = (s.p[at] - '0') * 100 + (s.p[at + 1] - '0') * 10 + (s.p[at + 2] - '0');
    *i = at + 3;
    return v > 255 ? -1 : v;
}

const char *
zone_unescape(struct arena *a, slice raw, slice *out)
{
    char *p = arena_alloc(a, raw.n + 1);
    if (p == NULL)
        return zone_no_memory;
    size_t n = 0;
    for (size_t i = 0; i < raw.n;) {
        int c = (unsigned char)raw.p[i];
        if (c != '\\')
            i++;
        else if ((c = take_escape(raw, &i)) < 0)
            return "a bad escape in a string";
        p[n++] = (char)c;
    }
    *out = (slice){ p, n };
    return NULL;
}

const char *
zone_name(struct arena *a, slice raw, slice origin, slice *out)
{
    if (raw.n == 1 && raw.p[0] == '@') {
        *out = origin;
        return NULL;
    }
    if (raw.n == 1 && raw.p[0] == '.') {
        *out = SLICE_EMPTY;
        return NULL;
    }
    char text[DNS_NAME_MAX + 1], canonical[DNS_NAME_MAX];
    size_t n = 0;
    bool absolute = false;
    for (size_t i = 0; i < raw.n;) {
        int c = (unsigned char)raw.p[i];
        absolute = c == '.';
        if (c != '\\')
            i++;
        else if ((c = take_escape(raw, &i)) < 0)
            return "a bad escape in a name";
        else if (c == '.')
            return "a dot inside a label is not supported";
        if (n == sizeof(text))
            return "a name is longer than 253 octets";
        text[n++] = (char)c;
    }
    if (!absolute && origin.n > 0) {
        if (n + 1 + origin.n > sizeof(text))
            return "a name is longer than 253 octets";
        text[n++] = '.';
        memcpy(text + n, origin.p, origin.n);
        n += origin.n;
    }
    size_t canonical_n = 0;
    if (!dns_name_canonical((slice){ text, n }, canonical, &canonical_n))
        return "a name has an empty label, a label over 63 or more than 253 octets";
    *out = arena_slice(a, (slice){ canonical, canonical_n });
    return out->p == NULL ? zone_no_memory : NULL;
}

bool
zone_ttl(slice raw, uint32_t *out)
{
    uint64_t total = 0, v = 0;
    bool digits = false, unit = false;
    for (size_t i = 0; i < raw.n; i++) {
        char c = ascii_lower(raw.p[i]);
        if (ascii_is_digit(c)) {
            v = v * 10 + (uint64_t)(c - '0');
            digits = true;
            unit = false;
        } else {
            uint64_t scale = c == 's'   ? 1
                             : c == 'm' ? 60
                             : c == 'h' ? 3600
                             : c == 'd' ? 86400
                             : c == 'w' ? 604800
                                        : 0;
            if (!digits || scale == 0)
                return false;
            total += v * scale;
            v = 0;
            digits = false;
            unit = true;
        }
        if (v > INT32_MAX || total > INT32_MAX)
            return false;
    }
    if (!digits && !unit)
        return false;
    total += v;
    if (total > INT32_MAX)
        return false;
    *out = (uint32_t)total;
    return true;
}
