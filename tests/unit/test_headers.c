#include "test.h"

#include "mail/headers.h"

static void
fields_keep_their_octets(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct header_list *l = header_list_new(a, &(struct header_limits){ 0 });
    assert_int_equal(header_list_add(l, SLICE("Subject"), SLICE(" a\n b\r\n\tc\rd\n")), ST_OK);
    assert_int_equal(header_list_add(l, SLICE("From \t"), SLICE("x@example.org ")), ST_OK);
    assert_int_equal(header_list_add(l, SLICE("SUBJECT"), SLICE("")), ST_OK);
    assert_int_equal(header_list_add(l, SLICE("X"), SLICE("a\nb \n\n c")), ST_OK);
    const struct header_field *f = header_list_at(l, 0);
    assert_slice(f->raw, "Subject: a\r\n b\r\n\tc\rd\n");
    assert_slice(f->name, "Subject");
    assert_slice(f->value, " a\r\n b\r\n\tc\rd\n");
    assert_slice(header_unfold(a, f->value), "a b\tc\rd");
    f = header_list_find(l, SLICE("from"), 1);
    assert_slice(f->raw, "From \t:x@example.org ");
    assert_slice(f->name, "From");
    assert_slice(f->value, "x@example.org ");
    assert_int_equal(header_list_at(l, 2)->nth, 2);
    assert_ptr_equal(header_list_find(l, SLICE("subject"), 2), header_list_at(l, 2));
    assert_null(header_list_find(l, SLICE("subject"), 3));
    assert_null(header_list_find(l, SLICE("subject"), 0));
    assert_null(header_list_find(l, SLICE("subjec"), 1));
    assert_slice(header_list_at(l, 3)->raw, "X:a\nb \n\r\n c"); /* only the LF that folds */
    assert_slice(header_unfold(a, header_list_at(l, 3)->value), "a\nb \n c");
    assert_null(header_list_at(l, 4));
    assert_int_equal(header_list_count(l), 4);
    assert_int_equal(header_list_count_name(l, SLICE("Subject")), 2);
    assert_int_equal(header_list_count_name(l, SLICE("Date")), 0);
    assert_slice(header_unfold(a, SLICE(" \r\n ")), "");
    arena_free(a);
}

/* Every value of up to seven of these octets, against the rule octet by octet. */
static void
only_bare_folds_get_a_cr(void **state)
{
    (void)state;
    static const char octets[] = { 'a', ' ', '\t', '\r', '\n' };
    struct arena *a = arena_new(0);
    for (size_t n = 0; n <= 7; n++) {
        size_t all = 1;
        for (size_t i = 0; i < n; i++)
            all *= COUNT(octets);
        struct header_list *l = header_list_new(a, &(struct header_limits){ 0 });
        for (size_t k = 0; k < all; k++) {
            char value[8], want[20] = "N:";
            size_t w = 2, code = k;
            for (size_t i = 0; i < n; i++, code /= COUNT(octets))
                value[i] = octets[code % COUNT(octets)];
            for (size_t i = 0; i < n; i++) {
                bool fold = value[i] == '\n' && i + 1 < n && (value[i + 1] == ' ' || value[i + 1] == '\t');
                if (fold && (i == 0 || value[i - 1] != '\r'))
                    want[w++] = '\r';
                want[w++] = value[i];
            }
            slice exact = test_exact_bytes(value, n);
            assert_int_equal(header_list_add(l, SLICE("N"), exact), ST_OK);
            assert_true(slice_eq(header_list_at(l, k)->raw, (slice){ want, w }));
            test_release(exact);
        }
    }
    arena_free(a);
}

static void
many_fields_stay_where_they_are(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct header_list *l = header_list_new(a, &(struct header_limits){ 0 });
    const struct header_field *first = NULL;
    for (unsigned i = 0; i < 5000; i++) {
        char name[20];
        snprintf(name, sizeof(name), i % 2 == 0 ? "X-%u" : "x-%u", i % 700);
        assert_int_equal(header_list_add(l, slice_from(name), slice_from(name)), ST_OK);
        if (i == 0)
            first = header_list_at(l, 0);
    }
    assert_ptr_equal(first, header_list_at(l, 0));
    for (unsigned i = 0; i < 5000; i++) {
        const struct header_field *f = header_list_at(l, i);
        assert_int_equal(f->nth, i / 700 + 1);
        assert_ptr_equal(header_list_find(l, f->name, f->nth), f);
    }
    assert_int_equal(header_list_count_name(l, SLICE("X-699")), 7);
    arena_free(a);
}

static void
limits_refuse_and_do_not_cut(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct header_list *l = header_list_new(a, &(struct header_limits){ .max_fields = 3, .max_bytes = 10 });
    assert_int_equal(header_list_add(l, SLICE("A"), SLICE("123")), ST_OK);
    assert_int_equal(header_list_add(l, SLICE("B"), SLICE("1234")), ST_LIMIT);
    assert_int_equal(header_list_add(l, SLICE("B"), SLICE("1\n 2")), ST_LIMIT); /* the CR counts */
    assert_int_equal(header_list_add(l, SLICE("B"), SLICE("123")), ST_OK);
    assert_int_equal(header_list_add(l, SLICE("C"), SLICE("")), ST_LIMIT);
    assert_int_equal(header_list_count(l), 2);
    assert_int_equal(header_list_count_name(l, SLICE("C")), 0);
    for (size_t max = 1; max < 12; max++) { /* "A:1\r\n 2" is 7 octets, of which one is not in the value given */
        l = header_list_new(a, &(struct header_limits){ .max_bytes = max });
        assert_int_equal(header_list_add(l, SLICE("A"), SLICE("1\n 2")), max < 7 ? ST_LIMIT : ST_OK);
    }
    l = header_list_new(a, &(struct header_limits){ .max_fields = 1 });
    assert_int_equal(header_list_add(l, SLICE("A"), SLICE("")), ST_OK);
    assert_int_equal(header_list_add(l, SLICE("A"), SLICE("")), ST_LIMIT);
    arena_free(a);
}

static void
memory_may_end_at_any_field(void **state)
{
    (void)state;
    for (size_t limit = 1; limit < 400000; limit += 7919) {
        struct arena *a = arena_new(limit);
        struct header_list *l = header_list_new(a, &(struct header_limits){ 0 });
        enum status st = l == NULL ? ST_NOMEM : ST_OK;
        for (unsigned i = 0; i < 1000 && st == ST_OK; i++) {
            char name[20];
            snprintf(name, sizeof(name), "X-%u", i);
            st = header_list_add(l, slice_from(name), SLICE(" value"));
        }
        assert_true(st == ST_OK || st == ST_NOMEM);
        arena_free(a);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_keep_their_octets),
        cmocka_unit_test(only_bare_folds_get_a_cr),
        cmocka_unit_test(many_fields_stay_where_they_are),
        cmocka_unit_test(limits_refuse_and_do_not_cut),
        cmocka_unit_test(memory_may_end_at_any_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
