#include "pipeline/ruletext.h"

#include "mail/domain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 20)
#define ERRORS_MAX 100

void
ruletext_init(struct ruletext *l, slice text, const char *file, struct strbuf *errors)
{
    *l = (struct ruletext){ .text = slice_after_bom(text), .file = file, .errors = errors, .line = 1, .token = TOKEN_END };
}

void
ruletext_error(struct ruletext *l, const char *fmt, ...)
{
    va_list ap;
    char text[512];
    if (l->bad)
        return;
    l->bad = true;
    if (++l->n_errors > ERRORS_MAX) {
        if (l->n_errors == ERRORS_MAX + 1)
            strbuf_printf(l->errors, "%s: more problems are not listed\n", l->file);
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_printf(l->errors, "%s:%u:%u: %s\n", l->file, l->word_line, l->word_column, text);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* To the next octet that belongs to a token, or the end of the text. */
static void
skip_blanks(struct ruletext *l)
{
    while (l->at < l->text.n) {
        char c = l->text.p[l->at];
        if (c == '\n') {
            l->line++;
            l->line_start = ++l->at;
        } else if (is_blank(c)) {
            l->at++;
        } else if (c == '#') {
            while (l->at < l->text.n && l->text.p[l->at] != '\n')
                l->at++;
        } else {
            return;
        }
    }
}

static bool
ends_word(char c)
{
    return is_blank(c) || c == '\n' || c == ',' || c == '"';
}

static void
read_string(struct ruletext *l)
{
    size_t from = ++l->at;
    while (l->at < l->text.n && l->text.p[l->at] != '"' && l->text.p[l->at] != '\n')
        l->at++;
    l->token = TOKEN_STRING;
    l->word = slice_head(slice_tail(l->text, from), l->at - from);
    if (l->at < l->text.n && l->text.p[l->at] == '"') {
        l->at++;
        return;
    }
    ruletext_error(l, "quoted text without its closing quote; it has to end on the same line");
}

static void
read_token(struct ruletext *l)
{
    size_t from = l->at;
    l->word_line = l->line;
    l->word_column = (unsigned)(l->at - l->line_start + 1);
    if (l->text.p[from] == '"') {
        read_string(l);
        return;
    }
    if (l->text.p[from] == ',') {
        l->at++;
        l->token = TOKEN_COMMA;
        l->word = SLICE(",");
        return;
    }
    while (l->at < l->text.n && !ends_word(l->text.p[l->at])) {
        unsigned char c = (unsigned char)l->text.p[l->at];
        if (c < 0x20 || c == 0x7f)
            ruletext_error(l, "a control character (octet %u) in the text", c);
        l->at++;
    }
    l->token = TOKEN_WORD;
    l->word = slice_head(slice_tail(l->text, from), l->at - from);
}

void
ruletext_next(struct ruletext *l)
{
    l->word_line = l->line;
    l->word_column = (unsigned)(l->at - l->line_start + 1);
    skip_blanks(l);
    if (l->at < l->text.n && l->at != l->line_start) {
        read_token(l);
        return;
    }
    l->token = TOKEN_END; /* a token in column 1 begins the next statement */
    l->word = SLICE_EMPTY;
}

bool
ruletext_statement(struct ruletext *l)
{
    while (l->token != TOKEN_END)
        ruletext_next(l);
    skip_blanks(l);
    l->bad = false;
    if (l->at >= l->text.n)
        return false;
    read_token(l);
    return true;
}

bool
ruletext_is(const struct ruletext *l, const char *word)
{
    return l->token == TOKEN_WORD && slice_ieq(l->word, slice_from(word));
}

char *
ruletext_read_file(const char *file, size_t *n, struct strbuf *errors)
{
    FILE *f = fopen(file, "r");
    char *text = f == NULL ? NULL : malloc(FILE_MAX + 1);
    if (text == NULL) {
        strbuf_printf(errors, "%s: cannot be read: %s\n", file, f == NULL ? strerror(errno) : "out of memory");
        if (f != NULL)
            fclose(f);
        return NULL;
    }
    *n = fread(text, 1, FILE_MAX + 1, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (!failed && *n <= FILE_MAX)
        return text;
    strbuf_printf(errors, "%s: %s\n", file, failed ? "cannot be read" : "longer than 1 MB");
    free(text);
    return NULL;
}

/* ---- lists */

enum status
name_list_add(struct name_list *l, struct arena *a, struct name_pattern p)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 4 : l->cap * 2;
        struct name_pattern *grown = arena_array(a, cap, sizeof(*grown));
        if (grown == NULL)
            return ST_NOMEM;
        if (l->n > 0)
            memcpy(grown, l->items, l->n * sizeof(*grown));
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->n++] = p;
    return ST_OK;
}

enum status
name_pattern_parse(struct arena *a, slice text, struct name_pattern *out)
{
    out->below = text.n > 1 && text.p[0] == '.';
    return domain_from_text(a, slice_tail(text, out->below ? 1 : 0), &out->name);
}

bool
name_list_has(const struct name_list *l, slice name)
{
    for (size_t i = 0; name.n > 0 && i < l->n; i++) {
        const struct name_pattern *p = &l->items[i];
        if (p->below ? domain_equal_or_below(name, p->name) : slice_ieq(name, p->name))
            return true;
    }
    return false;
}

enum status
client_list_add(struct netlist *l, struct arena *a, slice text)
{
    enum status st = netlist_add(l, text);
    bool except = text.n > 0 && text.p[0] == '!';
    slice name = slice_tail(text, except ? 1 : 0);
    if (st != ST_OK || name.n < 2 || name.p[0] != '.')
        return st;
    slice bare = arena_printf(a, "%s%.*s", except ? "!" : "", SLICE_ARG(slice_tail(name, 1)));
    return bare.p == NULL ? ST_NOMEM : netlist_add(l, bare);
}
