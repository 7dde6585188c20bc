#include "test.h"

#include "canon_reference.h"

#include <time.h>

#include "base/base64.h"
#include "dkim/canon.h"
#include "dkim/canon_scan.h"
#include "mail/headers.h"

static void
check_digest(const struct body_canon *b, int id, slice canonical, uint64_t limit, const char *label)
{
    unsigned char want[HASH_SIZE_MAX];
    size_t n = limit < canonical.n ? (size_t)limit : canonical.n;
    assert_int_equal(hash_once(HASH_SHA256, slice_head(canonical, n), want), ST_OK);
    slice got = body_canon_digest(b, id);
    if (got.n != 32 || memcmp(got.p, want, 32) != 0 || body_canon_length(b, id) != canonical.n)
        fail_msg("%s", label);
}

static uint32_t
next_random(uint32_t *r)
{
    *r = *r * 1664525u + 1013904223u;
    return *r >> 8;
}

/* step 0: whole; 1: octet by octet; otherwise pieces of 1 to step octets, empty ones between. */
static void
check_body(slice body, size_t step, const char *label)
{
    static const uint64_t limits[] = { CANON_NO_LIMIT, 0, 1, 2, 3, 5, 8, 100, 101 };
    struct arena *a = arena_new(0);
    struct body_canon *b = body_canon_new(a);
    int ids[2][COUNT(limits)];
    for (size_t c = 0; c < 2; c++)
        for (size_t i = COUNT(limits); i-- > 0;)
            ids[c][i] = body_canon_want(b, (enum canon)c, limits[i]);
    assert_int_equal(body_canon_want(b, CANON_RELAXED, 5), ids[1][5]);
    uint32_t r = (uint32_t)body.n;
    for (size_t i = 0; i < body.n;) {
        size_t n = step == 0 ? body.n : step == 1 ? 1 : next_random(&r) % (step + 1);
        slice piece = slice_head(slice_tail(body, i), n);
        slice exact = test_exact_bytes(piece.p, piece.n);
        body_canon_feed(b, exact);
        test_release(exact);
        i += piece.n;
    }
    assert_int_equal(body_canon_finish(b), ST_OK);
    for (size_t c = 0; c < 2; c++) {
        slice canonical = canon_reference(a, (enum canon)c, body);
        for (size_t i = 0; i < COUNT(limits); i++)
            check_digest(b, ids[c][i], canonical, limits[i], label);
    }
    body_canon_clear(b);
    arena_free(a);
}

static void
check_all_chunkings(slice body, const char *label)
{
    static const size_t steps[] = { 0, 1, 2, 3, 7, 40, 3000 };
    for (size_t i = 0; i < COUNT(steps); i++)
        check_body(body, steps[i], label);
}

static void
digest_base64(enum canon c, const char *body, const char *want)
{
    struct arena *a = arena_new(0);
    struct body_canon *b = body_canon_new(a);
    int id = body_canon_want(b, c, CANON_NO_LIMIT);
    body_canon_feed(b, slice_from(body));
    assert_int_equal(body_canon_finish(b), ST_OK);
    struct strbuf t;
    strbuf_init(&t, 0);
    base64_encode(&t, body_canon_digest(b, id));
    assert_string_equal(strbuf_str(&t), want);
    strbuf_clear(&t);
    body_canon_clear(b);
    arena_free(a);
}

