/*
 * Whatever is given to the builder, the field has RFC 8601's grammar and says what was given, or leaves it out; no value
 * can add a line, a result or a property.
 */
#include "test.h"

#include "mail/authres.h"

static uint32_t seed;

static uint32_t
random_below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 8) * n >> 24);
}

/* Whole characters that may be written, and octets that may not. */
static const slice good[] = {
    SLICE("a"), SLICE("b9"), SLICE("Z-z"), SLICE("."), SLICE("@"), SLICE("\""), SLICE("\\"), SLICE(" "), SLICE("("),
    SLICE(")"), SLICE(";"), SLICE("="), SLICE("/"), SLICE(":"), SLICE("<"), SLICE(">"), SLICE(","), SLICE("["),
    SLICE("]"), SLICE("?"), SLICE("'"), SLICE("%"), SLICE("~"), SLICE("+"), SLICE("_"), SLICE("\xc3\xbc"),
    SLICE("\xe2\x82\xac"), SLICE("\xf0\x9f\x93\xa7"), SLICE("example.org"), SLICE("; spf=pass"), SLICE("none"),
};
static const slice bad[] = {
    SLICE("\n"), SLICE("\r"), SLICE("\r\n"), SLICE("\t"), SLICE("\0"), SLICE("\x1b[1m"), SLICE("\x7f"), SLICE("\xfc"),
    SLICE("\xc3"), SLICE("\xc2\x85"), SLICE("\xe2\x80\xa8"), SLICE("\xed\xa0\x80"), SLICE("\xc0\xaf"),
};

struct value {
    char text[600];
    size_t n;
    bool writable;
};

static slice
make_value(struct value *v, bool may_be_bad)
{
    uint32_t pieces = random_below(20) == 0 ? random_below(60) : random_below(7);
    v->n = 0;
    v->writable = true;
    for (uint32_t i = 0; i < pieces; i++) {
        bool is_bad = may_be_bad && random_below(30) == 0;
        slice s = is_bad ? bad[random_below(COUNT(bad))] : good[random_below(COUNT(good))];
        memcpy(v->text + v->n, s.p, s.n);
        v->n += s.n;
        v->writable = v->writable && !is_bad;
    }
    v->writable = v->writable && v->n > 0;
    return (slice){ v->text, v->n };
}

static void
check_lines(slice field)
{
    size_t column = 24;
    bool blank = true;
    for (size_t i = 0; i < field.n; i++) {
        unsigned char c = (unsigned char)field.p[i];
        if (c != '\n') {
            bool tab = c == '\t' && i > 0 && field.p[i - 1] == '\n';
            assert_true(tab || (c >= ' ' && c != 0x7f));
            blank = blank && (tab || c == ' ');
            assert_true(++column < 998);
            continue;
        }
        assert_true(i + 1 < field.n && ascii_is_wsp(field.p[i + 1]) && !blank);
        blank = true;
        column = 0;
    }
    assert_false(blank);
}

enum { RESULTS = 6, PROPERTIES = 5 };

struct model {
    struct value reason[RESULTS], values[RESULTS][PROPERTIES];
    bool has_reason[RESULTS];
    size_t n, n_values[RESULTS];
};

static void
build(struct authres_builder *b, struct model *m)
{
    struct value comment;
    m->n = random_below(RESULTS + 1);
    for (size_t i = 0; i < m->n; i++) {
        authres_add_result(b, "dkim", i % 2 == 0 ? "pass" : "fail");
        if (random_below(3) == 0)
            authres_add_comment(b, make_value(&comment, true));
        m->has_reason[i] = random_below(3) == 0;
        if (m->has_reason[i]) {
            authres_add_reason(b, make_value(&m->reason[i], true));
            m->has_reason[i] = m->reason[i].writable;
        }
        m->n_values[i] = 0;
        for (uint32_t k = random_below(PROPERTIES + 1); k > 0; k--) {
            struct value *v = &m->values[i][m->n_values[i]];
            authres_add_value(b, "smtp", "mailfrom", make_value(v, true));
            m->n_values[i] += v->writable;
            if (random_below(4) == 0)
                authres_add_comment(b, make_value(&comment, true));
        }
    }
}

static void
check_model(const struct model *m, const struct authres *r)
{
    assert_int_equal(r->n_results, m->n);
    for (size_t i = 0; i < m->n; i++) {
        const struct authres_result *res = &r->results[i];
        assert_slice(res->method, "dkim");
        assert_slice(res->result, i % 2 == 0 ? "pass" : "fail");
        slice reason = m->has_reason[i] ? (slice){ m->reason[i].text, m->reason[i].n } : SLICE_EMPTY;
        assert_true(slice_eq(res->reason, reason));
        assert_int_equal(res->n_properties, m->n_values[i]);
        for (size_t k = 0; k < res->n_properties; k++) {
            slice v = { m->values[i][k].text, m->values[i][k].n };
            assert_slice(res->properties[k].ptype, "smtp");
            assert_slice(res->properties[k].name, "mailfrom");
            assert_true(slice_eq(res->properties[k].value, v));
        }
    }
}

