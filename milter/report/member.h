/*
 * member.h - text out of JSON that jansson has read, as a slice.
 * Ownership: it borrows from the JSON value.
 */
#ifndef VIDIMUS_REPORT_MEMBER_H
#define VIDIMUS_REPORT_MEMBER_H

#include "base/slice.h"

#include <jansson.h>

/* Empty if it is no text, or not there at all. */
static inline slice
value_text(const json_t *v)
{
    return json_is_string(v) ? (slice){ json_string_value(v), json_string_length(v) } : SLICE_EMPTY;
}

static inline slice
member_text(const json_t *o, const char *name)
{
    return value_text(json_object_get(o, name));
}

#endif
