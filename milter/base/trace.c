#include "base/trace.h"
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct trace_entry {
    struct trace_entry *next;
    unsigned depth;
    char text[];
};

struct trace {
    struct trace_entry *first, **last;
    unsigned depth;
};

struct trace *
trace_new(void)
{
    struct trace *t = calloc(1, sizeof(*t));
    if (t != NULL)
        t->last = &t->first;
    return t;
}

void
trace_free(struct trace *t)
{
    if (t == NULL)
        return;
    for (struct trace_entry *e = t->first, *next; e != NULL; e = next) {
        next = e->next;
        free(e);
    }
    free(t);
}

static void __attribute__((format(printf, 2, 0)))
add(struct trace *t, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    struct trace_entry *e = n < 0 ? NULL : malloc(sizeof(*e) + (size_t)n + 1);
    if (e == NULL)
        return;
    vsnprintf(e->text, (size_t)n + 1, fmt, ap);
    e->depth = t->depth;
    e->next = NULL;
    *t->last = e;
    t->last = &e->next;
}

void
trace_line(struct trace *t, const char *fmt, ...)
{
    if (t == NULL)
        return;
    va_list ap;
    va_start(ap, fmt);
    add(t, fmt, ap);
    va_end(ap);
}

void
trace_begin(struct trace *t, const char *fmt, ...)
{
    if (t == NULL)
        return;
    va_list ap;
    va_start(ap, fmt);
    add(t, fmt, ap);
    va_end(ap);
    t->depth++;
}

void
trace_end(struct trace *t)
{
    if (t != NULL && t->depth > 0)
        t->depth--;
}

void
trace_each(const struct trace *t, void (*line)(void *arg, unsigned depth, const char *text), void *arg)
{
    if (t == NULL)
        return;
    struct strbuf b;
    strbuf_init(&b, 0);
    for (const struct trace_entry *e = t->first; e != NULL; e = e->next) {
        strbuf_reset(&b);
        for (const char *p = e->text; *p != '\0'; p++) {
            unsigned char c = (unsigned char)*p;
            if (c >= 0x20 && c < 0x7f)
                strbuf_add_char(&b, *p);
            else
                strbuf_printf(&b, "\\x%02x", c);
        }
        line(arg, e->depth, strbuf_str(&b));
    }
    strbuf_clear(&b);
}
