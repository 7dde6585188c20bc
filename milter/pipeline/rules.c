#include "pipeline/rules_data.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_OCTETS 64
#define COMMENT_MAX 255

/* ---- the words, in the order of the enums */

static const char *const action_words[] = { "accept", "tag", "quarantine", "reject", "defer", "continue", NULL };
static const char *const dmarc_words[] = { "none", "pass", "fail", "temperror", "permerror", "any", NULL };
static const char *const policy_words[] = { "unpublished", "none", "quarantine", "reject", NULL };
static const char *const spf_words[] = { "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror", NULL };
static const char *const dkim_words[] = { "none", "pass", "fail", "policy", "neutral", "temperror", "permerror", NULL };
static const char *const reason_words[] = { "local_policy", "mailing_list", "trusted_forwarder", "other", NULL };

enum value_kind { VALUES_NONE, VALUES_NAMES, VALUES_TEXT, VALUES_CLIENTS, VALUES_WORDS };

static const struct {
    const char *name;
    enum value_kind kind;
    const char *special;      /* a value of its own, beside names */
    const char *const *words; /* VALUES_WORDS */
} fields[] = {
    [FIELD_ANY] = { "any", VALUES_NONE, NULL, NULL },
    [FIELD_FROM] = { "from", VALUES_NAMES, NULL, NULL },
    [FIELD_CLIENT] = { "client", VALUES_CLIENTS, NULL, NULL },
    [FIELD_MAIL_FROM] = { "mail-from", VALUES_NAMES, "<>", NULL },
    [FIELD_RCPT] = { "rcpt", VALUES_NAMES, NULL, NULL },
    [FIELD_LIST] = { "list", VALUES_NONE, NULL, NULL },
    [FIELD_LIST_ID] = { "list-id", VALUES_TEXT, NULL, NULL },
    [FIELD_SEALER] = { "sealer", VALUES_NAMES, "trusted", NULL },
    [FIELD_SIGNED_BY] = { "signed-by", VALUES_NAMES, NULL, NULL },
    [FIELD_DMARC] = { "dmarc", VALUES_WORDS, NULL, dmarc_words },
    [FIELD_POLICY] = { "policy", VALUES_WORDS, NULL, policy_words },
    [FIELD_SPF] = { "spf", VALUES_WORDS, NULL, spf_words },
    [FIELD_DKIM] = { "dkim", VALUES_WORDS, NULL, dkim_words },
};

const char *
rule_field_name(enum rule_field f)
{
    return fields[f].name;
}

const char *
rule_action_name(enum rule_action a)
{
    return action_words[a];
}

/* ---- reading */

struct reader {
    struct ruletext l;
    struct rules *rules;
    bool no_memory;
};

static bool
good(const struct reader *rd)
{
    return !rd->l.bad && !rd->no_memory;
}

static void
expected(struct reader *rd, const char *what, const char *const *words)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        strbuf_printf(&b, "%s%s", i == 0 ? ": " : ", ", words[i]);
    if (rd->l.token == TOKEN_END)
        ruletext_error(&rd->l, "the rule ends where %s is expected%s", what, strbuf_str(&b));
    else
        ruletext_error(&rd->l, "\"%.*s\" is not %s%s", (int)(rd->l.word.n > 60 ? 60 : rd->l.word.n), rd->l.word.p, what,
                       strbuf_str(&b));
    strbuf_clear(&b);
}

/* The index of the current word in the list; -1, and said, if it is not in it. */
static int
word_of(struct reader *rd, const char *what, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (ruletext_is(&rd->l, words[i]))
            return i;
    expected(rd, what, words);
    return -1;
}

static bool
at_value(const struct reader *rd)
{
    return rd->l.token == TOKEN_STRING || (rd->l.token == TOKEN_WORD && !ruletext_is(&rd->l, "->"));
}

