/* test_deferrals.c - the memory of deferrals: counted, bounded, forgotten in time. */
#include "test.h"

#include "pipeline/deferrals.h"

#define NOW 1795219200

static void
test_counts(void **state)
{
    (void)state;
    struct deferrals *d = deferrals_new();
    assert_int_equal(deferrals_count(d, 7, NOW), 0);
    int64_t last = NOW;
    for (unsigned i = 1; i <= 10; i++) {
        last = NOW + (int64_t)i * DEFERRALS_APART_S;
        deferrals_note(d, 7, last);
        deferrals_note(d, 7, last + 1); /* at once again: the same attempt */
        deferrals_note(d, 7, last + DEFERRALS_APART_S - 1);
        assert_int_equal(deferrals_count(d, 7, last + 10), i - 1);
        assert_int_equal(deferrals_count(d, 7, last + DEFERRALS_APART_S), i);
    }
    assert_int_equal(deferrals_count(d, 8, last), 0);
    assert_int_equal(deferrals_count(d, 7, last + DEFERRALS_KEPT_S), 10);
    assert_int_equal(deferrals_count(d, 7, last + 1 + DEFERRALS_KEPT_S), 0);
    deferrals_note(d, 7, last + 1 + DEFERRALS_KEPT_S); /* it begins anew */
    assert_int_equal(deferrals_count(d, 7, last + 1 + DEFERRALS_KEPT_S + DEFERRALS_APART_S), 1);
    deferrals_free(d);
}

/* However many messages there are, memory stays; the one deferred last is known. */
static void
test_bounded(void **state)
{
    (void)state;
    struct deferrals *d = deferrals_new();
    for (uint64_t k = 0; k < 200000; k++) {
        uint64_t key = k * 2654435761u;
        deferrals_note(d, key, NOW + (int64_t)k);
        assert_int_equal(deferrals_count(d, key, NOW + (int64_t)k + DEFERRALS_APART_S), 1);
    }
    unsigned known = 0;
    for (uint64_t k = 0; k < 200000; k++)
        known += deferrals_count(d, k * 2654435761u, NOW + 200000) > 0;
    assert_true(known > 0 && known <= 8192);
    deferrals_free(d);
}

/* A step of the clock into the past forgets rather than remembers for ever. */
static void
test_clock_steps(void **state)
{
    (void)state;
    struct deferrals *d = deferrals_new();
    deferrals_note(d, 7, NOW);
    assert_int_equal(deferrals_count(d, 7, NOW - 86400), 1);
    assert_int_equal(deferrals_count(d, 7, NOW - 10 * 86400), 0);
    deferrals_free(d);
}

static void
test_keys(void **state)
{
    (void)state;
    slice rcpt[] = { SLICE("here.example"), SLICE("there.example") };
    struct record a = { .mail_from = SLICE("x@example.net"), .header_from = SLICE("example.org"), .rcpt_domains = rcpt,
                        .n_rcpt_domains = 2 },
                  b = a;
    uint64_t k = deferrals_key(&a, SLICE("<1@example.org>"));
    assert_true(k == deferrals_key(&b, SLICE(" <1@example.org>\r\n")));
    assert_true(k != deferrals_key(&b, SLICE("<2@example.org>")));
    b.n_rcpt_domains = 1;
    assert_true(k != deferrals_key(&b, SLICE("<1@example.org>")));
    b = a;
    b.mail_from = SLICE_EMPTY;
    assert_true(k != deferrals_key(&b, SLICE("<1@example.org>")));
    b = a;
    b.header_from = SLICE("example.com");
    assert_true(k != deferrals_key(&b, SLICE("<1@example.org>")));
    assert_int_equal(deferrals_count(NULL, k, NOW), 0);
    deferrals_note(NULL, k, NOW);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_clock_steps),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
