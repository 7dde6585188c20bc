/*
 * headers.h - the header of one message with its original octets, in order of arrival.
 * Ownership: all text lives in the arena given to header_list_new().  Threads: one at a time.
 */
#ifndef VIDIMUS_MAIL_HEADERS_H
#define VIDIMUS_MAIL_HEADERS_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

struct header_field {
    slice raw;    /* "Name: value" as on the wire: folds are CRLF WSP, no CRLF at the end */
    slice name;   /* part of raw: before the ":", without white space at its end */
    slice value;  /* part of raw: all after the ":", leading space included */
    unsigned nth; /* 1-based among the fields of this name (case folded), from the top: what smfi_chgheader counts */
};

struct header_limits {
    size_t max_fields; /* beyond: ST_LIMIT */
    size_t max_bytes;  /* of all raw together; beyond: ST_LIMIT */
};

struct header_list;

struct header_list *header_list_new(struct arena *a, const struct header_limits *limits);
/* As libmilter hands it over: value with its leading space (SMFIP_HDR_LEADSPC), folds as LF or CRLF.
 * A lone LF before white space becomes CRLF; lone CRs are left as they are. */
enum status header_list_add(struct header_list *l, slice name, slice value);
size_t header_list_count(const struct header_list *l);
const struct header_field *header_list_at(const struct header_list *l, size_t i); /* 0: the topmost */
size_t header_list_count_name(const struct header_list *l, slice name);
/* The field of that name with this nth (1-based from the top); NULL: none. */
const struct header_field *header_list_find(const struct header_list *l, slice name, unsigned nth);
/* For slice_hash() of names that the sender chooses: he cannot foresee it. */
uint64_t header_list_seed(const struct header_list *l);
/* The value on one line: folds removed (RFC 5322 2.2.3), trimmed.  {NULL,0}: no memory. */
slice header_unfold(struct arena *a, slice value);

#endif
