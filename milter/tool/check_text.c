#include "tool/check_text.h"

#include <stdio.h>

/* Results are printable ASCII by their contract; text from mail is not, and a terminal obeys what it is sent. */
static void
put(slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f))
            putchar(c);
        else if (c != '\r')
            printf("\\x%02x", c);
    }
}

static void
row(const char *method, const char *result, slice domain, slice reason)
{
    printf("%-10s %-10s ", method, result);
    put(domain.n > 0 ? domain : SLICE("-"));
    if (reason.n > 0) {
        printf("  (");
        put(reason);
        putchar(')');
    }
    putchar('\n');
}

static void
spf_row(const char *method, const struct spf_outcome *s)
{
    if (s != NULL)
        row(method, spf_result_name(s->result), s->domain, s->reason);
    if (s != NULL && s->explanation.n > 0)
        row("", "says", s->explanation, SLICE_EMPTY);
}

static void
dmarc_row(const struct record *r)
{
    const struct dmarc_result *d = &r->dmarc;
    const char *policy = dmarc_policy_name(d->policy);
    struct strbuf b;
    strbuf_init(&b, 0);
    if (d->record != NULL)
        strbuf_printf(&b, "p=%s from %.*s, asks for %s%s", policy == NULL ? "none" : policy, SLICE_ARG(d->policy_domain),
                      d->disposition == DMARC_POLICY_UNSET ? "none" : dmarc_policy_name(d->disposition),
                      d->reason.n > 0 ? "; " : "");
    strbuf_add(&b, d->reason);
    row("dmarc", dmarc_result_name(d->result), d->from_domain, strbuf_slice(&b));
    strbuf_clear(&b);
}

static void
fields(const struct verdict *v)
{
    if (v->n_inserts > 0)
        puts("\nfields that are added, topmost first:");
    for (size_t i = v->n_inserts; i-- > 0;) {
        put(v->inserts[i].name);
        putchar(':');
        put(v->inserts[i].value);
        putchar('\n');
    }
    if (v->n_deletes > 0)
        puts("\nfields that are removed:");
    for (size_t i = 0; i < v->n_deletes; i++) {
        put(v->deletes[i].name);
        printf(" number %u\n", v->deletes[i].nth);
    }
}

void
check_text_print(const struct verdict *v)
{
    const struct record *r = v->record;
    char ip[NETADDR_TEXT_MAX];
    printf("%-10s %-10s domain\n", "check", "result");
    spf_row("spf", r->spf);
    if (r->spf_helo != r->spf)
        spf_row("spf-helo", r->spf_helo);
    for (size_t i = 0; i < r->n_dkim; i++)
        row("dkim", dkim_result_name(r->dkim[i].result), r->dkim[i].d, r->dkim[i].reason);
    if (r->n_dkim == 0)
        row("dkim", "none", SLICE_EMPTY, SLICE_EMPTY);
    row("arc", arc_status_name(r->arc.status),
        r->arc.sets > 0 && r->arc.chain != NULL ? r->arc.chain[r->arc.sets - 1].seal_d : SLICE_EMPTY, r->arc.reason);
    dmarc_row(r);
    if (r->iprev != IPREV_NONE)
        row("iprev", iprev_result_name(r->iprev), r->iprev == IPREV_PASS ? r->client_name : slice_from(netaddr_text(&r->client, ip)),
            SLICE_EMPTY);
    printf("\n%-10s %s", "action", action_name(r->action));
    if (r->rule.n > 0) {
        printf(" by rule ");
        put(r->rule);
    }
    if (r->exempt)
        printf(", the client is exempt");
    if (r->why.n > 0) {
        printf(": ");
        put(r->why);
    }
    putchar('\n');
    if (v->reply.text != NULL)
        printf("%-10s %s %s %s\n", "reply", v->reply.code, v->reply.xcode, v->reply.text);
    if (r->action == ACTION_ACCEPT || r->action == ACTION_QUARANTINE)
        fields(v); /* edits of a message that is not taken are nobody's business */
}

void
check_text_print_spf(const struct spf_outcome *mfrom, const struct spf_outcome *helo)
{
    printf("%-10s %-10s domain\n", "check", "result");
    spf_row("spf", mfrom);
    if (helo != mfrom)
        spf_row("spf-helo", helo);
}

static void
explain_line(void *arg, unsigned depth, const char *text)
{
    (void)arg;
    printf("%*s%s\n", (int)depth * 2, "", text);
}

void
check_text_explain(const struct trace *t)
{
    trace_each(t, explain_line, NULL);
    putchar('\n');
}
