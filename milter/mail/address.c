#include "mail/address.h"
#include "mail/lexer.h"

#include <string.h>

struct reader {
    struct lexer x;
    struct arena *a;
    size_t max_boxes, cap;
    struct mailbox_list list;
};

/* Words and dots, which are a display name or a local part: what follows them decides. */
struct words {
    size_t start, end; /* from the first to the last of them, in the text */
    bool any;
    bool is_local; /* dots between any two words; as carriers have given out such addresses, also several, and behind the last */
    bool plain;    /* no quotes, no white space, no comments inside */
};

/* RFC 5322 obs-phrase (`word *(word / "." / CFWS)`), of which local-part and obs-local-part are special cases. */
static bool
read_words(struct lexer *x, struct words *w)
{
    *w = (struct words){ .is_local = true, .plain = true };
    for (bool after_dot = true;;) {
        size_t before = x->at;
        if (!lexer_skip_cfws(x))
            return false;
        size_t at = x->at;
        slice inner;
        bool quoted = lexer_is_at(x, '"');
        bool is_word = quoted ? lexer_quoted(x, &inner) : lexer_run(x, lexer_is_atext).n > 0;
        if (quoted && !is_word)
            return false;
        if (!is_word && !(w->any && lexer_take(x, '.'))) {
            w->is_local = w->is_local && w->any;
            return true;
        }
        if (is_word && !after_dot)
            w->is_local = false;
        if (quoted || (w->any && at != before))
            w->plain = false;
        if (!w->any)
            w->start = at;
        w->any = true;
        w->end = x->at;
        after_dot = !is_word;
    }
}

/* Append the words of a span that has been read before, unquoted, dots kept, all else dropped. */
static slice
join_words(struct arena *a, slice span)
{
    char *p = arena_alloc(a, span.n + 1);
    size_t n = 0;
    if (p == NULL)
        return (slice){ NULL, 0 };
    struct lexer x = { span, 0 };
    while (lexer_skip_cfws(&x) && !lexer_at_end(&x)) {
        slice word = lexer_run(&x, lexer_is_atext);
        if (lexer_is_at(&x, '"') && word.n == 0) {
            if (!lexer_quoted(&x, &word))
                break;
            word = lexer_unquote(a, word);
            if (word.p == NULL)
                return word;
        } else if (word.n == 0) {
            word = SLICE(".");
            x.at++;
        }
        if (word.n > 0)
            memcpy(p + n, word.p, word.n);
        n += word.n;
    }
    p[n] = '\0';
    return (slice){ p, n };
}

static bool
is_dtext(char c)
{
    return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '\\';
}

/* domain-literal: as written, without white space. */
static enum status
read_literal(struct reader *r, slice *out)
{
    struct lexer *x = &r->x;
    size_t start = x->at;
    for (lexer_take(x, '['); !lexer_take(x, ']');) {
        size_t before = x->at;
        lexer_skip_fws(x);
        lexer_run(x, is_dtext);
        if (!lexer_take_pair(x) && x->at == before)
            return ST_SYNTAX;
    }
    slice span = { x->text.p + start, x->at - start };
    char *p = arena_alloc(r->a, span.n);
    size_t n = 0;
    if (p == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < span.n; i++) {
        if ((unsigned char)span.p[i] <= ' ')
            continue;
        p[n++] = span.p[i];
        if (span.p[i] == '\\')
            p[n++] = span.p[++i];
    }
    *out = (slice){ p, n };
    return ST_OK;
}

/*
 * domain: dot-atom, obs-domain or domain-literal.  One dot at the end is let through, as DNS writes it and as some
 * senders do; domain_from_text() drops it.
 */
static enum status
read_domain(struct reader *r, slice *out)
{
    struct lexer *x = &r->x;
    if (!lexer_skip_cfws(x))
        return ST_SYNTAX;
    if (lexer_is_at(x, '['))
        return read_literal(r, out);
    size_t start = x->at, end = start;
    bool plain = true, after_dot = true;
    for (size_t at = start;; at = x->at) {
        bool is_atom = after_dot && lexer_run(x, lexer_is_atext).n > 0;
        if (!is_atom && (after_dot || !lexer_take(x, '.')))
            break;
        plain = plain && at == end;
        end = x->at;
        after_dot = !is_atom;
        if (!lexer_skip_cfws(x))
            return ST_SYNTAX;
    }
    slice span = { x->text.p + start, end - start };
    if (span.n == 0)
        return ST_SYNTAX;
    *out = plain ? span : join_words(r->a, span);
    return out->p == NULL ? ST_NOMEM : ST_OK;
}

