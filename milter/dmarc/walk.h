/*
 * walk.h - the DNS Tree Walk of RFC 9989 4.10: at most eight names from a domain up to its top-level label, each asked for
 * a DMARC Policy Record.  A name is asked and read once a message, however many walks cross it.
 * Ownership: everything lives in the arena.  Threads: one message, one thread.
 */
#ifndef VIDIMUS_DMARC_WALK_H
#define VIDIMUS_DMARC_WALK_H

#include "base/arena.h"
#include "base/status.h"
#include "base/trace.h"
#include "dmarc/dmarc.h"
#include "dmarc/psl.h"
#include "dns/resolver.h"

#define DMARC_WALK_MAX 8

/* What was found at one name. */
struct dmarc_step {
    slice domain;
    enum dns_status status;
    const struct dmarc_record *record; /* the only one there; NULL: none */
    unsigned n_records;                /* several are all discarded */
};

/* The names of the walk in order; their number. */
size_t dmarc_walk_names(slice start, slice names[DMARC_WALK_MAX]);
/* Could the status be another one in a minute, so that nothing follows from it? */
bool dmarc_is_trouble(enum dns_status st);

/* What one message knows of DMARC records so far. */
struct dmarc_memo;
struct dmarc_memo *dmarc_memo_new(struct arena *a, struct dns_session *dns, struct trace *t); /* NULL: no memory */
/* Ask for the record at one name and wait.  NULL: no memory. */
const struct dmarc_step *dmarc_memo_ask(struct dmarc_memo *m, slice domain);
/* Start the question without waiting. */
void dmarc_memo_start(struct dmarc_memo *m, slice domain);

struct dmarc_walk {
    slice start;
    const struct dmarc_step *steps[DMARC_WALK_MAX];
    size_t n;
    bool complete;                     /* the walk came to its end */
    const struct dmarc_step *trouble;  /* where it could not go on; NULL: nowhere */
};

void dmarc_walk_init(struct dmarc_walk *w, slice start);
/* Go on until at least `steps` names are asked, or the walk ends.  ST_NOMEM. */
enum status dmarc_walk_on(struct dmarc_walk *w, struct dmarc_memo *m, size_t steps);
/* The Organizational Domain of a walk without trouble (RFC 9989 4.10.2).  guard: a list whose suffixes count as psd=y; may
 * be NULL.  *psd: the Public Suffix Domain's step if one was met above the start, else NULL. */
slice dmarc_walk_org_domain(const struct dmarc_walk *w, const struct dmarc_psl *guard, const struct dmarc_step **psd);

#endif
