/*
 * Every sequence of a few significant pieces is put to a reader and to the RFC's grammar, interpreted as it stands; both
 * must agree.  VIDIMUS_TEST_LENGTH says how many pieces (default 4; 6 takes minutes).
 */
#include "test.h"

#include "abnf.h"
#include "grammars.h"
#include "mail/address.h"
#include "mail/authres.h"
#include "mail/taglist.h"

struct judge {
    struct abnf *grammar;
    struct arena *a;
    unsigned long texts, accepted;
    void (*compare)(struct judge *j, slice text);
};

static size_t
length_wanted(void)
{
    const char *s = getenv("VIDIMUS_TEST_LENGTH");
    return s == NULL ? 4 : strtoul(s, NULL, 10);
}

static void
compare_in_exact_block(struct judge *j, slice text)
{
    slice exact = test_exact_bytes(text.p, text.n);
    if (j->texts++ % 10000 == 0) {
        arena_free(j->a);
        j->a = arena_new(0);
    }
    j->compare(j, exact);
    test_release(exact);
}

/* All sequences of up to `length` pieces, behind `head` and before `tail`. */
static void
put_all(struct judge *j, const char *head, const slice *pieces, size_t n, size_t length, const char *tail)
{
    char text[64];
    size_t digit[16] = { 0 };
    for (size_t len = 0; len <= length; len++) {
        memset(digit, 0, sizeof(digit));
        for (bool more = true; more;) {
            size_t at = (size_t)snprintf(text, sizeof(text), "%s", head), i = 0;
            for (size_t k = 0; k < len; k++) {
                memcpy(text + at, pieces[digit[k]].p, pieces[digit[k]].n);
                at += pieces[digit[k]].n;
            }
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", tail);
            compare_in_exact_block(j, (slice){ text, at });
            while (i < len && ++digit[i] == n)
                digit[i++] = 0;
            more = i < len;
        }
    }
}

/* All texts of one and two octets. */
static void
put_all_octets(struct judge *j)
{
    for (unsigned a = 0; a < 256; a++) {
        char one = (char)a;
        compare_in_exact_block(j, (slice){ &one, 1 });
        for (unsigned b = 0; b < 256; b++) {
            char two[] = { (char)a, (char)b };
            compare_in_exact_block(j, (slice){ two, 2 });
        }
    }
}

static void
report(const char *what, struct judge *j)
{
    print_message("%s: %lu texts, %lu in the grammar\n", what, j->texts, j->accepted);
    assert_true(j->accepted > 0);
    abnf_free(j->grammar);
    arena_free(j->a);
}

static void
disagree(const char *what, slice text, bool in_grammar)
{
    char shown[200] = "";
    for (size_t i = 0, n = 0; i < text.n && n < 190; i++) {
        unsigned char c = (unsigned char)text.p[i];
        n += (size_t)snprintf(shown + n, sizeof(shown) - n, c > ' ' && c < 0x7f ? "%c" : "\\x%02x", c);
    }
    fail_msg("%s: \"%s\" is %sin the grammar", what, shown, in_grammar ? "" : "not ");
}

/* ---- addresses: the mailboxes of a text known to be in the grammar, found by scanning */
static size_t
slow_boxes(slice text, char domains[][64], size_t max)
{
    char clean[64], is_text[64];
    size_t n = 0, depth = 0, boxes = 0, start = 0;
    bool quoted = false, literal = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool escaped = c == '\\' && (quoted || literal || depth > 0), pair = escaped;
        bool blank = strchr(" \t\r\n", c) != NULL;
        if (escaped)
            c = text.p[++i];
        else if (quoted && c == '"')
            quoted = false;
        else if (quoted)
            pair = true;
        else if (literal && c == ']')
            literal = false;
        else if (literal)
            pair = !blank;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth-- > 0)
            continue;
        else if (depth == 0 && c == '"')
            quoted = true;
        else if (depth == 0 && c == '[')
            literal = true;
        if (depth > 0 || (blank && !pair))
            continue;
        if (escaped && literal) { /* kept as written */
            is_text[n] = true;
            clean[n++] = '\\';
        }
        is_text[n] = pair;
        clean[n++] = c;
    }
    size_t at = 0;
    bool has_at = false;
    for (size_t i = 0; i <= n; i++) {
        char c = i < n && !is_text[i] ? clean[i] : i < n ? 'a' : ',';
        if (c == '@' && !has_at) {
            has_at = true;
            at = i;
        } else if (strchr("<>,:;", c) != NULL) {
            if (has_at && at > start && boxes < max && c != ':') {
                memcpy(domains[boxes], clean + at + 1, i - at - 1);
                domains[boxes++][i - at - 1] = '\0';
            }
            has_at = false;
            start = i + 1;
        }
    }
    return boxes;
}

static void
compare_address(struct judge *j, slice text)
{
    struct mailbox_list l;
    bool want = abnf_matches(j->grammar, "address-list", text);
    if ((address_list_parse(j->a, text, 20, &l) == ST_OK) != want)
        disagree("address", text, want);
    j->accepted += want;
    if (!want)
        return;
    char domains[20][64];
    size_t n = slow_boxes(text, domains, 20);
    if (n != l.n)
        disagree("number of mailboxes", text, want);
    for (size_t i = 0; i < n; i++)
        if (strlen(domains[i]) != l.boxes[i].domain.n || memcmp(domains[i], l.boxes[i].domain.p, l.boxes[i].domain.n) != 0)
            disagree(domains[i], text, want);
}

