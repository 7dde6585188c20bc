#include "pipeline/rules_data.h"

/* What DNS could not say now is no ground for a condition, nor for its contrary (RFC 9989 5.3.6). */
enum fit { FITS_NOT, FITS, FIT_UNKNOWN };

static enum fit
fit_of(bool fits)
{
    return fits ? FITS : FITS_NOT;
}

/* ---- one condition against the facts */

static slice
verified_name(const struct record *m)
{
    return m->iprev == IPREV_PASS ? m->client_name : SLICE_EMPTY;
}

/* Every recipient's domain: a message to one more recipient must not pull a milder rule over the others.  One without a
 * domain name (RFC 5321 4.1.3, 4.5.1) is in no list of them. */
static bool
rcpt_fits(const struct rule_condition *c, const struct record *m)
{
    for (size_t i = 0; i < m->n_rcpt_domains; i++)
        if (!name_list_has(&c->names, m->rcpt_domains[i]))
            return false;
    return m->n_rcpt_domains > 0 && !m->rcpt_without_name;
}

/* The identifier between "<" and ">" (RFC 2919 2), or the text as it is. */
static bool
list_id_fits(const struct rule_condition *c, slice id)
{
    size_t from = slice_rfind(id, '<');
    if (from < id.n) {
        id = slice_tail(id, from + 1);
        id = slice_head(id, slice_find(id, '>'));
    }
    id = slice_trim(id);
    for (size_t i = 0; id.n > 0 && i < c->names.n; i++) {
        const struct name_pattern *p = &c->names.items[i];
        if (slice_ieq(id, p->name))
            return true;
        if (p->below && id.n > p->name.n && slice_iends(id, p->name) && id.p[id.n - p->name.n - 1] == '.')
            return true;
    }
    return false;
}

static bool
sealer_fits(const struct rule_condition *c, const struct record *m)
{
    if (c->special && m->arc_trusted)
        return true;
    const struct arc_result *arc = &m->arc;
    return arc->status == ARC_PASS && arc->chain != NULL && arc->sets > 0 &&
           name_list_has(&c->names, arc->chain[arc->sets - 1].seal_d);
}

static enum fit
signed_by_fits(const struct rule_condition *c, const struct record *m)
{
    enum fit best = FITS_NOT;
    for (size_t i = 0; i < m->n_dkim; i++) {
        const struct dkim_result *d = &m->dkim[i];
        if (d->result == DKIM_PASS && name_list_has(&c->names, d->d))
            return FITS;
        if (d->result == DKIM_TEMPERROR && name_list_has(&c->names, d->d))
            best = FIT_UNKNOWN;
    }
    return best;
}

static enum fit
spf_fits(const struct rule_condition *c, const struct record *m)
{
    enum spf_result r = m->spf == NULL ? SPF_NONE : m->spf->result;
    if ((c->words & RULE_BIT(r)) != 0)
        return FITS;
    return r == SPF_TEMPERROR ? FIT_UNKNOWN : FITS_NOT;
}

static enum fit
dkim_fits(const struct rule_condition *c, const struct record *m)
{
    enum fit best = FITS_NOT;
    if (m->n_dkim == 0)
        return fit_of((c->words & RULE_BIT(DKIM_NONE)) != 0);
    for (size_t i = 0; i < m->n_dkim; i++) {
        if ((c->words & RULE_BIT(m->dkim[i].result)) != 0)
            return FITS;
        if (m->dkim[i].result == DKIM_TEMPERROR)
            best = FIT_UNKNOWN;
    }
    return best;
}

static enum fit
fits(const struct rule_condition *c, const struct record *m)
{
    switch (c->field) {
    case FIELD_ANY:
        return FITS;
    case FIELD_FROM:
        return fit_of(name_list_has(&c->names, m->header_from));
    case FIELD_CLIENT:
        return fit_of(netlist_has(c->net, &m->client, verified_name(m)));
    case FIELD_MAIL_FROM:
        return fit_of((c->special && m->mail_from.n == 0) || name_list_has(&c->names, m->mail_from_domain));
    case FIELD_RCPT:
        return fit_of(rcpt_fits(c, m));
    case FIELD_LIST:
        return fit_of(m->list_traffic);
    case FIELD_LIST_ID:
        return fit_of(list_id_fits(c, m->list_id));
    case FIELD_SEALER:
        return fit_of(sealer_fits(c, m));
    case FIELD_SIGNED_BY:
        return signed_by_fits(c, m);
    case FIELD_DMARC: /* a temperror is never refused for good, see policy.c */
        return fit_of(c->special || (c->words & RULE_BIT(m->dmarc.result)) != 0);
    case FIELD_POLICY:
        return fit_of((c->words & RULE_BIT(m->dmarc.policy)) != 0);
    case FIELD_SPF:
        return spf_fits(c, m);
    case FIELD_DKIM:
        return dkim_fits(c, m);
    }
    return FITS_NOT;
}

static bool
misses(const struct rule_condition *c, const struct record *m)
{
    return fits(c, m) != (c->negated ? FITS_NOT : FITS);
}

/* ---- one rule */

static void
tell_miss(struct trace *t, const struct rule_entry *e, const struct record *m, size_t missed, bool passes)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    if (passes)
        strbuf_add_str(&b, " the message passes DMARC, and the rule names no dmarc result");
    for (size_t i = 0; i < e->n; i++) {
        const struct rule_condition *c = &e->conditions[i];
        if (misses(c, m))
            strbuf_printf(&b, "%s %s%s%s", b.n > 0 ? "," : "", c->negated ? "not " : "", rule_field_name(c->field),
                          fits(c, m) == FIT_UNKNOWN ? " (not known for a temporary error)" : "");
    }
    bool nearly = missed + passes == 1 && e->n + passes > 1;
    trace_line(t, "rule %.*s (line %u): %s:%s", SLICE_ARG(e->rule.name), e->rule.line,
               nearly ? "nearly, does not fit" : "does not fit", strbuf_str(&b));
    strbuf_clear(&b);
}

static bool
rule_fits(const struct rule_entry *e, const struct record *m, struct trace *t)
{
    bool passes = !e->names_result && m->dmarc.result == DMARC_PASS;
    size_t missed = 0;
    for (size_t i = 0; i < e->n; i++) {
        missed += misses(&e->conditions[i], m);
        if (missed + passes > 0 && t == NULL)
            return false;
    }
    if (missed + passes > 0)
        tell_miss(t, e, m, missed, passes);
    return missed + passes == 0;
}

const struct rule *
rules_match(const struct rules *r, const struct record *m, size_t *from, struct trace *t)
{
    for (size_t i = *from; i < rules_count(r); i++) {
        const struct rule_entry *e = &r->entries[i];
        if (!rule_fits(e, m, t))
            continue;
        *from = i + 1;
        trace_line(t, "rule %.*s (line %u): fits, %s%s", SLICE_ARG(e->rule.name), e->rule.line,
                   rule_action_name(e->rule.action), e->rule.dry_run ? " (dry-run)" : "");
        return &e->rule;
    }
    *from = rules_count(r);
    return NULL;
}
