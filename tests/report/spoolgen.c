#include "spoolgen.h"

#include <stdlib.h>
#include <string.h>

uint64_t
spoolgen_random(struct spoolgen *g, uint64_t below) /* splitmix64 */
{
    uint64_t z = (g->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void *
need(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static slice
hostile_text(struct spoolgen *g, struct arena *a)
{
    static const char *const seeds[] = { "]]>", "<!--", "&amp;", "<?xml version='1.0'?>", "<!DOCTYPE x [<!ENTITY y 'z'>]>", "\x01\x08\x0b",
                                         "\x1b[2J", "\xef\xbf\xbe", "\xed\xa0\x80", "\xc0\xaf", "\xff\xfe", "'; DROP TABLE raw; --",
                                         "\r\nSubject: x", "\\u0000", "\"}{", "%s%n", "\xc2\x85", "\xe2\x80\xa8" };
    char *p = need(arena_alloc(a, 200));
    size_t n = 0, want = (size_t)spoolgen_random(g, 120);
    while (n < want) {
        if (spoolgen_random(g, 3) == 0) {
            const char *s = seeds[spoolgen_random(g, COUNT(seeds))];
            memcpy(p + n, s, strlen(s));
            n += strlen(s);
        } else {
            p[n++] = (char)spoolgen_random(g, 256);
        }
    }
    return (slice){ p, n };
}

static slice
words(struct spoolgen *g, struct arena *a, const char *plain)
{
    return g->hostile && spoolgen_random(g, 2) == 0 ? hostile_text(g, a) : slice_from(plain);
}

static slice
domain_number(struct arena *a, uint64_t n)
{
    static const char *const tops[] = { "example", "example.com", "example.org", "xn--bcher-kva.example" };
    return arena_printf(a, "d%llu.%s", (unsigned long long)n, tops[n % COUNT(tops)]);
}

static struct dmarc_record *
published(struct arena *a, slice domain, uint64_t n)
{
    struct dmarc_record *p = need(arena_zalloc(a, sizeof(*p)));
    slice *rua = need(arena_array(a, 2, sizeof(*rua)));
    rua[0] = arena_printf(a, "mailto:dmarc@%.*s", SLICE_ARG(domain));
    rua[1] = SLICE("mailto:reports@collector.example");
    p->p = (enum dmarc_policy)(DMARC_POLICY_NONE + n % 3);
    p->sp = n % 5 == 0 ? DMARC_POLICY_REJECT : DMARC_POLICY_UNSET;
    p->np = n % 7 == 0 ? DMARC_POLICY_REJECT : DMARC_POLICY_UNSET;
    p->adkim_strict = n % 4 == 0;
    p->psd = 'u';
    p->testing = n % 11 == 0;
    p->fo = SLICE("0");
    p->rua = rua;
    p->n_rua = 1 + n % 2;
    return p;
}

static void
signatures(struct spoolgen *g, struct arena *a, struct record *r, slice author, bool pass)
{
    r->n_dkim = (size_t)spoolgen_random(g, 3) + (pass ? 1 : 0);
    struct dkim_result *d = need(arena_array(a, r->n_dkim + 1, sizeof(*d)));
    bool *aligns = need(arena_array(a, r->n_dkim + 1, sizeof(*aligns)));
    for (size_t i = 0; i < r->n_dkim; i++) {
        bool ours = i == 0 && pass;
        d[i] = (struct dkim_result){ .result = ours ? DKIM_PASS : (enum dkim_result_code)spoolgen_random(g, 7),
                                     .d = ours ? author : SLICE("esp.example"), .s = SLICE("s1"), .a = SLICE("rsa-sha256"),
                                     .b = SLICE("AbCdEfGhIjKl"), .key_bits = 2048,
                                     .reason = ours ? SLICE_EMPTY : words(g, a, "the body hash did not verify") };
        aligns[i] = ours;
    }
    r->dkim = d;
    r->dmarc.dkim_aligns = aligns;
}

static void
policy(struct spoolgen *g, struct arena *a, struct record *r, uint64_t number, bool spf_pass, bool dkim_pass)
{
    struct dmarc_result *m = &r->dmarc;
    m->from_domain = m->org_domain = r->header_from;
    if (number % 10 == 0) { /* a domain without a record */
        m->result = DMARC_NONE;
        return;
    }
    m->record = published(a, r->header_from, number);
    m->policy_domain = r->header_from;
    m->policy = m->record->p;
    m->spf_aligned = spf_pass;
    m->dkim_aligned = dkim_pass;
    m->result = spf_pass || dkim_pass ? DMARC_PASS : DMARC_FAIL;
    m->disposition = m->result == DMARC_PASS ? DMARC_POLICY_NONE : m->policy;
    if (m->result == DMARC_PASS || m->policy == DMARC_POLICY_NONE)
        return;
    switch (spoolgen_random(g, 8)) {
    case 0: { /* a trusted sealer's word */
        struct override *o = need(arena_zalloc(a, sizeof(*o)));
        o->type = SLICE("local_policy");
        o->comment = words(g, a, "arc=pass as[1].d=list.example as[1].s=s1 remote-ip[1]=192.0.2.1");
        r->overrides = o;
        r->n_overrides = 1;
        r->arc_trusted = true;
        break;
    }
    case 1:
        r->exempt = true;
        break;
    case 2: /* Enforcement monitor */
        r->would = m->policy;
        break;
    default:
        r->action = m->policy == DMARC_POLICY_REJECT ? ACTION_REJECT : ACTION_QUARANTINE;
    }
}

const struct record *
spoolgen_next(struct spoolgen *g, struct arena *a)
{
    struct record *r = need(arena_zalloc(a, sizeof(*r)));
    struct spf_outcome *spf = need(arena_zalloc(a, sizeof(*spf)));
    slice *rcpt = need(arena_alloc(a, sizeof(*rcpt)));
    uint64_t n = g->number++, d = spoolgen_random(g, g->domains);
    /* A domain's mail comes from a few sources of its own, and now and then from anywhere. */
    uint64_t ip = spoolgen_random(g, 10) == 0 ? spoolgen_random(g, g->sources) : (d * 37 + spoolgen_random(g, 6)) % g->sources;
    bool spf_pass = spoolgen_random(g, 3) != 0, dkim_pass = spoolgen_random(g, 2) != 0;
    r->id = arena_printf(a, "%s-1-%llu-0", g->host, (unsigned long long)n);
    r->queue_id = g->hostile ? hostile_text(g, a) : arena_printf(a, "4cRz%llu", (unsigned long long)n);
    r->reporter = SLICE("mx.receiver.example");
    r->time_ms = g->first_ms + (int64_t)(n * g->step_ms);
    r->client = ip % 4 == 0
                    ? (struct netaddr){ 6, { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(ip >> 8), (uint8_t)ip } }
                    : (struct netaddr){ 4, { 198, (uint8_t)(18 + (ip >> 16) % 2), (uint8_t)(ip >> 8), (uint8_t)ip } };
    r->header_from = domain_number(a, d);
    r->helo = g->hostile ? hostile_text(g, a) : arena_printf(a, "mx.%.*s", SLICE_ARG(r->header_from));
    r->mail_from_domain = n % 13 == 0 ? SLICE_EMPTY : spf_pass ? r->header_from : SLICE("bounce.example");
    r->mail_from = r->mail_from_domain.n == 0 ? SLICE_EMPTY : arena_printf(a, "secret.person@%.*s", SLICE_ARG(r->mail_from_domain));
    *rcpt = SLICE("receiver.example");
    r->rcpt_domains = rcpt;
    r->n_rcpt_domains = 1;
    *spf = (struct spf_outcome){ .result = spf_pass ? SPF_PASS : (enum spf_result)spoolgen_random(g, 7),
                                 .domain = r->mail_from_domain.n > 0 ? r->mail_from_domain : r->header_from,
                                 .reason = words(g, a, "ip4:198.18.0.0/15") };
    r->spf = spf;
    r->arc.oldest_pass = -1;
    signatures(g, a, r, r->header_from, dkim_pass);
    policy(g, a, r, d, spf_pass, dkim_pass);
    r->list_id = g->hostile ? hostile_text(g, a) : SLICE_EMPTY;
    r->bytes = 1000 + spoolgen_random(g, 100000);
    r->ms = (unsigned)spoolgen_random(g, 200);
    return r;
}
