/* test.h - what every unit test includes: cmocka, and text in its own heap block so that sanitizers see a read past it. */
#ifndef VIDIMUS_TEST_H
#define VIDIMUS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

static inline slice
test_exact_bytes(const char *p, size_t n)
{
    char *copy = malloc(n == 0 ? 1 : n);
    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, p, n);
    return (slice){ copy, n };
}

static inline slice
test_exact(const char *text)
{
    return test_exact_bytes(text, strlen(text));
}

static inline void
test_release(slice s)
{
    free((void *)(uintptr_t)s.p);
}

#define assert_slice(s, text)                                                                      \
    do {                                                                                           \
        slice got_ = (s);                                                                          \
        slice want_ = slice_from(text);                                                            \
        if (!slice_eq(got_, want_))                                                                \
            fail_msg("got \"%.*s\", wanted \"%s\"", SLICE_ARG(got_), (text));                      \
    } while (0)

#endif
