/*
 * spf_compare.c - generated records, judged by the native engine and by libspf2 from the same zone.
 *
 * A case is a small world: a domain, some records it includes, hosts, one client.  Half of the cases hold only what every
 * engine is expected to read alike; the others have exactly one of the features named in quirks[], each of which stands in
 * spf-deviations.md with its RFC section.  So a difference in a plain case is unexplained and fails the run, and one in
 * another case is counted under the one feature that it has.  Compared are the result and the names asked for: what libspf2
 * asks for the native engine has to have asked for too, which shows each macro expansion whatever the answer.
 *
 * Usage: spf_compare [-n COUNT] [-s SEED] [-q QUIRK] [-o CASES.jsonl] [-v]     (-o: for spf_compare_pyspf.py)
 */
#include "autoconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "dns/zone.h"
#include "second/second.h"

enum quirk {
    PLAIN,
    CIDR_ZERO,          /* /0 and //0 */
    MODIFIER_DOT,       /* a name of a modifier with "." */
    MODIFIER_TWICE,     /* an unknown modifier twice */
    JOINED,             /* delimiters other than "." in macros other than l and s */
    HOSTS_GONE,         /* hosts without addresses */
    HOSTS_BROKEN,       /* SERVFAIL for hosts */
    REDIRECT_EARLY,     /* redirect= before other terms */
    REDIRECT_AND_ALL,   /* redirect= beside "all" */
    DELIMITERS,         /* "," and "/" */
    DIGITS_ALL,         /* as many parts asked for as there are, or more */
    REVERSE_AND_DIGITS, /* both transformers */
    REVERSE_UPPER,      /* "R" */
    DIGITS_BEYOND,      /* more than 128 parts */
    EMPTY_PARTS,        /* macro values with delimiters at their ends or side by side */
    IP6_LONG,           /* ip6 networks of more than 15 characters */
    IP6_MAPPED,         /* ip6:::ffff:a.b.c.d */
    DOMAIN_LONG,        /* a target of more than 253 octets */
    BAD_LABEL,          /* a target with an empty or too long label */
    NULL_MX,            /* RFC 7505 */
    PTR_ERROR,          /* SERVFAIL for PTR or for the names it gives */
    PTR_NAMES,          /* names of PTR that do not exist, and %{p} */
    URL_ESCAPE,         /* upper-case macro letters */
    SELF_INCLUDE,       /* include or redirect to the current domain */
    EXPIRED_EXP,        /* exp= */
    UPPER_NAMES,        /* names of mechanisms and modifiers in upper case */
    TRAILING_DOT,
    SYNTAX,             /* one octet of a record is another one */
    QUIRKS
};

static const char *const quirks[QUIRKS] = {
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

#define PICK(list) ((list)[roll((unsigned)COUNT(list))])

/* ---- making a case */

#define RECORDS 5 /* d.example and i1.example to i4.example */
#define NAME_SIZE 400

struct world {
    enum quirk quirk;
    struct strbuf records[RECORDS];
    struct strbuf zone; /* hosts, without the records */
    char local[80], helo[80];
    struct netaddr client;
    char client_text[NETADDR_TEXT_MAX];
};

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

/* ---- judging it */

struct asked {
    slice *names;
    size_t n, cap;
    struct arena *arena;
};

static void
note_question(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    struct asked *q = arg;
    (void)answer;
    if (q->n == q->cap) {
        size_t cap = q->cap == 0 ? 32 : q->cap * 2;
        q->names = realloc(q->names, cap * sizeof(*q->names));
        q->cap = cap;
    }
    q->names[q->n++] = arena_printf(q->arena, "%s %.*s", dns_type_name(type), SLICE_ARG(name));
}

struct verdict {
    struct spf_outcome out;
    struct asked asked;
};

static void
judge(struct arena *a, struct resolver *r, const struct world *w, spf_engine *engine, struct verdict *v)
{
    static const struct dns_limits limits = { .timeout_ms = 5000, .max_queries = 1000 };
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .client = w->client, .helo = slice_from(w->helo),
                              .sender_local = slice_from(w->local), .sender_domain = SLICE("d.example"),
                              .receiver = SLICE("mta.example.org"), .now = 1700000000, .max_voids = 2 };
    struct dns_session *dns = dns_session_new(r, &limits);
    memset(v, 0, sizeof(*v));
    v->asked.arena = a;
    if (dns == NULL || engine(a, dns, &rq, NULL, &v->out) != ST_OK)
        abort();
    dns_session_each(dns, note_question, &v->asked);
    dns_session_free(dns);
}

/* A name made of macros that the other engine asked for and the native one did not; NULL: none. */
static const slice *
stray_question(const struct asked *native, const struct asked *other)
{
    for (size_t i = 0; i < other->n; i++) {
        size_t k = 0;
        if (!slice_iends(other->names[i], SLICE("m.example")) && !slice_iends(other->names[i], SLICE("n.example")))
            continue;
        while (k < native->n && !slice_ieq(native->names[k], other->names[i]))
            k++;
        if (k == native->n)
            return &other->names[i];
    }
    return NULL;
}

