/* KeyTable, SigningTable, SealFor and the rest of the question who seals what. */
#include "test.h"

#include <unistd.h>

#include "pipeline/key_table.h"
#include "pipeline/seal.h"

#define NOON 1764590400 /* 2025-12-01T12:00Z */

static const char good_keys[] = "# name  domain:selector:file\n"
                                "lists   lists.example.org:2025:/keys/a.pem\r\n"
                                "lists\tlists.example.org:2026:/keys/b.pem from 2025-12-01T12:00\n"
                                "lists   lists.example.org:2027:/keys/c.pem from 2026-12-01   # next year\n"
                                "\n"
                                "each    %:s1:/keys/a.pem\n"
                                "idn     B\303\234CHER.example.:s.x:/keys/d.pem\n";

static struct key_table *
keys(const char *text)
{
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct key_table *t = key_table_parse(slice_from(text), "KeyTable", &errors);
    if (t == NULL)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    return t;
}

static void
a_rotation_switches_at_its_date(void **state)
{
    (void)state;
    struct key_table *t = keys(good_keys);
    static const struct {
        int64_t now;
        const char *selector;
    } cases[] = {
        { 0, "2025" }, { NOON - 1, "2025" }, { NOON, "2026" }, { NOON + 86400, "2026" },
        { 1796083199, "2026" }, { 1796083200, "2027" } /* 2026-12-01T00:00Z */
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_slice(key_table_pick(t, SLICE("lists"), cases[i].now)->selector, cases[i].selector);
    assert_null(key_table_pick(t, SLICE("nobody"), NOON));
    assert_slice(key_table_pick(t, SLICE("idn"), NOON)->domain, "xn--bcher-kva.example"); /* RFC 5890: A-labels */
    struct signer_keys list = { 0 };
    assert_int_equal(key_table_list(t, &list), ST_OK);
    assert_int_equal(list.n, 4); /* a.pem once */
    assert_string_equal(list.keys[0].path, "/keys/a.pem");
    signer_keys_clear(&list);
    key_table_free(t);

    t = keys("k d.example:s:/k from 2030-01-01\n");
    assert_null(key_table_pick(t, SLICE("k"), NOON));
    key_table_free(t);
}

static void
what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "a\n", "KeyTable:1: expected NAME DOMAIN:SELECTOR" },
        { "\n\na b c\n", "KeyTable:3: expected NAME DOMAIN:SELECTOR" },
        { "a d.example:s\n", "KeyTable:1: expected DOMAIN:SELECTOR:/path" },
        { "a d..example:s:/k\n", "KeyTable:1: the domain is no domain name" },
        { "a localhost:s:/k\n", "KeyTable:1: the domain has one label only" },
        { "a LAN.:s:/k\n", "KeyTable:1: the domain has one label only" },
        { "a d.example:s s:/k\n", "KeyTable:1: expected NAME" },
        { "a d.example:-s:/k\n", "KeyTable:1: the selector is no domain name" },
        { "a d.example:s:k.pem\n", "KeyTable:1: the key file is to be named by its absolute path" },
        { "a d.example:s:/k until 2026-01-01\n", "only \"from DATE\"" },
        { "a d.example:s:/k from 2026-02-30\n", "KeyTable:1: the date is to be like" },
        { "a d.example:s:/k from 2026-1-1\n", "the date is to be like" },
        { "a d.example:s:/k from 2026-01-01T25:00\n", "the date is to be like" },
        { "a d.example:s:/k\na e.example:t:/l\n", "KeyTable:2: this name stands above already" },
        { "# nothing\n", "KeyTable: there is no key in it" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf errors;
        strbuf_init(&errors, 0);
        slice text = test_exact(cases[i].text);
        assert_null(key_table_parse(text, "KeyTable", &errors));
        test_release(text);
        if (strstr(strbuf_str(&errors), cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].text, strbuf_str(&errors));
        strbuf_clear(&errors);
    }
    struct key_table *t = keys(good_keys);
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_null(signing_table_parse(SLICE("*@a.example lists\n* nobody\nx\n"), "SigningTable", t, &errors));
    assert_slice(strbuf_slice(&errors), "SigningTable:2: the KeyTable has no key \"nobody\"\nSigningTable:3: expected PATTERN KEYNAME\n");
    strbuf_reset(&errors);
    assert_null(key_table_load("/nonexistent/table", &errors));
    assert_slice(strbuf_slice(&errors), "/nonexistent/table: No such file or directory\n");
    strbuf_clear(&errors);
    key_table_free(t);
}

