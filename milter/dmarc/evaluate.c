#include "dmarc/evaluate.h"

#include "base/strbuf.h"
#include "mail/domain.h"

#define REASON_SIGNATURES 4 /* named in the reason; the others are counted */

/* ---- which record applies (RFC 9989 4.10.1) */

/* The record of the Organizational Domain, else of the Public Suffix Domain.  NULL: neither has one. */
static const struct dmarc_step *
record_above(struct evaluation *e)
{
    const struct dmarc_step *psd;
    e->org = dmarc_walk_org_domain(&e->author, e->guard, &psd);
    for (size_t i = 0; i < e->author.n; i++)
        if (e->author.steps[i]->record != NULL && slice_eq(e->author.steps[i]->domain, e->org))
            return e->author.steps[i];
    return psd;
}

static enum status
discover(struct evaluation *e)
{
    enum status st = dmarc_walk_on(&e->author, e->memo, 1);
    if (st != ST_OK)
        return st;
    if (e->author.n > 0 && e->author.steps[0]->record != NULL) {
        e->policy = e->author.steps[0];
        return ST_OK;
    }
    if ((st = dmarc_walk_on(&e->author, e->memo, DMARC_WALK_MAX)) != ST_OK)
        return st;
    e->provisional = e->author.trouble != NULL;
    e->policy = record_above(e);
    return ST_OK;
}

/* ---- alignment (RFC 9989 4.10.2) */

/* The Organizational Domain of the Author Domain, walking on for it if need be.  False: nobody can say now. */
static bool
author_org(struct evaluation *e, enum status *st)
{
    const struct dmarc_step *psd;
    if ((*st = dmarc_walk_on(&e->author, e->memo, DMARC_WALK_MAX)) != ST_OK || e->author.trouble != NULL)
        return false;
    e->org = dmarc_walk_org_domain(&e->author, e->guard, &psd);
    return true;
}

static bool
shares_suffix(slice a, slice b)
{
    return slice_ieq(domain_last_labels(a, 1), domain_last_labels(b, 1));
}

/* What needs no walk: 4.10.2's own exceptions, and names that have no ancestor in common. */
static bool
plain_answer(const struct evaluation *e, bool strict, slice domain, enum alignment *out)
{
    *out = slice_ieq(domain, e->in->author_domain) ? ALIGN_YES : ALIGN_NO;
    if (*out == ALIGN_YES || strict || !shares_suffix(domain, e->in->author_domain))
        return true;
    return false;
}

/* An Organizational Domain is the name itself or above it, so a name outside the author's own cannot align. */
static enum status
walk_align(struct evaluation *e, slice domain, enum alignment *out)
{
    enum status st;
    const struct dmarc_step *psd;
    struct dmarc_walk w;
    *out = ALIGN_UNKNOWN;
    if (!author_org(e, &st))
        return st;
    *out = ALIGN_NO;
    if (!domain_equal_or_below(domain, e->org))
        return ST_OK;
    dmarc_walk_init(&w, domain);
    if ((st = dmarc_walk_on(&w, e->memo, DMARC_WALK_MAX)) != ST_OK)
        return st;
    if (w.trouble != NULL)
        *out = ALIGN_UNKNOWN;
    else if (slice_ieq(dmarc_walk_org_domain(&w, e->guard, &psd), e->org))
        *out = ALIGN_YES;
    return ST_OK;
}

static enum status
align(struct evaluation *e, bool strict, slice domain, enum alignment *out)
{
    if (plain_answer(e, strict, domain, out))
        return ST_OK;
    return walk_align(e, domain, out);
}

static bool
spf_counts(const struct spf_outcome *s)
{
    return s != NULL && s->scope == SPF_SCOPE_MFROM && s->domain.n > 0 && /* RFC 9989 4.4.2: MAIL FROM alone */
           (s->result == SPF_PASS || s->result == SPF_TEMPERROR);
}

static bool
dkim_counts(const struct dkim_result *d)
{
    return d->d.n > 0 && (d->result == DKIM_PASS || d->result == DKIM_TEMPERROR);
}