#define P(s) { (s), sizeof(s) - 1 }

static void
addresses(void **state)
{
    (void)state;
    static const slice specials[] = { P("a"), P("@"), P("<"), P(">"), P(","), P(":"), P(";"), P("\""), P("("),
                                      P(")"), P("."), P("\\"), P(" ") };
    static const slice octets[] = { P("a"), P("@"), P("["), P("]"), P("\""), P("("), P(")"), P("\\"), P(" "),
                                    P("\r"), P("\n"), P("\0"), P("\xc3"), P("\xbc") };
    static const slice words[] = { P("a@b"), P("a"), P("\"q\""), P("."), P("@"), P("<"), P(">"), P(","), P(":"),
                                   P(";"), P("(c)"), P("[l]"), P("\r\n ") };
    size_t length = length_wanted();
    struct judge j = { .grammar = abnf_new(GRAMMAR_UTF8 GRAMMAR_WORDS GRAMMAR_ADDRESS), .compare = compare_address };
    put_all_octets(&j);
    put_all(&j, "", specials, COUNT(specials), length, "");
    put_all(&j, "", octets, COUNT(octets), length, "");
    put_all(&j, "a@", octets, COUNT(octets), length, "");
    put_all(&j, "", octets, COUNT(octets), length, "@b");
    put_all(&j, "", words, COUNT(words), length, "");
    put_all(&j, "g:", words, COUNT(words), length, ";");
    put_all(&j, "<", words, COUNT(words), length, ":a@b>");
    put_all(&j, "<", words, COUNT(words), length, "a@b>");
    report("addresses", &j);
}

/* ---- tag lists */
static void
compare_taglist(struct judge *j, slice text)
{
    struct taglist l;
    bool want = abnf_matches(j->grammar, "tag-list", text);
    if (want) { /* "MUST NOT occur" twice: the names as the grammar cuts them */
        char names[32][64];
        size_t n = 0;
        for (slice head, rest = text; rest.n > 0; n++) {
            slice name, ignored;
            slice_cut(rest, ';', &head, &rest);
            slice_cut(head, '=', &name, &ignored);
            name = slice_trim(name);
            memcpy(names[n], name.p, name.n);
            names[n][name.n] = '\0';
            for (size_t i = 0; i < n; i++)
                want = want && strcmp(names[i], names[n]) != 0;
        }
    }
    if ((taglist_parse(j->a, text, &l) == ST_OK) != want)
        disagree("tag list", text, want);
    j->accepted += want;
}

static void
tag_lists(void **state)
{
    (void)state;
    static const slice octets[] = { P("a"), P("B"), P("1"), P("_"), P("="), P(";"), P(" "), P("\t"), P("\r"), P("\n"),
                                    P("\x01"), P("\xc3"), P("\xbc") };
    static const slice words[] = { P("a="), P("b"), P("="), P(";"), P(" "), P("\r\n "), P("\r\n"), P("c=d"), P("\n") };
    size_t length = length_wanted();
    struct judge j = { .grammar = abnf_new(GRAMMAR_UTF8 GRAMMAR_TAGLIST), .compare = compare_taglist };
    put_all_octets(&j);
    put_all(&j, "", octets, COUNT(octets), length, "");
    put_all(&j, "a=", octets, COUNT(octets), length, "");
    put_all(&j, "a=b;", octets, COUNT(octets), length, "=");
    put_all(&j, "", words, COUNT(words), length + 1, "");
    report("tag lists", &j);
}

/* ---- Authentication-Results */
static void
compare_authres(struct judge *j, slice text)
{
    struct authres r;
    bool want = abnf_matches(j->grammar, "authres-payload", text);
    if ((authres_parse(j->a, text, &r) == ST_OK && r.exact) != want)
        disagree("Authentication-Results", text, want);
    j->accepted += want;
    if (want && !authres_claims(j->a, text, r.authserv_id) && r.authserv_id.n > 0)
        disagree("claims", text, want);
}

static void
results(void **state)
{
    (void)state;
    static const slice octets[] = { P("a"), P("1"), P("-"), P("_"), P("="), P(";"), P("/"), P("."), P("@"), P("\""),
                                    P("("), P(")"), P(" "), P("\\"), P("\xc3"), P("\xbc") };
    static const slice words[] = { P("a"), P("1"), P(";"), P("a=b"), P("none"), P("reason=x"), P("p.q="), P("\"s\""),
                                   P("@"), P("(c)"), P(" "), P("."), P("\r\n ") };
    size_t length = length_wanted();
    struct judge j = { .grammar = abnf_new(GRAMMAR_UTF8 GRAMMAR_WORDS GRAMMAR_AUTHRES), .compare = compare_authres };
    put_all_octets(&j);
    put_all(&j, "", octets, COUNT(octets), length, "");
    put_all(&j, "", octets, COUNT(octets), length, ";a=a");
    put_all(&j, "a;", octets, COUNT(octets), length, "");
    put_all(&j, "a;a=a", octets, COUNT(octets), length, "");
    put_all(&j, "a;a=a a.a=", octets, COUNT(octets), length, "");
    put_all(&j, "a;", words, COUNT(words), length, "");
    put_all(&j, "a;a=b ", words, COUNT(words), length, "");
    report("results", &j);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(tag_lists),
        cmocka_unit_test(results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
