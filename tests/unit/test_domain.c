#include "test.h"

#include "mail/domain.h"
#include "mail/utf8.h"

static void
text_becomes_a_name_or_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name; /* name NULL: ST_SYNTAX */
    } cases[] = {
        { "example.org", "example.org" },
        { "EXAMPLE.Org.", "example.org" },
        { "localhost", "localhost" },
        { "_dmarc.example.org", "_dmarc.example.org" },
        { "s1._domainkey.example.org", "s1._domainkey.example.org" },
        { "r3---sn-x.example", "r3---sn-x.example" },
        { "192.0.2.1", "192.0.2.1" },
        { "", NULL },
        { ".", NULL },
        { "..", NULL },
        { "example.org..", NULL },
        { ".example.org", NULL },
        { "a..b", NULL },
        { "-a.example", NULL },
        { "a-.example", NULL },
        { "exa mple.org", NULL },
        { "example.org ", NULL },
        { "example.org\n", NULL },
        { "example.net(.example.com", NULL }, /* CVE-2020-12272 */
        { "example.net;example.com", NULL },
        { "[192.0.2.1]", NULL },
        { "a\\.b", NULL },
        { "a/b", NULL },
        { "a@b", NULL },
        { "*.example", NULL },
        { "example\xff.org", NULL },           /* not UTF-8 */
        /* U-labels and their A-labels (RFC 5890 2.3.2.1); the Punycode is that of Python's codec */
        { "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
        { "B\xc3\x9c" "CHER.example", "xn--bcher-kva.example" },
        { "bu\xcc\x88" "cher.example", "xn--bcher-kva.example" }, /* not NFC */
        { "m\xc3\xbcnchen.de.", "xn--mnchen-3ya.de" },
        { "fa\xc3\x9f.de", "xn--fa-hia.de" },
        { "_dmarc.b\xc3\xbc" "cher.example", "_dmarc.xn--bcher-kva.example" },
        { "\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "xn--r8jz45g.xn--zckzah" },
        { "XN--BCHER-KVA.example", "xn--bcher-kva.example" },
        /* what a screen shows as a dot or as a Latin letter (UTS #46 mapping, RFC 5895 2.2, 2.3) */
        { "bank\xe3\x80\x82" "example", "bank.example" }, /* U+3002 */
        { "bank\xef\xbc\x8e" "example", "bank.example" }, /* U+FF0E */
        { "bank\xef\xbd\xa1" "example", "bank.example" }, /* U+FF61 */
        { "bank.example\xe3\x80\x82", "bank.example" },
        { "\xef\xbd\x82\xef\xbd\x81\xef\xbd\x8e\xef\xbd\x8b.example", "bank.example" }, /* full-width "bank" */
        { "ban\xe2\x84\xaa.example", "bank.example" },    /* KELVIN SIGN */
        { "ba\xc2\xadnk.example", "bank.example" },       /* SOFT HYPHEN */
        { "b\xc4\xb0nk.example", "xn--bink-rwc.example" }, /* U+0130 is i and U+0307, as Punycode xn--bink-rwc */
        { "ba\xe2\x80\x8dnk.example", NULL },             /* ZWJ outside its context (RFC 5892 A.2) */
        { "ba\xe2\x80\x8cnk.example", NULL },             /* ZWNJ */
        { "\xe2\x80\xae" "bank.example", NULL },          /* RIGHT-TO-LEFT OVERRIDE */
        { "bank\xe2\x80\x8f.example", NULL },             /* RIGHT-TO-LEFT MARK */
        { "bank\xe3\x80\x82\xe3\x80\x82" "example", NULL },
        { "\xe3\x80\x82" "bank.example", NULL },
        { "bank\xc2\xa0.example", NULL },                 /* NO-BREAK SPACE maps to SPACE */
        { "bank\xef\xbc\x8f.example", NULL },             /* full-width "/" */
        { "bank\xef\xbc\xa0.example", NULL },             /* full-width "@" */
        { "\xef\xbc\x8d" "bank.example", NULL },          /* full-width "-" first */
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice exact = test_exact(cases[i].text), out = SLICE("untouched");
        enum status st = domain_from_text(a, exact, &out);
        slice want = slice_from(cases[i].name == NULL ? "untouched" : cases[i].name);
        if (st != (cases[i].name == NULL ? ST_SYNTAX : ST_OK) || !slice_eq(out, want))
            fail_msg("case %zu \"%s\": %s \"%.*s\"", i, cases[i].text, status_name(st), SLICE_ARG(out));
        test_release(exact);
    }
    arena_free(a);
}

static void
lengths_end_where_rfc1035_says(void **state)
{
    (void)state;
    char text[300];
    struct arena *a = arena_new(0);
    slice out;
    memset(text, 'a', sizeof(text));
    for (size_t n = 62; n <= 64; n++)
        assert_int_equal(domain_from_text(a, (slice){ text, n }, &out), n <= 63 ? ST_OK : ST_SYNTAX);
    for (size_t i = 49; i < sizeof(text); i += 50)
        text[i] = '.';
    for (size_t n = 252; n <= 255; n++) {
        assert_int_equal(domain_from_text(a, (slice){ text, n }, &out), n <= 253 ? ST_OK : ST_SYNTAX);
        assert_int_equal(domain_is_name((slice){ text, n }), n <= 253);
    }
    text[253] = '.'; /* 253 octets and the trailing dot */
    assert_int_equal(domain_from_text(a, (slice){ text, 254 }, &out), ST_OK);
    assert_int_equal(out.n, 253);
    char wide[3000];
    for (size_t i = 0; i < sizeof(wide); i += 2)
        memcpy(wide + i, "\xc2\xad", 2); /* all of it maps to nothing */
    assert_int_equal(domain_from_text(a, (slice){ wide, sizeof(wide) }, &out), ST_SYNTAX);
    assert_int_equal(domain_from_text(a, (slice){ wide, 10 }, &out), ST_SYNTAX);
    assert_int_equal(domain_from_text(a, SLICE("a\0b.example"), &out), ST_SYNTAX);
    assert_int_equal(domain_from_text(a, SLICE("\xc3\xbc\0.example"), &out), ST_SYNTAX);
    arena_free(a);
}

static void
names_are_taken_apart(void **state)
{
    (void)state;
    slice name = SLICE("a.b.example.org");
    assert_int_equal(domain_labels(name), 4);
    assert_int_equal(domain_labels(SLICE("org")), 1);
    assert_int_equal(domain_labels(SLICE_EMPTY), 0);
    assert_slice(domain_parent(name), "b.example.org");
    assert_slice(domain_parent(SLICE("org")), "");
    assert_slice(domain_last_labels(name, 0), "");
    assert_slice(domain_last_labels(name, 1), "org");
    assert_slice(domain_last_labels(name, 3), "b.example.org");
    assert_slice(domain_last_labels(name, 4), "a.b.example.org");
    assert_slice(domain_last_labels(name, 9), "a.b.example.org");
    assert_true(domain_equal_or_below(name, SLICE("example.org")));
    assert_true(domain_equal_or_below(name, name));
    assert_false(domain_equal_or_below(SLICE("badexample.org"), SLICE("example.org")));
    assert_false(domain_equal_or_below(SLICE("example.org"), name));
    assert_false(domain_equal_or_below(name, SLICE_EMPTY));
    assert_false(domain_is_name(SLICE("Example.org")));
    assert_false(domain_is_name(SLICE("example.org.")));
    assert_false(domain_is_name(SLICE_EMPTY));
}

/* RFC 3629 section 4, against the decoding rule itself: every sequence of up to four octets that could matter. */
static bool
utf8_by_decoding(const unsigned char *p, size_t n)
{
    uint32_t c = n == 1 ? p[0] : n == 2 ? p[0] & 0x1fU : n == 3 ? p[0] & 0x0fU : p[0] & 0x07U;
    static const unsigned char mark[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 }, mask[] = { 0, 0x80, 0xe0, 0xf0, 0xf8 };
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if ((p[0] & mask[n]) != mark[n])
        return false;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        c = c << 6 | (p[i] & 0x3fU);
    }
    return c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

static void
utf8_is_that_of_rfc3629(void **state)
{
    (void)state;
    static const unsigned char tails[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff };
    unsigned char p[4];
    for (unsigned first = 0; first < 256; first++)
        for (size_t k = 0; k < COUNT(tails) * COUNT(tails) * COUNT(tails); k++) {
            p[0] = (unsigned char)first;
            p[1] = tails[k % COUNT(tails)];
            p[2] = tails[k / COUNT(tails) % COUNT(tails)];
            p[3] = tails[k / COUNT(tails) / COUNT(tails)];
            size_t want = 0;
            for (size_t n = 1; n <= 4; n++)
                if (utf8_by_decoding(p, n))
                    want = n;
            for (size_t n = 1; n <= 4; n++)
                assert_int_equal(utf8_length((slice){ (const char *)p, n }, 0), want <= n ? want : 0);
        }
    assert_true(utf8_is_valid(SLICE_EMPTY));
    assert_false(utf8_is_valid(SLICE("a\xc3")));
    assert_false(utf8_is_valid(SLICE("\xc3\xbc\x80")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_a_name_or_an_error),
        cmocka_unit_test(lengths_end_where_rfc1035_says),
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(utf8_is_that_of_rfc3629),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
