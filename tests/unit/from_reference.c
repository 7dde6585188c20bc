#include "from_reference.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* Kinds of tokens: a atom, q quoted-string, l domain-literal, and the specials . @ < > , : ; as themselves. */
#define WORD "[aq]"
#define LOCAL WORD "(\\.+" WORD ")*\\.*" /* several dots in a row or one before the "@", as carriers have given out */
#define DOMAIN "(a(\\.a)*\\.?|l)" /* one dot at the end is let through */
#define SPEC LOCAL "@" DOMAIN
#define ROUTE ",*@" DOMAIN "(,(@" DOMAIN ")?)*:"
#define ANGLE "<(" ROUTE ")?" SPEC ">"
#define PHRASE WORD "[aq.]*"
#define MAILBOX "((" PHRASE ")?" ANGLE "|" SPEC "(" ANGLE ")?)" /* a bare address before another one: both count */
#define GROUP PHRASE ":(" MAILBOX "?,)*" MAILBOX "?;"
#define ADDRESS "(" MAILBOX "|" GROUP ")"

struct from_reference {
    regex_t regex;
    char *kinds, *text;     /* one octet a token; the texts of atoms and literals, each ended by NUL */
    size_t *starts;         /* where the text of each token is */
    const char **domains;
    size_t cap;
};

struct from_reference *
from_reference_new(void)
{
    struct from_reference *r = calloc(1, sizeof(*r));
    if (r == NULL || regcomp(&r->regex, "^,*" ADDRESS "(,(" ADDRESS ")?)*$", REG_EXTENDED | REG_NOSUB) != 0)
        abort();
    return r;
}

void
from_reference_free(struct from_reference *r)
{
    regfree(&r->regex);
    free(r->kinds);
    free(r->text);
    free(r->starts);
    free(r->domains);
    free(r);
}

static void
make_room(struct from_reference *r, size_t n)
{
    if (n <= r->cap)
        return;
    r->cap = n * 2;
    r->kinds = realloc(r->kinds, r->cap);
    r->text = realloc(r->text, 2 * r->cap);
    r->starts = realloc(r->starts, r->cap * sizeof(*r->starts));
    r->domains = realloc(r->domains, r->cap * sizeof(*r->domains));
    if (r->kinds == NULL || r->text == NULL || r->starts == NULL || r->domains == NULL)
        abort();
}

/* Nothing but text, WSP and folds anywhere: control characters and broken UTF-8 make no address list wherever they are. */
static bool
is_clean(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' || (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')) {
            i += p[i] == '\r';
            if (i + 1 >= n || (p[i + 1] != ' ' && p[i + 1] != '\t'))
                return false;
        } else if (p[i] >= 0x80) {
            int more = p[i] >= 0xf0 ? 3 : p[i] >= 0xe0 ? 2 : 1;
            uint32_t c = p[i] & (more == 3 ? 7U : more == 2 ? 15U : 31U);
            if (p[i] < 0xc0 || p[i] > 0xf7)
                return false;
            for (int k = 0; k < more; k++, c = c << 6 | (p[i] & 63U))
                if (++i >= n || p[i] >> 6 != 2)
                    return false;
            if (c < (more == 3 ? 0x10000U : more == 2 ? 0x800U : 0x80U) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return false;
        } else if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool
is_atom(unsigned char c)
{
    return c >= 0x80 || isalnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Behind the closing mark of a comment, quoted string or literal that begins at `i`; n + 1: it has none. */
static size_t
skip_enclosed(const unsigned char *p, size_t n, size_t i)
{
    int open = p[i], close = open == '(' ? ')' : open == '[' ? ']' : '"', depth = 1;
    for (i++; i < n; i++) {
        if (p[i] == '\\' && (i + 1 >= n || p[i + 1] == '\r' || p[i + 1] == '\n'))
            return n + 1;
        if (p[i] == '\\')
            i++;
        else if (p[i] == close && --depth == 0)
            return i + 1;
        else if (p[i] == open && open == '[')
            return n + 1;
        else if (p[i] == open)
            depth++;
    }
    return n + 1;
}

static size_t
tokenize(struct from_reference *r, const unsigned char *p, size_t n)
{
    size_t k = 0, used = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        char kind = (char)p[i];
        if (strchr(" \t\r\n", p[i]) != NULL) {
            i++;
            continue;
        }
        if (p[i] == '(' || p[i] == '"' || p[i] == '[') {
            end = skip_enclosed(p, n, i);
            kind = p[i] == '"' ? 'q' : 'l';
        } else if (is_atom(p[i])) {
            while (end < n && is_atom(p[end]))
                end++;
            kind = 'a';
        } else if (strchr(".@<>,:;", p[i]) == NULL) {
            return 0;
        }
        if (end > n)
            return 0;
        if (p[i] != '(') {
            r->starts[k] = used;
            r->kinds[k++] = kind;
            for (; i < end; i++)
                if (kind != 'l' || strchr(" \t\r\n", p[i]) == NULL)
                    r->text[used++] = (char)p[i];
            r->text[used++] = '\0';
        }
        i = end;
    }
    r->kinds[k] = '\0';
    return k;
}

/* The domain behind the "@" at token `at`: its parts brought together in place. */
static const char *
join_domain(struct from_reference *r, size_t at, size_t n)
{
    char *start = r->text + r->starts[at + 1], *to = start;
    for (size_t i = at + 1; i < n && strchr("al.", r->kinds[i]) != NULL; i++) {
        size_t length = strlen(r->text + r->starts[i]);
        memmove(to, r->text + r->starts[i], length);
        to += length;
    }
    *to = '\0';
    return start;
}

int
from_reference_read(struct from_reference *r, slice text, const char *const **domains)
{
    const unsigned char *p = (const unsigned char *)text.p;
    make_room(r, text.n + 2);
    if (!is_clean(p, text.n))
        return -1;
    size_t n = tokenize(r, p, text.n);
    if (n == 0 || regexec(&r->regex, r->kinds, 0, NULL, 0) != 0)
        return -1;
    int found = 0;
    for (size_t i = 1; i < n; i++) /* an "@" of a route has no local part before it */
        if (r->kinds[i] == '@' && strchr("aq.", r->kinds[i - 1]) != NULL)
            r->domains[found++] = join_domain(r, i, n);
    *domains = r->domains;
    return found;
}
