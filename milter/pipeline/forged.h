/*
 * forged.h - which fields of the message claim to be ours and must go (RFC 8601 5).  Inside hosts pass on what came from outside,
 * so a field that they bring stays for a trusted id that it names by the grammar, not for one that it can be read to name.
 */
#ifndef VIDIMUS_PIPELINE_FORGED_H
#define VIDIMUS_PIPELINE_FORGED_H

#include "base/arena.h"
#include "mail/headers.h"
#include "pipeline/pipeline.h"

struct config;

/* The deletions, in header order: what claims to be of `reporter` or of AuthservID.  Fields of TrustedAuthservIDs stay if they
 * come from InternalHosts.
 * own_fields: further names that only we write (tags, the two-pass verdict), NULL-terminated. */
enum status forged_find(struct arena *a, const struct config *c, slice reporter, bool from_internal_host,
                        const struct header_list *headers, const char *const *own_fields,
                        const struct header_edit **edits, size_t *n);

#endif
