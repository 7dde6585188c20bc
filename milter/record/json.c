/*
 * json.c - the spool line.  Everything that mail could have chosen is either one of our words, a number, a name that passes
 * domain_is_name(), or text that is escaped to printable ASCII here; so the line is ASCII, one line, and valid JSON whatever
 * the message held.  Readers (report/import) take it apart with a library; writing it by hand keeps a message at one buffer.
 */
#include "base/arena.h"
#include "base/strbuf.h"
#include "mail/domain.h"
#include "record/record.h"

#define RECORD_VERSION 1

static void
add_text(struct strbuf *b, slice s)
{
    static const char hex[] = "0123456789abcdef";
    strbuf_add_char(b, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            continue;
        strbuf_add(b, (slice){ s.p + from, i - from });
        from = i + 1;
        const char escape[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
        strbuf_add(b, (slice){ escape, sizeof(escape) });
    }
    strbuf_add(b, slice_tail(s, from));
    strbuf_add_char(b, '"');
}

static void
key(struct strbuf *b, const char *name)
{
    if (b->n > 0 && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
        strbuf_add_char(b, ',');
    strbuf_add_char(b, '"');
    strbuf_add_str(b, name);
    strbuf_add(b, SLICE("\":"));
}

static void
text(struct strbuf *b, const char *name, slice s)
{
    key(b, name);
    if (s.n == 0)
        strbuf_add(b, SLICE("null"));
    else
        add_text(b, s);
}

static void
word(struct strbuf *b, const char *name, const char *w)
{
    text(b, name, slice_from(w));
}

static void
domain(struct strbuf *b, const char *name, slice s)
{
    text(b, name, domain_is_name(s) ? s : SLICE_EMPTY);
}

static void
number(struct strbuf *b, const char *name, uint64_t v)
{
    key(b, name);
    strbuf_add_u64(b, v);
}

static void
flag(struct strbuf *b, const char *name, bool v)
{
    key(b, name);
    strbuf_add_str(b, v ? "true" : "false");
}

static void
open_object(struct strbuf *b, const char *name)
{
    key(b, name);
    strbuf_add_char(b, '{');
}

static void
close_object(struct strbuf *b)
{
    strbuf_add_char(b, '}');
}

static void
texts(struct strbuf *b, const char *name, const slice *list, size_t n)
{
    key(b, name);
    strbuf_add_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            strbuf_add_char(b, ',');
        add_text(b, list[i]);
    }
    strbuf_add_char(b, ']');
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
        text(b, name, s);
        return;
    }
    char lower[DOMAIN_MAX];
    if (s.n > sizeof(lower)) {
        text(b, name, SLICE_EMPTY);
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
        text(b, name, SLICE_EMPTY);
        return;
    }
    open_object(b, name);
    word(b, "result", spf_result_name(o->result));
    domain(b, "domain", o->domain);
    text(b, "reason", o->reason);
    close_object(b);
}

static void
dkim(struct strbuf *b, const struct record *r, bool with_addresses)
{
    key(b, "dkim");
    strbuf_add_char(b, '[');
    for (size_t i = 0; i < r->n_dkim; i++) {
        const struct dkim_result *d = &r->dkim[i];
        if (i > 0)
            strbuf_add_char(b, ',');
        strbuf_add_char(b, '{');
        word(b, "result", dkim_result_name(d->result));
        domain(b, "d", d->d);
        domain(b, "s", d->s);
        text(b, "a", d->a);
        if (with_addresses && d->i.n > 0)
            text(b, "i", d->i);
        number(b, "key_bits", d->key_bits);
        text(b, "header_b", slice_head(d->b, 8)); /* RFC 6008: enough to tell signatures apart */
        flag(b, "aligned", r->dmarc.dkim_aligns != NULL && r->dmarc.dkim_aligns[i]);
        if (d->unsigned_bytes > 0)
            number(b, "unsigned_bytes", d->unsigned_bytes);
        if (d->testing)
            flag(b, "testing", true);
        text(b, "reason", d->reason);
        close_object(b);
    }
    strbuf_add_char(b, ']');
}

static void
arc(struct strbuf *b, const struct record *r)
{
    open_object(b, "arc");
    word(b, "result", arc_status_name(r->arc.status));
    number(b, "sets", r->arc.sets);
    key(b, "oldest_pass");
    if (r->arc.oldest_pass < 0)
        strbuf_add(b, SLICE("null"));
    else
        strbuf_add_u64(b, (uint64_t)r->arc.oldest_pass);
    key(b, "sealers");
    strbuf_add_char(b, '[');
    bool first = true;
    for (size_t i = r->arc.chain == NULL ? 0 : r->arc.sets; i-- > 0;) { /* newest first */
        if (!domain_is_name(r->arc.chain[i].seal_d))
            continue;
        if (!first)
            strbuf_add_char(b, ',');
        add_text(b, r->arc.chain[i].seal_d);
        first = false;
    }
    strbuf_add_char(b, ']');
    flag(b, "trusted", r->arc_trusted);
    text(b, "reason", r->arc.reason);
    close_object(b);
}

