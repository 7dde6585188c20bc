#include "mail/address.h"
#include "mail/lexer.h"

static bool
is_dot_string_char(char c)
{
    return c == '.' || lexer_is_atext(c);
}

static bool
is_literal_char(char c)
{
    return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '\\';
}

bool
address_is_dot_atom(slice s)
{
    bool after_dot = true;
    for (size_t i = 0; i < s.n; i++) {
        bool dot = s.p[i] == '.';
        if (dot ? after_dot : !lexer_is_atext(s.p[i]))
            return false;
        after_dot = dot;
    }
    return !after_dot;
}

/* Domain or address-literal of RFC 5321 4.1.2; that it is a name in truth is domain_from_text()'s to say. */
static bool
read_path_domain(struct lexer *x, slice *out)
{
    size_t start = x->at;
    if (lexer_take(x, '[')) {
        while (!lexer_at_end(x) && is_literal_char(x->text.p[x->at]))
            x->at++;
        if (x->at == start + 1 || !lexer_take(x, ']'))
            return false;
    } else if (lexer_run(x, is_dot_string_char).n == 0) {
        return false;
    }
    *out = (slice){ x->text.p + start, x->at - start };
    return true;
}

/* A-d-l ":" */
static bool
skip_path_route(struct lexer *x)
{
    slice ignored;
    do {
        if (!lexer_take(x, '@') || !read_path_domain(x, &ignored))
            return false;
    } while (lexer_take(x, ','));
    return lexer_take(x, ':');
}

/*
 * The local part may have dots anywhere: no RFC has them at its ends or in a row, but carriers have given out such
 * addresses by the million, and the MTA has let this one through.  They cannot change what the domain is.
 */
static enum status
read_path_local(struct arena *a, struct lexer *x, slice *out)
{
    if (!lexer_is_at(x, '"')) {
        *out = lexer_run(x, is_dot_string_char);
        return out->n > 0 ? ST_OK : ST_SYNTAX;
    }
    slice inner;
    if (!lexer_quoted(x, &inner) || slice_has(inner, '\n'))
        return ST_SYNTAX;
    *out = lexer_unquote(a, inner);
    return out->p == NULL ? ST_NOMEM : ST_OK;
}

enum status
address_path_parse(struct arena *a, slice path, struct mailbox *out)
{
    struct mailbox box = { SLICE_EMPTY, SLICE_EMPTY };
    struct lexer x = { path, 0 };
    if (lexer_take(&x, '<')) {
        if (path.p[path.n - 1] != '>')
            return ST_SYNTAX;
        x.text.n--;
    }
    if (lexer_at_end(&x)) {
        *out = box;
        return ST_OK;
    }
    if (lexer_is_at(&x, '@') && !skip_path_route(&x))
        return ST_SYNTAX;
    enum status st = read_path_local(a, &x, &box.local_part);
    if (st != ST_OK)
        return st;
    if (lexer_take(&x, '@') && !read_path_domain(&x, &box.domain))
        return ST_SYNTAX;
    if (!lexer_at_end(&x))
        return ST_SYNTAX;
    *out = box;
    return ST_OK;
}
