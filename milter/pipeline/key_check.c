#include "pipeline/key_check.h"

#include "base/arena.h"
#include "crypto/sign.h"
#include "dkim/key_record.h"
#include "mail/domain.h"

struct finding {
    enum key_state state;
    struct strbuf text;
};

static void
find(struct finding *f, enum key_state state, const char *text)
{
    f->state = state;
    strbuf_reset(&f->text);
    strbuf_add_str(&f->text, text);
}

/* What DNS holds against the key that signs (RFC 6376 6.1.2 as verifiers read it). */
static void
judge_record(struct finding *f, struct arena *a, const struct private_key *key, slice text)
{
    struct key_record r;
    const char *why = NULL;
    enum key_type type = private_key_algorithm(key) == SIGN_RSA_SHA256 ? KEY_RSA : KEY_ED25519;
    if (key_record_parse(a, text, &r, &why) != ST_OK) {
        find(f, KEY_WRONG, "the record cannot be read: ");
        strbuf_add_str(&f->text, why == NULL ? "out of memory" : why);
    } else if (r.revoked) {
        find(f, KEY_WRONG, "the key is revoked (p= is empty)");
    } else if ((why = key_record_refusal(&r, type, HASH_SHA256, false)) != NULL) {
        find(f, KEY_WRONG, "verifiers will not use the record: ");
        strbuf_add_str(&f->text, why);
    } else if (!private_key_matches(key, r.data)) {
        find(f, KEY_WRONG, "another key is published");
    } else {
        find(f, KEY_PUBLISHED, "published, and the same key");
        strbuf_printf(&f->text, " (%s, %u bits)", sign_algorithm_name(private_key_algorithm(key)), private_key_bits(key));
        if (r.testing)
            strbuf_add_str(&f->text, "; t=y says it is only being tested");
        if (type == KEY_RSA && private_key_bits(key) < 2048)
            strbuf_add_str(&f->text, "; RFC 8301 3.2 advises 2048 bits");
    }
}

static void
judge_answer(struct finding *f, struct arena *a, const struct private_key *key, const struct dns_answer *answer)
{
    switch (answer->status) {
    case DNS_OK:
        if (answer->n > 1)
            find(f, KEY_WRONG, "there is more than one TXT record (RFC 6376 3.6.2.2)");
        else
            judge_record(f, a, key, answer->records[0].data);
        return;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        find(f, KEY_WRONG, "not published");
        return;
    case DNS_BADNAME:
        find(f, KEY_WRONG, "the name cannot be asked for");
        return;
    case DNS_SERVFAIL:
    case DNS_TIMEOUT:
    case DNS_BUDGET:
        break;
    }
    find(f, KEY_UNSURE, "DNS did not answer: ");
    strbuf_add_str(&f->text, dns_status_name(answer->status));
}

static void
check_one(struct finding *f, struct resolver *r, const struct dns_limits *limits, const struct key_entry *e, int64_t now)
{
    struct arena *a = arena_new(0);
    char *path = a == NULL ? NULL : arena_strdup(a, e->path);
    slice name = a == NULL ? SLICE_EMPTY : arena_printf(a, "%.*s._domainkey.%.*s", SLICE_ARG(e->selector), SLICE_ARG(e->domain));
    find(f, KEY_UNSURE, "out of memory");
    struct private_key *key = NULL;
    struct dns_session *dns = NULL;
    if (path != NULL && name.p != NULL) {
        find(f, KEY_WRONG, "");
        key = private_key_load(path, false, &f->text);
    }
    if (key != NULL && slice_eq(e->domain, SLICE("%"))) {
        find(f, KEY_UNSURE, "not asked: the domain is that of the message");
    } else if (key != NULL && (dns = dns_session_new(r, limits)) != NULL) {
        judge_answer(f, a, key, dns_lookup(dns, DNS_TXT, name));
    }
    if (f->state == KEY_WRONG && key != NULL && e->from > now) {
        f->state = KEY_UNSURE;
        strbuf_add_str(&f->text, "; it does not sign yet");
    }
    dns_session_free(dns);
    private_key_free(key);
    arena_free(a);
}

enum status
key_check(const struct config *c, struct resolver *r, int64_t now, key_check_line *line, void *arg, struct strbuf *errors)
{
    const struct dns_limits limits = { .timeout_ms = c->message_timeout_ms, .max_queries = 4 };
    if (c->key_table == NULL) {
        config_problem(c, "KeyTable", errors, "is not set; name the file that holds the keys");
        return ST_SYNTAX;
    }
    struct key_table *t = config_can_read(c, "KeyTable", c->key_table, errors) ? key_table_load(c->key_table, errors) : NULL;
    if (t == NULL)
        return ST_SYNTAX;
    struct finding f;
    strbuf_init(&f.text, 0);
    for (size_t i = 0; i < key_table_count(t); i++) {
        check_one(&f, r, &limits, key_table_at(t, i), now);
        line(arg, key_table_at(t, i), f.state, strbuf_str(&f.text));
    }
    strbuf_clear(&f.text);
    key_table_free(t);
    return ST_OK;
}
