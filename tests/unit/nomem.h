/*
 * nomem.h - memory ends at an allocation that the test chooses.
 * For one file of a test, which is linked with -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc.  Any thread may allocate.
 */
#ifndef VIDIMUS_TEST_NOMEM_H
#define VIDIMUS_TEST_NOMEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static atomic_long nomem_in;             /* allocations until one fails, 1: the next; 0 or less: none fails any more */
static atomic_bool nomem_counted = true; /* false: neither counted nor failed, as where the test itself allocates */

static inline bool
nomem_now(void)
{
    return atomic_load(&nomem_counted) && atomic_load(&nomem_in) > 0 && atomic_fetch_sub(&nomem_in, 1) == 1;
}

void *
__wrap_malloc(size_t n)
{
    return nomem_now() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return nomem_now() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
    return nomem_now() ? NULL : __real_realloc(p, n);
}

#endif
