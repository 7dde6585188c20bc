#include "spf/macro.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_OCTETS 253
/* Of an expansion that only its last 253 octets matter of, more than this is never kept. */
#define TAIL_KEEP    1024
#define TAIL_COMPACT 65536

enum token_kind { TOKEN_END, TOKEN_BAD, TOKEN_LITERAL, TOKEN_ESCAPE, TOKEN_MACRO };

struct token {
    enum token_kind kind;
    slice text;  /* the whole token */
    char letter; /* MACRO: in lower case; ESCAPE: '%', '_' or '-' */
    bool escape; /* an upper-case letter: URL escaping */
    bool reverse;
    bool split;  /* digits, "r" or delimiters were given */
    size_t keep; /* rightmost parts; 0: all */
    slice delimiters;
    const char *why; /* BAD */
};

static bool
is_delimiter(char c)
{
    return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

static bool
is_letter(char c)
{
    return c != '\0' && strchr("slodiphcrtv", c) != NULL;
}

static void
bad(struct token *t, const char *why)
{
    t->kind = TOKEN_BAD;
    t->why = why;
}

/* After "%{": macro-letter transformers *delimiter "}" */
static void
read_macro(slice s, struct token *t)
{
    size_t i = 2;
    t->kind = TOKEN_MACRO;
    t->letter = i < s.n ? ascii_lower(s.p[i]) : '\0';
    if (!is_letter(t->letter)) {
        bad(t, "unknown macro letter");
        return;
    }
    t->escape = s.p[i] != t->letter;
    size_t digits = ++i;
    for (; i < s.n && ascii_is_digit(s.p[i]); i++)
        if (t->keep < SIZE_MAX / 100) /* beyond any count of parts it says "all of them" as well */
            t->keep = t->keep * 10 + (size_t)(s.p[i] - '0');
    if (i > digits && t->keep == 0) {
        bad(t, "a macro that keeps 0 parts");
        return;
    }
    if (i < s.n && ascii_lower(s.p[i]) == 'r') {
        t->reverse = true;
        i++;
    }
    size_t from = i;
    while (i < s.n && is_delimiter(s.p[i]))
        i++;
    t->delimiters = (slice){ s.p + from, i - from };
    t->split = i > digits;
    if (i >= s.n || s.p[i] != '}') {
        bad(t, "malformed macro");
        return;
    }
    t->text = slice_head(s, i + 1);
}

/* Take the next token off *rest.  `space`: SP counts as a literal, as in explain-string. */
static struct token
next_token(slice *rest, bool space)
{
    struct token t = { .kind = TOKEN_END };
    slice s = *rest;
    if (s.n == 0)
        return t;
    if (s.p[0] == '%') {
        char c = s.n > 1 ? s.p[1] : '\0';
        if (c == '{') {
            read_macro(s, &t);
        } else if (c == '%' || c == '_' || c == '-') {
            t = (struct token){ .kind = TOKEN_ESCAPE, .letter = c, .text = slice_head(s, 2) };
        } else {
            bad(&t, "\"%\" without a macro");
        }
    } else {
        size_t i = 0;
        while (i < s.n && s.p[i] != '%' &&
               ((s.p[i] > 0x20 && s.p[i] < 0x7f) || (space && s.p[i] == ' ')))
            i++;
        t.kind = TOKEN_LITERAL;
        t.text = slice_head(s, i);
        if (i == 0)
            bad(&t,
                (unsigned char)s.p[0] >= 0x80 ? "an octet outside ASCII" : "a control character");
    }
    *rest = slice_tail(s, t.text.n);
    return t;
}

/* toplabel of RFC 7208 7.1: letters, digits and "-", not "-" at either end, not digits alone */
static bool
is_toplabel(slice s)
{
    bool letter = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-')
            return false;
        letter = letter || !ascii_is_digit(s.p[i]);
    }
    return letter && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

/* `end` is the literal text that the domain-spec ends with. */
static const char *
check_domain_end(slice end)
{
    if (end.n > 0 && end.p[end.n - 1] == '.')
        end.n--;
    size_t dot = slice_rfind(end, '.');
    if (dot >= end.n)
        return "not a full domain name";
    if (!is_toplabel(slice_tail(end, dot + 1)))
        return "the last label is not one of a domain name";
    return NULL;
}

static const char *
check(slice text, bool space, bool exp_letters, slice *end)
{
    *end = SLICE_EMPTY;
    for (;;) {
        struct token t = next_token(&text, space);
        switch (t.kind) {
        case TOKEN_END:
            return NULL;
        case TOKEN_BAD:
            return t.why;
        case TOKEN_LITERAL:
            *end = t.text;
            break;
        case TOKEN_MACRO:
            /* RFC 7208 7.2: c, r and t are for the explanation text alone */
            if (!exp_letters && memchr("crt", t.letter, 3) != NULL)
                return "a macro letter that only explanations may use";
            *end = SLICE_EMPTY;
            break;
        case TOKEN_ESCAPE:
            *end = SLICE_EMPTY;
            break;
        }
    }
}

const char *
spf_macro_check_domain_spec(slice text)
{
    slice end;
    if (text.n == 0)
        return "an empty domain";
    const char *why = check(text, false, false, &end);
    if (why != NULL)
        return why;
    /* nothing literal at the end: a macro-expand is there */
    return end.n == 0 ? NULL : check_domain_end(end);
}

const char *
spf_macro_check_string(slice text)
{
    slice end;
    return check(text, false, true, &end);
}

const char *
spf_macro_check_explain(slice text)
{
    slice end;
    return check(text, true, true, &end);
}

bool
spf_macro_uses(slice text, const char *letters)
{
    for (;;) {
        struct token t = next_token(&text, true);
        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
            return false;
        if (t.kind == TOKEN_MACRO && strchr(letters, t.letter) != NULL)
            return true;
    }
}

static bool
splits_at(const struct token *t, char c)
{
    return t->delimiters.n == 0 ? c == '.' : slice_has(t->delimiters, c);
}

static void
add_octet(struct strbuf *out, const struct token *t, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char u = (unsigned char)c;
    /* RFC 3986 2.3, unreserved */
    if (!t->escape || ascii_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
        strbuf_add_char(out, c);
        return;
    }
    strbuf_add_char(out, '%');
    strbuf_add_char(out, hex[u >> 4]);
    strbuf_add_char(out, hex[u & 15]);
}

static void
add_part(struct strbuf *out, const struct token *t, slice part)
{
    if (!t->escape) {
        strbuf_add(out, part);
        return;
    }
    for (size_t i = 0; i < part.n; i++)
        add_octet(out, t, part.p[i]);
}

/* Split, reverse, keep the rightmost parts, join with "." (RFC 7208 7.3); without a list of parts. */
static void
add_value(struct strbuf *out, const struct token *t, slice value)
{
    if (!t->split) {
        add_part(out, t, value);
        return;
    }
    size_t parts = 1;
    for (size_t i = 0; i < value.n; i++)
        parts += splits_at(t, value.p[i]);
    size_t keep = t->keep == 0 || t->keep > parts ? parts : t->keep;
    /* the rightmost parts of the reversed list are the leftmost ones of the list, backwards */
    size_t skip = t->reverse ? 0 : parts - keep, from = 0, nth = 0;
    if (!t->reverse) {
        for (size_t i = 0; i <= value.n; i++) {
            if (i < value.n && !splits_at(t, value.p[i]))
                continue;
            if (nth++ >= skip) {
                add_part(out, t, (slice){ value.p + from, i - from });
                if (i < value.n)
                    strbuf_add_char(out, '.');
            }
            from = i + 1;
        }
        return;
    }
    size_t end = 0;
    for (; end < value.n; end++)
        if (splits_at(t, value.p[end]) && ++nth == keep)
            break;
    for (size_t i = end;;) {
        size_t start = i;
        while (start > 0 && !splits_at(t, value.p[start - 1]))
            start--;
        add_part(out, t, (slice){ value.p + start, i - start });
        if (start == 0)
            break;
        strbuf_add_char(out, '.');
        i = start - 1;
    }
}

/* %{i}: dotted quad, or the 32 nibbles of an IPv6 address with dots between them */
static slice
dotted(const struct netaddr *a, char buf[64])
{
    static const char hex[] = "0123456789ABCDEF";
    if (a->family != 6)
        return slice_from(netaddr_text(a, buf));
    char *p = buf;
    for (size_t i = 0; i < 16; i++) {
        *p++ = hex[a->bytes[i] >> 4];
        *p++ = '.';
        *p++ = hex[a->bytes[i] & 15];
        *p++ = '.';
    }
    return (slice){ buf, (size_t)(p - buf) - 1 };
}

static void
add_sender(struct strbuf *out, const struct token *t, const struct spf_macro_facts *f)
{
    struct strbuf s;
    strbuf_init(&s, 0);
    strbuf_add(&s, f->local);
    strbuf_add_char(&s, '@');
    strbuf_add(&s, f->sender_domain);
    if (strbuf_status(&s) != ST_OK)
        out->st = strbuf_status(&s);
    add_value(out, t, strbuf_slice(&s));
    strbuf_clear(&s);
}

static void
add_macro(struct strbuf *out, const struct token *t, const struct spf_macro_facts *f)
{
    char buf[64];
    slice value = SLICE_EMPTY;
    switch (t->letter) {
    case 's':
        add_sender(out, t, f);
        return;
    case 'l':
        value = f->local;
        break;
    case 'o':
        value = f->sender_domain;
        break;
    case 'd':
        value = f->domain;
        break;
    case 'i':
        value = dotted(&f->client, buf);
        break;
    case 'p':
        value = f->validated_name.n > 0 ? f->validated_name : SLICE("unknown");
        break;
    case 'h':
        value = f->helo;
        break;
    case 'c':
        value = slice_from(netaddr_text(&f->client, buf));
        break;
    case 'r':
        value = f->receiver.n > 0 ? f->receiver : SLICE("unknown");
        break;
    case 't':
        snprintf(buf, sizeof(buf), "%" PRId64, f->now);
        value = slice_from(buf);
        break;
    case 'v':
        value = f->client.family == 6 ? SLICE("ip6") : SLICE("in-addr");
        break;
    }
    add_value(out, t, value);
}

static void
add_token(struct strbuf *out, const struct token *t, const struct spf_macro_facts *f)
{
    switch (t->kind) {
    case TOKEN_END:
    case TOKEN_BAD:
        break;
    case TOKEN_LITERAL:
        strbuf_add(out, t->text);
        break;
    case TOKEN_ESCAPE:
        strbuf_add_str(out, t->letter == '%' ? "%" : t->letter == '_' ? " " : "%20");
        break;
    case TOKEN_MACRO:
        add_macro(out, t, f);
        break;
    }
}

void
spf_macro_expand(struct strbuf *out, slice text, const struct spf_macro_facts *facts)
{
    for (;;) {
        struct token t = next_token(&text, true);
        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
            return;
        add_token(out, &t, facts);
    }
}

/* Drop labels from the left until the name fits; one label that does not fit alone stays. */
static slice
cut_to_name(slice s)
{
    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    while (s.n > NAME_MAX_OCTETS) {
        size_t dot = slice_find(s, '.');
        if (dot >= s.n)
            break;
        s = slice_tail(s, dot + 1);
    }
    return s;
}

enum status
spf_macro_target(struct strbuf *scratch, slice domain_spec, const struct spf_macro_facts *facts,
                 slice *out)
{
    strbuf_reset(scratch);
    for (;;) {
        struct token t = next_token(&domain_spec, false);
        if (t.kind == TOKEN_END || t.kind == TOKEN_BAD)
            break;
        add_token(scratch, &t, facts);
        if (scratch->st == ST_OK && scratch->n > TAIL_COMPACT) {
            memmove(scratch->p, scratch->p + scratch->n - TAIL_KEEP, TAIL_KEEP);
            scratch->n = TAIL_KEEP;
        }
    }
    *out = cut_to_name(strbuf_slice(scratch));
    return strbuf_status(scratch);
}
