#include "autoconf.h"

#include "report/row.h"
#include "base/jsonw.h"
#include "report/member.h"

#include <string.h>

#define HUMAN_MAX 200   /* octets of a comment or human_result: a remark, no essay */
#define MAX_RUA 20      /* of those the first 10 that may be used are */

bool
row_reportable(const struct line *l)
{
    /* No record, no report (RFC 9989 5.3.8).  A deferred message comes again and is counted then.  Mail to our own report
     * address would make two reporters report on each other's reports for ever. */
    return l->published != NULL && l->source.n > 0 && l->author.n > 0 && !l->to_reports &&
           (slice_eq(l->dmarc_result, SLICE("pass")) || slice_eq(l->dmarc_result, SLICE("fail"))) &&
           !slice_eq(l->action, SLICE("tempfail"));
}

/* RFC 9990 3.1.1.9: what DMARC did, not what another filter did: a message that passed was not refused by DMARC. */
static slice
disposition(const struct line *l)
{
    if (slice_eq(l->dmarc_result, SLICE("pass")))
        return slice_eq(l->policy, SLICE("none")) || l->policy.n == 0 ? SLICE("none") : SLICE("pass");
    if (slice_eq(l->action, SLICE("accept")))
        return SLICE("none");
    return l->action;
}

/* "If alignment fails and the policy applied does not match the configured policy, the reason MUST be included." */
static void
reasons(const struct line *l, slice disp, struct strbuf *out)
{
    jsonw_open(out, "why", '[');
    for (size_t i = 0; i < l->n_overrides; i++) {
        jsonw_open(out, NULL, '{');
        jsonw_text(out, "type", l->overrides[i].type);
        if (l->overrides[i].comment.n > 0)
            jsonw_text(out, "comment", slice_head(l->overrides[i].comment, HUMAN_MAX));
        jsonw_close(out, '}');
    }
    if (l->n_overrides == 0 && slice_eq(l->dmarc_result, SLICE("fail")) && l->policy.n > 0 && !slice_eq(disp, l->policy)) {
        jsonw_open(out, NULL, '{');
        jsonw_text(out, "type", l->testing && slice_eq(disp, l->disposition) ? SLICE("policy_test_mode") : SLICE("local_policy"));
        jsonw_close(out, '}');
    }
    jsonw_close(out, ']');
}

/* RFC 9990 3.1.3: first what passed in strict alignment, then relaxed, then other passes, then the rest. */
static int
rank(const struct line *l, const struct line_dkim *d)
{
    if (!d->pass)
        return 3;
    return !d->aligned ? 2 : slice_eq(d->d, l->author) ? 0 : 1;
}

static void
signatures(const struct line *l, bool remarks, struct strbuf *out)
{
    jsonw_open(out, "sig", '[');
    for (int r = 0; r < 4; r++)
        for (size_t i = 0; i < l->n_dkim; i++) {
            const struct line_dkim *d = &l->dkim[i];
            if (rank(l, d) != r || d->d.n == 0) /* no readable d=: nobody's signature */
                continue;
            jsonw_open(out, NULL, '{');
            jsonw_text(out, "d", d->d);
            jsonw_text(out, "s", d->s);
            jsonw_text(out, "r", d->result);
            if (remarks && !d->pass && d->reason.n > 0)
                jsonw_text(out, "h", slice_head(d->reason, HUMAN_MAX));
            jsonw_close(out, '}');
        }
    jsonw_close(out, ']');
}

static void
write_row(const struct line *l, bool remarks, struct strbuf *out)
{
    slice disp = disposition(l);
    jsonw_open(out, NULL, '{');
    jsonw_text(out, "ip", l->source);
    jsonw_text(out, "from", l->author);
    if (l->mail_from.n > 0 || l->null_path)
        jsonw_text(out, "env", l->null_path ? SLICE_EMPTY : l->mail_from);
    jsonw_text(out, "disp", disp);
    jsonw_text(out, "dkim", l->dkim_aligned ? SLICE("pass") : SLICE("fail"));
    jsonw_text(out, "spf", l->spf_aligned ? SLICE("pass") : SLICE("fail"));
    reasons(l, disp, out);
    signatures(l, remarks, out);
    if (l->has_spf && l->spf_domain.n > 0) {
        bool pass = slice_eq(l->spf_result, SLICE("pass"));
        jsonw_open(out, "mfrom", '{');
        jsonw_text(out, "d", l->spf_domain);
        jsonw_text(out, "r", l->spf_result);
        if (remarks && !pass && l->spf_reason.n > 0)
            jsonw_text(out, "h", slice_head(l->spf_reason, HUMAN_MAX));
        jsonw_close(out, '}');
    }
    jsonw_close(out, '}');
}

void
row_key(const struct line *l, struct strbuf *out)
{
    write_row(l, false, out);
}

void
row_text(const struct line *l, struct strbuf *out)
{
    write_row(l, true, out);
}

static slice
or_default(slice s, slice def)
{
    return s.n > 0 ? s : def;
}

void
row_policy_text(const struct line *l, struct strbuf *out)
{
    const json_t *p = l->published, *rua = json_object_get(p, "rua");
    slice policy = or_default(member_text(p, "p"), SLICE("none")); /* RFC 9989 4.7: p missing, rua there */
    slice sub = or_default(member_text(p, "sp"), policy);
    jsonw_open(out, NULL, '{');
    jsonw_text(out, "p", policy);
    jsonw_text(out, "sp", sub);
    jsonw_text(out, "np", or_default(member_text(p, "np"), sub));
    jsonw_text(out, "adkim", or_default(member_text(p, "adkim"), SLICE("r")));
    jsonw_text(out, "aspf", or_default(member_text(p, "aspf"), SLICE("r")));
    jsonw_text(out, "t", or_default(member_text(p, "t"), SLICE("n")));
    jsonw_text(out, "fo", slice_head(or_default(member_text(p, "fo"), SLICE("0")), HUMAN_MAX));
    if (member_text(p, "warning").n > 0)
        jsonw_text(out, "warning", slice_head(member_text(p, "warning"), HUMAN_MAX));
    jsonw_open(out, "rua", '[');
    for (size_t i = 0; i < json_array_size(rua) && i < MAX_RUA; i++) {
        slice uri = value_text(json_array_get(rua, i));
        if (uri.n > 0 && uri.n <= 2048)
            jsonw_text(out, NULL, uri);
    }
    jsonw_close(out, ']');
    jsonw_close(out, '}');
}
