/*
 * failmalloc.c - preloaded into the daemon by test_memory.py: one allocation, counted from a moment the test chooses, fails.
 * FAILMALLOC names a file of one 64-bit number, mapped by both: above 0 it is counted down with each allocation of any
 * thread, and the one that brings it to 0 fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static _Atomic long *left;

static void __attribute__((constructor))
map_number(void)
{
    const char *path = getenv("FAILMALLOC");
    int fd = path == NULL ? -1 : open(path, O_RDWR);
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        left = p;
}

static int
fails(void)
{
    if (left == NULL || atomic_load_explicit(left, memory_order_relaxed) <= 0 || atomic_fetch_sub(left, 1) != 1)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *
malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}
