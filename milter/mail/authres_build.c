#include "mail/authres.h"
#include "mail/authres_words.h"
#include "mail/utf8.h"

#include <string.h>

#define NAME_LENGTH 24 /* "Authentication-Results:" and a little for the longer name of an AAR */
#define LINE_WISHED 76 /* RFC 5322 2.1.1: 78, less a character behind */
#define WORD_MAX 900   /* so that no line comes near the 998 octets of RFC 5322 2.1.1 */
#define TAB_WIDTH 8

struct authres_builder {
    struct arena *a;
    char *p;
    size_t n, cap, max;
    size_t column;
    size_t results;
    bool has_property, has_reason;
    bool failed;
};

/* ---- text in the arena */
static void
put(struct authres_builder *b, slice s)
{
    if (b->failed || s.n > b->max - b->n) {
        b->failed = true;
        return;
    }
    if (s.n > b->cap - b->n) {
        size_t cap = b->cap * 2 > b->n + s.n ? b->cap * 2 : b->n + s.n;
        char *p = arena_alloc(b->a, cap);
        if (p == NULL) {
            b->failed = true;
            return;
        }
        if (b->n > 0)
            memcpy(p, b->p, b->n);
        b->p = p;
        b->cap = cap;
    }
    if (s.n > 0)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    b->column += s.n;
}

/* A word behind white space: on this line if there is room, else on a new one. */
static void
put_word(struct authres_builder *b, slice word)
{
    if (b->column + 1 + word.n <= LINE_WISHED || b->column <= TAB_WIDTH) {
        put(b, SLICE(" "));
    } else {
        put(b, SLICE("\n\t"));
        b->column = TAB_WIDTH;
    }
    put(b, word);
}

/*
 * Text that holds white space of its own (a comment, a quoted string), behind white space.  A fold goes before the first
 * of some spaces, which stay: the reader gets the same text back (RFC 5322 2.2.3), and no line is blank.
 */
static void
put_text(struct authres_builder *b, slice text)
{
    for (size_t i = 0, next; i < text.n; i = next) {
        for (next = i + 1; next < text.n; next++)
            if (text.p[next] == ' ' && text.p[next - 1] != ' ')
                break;
        slice word = { text.p + i, next - i };
        if (i == 0) {
            put_word(b, word);
        } else if (b->column + word.n <= LINE_WISHED) {
            put(b, word);
        } else {
            put(b, SLICE("\n"));
            b->column = 0;
            put(b, word);
        }
    }
}

/* ---- the encoder */
/* Octets at `at` that may stand in a header field; 0: control characters, C1 and line separators too, or no UTF-8. */
static size_t
printable_length(slice s, size_t at)
{
    unsigned char c = (unsigned char)s.p[at];
    if (c < ' ' || c == 0x7f)
        return 0;
    size_t n = utf8_length(s, at);
    const unsigned char *p = (const unsigned char *)s.p + at;
    if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 0; /* U+0080 to U+009F */
    if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
        return 0; /* U+2028, U+2029 */
    return n;
}

static bool
is_printable(slice s)
{
    for (size_t i = 0, n; i < s.n; i += n)
        if ((n = printable_length(s, i)) == 0)
            return false;
    return true;
}

static bool
is_token(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!authres_is_token_char(s.p[i]))
            return false;
    return s.n > 0;
}

struct word {
    char *p;
    size_t n;
};

static void
word_add(struct word *w, slice s)
{
    if (s.n > 0)
        memcpy(w->p + w->n, s.p, s.n);
    w->n += s.n;
}

static void
word_add_quoted(struct word *w, slice s)
{
    w->p[w->n++] = '"';
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            w->p[w->n++] = '\\';
        w->p[w->n++] = s.p[i];
    }
    w->p[w->n++] = '"';
}

/* Room for `prefix`, and `s` escaped and in quotes; false: it cannot be written. */
static bool
word_begin(struct authres_builder *b, struct word *w, size_t prefix, slice s)
{
    *w = (struct word){ NULL, 0 };
    if (b->failed || s.n == 0 || s.n > WORD_MAX || !is_printable(s))
        return false;
    size_t n = s.n;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '"' || s.p[i] == '\\';
    if (n > WORD_MAX)
        return false;
    w->p = arena_alloc(b->a, prefix + n + 2);
    b->failed = w->p == NULL;
    return w->p != NULL;
}

