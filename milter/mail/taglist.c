#include "mail/taglist.h"
#include "mail/utf8.h"

#include <string.h>

#define TAGS_MAX 64

struct reader {
    slice text;
    size_t at;
};

/*
 * White space from `at` on: WSP, and CRLF where WSP follows.  RFC 6376 2.8 leaves out the obsolete fold (a line of
 * nothing but white space); it is read all the same, as RFC 5322 4.2 demands of readers.  A CR or LF that is no fold
 * is left for the caller to stumble over.
 */
static size_t
skip_fws(slice s, size_t at)
{
    for (;;) {
        if (at < s.n && ascii_is_wsp(s.p[at]))
            at++;
        else if (at + 2 < s.n && s.p[at] == '\r' && s.p[at + 1] == '\n' && ascii_is_wsp(s.p[at + 2]))
            at += 3;
        else
            return at;
    }
}

static slice
read_name(struct reader *r)
{
    size_t start = r->at;
    if (r->at < r->text.n && ascii_is_alpha(r->text.p[r->at]))
        for (r->at++; r->at < r->text.n; r->at++)
            if (!ascii_is_alnum(r->text.p[r->at]) && r->text.p[r->at] != '_')
                break;
    return (slice){ r->text.p + start, r->at - start };
}

/* Printable ASCII but ";": what nearly all of a long value is. */
static size_t
plain_run(slice s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] > ' ' && s.p[at + n] < 0x7f && s.p[at + n] != ';')
        n++;
    return n;
}

/* tag-value: VALCHAR, UTF-8 (RFC 6376 3.2, informative note; RFC 8616 4) and white space between them. */
static bool
read_value(struct reader *r, struct tag *t)
{
    slice s = r->text;
    t->value_start = r->at;
    size_t first = r->at = skip_fws(s, r->at), last = first;
    while (r->at < s.n && s.p[r->at] != ';') {
        size_t run = plain_run(s, r->at);
        if (run > 0) {
            last = r->at += run;
            continue;
        }
        size_t n = skip_fws(s, r->at) - r->at;
        if (n == 0) {
            unsigned char c = (unsigned char)s.p[r->at];
            n = c <= ' ' || c == 0x7f ? 0 : utf8_length(s, r->at);
            if (n == 0)
                return false;
            last = r->at + n;
        }
        r->at += n;
    }
    t->value_end = r->at;
    t->value = (slice){ s.p + first, last - first };
    return true;
}

static bool
read_tag(struct reader *r, struct tag *t)
{
    r->at = skip_fws(r->text, r->at);
    t->name = read_name(r);
    r->at = skip_fws(r->text, r->at);
    if (t->name.n == 0 || r->at >= r->text.n || r->text.p[r->at] != '=')
        return false;
    r->at++;
    return read_value(r, t);
}

enum status
taglist_parse(struct arena *a, slice text, struct taglist *out)
{
    struct tag tags[TAGS_MAX];
    size_t n = 0;
    struct reader r = { text, 0 };
    do {
        struct tag t;
        if (!read_tag(&r, &t))
            return ST_SYNTAX;
        for (size_t i = 0; i < n; i++)
            if (slice_eq(tags[i].name, t.name))
                return ST_SYNTAX;
        if (n == TAGS_MAX)
            return ST_LIMIT;
        tags[n++] = t;
        r.at += r.at < text.n; /* the ";" */
        /* White space behind a last ";" is outside the grammar, common in published keys, and harmless. */
    } while (skip_fws(text, r.at) < text.n);
    struct tag *copy = arena_array(a, n, sizeof(*copy));
    if (copy == NULL)
        return ST_NOMEM;
    memcpy(copy, tags, n * sizeof(*copy));
    *out = (struct taglist){ copy, n };
    return ST_OK;
}

const struct tag *
taglist_find(const struct taglist *l, slice name)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_eq(l->tags[i].name, name))
            return &l->tags[i];
    return NULL;
}

slice
taglist_strip_fws(struct arena *a, slice value)
{
    char *p = arena_alloc(a, value.n + 1);
    size_t n = 0;
    if (p == NULL)
        return (slice){ NULL, 0 };
    for (size_t i = 0, next; i < value.n; i = next) {
        size_t run = plain_run(value, i);
        memcpy(p + n, value.p + i, run);
        n += run;
        next = skip_fws(value, i + run);
        if (next == i) /* neither */
            p[n++] = value.p[next++];
    }
    p[n] = '\0';
    return (slice){ p, n };
}