static void
published(struct strbuf *b, const struct dmarc_record *p)
{
    if (p == NULL) {
        text(b, "published", SLICE_EMPTY);
        return;
    }
    const char psd[2] = { p->psd == '\0' ? 'u' : p->psd, '\0' };
    open_object(b, "published");
    word(b, "p", dmarc_policy_name(p->p));
    word(b, "sp", dmarc_policy_name(p->sp));
    word(b, "np", dmarc_policy_name(p->np));
    word(b, "adkim", p->adkim_strict ? "s" : "r");
    word(b, "aspf", p->aspf_strict ? "s" : "r");
    word(b, "t", p->testing ? "y" : "n");
    word(b, "psd", psd);
    text(b, "fo", p->fo);
    texts(b, "rua", p->rua, p->n_rua);
    texts(b, "ruf", p->ruf, p->n_ruf);
    text(b, "warning", p->warning);
    close_object(b);
}

static void
dmarc(struct strbuf *b, const struct dmarc_result *d)
{
    open_object(b, "dmarc");
    word(b, "result", dmarc_result_name(d->result));
    word(b, "policy", dmarc_policy_name(d->policy));
    word(b, "disposition", dmarc_policy_name(d->disposition));
    domain(b, "from_domain", d->from_domain);
    domain(b, "policy_domain", d->policy_domain);
    domain(b, "org_domain", d->org_domain);
    flag(b, "spf_aligned", d->spf_aligned);
    flag(b, "dkim_aligned", d->dkim_aligned);
    flag(b, "testing", d->testing);
    if (d->nonexistent)
        flag(b, "nonexistent", true);
    word(b, "discovery", "treewalk"); /* RFC 9989 4.10; the list of suffixes is only a guard */
    text(b, "reason", d->reason);
    published(b, d->record);
    close_object(b);
}

static void
overrides(struct strbuf *b, const struct record *r)
{
    key(b, "override");
    strbuf_add_char(b, '[');
    for (size_t i = 0; i < r->n_overrides; i++) {
        if (i > 0)
            strbuf_add_char(b, ',');
        strbuf_add_char(b, '{');
        text(b, "type", r->overrides[i].type);
        text(b, "comment", r->overrides[i].comment);
        close_object(b);
    }
    strbuf_add_char(b, ']');
}

static void
transaction(struct strbuf *b, const struct record *r, bool with_addresses)
{
    char ip[NETADDR_TEXT_MAX];
    number(b, "v", RECORD_VERSION);
    text(b, "id", r->id);
    number(b, "time", r->time_ms < 0 ? 0 : (uint64_t)r->time_ms);
    text(b, "queue_id", r->queue_id);
    text(b, "reporter", r->reporter);
    word(b, "client_ip", netaddr_text(&r->client, ip));
    if (r->iprev == IPREV_PASS)
        domain(b, "client_name", r->client_name);
    word(b, "iprev", iprev_result_name(r->iprev));
    helo(b, "helo", r->helo);
    domain(b, "mail_from_domain", r->mail_from_domain);
    flag(b, "null_path", r->mail_from.n == 0);
    if (with_addresses)
        text(b, "mail_from", r->mail_from);
    key(b, "rcpt_domains");
    strbuf_add_char(b, '[');
    bool first = true;
    for (size_t i = 0; i < r->n_rcpt_domains; i++) {
        if (!domain_is_name(r->rcpt_domains[i]))
            continue;
        if (!first)
            strbuf_add_char(b, ',');
        add_text(b, r->rcpt_domains[i]);
        first = false;
    }
    strbuf_add_char(b, ']');
    domain(b, "header_from", r->header_from);
}

static void
outcome(struct strbuf *b, const struct record *r)
{
    word(b, "action", action_name(r->action));
    overrides(b, r);
    word(b, "would", dmarc_policy_name(r->would));
    text(b, "rule", r->rule);
    text(b, "why", r->why);
    text(b, "list_id", r->list_id);
    flag(b, "list", r->list_traffic);
    flag(b, "exempt", r->exempt);
    flag(b, "authenticated", r->authenticated);
    flag(b, "sealed", r->sealed);
    number(b, "bytes", r->bytes);
    number(b, "ms", r->ms);
}

slice
record_json(struct arena *a, const struct record *r, bool with_addresses)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_char(&b, '{');
    transaction(&b, r, with_addresses);
    spf(&b, "spf", r->spf);
    spf(&b, "spf_helo", r->spf_helo);
    dkim(&b, r, with_addresses);
    arc(&b, r);
    dmarc(&b, &r->dmarc);
    outcome(&b, r);
    strbuf_add_char(&b, '}');
    return strbuf_finish(&b, a);
}