/* Ask at once for what the walks of all identifiers will ask below the author's Organizational Domain. */
static void
start_walk(struct evaluation *e, bool strict, slice domain)
{
    enum alignment known;
    slice names[DMARC_WALK_MAX];
    if (plain_answer(e, strict, domain, &known) || !domain_equal_or_below(domain, e->org))
        return;
    size_t n = dmarc_walk_names(domain, names), org_labels = domain_labels(e->org);
    for (size_t i = 0; i < n && domain_labels(names[i]) > org_labels; i++)
        dmarc_memo_start(e->memo, names[i]);
}

static enum status
start_walks(struct evaluation *e)
{
    const struct dmarc_record *rec = e->policy->record;
    const struct dmarc_input *in = e->in;
    enum alignment known;
    bool wanted = spf_counts(in->spf) && !plain_answer(e, rec->aspf_strict, in->spf->domain, &known);
    for (size_t i = 0; i < in->n_dkim && !wanted; i++)
        wanted = dkim_counts(&in->dkim[i]) && !plain_answer(e, rec->adkim_strict, in->dkim[i].d, &known);
    enum status st = ST_OK;
    if (!wanted || !author_org(e, &st))
        return st;
    if (spf_counts(in->spf))
        start_walk(e, rec->aspf_strict, in->spf->domain);
    for (size_t i = 0; i < in->n_dkim; i++)
        if (dkim_counts(&in->dkim[i]))
            start_walk(e, rec->adkim_strict, in->dkim[i].d);
    return ST_OK;
}

static void
tell_alignment(struct trace *t, const char *method, const char *result, slice domain, bool strict, enum alignment al)
{
    static const char *const words[] = { "not aligned", "aligned", "alignment unknown for DNS trouble" };
    trace_line(t, "%s=%s %.*s: %s (%s)", method, result, SLICE_ARG(domain), words[al], strict ? "strict" : "relaxed");
}

static enum status
align_spf(struct evaluation *e)
{
    const struct spf_outcome *s = e->in->spf;
    bool strict = e->policy->record->aspf_strict;
    enum alignment al;
    if (!spf_counts(s))
        return ST_OK;
    enum status st = align(e, strict, s->domain, &al);
    if (st != ST_OK)
        return st;
    e->r.spf_aligned = al == ALIGN_YES && s->result == SPF_PASS;
    e->undecided |= al == ALIGN_UNKNOWN || (al == ALIGN_YES && s->result == SPF_TEMPERROR);
    e->others |= s->result == SPF_PASS && !slice_ieq(s->domain, e->in->author_domain);
    tell_alignment(e->t, "spf", spf_result_name(s->result), s->domain, strict, al);
    return ST_OK;
}

/* For a signature that decides nothing: what is known without asking. */
static bool
aligns_as_known(const struct evaluation *e, bool strict, slice domain)
{
    enum alignment al;
    if (domain.n == 0)
        return false;
    if (plain_answer(e, strict, domain, &al))
        return al == ALIGN_YES;
    return e->org.n > 0 && domain_equal_or_below(domain, e->org);
}

static enum status
align_dkim(struct evaluation *e)
{
    const struct dmarc_input *in = e->in;
    bool strict = e->policy->record->adkim_strict;
    bool *aligns = in->n_dkim == 0 ? NULL : arena_array(e->a, in->n_dkim, sizeof(*aligns));
    if (in->n_dkim > 0 && aligns == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < in->n_dkim; i++) {
        const struct dkim_result *d = &in->dkim[i];
        enum alignment al;
        if (!dkim_counts(d))
            continue;
        enum status st = align(e, strict, d->d, &al);
        if (st != ST_OK)
            return st;
        aligns[i] = al == ALIGN_YES;
        e->r.dkim_aligned |= al == ALIGN_YES && d->result == DKIM_PASS;
        e->undecided |= al == ALIGN_UNKNOWN || (al == ALIGN_YES && d->result == DKIM_TEMPERROR);
        e->others |= d->result == DKIM_PASS && !slice_ieq(d->d, in->author_domain);
        tell_alignment(e->t, "dkim", dkim_result_name(d->result), d->d, strict, al);
    }
    for (size_t i = 0; i < in->n_dkim; i++)
        if (!dkim_counts(&in->dkim[i]))
            aligns[i] = aligns_as_known(e, strict, in->dkim[i].d);
    e->r.dkim_aligns = aligns;
    return ST_OK;
}

