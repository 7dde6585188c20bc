#include "tool/check_json.h"

#include "arc/seal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text from mail may be no UTF-8; jansson takes none but that, so other octets become U+FFFD. */
static json_t *
text(slice s)
{
    json_t *j = json_stringn(s.p, s.n);
    if (j != NULL)
        return j;
    struct strbuf b;
    strbuf_init(&b, 0);
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x80)
            strbuf_add_char(&b, s.p[i]);
        else
            strbuf_add_str(&b, "\xef\xbf\xbd");
    }
    slice clean = strbuf_slice(&b);
    j = json_stringn(clean.p, clean.n);
    strbuf_clear(&b);
    return j;
}

static json_t *
text_or_null(slice s)
{
    return s.n == 0 ? json_null() : text(s);
}

static json_t *
word_or_null(const char *word)
{
    return word == NULL ? json_null() : json_string(word);
}

static json_t *
spf_json(const struct spf_outcome *s, bool with_scope)
{
    if (s == NULL)
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "result", json_string(spf_result_name(s->result)));
    if (with_scope)
        json_object_set_new(j, "scope", json_string(s->scope == SPF_SCOPE_HELO ? "helo" : "mfrom"));
    json_object_set_new(j, "domain", text_or_null(s->domain));
    if (with_scope)
        json_object_set_new(j, "explanation", text_or_null(s->explanation));
    json_object_set_new(j, "reason", text_or_null(s->reason));
    json_object_set_new(j, "lookups", json_integer(s->lookups));
    return j;
}

static json_t *
iprev_json(const struct record *r)
{
    if (r->iprev == IPREV_NONE)
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "result", json_string(iprev_result_name(r->iprev)));
    json_object_set_new(j, "name", r->iprev == IPREV_PASS ? text_or_null(r->client_name) : json_null());
    return j;
}

