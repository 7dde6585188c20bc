/*
 * psl.h - the Public Suffix List, by libpsl: the Organizational Domain as RFC 7489 3.2 found it.
 * RFC 9989 does not need it.  It guards against a public suffix that publishes a record without psd=y (RFC 9989 11.8) and
 * shows where the tree walk answers otherwise than the list did.
 * Threads: immutable once loaded, shared freely.
 */
#ifndef VIDIMUS_DMARC_PSL_H
#define VIDIMUS_DMARC_PSL_H

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"

struct dmarc_psl;

/* file NULL: the newest list the system has, or the one built into the library.  ST_SYNTAX: cannot be read, or holds no
 * rule.  ST_INTERNAL: built without libpsl.  ST_NOMEM. */
enum status dmarc_psl_load(const char *file, struct dmarc_psl **out);
void dmarc_psl_free(struct dmarc_psl *p); /* NULL is fine */
/* name as in mail/domain.h.  Private suffixes count, as in RFC 7489; false without a list. */
bool dmarc_psl_is_suffix(const struct dmarc_psl *p, slice name);
/* The public suffix and one label, as an A-label name; empty: no such domain (the text is a suffix itself, or is no
 * domain name).  The text may hold U-labels and upper case. */
slice dmarc_psl_org_domain(const struct dmarc_psl *p, struct arena *a, slice text);

#endif
