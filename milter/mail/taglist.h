/*
 * taglist.h - tag=value lists (RFC 6376 3.2), the one reader for DKIM signatures, key records and ARC fields.
 * DMARC records have a grammar of their own (RFC 9989 4.8) and are read by dmarc/record.
 */
#ifndef VIDIMUS_MAIL_TAGLIST_H
#define VIDIMUS_MAIL_TAGLIST_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

struct tag {
    slice name;  /* case matters */
    slice value; /* without white space (FWS) at both ends; may be empty, which is not the same as absent */
    size_t value_start, value_end; /* offsets in the text read, of all between "=" and the next ";" or the end */
};

struct taglist {
    struct tag *tags;
    size_t n;
};

/* ST_SYNTAX: text that is no tag list, or a name twice.  ST_LIMIT: more than 64 tags. */
enum status taglist_parse(struct arena *a, slice text, struct taglist *out);
const struct tag *taglist_find(const struct taglist *l, slice name);
/* Copy without any FWS inside (for base64 and colon lists). */
slice taglist_strip_fws(struct arena *a, slice value);

#endif
