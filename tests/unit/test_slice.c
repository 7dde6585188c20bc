#include "test.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/strbuf.h"
#include "base/trace.h"

static void
comparison_folds_ascii_only(void **state)
{
    (void)state;
    assert_true(slice_ieq(SLICE("ExAmPlE"), SLICE("eXaMpLe")));
    assert_false(slice_ieq(SLICE("\xc3\x89"), SLICE("\xc3\xa9"))); /* U+00C9, U+00E9 */
    assert_false(slice_eq(SLICE("a"), SLICE("a\0b")));
    assert_true(slice_iends(SLICE("mail.Example"), SLICE(".example")));
    assert_int_equal(slice_find(SLICE("a;b"), ';'), 1);
    assert_int_equal(slice_rfind(SLICE("a.b.c"), '.'), 3);
}

static void
numbers_do_not_wrap(void **state)
{
    (void)state;
    uint64_t v;
    assert_true(slice_to_u64(SLICE("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_false(slice_to_u64(SLICE("9223372036854775808"), &v));
    assert_false(slice_to_u64(SLICE("18446744073709551617"), &v));
    assert_false(slice_to_u64(SLICE(""), &v));
    assert_false(slice_to_u64(SLICE("-1"), &v));
    assert_false(slice_to_u64(SLICE("1 "), &v));
}

static void
strbuf_keeps_its_first_error(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 4);
    strbuf_add_str(&b, "abcd");
    assert_int_equal(strbuf_status(&b), ST_OK);
    strbuf_add_char(&b, 'e');
    assert_int_equal(strbuf_status(&b), ST_LIMIT);
    assert_int_equal(strbuf_slice(&b).n, 0);
    strbuf_clear(&b);
}

static void
arena_respects_its_limit(void **state)
{
    (void)state;
    struct arena *a = arena_new(100000);
    assert_non_null(arena_alloc(a, 50000));
    assert_null(arena_alloc(a, 200000));
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_array(a, SIZE_MAX / 2, 3));
    assert_non_null(arena_alloc(a, 10));
    arena_free(a);
}

static void
base64_follows_rfc4648(void **state)
{
    (void)state;
    static const char *const vectors[][2] = { /* RFC 4648 section 10 */
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct strbuf b;
        strbuf_init(&b, 0);
        base64_encode(&b, slice_from(vectors[i][0]));
        assert_slice(strbuf_slice(&b), vectors[i][1]);
        strbuf_clear(&b);
        slice out, exact = test_exact(vectors[i][1]);
        assert_int_equal(base64_decode(a, exact, &out), ST_OK);
        assert_slice(out, vectors[i][0]);
        test_release(exact);
    }
    slice out;
    assert_int_equal(base64_decode(a, SLICE("Z m\r\n 9\tv"), &out), ST_OK);
    assert_slice(out, "foo");
    /* RFC 6376 2.10: `base64string = ALPHADIGITPS *([FWS] ALPHADIGITPS) [ [FWS] "=" [ [FWS] "=" ] ]` */
    static const char *const unpadded[][2] = {
        { "Zg", "f" }, { "Zm8", "fo" }, { "Zm9vYg", "foob" }, { "Zm9vYmE", "fooba" }, { "Zm9v Yg", "foob" }, { "Zg= =", "f" },
    };
    for (size_t i = 0; i < COUNT(unpadded); i++) {
        assert_int_equal(base64_decode(a, slice_from(unpadded[i][0]), &out), ST_OK);
        assert_slice(out, unpadded[i][1]);
    }
    static const char *const bad[] = { "Z", "Zg=", "Zg===", "Zh==", "Zh", "Zm9=", "Zm9", "Zm=v", "Zm9v!", "====",
                                       "Zm9vY", "Zm8==" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(base64_decode(a, slice_from(bad[i]), &out), ST_SYNTAX);
    arena_free(a);
}

static void
count_line(void *arg, unsigned depth, const char *text)
{
    char *all = arg;
    size_t n = strlen(all);
    snprintf(all + n, 200 - n, "%u:%s|", depth, text);
}

static void
trace_escapes_what_it_shows(void **state)
{
    (void)state;
    char all[200] = "";
    struct trace *t = trace_new();
    trace_begin(t, "spf %.*s", SLICE_ARG(SLICE("a\x1b[1m")));
    trace_line(t, "inner");
    trace_end(t);
    trace_line(t, "outer");
    trace_each(t, count_line, all);
    assert_string_equal(all, "0:spf a\\x1b[1m|1:inner|0:outer|");
    trace_free(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_folds_ascii_only), cmocka_unit_test(numbers_do_not_wrap),
        cmocka_unit_test(strbuf_keeps_its_first_error), cmocka_unit_test(arena_respects_its_limit),
        cmocka_unit_test(base64_follows_rfc4648),      cmocka_unit_test(trace_escapes_what_it_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
