#include "spf/record.h"
#include "spf/macro.h"

#include <string.h>

#define VERSION_LENGTH 6 /* "v=spf1" */

static const struct {
    slice name;
    enum spf_mechanism mechanism;
    bool needs_argument;
    const char *argument; /* behind the name: ":" a domain-spec or network, "/" prefix lengths */
} mechanisms[] = {
    { { "ip4", 3 }, SPF_MECH_IP4, true, ":" },
    { { "include", 7 }, SPF_MECH_INCLUDE, true, ":" },
    { { "ip6", 3 }, SPF_MECH_IP6, true, ":" },
    { { "all", 3 }, SPF_MECH_ALL, false, "" },
    { { "a", 1 }, SPF_MECH_A, false, ":/" },
    { { "mx", 2 }, SPF_MECH_MX, false, ":/" },
    { { "exists", 6 }, SPF_MECH_EXISTS, true, ":" },
    { { "ptr", 3 }, SPF_MECH_PTR, false, ":" },
};

bool
spf_record_is(slice txt)
{
    return slice_istarts(txt, SLICE("v=spf1")) &&
           (txt.n == VERSION_LENGTH || txt.p[VERSION_LENGTH] == ' ');
}

/* The next run of octets other than SP; terms are separated by SP alone (RFC 7208 4.6.1). */
static bool
next_word(slice text, size_t *at, slice *out)
{
    size_t i = *at < VERSION_LENGTH ? VERSION_LENGTH : *at;
    while (i < text.n && text.p[i] == ' ')
        i++;
    size_t from = i;
    i += slice_find(slice_tail(text, from), ' ');
    *at = i;
    *out = (slice){ text.p + from, i - from };
    return i > from;
}

/* "0" / %x31-39 0*DIGIT, up to max */
static bool
read_prefix(slice digits, unsigned max, unsigned *out)
{
    uint64_t v;
    if ((digits.n > 1 && digits.p[0] == '0') || !slice_to_u64(digits, &v) || v > max)
        return false;
    *out = (unsigned)v;
    return true;
}

static size_t
trailing_digits(slice s)
{
    size_t n = 0;
    while (n < s.n && ascii_is_digit(s.p[s.n - 1 - n]))
        n++;
    return n;
}

/* Take [ "/" n4 ] [ "//" n6 ] off the end of *s.  No domain-spec can end in "/" and digits, so the
 * cut is unambiguous. */
static const char *
cut_dual_prefix(slice *s, struct spf_term *t)
{
    size_t n = trailing_digits(*s);
    if (n + 2 <= s->n && s->p[s->n - n - 1] == '/' && s->p[s->n - n - 2] == '/') {
        if (!read_prefix(slice_tail(*s, s->n - n), 128, &t->prefix6))
            return "an IPv6 prefix length is 0 to 128";
        s->n -= n + 2;
        n = trailing_digits(*s);
        if (n == 0)
            return NULL;
    }
    if (n + 1 <= s->n && s->p[s->n - n - 1] == '/') {
        if (!read_prefix(slice_tail(*s, s->n - n), 32, &t->prefix4))
            return "an IPv4 prefix length is 0 to 32";
        s->n -= n + 1;
    }
    return NULL;
}

static const char *
read_network4(slice arg, struct spf_term *t)
{
    slice address, bits;
    bool has_prefix = slice_cut(arg, '/', &address, &bits);
    if (has_prefix && !read_prefix(bits, 32, &t->prefix4))
        return "an IPv4 prefix length is 0 to 32";
    if (slice_has(address, ':') || !netaddr_parse(address, &t->network))
        return "not an IPv4 network";
    return NULL;
}

static const char *
read_network6(slice arg, struct spf_term *t)
{
    slice address, bits;
    bool has_prefix = slice_cut(arg, '/', &address, &bits);
    if (has_prefix && !read_prefix(bits, 128, &t->prefix6))
        return "an IPv6 prefix length is 0 to 128";
    if (!slice_has(address, ':') || !netaddr_parse(address, &t->network))
        return "not an IPv6 network";
    if (t->network.family ==
        4) { /* ::ffff:a.b.c.d is a network of IPv6 here: IPv4 clients match ip4 alone (5) */
        uint8_t v4[4];
        memcpy(v4, t->network.bytes, 4);
        memset(&t->network, 0, sizeof(t->network));
        t->network.family = 6;
        t->network.bytes[10] = t->network.bytes[11] = 0xff;
        memcpy(t->network.bytes + 12, v4, 4);
    }
    return NULL;
}

/* `arg` is all behind the mechanism's name, ":" or "/" included.  `known_good`: it has passed
 * before. */
static const char *
read_argument(slice arg, bool known_good, struct spf_term *t)
{
    switch (t->mechanism) {
    case SPF_MECH_ALL:
        return NULL;
    case SPF_MECH_IP4:
        return read_network4(slice_tail(arg, 1), t);
    case SPF_MECH_IP6:
        return read_network6(slice_tail(arg, 1), t);
    case SPF_MECH_A:
    case SPF_MECH_MX: {
        const char *why = cut_dual_prefix(&arg, t);
        if (why != NULL)
            return why;
        break;
    }
    case SPF_MECH_INCLUDE:
    case SPF_MECH_PTR:
    case SPF_MECH_EXISTS:
        break;
    }
    if (arg.n == 0)
        return NULL;
    if (arg.p[0] != ':')
        return "malformed prefix length";
    t->domain_spec = slice_tail(arg, 1);
    return known_good ? NULL : spf_macro_check_domain_spec(t->domain_spec);
}