/* "@" domain, behind the words of a local part. */
static enum status
finish_mailbox(struct reader *r, const struct words *w)
{
    struct mailbox box;
    if (!w->is_local || !lexer_take(&r->x, '@'))
        return ST_SYNTAX;
    slice span = { r->x.text.p + w->start, w->end - w->start };
    box.local_part = w->plain ? span : join_words(r->a, span);
    if (box.local_part.p == NULL)
        return ST_NOMEM;
    enum status st = read_domain(r, &box.domain);
    if (st != ST_OK)
        return st;
    struct mailbox_list *l = &r->list;
    if (l->n >= r->max_boxes)
        return ST_LIMIT;
    if (l->n == r->cap) {
        size_t cap = r->cap == 0 ? 1 : r->cap * 4;
        struct mailbox *boxes = arena_array(r->a, cap, sizeof(*boxes));
        if (boxes == NULL)
            return ST_NOMEM;
        if (l->n > 0)
            memcpy(boxes, l->boxes, l->n * sizeof(*boxes));
        l->boxes = boxes;
        r->cap = cap;
    }
    l->boxes[l->n++] = box;
    return ST_OK;
}

/* obs-route: `*(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":"`, read and dropped. */
static enum status
skip_route(struct reader *r)
{
    struct lexer *x = &r->x;
    for (bool any = false, after_comma = true;;) {
        if (!lexer_skip_cfws(x))
            return ST_SYNTAX;
        if (any && lexer_take(x, ':'))
            return ST_OK;
        if (lexer_take(x, ',')) {
            after_comma = true;
            continue;
        }
        if (!after_comma || !lexer_take(x, '@'))
            return ST_SYNTAX;
        slice ignored;
        enum status st = read_domain(r, &ignored);
        if (st != ST_OK)
            return st;
        any = true;
        after_comma = false;
    }
}

/* angle-addr and obs-angle-addr, behind the "<". */
static enum status
read_angle(struct reader *r)
{
    struct lexer *x = &r->x;
    if (!lexer_skip_cfws(x))
        return ST_SYNTAX;
    enum status st = lexer_is_at(x, '@') || lexer_is_at(x, ',') ? skip_route(r) : ST_OK;
    if (st != ST_OK)
        return st;
    struct words w;
    if (!read_words(x, &w))
        return ST_SYNTAX;
    st = finish_mailbox(r, &w);
    if (st != ST_OK)
        return st;
    return lexer_skip_cfws(x) && lexer_take(x, '>') ? ST_OK : ST_SYNTAX;
}

/* One mailbox, or a group up to its ":".  An address for a display name, without the quotes it ought to have, is common; as
 * readers differ in which of the two is the address, both are taken. */
static enum status
read_mailbox_or_group_name(struct reader *r, bool *in_group, bool *opened)
{
    struct words w;
    *opened = false;
    if (!read_words(&r->x, &w))
        return ST_SYNTAX;
    if (lexer_take(&r->x, '<'))
        return read_angle(r);
    if (w.any && !*in_group && lexer_take(&r->x, ':')) {
        *opened = *in_group = r->list.has_group = true;
        return ST_OK;
    }
    enum status st = finish_mailbox(r, &w);
    if (st != ST_OK)
        return st;
    if (!lexer_skip_cfws(&r->x))
        return ST_SYNTAX;
    return lexer_take(&r->x, '<') ? read_angle(r) : ST_OK;
}

/*
 * address-list and obs-addr-list: empty elements are allowed, but one address there must be.  In a group nothing has
 * to be (RFC 5322 group-list, obs-group-list).
 */
enum status
address_list_parse(struct arena *a, slice text, size_t max_boxes, struct mailbox_list *out)
{
    struct reader r = { .x = { text, 0 }, .a = a, .max_boxes = max_boxes };
    bool any = false, in_group = false, need_comma = false;
    for (;;) {
        if (!lexer_skip_cfws(&r.x))
            return ST_SYNTAX;
        if (lexer_at_end(&r.x))
            break;
        if (lexer_take(&r.x, ',')) {
            need_comma = false;
        } else if (in_group && lexer_take(&r.x, ';')) {
            in_group = false;
            need_comma = true;
        } else {
            bool opened;
            enum status st = need_comma ? ST_SYNTAX : read_mailbox_or_group_name(&r, &in_group, &opened);
            if (st != ST_OK)
                return st;
            any = true;
            need_comma = !opened;
        }
    }
    if (!any || in_group)
        return ST_SYNTAX;
    *out = r.list;
    return ST_OK;
}