/* ---- the policy (RFC 9989 4.7, 4.10.1) */

enum dmarc_policy
dmarc_policy_below(const struct dmarc_record *rec, bool exists)
{
    enum dmarc_policy sp = rec->sp != DMARC_POLICY_UNSET ? rec->sp : rec->p;
    return !exists && rec->np != DMARC_POLICY_UNSET ? rec->np : sp;
}

/* NXDOMAIN for the name itself (3.2.13).  What is known already is not asked again: a name below it that exists, or the
 * question SPF has put.  False with *trouble: nobody can say now. */
static bool
author_exists(struct evaluation *e, bool *trouble)
{
    const struct dmarc_step *below = e->author.steps[0];
    *trouble = false;
    if (below->status == DNS_OK || below->status == DNS_NODATA)
        return true;
    bool spf_asked = e->in->spf != NULL && slice_ieq(e->in->spf->domain, e->in->author_domain);
    enum dns_type type = spf_asked ? DNS_TXT : DNS_A;
    const struct dns_answer *answer = dns_lookup_kept(e->dns, type, e->in->author_domain);
    /* the budget is spent by what the sender put into the message: no reason to take him at a later time */
    *trouble = dmarc_is_trouble(answer->status) && answer->status != DNS_BUDGET;
    trace_line(e->t, "%s %.*s: %s, so the Author Domain %s", dns_type_name(type), SLICE_ARG(e->in->author_domain),
               dns_status_name(answer->status),
               *trouble ? "may or may not exist" : answer->status == DNS_NXDOMAIN ? "does not exist" : "exists");
    return !*trouble && answer->status != DNS_NXDOMAIN;
}

static void
choose_policy(struct evaluation *e)
{
    const struct dmarc_record *rec = e->policy->record;
    if (slice_ieq(e->policy->domain, e->in->author_domain)) {
        e->r.policy = rec->p;
        return;
    }
    bool exists = true, trouble = false;
    if (dmarc_policy_below(rec, true) != dmarc_policy_below(rec, false))
        exists = author_exists(e, &trouble);
    e->existence_unknown = trouble;
    e->r.nonexistent = !exists && !trouble;
    e->r.policy = dmarc_policy_below(rec, exists || trouble);
}

enum dmarc_policy
dmarc_disposition(enum dmarc_policy policy, bool testing)
{
    if (!testing) /* t=y: one level below (4.7) */
        return policy == DMARC_POLICY_UNSET ? DMARC_POLICY_NONE : policy;
    return policy == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
}

/* ---- the result (RFC 9989 5.3.5, 5.3.6), and why */

static slice
fail_reason(struct evaluation *e)
{
    const struct dmarc_input *in = e->in;
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "no aligned pass: ");
    if (in->spf == NULL)
        strbuf_add_str(&b, "SPF not checked");
    else
        strbuf_printf(&b, "spf=%s%s%.*s", spf_result_name(in->spf->result),
                      in->spf->domain.n > 0 ? " smtp.mailfrom=" : "", SLICE_ARG(in->spf->domain));
    if (in->n_dkim == 0)
        strbuf_add_str(&b, ", no signature");
    for (size_t i = 0; i < in->n_dkim && i < REASON_SIGNATURES; i++)
        strbuf_printf(&b, ", dkim=%s%s%.*s", dkim_result_name(in->dkim[i].result), in->dkim[i].d.n > 0 ? " header.d=" : "",
                      SLICE_ARG(in->dkim[i].d));
    if (in->n_dkim > REASON_SIGNATURES)
        strbuf_printf(&b, " and %zu more", in->n_dkim - REASON_SIGNATURES);
    return strbuf_finish(&b, e->a);
}

static slice
trouble_reason(struct evaluation *e)
{
    const struct dmarc_step *s = e->author.trouble;
    if (s != NULL)
        return arena_printf(e->a, "DNS: _dmarc.%.*s: %s", SLICE_ARG(s->domain), dns_status_name(s->status));
    if (e->existence_unknown && !e->undecided)
        return arena_printf(e->a, "DNS: whether %.*s exists is not known", SLICE_ARG(e->in->author_domain));
    return SLICE("DNS: an identifier that may align could not be checked");
}

