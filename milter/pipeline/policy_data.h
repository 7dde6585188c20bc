/*
 * policy_data.h - a decision under way: shared by policy.c, which decides, and policy_text.c, which words it.
 */
#ifndef VIDIMUS_PIPELINE_POLICY_DATA_H
#define VIDIMUS_PIPELINE_POLICY_DATA_H

#include "pipeline/policy.h"

#define POLICY_MAX_OVERRIDES 8

enum step { STEP_ACCEPT, STEP_TAG, STEP_QUARANTINE, STEP_DEFER, STEP_REJECT };

struct plan {
    enum step step;
    bool keep;          /* a quarantine that must not turn into a refusal */
    bool for_author;    /* nobody can say who the author is, and that decides */
    bool quarantined;   /* refused because QuarantineAction says so */
    const struct rule *rule, *dry_rule;
    bool by_rule;       /* the rule's action stands */
    struct override overrides[POLICY_MAX_OVERRIDES];
    size_t n_overrides;
    struct strbuf why;
};

struct decision {
    struct arena *a;
    const struct config *c;
    const struct rules *rules;
    const struct policy_input *in;
    struct record facts; /* the input's, with arc_trusted as decided here */
    struct sealer_trust trust;
};

/* NULL: no memory. */
const char *policy_reject_text(const struct decision *d, const struct plan *p);
const char *policy_defer_text(const struct decision *d, const struct plan *p);
const char *policy_hold_text(const struct decision *d, const struct plan *p);
slice policy_tag_text(const struct decision *d, const struct plan *p);

#endif