static void
empty_bodies_hash_as_rfc6376_says(void **state)
{
    (void)state;
    static const char simple[] = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=";  /* 3.4.3 */
    static const char relaxed[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; /* 3.4.4 */
    digest_base64(CANON_SIMPLE, "", simple);
    digest_base64(CANON_SIMPLE, "\r\n\r\n", simple);
    digest_base64(CANON_RELAXED, "", relaxed);
    digest_base64(CANON_RELAXED, "\r\n\r\n", relaxed);
    digest_base64(CANON_RELAXED, " \t\r\n \r\n", relaxed);
    digest_base64(CANON_RELAXED, " \t", relaxed);
    digest_base64(CANON_SIMPLE, "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n\r\n",
                  "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="); /* A.2 */
}

static void
the_example_of_rfc6376_3_4_5(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    slice body = SLICE(" C \r\nD \t E\r\n\r\n\r\n");
    assert_slice(canon_reference(a, CANON_SIMPLE, body), " C \r\nD \t E\r\n");
    assert_slice(canon_reference(a, CANON_RELAXED, body), " C\r\nD E\r\n");
    check_all_chunkings(body, "3.4.5");
    arena_free(a);
}

static void
bodies_equal_the_reference(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "\r\n", "\r", "\n", " ", "\t", "a", "a\r\n", "a \r\n", "a\t\r", "a \r\r\n", "a\r\r\n\r\n", "\r\na",
        "\r\n\r\n\r\na\r\n\r\n", "a\n\n\n", " \n \n", "a \n b", "a  b\t\tc \t d", "a \r b", "\r\n \r\n\t\r\na",
        "a\r\n \r\n\t\r\n", "a\r\n.\r\n", "\xff\x80 \xfe  \r\n", " \r\n \r", "x\r\n\r\n\r", "x\r\n\r\n\ry", "\r\r\r\n\r",
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        check_all_chunkings(slice_from(bodies[i]), bodies[i]);
    check_all_chunkings(SLICE("a\0 \0\r\n\0"), "NUL");
}

/* All texts of up to six octets over those that mean something. */
static void
all_short_bodies_equal_the_reference(void **state)
{
    (void)state;
    static const char octets[] = { ' ', '\t', '\r', '\n', 'a' };
    for (size_t n = 1; n <= 6; n++) {
        size_t total = 1;
        for (size_t i = 0; i < n; i++)
            total *= COUNT(octets);
        for (size_t k = 0; k < total; k++) {
            char text[6];
            for (size_t i = 0, rest = k; i < n; i++, rest /= COUNT(octets))
                text[i] = octets[rest % COUNT(octets)];
            check_body((slice){ text, n }, 0, "whole");
            check_body((slice){ text, n }, 1, "by octets");
        }
    }
}

static void
random_bodies_equal_the_reference(void **state)
{
    (void)state;
    static const char octets[] = "aaaaaaaaaaaa bcdefg hij k\t \r\n\r\n\r\n";
    uint32_t r = 7;
    for (size_t k = 0; k < 300; k++) {
        size_t n = next_random(&r) % 6000, plain = next_random(&r) % 100;
        char *text = malloc(n + 1);
        assert_non_null(text);
        for (size_t i = 0; i < n; i++)
            text[i] = next_random(&r) % 100 < plain ? 'x' : octets[next_random(&r) % (sizeof(octets) - 1)];
        static const size_t steps[] = { 0, 1, 50, 5000 };
        check_body((slice){ text, n }, steps[k % COUNT(steps)], "random");
        free(text);
    }
}

static void
scans_agree(void **state)
{
    (void)state;
    static const char octets[] = " \t\r\na\x8d\xa0\x89\x0e\x21";
    uint32_t r = 1;
    for (size_t k = 0; k < 20000; k++) {
        char text[80];
        size_t n = next_random(&r) % sizeof(text), from = n == 0 ? 0 : next_random(&r) % n;
        size_t rare = 1 + next_random(&r) % 40;
        for (size_t i = 0; i < n; i++)
            text[i] = next_random(&r) % rare != 0 ? 'a' : octets[next_random(&r) % (sizeof(octets) - 1)];
        slice exact = test_exact_bytes(text, n);
        size_t want = canon_scan_bytes(exact.p, n, from);
        assert_int_equal(canon_scan_words(exact.p, n, from), want);
        assert_int_equal(canon_scan(exact.p, n, from), want);
        test_release(exact);
    }
}

static void
headers_follow_rfc6376_3_4_2(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *relaxed;
    } cases[] = {
        { "A: X", "a:X" },                                   /* 3.4.5 */
        { "B : Y\t\r\n\tZ  ", "b:Y Z" },                     /* 3.4.5 */
        { "Subject:", "subject:" },
        { "SUBJect: AbC\r\n", "subject:AbC" },               /* the CRLF that ends a field */
        { "Subject:  \t \r\n  ", "subject:" },
        { "Subject:\r\n a\r\n \r\n\tb", "subject:a b" },
        { "Subject \t:a:b : c", "subject:a:b : c" },
        { "S:a\rb\r c", "s:a\rb\r c" },                      /* a CR alone is no fold */
        { "S:a \r\r\n b", "s:a \r b" },
        { "S:\xc3\xa9  \xff", "s:\xc3\xa9 \xff" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        slice raw = test_exact(cases[i].raw);
        size_t colon = slice_find(raw, ':');
        struct header_field f = { .raw = raw, .name = slice_trim_wsp(slice_head(raw, colon)),
                                  .value = slice_tail(raw, colon + 1), .nth = 1 };
        struct strbuf b;
        strbuf_init(&b, 0);
        header_canon_add(&b, CANON_SIMPLE, &f);
        assert_slice(strbuf_slice(&b), cases[i].raw);
        strbuf_reset(&b);
        header_canon_add(&b, CANON_RELAXED, &f);
        assert_slice(strbuf_slice(&b), cases[i].relaxed);
        strbuf_clear(&b);
        test_release(raw);
    }
}

/* RFC 6376 3.4.2 step by step: unfold, shrink white space, take it off both ends. */
static size_t
reference_value(slice v, char *out)
{
    char unfolded[16];
    size_t n = 0, m = 0;
    for (size_t i = 0; i < v.n; i++) {
        bool crlf = v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n';
        if (crlf && (i + 2 == v.n || ascii_is_wsp(v.p[i + 2])))
            i++;
        else
            unfolded[n++] = v.p[i];
    }
    for (size_t i = 0; i < n; i++)
        if (!ascii_is_wsp(unfolded[i]))
            out[m++] = unfolded[i];
        else if (m == 0 || out[m - 1] != ' ')
            out[m++] = ' ';
    while (m > 0 && out[m - 1] == ' ')
        m--;
    size_t lead = m > 0 && out[0] == ' ';
    memmove(out, out + lead, m - lead);
    return m - lead;
}

static void
all_short_values_equal_the_reference(void **state)
{
    (void)state;
    static const char octets[] = { ' ', '\t', '\r', '\n', 'a', ':' };
    struct strbuf b;
    strbuf_init(&b, 0);
    for (size_t n = 0; n <= 7; n++) {
        size_t total = 1;
        for (size_t i = 0; i < n; i++)
            total *= COUNT(octets);
        for (size_t k = 0; k < total; k++) {
            char text[9] = "N:", want[16];
            for (size_t i = 0, rest = k; i < n; i++, rest /= COUNT(octets))
                text[2 + i] = octets[rest % COUNT(octets)];
            struct header_field f = { .raw = { text, n + 2 }, .name = { text, 1 }, .value = { text + 2, n }, .nth = 1 };
            size_t m = reference_value(f.value, want);
            strbuf_reset(&b);
            header_canon_add(&b, CANON_RELAXED, &f);
            if (!slice_eq(slice_tail(strbuf_slice(&b), 2), (slice){ want, m }) ||
                !slice_eq(slice_head(strbuf_slice(&b), 2), SLICE("n:")))
                fail_msg("value %zu of %zu octets", k, n);
        }
    }
    strbuf_clear(&b);
}

/* Twice the text, at most two and a half times the time, measured coarsely: sixteen times, forty. */
static uint64_t
cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what others do on this machine does not count */
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t
time_of_body(const char *unit, size_t n)
{
    size_t length = strlen(unit);
    char *text = malloc(n * length);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * length, unit, length);
    uint64_t best = UINT64_MAX;
    for (unsigned round = 0; round < 5; round++) {
        struct arena *a = arena_new(0);
        struct body_canon *b = body_canon_new(a);
        body_canon_want(b, CANON_SIMPLE, CANON_NO_LIMIT);
        body_canon_want(b, CANON_RELAXED, CANON_NO_LIMIT);
        uint64_t start = cpu_us();
        for (size_t i = 0; i < n * length; i += 4096)
            body_canon_feed(b, slice_head((slice){ text + i, n * length - i }, 4096));
        body_canon_finish(b);
        uint64_t took = cpu_us() - start;
        best = took < best ? took : best;
        body_canon_clear(b);
        arena_free(a);
    }
    free(text);
    return best;
}

static void
time_is_linear(void **state)
{
    (void)state;
    static const char *const units[] = { " ", "\t", "\r\n", " \r\n", "\r", " \r", "a ", "a  ", "\r\n a", "x" };
    for (size_t i = 0; i < COUNT(units); i++) {
        uint64_t small = 0, large = 0;
        for (int try = 0; try < 8 && (try == 0 || large > 40 * (small + 200)); try++) { /* a noisy machine is not a square */
            small = time_of_body(units[i], 20000);
            large = time_of_body(units[i], 320000);
        }
        if (large > 40 * (small + 200))
            fail_msg("unit %zu: %u us, then %u us", i, (unsigned)small, (unsigned)large);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_bodies_hash_as_rfc6376_says), cmocka_unit_test(the_example_of_rfc6376_3_4_5),
        cmocka_unit_test(bodies_equal_the_reference),        cmocka_unit_test(all_short_bodies_equal_the_reference),
        cmocka_unit_test(random_bodies_equal_the_reference), cmocka_unit_test(scans_agree),
        cmocka_unit_test(headers_follow_rfc6376_3_4_2),      cmocka_unit_test(time_is_linear),
        cmocka_unit_test(all_short_values_equal_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
