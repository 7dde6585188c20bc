/*
 * dmarc.h - DMARC of one message (RFC 9989): record discovery by tree walk, alignment, result.
 * Input are the author domain and this message's own SPF and DKIM results; local policy is pipeline/policy's.
 * Ownership: results live in the arena given.  Threads: one message, one thread at a time.
 */
#ifndef VIDIMUS_DMARC_DMARC_H
#define VIDIMUS_DMARC_DMARC_H

#include "base/arena.h"
#include "base/trace.h"
#include "dkim/dkim.h"
#include "dns/resolver.h"
#include "spf/spf.h"

enum dmarc_result_code { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };
enum dmarc_policy { DMARC_POLICY_UNSET, DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, DMARC_POLICY_REJECT };

const char *dmarc_result_name(enum dmarc_result_code r); /* the word of RFC 8601 / RFC 9989 9.1 */
const char *dmarc_policy_name(enum dmarc_policy p);      /* "none", "quarantine", "reject"; NULL for unset */

struct dmarc_record {            /* as published, defaults filled where RFC 9989 4.7 has them */
    enum dmarc_policy p, sp, np; /* UNSET: not published */
    bool adkim_strict, aspf_strict;
    char psd;                    /* 'y', 'n', 'u' */
    bool testing;                /* t=y */
    slice fo;                    /* "0" if absent */
    const slice *rua, *ruf;      /* URIs as published, "!size" stripped; syntactically valid ones only */
    size_t n_rua, n_ruf;
    slice text;                  /* the record itself */
    bool bad_policy;             /* no valid p, or a bad sp or np (RFC 9989 4.10.1); with a rua the p here is then "none" */
    slice warning;               /* one problem in words for report_metadata/error; empty: none */
};

struct dmarc_result {
    enum dmarc_result_code result;
    enum dmarc_policy policy;      /* the published p, sp or np that applies; UNSET without a record */
    enum dmarc_policy disposition; /* asked for this message after t=; NONE on a pass */
    slice from_domain;             /* Author Domain */
    slice policy_domain;           /* where the record was found; empty: none */
    slice org_domain;              /* Organizational Domain of the Author Domain; empty if not determined */
    const struct dmarc_record *record; /* NULL: none */
    bool spf_aligned, dkim_aligned;    /* an aligned pass */
    bool testing;                  /* t=y lowered the disposition */
    bool nonexistent;              /* np applied: the Author Domain does not exist */
    /* For each DKIM result given: its d= is aligned, whatever its result; NULL: none given or no record.  For results other
     * than pass and temperror no DNS is asked for this: names not yet asked for count as without a record. */
    const bool *dkim_aligns;
    slice reason;                  /* in words, printable ASCII */
    slice walk_differs;            /* walk_compare: what RFC 7489 would have said instead; empty: the same */
};

struct dmarc_psl; /* dmarc/psl.h */

struct dmarc_input {
    slice author_domain;           /* a name (mail/domain.h) */
    const struct spf_outcome *spf; /* of MAIL FROM; NULL: not done */
    const struct dkim_result *dkim;
    size_t n_dkim;
    const struct dmarc_psl *psl;   /* for the two below; NULL: no list, and both are off */
    bool psl_guard;                /* a public suffix is never the Organizational Domain of another name */
    bool walk_compare;             /* say where the answer by the list (RFC 7489) differs */
};

/* Start the lookups that dmarc_evaluate() is sure to need for this author domain: its own record, and where that is not
 * there the rest of the tree walk.  The arena, the text of author_domain and the session end together. */
void dmarc_prefetch(struct arena *a, struct dns_session *dns, slice author_domain);
/* ST_OK: *out is complete ("temperror" is a result like any other).  ST_NOMEM: *out untouched. */
enum status dmarc_evaluate(struct arena *a, struct dns_session *dns, const struct dmarc_input *in, struct trace *t,
                           struct dmarc_result *out);
/* One From field with several author domains (RFC 9989 11.5): each of the first DMARC_MAX_AUTHORS is evaluated, and the
 * strictest policy among those that fail is the result.  Never a pass: where none fails it is temperror or permerror.
 * in->author_domain is not looked at. */
#define DMARC_MAX_AUTHORS 4
enum status dmarc_evaluate_several(struct arena *a, struct dns_session *dns, const struct dmarc_input *in,
                                   const slice *authors, size_t n, struct trace *t, struct dmarc_result *out);

#endif
