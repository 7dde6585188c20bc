/*
 * From fields grown from RFC 5322's grammar, then damaged: the author that the pipeline finds must be the only author for
 * the reference reader too, and the other way round.  test_from_generated [COUNT [SEED]]
 */
#include "test.h"

#include <ctype.h>

#include "base/strbuf.h"
#include "from_reference.h"
#include "mail/domain.h"
#include "pipeline/author.h"

static uint64_t seed;

static uint32_t
below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 32) * n >> 32);
}

static bool
one_in(uint32_t n)
{
    return below(n) == 0;
}

static const char *
pick(const char *const *from, size_t n)
{
    return from[below((uint32_t)n)];
}

#define PICK(array) pick(array, COUNT(array))

/* ---- RFC 5322 3.4 and 4.4 */
static void
put_cfws(struct strbuf *b)
{
    static const char *const blanks[] = {
        " ", "\t", "\r\n ", "\n\t", "(c)", "(x@bank.example)", "(<x@bank.example>)", "(a(b)c)", "(\\))", "(,)", "(\")", "(\\\\)",
        " \r\n \r\n ", "()", "(;:)", "(\xc3\xbc)", "( =?utf-8?q?x=40bank.example?= )",
    };
    for (uint32_t n = one_in(4) ? 1 + below(2) : 0; n > 0; n--)
        strbuf_add_str(b, PICK(blanks));
}

static void
put_quoted(struct strbuf *b)
{
    static const char *const inside[] = {
        "a", " ", "\\\"", "\\\\", "@", "x@bank.example", "<x@bank.example>", ",", ":", ";", "(", ")", "\r\n ", "\\a", ".", "\xc3\xbc",
    };
    strbuf_add_char(b, '"');
    for (uint32_t n = below(4); n > 0; n--)
        strbuf_add_str(b, PICK(inside));
    strbuf_add_char(b, '"');
}

static void
put_word(struct strbuf *b)
{
    static const char *const atoms[] = {
        "a", "bank", "John", "x", "=?utf-8?q?bank?=", "=?utf-8?B?PHhAYmFuay5leGFtcGxlPg==?=", "a-b", "{~}", "\xc3\xbc", "example",
    };
    put_cfws(b);
    if (one_in(4))
        put_quoted(b);
    else
        strbuf_add_str(b, PICK(atoms));
    put_cfws(b);
}

static void
put_domain(struct strbuf *b)
{
    static const char *const whole[] = {
        "bank.example", "attacker.example", "Bank.EXAMPLE", "bank.example.", "mail.bank.example", "bank.example.attacker.example",
        "[192.0.2.1]", "[bank.example]", "[ a b ]", "b\xc3\xbc" "cher.example", "bank\xe3\x80\x82" "example", "bank_1.example", "b",
    };
    static const char *const parts[] = { "bank", "example", "attacker", "a" };
    put_cfws(b);
    if (!one_in(4)) {
        strbuf_add_str(b, PICK(whole));
    } else {
        for (uint32_t n = 1 + below(3); n > 0; n--) {
            strbuf_add_str(b, PICK(parts));
            put_cfws(b);
            strbuf_add_str(b, n > 1 ? "." : "");
        }
    }
    put_cfws(b);
}

static void
put_spec(struct strbuf *b)
{
    put_word(b);
    while (one_in(4)) {
        strbuf_add_str(b, one_in(6) ? ".." : ".");
        put_word(b);
    }
    strbuf_add_str(b, one_in(20) ? ".@" : "@");
    put_domain(b);
}

static void
put_phrase(struct strbuf *b)
{
    put_word(b);
    for (uint32_t n = below(3); n > 0; n--) {
        strbuf_add_char(b, ' ');
        if (one_in(5))
            strbuf_add_char(b, '.');
        else
            put_word(b);
    }
}

static void
put_route(struct strbuf *b)
{
    do {
        strbuf_add_str(b, one_in(4) ? ",@" : "@");
        put_domain(b);
        strbuf_add_str(b, one_in(3) ? "," : "");
    } while (one_in(3));
    strbuf_add_char(b, ':');
}

static void
put_mailbox(struct strbuf *b)
{
    if (one_in(2)) {
        put_spec(b);
        return;
    }
    if (one_in(10)) /* a display name that ought to be in quotes */
        put_spec(b);
    else if (!one_in(3))
        put_phrase(b);
    put_cfws(b);
    strbuf_add_char(b, '<');
    if (one_in(6))
        put_route(b);
    put_spec(b);
    strbuf_add_char(b, '>');
    put_cfws(b);
}

static void
put_list(struct strbuf *b, bool in_group)
{
    for (uint32_t n = in_group ? below(3) : one_in(3) ? 1 + below(3) : 1; n > 0; n--) {
        if (!in_group && one_in(8)) {
            put_phrase(b);
            strbuf_add_char(b, ':');
            put_list(b, true);
            strbuf_add_char(b, ';');
            put_cfws(b);
        } else {
            put_mailbox(b);
        }
        strbuf_add_str(b, n > 1 ? "," : one_in(20) ? ", ," : "");
    }
}

