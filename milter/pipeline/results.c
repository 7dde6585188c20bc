#include "pipeline/results.h"

#include "config/config.h"
#include "mail/authres.h"

#define HEADER_B_OCTETS 8 /* RFC 6008 4: at least eight, more if two signatures share them */
#define HEADER_B_MAX 64
#define SIGNATURES_MAX 50 /* listed; authres_parse() reads 100 results, and the field may come back in an ARC set */

static const char *
policy_word(enum dmarc_policy p)
{
    const char *word = dmarc_policy_name(p);
    return word == NULL ? "none" : word;
}

/* The policy applied after all options, in the words of RFC 9989 9.1. */
static const char *
applied_policy(enum action action)
{
    switch (action) {
    case ACTION_QUARANTINE:
        return "quarantine";
    case ACTION_REJECT:
        return "reject";
    case ACTION_ACCEPT:
    case ACTION_TEMPFAIL:
        break;
    }
    return "none";
}

static void
add_dmarc(struct arena *a, struct authres_builder *b, const struct record *r)
{
    const struct dmarc_result *d = &r->dmarc;
    authres_add_result(b, "dmarc", dmarc_result_name(d->result));
    if (d->record != NULL)
        authres_add_comment(b, arena_printf(a, "p=%s dis=%s", policy_word(d->policy), policy_word(d->disposition)));
    else if (d->reason.n > 0)
        authres_add_comment(b, d->reason);
    for (size_t i = 0; i < r->n_overrides; i++)
        authres_add_comment(b, arena_printf(a, "override=%.*s", SLICE_ARG(r->overrides[i].type)));
    if (r->header_from.n > 0)
        authres_add_value(b, "header", "from", r->header_from);
    if (d->record != NULL)
        authres_add_value(b, "policy", "dmarc", slice_from(applied_policy(r->action)));
}

/* Octets of b= that tell this signature from all others. */
static size_t
distinct_octets(const struct record *r, size_t at)
{
    size_t n = HEADER_B_OCTETS;
    for (size_t i = 0; i < r->n_dkim && n < HEADER_B_MAX; i++)
        while (i != at && n < HEADER_B_MAX && n < r->dkim[at].b.n
               && slice_eq(slice_head(r->dkim[i].b, n), slice_head(r->dkim[at].b, n)))
            n++;
    return n;
}

static void
add_dkim(struct arena *a, struct authres_builder *b, const struct record *r, size_t at)
{
    const struct dkim_result *d = &r->dkim[at];
    authres_add_result(b, "dkim", dkim_result_name(d->result));
    if (d->reason.n > 0)
        authres_add_comment(b, d->reason);
    if (d->unsigned_bytes > 0)
        authres_add_comment(b, arena_printf(a, "%llu octets of the body are unsigned",
                                            (unsigned long long)d->unsigned_bytes));
    if (d->testing)
        authres_add_comment(b, SLICE("key is in test mode"));
    authres_add_value(b, "header", "d", d->d);
    authres_add_value(b, "header", "s", d->s);
    authres_add_value(b, "header", "a", d->a);
    if (slice_is_printable(d->b)) /* what is no base64 may be no ASCII either, and the mail not internationalised (RFC 8601 2.5) */
        authres_add_value(b, "header", "b", slice_head(d->b, distinct_octets(r, at)));
}

static void
add_spf(struct authres_builder *b, const struct spf_outcome *s, slice helo_domain, bool null_path)
{
    authres_add_result(b, "spf", spf_result_name(s->result));
    if (s->result == SPF_PERMERROR || s->result == SPF_TEMPERROR)
        authres_add_comment(b, s->reason);
    if (s->scope == SPF_SCOPE_HELO || null_path)
        authres_add_value(b, "smtp", "helo", helo_domain);
    else
        authres_add_value(b, "smtp", "mailfrom", s->domain);
}

static void
add_arc(struct arena *a, struct authres_builder *b, const struct record *r)
{
    char ip[NETADDR_TEXT_MAX];
    authres_add_result(b, "arc", arc_status_name(r->arc.status));
    if (r->arc.status == ARC_FAIL && r->arc.reason.n > 0)
        authres_add_comment(b, r->arc.reason);
    if (r->arc.status == ARC_NONE)
        return;
    if (r->arc.oldest_pass >= 0)
        authres_add_value(b, "header", "oldest-pass", arena_printf(a, "%d", r->arc.oldest_pass));
    authres_add_value(b, "smtp", "remote-ip", slice_from(netaddr_text(&r->client, ip)));
}

static void
add_iprev(struct authres_builder *b, const struct record *r)
{
    char ip[NETADDR_TEXT_MAX];
    if (r->iprev == IPREV_NONE)
        return;
    authres_add_result(b, "iprev", iprev_result_name(r->iprev));
    authres_add_value(b, "policy", "iprev", slice_from(netaddr_text(&r->client, ip)));
}

/* `listed` of the signatures, those that pass before others, in the order of the message; the others are counted. */
static void
add_signatures(struct arena *a, struct authres_builder *b, const struct record *r, size_t listed)
{
    size_t passes = 0;
    for (size_t i = 0; i < r->n_dkim; i++)
        passes += r->dkim[i].result == DKIM_PASS;
    size_t good = passes < listed ? passes : listed, others = listed - good;
    for (size_t i = 0; i < r->n_dkim; i++) {
        size_t *left = r->dkim[i].result == DKIM_PASS ? &good : &others;
        if (*left > 0) {
            add_dkim(a, b, r, i);
            --*left;
        }
    }
    if (listed < r->n_dkim) {
        authres_add_result(b, "dkim", dkim_result_name(DKIM_POLICY));
        authres_add_comment(b, arena_printf(a, "%zu more signatures are not listed", r->n_dkim - listed));
    } else if (r->n_dkim == 0) {
        authres_add_result(b, "dkim", dkim_result_name(DKIM_NONE));
    }
}

static slice
field_with(struct arena *a, const struct config *c, const struct record *r, size_t listed)
{
    struct authres_builder *b = authres_builder_new(a, r->reporter, c->maximum_authres_bytes);
    if (b == NULL)
        return (slice){ NULL, 0 };
    add_dmarc(a, b, r);
    add_signatures(a, b, r, listed);
    if (r->spf != NULL)
        add_spf(b, r->spf, r->spf->domain, r->mail_from.n == 0);
    if (r->spf_helo != NULL && r->mail_from.n > 0)
        add_spf(b, r->spf_helo, r->spf_helo->domain, true);
    add_arc(a, b, r);
    add_iprev(b, r);
    return authres_finish(b);
}

/* The number of signatures is the sender's choice, so it must neither make the field too long nor be a reason to have none:
 * as many are listed as there is room for. */
slice
results_field(struct arena *a, const struct config *c, const struct record *r)
{
    size_t listed = r->n_dkim < SIGNATURES_MAX ? r->n_dkim : SIGNATURES_MAX;
    slice field = field_with(a, c, r, listed);
    while (field.p == NULL && listed > 0) {
        listed -= listed / 4 + 1;
        field = field_with(a, c, r, listed);
    }
    return field;
}
