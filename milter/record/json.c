/*
 * json.c - the spool line.  Everything that mail could have chosen is either one of our words, a number, a name that passes
 * domain_is_name(), or text that is escaped to printable ASCII here; so the line is ASCII, one line, and valid JSON whatever
 * the message held.  Readers (report/import) take it apart with a library; writing it by hand keeps a message at one buffer.
 */
#include "base/arena.h"
#include "base/jsonw.h"
#include "base/strbuf.h"
#include "mail/domain.h"
#include "record/record.h"

#define SIGNATURES_MAX 100 /* RFC 9990 3.1.3: no more of them in a row of a report */

#define RECORD_VERSION 1

static void
domain(struct strbuf *b, const char *name, slice s)
{
    jsonw_text_or_null(b, name, domain_is_name(s) ? s : SLICE_EMPTY);
}

/* HELO is whatever the client said: kept if it is a name or an address literal (RFC 5321 4.1.3). */
static void
helo(struct strbuf *b, const char *name, slice s)
{
    struct netaddr a;
    slice in = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']' ? (slice){ s.p + 1, s.n - 2 } : SLICE_EMPTY;
    if (slice_istarts(in, SLICE("IPv6:")))
        in = slice_tail(in, 5);
    if (in.n > 0 && netaddr_parse(in, &a)) {
        jsonw_text_or_null(b, name, s);
        return;
    }
    char lower[DOMAIN_MAX];
    if (s.n > sizeof(lower)) {
        jsonw_null(b, name);
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        lower[i] = ascii_lower(s.p[i]);
    domain(b, name, (slice){ lower, s.n });
}

static void
spf(struct strbuf *b, const char *name, const struct spf_outcome *o)
{
    if (o == NULL) {
        jsonw_null(b, name);
        return;
    }
    jsonw_open(b, name, '{');
    jsonw_word(b, "result", spf_result_name(o->result));
    domain(b, "domain", o->domain);
    /* into reports as well (human_result), which hold no address of a person (RFC 9990 7.2) */
    jsonw_text_or_null(b, "reason", o->reason_names_sender ? SLICE_EMPTY : o->reason);
    jsonw_close(b, '}');
}

/* A flood of signatures is not kept whole; those that pass come before others. */
static void
dkim(struct strbuf *b, const struct record *r, bool with_addresses)
{
    size_t passes = 0;
    for (size_t i = 0; i < r->n_dkim; i++)
        passes += r->dkim[i].result == DKIM_PASS;
    size_t good = passes < SIGNATURES_MAX ? passes : SIGNATURES_MAX, others = SIGNATURES_MAX - good;
    jsonw_open(b, "dkim", '[');
    for (size_t i = 0; i < r->n_dkim; i++) {
        const struct dkim_result *d = &r->dkim[i];
        size_t *left = d->result == DKIM_PASS ? &good : &others;
        if (*left == 0)
            continue;
        --*left;
        jsonw_open(b, NULL, '{');
        jsonw_word(b, "result", dkim_result_name(d->result));
        domain(b, "d", d->d);
        domain(b, "s", d->s);
        jsonw_text_or_null(b, "a", d->a);
        if (with_addresses && d->i.n > 0)
            jsonw_text_or_null(b, "i", d->i);
        jsonw_int(b, "key_bits", d->key_bits);
        jsonw_text_or_null(b, "header_b", slice_head(d->b, 8)); /* RFC 6008: enough to tell signatures apart */
        jsonw_bool(b, "aligned", r->dmarc.dkim_aligns != NULL && r->dmarc.dkim_aligns[i]);
        if (d->unsigned_bytes > 0)
            jsonw_int(b, "unsigned_bytes", (int64_t)d->unsigned_bytes);
        if (d->testing)
            jsonw_bool(b, "testing", true);
        jsonw_text_or_null(b, "reason", d->reason);
        jsonw_close(b, '}');
    }
    jsonw_close(b, ']');
}

static void
arc(struct strbuf *b, const struct record *r)
{
    jsonw_open(b, "arc", '{');
    jsonw_word(b, "result", arc_status_name(r->arc.status));
    jsonw_int(b, "sets", r->arc.sets);
    if (r->arc.oldest_pass < 0)
        jsonw_null(b, "oldest_pass");
    else
        jsonw_int(b, "oldest_pass", r->arc.oldest_pass);
    jsonw_open(b, "sealers", '[');
    for (size_t i = r->arc.chain == NULL ? 0 : r->arc.sets; i-- > 0;) { /* newest first */
        if (!domain_is_name(r->arc.chain[i].seal_d))
            continue;
        jsonw_text(b, NULL, r->arc.chain[i].seal_d);
    }
    jsonw_close(b, ']');
    jsonw_bool(b, "trusted", r->arc_trusted);
    jsonw_text_or_null(b, "reason", r->arc.reason);
    jsonw_close(b, '}');
}

static void
uris(struct strbuf *b, const char *name, const slice *list, size_t n)
{
    jsonw_open(b, name, '[');
    for (size_t i = 0; i < n; i++)
        jsonw_text(b, NULL, list[i]);
    jsonw_close(b, ']');
}

static void
published(struct strbuf *b, const struct dmarc_record *p)
{
    if (p == NULL) {
        jsonw_null(b, "published");
        return;
    }
    const char psd[2] = { p->psd == '\0' ? 'u' : p->psd, '\0' };
    jsonw_open(b, "published", '{');
    jsonw_word(b, "p", dmarc_policy_name(p->p));
    jsonw_word(b, "sp", dmarc_policy_name(p->sp));
    jsonw_word(b, "np", dmarc_policy_name(p->np));
    jsonw_word(b, "adkim", p->adkim_strict ? "s" : "r");
    jsonw_word(b, "aspf", p->aspf_strict ? "s" : "r");
    jsonw_word(b, "t", p->testing ? "y" : "n");
    jsonw_word(b, "psd", psd);
    jsonw_text_or_null(b, "fo", p->fo);
    uris(b, "rua", p->rua, p->n_rua);
    uris(b, "ruf", p->ruf, p->n_ruf);
    jsonw_text_or_null(b, "warning", p->warning);
    jsonw_close(b, '}');
}

static void
dmarc(struct strbuf *b, const struct dmarc_result *d)
{
    jsonw_open(b, "dmarc", '{');
    jsonw_word(b, "result", dmarc_result_name(d->result));
    jsonw_word(b, "policy", dmarc_policy_name(d->policy));
    jsonw_word(b, "disposition", dmarc_policy_name(d->disposition));
    domain(b, "from_domain", d->from_domain);
    domain(b, "policy_domain", d->policy_domain);
    domain(b, "org_domain", d->org_domain);
    jsonw_bool(b, "spf_aligned", d->spf_aligned);
    jsonw_bool(b, "dkim_aligned", d->dkim_aligned);
    jsonw_bool(b, "testing", d->testing);
    if (d->nonexistent)
        jsonw_bool(b, "nonexistent", true);
    jsonw_word(b, "discovery", "treewalk"); /* RFC 9989 4.10; the list of suffixes is only a guard */
    jsonw_text_or_null(b, "reason", d->reason);
    published(b, d->record);
    jsonw_close(b, '}');
}

static void
overrides(struct strbuf *b, const struct record *r)
{
    jsonw_open(b, "override", '[');
    for (size_t i = 0; i < r->n_overrides; i++) {
        jsonw_open(b, NULL, '{');
        jsonw_text_or_null(b, "type", r->overrides[i].type);
        jsonw_text_or_null(b, "comment", r->overrides[i].comment);
        jsonw_close(b, '}');
    }
    jsonw_close(b, ']');
}

static void
transaction(struct strbuf *b, const struct record *r, bool with_addresses)
{
    char ip[NETADDR_TEXT_MAX];
    jsonw_int(b, "v", RECORD_VERSION);
    jsonw_text_or_null(b, "id", r->id);
    jsonw_int(b, "time", r->time_ms);
    jsonw_text_or_null(b, "queue_id", r->queue_id);
    jsonw_text_or_null(b, "reporter", r->reporter);
    jsonw_text_or_null(b, "client_ip", slice_from(netaddr_text(&r->client, ip)));
    if (r->iprev == IPREV_PASS)
        domain(b, "client_name", r->client_name);
    jsonw_word(b, "iprev", iprev_result_name(r->iprev));
    helo(b, "helo", r->helo);
    domain(b, "mail_from_domain", r->mail_from_domain);
    jsonw_bool(b, "null_path", r->mail_from.n == 0);
    if (with_addresses)
        jsonw_text_or_null(b, "mail_from", r->mail_from);
    jsonw_open(b, "rcpt_domains", '[');
    for (size_t i = 0; i < r->n_rcpt_domains; i++) {
        if (!domain_is_name(r->rcpt_domains[i]))
            continue;
        jsonw_text(b, NULL, r->rcpt_domains[i]);
    }
    jsonw_close(b, ']');
    domain(b, "header_from", r->header_from);
}

static void
outcome(struct strbuf *b, const struct record *r)
{
    jsonw_word(b, "action", action_name(r->action));
    overrides(b, r);
    jsonw_word(b, "would", dmarc_policy_name(r->would));
    jsonw_text_or_null(b, "rule", r->rule);
    jsonw_text_or_null(b, "why", r->why);
    jsonw_text_or_null(b, "list_id", r->list_id);
    jsonw_bool(b, "list", r->list_traffic);
    jsonw_bool(b, "exempt", r->exempt);
    jsonw_bool(b, "authenticated", r->authenticated);
    jsonw_bool(b, "sealed", r->sealed);
    if (r->to_reports)
        jsonw_bool(b, "to_reports", true);
    jsonw_int(b, "bytes", (int64_t)r->bytes);
    jsonw_int(b, "ms", r->ms);
}

slice
record_json(struct arena *a, const struct record *r, bool with_addresses)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    jsonw_open(&b, NULL, '{');
    transaction(&b, r, with_addresses);
    spf(&b, "spf", r->spf);
    spf(&b, "spf_helo", r->spf_helo);
    dkim(&b, r, with_addresses);
    arc(&b, r);
    dmarc(&b, &r->dmarc);
    outcome(&b, r);
    jsonw_close(&b, '}');
    return strbuf_finish(&b, a);
}
