#include "test.h"

#include "base/strbuf.h"
#include "mail/eml.h"

/* What the handler was told: "{name|value}" for each field, "<" at the end of the header, then the body. */
static enum status
on_header(void *arg, slice name, slice value)
{
    strbuf_add_char(arg, '{');
    strbuf_add(arg, name);
    strbuf_add_char(arg, '|');
    strbuf_add(arg, value);
    strbuf_add_char(arg, '}');
    return ST_OK;
}

static enum status
on_eoh(void *arg)
{
    strbuf_add_char(arg, '<');
    return ST_OK;
}

static enum status
on_body(void *arg, slice chunk)
{
    assert_true(chunk.n > 0 && chunk.n <= EML_CHUNK_MAX);
    strbuf_add(arg, chunk);
    return ST_OK;
}

static const struct eml_handler handler = { on_header, on_eoh, on_body };

static void
messages_are_told_as_an_mta_would(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "A: b\r\nC:d\r\n\r\nbody\r\n", "{A| b}{C|d}<body\r\n" },
        { "A: b\nC:d\n\nbody\n", "{A| b}{C|d}<body\r\n" },
        { "A: b\r\n c\r\n\td\r\n\r\n", "{A| b\r\n c\r\n\td}<" },
        { "A: b\n c\n\nx", "{A| b\r\n c}<x\r\n" },
        { "A: b", "{A| b}<" },
        { "A: b\r\n", "{A| b}<" },
        { "A:\r\n\r\n", "{A|}<" },
        { "A: b \t\r\n\r\n", "{A| b \t}<" },
        { "", "<" },
        { "\r\n", "<" },
        { "\n\n", "<\r\n" },
        { "\r\nbody", "<body\r\n" },
        { "From x@y Thu Jan  1 00:00:00 1970\nA: b\n\n", "{A| b}<" },
        { "From : a@b\n\n", "{From | a@b}<" },
        { "A: b\nFrom x@y Thu Jan  1 00:00:00 1970\n\n", "{A| b}<From x@y Thu Jan  1 00:00:00 1970\r\n\r\n" },
        { "A \t: b\r\n\r\n", "{A \t| b}<" },
        { "A: b\r\njunk\r\nC: d\r\n", "{A| b}<junk\r\nC: d\r\n" },
        { "A: b\r\njunk\r\r\nC", "{A| b}<junk\r\r\nC\r\n" },
        { "junk", "<junk\r\n" },
        { " A: b\r\n", "< A: b\r\n" },
        { ": b\r\n", "<: b\r\n" },
        { "A b: c\r\n", "<A b: c\r\n" },
        { "\xc3\xbc: c\r\n", "<\xc3\xbc: c\r\n" },
        { "A\x01: c\r\n", "<A\x01: c\r\n" },
        { "A: b\r\n \r\n\r\nx", "{A| b\r\n }<x\r\n" },
        { "A: b\rc\r\n\r\nx\ry\r\n", "{A| b\rc}<x\ry\r\n" },
        { "A: b\r\r\n\r\nx\r", "{A| b\r}<x\r\r\n" },
        { "A: b\r\n\r\n\n\r\n\r\rx\n\n", "{A| b}<\r\n\r\n\r\rx\r\n\r\n" },
        { "A: b\r\n\r\n.\r\n..\r\n", "{A| b}<.\r\n..\r\n" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int as_file = 0; as_file < 2; as_file++) {
            struct strbuf b;
            strbuf_init(&b, 0);
            slice exact = test_exact(cases[i].text);
            if (as_file) {
                FILE *f = tmpfile();
                assert_non_null(f);
                fwrite(exact.p, 1, exact.n, f);
                rewind(f);
                assert_int_equal(eml_read_file(f, &handler, &b), ST_OK);
                fclose(f);
            } else {
                assert_int_equal(eml_read_memory(exact, &handler, &b), ST_OK);
            }
            if (!slice_eq(strbuf_slice(&b), slice_from(cases[i].want)))
                fail_msg("case %zu: got \"%s\", wanted \"%s\"", i, strbuf_str(&b), cases[i].want);
            strbuf_clear(&b);
            test_release(exact);
        }
    }
    struct strbuf b;
    strbuf_init(&b, 0);
    assert_int_equal(eml_read_memory(SLICE("A: \0b\r\n\r\n\0"), &handler, &b), ST_OK);
    assert_true(slice_eq(strbuf_slice(&b), SLICE("{A| \0b}<\0\r\n")));
    strbuf_clear(&b);
}

