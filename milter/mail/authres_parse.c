#include "mail/authres.h"
#include "mail/authres_words.h"
#include "mail/lexer.h"

#include <limits.h>
#include <string.h>

#define RESULTS_MAX 100
#define PROPERTIES_MAX 100 /* of one result */

struct reader {
    struct lexer x;
    struct arena *a;
    struct authres out;
    size_t results_cap, properties_cap;
};

/* What an unquoted value or the local part of an address may hold: token, atext, "." and the ":" of addresses. */
static bool
is_bare_char(char c)
{
    return authres_is_token_char(c) || c == '/' || c == '=' || c == '?' || c == ':';
}

static bool
is_keyword_char(char c)
{
    return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* token, with UTF-8 by RFC 8601 2.5 */
static bool
is_token(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x80 && !authres_is_token_char(s.p[i]))
            return false;
    return true;
}

/* RFC 5321 Keyword: letters, digits and hyphens, no hyphen at the end; in lower case.  Empty: none here. */
static enum status
read_keyword(struct reader *r, slice *out)
{
    size_t start = r->x.at;
    slice word = { r->x.text.p + start, 0 };
    while (r->x.at < r->x.text.n && is_keyword_char(r->x.text.p[r->x.at]))
        r->x.at++;
    word.n = r->x.at - start;
    if (word.n == 0 || word.p[word.n - 1] == '-')
        return ST_SYNTAX;
    if (slice_has(word, '_'))
        r->out.exact = false;
    *out = arena_lower(r->a, word);
    return out->p == NULL ? ST_NOMEM : ST_OK;
}

static enum status
read_quoted(struct reader *r, slice *out)
{
    slice inner;
    if (!lexer_quoted(&r->x, &inner))
        return ST_SYNTAX;
    *out = lexer_unquote(r->a, inner);
    return out->p == NULL ? ST_NOMEM : ST_OK;
}

/* value of RFC 8601 2.2: token or quoted-string.  UTF-8 by RFC 8601 2.5 (internationalised mail). */
static enum status
read_value(struct reader *r, slice *out)
{
    if (lexer_is_at(&r->x, '"'))
        return read_quoted(r, out);
    *out = lexer_run(&r->x, authres_is_token_char);
    return out->n > 0 ? ST_OK : ST_SYNTAX;
}

/* pvalue: `value / [ [ local-part ] "@" ] domain-name` */
static enum status
read_pvalue(struct reader *r, slice *out)
{
    slice local = SLICE_EMPTY;
    bool quoted = lexer_is_at(&r->x, '"');
    size_t start = r->x.at;
    enum status st = quoted ? read_quoted(r, &local) : ST_OK;
    if (st != ST_OK)
        return st;
    if (!quoted)
        local = lexer_run(&r->x, is_bare_char);
    if (!lexer_take(&r->x, '@')) {
        *out = local;
        if (!quoted && !is_token(local))
            r->out.exact = false;
        return quoted || local.n > 0 ? ST_OK : ST_SYNTAX;
    }
    slice domain = lexer_run(&r->x, authres_is_token_char);
    if (domain.n == 0)
        return ST_SYNTAX;
    if ((!quoted && local.n > 0 && !authres_is_dot_string(local)) || !authres_is_domain_name(domain))
        r->out.exact = false;
    *out = (slice){ r->x.text.p + start, r->x.at - start };
    if (!quoted)
        return ST_OK;
    char *p = arena_alloc(r->a, local.n + 1 + domain.n);
    if (p == NULL)
        return ST_NOMEM;
    memcpy(p, local.p, local.n);
    p[local.n] = '@';
    memcpy(p + local.n + 1, domain.p, domain.n);
    *out = (slice){ p, local.n + 1 + domain.n };
    return ST_OK;
}

static enum status
add_property(struct reader *r, struct authres_result *res, const struct authres_property *prop)
{
    if (res->n_properties == PROPERTIES_MAX)
        return ST_LIMIT;
    if (res->n_properties == r->properties_cap) {
        size_t cap = r->properties_cap == 0 ? 4 : r->properties_cap * 2;
        struct authres_property *p = arena_array(r->a, cap, sizeof(*p));
        if (p == NULL)
            return ST_NOMEM;
        if (res->n_properties > 0)
            memcpy(p, res->properties, res->n_properties * sizeof(*p));
        res->properties = p;
        r->properties_cap = cap;
    }
    res->properties[res->n_properties++] = *prop;
    return ST_OK;
}

/* [CFWS] c [CFWS] */
static bool
take_between_cfws(struct reader *r, char c)
{
    return lexer_skip_cfws(&r->x) && lexer_take(&r->x, c) && lexer_skip_cfws(&r->x);
}

