/* compare.c - what RFC 7489 would have said: the same records, but the Organizational Domain by the Public Suffix List. */
#include "dmarc/evaluate.h"

#include "mail/domain.h"

static slice
listed_org(struct evaluation *e, slice domain)
{
    slice org = dmarc_psl_org_domain(e->in->psl, e->a, domain);
    return org.n > 0 ? org : domain;
}

static bool
aligned(struct evaluation *e, bool strict, slice domain)
{
    if (strict || slice_ieq(domain, e->in->author_domain))
        return slice_ieq(domain, e->in->author_domain);
    return slice_ieq(listed_org(e, domain), listed_org(e, e->in->author_domain));
}

static bool
passes(struct evaluation *e, const struct dmarc_record *rec)
{
    const struct dmarc_input *in = e->in;
    if (in->spf != NULL && in->spf->result == SPF_PASS && in->spf->scope == SPF_SCOPE_MFROM && in->spf->domain.n > 0 &&
        aligned(e, rec->aspf_strict, in->spf->domain))
        return true;
    for (size_t i = 0; i < in->n_dkim; i++)
        if (in->dkim[i].result == DKIM_PASS && in->dkim[i].d.n > 0 && aligned(e, rec->adkim_strict, in->dkim[i].d))
            return true;
    return false;
}

enum status
dmarc_compare(struct evaluation *e)
{
    struct dmarc_result *r = &e->r;
    slice org = listed_org(e, e->in->author_domain);
    const struct dmarc_step *step = e->author.n > 0 ? e->author.steps[0] : NULL;
    if (r->result == DMARC_TEMPERROR || step == NULL)
        return ST_OK;
    if (step->record == NULL && !slice_ieq(org, e->in->author_domain))
        if ((step = dmarc_memo_ask(e->memo, org)) == NULL)
            return ST_NOMEM;
    if (dmarc_is_trouble(step->status))
        return ST_OK;
    enum dmarc_result_code result = DMARC_NONE;
    enum dmarc_policy policy = DMARC_POLICY_UNSET, disposition = DMARC_POLICY_NONE;
    const struct dmarc_record *rec = step->record;
    if (rec != NULL && !(rec->bad_policy && rec->n_rua == 0)) {
        bool own = slice_ieq(step->domain, e->in->author_domain);
        policy = own ? rec->p : dmarc_policy_below(rec, !r->nonexistent);
        result = passes(e, rec) ? DMARC_PASS : DMARC_FAIL;
        if (result == DMARC_FAIL)
            disposition = dmarc_disposition(policy, rec->testing);
    }
    if (result == r->result && disposition == r->disposition)
        return ST_OK;
    r->walk_differs = arena_printf(
        e->a, "by the suffix list: dmarc=%s disposition=%s org=%.*s; by the walk: dmarc=%s disposition=%s org=%.*s",
        dmarc_result_name(result), dmarc_policy_name(disposition), SLICE_ARG(org), dmarc_result_name(r->result),
        dmarc_policy_name(r->disposition), SLICE_ARG(r->org_domain));
    trace_line(e->t, "%.*s", SLICE_ARG(r->walk_differs));
    return r->walk_differs.p == NULL ? ST_NOMEM : ST_OK;
}
