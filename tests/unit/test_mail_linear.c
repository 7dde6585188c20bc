/*
 * Time and memory grow no faster than the input, whatever its shape (quadratic code would take 64 times as long for 8
 * times the input; 24 is allowed, so that a busy machine does not matter).
 */
#include "test.h"

#include <time.h>

#include "mail/address.h"
#include "mail/authres.h"
#include "mail/eml.h"
#include "mail/headers.h"
#include "mail/taglist.h"

#define SMALL ((size_t)20000)
#define FACTOR 8
#define TIMES_ALLOWED 24
#define TRIES         8 /* a noisy machine is not a square */
#define SLACK_NS      2000000
#define MEMORY_ALLOWED 12 /* octets taken for each of the input */

struct shape {
    const char *head, *unit, *tail; /* head, the unit again and again, tail */
};

static slice
make_text(const struct shape *s, size_t size)
{
    size_t head = strlen(s->head), unit = strlen(s->unit), tail = strlen(s->tail), n = 0;
    char *p = malloc(head + size + unit + tail);
    assert_non_null(p);
    memcpy(p, s->head, head);
    for (n = head; n < size; n += unit)
        memcpy(p + n, s->unit, unit);
    memcpy(p + n, s->tail, tail);
    return (slice){ p, n + tail };
}

static uint64_t
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

typedef void (*reader)(struct arena *a, slice text);

static uint64_t
time_of(reader read, slice text, size_t *memory)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        struct arena *a = arena_new(0);
        uint64_t start = cpu_ns();
        read(a, text);
        uint64_t took = cpu_ns() - start;
        best = took < best ? took : best;
        *memory = arena_used(a);
        arena_free(a);
    }
    return best;
}

static void
check_shapes(reader read, const struct shape *shapes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        slice small = make_text(&shapes[i], SMALL), big = make_text(&shapes[i], SMALL * FACTOR);
        size_t memory;
        uint64_t t1 = 0, t2 = 0;
        for (int try = 0; try < TRIES && (try == 0 || t2 > t1 * TIMES_ALLOWED + SLACK_NS); try++) {
            t1 = time_of(read, small, &memory);
            t2 = time_of(read, big, &memory);
        }
        if (t2 > t1 * TIMES_ALLOWED + SLACK_NS)
            fail_msg("\"%s\" + n * \"%s\": %lu us, then %lu us", shapes[i].head, shapes[i].unit,
                     (unsigned long)(t1 / 1000), (unsigned long)(t2 / 1000));
        if (memory > big.n * MEMORY_ALLOWED + 100000)
            fail_msg("\"%s\" + n * \"%s\": %zu octets for %zu", shapes[i].head, shapes[i].unit, memory, big.n);
        test_release(small);
        test_release(big);
    }
}

static void
read_from(struct arena *a, slice text)
{
    struct mailbox_list l;
    address_list_parse(a, text, 100, &l);
}

static void
read_path(struct arena *a, slice text)
{
    struct mailbox m;
    address_path_parse(a, text, &m);
}

static void
read_tags(struct arena *a, slice text)
{
    struct taglist l;
    taglist_parse(a, text, &l);
    taglist_strip_fws(a, text);
}

static void
read_results(struct arena *a, slice text)
{
    struct authres r;
    authres_parse(a, text, &r);
}

static void
read_claim(struct arena *a, slice text)
{
    authres_claims(a, text, SLICE("mx.b\xc3\xbc" "cher.example"));
}

static void
addresses(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { "", "a", "@b" },        { "a@", "b", "" },          { "", "a ", "<a@b>" },    { "", "a.", "a@b" },
        { "", "a . ", "a@b" },    { "a@", "b . ", "b" },      { "a@", "b(c).", "b" },   { "", "\"a\".", "a@b" },
        { "\"", "\\\"", "\"@b" }, { "\"", "a \r\n ", "\"@b" }, { "", "(c)", "a@b" },    { "", "(", "" },
        { "", "(", "a@b" },       { "(", "\\(", ")a@b" },     { "", ",", "a@b" },       { "", ", (c)", "a@b" },
        { "", "g:;,", "" },       { "g:", ",", ";" },         { "g:", "a@b,", ";" },    { "", "a@b,", "" },
        { "<", "@a,", ":b@c>" },  { "<", ",", "@a:b@c>" },    { "", "<", "" },          { "", "\r\n ", "a@b" },
        { "a@[", "1", "]" },      { "a@[", "1 ", "]" },       { "a@[", "\\]", "]" },    { "", "\xc3\xbc", "@b" },
        { "", "\"", "" },         { "", "\"\"", " <a@b>" },   { "", "=?utf-8?q?a?= ", "<a@b>" },
        { "", ":", "" },          { "", "@", "" },            { "", "[", "" },          { "", "((", "))" },
        { "a", "(())", "@b" },
    };
    check_shapes(read_from, shapes, COUNT(shapes));
    check_shapes(read_path, shapes, COUNT(shapes));
}