static const char *
read_mechanism(slice text, bool known_good, struct spf_term *t)
{
    *t = (struct spf_term){ .text = text, .result = SPF_PASS, .prefix4 = 32, .prefix6 = 128 };
    slice rest = text;
    static const struct {
        char sign;
        enum spf_result result;
    } qualifiers[] = {
        { '+', SPF_PASS }, { '-', SPF_FAIL }, { '~', SPF_SOFTFAIL }, { '?', SPF_NEUTRAL }
    };
    for (size_t i = 0; i < COUNT(qualifiers); i++)
        if (text.p[0] == qualifiers[i].sign) {
            t->result = qualifiers[i].result;
            rest = slice_tail(text, 1);
            break;
        }
    size_t end = 0;
    while (end < rest.n && rest.p[end] != ':' && rest.p[end] != '/')
        end++;
    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        if (!slice_ieq(slice_head(rest, end), mechanisms[i].name))
            continue;
        t->mechanism = mechanisms[i].mechanism;
        slice arg = slice_tail(rest, end);
        if (arg.n == 0)
            return mechanisms[i].needs_argument ? "the mechanism needs an argument" : NULL;
        if (strchr(mechanisms[i].argument, arg.p[0]) == NULL)
            return "the mechanism does not take this argument";
        return read_argument(arg, known_good, t);
    }
    return "unknown mechanism";
}

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static bool
is_modifier_name(slice s)
{
    if (s.n == 0 || !ascii_is_alpha(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

/* A modifier has its "=" before any ":" or "/" (RFC 7208 4.6.1). */
static bool
is_modifier(slice term)
{
    for (size_t i = 0; i < term.n; i++) {
        if (term.p[i] == '=')
            return true;
        if (term.p[i] == ':' || term.p[i] == '/')
            return false;
    }
    return false;
}

static const char *
read_modifier(slice term, struct spf_record *r)
{
    slice name, value;
    slice_cut(term, '=', &name, &value);
    if (!is_modifier_name(name))
        return "malformed name of a modifier";
    bool redirect = slice_ieq(name, SLICE("redirect"));
    if (!redirect && !slice_ieq(name, SLICE("exp")))
        return spf_macro_check_string(value); /* unknown ones are checked and ignored (6) */
    const char *why = spf_macro_check_domain_spec(value);
    if (why != NULL)
        return why;
    slice *to = redirect ? &r->redirect : &r->explanation;
    if (to->n > 0)
        return "the modifier stands twice";
    *to = value;
    if (redirect)
        r->redirect_text = term;
    return NULL;
}

enum status
spf_record_parse(slice text, struct spf_record *out, struct spf_syntax_error *error)
{
    struct spf_record r = { .text = text,
                            .redirect = SLICE_EMPTY,
                            .redirect_text = SLICE_EMPTY,
                            .explanation = SLICE_EMPTY };
    slice word;
    for (size_t at = 0; next_word(text, &at, &word);) {
        struct spf_term t = { 0 };
        const char *why =
            is_modifier(word) ? read_modifier(word, &r) : read_mechanism(word, false, &t);
        if (why != NULL) {
            *error = (struct spf_syntax_error){ .term = word, .why = why };
            return ST_SYNTAX;
        }
        if (is_modifier(word))
            continue;
        r.has_all = r.has_all || t.mechanism == SPF_MECH_ALL;
        r.asks = r.asks || spf_term_asks(&t);
    }
    if (r.has_all) /* RFC 7208 5.1 and 6.1, wherever the two stand */
        r.redirect = r.redirect_text = SLICE_EMPTY;
    r.asks = r.asks || r.redirect.n > 0;
    *out = r;
    return ST_OK;
}

bool
spf_record_next(const struct spf_record *r, size_t *at, struct spf_term *out)
{
    slice word;
    while (next_word(r->text, at, &word)) {
        if (is_modifier(word) || read_mechanism(word, true, out) != NULL)
            continue;
        if (out->mechanism == SPF_MECH_ALL)
            *at = r->text.n;
        return true;
    }
    return false;
}

bool
spf_term_asks(const struct spf_term *t)
{
    switch (t->mechanism) {
    case SPF_MECH_INCLUDE:
    case SPF_MECH_A:
    case SPF_MECH_MX:
    case SPF_MECH_PTR:
    case SPF_MECH_EXISTS:
        return true;
    case SPF_MECH_ALL:
    case SPF_MECH_IP4:
    case SPF_MECH_IP6:
        break;
    }
    return false;
}

bool
spf_term_matches_alone(const struct spf_term *t, const struct netaddr *client)
{
    switch (t->mechanism) {
    case SPF_MECH_ALL:
        return true;
    case SPF_MECH_IP4:
        return netaddr_in(client, &t->network, t->prefix4);
    case SPF_MECH_IP6:
        return netaddr_in(client, &t->network, t->prefix6);
    case SPF_MECH_INCLUDE:
    case SPF_MECH_A:
    case SPF_MECH_MX:
    case SPF_MECH_PTR:
    case SPF_MECH_EXISTS:
        break;
    }
    return false;
}
