/*
 * Macros (RFC 7208 7): the examples of 7.4, and every letter x digits x "r" x delimiters against a second expansion written
 * here with lists of parts, as the prose of 7.3 describes it and unlike the one under test.
 */
#include "autoconf.h"

#include "test.h"

#include <strings.h>

#include "spf/macro.h"

static const struct spf_macro_facts example = {
    .local = { "strong-bad", 10 },
    .sender_domain = { "email.example.com", 17 },
    .domain = { "email.example.com", 17 },
    .client = { .family = 4, .bytes = { 192, 0, 2, 3 } },
    .validated_name = { "mx.example.org", 14 },
    .helo = { "mx.example.net", 14 },
    .receiver = { "mta.example.org", 15 },
    .now = 1700000000,
};
static const struct netaddr example_v6 = { .family = 6,
                                           .bytes = { 0x20, 0x01, 0x0d, 0xb8, [14] = 0xcb, [15] = 0x01 } };

static char *
expand(const char *text, const struct spf_macro_facts *f)
{
    struct strbuf b;
    slice exact = test_exact(text);
    strbuf_init(&b, 0);
    spf_macro_expand(&b, exact, f);
    char *copy = strdup(strbuf_str(&b));
    strbuf_clear(&b);
    test_release(exact);
    return copy;
}

/* RFC 7208 7.4 */
static void
test_examples(void **state)
{
    (void)state;
    static const struct { const char *macro, *want; bool v6; } c[] = {
        { "%{s}", "strong-bad@email.example.com", false },
        { "%{o}", "email.example.com", false },
        { "%{d}", "email.example.com", false },
        { "%{d4}", "email.example.com", false },
        { "%{d3}", "email.example.com", false },
        { "%{d2}", "example.com", false },
        { "%{d1}", "com", false },
        { "%{dr}", "com.example.email", false },
        { "%{d2r}", "example.email", false },
        { "%{l}", "strong-bad", false },
        { "%{l-}", "strong.bad", false },
        { "%{lr}", "strong-bad", false },
        { "%{lr-}", "bad.strong", false },
        { "%{l1r-}", "strong", false },
        { "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com", false },
        { "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com", false },
        { "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com", false },
        { "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com", false },
        { "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net", false },
        { "%{ir}.%{v}._spf.%{d2}",
          "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com", true },
        { "%{c}", "2001:db8::cb01", true },
        { "%%%_%-", "% %20", false },
        { "%{p}", "mx.example.org", false },
        { "%{h}", "mx.example.net", false },
        { "%{t}", "1700000000", false },
        { "%{r}", "mta.example.org", false },
        { "See http://%{d}/why.html?s=%{S}&i=%{I}",
          "See http://email.example.com/why.html?s=strong-bad%40email.example.com&i=192.0.2.3", false },
    };
    for (size_t i = 0; i < COUNT(c); i++) {
        struct spf_macro_facts f = example;
        if (c[i].v6)
            f.client = example_v6;
        char *got = expand(c[i].macro, &f);
        if (strcasecmp(got, c[i].want) != 0)
            fail_msg("%s: got \"%s\", wanted \"%s\"", c[i].macro, got, c[i].want);
        free(got);
    }
}

/* ---- the reference */

#define PARTS 64

static void
reference_value(char letter, const struct spf_macro_facts *f, char *out, size_t size)
{
    char ip[NETADDR_TEXT_MAX], nibbles[64] = "";
    const slice *s = NULL;
    static const slice unknown = { "unknown", 7 };
    netaddr_text(&f->client, ip);
    for (int i = 0; f->client.family == 6 && i < 32; i++)
        sprintf(nibbles + strlen(nibbles), "%s%X", i > 0 ? "." : "", (f->client.bytes[i / 2] >> (i % 2 ? 0 : 4)) & 15);
    out[0] = '\0';
    switch (letter) {
    case 's':
        snprintf(out, size, "%.*s@%.*s", SLICE_ARG(f->local), SLICE_ARG(f->sender_domain));
        return;
    case 'i':
        snprintf(out, size, "%s", f->client.family == 6 ? nibbles : ip);
        return;
    case 'c':
        snprintf(out, size, "%s", ip);
        return;
    case 'v':
        snprintf(out, size, "%s", f->client.family == 6 ? "ip6" : "in-addr");
        return;
    case 't':
        snprintf(out, size, "%ld", (long)f->now);
        return;
    case 'l':
        s = &f->local;
        break;
    case 'o':
        s = &f->sender_domain;
        break;
    case 'd':
        s = &f->domain;
        break;
    case 'h':
        s = &f->helo;
        break;
    case 'p':
        s = f->validated_name.n > 0 ? &f->validated_name : &unknown;
        break;
    case 'r':
        s = f->receiver.n > 0 ? &f->receiver : &unknown;
        break;
    }
    snprintf(out, size, "%.*s", SLICE_ARG(*s));
}

static void
reference(char letter, bool upper, int digits, bool reverse, const char *delimiters, const struct spf_macro_facts *f,
          char *out)
{
    char value[600], *parts[PARTS], *list[PARTS];
    int n = 0, first = 0;
    reference_value(letter, f, value, sizeof(value));
    const char *at = delimiters[0] == '\0' ? "." : delimiters;
    char *p = value;
    for (;;) {
        parts[n++] = p;
        p += strcspn(p, at);
        if (*p == '\0')
            break;
        *p++ = '\0';
    }
    for (int i = 0; i < n; i++)
        list[i] = reverse ? parts[n - 1 - i] : parts[i];
    if (digits > 0 && digits < n)
        first = n - digits;
    out[0] = '\0';
    for (int i = first; i < n; i++) {
        if (i > first)
            strcat(out, ".");
        for (const char *c = list[i]; *c != '\0'; c++)
            sprintf(out + strlen(out), upper && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *c) == NULL
                        ? "%%%02X" : "%c", (unsigned char)*c);
    }
}