static void
what_is_built_reads_the_same(void **state)
{
    (void)state;
    static struct model m;
    for (uint32_t run = 0; run < 20000; run++) {
        struct value id;
        struct arena *a = arena_new(0);
        seed = run;
        slice id_text = make_value(&id, run % 10 == 0);
        struct authres_builder *b = authres_builder_new(a, id_text, 100000);
        assert_true((b != NULL) == id.writable);
        if (b != NULL) {
            struct authres r;
            build(b, &m);
            slice exact, field = authres_finish(b);
            assert_non_null(field.p);
            exact = test_exact_bytes(field.p, field.n);
            check_lines(exact);
            assert_int_equal(authres_parse(a, exact, &r), ST_OK);
            assert_true(r.exact && r.version == 1 && slice_eq(r.authserv_id, id_text));
            check_model(&m, &r);
            assert_true(authres_claims(a, exact, id_text));
            test_release(exact);
        }
        arena_free(a);
    }
}

/* Every octet alone, and in the middle of an address. */
static void
every_octet_is_written_or_left_out(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        for (int shape = 0; shape < 4; shape++) {
            char octet = (char)c;
            const char text[][5] = { { octet }, { 'a', octet, 'b' }, { 'a', octet, '@', 'b' }, { 'a', '@', octet, 'b' } };
            const size_t length[] = { 1, 3, 4, 4 };
            slice v = { text[shape], length[shape] };
            struct arena *a = arena_new(0);
            struct authres_builder *b = authres_builder_new(a, SLICE("id"), 1000);
            struct authres r;
            authres_add_result(b, "x", "y");
            authres_add_value(b, "p", "v", v);
            assert_int_equal(authres_parse(a, authres_finish(b), &r), ST_OK);
            bool writable = c >= ' ' && c < 0x7f;
            assert_true(r.exact && r.results[0].n_properties == (writable ? 1 : 0));
            if (writable)
                assert_true(slice_eq(r.results[0].properties[0].value, v));
            arena_free(a);
        }
}

static void
long_text_is_folded(void **state)
{
    (void)state;
    char text[3000];
    for (size_t n = 0; n < sizeof(text); n += 37) {
        memset(text, 'x', sizeof(text));
        struct arena *a = arena_new(0);
        struct authres_builder *b = authres_builder_new(a, SLICE("id"), 20000);
        struct authres r;
        authres_add_result(b, "x", "y");
        authres_add_comment(b, (slice){ text, n });
        authres_add_value(b, "p", "v", (slice){ text, n });
        for (size_t i = 5; i < n; i += 6)
            text[i] = ' ';
        authres_add_comment(b, (slice){ text, n });
        authres_add_value(b, "p", "w", (slice){ text, n });
        slice field = authres_finish(b);
        check_lines(field);
        assert_int_equal(authres_parse(a, field, &r), ST_OK);
        slice line, last = SLICE_EMPTY;
        for (slice rest = field; rest.n > 0;) {
            slice_cut(rest, '\n', &line, &rest);
            bool long_word = slice_icontains(line, SLICE("xxxxxxxxxx"));
            assert_true(long_word || line.n <= 78);
        }
        for (size_t i = 0; i < r.results[0].n_properties; i++)
            last = r.results[0].properties[i].value;
        assert_true(n == 0 || n > 900 || slice_eq(last, (slice){ text, n }));
        arena_free(a);
    }
}

/* A word that would fill a line to RFC 5322's 998 octets, also if only its escapes do, is left out. */
static void
words_too_long_are_left_out(void **state)
{
    (void)state;
    char text[1100];
    for (size_t n = 400; n <= sizeof(text); n++)
        for (int fill = 0; fill < 3; fill++) {
            struct arena *a = arena_new(0);
            struct authres_builder *b = authres_builder_new(a, SLICE("id"), 20000);
            struct authres r;
            memset(text, "x\"("[fill], n);
            authres_add_result(b, "x", "y");
            authres_add_reason(b, (slice){ text, n });
            authres_add_value(b, "p", "v", (slice){ text, n });
            authres_add_comment(b, (slice){ text, n });
            check_lines(authres_finish(b));
            assert_int_equal(authres_parse(a, authres_finish(b), &r), ST_OK);
            bool fits = n * (fill == 1 ? 2 : 1) <= 900;
            assert_int_equal(r.results[0].n_properties, fits);
            assert_int_equal(r.results[0].reason.n, fits ? n : 0);
            arena_free(a);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_reads_the_same),
        cmocka_unit_test(every_octet_is_written_or_left_out),
        cmocka_unit_test(long_text_is_folded),
        cmocka_unit_test(words_too_long_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
