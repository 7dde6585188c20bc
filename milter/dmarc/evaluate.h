/*
 * evaluate.h - the state of one DMARC evaluation, shared by evaluate.c and compare.c; nothing outside dmarc/ includes it.
 */
#ifndef VIDIMUS_DMARC_EVALUATE_H
#define VIDIMUS_DMARC_EVALUATE_H

#include "dmarc/dmarc.h"
#include "dmarc/walk.h"

enum alignment { ALIGN_NO, ALIGN_YES, ALIGN_UNKNOWN };

struct evaluation {
    struct arena *a;
    struct dns_session *dns;
    struct trace *t;
    const struct dmarc_input *in;
    struct dmarc_memo *memo;
    const struct dmarc_psl *guard;   /* NULL: no guard */
    struct dmarc_walk author;        /* as far as it was needed */
    slice org;                       /* of the Author Domain; empty: not asked for */
    const struct dmarc_step *policy; /* whose record applies; NULL: none */
    bool provisional;                /* a name above could not be asked: another record may apply */
    bool undecided;                  /* an identifier could align once DNS answers */
    bool existence_unknown;
    bool others;                     /* an authenticated identifier is not the Author Domain itself */
    struct dmarc_result r;
};

/* sp, np or p for a name below the one with the record. */
enum dmarc_policy dmarc_policy_below(const struct dmarc_record *rec, bool exists);
enum dmarc_policy dmarc_disposition(enum dmarc_policy policy, bool testing);
/* Fills r.walk_differs (WalkCompare). */
enum status dmarc_compare(struct evaluation *e);

#endif
