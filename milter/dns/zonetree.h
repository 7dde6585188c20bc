/*
 * zonetree.h - the names of zone text with what is said of them, and the answers they give.  Built once, then only read.
 */
#ifndef VIDIMUS_DNS_ZONETREE_H
#define VIDIMUS_DNS_ZONETREE_H

#include "base/arena.h"
#include "dns/backend.h"

struct zonetree;

/* All text handed in lives in `arena`, which must outlive the tree.  NULL: no memory. */
struct zonetree *zonetree_new(struct arena *arena);
void zonetree_free(struct zonetree *z); /* NULL is fine */
/* These give false without memory. */
bool zonetree_add_name(struct zonetree *z, slice name); /* it exists, with all above it */
bool zonetree_add(struct zonetree *z, slice name, enum dns_type type, uint32_t ttl, const struct dns_record *record);
bool zonetree_say(struct zonetree *z, slice name, const enum dns_type *type, enum dns_status status); /* type NULL: any */
bool zonetree_delay(struct zonetree *z, slice name, unsigned ms);
bool zonetree_has_delays(const struct zonetree *z);
/* Counted for the caller; *delay_ms: how much later it is to come. */
struct dns_result *zonetree_answer(const struct zonetree *z, enum dns_type type, slice name, unsigned *delay_ms);

#endif