/* A condition's name where a value is expected: the comma before it was forgotten. */
static bool
comma_is_missing(struct reader *rd)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (ruletext_is(&rd->l, fields[i].name)) {
            ruletext_error(&rd->l, "\",\" is missing before %s", fields[i].name);
            return true;
        }
    return false;
}

static void
read_name_value(struct reader *rd, struct rule_condition *c)
{
    struct name_pattern p = { .name = rd->l.word };
    const char *special = fields[c->field].special;
    if (special != NULL && ruletext_is(&rd->l, special)) {
        c->special = true;
        return;
    }
    if (comma_is_missing(rd))
        return;
    enum status st = ST_OK;
    if (fields[c->field].kind == VALUES_TEXT) {
        p.below = p.name.n > 1 && p.name.p[0] == '.';
        p.name = arena_lower(rd->rules->a, slice_tail(p.name, p.below ? 1 : 0));
    } else {
        st = name_pattern_parse(rd->rules->a, rd->l.word, &p);
    }
    if (st == ST_SYNTAX)
        expected(rd, "a domain (example.org, or .example.org for it and all below it)", NULL);
    else if (c->field == FIELD_SEALER && p.below) /* a suffix would let anybody below it seal */
        ruletext_error(&rd->l, "a sealer is named exactly, without a leading dot");
    else if (st != ST_OK || p.name.p == NULL || name_list_add(&c->names, rd->rules->a, p) != ST_OK)
        rd->no_memory = true;
}

static void
read_client_value(struct reader *rd, struct rule_condition *c)
{
    if (comma_is_missing(rd))
        return;
    if (c->net == NULL && (c->net = netlist_new()) == NULL) {
        rd->no_memory = true;
        return;
    }
    enum status st = client_list_add(c->net, rd->rules->a, rd->l.word);
    if (st == ST_SYNTAX)
        expected(rd, "an address (192.0.2.1), a network (2001:db8::/32) or a host name (mx.example.org, .example.org)", NULL);
    else if (st != ST_OK)
        rd->no_memory = true;
}

static void
read_word_value(struct reader *rd, struct rule_condition *c)
{
    int i = word_of(rd, c->field == FIELD_POLICY ? "a policy" : "a result", fields[c->field].words);
    if (i < 0)
        return;
    if (c->field == FIELD_DMARC && strcmp(dmarc_words[i], "any") == 0)
        c->special = true;
    else
        c->words |= RULE_BIT(i);
}

static void
read_values(struct reader *rd, struct rule_condition *c)
{
    enum value_kind kind = fields[c->field].kind;
    if (kind == VALUES_NONE)
        return;
    if (!at_value(rd))
        ruletext_error(&rd->l, "%s needs a value", fields[c->field].name);
    while (good(rd) && at_value(rd)) {
        switch (kind) {
        case VALUES_NAMES:
        case VALUES_TEXT:
            read_name_value(rd, c);
            break;
        case VALUES_CLIENTS:
            read_client_value(rd, c);
            break;
        case VALUES_WORDS:
            read_word_value(rd, c);
            break;
        case VALUES_NONE:
            break;
        }
        ruletext_next(&rd->l);
    }
}

static struct rule_condition *
new_condition(struct reader *rd, struct rule_entry *e)
{
    if (e->n == e->cap) {
        size_t cap = e->cap == 0 ? 4 : e->cap * 2;
        struct rule_condition *grown = arena_array(rd->rules->a, cap, sizeof(*grown));
        if (grown == NULL) {
            rd->no_memory = true;
            return NULL;
        }
        if (e->n > 0)
            memcpy(grown, e->conditions, e->n * sizeof(*grown));
        e->conditions = grown;
        e->cap = cap;
    }
    return &e->conditions[e->n++];
}

