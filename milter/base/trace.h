/*
 * trace.h - the decision told step by step, for `vidimus check --explain`.
 * A NULL trace is silent and costs one test, so the mail path carries the calls without the price.
 * Text from mail and DNS goes in by %.*s unchanged; trace_each() hands it out escaped to printable ASCII.
 */
#ifndef VIDIMUS_BASE_TRACE_H
#define VIDIMUS_BASE_TRACE_H

#include "base/slice.h"

struct trace;

struct trace *trace_new(void); /* NULL: no memory, which is silence */
void trace_free(struct trace *t);
/* One line, indented by the depth of open groups. */
void trace_line(struct trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line that heads the lines up to the matching trace_end(). */
void trace_begin(struct trace *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void trace_end(struct trace *t);
void trace_each(const struct trace *t, void (*line)(void *arg, unsigned depth, const char *text), void *arg);

#endif
