#include "pipeline/sealers.h"

#include "mail/authres.h"
#include "mail/domain.h"
#include "pipeline/date.h"
#include "pipeline/ruletext.h"

#include <stdlib.h>
#include <string.h>

struct sealer {
    slice domain;
    unsigned line;
    struct name_list from; /* none: every author domain */
    struct netlist *net;   /* NULL: every client */
    int64_t until;         /* Unix time from which on it is no longer trusted; 0: without end */
};

struct sealers {
    struct arena *a;
    struct sealer *items;
    size_t n, cap;
};

/* ---- reading */

struct reader {
    struct ruletext l;
    struct sealers *sealers;
    bool no_memory;
};

static bool
at_value(const struct reader *rd)
{
    return rd->l.token == TOKEN_WORD || rd->l.token == TOKEN_STRING;
}

static void
expected(struct reader *rd, const char *what)
{
    if (rd->l.token == TOKEN_END)
        ruletext_error(&rd->l, "the line ends where %s is expected", what);
    else
        ruletext_error(&rd->l, "\"%.*s\" is not %s", (int)(rd->l.word.n > 60 ? 60 : rd->l.word.n), rd->l.word.p, what);
}

static void
read_from(struct reader *rd, struct sealer *s)
{
    struct name_pattern p;
    enum status st = name_pattern_parse(rd->sealers->a, rd->l.word, &p);
    if (st == ST_SYNTAX)
        expected(rd, "a domain (example.org, or .example.org for it and all below it)");
    else if (st != ST_OK || name_list_add(&s->from, rd->sealers->a, p) != ST_OK)
        rd->no_memory = true;
}

static void
read_client(struct reader *rd, struct sealer *s)
{
    if (s->net == NULL && (s->net = netlist_new()) == NULL) {
        rd->no_memory = true;
        return;
    }
    enum status st = client_list_add(s->net, rd->sealers->a, rd->l.word);
    if (st == ST_SYNTAX)
        expected(rd, "an address (192.0.2.1), a network (2001:db8::/32) or a host name (mx.example.org, .example.org)");
    else if (st != ST_OK)
        rd->no_memory = true;
}

static void
read_until(struct reader *rd, struct sealer *s)
{
    int64_t day;
    if (s->until != 0)
        ruletext_error(&rd->l, "until takes one date");
    else if (rd->l.word.n == strlen("2027-06-30") && date_parse(rd->l.word, &day))
        s->until = day + 86400; /* through that day, UTC */
    else
        expected(rd, "a date (2027-06-30)");
}

static void
read_scope(struct reader *rd, struct sealer *s)
{
    static const struct {
        const char *name;
        void (*read)(struct reader *rd, struct sealer *s);
    } scopes[] = { { "from", read_from }, { "client", read_client }, { "until", read_until } };
    size_t i = 0;
    while (i < COUNT(scopes) && !ruletext_is(&rd->l, scopes[i].name))
        i++;
    if (i == COUNT(scopes)) {
        expected(rd, "a scope: from, client, until");
        return;
    }
    ruletext_next(&rd->l);
    if (!at_value(rd))
        ruletext_error(&rd->l, "%s needs a value", scopes[i].name);
    while (!rd->l.bad && !rd->no_memory && at_value(rd)) {
        for (size_t k = 0; k < COUNT(scopes); k++)
            if (ruletext_is(&rd->l, scopes[k].name))
                ruletext_error(&rd->l, "\",\" is missing before %s", scopes[k].name);
        scopes[i].read(rd, s);
        ruletext_next(&rd->l);
    }
}

static struct sealer *
new_sealer(struct reader *rd)
{
    struct sealers *all = rd->sealers;
    if (all->n == all->cap) {
        size_t cap = all->cap == 0 ? 16 : all->cap * 2;
        struct sealer *grown = arena_array(all->a, cap, sizeof(*grown));
        if (grown == NULL) {
            rd->no_memory = true;
            return NULL;
        }
        if (all->n > 0)
            memcpy(grown, all->items, all->n * sizeof(*grown));
        all->items = grown;
        all->cap = cap;
    }
    return &all->items[all->n++];
}

static void
read_sealer(struct reader *rd)
{
    struct name_pattern p = { .below = false };
    enum status st = rd->l.token == TOKEN_WORD ? name_pattern_parse(rd->sealers->a, rd->l.word, &p) : ST_SYNTAX;
    if (st == ST_SYNTAX || p.below) {
        expected(rd, "a sealer's domain, exactly as in d= of its seals");
        return;
    }
    struct sealer *s = st == ST_OK ? new_sealer(rd) : NULL;
    rd->no_memory |= s == NULL;
    if (s == NULL)
        return;
    s->domain = p.name;
    s->line = rd->l.word_line;
    ruletext_next(&rd->l);
    while (!rd->l.bad && !rd->no_memory && rd->l.token != TOKEN_END) {
        read_scope(rd, s);
        if (!rd->l.bad && rd->l.token == TOKEN_COMMA) {
            ruletext_next(&rd->l);
            if (rd->l.token == TOKEN_END)
                expected(rd, "a scope: from, client, until");
        }
    }
}

