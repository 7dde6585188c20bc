#include "spf_generate.h"

#include <stdio.h>
#include <string.h>

const char *const quirks[QUIRKS] = {
    "plain",          "cidr-zero",      "modifier-dot",  "modifier-twice", "joined",           "hosts-gone",
    "hosts-broken",   "redirect-early", "redirect-and-all", "delimiters",
    "digits-all",     "reverse-digits", "reverse-upper",  "digits-beyond", "empty-parts",    "ip6-long",         "ip6-mapped",
    "domain-long",    "bad-label",      "null-mx",       "ptr-error",      "ptr-names",        "url-escape",
    "self-include",   "exp",            "upper-names",   "trailing-dot",   "syntax",
};

static uint64_t seed = 1;

static unsigned
roll(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % n);
}

void
generate_seed(uint64_t n)
{
    seed = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

unsigned
generate_roll(unsigned n)
{
    return roll(n);
}

#define PICK(list) ((list)[roll((unsigned)COUNT(list))])


static const char *const hosts[] = { "h0.example", "h1.example", "h2.example", "h3.example", "h4.example", "h5.example" };

static void
add_macro(struct strbuf *b, enum quirk q)
{
    static const char letters[] = "slodihv";
    char letter = letters[roll(7)];
    if (q == PTR_NAMES && roll(2))
        letter = 'p';
    if (q == URL_ESCAPE && roll(2))
        letter = (char)(letter - 32);
    strbuf_printf(b, "%%{%c", letter);
    bool digits = roll(3) == 0, reverse = roll(3) == 0;
    unsigned parts = letter == 'i' ? 4 : letter == 'd' || letter == 'o' ? 2 : 1; /* at least, when split at dots */
    if (q != DIGITS_ALL && parts == 1)
        digits = false;
    if (q != REVERSE_AND_DIGITS && digits && reverse)
        reverse = false;
    if (q == DIGITS_BEYOND && digits)
        strbuf_printf(b, "%u", 129 + roll(1000));
    else if (digits)
        strbuf_printf(b, "%u", 1 + roll(q == DIGITS_ALL ? 4 : parts - 1));
    if (reverse)
        strbuf_add_char(b, q == REVERSE_UPPER ? 'R' : 'r');
    bool joins = q == JOINED || q == DELIMITERS || letter == 'l' || letter == 's';
    if (roll(4) == 0 && joins && (!digits || q == DIGITS_ALL)) {
        static const char plain[] = "-+_=.", odd[] = ",/";
        strbuf_add_char(b, q == DELIMITERS && roll(2) ? odd[roll(2)] : plain[roll(5)]);
        if (roll(3) == 0)
            strbuf_add_char(b, plain[roll(5)]);
    }
    strbuf_add_char(b, '}');
}

static void
add_target(struct strbuf *b, enum quirk q)
{
    if (q == BAD_LABEL && roll(2)) {
        strbuf_add_str(b, roll(2) ? "x..h0.example"
                                  : "a23456789012345678901234567890123456789012345678901234567890123456.example");
        return;
    }
    if (q == DOMAIN_LONG && roll(2)) {
        for (int i = 0; i < 5; i++)
            strbuf_printf(b, "a234567890123456789012345678901234567890123456789%d.", i);
        strbuf_printf(b, "%s", PICK(hosts));
        return;
    }
    if (roll(2)) {
        strbuf_add_str(b, PICK(hosts));
    } else {
        for (int n = 1 + (roll(3) == 0) + (roll(9) == 0); n > 0; n--) { /* three stay below 253 octets */
            add_macro(b, q);
            strbuf_add_char(b, roll(5) ? '.' : '-');
        }
        strbuf_printf(b, "%s.example", roll(2) ? "m" : "n");
    }
    if (q == TRAILING_DOT && roll(2))
        strbuf_add_char(b, '.');
}

static void
add_prefixes(struct strbuf *b, enum quirk q)
{
    unsigned low = q == CIDR_ZERO ? 0 : 1;
    if (roll(3) == 0)
        strbuf_printf(b, "/%u", q == CIDR_ZERO && roll(2) ? 0 : low + roll(33 - low));
    if (roll(4) == 0)
        strbuf_printf(b, "//%u", q == CIDR_ZERO && roll(2) ? 0 : low + roll(129 - low));
}

static void
add_network(struct strbuf *b, const struct world *w)
{
    unsigned low = w->quirk == CIDR_ZERO ? 0 : 1;
    if (roll(2)) {
        strbuf_printf(b, "ip4:%s192.0.%u.%u", "", roll(4), roll(8));
        if (roll(2))
            strbuf_printf(b, "/%u", w->quirk == CIDR_ZERO && roll(2) ? 0 : low + roll(33 - low));
        return;
    }
    if (w->quirk == IP6_MAPPED)
        strbuf_printf(b, "ip6:::ffff:192.0.%u.%u", roll(4), roll(8));
    else if (w->quirk == IP6_LONG)
        strbuf_printf(b, "ip6:2001:db8:0:0:0:0:%u:%u", roll(4), roll(8));
    else
        strbuf_printf(b, "ip6:2001:db8::%u:%u", roll(4), roll(8));
    if (roll(2))
        strbuf_printf(b, "/%u", w->quirk == CIDR_ZERO && roll(2) ? 0 : low + roll(129 - low));
}

static const char *
spell(enum quirk q, const char *lower, const char *upper)
{
    return q == UPPER_NAMES && roll(2) ? upper : lower;
}

static void
add_term(struct strbuf *b, struct world *w, int record)
{
    static const char *const qualifiers[] = { "", "", "", "+", "-", "~", "?" };
    enum quirk q = w->quirk;
    strbuf_add_str(b, roll(12) == 0 ? "  " : " ");
    switch (roll(10)) {
    case 0:
    case 1:
    case 2:
        strbuf_add_str(b, PICK(qualifiers));
        add_network(b, w);
        return;
    case 3:
        strbuf_printf(b, "%s%s", PICK(qualifiers), spell(q, "a", "A"));
        break;
    case 4:
        strbuf_printf(b, "%s%s", PICK(qualifiers), spell(q, "mx", "Mx"));
        break;
    case 5:
        strbuf_printf(b, "%s%s:", PICK(qualifiers), spell(q, "exists", "EXISTS"));
        add_target(b, q);
        return;
    case 6:
    case 7:
        if (record >= RECORDS - 1 && q != SELF_INCLUDE)
            return;
        strbuf_printf(b, "%s%s:", PICK(qualifiers), spell(q, "include", "Include"));
        if (q == SELF_INCLUDE && roll(2))
            strbuf_add_str(b, record == 0 || roll(2) ? "d.example" : "%{d}");
        else
            strbuf_printf(b, "i%u.example", (unsigned)record + 1 + roll((unsigned)(RECORDS - 1 - record) + (record == RECORDS - 1)));
        return;
    case 8:
        if (roll(3)) {
            strbuf_printf(b, "foo%s%u=%s", q == MODIFIER_DOT ? ".bar" : "",
                          q == MODIFIER_TWICE ? 0 : (unsigned)b->n, roll(2) ? "x" : "%{d}/y");
            return;
        }
        strbuf_printf(b, "%sptr", PICK(qualifiers));
        if (roll(2))
            strbuf_printf(b, ":%s", PICK(hosts));
        return;
    case 9:
        strbuf_printf(b, "%s%s:", PICK(qualifiers), spell(q, "a", "A"));
        add_target(b, q);
        add_prefixes(b, q);
        return;
    }
    if (roll(2)) {
        strbuf_add_char(b, ':');
        strbuf_add_str(b, PICK(hosts));
    }
    add_prefixes(b, q);
}

static void
make_record(struct world *w, int record)
{
    static const char *const ends[] = { " -all", " ~all", " ?all", " +all", "" };
    struct strbuf *b = &w->records[record];
    bool redirect = record < RECORDS - 1 && roll(4) == 0;
    char redirection[60];
    unsigned terms = roll(5);
    snprintf(redirection, sizeof(redirection), " %s=i%u.example", spell(w->quirk, "redirect", "Redirect"),
             (unsigned)record + 1 + roll((unsigned)(RECORDS - 1 - record) + (record == RECORDS - 1)));
    if (w->quirk == SELF_INCLUDE && redirect && roll(2))
        snprintf(redirection, sizeof(redirection), " redirect=%%{d}");
    strbuf_reset(b);
    strbuf_add_str(b, "v=spf1");
    for (unsigned i = 0; i < terms; i++) {
        if (redirect && w->quirk == REDIRECT_EARLY && i == terms / 2)
            strbuf_add_str(b, redirection);
        add_term(b, w, record);
    }
    if (redirect && w->quirk == REDIRECT_EARLY && terms > 0)
        return;
    if (redirect && w->quirk == REDIRECT_AND_ALL && roll(2))
        strbuf_printf(b, "%s%s", redirection, PICK(ends));
    else
        strbuf_add_str(b, redirect ? redirection : PICK(ends));
    if (w->quirk == EXPIRED_EXP && roll(2))
        strbuf_printf(b, " exp=%s", roll(2) ? "e.example" : "gone.%{d}");
    if (w->quirk == SYNTAX && roll(RECORDS) == 0 && b->n > 8) {
        size_t at = 7 + roll((unsigned)b->n - 7);
        b->p[at] = "%/:=.-+ {}aA09x,"[roll(16)];
    }
}

static void
make_hosts(struct world *w)
{
    struct strbuf *b = &w->zone;
    strbuf_reset(b);
    for (size_t i = 0; i < COUNT(hosts); i++) {
        bool gone = w->quirk == HOSTS_GONE;
        if (gone && roll(4) == 0)
            continue;
        for (unsigned k = roll(3) + !gone; k > 0; k--)
            strbuf_printf(b, "%s. A 192.0.%u.%u\n", hosts[i], roll(4), roll(8));
        for (unsigned k = roll(2) + !gone; k > 0; k--)
            strbuf_printf(b, "%s. AAAA 2001:db8::%u:%u\n", hosts[i], roll(4), roll(8));
        for (unsigned k = roll(4); k > 0; k--)
            strbuf_printf(b, "%s. MX %u %s.\n", hosts[i], 10 * k, PICK(hosts));
        if (w->quirk == NULL_MX && roll(2))
            strbuf_printf(b, "%s. MX 0 .\n", hosts[i]);
        strbuf_printf(b, "%s. TXT there\n", hosts[i]);
        if (w->quirk == HOSTS_BROKEN && roll(4) == 0)
            strbuf_printf(b, "$STATUS %s. %s servfail\n", hosts[i], roll(2) ? "A" : "MX");
    }
    strbuf_printf(b, "d.example. A 192.0.%u.%u\nd.example. MX 0 %s.\n", roll(4), roll(8), PICK(hosts));
    strbuf_add_str(b, "*.m.example. A 127.0.0.2\nm.example. TXT x\nn.example. TXT x\n");
    strbuf_add_str(b, "e.example. TXT \"%{i} is not one of %{d}'s\"\n");
}

static void
make_client(struct world *w)
{
    static const char *const locals[] = { "user", "strong-bad", "a.b.c", "x+y", "one_two=three", "q" };
    static const char *const odd[] = { "-user-", "a..b", ".x", "y.", "+-+", "100%" };
    static const char *const helos[] = { "mx.example.net", "h1.example", "a-b.c_d.example", "host" };
    char reverse[80];
    snprintf(w->client_text, sizeof(w->client_text), roll(3) ? "192.0.%u.%u" : "2001:db8::%u:%u", roll(4), roll(8));
    netaddr_parse(slice_from(w->client_text), &w->client);
    bool strange = w->quirk == EMPTY_PARTS || w->quirk == URL_ESCAPE;
    snprintf(w->local, sizeof(w->local), "%s", strange && roll(2) ? PICK(odd) : PICK(locals));
    snprintf(w->helo, sizeof(w->helo), "%s", w->quirk == EMPTY_PARTS && roll(2) ? "..odd..helo." : PICK(helos));
    netaddr_reverse_name(&w->client, reverse);
    if (w->quirk == PTR_ERROR && roll(2))
        strbuf_printf(&w->zone, "$STATUS %s. PTR servfail\n", reverse);
    else if (w->quirk == PTR_ERROR)
        strbuf_printf(&w->zone, "%s. PTR broken.example.\n$STATUS broken.example. * servfail\n", reverse);
    for (unsigned k = roll(3); k > 0; k--) {
        const char *name = w->quirk == PTR_NAMES && roll(2) ? "gone.example" : k == 1 ? "p1.h1.example" : "p2.h2.example";
        strbuf_printf(&w->zone, "%s. PTR %s.\n", reverse, name);
        if (w->quirk != PTR_NAMES) /* there, true or not */
            strbuf_printf(&w->zone, "%s. %s %s\n", name, w->client.family == 6 ? "AAAA" : "A",
                          roll(2) ? w->client_text : w->client.family == 6 ? "2001:db8::9:9" : "192.0.9.9");
    }
}

void
generate_world(struct world *w, enum quirk q)
{
    w->quirk = q;
    make_hosts(w);
    make_client(w);
    for (int i = 0; i < RECORDS; i++)
        make_record(w, i);
}

void
world_clear(struct world *w)
{
    for (int i = 0; i < RECORDS; i++)
        strbuf_clear(&w->records[i]);
    strbuf_clear(&w->zone);
}

slice
world_zone(struct world *w, struct strbuf *b)
{
    strbuf_reset(b);
    strbuf_add(b, strbuf_slice(&w->zone));
    for (int i = 0; i < RECORDS; i++) {
        if (i == 0)
            strbuf_add_str(b, "d.example. TXT \"");
        else
            strbuf_printf(b, "i%d.example. TXT \"", i);
        strbuf_add(b, strbuf_slice(&w->records[i]));
        strbuf_add_str(b, "\"\n");
    }
    return strbuf_slice(b);
}