static unsigned long
sweep(const struct spf_macro_facts *f)
{
    static const char *const delimiters[] = { "", ".", "-", "+", ",", "/", "_", "=", ".-", "-+", "+,/", "_=", ".-+,/_=", "--" };
    static const int digits[] = { 0, 1, 2, 3, 4, 5, 31, 32, 33, 127, 128, 999 };
    unsigned long n = 0;
    for (const char *l = "slodiphcrtv"; *l != '\0'; l++)
        for (int upper = 0; upper < 2; upper++)
            for (size_t d = 0; d < COUNT(digits); d++)
                for (int r = 0; r < 3; r++) /* none, "r", "R" */
                    for (size_t k = 0; k < COUNT(delimiters); k++, n++) {
                        char macro[64], number[12] = "", want[2000];
                        if (digits[d] > 0)
                            snprintf(number, sizeof(number), "%d", digits[d]);
                        snprintf(macro, sizeof(macro), "%%{%c%s%s%s}", upper ? *l - 32 : *l, number,
                                 r == 1 ? "r" : r == 2 ? "R" : "", delimiters[k]);
                        reference(*l, upper, digits[d], r > 0, delimiters[k], f, want);
                        char *got = expand(macro, f);
                        if (strcmp(got, want) != 0)
                            fail_msg("%s: got \"%s\", wanted \"%s\"", macro, got, want);
                        free(got);
                        assert_null(spf_macro_check_explain(slice_from(macro)));
                    }
    return n;
}

static void
test_all_transformers(void **state)
{
    (void)state;
    struct spf_macro_facts f = example;
    unsigned long n = sweep(&f);
    f.client = example_v6;
    f.local = SLICE("a+b-c_d=e/f,g.h");
    f.helo = SLICE("..odd--helo..");
    f.domain = SLICE("a.b.c.d.e.f.example");
    n += sweep(&f);
    f.local = SLICE("-");
    f.helo = SLICE("");
    f.sender_domain = SLICE("x-y.z_w.example");
    f.validated_name = SLICE_EMPTY;
    f.receiver = SLICE_EMPTY;
    n += sweep(&f);
    f.local = SLICE("100%&<>\"'()[]{}!~*;:@\\ sp");
    f.helo = SLICE("\xc3\xa4\xff");
    n += sweep(&f);
    print_message("%lu macros\n", n);
}

/* A number beyond all counting says "all parts", and a macro may be without limit on its digits. */
static void
test_numbers(void **state)
{
    (void)state;
    char *got = expand("%{d000000000000000000000000000000000002}", &example);
    assert_string_equal(got, "example.com");
    free(got);
    got = expand("%{d99999999999999999999999999999999999999999}", &example);
    assert_string_equal(got, "email.example.com");
    free(got);
}

/* RFC 7208 7.3: cut from the left at label borders to 253 octets. */
static void
test_target(void **state)
{
    (void)state;
    char label[64], spec[6000];
    struct strbuf b;
    slice name;
    strbuf_init(&b, 0);
    memset(label, 'x', 63);
    label[63] = '\0';
    /* 4 labels of 49 and the domain of 17: 4*50+17 = 217; one more of 35 and its dot: 253; of 36: 254 */
    for (int extra = 34; extra <= 36; extra++) {
        snprintf(spec, sizeof(spec), "%.*s.%.49s.%.49s.%.49s.%.49s.%%{d}", extra, label, label, label, label, label);
        assert_int_equal(spf_macro_target(&b, slice_from(spec), &example, &name), ST_OK);
        assert_int_equal(name.n, extra < 36 ? 218 + extra : 217);
    }
    assert_int_equal(spf_macro_target(&b, SLICE("a.example.org."), &example, &name), ST_OK);
    assert_slice(name, "a.example.org");
    /* the payload of CVE-2023-42118: 127 macros and 5,000 letters in one label, which no cut makes a name */
    spec[0] = '\0';
    for (int i = 0; i < 127; i++)
        strcat(spec, "%{d}");
    memset(spec + strlen(spec) + 0, 'a', 5000);
    spec[127 * 4 + 5000] = '\0';
    assert_int_equal(spf_macro_target(&b, slice_from(spec), &example, &name), ST_OK);
    assert_int_equal(name.n, 5003); /* "com" and the letters */
    /* more than is ever kept: only the end matters */
    char *huge = malloc(70000 * 4 + 1);
    assert_non_null(huge);
    for (int i = 0; i < 70000; i++)
        memcpy(huge + i * 4, "%{s}", 5);
    assert_int_equal(spf_macro_target(&b, (slice){ huge, 70000 * 4 }, &example, &name), ST_OK);
    assert_true(name.n <= 253 && slice_iends(name, SLICE("@email.example.com")));
    free(huge);
    strbuf_clear(&b);
}

static void
test_uses(void **state)
{
    (void)state;
    assert_true(spf_macro_uses(SLICE("a.%{P2r}.b"), "p"));
    assert_true(spf_macro_uses(SLICE("%{d}%{l}"), "sl"));
    assert_false(spf_macro_uses(SLICE("%{d}p%%{p.example"), "p"));
    assert_false(spf_macro_uses(SLICE(""), "slodiph"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples), cmocka_unit_test(test_all_transformers), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_target),   cmocka_unit_test(test_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
