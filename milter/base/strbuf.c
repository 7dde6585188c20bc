#include "base/strbuf.h"
#include "base/arena.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
strbuf_init(struct strbuf *b, size_t max)
{
    *b = (struct strbuf){ .max = max, .st = ST_OK };
}

void
strbuf_clear(struct strbuf *b)
{
    free(b->p);
    *b = (struct strbuf){ .max = b->max, .st = ST_OK };
}

void
strbuf_reset(struct strbuf *b)
{
    b->n = 0;
    b->st = ST_OK;
}

/* Room for `more` octets and a NUL. */
static bool
grow(struct strbuf *b, size_t more)
{
    if (b->st != ST_OK)
        return false;
    if (b->max != 0 && (more > b->max || b->n > b->max - more)) {
        b->st = ST_LIMIT;
        return false;
    }
    if (b->p != NULL && b->cap - b->n > more)
        return true;
    size_t cap = b->cap == 0 ? 128 : b->cap;
    while (cap - b->n <= more) {
        if (cap > SIZE_MAX / 2) {
            b->st = ST_NOMEM;
            return false;
        }
        cap *= 2;
    }
    char *p = realloc(b->p, cap);
    if (p == NULL) {
        b->st = ST_NOMEM;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void
strbuf_add(struct strbuf *b, slice s)
{
    if (s.n == 0 || !grow(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

char *
strbuf_room(struct strbuf *b, size_t n)
{
    return grow(b, n) ? b->p + b->n : NULL;
}

void
strbuf_took(struct strbuf *b, size_t n)
{
    b->n += n;
}

void
strbuf_add_str(struct strbuf *b, const char *s)
{
    strbuf_add(b, slice_from(s));
}

void
strbuf_add_char(struct strbuf *b, char c)
{
    strbuf_add(b, (slice){ &c, 1 });
}

void
strbuf_add_u64(struct strbuf *b, uint64_t v)
{
    strbuf_printf(b, "%" PRIu64, v);
}

void
strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        if (b->st == ST_OK)
            b->st = ST_INTERNAL;
        return;
    }
    if (!grow(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

enum status
strbuf_status(const struct strbuf *b)
{
    return b->st;
}

slice
strbuf_slice(const struct strbuf *b)
{
    return b->st != ST_OK || b->n == 0 ? SLICE_EMPTY : (slice){ b->p, b->n };
}

const char *
strbuf_str(struct strbuf *b)
{
    if (b->st != ST_OK || b->p == NULL)
        return "";
    b->p[b->n] = '\0';
    return b->p;
}

slice
strbuf_finish(struct strbuf *b, struct arena *a)
{
    slice s = { NULL, 0 };
    if (b->st == ST_OK)
        s = arena_slice(a, strbuf_slice(b));
    strbuf_clear(b);
    return s;
}
