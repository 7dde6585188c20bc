/*
 * policy.h - from the results to what is done with the message: local rules, trusted sealers, list traffic, Enforcement.
 * A pure function over the record's facts and one configuration snapshot: no DNS, no clock, no I/O.
 * What always holds: DNS trouble is never a final refusal, an exempt client is never refused, monitoring never refuses.
 */
#ifndef VIDIMUS_PIPELINE_POLICY_H
#define VIDIMUS_PIPELINE_POLICY_H

#include "base/arena.h"
#include "base/status.h"
#include "base/trace.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "pipeline/rules.h"
#include "pipeline/sealers.h"
#include "record/record.h"

/* The field that tells a delivery agent of a quarantine by header or of a rule's `tag`; arriving ones are to be removed. */
#define POLICY_TAG_FIELD "X-Vidimus-Quarantine"
/* A message is deferred so often for DNS trouble (see deferrals.h); after that OnTempError counts as accept. */
#define POLICY_MAX_DEFERRALS 5

struct policy_input {
    const struct record *record; /* everything but what is decided here (from `action` on, `exempt` excepted) */
    const char *author_problem; /* NULL: one author domain; otherwise why nobody can say who the author is, in words */
    bool several_authors;   /* with author_problem: several author domains or From fields, not none (MultipleAuthors) */
    const char *exempt_reason; /* with record->exempt: "IgnoreHosts", "authenticated"; NULL: not said */
    bool contradicted;      /* SecondOpinion veto: the other engine says otherwise */
    slice contradiction;    /* in words; may be empty */
    unsigned deferrals;     /* how often this message was deferred already, as far as known */
    int64_t now;            /* Unix time */
};

struct policy_outcome {
    enum action action;
    struct reply reply;     /* for ACTION_REJECT and ACTION_TEMPFAIL; otherwise kind REPLY_CONTINUE */
    const char *hold;       /* reason for the MTA's hold queue, printable ASCII; NULL: no hold */
    slice tag;              /* value of POLICY_TAG_FIELD; empty: none */
    enum dmarc_policy disposition; /* what was applied, in the words of aggregate reports */
    enum dmarc_policy would; /* what Enforcement full, with the dry-run rules in force, would have applied */
    const struct override *overrides; /* why it is not the published policy */
    size_t n_overrides;
    const struct rule *rule;     /* that fitted; NULL: none */
    const struct rule *dry_rule; /* first dry-run rule that fitted; NULL: none */
    bool arc_trusted;       /* a trusted sealer's word was taken */
    struct sealer_trust sealer;
    slice why;              /* in words, printable ASCII */
};

/* ST_NOMEM: *out untouched, the caller answers a temporary failure. */
enum status policy_decide(struct arena *a, const struct config *c, const struct rules *rules, const struct sealers *sealers,
                          const struct policy_input *in, struct trace *t, struct policy_outcome *out);

#endif
