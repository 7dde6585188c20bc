/*
 * Names that a sender chooses so that they fall on one place of a table (R34): looked for and compared no more often than
 * others.  What is counted are comparisons, so that the speed of the machine does not matter.
 */
#include "test.h"

#include "dkim/verify.h"
#include "mail/headers.h"

bool __real_slice_ieq(slice a, slice b);
bool __wrap_slice_ieq(slice a, slice b);

static size_t comparisons;

bool
__wrap_slice_ieq(slice a, slice b)
{
    comparisons++;
    return __real_slice_ieq(a, b);
}

#define NAMES 1500
#define ALLOWED (20 * NAMES) /* one after the other would be a million */

/* All of them on place 0 of a table of 4096 that hashes without a secret. */
static void
make_names(slice names[NAMES])
{
    static char text[NAMES][16];
    unsigned long k = 0;
    for (size_t i = 0; i < NAMES; k++) {
        snprintf(text[i], sizeof(text[i]), "x-%lx", k);
        names[i] = slice_from(text[i]);
        if ((slice_hash(names[i], 0) & 4095) == 0)
            i++;
    }
}

static struct header_list *
add_all(struct arena *a, const slice names[NAMES])
{
    static const struct header_limits none = { 0 };
    struct header_list *l = header_list_new(a, &none);
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(header_list_add(l, names[i], SLICE(" y")), ST_OK);
    return l;
}

static void
fields_of_a_header(void **state)
{
    (void)state;
    static slice names[NAMES];
    struct arena *a = arena_new(0);
    make_names(names);
    comparisons = 0;
    struct header_list *l = add_all(a, names);
    for (size_t i = 0; i < NAMES; i++)
        assert_ptr_equal(header_list_find(l, names[i], 1), header_list_at(l, i));
    assert_in_range(comparisons, NAMES, ALLOWED);
    arena_free(a);
}

static void
names_that_a_signature_covers(void **state)
{
    (void)state;
    static slice names[NAMES];
    struct arena *a = arena_new(0);
    make_names(names);
    struct header_list *l = add_all(a, names);
    struct dkim_signature sig = { .names = names, .n_names = NAMES };
    comparisons = 0;
    const struct header_field **fields = signed_fields(a, l, &sig);
    for (size_t i = 0; i < NAMES; i++)
        assert_ptr_equal(fields[i], header_list_at(l, i));
    assert_in_range(comparisons, NAMES, ALLOWED);
    arena_free(a);
}

static void
no_two_tables_are_alike(void **state)
{
    (void)state;
    static const struct header_limits none = { 0 };
    struct arena *a = arena_new(0);
    assert_int_not_equal(header_list_seed(header_list_new(a, &none)), header_list_seed(header_list_new(a, &none)));
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_a_header),
        cmocka_unit_test(names_that_a_signature_covers),
        cmocka_unit_test(no_two_tables_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
