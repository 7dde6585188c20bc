#include "pipeline/seal.h"

#include <stdlib.h>
#include <string.h>

#include "mail/domain.h"
#include "pipeline/policy.h"
#include "pipeline/twopass.h"

struct seal_plan {
    struct config *config; /* counted */
    struct key_table *keys;
    struct signing_table *signing;
};

/* ------------------------------------------------------------------ loading */

/* RFC 5322 3.6.8 ftext; ";" too would end the h= it is written into. */
static bool
is_field_name(slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == ':' || name.p[i] == ';')
            return false;
    return name.n > 0;
}

/* What is changed at the end of the message cannot be signed before it (RFC 8617 5.1 step 1). */
static void
check_signed(const struct config *c, const struct string_list *l, const char *option, struct strbuf *errors)
{
    for (size_t i = 0; i < l->n; i++) {
        slice name = slice_from(l->items[i]);
        if (!is_field_name(name))
            config_problem(c, option, errors, "\"%s\" is no name of a header field", l->items[i]);
        else if (slice_ieq(name, SLICE(POLICY_TAG_FIELD)) || slice_ieq(name, SLICE(TWO_PASS_FIELD)))
            config_problem(c, option, errors, "%s is written by this host and cannot be signed", l->items[i]);
    }
}

/* SealFor: "*", a domain, ".domain", relay:HOST, transport:NAME.  SealHeaderChecks: Name:pattern. */
static void
check_lists(const struct config *c, struct strbuf *errors)
{
    struct arena *a = arena_new(0);
    for (size_t i = 0; a != NULL && i < c->seal_for.n; i++) {
        slice item = slice_from(c->seal_for.items[i]), name;
        bool marked = slice_istarts(item, SLICE("relay:")) || slice_istarts(item, SLICE("transport:"));
        slice plain = item.n > 1 && item.p[0] == '.' ? slice_tail(item, 1) : item;
        if (!marked && !slice_eq(item, SLICE("*")) && domain_from_text(a, plain, &name) != ST_OK)
            config_problem(c, "SealFor", errors, "\"%s\" is no domain, .domain, relay:HOST, transport:NAME or *", c->seal_for.items[i]);
    }
    for (size_t i = 0; i < c->seal_header_checks.n; i++)
        if (!slice_has(slice_from(c->seal_header_checks.items[i]), ':'))
            config_problem(c, "SealHeaderChecks", errors, "\"%s\" is not like Name:pattern", c->seal_header_checks.items[i]);
    check_signed(c, &c->seal_headers, "SealHeaders", errors);
    check_signed(c, &c->oversign_headers, "OversignHeaders", errors);
    for (size_t i = 0; c->received_spf && i < c->oversign_headers.n; i++)
        if (slice_ieq(slice_from(c->oversign_headers.items[i]), SLICE("Received-SPF")))
            config_problem(c, "OversignHeaders", errors,
                           "with ReceivedSPF this host adds a Received-SPF itself, which would break its own seal");
    arena_free(a);
}

static void
check_keys(const struct config *c, const struct key_table *keys, struct signer *signer, struct strbuf *errors)
{
    enum sign_algorithm a;
    for (size_t i = 0; signer != NULL && i < key_table_count(keys); i++) {
        const struct key_entry *e = key_table_at(keys, i);
        if (!signer_find(signer, e->path, &a))
            strbuf_printf(errors, "%s:%u: the key file %.*s cannot be used\n", c->key_table, e->line, SLICE_ARG(e->path));
    }
}

enum status
seal_plan_load(const struct config *c, struct signer *signer, struct seal_plan **out, struct strbuf *errors)
{
    *out = NULL;
    if (!c->arc_seal)
        return ST_OK;
    size_t before = errors->n;
    struct seal_plan *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ST_NOMEM;
    check_lists(c, errors);
    p->config = config_acquire((struct config *)(uintptr_t)c);
    if (config_can_read(c, "KeyTable", c->key_table, errors))
        p->keys = key_table_load(c->key_table, errors);
    if (p->keys != NULL) {
        if (config_can_read(c, "SigningTable", c->signing_table, errors))
            p->signing = signing_table_load(c->signing_table, p->keys, errors);
        check_keys(c, p->keys, signer, errors);
    }
    if (p->keys == NULL || p->signing == NULL || errors->n != before) {
        seal_plan_free(p);
        return strbuf_status(errors) == ST_OK ? ST_SYNTAX : strbuf_status(errors);
    }
    *out = p;
    return ST_OK;
}

void
seal_plan_free(struct seal_plan *p)
{
    if (p == NULL)
        return;
    key_table_free(p->keys);
    signing_table_free(p->signing);
    config_release(p->config);
    free(p);
}