static slice
zone_text(struct world *w, struct strbuf *b)
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

static void
write_case(FILE *f, unsigned long nth, const struct world *w, const char *zone, const struct verdict *native,
           const struct verdict *other)
{
    json_t *names = json_array();
    for (size_t i = 0; i < native->asked.n; i++)
        json_array_append_new(names, json_stringn(native->asked.names[i].p, native->asked.names[i].n));
    json_t *c = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s%, s:s, s:o}", "nth", (int)nth, "quirk", quirks[w->quirk],
                          "zone", zone, "client", w->client_text, "helo", w->helo, "local", w->local, "native",
                          spf_result_name(native->out.result), "reason", native->out.reason.p, native->out.reason.n, "libspf2",
                          other == NULL || !second_spf_has_opinion(&other->out) ? "" : spf_result_name(other->out.result),
                          "asked", names);
    json_dumpf(c, f, JSON_COMPACT);
    fputc('\n', f);
    json_decref(c);
}

struct counts {
    unsigned long cases, results, questions, unasked;
};

static bool
compare(const struct world *w, const char *zone, const struct verdict *native, const struct verdict *other, bool verbose,
        struct counts *n)
{
    const slice *stray = stray_question(&native->asked, &other->asked);
    n->cases++;
    if (!second_spf_has_opinion(&other->out)) {
        n->unasked++;
        return true;
    }
    bool same = native->out.result == other->out.result;
    n->results += !same;
    n->questions += same && stray != NULL;
    if (same && stray == NULL)
        return true;
    if (verbose || w->quirk == PLAIN)
        printf("%s: client %s local %s helo %s: native %s (%.*s), libspf2 %s (%.*s)%s%.*s\n%s\n", quirks[w->quirk],
               w->client_text, w->local, w->helo, spf_result_name(native->out.result), SLICE_ARG(native->out.reason),
               spf_result_name(other->out.result), SLICE_ARG(other->out.reason), stray == NULL ? "" : ", strange question ",
               SLICE_ARG(stray == NULL ? SLICE_EMPTY : *stray), zone);
    return w->quirk != PLAIN;
}

struct options {
    unsigned long count;
    int quirk; /* -1: any */
    FILE *out;
    bool verbose;
};

static int
run(const struct options *o)
{
    struct counts n[QUIRKS] = { { 0 } };
    struct strbuf text, errors;
    static struct world w;
    unsigned long unexplained = 0;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    for (unsigned long i = 0; i < o->count; i++) {
        struct resolver *r = NULL;
        struct arena *a = arena_new(0);
        struct verdict native, other;
        bool has_other = second_spf() != NULL;
        w.quirk = o->quirk >= 0 ? (enum quirk)o->quirk : roll(2) ? PLAIN : (enum quirk)(1 + roll(QUIRKS - 1));
        make_hosts(&w);
        make_client(&w);
        for (int k = 0; k < RECORDS; k++)
            make_record(&w, k);
        if (a == NULL || resolver_zone_new(zone_text(&w, &text), &errors, &r) != ST_OK) {
            fprintf(stderr, "%s", strbuf_str(&errors));
            abort();
        }
        judge(a, r, &w, spf_check, &native);
        if (has_other) {
            judge(a, r, &w, second_spf(), &other);
            unexplained += !compare(&w, strbuf_str(&text), &native, &other, o->verbose, &n[w.quirk]);
            free(other.asked.names);
        }
        if (o->out != NULL)
            write_case(o->out, i, &w, strbuf_str(&text), &native, has_other ? &other : NULL);
        free(native.asked.names);
        resolver_free(r);
        arena_free(a);
    }
    printf("%-18s %10s %10s %10s %10s\n", "feature", "cases", "results", "questions", "not asked");
    for (int q = 0; q < QUIRKS; q++)
        printf("%-18s %10lu %10lu %10lu %10lu\n", quirks[q], n[q].cases, n[q].results, n[q].questions, n[q].unasked);
    printf("%lu cases, %lu unexplained differences\n", o->count, unexplained);
    strbuf_clear(&text);
    strbuf_clear(&errors);
    for (int k = 0; k < RECORDS; k++)
        strbuf_clear(&w.records[k]);
    strbuf_clear(&w.zone);
    return unexplained > 0;
}

int
main(int argc, char **argv)
{
    struct options o = { .count = 3000, .quirk = -1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            o.verbose = true;
        else if (i + 1 == argc)
            return 2;
        else if (strcmp(argv[i], "-n") == 0)
            o.count = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0)
            seed = strtoul(argv[++i], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) + 1;
        else if (strcmp(argv[i], "-o") == 0)
            o.out = fopen(argv[++i], "w");
        else if (strcmp(argv[i], "-q") == 0)
            for (i++, o.quirk = QUIRKS - 1; o.quirk > 0 && strcmp(argv[i], quirks[o.quirk]) != 0;)
                o.quirk--;
    }
    int rc = run(&o);
    if (o.out != NULL)
        fclose(o.out);
    return rc;
}