/* `[ CFWS reasonspec ] [ CFWS 1*propspec ]`, up to the next ";" or the end. */
static enum status
read_properties(struct reader *r, struct authres_result *res)
{
    bool need_cfws = true; /* behind a result or a reason; a pvalue may end in CFWS, but need not */
    r->properties_cap = 0;
    for (bool first = true;; first = false) {
        size_t before = r->x.at;
        if (!lexer_skip_cfws(&r->x))
            return ST_SYNTAX;
        if (lexer_at_end(&r->x) || lexer_is_at(&r->x, ';'))
            return ST_OK;
        if (need_cfws && r->x.at == before)
            return ST_SYNTAX;
        struct authres_property prop = { SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY };
        enum status st = read_keyword(r, &prop.name);
        if (st != ST_OK || !lexer_skip_cfws(&r->x))
            return st != ST_OK ? st : ST_SYNTAX;
        bool has_ptype = lexer_take(&r->x, '.');
        if (has_ptype) {
            prop.ptype = prop.name;
            st = lexer_skip_cfws(&r->x) ? read_keyword(r, &prop.name) : ST_SYNTAX;
            if (st != ST_OK)
                return st;
        }
        if (!take_between_cfws(r, '='))
            return ST_SYNTAX;
        need_cfws = first && !has_ptype && slice_eq(prop.name, SLICE("reason"));
        if (need_cfws) {
            st = read_value(r, &res->reason);
        } else {
            st = read_pvalue(r, &prop.value);
            r->out.exact = r->out.exact && has_ptype;
            if (st == ST_OK)
                st = add_property(r, res, &prop);
        }
        if (st != ST_OK)
            return st;
    }
}

/* Digits, and what they say; far too many of them are just a version that nobody knows. */
static bool
read_version(struct reader *r, unsigned *out)
{
    size_t start = r->x.at;
    uint64_t v = 0;
    while (r->x.at < r->x.text.n && ascii_is_digit(r->x.text.p[r->x.at])) {
        v = v * 10 + (uint64_t)(r->x.text.p[r->x.at++] - '0');
        v = v > UINT_MAX ? UINT_MAX : v;
    }
    *out = (unsigned)v;
    return r->x.at > start;
}

/* One resinfo, behind its ";" and CFWS. */
static enum status
read_result(struct reader *r, slice method)
{
    if (r->out.n_results == RESULTS_MAX)
        return ST_LIMIT;
    if (r->out.n_results == r->results_cap) {
        size_t cap = r->results_cap == 0 ? 8 : r->results_cap * 2;
        struct authres_result *p = arena_array(r->a, cap, sizeof(*p));
        if (p == NULL)
            return ST_NOMEM;
        if (r->out.n_results > 0)
            memcpy(p, r->out.results, r->out.n_results * sizeof(*p));
        r->out.results = p;
        r->results_cap = cap;
    }
    struct authres_result *res = &r->out.results[r->out.n_results];
    *res = (struct authres_result){ .method = method, .reason = SLICE_EMPTY };
    unsigned ignored;
    if (!lexer_skip_cfws(&r->x))
        return ST_SYNTAX;
    if (lexer_take(&r->x, '/') && (!lexer_skip_cfws(&r->x) || !read_version(r, &ignored)))
        return ST_SYNTAX;
    if (!take_between_cfws(r, '='))
        return ST_SYNTAX;
    enum status st = read_keyword(r, &res->result);
    if (st == ST_OK)
        st = read_properties(r, res);
    r->out.n_results++;
    return st;
}

/* `no-result / 1*resinfo`, at the first ";". */
static enum status
read_results(struct reader *r)
{
    struct lexer *x = &r->x;
    while (lexer_take(x, ';')) {
        if (!lexer_skip_cfws(x))
            return ST_SYNTAX;
        if (lexer_at_end(x) && r->out.n_results > 0) {
            r->out.exact = false;
            return ST_OK;
        }
        slice method;
        enum status st = read_keyword(r, &method);
        if (st != ST_OK || !lexer_skip_cfws(x))
            return st != ST_OK ? st : ST_SYNTAX;
        if (slice_eq(method, SLICE("none")) && r->out.n_results == 0 && lexer_at_end(x))
            return ST_OK;
        st = read_result(r, method);
        if (st != ST_OK)
            return st;
    }
    return lexer_at_end(x) && r->out.n_results > 0 ? ST_OK : ST_SYNTAX;
}

/* `[CFWS] authserv-id [ CFWS authres-version ] [CFWS]`, up to what ought to be the first ";". */
static enum status
read_head(struct reader *r)
{
    if (!lexer_skip_cfws(&r->x))
        return ST_SYNTAX;
    enum status st = read_value(r, &r->out.authserv_id);
    if (st != ST_OK)
        return st;
    size_t before = r->x.at;
    if (!lexer_skip_cfws(&r->x))
        return ST_SYNTAX;
    if (r->x.at > before && !lexer_is_at(&r->x, ';') && !read_version(r, &r->out.version))
        return ST_SYNTAX;
    return lexer_skip_cfws(&r->x) ? ST_OK : ST_SYNTAX;
}

enum status
authres_parse(struct arena *a, slice value, struct authres *out)
{
    struct reader r = { .x = { value, 0 }, .a = a, .out = { .version = 1, .exact = true } };
    enum status st = read_head(&r);
    if (st == ST_OK)
        st = read_results(&r);
    if (st == ST_OK)
        *out = r.out;
    return st;
}

bool
authres_is_other_version(struct arena *a, slice value)
{
    struct reader r = { .x = { value, 0 }, .a = a, .out = { .version = 1, .exact = true } };
    enum status st = read_head(&r);
    return st == ST_NOMEM ||
           (st == ST_OK && r.out.version != 1 && (lexer_at_end(&r.x) || lexer_is_at(&r.x, ';')));
}