struct signer *
seal_local_signer(const struct config *c, bool strict, struct strbuf *errors)
{
    struct signer_keys list = { 0 };
    bool there = c->key_table != NULL && config_can_read(c, "KeyTable", c->key_table, errors);
    struct key_table *t = there ? key_table_load(c->key_table, errors) : NULL;
    struct signer *s = t == NULL || key_table_list(t, &list) != ST_OK ? NULL : signer_local_new(&list, !strict, errors);
    key_table_free(t);
    signer_keys_clear(&list);
    return s;
}

void
seal_source_list(void *arg, struct signer_keys *keys, struct strbuf *errors)
{
    const struct seal_source *s = arg;
    struct config *c;
    if (config_load(s->file, s->overrides, s->n_overrides, errors, &c) != ST_OK)
        return;
    if (c->arc_seal) {
        struct key_table *t = key_table_load(c->key_table, errors);
        if (t != NULL && key_table_list(t, keys) != ST_OK)
            strbuf_add_str(errors, "out of memory\n");
        key_table_free(t);
    }
    config_release(c);
}

/* ------------------------------------------------------------------ whether */

static bool
target_fits(slice item, const struct seal_address *r)
{
    if (slice_istarts(item, SLICE("relay:")))
        return r->relay.n > 0 && slice_ieq(slice_tail(item, 6), r->relay);
    if (slice_istarts(item, SLICE("transport:")))
        return r->transport.n > 0 && slice_ieq(slice_tail(item, 10), r->transport);
    if (slice_eq(item, SLICE("*")))
        return true;
    if (item.n > 1 && item.p[0] == '.')
        return r->domain.n > item.n && slice_iends(r->domain, item);
    return slice_ieq(item, r->domain);
}

/* One recipient for whom the mail will travel on is enough: all of them get the same message. */
static bool
travels_on(const struct config *c, const struct seal_facts *f)
{
    for (size_t i = 0; i < c->seal_for.n; i++)
        for (size_t k = 0; k < f->n_recipients; k++)
            if (target_fits(slice_from(c->seal_for.items[i]), &f->recipients[k]))
                return true;
    return c->seal_for.n == 0;
}

static bool
headers_fit(const struct config *c, const struct header_list *headers)
{
    for (size_t i = 0; i < c->seal_header_checks.n; i++) {
        slice name, pattern;
        slice_cut(slice_from(c->seal_header_checks.items[i]), ':', &name, &pattern);
        name = slice_trim(name);
        unsigned count = (unsigned)header_list_count_name(headers, name);
        for (unsigned nth = 1; nth <= count; nth++)
            if (slice_ifits(slice_trim(pattern), slice_trim(header_list_find(headers, name, nth)->value)))
                return true;
    }
    return c->seal_header_checks.n == 0;
}

static const char *
why_not(const struct config *c, const struct seal_facts *f)
{
    if (!f->evaluated)
        return "nothing was evaluated";
    if (f->rule == SEAL_NOT_BY_RULE)
        return "a rule says so";
    if (f->rule == SEAL_BY_RULE)
        return NULL;
    if (f->authenticated && !c->seal_authenticated)
        return "submitted by an authenticated client";
    if (!travels_on(c, f))
        return "SealFor names none of the recipients";
    if (!headers_fit(c, f->headers))
        return "no field fits SealHeaderChecks";
    return NULL;
}

/* ------------------------------------------------------------------ as whom */

static slice
signing_name(const struct seal_plan *p, const struct seal_facts *f, slice *domain)
{
    for (size_t i = 0; i < f->n_recipients; i++) {
        slice name = signing_table_match(p->signing, f->recipients[i].local_part, f->recipients[i].domain);
        *domain = f->recipients[i].domain;
        if (name.n > 0)
            return name;
    }
    *domain = f->sender.domain;
    slice name = f->sender.domain.n == 0 ? SLICE_EMPTY
                                         : signing_table_match(p->signing, f->sender.local_part, f->sender.domain);
    if (name.n > 0)
        return name;
    *domain = SLICE_EMPTY;
    return signing_table_match(p->signing, SLICE_EMPTY, SLICE_EMPTY);
}

void
seal_choose(const struct seal_plan *p, const struct seal_facts *f, struct seal_choice *out)
{
    *out = (struct seal_choice){ .why_not = why_not(p->config, f) };
    if (out->why_not != NULL)
        return;
    slice domain, name = signing_name(p, f, &domain);
    const struct key_entry *e = name.n == 0 ? NULL : key_table_pick(p->keys, name, f->now);
    bool matched = e != NULL && slice_eq(e->domain, SLICE("%"));
    if (name.n == 0)
        out->why_not = "the SigningTable names no key";
    else if (e == NULL)
        out->why_not = "the KeyTable has no key of that name that signs yet";
    else if (matched && domain.n == 0)
        out->why_not = "the key takes the matched domain, and none was matched";
    else if (matched && domain_labels(domain) < 2)
        out->why_not = "the matched domain has one label only, no seal can name it";
    else
        *out = (struct seal_choice){ matched ? domain : e->domain, e->selector, e->path, NULL };
}