struct sealers *
sealers_parse(slice text, const char *file, struct strbuf *errors)
{
    struct reader rd = { .sealers = calloc(1, sizeof(*rd.sealers)) };
    if (rd.sealers == NULL || (rd.sealers->a = arena_new(0)) == NULL) {
        strbuf_printf(errors, "%s: out of memory\n", file);
        free(rd.sealers);
        return NULL;
    }
    ruletext_init(&rd.l, text, file, errors);
    while (!rd.no_memory && ruletext_statement(&rd.l))
        read_sealer(&rd);
    if (rd.no_memory)
        strbuf_printf(errors, "%s: out of memory\n", file);
    if (!rd.no_memory && rd.l.n_errors == 0)
        return rd.sealers;
    sealers_free(rd.sealers);
    return NULL;
}

struct sealers *
sealers_load(const char *file, struct strbuf *errors)
{
    size_t n;
    char *text = ruletext_read_file(file, &n, errors);
    if (text == NULL)
        return NULL;
    struct sealers *s = sealers_parse((slice){ text, n }, file, errors);
    free(text);
    return s;
}

void
sealers_free(struct sealers *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        netlist_free(s->items[i].net);
    arena_free(s->a);
    free(s);
}

size_t
sealers_count(const struct sealers *s)
{
    return s == NULL ? 0 : s->n;
}

/* ---- the decision */

/* NULL: trusted for this message at this time; otherwise what is missing. */
static const char *
distrust(const struct sealers *all, slice domain, const struct record *m, int64_t now)
{
    const char *why = "is not a trusted sealer";
    slice client_name = m->iprev == IPREV_PASS ? m->client_name : SLICE_EMPTY;
    for (size_t i = 0; i < all->n; i++) {
        const struct sealer *s = &all->items[i];
        if (!slice_ieq(s->domain, domain)) /* exactly: nobody below it is meant */
            continue;
        if (s->until != 0 && now >= s->until)
            why = "was trusted until a date that is over";
        else if (s->from.n > 0 && !name_list_has(&s->from, m->header_from))
            why = "is not trusted for this author domain";
        else if (s->net != NULL && !netlist_has(s->net, &m->client, client_name))
            why = "is not trusted for mail from this client";
        else
            return NULL;
    }
    return why;
}

/* What one AAR says of DMARC for this author. */
enum evidence { EVIDENCE_PASS, EVIDENCE_OTHER, EVIDENCE_UNFIT };

/* ST_SYNTAX: it does not. */
static enum status
names_author(struct arena *a, const struct authres_result *r, slice author)
{
    unsigned n = 0;
    bool same = false;
    for (size_t i = 0; i < r->n_properties; i++) {
        const struct authres_property *p = &r->properties[i];
        slice name;
        if (!slice_ieq(p->ptype, SLICE("header")) || !slice_ieq(p->name, SLICE("from")))
            continue;
        n++;
        enum status st = domain_from_text(a, p->value, &name);
        if (st == ST_NOMEM)
            return st;
        same = st == ST_OK && slice_eq(name, author);
    }
    return n == 1 && same ? ST_OK : ST_SYNTAX;
}

/* ST_NOMEM, else ST_OK: what could not be read for trouble of ours is no word against the author. */
static enum status
read_evidence(struct arena *a, const struct arc_set *set, slice author, enum evidence *out)
{
    struct authres ar;
    const struct authres_result *dmarc = NULL;
    *out = EVIDENCE_UNFIT;
    enum status st = authres_parse(a, set->aar_payload, &ar);
    if (st != ST_OK || ar.version != 1) /* RFC 8601 2.2: what another version says is not known */
        return st == ST_NOMEM ? st : ST_OK;
    for (size_t i = 0; i < ar.n_results; i++) {
        if (!slice_eq(ar.results[i].method, SLICE("dmarc")))
            continue;
        if (dmarc != NULL)
            return ST_OK; /* two answers are none */
        dmarc = &ar.results[i];
    }
    if (dmarc == NULL || !slice_eq(dmarc->result, SLICE("pass"))) {
        *out = EVIDENCE_OTHER;
        return ST_OK;
    }
    st = names_author(a, dmarc, author);
    if (st == ST_OK)
        *out = EVIDENCE_PASS;
    return st == ST_NOMEM ? st : ST_OK;
}

