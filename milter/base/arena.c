#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST_BLOCK ((size_t)16384)
#define ARENA_MAX_BLOCK ((size_t)262144)

struct block {
    struct block *next;
    size_t size, used;
    max_align_t data[];
};

struct arena {
    struct block *blocks; /* newest first; only the newest is filled */
    size_t limit, total, next_size;
};

struct arena *
arena_new(size_t limit)
{
    struct arena *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->limit = limit;
    a->next_size = ARENA_FIRST_BLOCK;
    return a;
}

void
arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

static struct block *
block_add(struct arena *a, size_t need)
{
    size_t size = need > a->next_size ? need : a->next_size;
    if (size > SIZE_MAX - sizeof(struct block))
        return NULL;
    if (a->limit != 0 && (size > a->limit || a->total > a->limit - size))
        return NULL;
    struct block *b = malloc(sizeof(*b) + size);
    if (b == NULL)
        return NULL;
    b->size = size;
    b->used = 0;
    a->total += size;
    if (a->next_size < ARENA_MAX_BLOCK)
        a->next_size *= 2;
    if (a->blocks != NULL && need >= ARENA_MAX_BLOCK) { /* a big one stands alone, the newest stays in use */
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
    const size_t align = _Alignof(max_align_t);
    if (n > SIZE_MAX - align)
        return NULL;
    n = n == 0 ? align : (n + align - 1) / align * align;
    struct block *b = a->blocks;
    if (b == NULL || b->size - b->used < n)
        b = block_add(a, n);
    if (b == NULL)
        return NULL;
    void *p = (char *)b->data + b->used;
    b->used += n;
    return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    return p == NULL ? NULL : memset(p, 0, n);
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return arena_zalloc(a, count * size);
}

char *
arena_strdup(struct arena *a, slice s)
{
    char *p = s.n == SIZE_MAX ? NULL : arena_alloc(a, s.n + 1);
    if (p == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

slice
arena_slice(struct arena *a, slice s)
{
    char *p = arena_strdup(a, s);
    return (slice){ p, p == NULL ? 0 : s.n };
}

slice
arena_lower(struct arena *a, slice s)
{
    char *p = arena_strdup(a, s);
    if (p == NULL)
        return (slice){ NULL, 0 };
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(p[i]);
    return (slice){ p, s.n };
}

slice
arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p == NULL)
        return (slice){ NULL, 0 };
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (slice){ p, (size_t)n };
}

size_t
arena_used(const struct arena *a)
{
    return a->total;
}