static void
the_first_pattern_that_fits_names_the_key(void **state)
{
    (void)state;
    struct key_table *t = keys("a d.example:s:/k\nb d.example:s:/k\nc d.example:s:/k\nd d.example:s:/k\n");
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct signing_table *s = signing_table_parse(SLICE("boss@one.example a\n*@one.example b\n*@*.two.example c\n"
                                                        ".three.example d\nthree.example a\nnews-*@four.example b\n"
                                                        "five.example %\n"),
                                                  "SigningTable", t, &errors);
    assert_non_null(s);
    static const struct {
        const char *local, *domain, *key;
    } cases[] = {
        { "boss", "one.example", "a" },    { "Boss", "one.example", "a" }, { "staff", "one.example", "b" },
        { "", "one.example", "b" },        { "x", "sub.one.example", "" }, { "x", "a.b.two.example", "c" },
        { "x", "two.example", "" },        { "x", "a.three.example", "d" }, { "x", "three.example", "a" },
        { "x", "athree.example", "" },     { "news-1", "four.example", "b" }, { "news", "four.example", "" },
        { "x", "five.example", "five.example" }, { "", "", "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_slice(signing_table_match(s, slice_from(cases[i].local), slice_from(cases[i].domain)), cases[i].key);
    signing_table_free(s);
    s = signing_table_parse(SLICE("* c\n"), "SigningTable", t, &errors);
    assert_slice(signing_table_match(s, SLICE(""), SLICE("")), "c");
    assert_slice(signing_table_match(s, SLICE("x"), SLICE("y.example")), "c");
    signing_table_free(s);
    key_table_free(t);
    strbuf_clear(&errors);
}

/* ------------------------------------------------------------------ whether, and as whom */

static char directory[] = "/tmp/vidimus-seal.XXXXXX";

static const char *
file(const char *name, const char *text)
{
    static char paths[2][64];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static struct seal_plan *
plan(const char *const *more, size_t n)
{
    const char *overrides[16] = { "ArcSeal=yes" };
    char kt[128], st[128];
    snprintf(kt, sizeof(kt), "KeyTable=%s", file("kt", "lists lists.example:s:/k/l.pem\nown own.example:t:/k/o.pem\n"
                                                      "each %:u:/k/e.pem\nlater l.example:s:/k/l.pem from 2100-01-01\n"));
    snprintf(st, sizeof(st), "SigningTable=%s", file("st", "*@lists.example lists\nown.example own\n.each.example each\nlan each\n"
                                                          "later.example later\n"));
    overrides[1] = kt;
    overrides[2] = st;
    for (size_t i = 0; i < n; i++)
        overrides[3 + i] = more[i];
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct config *c = NULL;
    struct seal_plan *p = NULL;
    if (config_load(NULL, overrides, 3 + n, &errors, &c) != ST_OK || seal_plan_load(c, NULL, &p, &errors) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    config_release(c);
    strbuf_clear(&errors);
    return p;
}

static struct header_list *
headers(struct arena *a)
{
    static const struct header_limits limits = { 100, 10000 };
    struct header_list *h = header_list_new(a, &limits);
    assert_int_equal(header_list_add(h, SLICE("List-Id"), SLICE(" <x.lists.example>")), ST_OK);
    return h;
}

static void
only_mail_that_travels_on_is_sealed(void **state)
{
    (void)state;
    static const struct {
        const char *label, *option[2];
        struct seal_address rcpt, sender;
        bool authenticated, unevaluated;
        enum seal_word rule;
        const char *domain; /* that seals; NULL: nobody */
    } cases[] = {
        { .label = "a list", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .domain = "lists.example" },
        { .label = "nobody's", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("other.example") } },
        { .label = "the domain matched", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("a.each.example") }, .domain = "a.each.example" },
        { .label = "the domain matched is of one label (RFC 6376 3.5 d=)", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lan") } },
        { .label = "by the sender, when a list sends out", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("other.example") },
          .sender = { .local_part = SLICE("x-bounces"), .domain = SLICE("lists.example") }, .domain = "lists.example" },
        { .label = "recipient before sender", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("own.example") },
          .sender = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .domain = "own.example" },
        { .label = "no key signs yet", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("later.example") } },
        { .label = "nothing evaluated", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .unevaluated = true },
        { .label = "authenticated", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .authenticated = true },
        { .label = "authenticated, asked for", .option = { "SealAuthenticated=yes" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") },
          .authenticated = true, .domain = "lists.example" },
        { .label = "SealFor, another", .option = { "SealFor=own.example" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") } },
        { .label = "SealFor, this", .option = { "SealFor=own.example, Lists.Example" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") },
          .domain = "lists.example" },
        { .label = "SealFor, below", .option = { "SealFor=.each.example" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("b.each.example") },
          .domain = "b.each.example" },
        { .label = "SealFor, not itself", .option = { "SealFor=.lists.example" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") } },
        { .label = "SealFor, all", .option = { "SealFor=*" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .domain = "lists.example" },
        { .label = "relay", .option = { "SealFor=relay:[mx.far.example]" },
          .rcpt = { SLICE("x"), SLICE("own.example"), SLICE("smtp"), SLICE("[mx.far.example]") }, .domain = "own.example" },
        { .label = "another relay", .option = { "SealFor=relay:[mx.far.example]" },
          .rcpt = { SLICE("x"), SLICE("own.example"), SLICE("smtp"), SLICE("mx.near.example") } },
        { .label = "transport", .option = { "SealFor=transport:smtp" }, .rcpt = { SLICE("x"), SLICE("own.example"), SLICE("smtp"), SLICE("") },
          .domain = "own.example" },
        { .label = "local delivery", .option = { "SealFor=transport:smtp" }, .rcpt = { SLICE("x"), SLICE("own.example"), SLICE("local"), SLICE("") } },
        { .label = "transport unknown", .option = { "SealFor=transport:smtp" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("own.example") } },
        { .label = "by rule", .option = { "SealFor=own.example" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .rule = SEAL_BY_RULE,
          .domain = "lists.example" },
        { .label = "not by rule", .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") }, .rule = SEAL_NOT_BY_RULE },
        { .label = "header check", .option = { "SealHeaderChecks=List-ID:*LISTS*" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") },
          .domain = "lists.example" },
        { .label = "header check fails", .option = { "SealHeaderChecks=List-ID:*own*" }, .rcpt = { .local_part = SLICE("x"), .domain = SLICE("lists.example") } },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct seal_plan *p = plan(cases[i].option, cases[i].option[0] != NULL);
        const struct seal_facts f = { .recipients = &cases[i].rcpt, .n_recipients = 1, .sender = cases[i].sender,
                                      .authenticated = cases[i].authenticated, .evaluated = !cases[i].unevaluated,
                                      .rule = cases[i].rule, .headers = headers(a), .now = NOON };
        struct seal_choice choice;
        seal_choose(p, &f, &choice);
        if ((choice.why_not == NULL) != (cases[i].domain != NULL))
            fail_msg("%s: %s", cases[i].label, choice.why_not == NULL ? "sealed" : choice.why_not);
        if (cases[i].domain != NULL && !slice_eq(choice.domain, slice_from(cases[i].domain)))
            fail_msg("%s: by %.*s", cases[i].label, SLICE_ARG(choice.domain));
        seal_plan_free(p);
    }
    arena_free(a);
}

static void
expect_plan(const char *option, const char *other, const char *error)
{
    char kt[128], st[128];
    snprintf(kt, sizeof(kt), "KeyTable=%s", file("kt", "lists lists.example:s:/k/l.pem\n"));
    snprintf(st, sizeof(st), "SigningTable=%s", file("st", "* lists\n"));
    const char *overrides[] = { "ArcSeal=yes", kt, st, option, other };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct config *c = NULL;
    struct seal_plan *p = NULL;
    assert_int_equal(config_load(NULL, overrides, COUNT(overrides), &errors, &c), ST_OK);
    enum status st_want = error[0] == '\0' ? ST_OK : ST_SYNTAX;
    if (seal_plan_load(c, NULL, &p, &errors) != st_want || strcmp(strbuf_str(&errors), error) != 0)
        fail_msg("%s, %s: \"%s\"", option, other, strbuf_str(&errors));
    seal_plan_free(p);
    config_release(c);
    strbuf_clear(&errors);
}

/* What would make every seal invalid is said at the start (RFC 5322 3.6.8, RFC 6376 3.2, RFC 8617 5.1 step 1). */
static void
names_that_cannot_be_signed_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *option, *error;
    } cases[] = {
        { "SealHeaders=From, Subject:", "-o: SealHeaders: \"Subject:\" is no name of a header field\n" },
        { "SealHeaders=From;To", "-o: SealHeaders: \"From;To\" is no name of a header field\n" },
        { "OversignHeaders=Sub\303\251", "-o: OversignHeaders: \"Sub\303\251\" is no name of a header field\n" },
        { "SealHeaders=x-vidimus-quarantine", "-o: SealHeaders: x-vidimus-quarantine is written by this host and cannot be signed\n" },
        { "OversignHeaders=X-Vidimus-Arrival", "-o: OversignHeaders: X-Vidimus-Arrival is written by this host and cannot be signed\n" },
        { "SealHeaders=X_Y, List-Id, x!#$%&'*+-.^`|~", "" },
        { "OversignHeaders=From, Subject", "" },
        { "OversignHeaders=From, received-spf", "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_plan(cases[i].option, "ReceivedSPF=no", cases[i].error);
    expect_plan("SealHeaders=From, Received-SPF", "ReceivedSPF=yes", ""); /* ours stands above those that are signed */
    expect_plan("OversignHeaders=From, received-spf", "ReceivedSPF=yes",
                "-o: OversignHeaders: with ReceivedSPF this host adds a Received-SPF itself, which would break its own seal\n");
}

static int
set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "%s/kt", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/st", directory);
    unlink(path);
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_switches_at_its_date),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(the_first_pattern_that_fits_names_the_key),
        cmocka_unit_test(only_mail_that_travels_on_is_sealed),
        cmocka_unit_test(names_that_cannot_be_signed_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