/* smtp.remote-ip of the first set, as an address or not at all. */
static bool
first_remote_ip(struct arena *a, const struct arc_set *set, char text[NETADDR_TEXT_MAX])
{
    struct authres ar;
    struct netaddr addr;
    if (authres_parse(a, set->aar_payload, &ar) != ST_OK)
        return false;
    for (size_t i = 0; i < ar.n_results; i++)
        for (size_t k = 0; k < ar.results[i].n_properties; k++) {
            const struct authres_property *p = &ar.results[i].properties[k];
            if (slice_ieq(p->ptype, SLICE("smtp")) && slice_ieq(p->name, SLICE("remote-ip")) &&
                netaddr_parse(p->value, &addr)) {
                netaddr_text(&addr, text);
                return true;
            }
        }
    return false;
}

/* RFC 8617 7.2.2: chain status, domain and selector of every seal, and the address of the first set. */
static slice
make_comment(struct arena *a, const struct arc_result *arc)
{
    char ip[NETADDR_TEXT_MAX];
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_printf(&b, "arc=%s", arc_status_name(arc->status));
    for (unsigned i = arc->sets; i > 0; i--)
        strbuf_printf(&b, " as[%u].d=%.*s as[%u].s=%.*s", i, SLICE_ARG(arc->chain[i - 1].seal_d), i,
                      SLICE_ARG(arc->chain[i - 1].seal_s));
    if (first_remote_ip(a, &arc->chain[0], ip))
        strbuf_printf(&b, " remote-ip[1]=%s", ip);
    return strbuf_finish(&b, a);
}

static bool
sealed_later(const struct arc_result *arc, unsigned instance)
{
    for (unsigned i = arc->sets; i > instance; i--)
        if (slice_ieq(arc->chain[i - 1].seal_d, arc->chain[instance - 1].seal_d))
            return true;
    return false;
}

/* From the newest hop down while every one is trusted, to the first that saw DMARC pass. */
static enum status
search(struct arena *a, const struct sealers *all, const struct record *m, int64_t now, struct trace *t,
       struct sealer_trust *out)
{
    const struct arc_result *arc = &m->arc;
    out->why = SLICE("no trusted sealer saw dmarc=pass");
    for (unsigned i = arc->sets; i > 0; i--) {
        const struct arc_set *set = &arc->chain[i - 1];
        const char *reason = distrust(all, set->seal_d, m, now);
        if (reason != NULL) {
            out->why = arena_printf(a, "ARC set %u: %.*s %s", i, SLICE_ARG(set->seal_d), reason);
            return ST_OK;
        }
        enum evidence e;
        enum status st = read_evidence(a, set, m->header_from, &e);
        if (st != ST_OK)
            return st;
        trace_line(t, "set %u: %.*s is trusted, its results %s", i, SLICE_ARG(set->seal_d),
                   e == EVIDENCE_PASS    ? "say dmarc=pass for this author domain"
                   : e == EVIDENCE_OTHER ? "do not say dmarc=pass"
                                         : "cannot be taken: unreadable, several dmarc results, or another author domain");
        if (e == EVIDENCE_UNFIT) {
            out->why = arena_printf(a, "ARC set %u: the results of %.*s are unreadable, contradictory or of another author",
                                    i, SLICE_ARG(set->seal_d));
            return ST_OK;
        }
        if (e == EVIDENCE_PASS && !sealed_later(arc, i)) { /* of each sealer only the newest word counts */
            out->trusted = true;
            out->sealer = set->seal_d;
            out->instance = i;
            out->comment = make_comment(a, arc);
            out->why = arena_printf(a, "trusted sealer %.*s (ARC set %u) saw dmarc=pass", SLICE_ARG(set->seal_d), i);
            return ST_OK;
        }
    }
    return ST_OK;
}

enum status
sealers_trust(struct arena *a, const struct sealers *s, const struct record *m, int64_t now, struct trace *t,
              struct sealer_trust *out)
{
    struct sealer_trust r = { .sealer = SLICE_EMPTY, .comment = SLICE_EMPTY };
    enum status st = ST_OK;
    trace_begin(t, "trusted sealers");
    if (sealers_count(s) == 0)
        r.why = SLICE("no sealer is trusted");
    else if (m->arc.status != ARC_PASS || m->arc.chain == NULL || m->arc.sets == 0)
        r.why = SLICE("no ARC chain that passes");
    else if (m->header_from.n == 0)
        r.why = SLICE("no author domain");
    else
        st = search(a, s, m, now, t, &r);
    if (r.why.p != NULL)
        trace_line(t, "%s: %.*s", r.trusted ? "trusted" : "not trusted", SLICE_ARG(r.why));
    trace_end(t);
    if (st != ST_OK || r.why.p == NULL || r.comment.p == NULL)
        return ST_NOMEM;
    *out = r;
    return ST_OK;
}
