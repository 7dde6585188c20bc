#include "mail/authres.h"
#include "mail/domain.h"
#include "mail/lexer.h"

#include <string.h>

/*
 * What a lax reader takes for the authserv-id is found by collecting octets: white space, quotes, comments and control
 * characters are dropped, and whenever one of them, a delimiter or the end is met, what has been collected is compared.
 * Readers differ in what a comment is, so several ways to see them are tried.
 */
enum comments {
    NESTED_WITH_PAIRS, /* RFC 5322 */
    NESTED_WITHOUT_PAIRS,
    FLAT_WITH_PAIRS,
    FLAT_WITHOUT_PAIRS,
    ANY_WORD /* where a comment does not end, nobody can say what comes first */
};

/* The most that may stand for a name (a longer run is no name of ours), and how often IDNA may be asked. */
#define COLLECT_MAX ((size_t)1024)
#define IDNA_TRIES 8

struct collector {
    struct arena *a;
    slice id, id_name; /* as configured, without what is dropped; its A-label form, or empty */
    char *p;
    size_t n, cap, compared;
    unsigned tries;
};

static bool
is_delimiter(char c)
{
    return c != '\0' && strchr("<>@,;:/[]?=()", c) != NULL;
}

static bool
is_dropped(char c)
{
    unsigned char u = (unsigned char)c;
    return u <= ' ' || u == 0x7f || c == '"' || c == '\\';
}

/* The id between octets that are not ASCII: blanks to a reader that knows Unicode's or drops what it cannot show. */
static bool
is_id_in_blanks(slice got, slice id)
{
    while (got.n > 0 && (unsigned char)got.p[0] >= 0x80)
        got = slice_tail(got, 1);
    while (got.n > 0 && ((unsigned char)got.p[got.n - 1] >= 0x80 || got.p[got.n - 1] == '.'))
        got.n--;
    return slice_ieq(got, id);
}

/* Do the octets collected so far name us? */
static bool
names_us(struct collector *c)
{
    slice got = { c->p, c->n }, id = c->id, name;
    if (got.n == 0 || got.n == c->compared || got.n > c->cap)
        return false;
    c->compared = got.n;
    while (got.n > 1 && got.p[got.n - 1] == '.')
        got.n--;
    if (slice_ieq(got, id))
        return true;
    bool ascii = true;
    for (size_t i = 0; i < got.n && ascii; i++)
        ascii = (unsigned char)got.p[i] < 0x80;
    if (!ascii && is_id_in_blanks(got, id))
        return true;
    if (c->id_name.n == 0)
        return false;
    if (ascii)
        return slice_ieq(got, c->id_name);
    if (c->tries++ == IDNA_TRIES)
        return true; /* no name is that much cut to pieces */
    enum status st = domain_from_text(c->a, got, &name);
    return st == ST_NOMEM || (st == ST_OK && slice_eq(name, c->id_name));
}

/* Index behind the comment that begins at `at`; s.n + 1 if it does not end. */
static size_t
skip_comment(slice s, size_t at, enum comments how)
{
    bool nested = how == NESTED_WITH_PAIRS || how == NESTED_WITHOUT_PAIRS;
    bool pairs = how == NESTED_WITH_PAIRS || how == FLAT_WITH_PAIRS;
    size_t depth = 0;
    for (size_t i = at; i < s.n; i++) {
        if (pairs && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '(' && (nested || depth == 0))
            depth++;
        else if (s.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return s.n + 1;
}

/* An octet of the id itself, in a quoted pair or not. */
static void
collect(struct collector *c, char octet)
{
    if (c->n < c->cap)
        c->p[c->n] = octet;
    c->n++;
}

/* One way of reading.  *ends becomes false at a comment that does not end. */
static bool
claims_when_read(struct collector *c, slice s, enum comments how, bool *ends)
{
    c->n = c->compared = 0;
    for (size_t i = 0; i < s.n && (c->n <= c->cap || how == ANY_WORD);) {
        char octet = s.p[i];
        if (octet == '(' && how != ANY_WORD) {
            if (names_us(c))
                return true;
            i = skip_comment(s, i, how);
            if (i > s.n)
                *ends = false;
            continue;
        }
        i++;
        bool of_id = slice_has(c->id, octet);
        if (octet == '=' && i < s.n && s.p[i] == '?' && how == NESTED_WITH_PAIRS)
            return true; /* an encoded word (RFC 2047), which may say anything to a reader that decodes it */
        if (is_dropped(octet) || (is_delimiter(octet) && !of_id)) {
            if (names_us(c))
                return true;
            if (how == ANY_WORD)
                c->n = c->compared = 0;
            else if (c->n > 0 && is_delimiter(octet))
                return false;
            continue;
        }
        collect(c, octet);
    }
    return names_us(c);
}

/* The value that RFC 8601 2.2 sees there: it may hold what the readers above stop at. */
static bool
claims_by_grammar(struct arena *a, slice value, slice id)
{
    struct lexer x = { value, 0 };
    slice inner;
    if (!lexer_skip_cfws(&x) || !lexer_is_at(&x, '"') || !lexer_quoted(&x, &inner))
        return false;
    slice text = lexer_unquote(a, inner);
    return text.p == NULL || slice_ieq(text, id);
}

/* The id without what is dropped from a field, and without dots at its end. */
static slice
squeeze(struct arena *a, slice id)
{
    char *p = arena_alloc(a, id.n + 1);
    size_t n = 0;
    if (p == NULL)
        return (slice){ NULL, 0 };
    for (size_t i = 0; i < id.n; i++)
        if (!is_dropped(id.p[i]))
            p[n++] = id.p[i];
    while (n > 1 && p[n - 1] == '.')
        n--;
    p[n] = '\0';
    return (slice){ p, n };
}

bool
authres_claims(struct arena *a, slice value, slice id)
{
    struct collector c = { .a = a, .id = squeeze(a, id), .id_name = SLICE_EMPTY };
    c.cap = value.n < COLLECT_MAX ? value.n : COLLECT_MAX;
    c.p = arena_alloc(a, c.cap);
    if (c.id.p == NULL || c.p == NULL)
        return true;
    if (claims_by_grammar(a, value, id))
        return true;
    if (c.id.n == 0)
        return false;
    enum status st = domain_from_text(a, c.id, &c.id_name);
    if (st == ST_NOMEM)
        return true;
    bool well_formed = true, ignored;
    if (claims_when_read(&c, value, NESTED_WITH_PAIRS, &well_formed))
        return true;
    for (enum comments how = NESTED_WITHOUT_PAIRS; how < ANY_WORD; how++)
        if (claims_when_read(&c, value, how, &ignored))
            return true;
    return !well_formed && claims_when_read(&c, value, ANY_WORD, &ignored);
}