static void
tag_lists(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { "a=", "b", "" },   { "a=", "b ", "" },     { "a=", " ", "" },      { "a=b", "\r\n ", "c" },
        { "", "a=b;", "" },  { "", "a", "=b" },      { "", " ", "a=b" },     { "a=", "=", "" },
        { "a", "\r\n ", "=" }, { "a=b; ", "\r\n ", "" }, { "a=", "\xc3\xbc", "" },
    };
    check_shapes(read_tags, shapes, COUNT(shapes));
}

static void
results(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { "", "a", ";b=c" },           { "a;", "b", "=c" },          { "a;b=", "c", "" },       { "a", ";b=c", "" },
        { "a;b=c", " d.e=f", "" },     { "a;b=c", " d.e=\"f\"", "" }, { "a;b=c d.e=\"", "\\f", "\"" },
        { "a;b=c d.e=\"", "f", "\"@g" }, { "a;b=c d.e=", "f.", "f@g" }, { "", "(c)", "a;b=c" },  { "", "(", "" },
        { "a;b=c ", "(c)", "" },       { "a;b=c reason=\"", "\\\\", "\"" }, { "a", " ", ";b=c" }, { "a ", "1", ";b=c" },
        { "a;b", "/", "=c" },          { "a;b=c d.e=g@", "f.", "f" }, { "a;b=c ", "\r\n ", "" }, { "", ";", "" },
    };
    check_shapes(read_results, shapes, COUNT(shapes));
    static const struct shape claims[] = {
        { "", "a", ";" },        { "", "a ", ";" },     { "", "(", "mx" },      { "", "()", "mx;" },   { "", "(()", "mx;" },
        { "", "\\", "mx" },      { "", "\"", "mx" },    { "", ";", "mx" },      { "", "(\\)", "mx;" }, { "", "\xc3\xbc", ";" },
        { "", "\xc3\xbc ", ";" }, { "(", "\xc3\xbc ", "" }, { "(", "a ", "" },  { "", "\xc2\xad", "mx;" },
        { "(", "mx.b\xc3\xbc ", "" }, { "", "m ", "x;" }, { "\"", " ", "\";" },
    };
    check_shapes(read_claim, claims, COUNT(claims));
}

static void
read_headers(struct arena *a, slice text)
{
    struct header_list *l = header_list_new(a, &(struct header_limits){ 0 });
    slice line;
    for (slice rest = text; rest.n > 0;) {
        slice name, value;
        slice_cut(rest, ';', &line, &rest);
        slice_cut(line, ':', &name, &value);
        assert_int_equal(header_list_add(l, name, value), ST_OK);
    }
    for (size_t i = 0; i < header_list_count(l); i++)
        header_list_find(l, header_list_at(l, i)->name, header_list_at(l, i)->nth);
    header_unfold(a, text);
}

static enum status
take_header(void *arg, slice name, slice value)
{
    (void)arg, (void)name, (void)value;
    return ST_OK;
}
static enum status
take_eoh(void *arg)
{
    (void)arg;
    return ST_OK;
}
static enum status
take_body(void *arg, slice chunk)
{
    (void)arg, (void)chunk;
    return ST_OK;
}

static void
read_message(struct arena *a, slice text)
{
    static const struct eml_handler h = { take_header, take_eoh, take_body };
    (void)a;
    eml_read_memory(text, &h, NULL);
}

static void
headers(void **state)
{
    (void)state;
    static const struct shape lists[] = {
        { "", "Received: by example;", "" },
        { "Subject:", " a\n b", "" },
        { "Subject:", "\n ", "" },
    };
    check_shapes(read_headers, lists, COUNT(lists));
    static const struct shape messages[] = {
        { "", "A: b\n", "\nc" }, { "A: b\n", " c\n", "" }, { "", "a", "" },        { "", "\n", "" },
        { "\n", "\r", "" },      { "\n", "a\n", "" },      { "A: ", " \r", "" },   { "A", " ", ": b\n" },
    };
    check_shapes(read_message, messages, COUNT(messages));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(tag_lists),
        cmocka_unit_test(results),
        cmocka_unit_test(headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