static json_t *
dkim_json(const struct record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_dkim; i++) {
        const struct dkim_result *d = &r->dkim[i];
        json_t *j = json_object();
        json_object_set_new(j, "result", json_string(dkim_result_name(d->result)));
        json_object_set_new(j, "d", text_or_null(d->d));
        json_object_set_new(j, "s", text_or_null(d->s));
        json_object_set_new(j, "a", text_or_null(d->a));
        json_object_set_new(j, "i", text_or_null(d->i));
        json_object_set_new(j, "key_bits", json_integer(d->key_bits));
        json_object_set_new(j, "header_b", text(slice_head(d->b, 8)));
        json_object_set_new(j, "unsigned_bytes", json_integer((json_int_t)d->unsigned_bytes));
        json_object_set_new(j, "testing", json_boolean(d->testing));
        json_object_set_new(j, "reason", text_or_null(d->reason));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *
arc_json(const struct record *r)
{
    const struct arc_result *c = &r->arc;
    json_t *j = json_object(), *sealers = json_array();
    for (unsigned i = 0; c->chain != NULL && i < c->sets; i++) {
        json_t *s = json_object();
        json_object_set_new(s, "i", json_integer(c->chain[i].instance));
        json_object_set_new(s, "d", text_or_null(c->chain[i].seal_d));
        json_object_set_new(s, "s", text_or_null(c->chain[i].seal_s));
        json_array_append_new(sealers, s);
    }
    json_object_set_new(j, "result", json_string(arc_status_name(c->status)));
    json_object_set_new(j, "sets", json_integer(c->sets));
    json_object_set_new(j, "oldest_pass", c->status == ARC_PASS && c->oldest_pass >= 0 ? json_integer(c->oldest_pass) : json_null());
    json_object_set_new(j, "sealers", sealers);
    json_object_set_new(j, "trusted", json_boolean(r->arc_trusted));
    json_object_set_new(j, "reason", text_or_null(c->reason));
    return j;
}

static json_t *
seal_json(const struct arc_seal_set *s)
{
    if (s == NULL)
        return json_null();
    json_t *j = json_object();
    json_object_set_new(j, "AAR", text(s->aar));
    json_object_set_new(j, "AMS", text(s->ams));
    json_object_set_new(j, "AS", text(s->as));
    return j;
}

static json_t *
overrides_json(const struct record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_overrides; i++) {
        json_t *j = json_object();
        json_object_set_new(j, "type", text(r->overrides[i].type));
        json_object_set_new(j, "comment", text_or_null(r->overrides[i].comment));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *
dmarc_json(const struct record *r)
{
    const struct dmarc_result *d = &r->dmarc;
    json_t *j = json_object();
    json_object_set_new(j, "result", json_string(dmarc_result_name(d->result)));
    json_object_set_new(j, "policy", word_or_null(dmarc_policy_name(d->policy)));
    json_object_set_new(j, "disposition", json_string(d->disposition == DMARC_POLICY_UNSET ? "none" : dmarc_policy_name(d->disposition)));
    json_object_set_new(j, "from_domain", text_or_null(d->from_domain));
    json_object_set_new(j, "policy_domain", text_or_null(d->policy_domain));
    json_object_set_new(j, "org_domain", text_or_null(d->org_domain));
    json_object_set_new(j, "spf_aligned", json_boolean(d->spf_aligned));
    json_object_set_new(j, "dkim_aligned", json_boolean(d->dkim_aligned));
    json_object_set_new(j, "testing", json_boolean(d->testing));
    json_object_set_new(j, "override", overrides_json(r));
    json_object_set_new(j, "reason", text_or_null(d->reason));
    return j;
}

static json_t *
action_json(const struct verdict *v)
{
    const struct reply *early = &v->at_mail;
    const struct record *r = v->record;
    bool refused = early->kind == REPLY_REJECT || early->kind == REPLY_TEMPFAIL; /* at MAIL already: no more was seen */
    const struct reply *answer = refused ? early : &v->reply;
    enum action action = !refused ? r->action : early->kind == REPLY_REJECT ? ACTION_REJECT : ACTION_TEMPFAIL;
    json_t *j = json_object(), *reply = json_null();
    if (answer->text != NULL)
        reply = json_sprintf("%s %s %s", answer->code, answer->xcode, answer->text);
    json_object_set_new(j, "type", json_string(action_name(action)));
    json_object_set_new(j, "reply", reply);
    json_object_set_new(j, "rule", text_or_null(r->rule));
    json_object_set_new(j, "exempt", json_boolean(r->exempt));
    json_object_set_new(j, "hold", word_or_null(v->quarantine));
    json_object_set_new(j, "why", text_or_null(r->why));
    return j;
}

static json_t *
headers_json(const struct verdict *v)
{
    json_t *j = json_object(), *removed = json_array(), *added = json_array();
    for (size_t i = 0; i < v->n_deletes; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "name", text(v->deletes[i].name));
        json_object_set_new(e, "index", json_integer(v->deletes[i].nth));
        json_array_append_new(removed, e);
    }
    for (size_t i = 0; i < v->n_inserts; i++) {
        json_t *e = json_object();
        json_object_set_new(e, "name", text(v->inserts[i].name));
        json_object_set_new(e, "index", json_integer(v->inserts[i].nth));
        json_object_set_new(e, "value", text(v->inserts[i].value));
        json_array_append_new(added, e);
    }
    json_object_set_new(j, "remove", removed);
    json_object_set_new(j, "add", added);
    return j;
}

static json_t *
dns_json(struct dns_usage usage)
{
    json_t *j = json_object();
    json_object_set_new(j, "queries", json_integer(usage.questions));
    json_object_set_new(j, "sent", json_integer(usage.sent));
    json_object_set_new(j, "time_ms", json_integer(usage.wait_ms));
    return j;
}

static json_t *
verdict_json(const struct verdict *v)
{
    const struct record *r = v->record;
    json_t *j = json_object();
    json_object_set_new(j, "version", json_integer(1));
    json_object_set_new(j, "spf", spf_json(r->spf, true));
    json_object_set_new(j, "spf-helo", spf_json(r->spf_helo, false));
    json_object_set_new(j, "iprev", iprev_json(r));
    json_object_set_new(j, "dkim", dkim_json(r));
    json_object_set_new(j, "arc", arc_json(r));
    json_object_set_new(j, "arc_set", seal_json(v->seal));
    json_object_set_new(j, "dmarc", dmarc_json(r));
    json_object_set_new(j, "action", action_json(v));
    json_object_set_new(j, "headers", headers_json(v));
    json_object_set_new(j, "dns", dns_json(v->dns));
    return j;
}

static json_t *
verdict_spf_json(const struct verdict *v)
{
    json_t *j = json_object();
    json_object_set_new(j, "version", json_integer(1));
    json_object_set_new(j, "spf", spf_json(v->record->spf, true));
    json_object_set_new(j, "spf-helo", spf_json(v->record->spf_helo, false));
    json_object_set_new(j, "dns", dns_json(v->dns));
    return j;
}

char *
check_json_line(const struct verdict *v, bool spf_only)
{
    json_t *j = spf_only ? verdict_spf_json(v) : verdict_json(v);
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(j);
    size_t n = text == NULL ? 0 : strlen(text);
    char *line = text == NULL ? NULL : realloc(text, n + 2);
    if (line == NULL) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}

static bool
print_line(const struct verdict *v, bool spf_only)
{
    char *line = check_json_line(v, spf_only);
    if (line == NULL)
        return false;
    fputs(line, stdout);
    free(line);
    return true;
}

bool
check_json_print(const struct verdict *v)
{
    return print_line(v, false);
}

bool
check_json_print_spf(const struct verdict *v)
{
    return print_line(v, true);
}