/* `value / [ [ local-part ] "@" ] domain-name` of RFC 8601 2.2: the one way for outside text into a value. */
static void
word_add_pvalue(struct word *w, slice s)
{
    size_t at = slice_rfind(s, '@');
    slice local = slice_head(s, at), domain = slice_tail(s, at + 1);
    if (is_token(s)) {
        word_add(w, s);
    } else if (at == s.n || !authres_is_domain_name(domain)) {
        word_add_quoted(w, s);
    } else {
        if (local.n == 0 || authres_is_dot_string(local))
            word_add(w, local);
        else
            word_add_quoted(w, local);
        word_add(w, SLICE("@"));
        word_add(w, domain);
    }
}

/* ---- the field */
struct authres_builder *
authres_builder_new(struct arena *a, slice authserv_id, size_t max_bytes)
{
    struct authres_builder *b = arena_zalloc(a, sizeof(*b));
    struct word w;
    if (b == NULL)
        return NULL;
    b->a = a;
    b->max = max_bytes;
    b->column = NAME_LENGTH;
    b->cap = 512;
    b->p = arena_alloc(a, b->cap);
    if (b->p == NULL || !word_begin(b, &w, 0, authserv_id))
        return NULL;
    if (is_token(authserv_id))
        word_add(&w, authserv_id);
    else
        word_add_quoted(&w, authserv_id);
    put(b, SLICE(" "));
    put(b, (slice){ w.p, w.n });
    return b;
}

void
authres_add_result(struct authres_builder *b, const char *method, const char *result)
{
    if (b == NULL)
        return;
    put(b, SLICE(";\n\t"));
    b->column = TAB_WIDTH;
    put(b, slice_from(method));
    put(b, SLICE("="));
    put(b, slice_from(result));
    b->results++;
    b->has_property = b->has_reason = false;
}

void
authres_add_comment(struct authres_builder *b, slice text)
{
    if (b == NULL || b->results == 0 || text.n > b->max)
        return;
    struct word w = { arena_alloc(b->a, 2 * text.n + 2), 0 };
    if (w.p == NULL) {
        b->failed = true;
        return;
    }
    w.p[w.n++] = '(';
    for (size_t i = 0, n, run = 0; i < text.n; i += n) {
        n = printable_length(text, i);
        bool escape = n == 1 && strchr("()\\", text.p[i]) != NULL;
        run = n == 1 && text.p[i] == ' ' ? 0 : run + n + escape;
        if (run > WORD_MAX)
            return;
        if (escape)
            w.p[w.n++] = '\\';
        word_add(&w, (slice){ text.p + i, n });
        n += n == 0;
    }
    w.p[w.n++] = ')';
    if (w.n > 2)
        put_text(b, (slice){ w.p, w.n });
}

void
authres_add_reason(struct authres_builder *b, slice text)
{
    struct word w;
    if (b == NULL || b->results == 0 || b->has_reason || b->has_property || !word_begin(b, &w, 7, text))
        return;
    word_add(&w, SLICE("reason="));
    word_add_quoted(&w, text);
    put_text(b, (slice){ w.p, w.n });
    b->has_reason = true;
}

void
authres_add_value(struct authres_builder *b, const char *ptype, const char *property, slice value)
{
    struct word w;
    slice type = slice_from(ptype), name = slice_from(property);
    if (b == NULL || b->results == 0 || !word_begin(b, &w, type.n + name.n + 2, value))
        return;
    word_add(&w, type);
    word_add(&w, SLICE("."));
    word_add(&w, name);
    word_add(&w, SLICE("="));
    word_add_pvalue(&w, value);
    put_text(b, (slice){ w.p, w.n });
    b->has_property = true;
}

slice
authres_finish(struct authres_builder *b)
{
    if (b != NULL && b->results == 0)
        put(b, SLICE("; none"));
    if (b == NULL || b->failed)
        return (slice){ NULL, 0 };
    return (slice){ b->p, b->n };
}
