/* several.c - a From field with several author domains (RFC 9989 11.5). */
#include "dmarc/dmarc.h"

static bool
is_stricter(const struct dmarc_result *a, const struct dmarc_result *b)
{
    if ((a->result == DMARC_FAIL) != (b->result == DMARC_FAIL))
        return a->result == DMARC_FAIL;
    if (a->result != DMARC_FAIL)
        return a->result == DMARC_TEMPERROR && b->result != DMARC_TEMPERROR;
    if (a->disposition != b->disposition)
        return a->disposition > b->disposition;
    return a->policy > b->policy;
}

enum status
dmarc_evaluate_several(struct arena *a, struct dns_session *dns, const struct dmarc_input *in, const slice *authors,
                       size_t n, struct trace *t, struct dmarc_result *out)
{
    struct dmarc_result worst = { .result = DMARC_PERMERROR,
                                  .disposition = DMARC_POLICY_NONE,
                                  .from_domain = SLICE_EMPTY,
                                  .policy_domain = SLICE_EMPTY,
                                  .org_domain = SLICE_EMPTY,
                                  .reason = SLICE_EMPTY,
                                  .walk_differs = SLICE_EMPTY };
    const struct dmarc_result nobody = worst;
    for (size_t i = 0; i < n && i < DMARC_MAX_AUTHORS; i++) {
        struct dmarc_input one = *in;
        struct dmarc_result r;
        one.author_domain = authors[i];
        enum status st = dmarc_evaluate(a, dns, &one, t, &r);
        if (st != ST_OK)
            return st;
        if (i == 0 || is_stricter(&r, &worst))
            worst = r;
    }
    if (worst.result != DMARC_FAIL && worst.result != DMARC_TEMPERROR)
        worst = nobody; /* never a pass: one author's word does not cover the others */
    const char *more = n > DMARC_MAX_AUTHORS ? ", not all evaluated" : "";
    worst.reason = arena_printf(a, "%zu author domains%s%s%.*s", n, more, worst.reason.n > 0 ? "; " : "",
                                SLICE_ARG(worst.reason));
    if (worst.reason.p == NULL)
        return ST_NOMEM;
    trace_line(t, "dmarc=%s: %.*s", dmarc_result_name(worst.result), SLICE_ARG(worst.reason));
    *out = worst;
    return ST_OK;
}