static void
read_condition(struct reader *rd, struct rule_entry *e)
{
    bool negated = ruletext_is(&rd->l, "not");
    if (negated)
        ruletext_next(&rd->l);
    size_t f = 0;
    while (f < COUNT(fields) && !ruletext_is(&rd->l, fields[f].name))
        f++;
    if (f == COUNT(fields)) {
        const char *names[COUNT(fields) + 1] = { NULL };
        for (size_t i = 0; i < COUNT(fields); i++)
            names[i] = fields[i].name;
        expected(rd, "a condition", names);
        return;
    }
    struct rule_condition *c = new_condition(rd, e);
    if (c == NULL)
        return;
    c->field = (enum rule_field)f;
    c->negated = negated;
    e->names_result |= c->field == FIELD_DMARC;
    ruletext_next(&rd->l);
    read_values(rd, c);
}

static void
read_conditions(struct reader *rd, struct rule_entry *e)
{
    do {
        read_condition(rd, e);
        if (!good(rd))
            return;
        if (rd->l.token == TOKEN_COMMA) {
            ruletext_next(&rd->l);
            continue;
        }
        if (!ruletext_is(&rd->l, "->"))
            expected(rd, "\",\" and another condition, or \"->\" and an action", NULL);
        break;
    } while (good(rd));
    if (good(rd))
        ruletext_next(&rd->l);
}

static void
read_reason(struct reader *rd, struct rule_entry *e)
{
    int i = word_of(rd, "an override type of RFC 9990", reason_words);
    if (i < 0)
        return;
    e->rule.reason_type = slice_from(reason_words[i]);
    ruletext_next(&rd->l);
    if (rd->l.token != TOKEN_STRING)
        return;
    if (rd->l.word.n > COMMENT_MAX || !slice_is_printable(rd->l.word))
        ruletext_error(&rd->l, "a comment is printable ASCII of at most %d characters", COMMENT_MAX);
    e->rule.reason_comment = arena_slice(rd->rules->a, rd->l.word);
    rd->no_memory |= e->rule.reason_comment.p == NULL;
    ruletext_next(&rd->l);
}

static void
read_action(struct reader *rd, struct rule_entry *e)
{
    int i = word_of(rd, "an action", action_words);
    if (i < 0)
        return;
    e->rule.action = (enum rule_action)i;
    ruletext_next(&rd->l);
    while (good(rd) && rd->l.token != TOKEN_END) {
        if (ruletext_is(&rd->l, "dry-run") && !e->rule.dry_run) {
            e->rule.dry_run = true;
            ruletext_next(&rd->l);
        } else if ((ruletext_is(&rd->l, "seal") || ruletext_is(&rd->l, "no-seal")) && e->rule.seal == RULE_SEAL_AS_CONFIGURED) {
            e->rule.seal = ruletext_is(&rd->l, "seal") ? RULE_SEAL : RULE_NO_SEAL;
            ruletext_next(&rd->l);
        } else if (ruletext_is(&rd->l, "reason") && e->rule.reason_type.n == 0) {
            ruletext_next(&rd->l);
            read_reason(rd, e);
        } else {
            expected(rd, "the end of the rule, \"dry-run\", \"seal\", \"no-seal\" or \"reason TYPE\" (each once)", NULL);
        }
    }
}

/* What DNS may say in a minute is no ground for a final refusal (RFC 9989 5.3.6). */
static void
check_rule(struct reader *rd, const struct rule_entry *e)
{
    for (size_t i = 0; i < e->n && e->rule.action == RULE_REJECT; i++) {
        const struct rule_condition *c = &e->conditions[i];
        bool temperror = (c->field == FIELD_DMARC && (c->words & RULE_BIT(DMARC_TEMPERROR)) != 0) ||
                         (c->field == FIELD_SPF && (c->words & RULE_BIT(SPF_TEMPERROR)) != 0) ||
                         (c->field == FIELD_DKIM && (c->words & RULE_BIT(DKIM_TEMPERROR)) != 0);
        if (temperror && !c->negated)
            ruletext_error(&rd->l, "rule %.*s: a temporary error cannot be refused for good; the action is defer",
                           SLICE_ARG(e->rule.name));
    }
}

