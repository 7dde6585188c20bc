#include "test.h"

#include "mail/taglist.h"

static void
lists_follow_rfc6376_3_2(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* "name{value}name{value}"; NULL: ST_SYNTAX */
    } cases[] = {
        { "a=b", "a{b}" },
        { "a=b;", "a{b}" },
        { "a=b; ", "a{b}" },
        { "a=b;\r\n ", "a{b}" },
        { "a=", "a{}" },
        { "a=;", "a{}" },
        { "a= ;b=c", "a{}b{c}" },
        { " a = b ; c = d e ", "a{b}c{d e}" },
        { "\r\n\ta\r\n\t=\r\n\tb\r\n\tc\r\n\t;", "a{b\r\n\tc}" },
        { "a=\r\n \r\n b", "a{b}" }, /* RFC 5322 4.2: obsolete fold */
        { "A=1;a=2", "A{1}a{2}" },   /* names are case-sensitive */
        { "a_1=x", "a_1{x}" },
        { "a==b=", "a{=b=}" },
        { "a=b:c!~", "a{b:c!~}" },
        { "a=\xc3\xbc", "a{\xc3\xbc}" },
        { "v=1; k=rsa;\tp=MII\r\n\tBIj==", "v{1}k{rsa}p{MII\r\n\tBIj==}" },
        { "", NULL },
        { " ", NULL },
        { ";", NULL },
        { "a=b;;", NULL },
        { "a=b;;c=d", NULL },
        { ";a=b", NULL },
        { "a=b; ;", NULL },
        { "a", NULL },
        { "a;b=c", NULL },
        { "=b", NULL },
        { "1a=b", NULL },
        { "_a=b", NULL },
        { "a-b=c", NULL },
        { "a b=c", NULL },
        { "a=b;a=b", NULL },
        { "a=b;c=;a=", NULL },
        { "a=b\n c", NULL },   /* a lone LF is no fold */
        { "a=b\rc", NULL },
        { "a=b\r\n", NULL },   /* a line end without white space behind it */
        { "a=b\r\nc", NULL },
        { "a=b\x01", NULL },
        { "a=b\x7f", NULL },
        { "a=\xfc", NULL },
        { "a=b\xe2\x82", NULL },
        { "\xc3\xbc=b", NULL },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice exact = test_exact(cases[i].text);
        struct taglist l = { 0 };
        char got[200] = "";
        enum status st = taglist_parse(a, exact, &l);
        for (size_t k = 0, n = 0; k < l.n; k++) {
            n += (size_t)snprintf(got + n, sizeof(got) - n, "%.*s{%.*s}", SLICE_ARG(l.tags[k].name),
                                  SLICE_ARG(l.tags[k].value));
            assert_true(l.tags[k].value_start == 0 || exact.p[l.tags[k].value_start - 1] == '=');
            assert_true(l.tags[k].value_end == exact.n || exact.p[l.tags[k].value_end] == ';');
        }
        if (st != (cases[i].want == NULL ? ST_SYNTAX : ST_OK) ||
            strcmp(got, cases[i].want == NULL ? "" : cases[i].want) != 0)
            fail_msg("case %zu \"%s\": %s %s", i, cases[i].text, status_name(st), got);
        test_release(exact);
    }
    struct taglist l;
    assert_int_equal(taglist_parse(a, SLICE("a=b\0c"), &l), ST_SYNTAX);
    arena_free(a);
}

static void
offsets_cover_the_white_space(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct taglist l;
    slice text = SLICE("v=1; b= A B\r\n C ; h=from");
    assert_int_equal(taglist_parse(a, text, &l), ST_OK);
    const struct tag *b = taglist_find(&l, SLICE("b"));
    assert_non_null(b);
    slice all = { text.p + b->value_start, b->value_end - b->value_start };
    assert_slice(all, " A B\r\n C ");
    assert_slice(taglist_strip_fws(a, b->value), "ABC");
    assert_slice(taglist_strip_fws(a, SLICE(" \r\n\t")), "");
    assert_slice(taglist_strip_fws(a, SLICE("A\nB\r\nC\r\n")), "A\nB\r\nC\r\n"); /* no folds, so kept */
    assert_null(taglist_find(&l, SLICE("B")));
    assert_int_equal(taglist_find(&l, SLICE("h"))->value_end, text.n);
    arena_free(a);
}

static void
limits_are_met_exactly(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    char text[2000];
    size_t n = 0;
    struct taglist l;
    for (int i = 1; i <= 65; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "t%d=%d;", i, i);
        assert_int_equal(taglist_parse(a, (slice){ text, n }, &l), i <= 64 ? ST_OK : ST_LIMIT);
    }
    struct arena *tiny = arena_new(1);
    assert_int_equal(taglist_parse(tiny, SLICE("a=b"), &l), ST_NOMEM);
    arena_free(tiny);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_follow_rfc6376_3_2),
        cmocka_unit_test(offsets_cover_the_white_space),
        cmocka_unit_test(limits_are_met_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
