#include "test.h"

#include "pipeline/author.h"

/* Fields as "Name: value" lines, LF between them; a line that begins with a blank is a fold. */
static struct header_list *
header_of(struct arena *a, const char *text)
{
    static const struct header_limits limits = { 1000, 1 << 20 };
    struct header_list *l = header_list_new(a, &limits);
    slice rest = slice_from(text), line, name, value;
    while (rest.n > 0) {
        size_t end = 0;
        do
            end += slice_find(slice_tail(rest, end), '\n') + 1;
        while (end < rest.n && ascii_is_wsp(rest.p[end]));
        line = slice_head(rest, end - 1);
        slice_cut(line, ':', &name, &value);
        assert_int_equal(header_list_add(l, name, value), ST_OK);
        rest = slice_tail(rest, end);
    }
    return l;
}

static const struct {
    const char *label, *header;
    enum author_state state;
    const char *domain;
} cases[] = {
    { "plain", "From: a@example.org", AUTHOR_ONE, "example.org" },
    { "display name", "Subject: x\nFrom: \"b@bank.example\" <a@Example.ORG>", AUTHOR_ONE, "example.org" },
    { "folded", "From: A\n <a@example.org>", AUTHOR_ONE, "example.org" },
    { "several addresses of one domain (RFC 9989 5.3.1)", "From: a@example.org, b@example.org", AUTHOR_ONE, "example.org" },
    { "group with a member (RFC 6854)", "From: g: a@example.org;", AUTHOR_ONE, "example.org" },
    { "U-label (RFC 8616)", "From: a@b\xc3\xbc" "cher.example", AUTHOR_ONE, "xn--bcher-kva.example" },
    { "trailing dot", "From: a@example.org.", AUTHOR_ONE, "example.org" },
    { "none", "Subject: x", AUTHOR_MISSING, "" },
    { "empty", "From: ", AUTHOR_MISSING, "" },
    { "empty group (RFC 6854)", "From: undisclosed:;", AUTHOR_MISSING, "" },
    { "two fields (CVE-2019-16378)", "From: a@example.org\nFrom: b@bank.example", AUTHOR_SEVERAL, "" },
    { "two fields of one domain are two fields", "From: a@example.org\nFROM: b@example.org", AUTHOR_SEVERAL, "" },
    { "blank before the colon", "From: a@example.org\nFrom : b@bank.example", AUTHOR_SEVERAL, "" },
    { "control character before the name", "From: a@example.org\n\001From: b@bank.example", AUTHOR_SEVERAL, "" },
    { "blank before the name", " From: a@example.org\nFrom: b@bank.example", AUTHOR_SEVERAL, "" },
    { "another name that ends so", "From: a@example.org\nX-From: b@bank.example", AUTHOR_ONE, "example.org" },
    { "several domains", "From: a@example.org, b@bank.example", AUTHOR_SEVERAL, "" },
    { "an address for a name, unquoted", "From: a@example.org <b@Example.ORG>", AUTHOR_ONE, "example.org" },
    { "... of somebody else", "From: a@bank.example <b@example.org>", AUTHOR_SEVERAL, "" },
    { "... with a domain that is none", "From: a@bank..example <b@example.org>", AUTHOR_UNREADABLE, "" },
    { "dots as carriers give out", "From: Taro <a..b.@carrier.example>", AUTHOR_ONE, "carrier.example" },
    { "leftovers", "From: a@example.org b@bank.example", AUTHOR_UNREADABLE, "" },
    { "unbalanced", "From: <a@example.org", AUTHOR_UNREADABLE, "" },
    { "no domain", "From: root", AUTHOR_UNREADABLE, "" },
    { "address literal is no domain name", "From: a@[192.0.2.1]", AUTHOR_UNREADABLE, "" },
    { "comment in the domain (CVE-2020-12272)", "From: a@example.net(.bank.example", AUTHOR_UNREADABLE, "" },
};

static void
authors_are_found_or_nobody_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *a = arena_new(0);
        struct author author;
        assert_int_equal(author_find(a, header_of(a, cases[i].header), &author), ST_OK);
        if (author.state != cases[i].state || !slice_eq(author.domain, slice_from(cases[i].domain)))
            fail_msg("%s: state %d, domain \"%.*s\"", cases[i].label, author.state, SLICE_ARG(author.domain));
        assert_true((author.problem == NULL) == (author.state == AUTHOR_ONE));
        arena_free(a);
    }
}

static void
several_domains_are_all_named(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct author author;
    assert_int_equal(author_find(a, header_of(a, "From: a@one.example, b@two.example, c@one.example"), &author), ST_OK);
    assert_int_equal(author.n_domains, 2);
    assert_slice(author.domains[1], "two.example");
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(authors_are_found_or_nobody_is),
                                        cmocka_unit_test(several_domains_are_all_named) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