static void
read_name(struct reader *rd, struct rule_entry *e)
{
    ruletext_next(&rd->l);
    slice name = rd->l.word;
    bool colon = rd->l.token == TOKEN_WORD && name.n > 1 && name.p[name.n - 1] == ':';
    name = slice_head(name, name.n - colon);
    bool fine = rd->l.token == TOKEN_WORD && name.n <= NAME_MAX_OCTETS;
    for (size_t i = 0; i < name.n; i++)
        fine = fine && (ascii_is_alnum(name.p[i]) || memchr("-_.", name.p[i], 3) != NULL);
    if (!fine) {
        expected(rd, "a name for the rule (letters, digits, \"-\", \"_\", \".\")", NULL);
        return;
    }
    for (size_t i = 0; i + 1 < rd->rules->n; i++)
        if (slice_ieq(rd->rules->entries[i].rule.name, name))
            ruletext_error(&rd->l, "there is a rule of this name in line %u", rd->rules->entries[i].rule.line);
    e->rule.name = arena_slice(rd->rules->a, name);
    e->rule.line = rd->l.word_line;
    rd->no_memory |= e->rule.name.p == NULL;
    ruletext_next(&rd->l);
    if (!colon && good(rd) && !ruletext_is(&rd->l, ":"))
        expected(rd, "\":\" after the rule's name", NULL);
    if (!colon && good(rd))
        ruletext_next(&rd->l);
}

static struct rule_entry *
new_entry(struct reader *rd)
{
    struct rules *r = rd->rules;
    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? 16 : r->cap * 2;
        struct rule_entry *grown = arena_array(r->a, cap, sizeof(*grown));
        if (grown == NULL) {
            rd->no_memory = true;
            return NULL;
        }
        if (r->n > 0)
            memcpy(grown, r->entries, r->n * sizeof(*grown));
        r->entries = grown;
        r->cap = cap;
    }
    struct rule_entry *e = &r->entries[r->n++];
    e->rule.name = e->rule.reason_type = e->rule.reason_comment = SLICE_EMPTY;
    return e;
}

static void
read_rule(struct reader *rd)
{
    if (!ruletext_is(&rd->l, "rule")) {
        ruletext_error(&rd->l, "a statement begins with \"rule NAME:\"; lines that go on are indented");
        return;
    }
    struct rule_entry *e = new_entry(rd);
    if (e != NULL)
        read_name(rd, e);
    if (good(rd))
        read_conditions(rd, e);
    if (good(rd))
        read_action(rd, e);
    if (good(rd))
        check_rule(rd, e);
}

struct rules *
rules_parse(slice text, const char *file, struct strbuf *errors)
{
    struct reader rd = { .rules = calloc(1, sizeof(*rd.rules)) };
    if (rd.rules == NULL || (rd.rules->a = arena_new(0)) == NULL) {
        strbuf_printf(errors, "%s: out of memory\n", file);
        free(rd.rules);
        return NULL;
    }
    ruletext_init(&rd.l, text, file, errors);
    while (!rd.no_memory && ruletext_statement(&rd.l))
        read_rule(&rd);
    if (rd.no_memory)
        strbuf_printf(errors, "%s: out of memory\n", file);
    if (!rd.no_memory && rd.l.n_errors == 0)
        return rd.rules;
    rules_free(rd.rules);
    return NULL;
}

struct rules *
rules_load(const char *file, struct strbuf *errors)
{
    size_t n;
    char *text = ruletext_read_file(file, &n, errors);
    if (text == NULL)
        return NULL;
    struct rules *r = rules_parse((slice){ text, n }, file, errors);
    free(text);
    return r;
}

void
rules_free(struct rules *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < r->entries[i].n; k++)
            netlist_free(r->entries[i].conditions[k].net);
    arena_free(r->a);
    free(r);
}

size_t
rules_count(const struct rules *r)
{
    return r == NULL ? 0 : r->n;
}

const struct rule *
rules_at(const struct rules *r, size_t i)
{
    return &r->entries[i].rule;
}