static void
settle(struct evaluation *e)
{
    struct dmarc_result *r = &e->r;
    bool late = e->provisional || e->undecided;
    if (r->spf_aligned || r->dkim_aligned) {
        r->result = DMARC_PASS;
        r->reason = SLICE_EMPTY;
    } else if (late || (e->existence_unknown && r->policy != DMARC_POLICY_UNSET)) {
        r->result = DMARC_TEMPERROR;
        r->reason = trouble_reason(e);
    } else {
        r->result = DMARC_FAIL;
        r->reason = fail_reason(e);
        r->disposition = dmarc_disposition(r->policy, e->policy->record->testing);
        r->testing = r->disposition != r->policy;
    }
}

/* No record, or one that says nothing that can be followed. */
static void
without_policy(struct evaluation *e)
{
    struct dmarc_result *r = &e->r;
    if (e->author.trouble != NULL) {
        r->result = DMARC_TEMPERROR;
        r->reason = trouble_reason(e);
    } else if (e->policy != NULL) {
        r->reason = arena_printf(e->a, "the record at _dmarc.%.*s holds no valid policy and no rua",
                                 SLICE_ARG(e->policy->domain));
    } else if (e->author.n > 0 && e->author.steps[0]->n_records > 1) {
        r->reason = SLICE("several records, all discarded");
    } else {
        r->reason = SLICE("no record");
    }
    if (e->author.complete && e->author.n > 0)
        r->org_domain = e->org;
}

static enum status
with_policy(struct evaluation *e)
{
    struct dmarc_result *r = &e->r;
    enum status st = start_walks(e);
    if (st == ST_OK)
        st = align_spf(e);
    if (st == ST_OK)
        st = align_dkim(e);
    if (st != ST_OK)
        return st;
    r->record = e->policy->record;
    r->policy_domain = e->policy->domain;
    choose_policy(e);
    settle(e);
    if (e->author.complete)
        author_org(e, &st);
    else if (r->result == DMARC_PASS && !e->others) /* 4.10.2: the common domain is treated as the Organizational Domain */
        e->org = e->in->author_domain;
    if (e->author.trouble == NULL && e->org.n > 0)
        r->org_domain = e->org;
    return st;
}

enum status
dmarc_evaluate(struct arena *a, struct dns_session *dns, const struct dmarc_input *in, struct trace *t,
               struct dmarc_result *out)
{
    struct evaluation e = { .a = a, .dns = dns, .t = t, .in = in, .org = SLICE_EMPTY };
    e.r = (struct dmarc_result){ .result = DMARC_NONE,
                                 .disposition = DMARC_POLICY_NONE,
                                 .from_domain = in->author_domain,
                                 .policy_domain = SLICE_EMPTY,
                                 .org_domain = SLICE_EMPTY,
                                 .reason = SLICE_EMPTY,
                                 .walk_differs = SLICE_EMPTY };
    if ((e.memo = dmarc_memo_new(a, dns, t)) == NULL)
        return ST_NOMEM;
    e.guard = in->psl_guard ? in->psl : NULL;
    dmarc_walk_init(&e.author, in->author_domain);
    trace_begin(t, "dmarc: Author Domain %.*s", SLICE_ARG(in->author_domain));
    enum status st = discover(&e);
    if (st == ST_OK && (e.policy == NULL || (e.policy->record->bad_policy && e.policy->record->n_rua == 0)))
        without_policy(&e);
    else if (st == ST_OK)
        st = with_policy(&e);
    if (st == ST_OK && in->walk_compare && in->psl != NULL)
        st = dmarc_compare(&e);
    if (st == ST_OK && e.r.reason.p == NULL)
        st = ST_NOMEM;
    if (st == ST_OK)
        trace_line(t, "dmarc=%s policy=%s disposition=%s%s%.*s", dmarc_result_name(e.r.result),
                   e.r.policy == DMARC_POLICY_UNSET ? "-" : dmarc_policy_name(e.r.policy),
                   dmarc_policy_name(e.r.disposition), e.r.reason.n > 0 ? ": " : "", SLICE_ARG(e.r.reason));
    trace_end(t);
    if (st == ST_OK)
        *out = e.r;
    return st;
}