/* ---- damage */
static void
damage(struct strbuf *b)
{
    static const slice inserts[] = {
        SLICE("@"), SLICE("<"), SLICE(">"), SLICE(","), SLICE(":"), SLICE(";"), SLICE("\""), SLICE("("), SLICE(")"), SLICE("\\"),
        SLICE("."), SLICE(" "), SLICE("["), SLICE("]"), SLICE("\r\n "), SLICE("\n"), SLICE("\r"), SLICE("\0"), SLICE("\x01"), SLICE("\x7f"),
        SLICE("\xfc"), SLICE("\xc3"), SLICE("\xef\xbc\x9c"), SLICE("<x@bank.example>"), SLICE("x@bank.example"), SLICE("a"),
    };
    struct strbuf c;
    for (uint32_t n = 1 + below(3); n > 0; n--) {
        slice s = strbuf_slice(b);
        size_t at = below((uint32_t)s.n + 1), length = one_in(3) ? below(8) : 1;
        slice middle = slice_head(slice_tail(s, at), length), rest = slice_tail(s, at + length);
        strbuf_init(&c, 0);
        strbuf_add(&c, slice_head(s, at));
        switch (below(4)) {
        case 0: /* lost */
            break;
        case 1: /* twice */
            strbuf_add(&c, middle);
            strbuf_add(&c, middle);
            break;
        case 2: /* something put in */
            strbuf_add(&c, inserts[below(COUNT(inserts))]);
            strbuf_add(&c, middle);
            break;
        case 3: /* something else instead */
            strbuf_add(&c, inserts[below(COUNT(inserts))]);
            break;
        }
        strbuf_add(&c, rest);
        strbuf_clear(b);
        *b = c;
    }
}

/* ---- the two readers */

/* ASCII by hand; only U-labels are asked of the library's own function. */
static bool
name_of(struct arena *a, const char *domain, char name[260])
{
    slice s = slice_from(domain), out;
    bool ascii = true;
    for (size_t i = 0; i < s.n; i++)
        ascii = ascii && (unsigned char)s.p[i] < 0x80;
    if (!ascii) {
        if (domain_from_text(a, s, &out) != ST_OK)
            return false;
        memcpy(name, out.p, out.n);
        name[out.n] = '\0';
        return true;
    }
    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    if (s.n == 0 || s.n > 253)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = (char)tolower(s.p[i]);
        bool edge = i == 0 || s.p[i - 1] == '.' || i + 1 == s.n || s.p[i + 1] == '.';
        if (c == '.' ? label == 0 : (!isalnum((unsigned char)c) && c != '_' && (c != '-' || edge)))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
        name[i] = c;
    }
    name[s.n] = '\0';
    return label > 0;
}

struct counts {
    unsigned long one, several, groups, refused;
};

static void
judge(struct from_reference *reference, struct arena *a, slice text, struct counts *n)
{
    struct header_field f = { .raw = text, .name = SLICE("From"), .value = text, .nth = 1 };
    struct author author;
    const char *const *domains;
    char only[260] = "", name[260];
    bool one = true;
    int boxes = from_reference_read(reference, text, &domains);
    for (int i = 0; i < boxes && one; i++) {
        one = name_of(a, domains[i], name) && (i == 0 || strcmp(name, only) == 0);
        memcpy(only, name, sizeof(only));
    }
    one = one && boxes > 0;
    assert_int_equal(author_of_field(a, &f, &author), ST_OK);
    bool agree = one == (author.state == AUTHOR_ONE) && (!one || slice_eq(author.domain, slice_from(only)));
    if (!agree || (boxes < 0) != (author.state == AUTHOR_UNREADABLE && slice_icontains(slice_from(author.problem), SLICE("list")))) {
        struct strbuf b;
        strbuf_init(&b, 0);
        for (size_t i = 0; i < text.n; i++)
            strbuf_printf(&b, text.p[i] < ' ' || text.p[i] == 0x7f ? "\\x%02x" : "%c", (unsigned char)text.p[i]);
        if (boxes < 0 && slice_trim(text).n == 0)
            strbuf_clear(&b); /* an empty field is missing, not unreadable */
        else
            fail_msg("\"%s\": the reference sees %d mailboxes, domain \"%s\"; we \"%.*s\" (%s)", strbuf_str(&b), boxes, only,
                     SLICE_ARG(author.domain), author.problem == NULL ? "one author" : author.problem);
    }
    n->one += one;
    n->several += boxes > 1 && !one;
    n->groups += boxes == 0;
    n->refused += boxes < 0;
}

static unsigned long count_wanted = 300000, seed_wanted = 1;

static void
authors_are_the_reference_s(void **state)
{
    (void)state;
    struct from_reference *reference = from_reference_new();
    struct counts n = { 0 };
    struct arena *a = NULL;
    struct strbuf b;
    seed = UINT64_C(0x9e3779b97f4a7c15) * (seed_wanted + 1);
    strbuf_init(&b, 0);
    for (unsigned long i = 0; i < count_wanted; i++) {
        if (i % 64 == 0) {
            arena_free(a);
            a = arena_new(0);
        }
        strbuf_reset(&b);
        put_list(&b, false);
        if (i % 2 == 1)
            damage(&b);
        slice exact = test_exact_bytes(strbuf_slice(&b).p, strbuf_slice(&b).n);
        judge(reference, a, exact, &n);
        test_release(exact);
    }
    print_message("%lu fields: one author %lu, several or none that is a name %lu, no mailbox %lu, no address list %lu\n",
                  count_wanted, n.one, n.several, n.groups, n.refused);
    assert_true(n.one > count_wanted / 10 && n.refused > count_wanted / 10 && n.several > 0);
    strbuf_clear(&b);
    arena_free(a);
    from_reference_free(reference);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(authors_are_the_reference_s) };
    if (argc > 1)
        count_wanted = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed_wanted = strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