/* CRLF, lone CR and lone LF around the edge of a chunk, on both sides of the reader. */
static void
chunks_do_not_show(void **state)
{
    (void)state;
    static const char *const edges[] = { "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\n\r\nx" };
    char *text = malloc(EML_CHUNK_MAX + 100);
    assert_non_null(text);
    for (size_t k = 0; k < COUNT(edges); k++)
        for (size_t at = EML_CHUNK_MAX - 9; at < EML_CHUNK_MAX + 3; at++) {
            struct strbuf memory, file;
            strbuf_init(&memory, 0);
            strbuf_init(&file, 0);
            memset(text, 'x', EML_CHUNK_MAX + 100);
            memcpy(text, "A: b\n\n", 6);
            memcpy(text + at, edges[k], strlen(edges[k]));
            slice s = { text, EML_CHUNK_MAX + 100 };
            FILE *f = tmpfile();
            assert_non_null(f);
            fwrite(s.p, 1, s.n, f);
            rewind(f);
            assert_int_equal(eml_read_file(f, &handler, &file), ST_OK);
            assert_int_equal(eml_read_memory(s, &handler, &memory), ST_OK);
            assert_true(slice_eq(strbuf_slice(&file), strbuf_slice(&memory)));
            slice all = strbuf_slice(&file), want_end = SLICE("xx\r\n");
            assert_true(slice_eq(slice_tail(all, all.n - 4), want_end));
            fclose(f);
            strbuf_clear(&memory);
            strbuf_clear(&file);
        }
    free(text);
}

static enum status
count_body(void *arg, slice chunk)
{
    *(size_t *)arg += chunk.n;
    return ST_OK;
}
static enum status
ignore_header(void *arg, slice name, slice value)
{
    (void)arg, (void)name, (void)value;
    return ST_OK;
}
static enum status
ignore_eoh(void *arg)
{
    (void)arg;
    return ST_OK;
}
static enum status
refuse(void *arg, slice chunk)
{
    (void)arg, (void)chunk;
    return ST_TIMEOUT;
}

static void
sizes_are_bounded(void **state)
{
    (void)state;
    static const struct eml_handler count = { ignore_header, ignore_eoh, count_body };
    size_t n = EML_FIELD_MAX + 1000, body = 0;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'x', n);
    assert_int_equal(eml_read_memory((slice){ text, n }, &count, &body), ST_OK); /* one line of body, no header */
    assert_int_equal(body, n + 2);
    memcpy(text, "A:", 2);
    assert_int_equal(eml_read_memory((slice){ text, n }, &count, &body), ST_LIMIT);
    assert_int_equal(eml_read_memory((slice){ text, EML_FIELD_MAX }, &count, &body), ST_OK);
    for (size_t i = 100; i + 1 < n; i += 100)
        memcpy(text + i, "\n ", 2);
    assert_int_equal(eml_read_memory((slice){ text, n }, &count, &body), ST_LIMIT);
    free(text);
    static const struct eml_handler refusing = { ignore_header, ignore_eoh, refuse };
    assert_int_equal(eml_read_memory(SLICE("A: b\n\nc"), &refusing, NULL), ST_TIMEOUT);
    assert_int_equal(eml_read_memory(SLICE("A: b\n\n"), &refusing, NULL), ST_OK);
}

static enum status
fail_at(void *arg)
{
    unsigned *calls_left = arg;
    return (*calls_left)-- == 0 ? ST_LIMIT : ST_OK;
}
static enum status
fail_header(void *arg, slice name, slice value)
{
    (void)name, (void)value;
    return fail_at(arg);
}
static enum status
fail_body(void *arg, slice chunk)
{
    (void)chunk;
    return fail_at(arg);
}

/* Whatever call fails, it is the last one. */
static void
a_failing_handler_ends_it(void **state)
{
    (void)state;
    static const struct eml_handler failing = { fail_header, fail_at, fail_body };
    static const char *const messages[] = { "A: b\nC: d\n\nbody\n", "A: b\nC: d\njunk", "A: b\nC: d", "A: b\nC: d\n\n" };
    size_t n = 3 * EML_CHUNK_MAX;
    char *big = malloc(n);
    assert_non_null(big);
    for (size_t kind = 0; kind <= COUNT(messages) + 1; kind++) {
        slice text = kind < COUNT(messages) ? slice_from(messages[kind]) : (slice){ big, n };
        memset(big, kind == COUNT(messages) ? 'x' : '\n', n);
        unsigned failed = 0, last = 1;
        for (unsigned at = 0; last != 0; at++) {
            unsigned left = at;
            enum status st = eml_read_memory(text, &failing, &left);
            assert_true(st == ST_LIMIT ? left == UINT32_MAX : left != UINT32_MAX);
            last = st == ST_LIMIT;
            failed += last;
        }
        assert_true(failed >= 2);
    }
    free(big);
}

/* Some hundred kilobytes at a time, 25 MB in all: nothing but the chunks is ever held. */
static ssize_t
give_lines(void *arg, char *buf, size_t size)
{
    size_t *left = arg;
    size = size < *left ? size : *left;
    for (size_t i = 0; i < size; i++)
        buf[i] = (*left - i) % 70 == 0 ? '\n' : 'x';
    *left -= size;
    return (ssize_t)size;
}

static void
a_large_message_is_streamed(void **state)
{
    (void)state;
    static const struct eml_handler count = { ignore_header, ignore_eoh, count_body };
    size_t left = 25 * 1000 * 1000, body = 0;
    FILE *f = fopencookie(&left, "r", (cookie_io_functions_t){ .read = give_lines });
    assert_non_null(f);
    assert_int_equal(eml_read_file(f, &count, &body), ST_OK);
    assert_true(left == 0 && body > 25 * 1000 * 1000);
    fclose(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_told_as_an_mta_would),
        cmocka_unit_test(chunks_do_not_show),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(a_failing_handler_ends_it),
        cmocka_unit_test(a_large_message_is_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
