/*
 * arena.h - memory that dies together: one arena a message.
 * Ownership: everything allocated belongs to the arena and is gone with arena_free().
 * Errors: NULL when memory or the arena's limit is exhausted; the arena stays usable.
 * Threads: one thread at a time; state shared with resolver threads does not live here.
 */
#ifndef VIDIMUS_BASE_ARENA_H
#define VIDIMUS_BASE_ARENA_H

#include "base/slice.h"

struct arena;

struct arena *arena_new(size_t limit); /* bytes in all; 0: no limit.  NULL: no memory */
void arena_free(struct arena *a);      /* NULL is fine */
void *arena_alloc(struct arena *a, size_t n);  /* aligned for any type, not cleared */
void *arena_zalloc(struct arena *a, size_t n); /* cleared */
void *arena_array(struct arena *a, size_t count, size_t size); /* cleared; product checked for overflow */
char *arena_strdup(struct arena *a, slice s);  /* NUL added; octets kept as they are */
slice arena_slice(struct arena *a, slice s);   /* a copy; {NULL,0} without memory */
slice arena_lower(struct arena *a, slice s);   /* a copy in ASCII lower case; {NULL,0} without memory */
/* Formatted text.  {NULL,0} without memory. */
slice arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *a); /* bytes taken from the system */

#endif
