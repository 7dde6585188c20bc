#include "abnf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { ALTERNATION, CONCATENATION, REPETITION, LITERAL, RANGE, RULE };

#define CHILDREN_MAX 80
#define RULES_MAX 120
#define TEXT_MAX 63

struct node {
    enum kind kind;
    struct node *child[CHILDREN_MAX];
    size_t n;
    unsigned min, max; /* REPETITION: how often; RANGE: octets */
    slice text;        /* LITERAL, RULE */
    bool exact;        /* LITERAL: case matters */
    size_t rule;
};

struct rule {
    slice name;
    struct node *body;
    /* ends of the matches that begin at each place, as bits; valid for one text */
    uint64_t ends[TEXT_MAX + 1];
    unsigned long known[TEXT_MAX + 1];
};

struct abnf {
    char *text;
    const char *at;
    struct rule rules[RULES_MAX];
    size_t n_rules;
    struct node *nodes[4000];
    size_t n_nodes;
    unsigned long run;
    slice input;
};

static const char core[] = "ALPHA = %x41-5A / %x61-7A\n"
                           "DIGIT = %x30-39\n"
                           "DQUOTE = %x22\n"
                           "VCHAR = %x21-7E\n"
                           "WSP = %x20 / %x09\n";

static void
give_up(const struct abnf *g, const char *why)
{
    fprintf(stderr, "abnf: %s at: %.60s\n", why, g->at);
    abort();
}

static struct node *
new_node(struct abnf *g, enum kind kind)
{
    struct node *n = calloc(1, sizeof(*n));
    if (n == NULL || g->n_nodes == COUNT(g->nodes))
        give_up(g, "no room");
    n->kind = kind;
    g->nodes[g->n_nodes++] = n;
    return n;
}

static void
add_child(struct abnf *g, struct node *n, struct node *child)
{
    if (n->n == CHILDREN_MAX)
        give_up(g, "too many parts");
    n->child[n->n++] = child;
}

/* White space, and line ends inside a rule. */
static void
skip(struct abnf *g)
{
    for (;;) {
        if (*g->at == ' ' || (*g->at == '\n' && g->at[1] == ' '))
            g->at++;
        else
            return;
    }
}

static size_t
find_rule(struct abnf *g, slice name)
{
    for (size_t i = 0; i < g->n_rules; i++)
        if (slice_ieq(g->rules[i].name, name))
            return i;
    if (g->n_rules == RULES_MAX)
        give_up(g, "too many rules");
    g->rules[g->n_rules].name = name;
    return g->n_rules++;
}

static slice
read_rule_name(struct abnf *g)
{
    const char *start = g->at;
    while (ascii_is_alnum(*g->at) || *g->at == '-')
        g->at++;
    return (slice){ start, (size_t)(g->at - start) };
}

static struct node *read_alternation(struct abnf *g);

static struct node *
read_number(struct abnf *g)
{
    int base = *g->at == 'd' ? 10 : 16;
    char *end;
    struct node *n = new_node(g, CONCATENATION);
    do {
        struct node *c = new_node(g, RANGE);
        c->min = c->max = (unsigned)strtoul(g->at + 1, &end, base);
        g->at = end;
        if (*g->at == '-') {
            c->max = (unsigned)strtoul(g->at + 1, &end, base);
            g->at = end;
        }
        add_child(g, n, c);
    } while (*g->at == '.');
    return n;
}

static struct node *
read_element(struct abnf *g)
{
    struct node *n;
    if (*g->at == '(' || *g->at == '[') {
        bool optional = *g->at++ == '[';
        struct node *inner = read_alternation(g);
        skip(g);
        if (*g->at++ != (optional ? ']' : ')'))
            give_up(g, "unbalanced");
        if (!optional)
            return inner;
        n = new_node(g, REPETITION);
        n->max = 1;
        add_child(g, n, inner);
        return n;
    }
    if (*g->at == '"') {
        const char *start = ++g->at;
        while (*g->at != '"')
            g->at++;
        n = new_node(g, LITERAL);
        n->text = (slice){ start, (size_t)(g->at - start) };
        g->at++;
        return n;
    }
    if (*g->at == '%') {
        g->at++;
        return read_number(g);
    }
    n = new_node(g, RULE);
    n->text = read_rule_name(g);
    if (n->text.n == 0)
        give_up(g, "no element");
    n->rule = find_rule(g, n->text);
    return n;
}

static struct node *
read_repetition(struct abnf *g)
{
    if (!ascii_is_digit(*g->at) && *g->at != '*')
        return read_element(g);
    struct node *n = new_node(g, REPETITION);
    char *end = (char *)(uintptr_t)g->at;
    n->min = ascii_is_digit(*g->at) ? (unsigned)strtoul(g->at, &end, 10) : 0;
    g->at = end;
    n->max = n->min;
    if (*g->at == '*') {
        g->at++;
        n->max = ascii_is_digit(*g->at) ? (unsigned)strtoul(g->at, &end, 10) : 1000;
        g->at = n->max == 1000 ? g->at : end;
    }
    add_child(g, n, read_element(g));
    return n;
}

static struct node *
read_alternation(struct abnf *g)
{
    struct node *n = new_node(g, ALTERNATION), *cat = new_node(g, CONCATENATION);
    add_child(g, n, cat);
    for (skip(g); *g->at != '\0' && *g->at != '\n' && *g->at != ')' && *g->at != ']'; skip(g)) {
        if (*g->at != '/') {
            add_child(g, cat, read_repetition(g));
            continue;
        }
        g->at++;
        cat = new_node(g, CONCATENATION);
        add_child(g, n, cat);
    }
    return n;
}

static void
read_rules(struct abnf *g, const char *text)
{
    for (g->at = text; *g->at != '\0';) {
        size_t rule = find_rule(g, read_rule_name(g));
        skip(g);
        if (*g->at++ != '=')
            give_up(g, "no rule");
        g->rules[rule].body = read_alternation(g);
        if (*g->at == '\n')
            g->at++;
    }
}

struct abnf *
abnf_new(const char *grammar)
{
    struct abnf *g = calloc(1, sizeof(*g));
    if (g == NULL)
        abort();
    read_rules(g, core);
    read_rules(g, grammar);
    for (size_t i = 0; i < g->n_rules; i++)
        if (g->rules[i].body == NULL) {
            fprintf(stderr, "abnf: no rule %.*s\n", SLICE_ARG(g->rules[i].name));
            abort();
        }
    return g;
}

void
abnf_free(struct abnf *g)
{
    for (size_t i = 0; g != NULL && i < g->n_nodes; i++)
        free(g->nodes[i]);
    free(g);
}

/* Where matches of a node end that begin at any of the places `from`; places are bits. */
static uint64_t
match(struct abnf *g, const struct node *n, uint64_t from)
{
    uint64_t ends = 0;
    if (from == 0)
        return 0;
    switch (n->kind) {
    case ALTERNATION:
        for (size_t i = 0; i < n->n; i++)
            ends |= match(g, n->child[i], from);
        return ends;
    case CONCATENATION:
        for (size_t i = 0; i < n->n; i++)
            from = match(g, n->child[i], from);
        return from;
    case REPETITION:
        for (unsigned k = 0; k <= n->max; k++) {
            uint64_t before = ends;
            ends |= k >= n->min ? from : 0;
            if (k > n->min && ends == before)
                break;
            from = match(g, n->child[0], from);
        }
        return ends;
    case LITERAL:
        for (size_t i = 0; i + n->text.n <= g->input.n; i++)
            if ((from >> i & 1) != 0 && slice_ieq((slice){ g->input.p + i, n->text.n }, n->text))
                ends |= UINT64_C(1) << (i + n->text.n);
        return ends;
    case RANGE:
        for (size_t i = 0; i < g->input.n; i++) {
            unsigned char c = (unsigned char)g->input.p[i];
            if ((from >> i & 1) != 0 && c >= n->min && c <= n->max)
                ends |= UINT64_C(1) << (i + 1);
        }
        return ends;
    case RULE:
        break;
    }
    struct rule *r = &g->rules[n->rule];
    for (size_t i = 0; i <= g->input.n; i++) {
        if ((from >> i & 1) == 0)
            continue;
        if (r->known[i] != g->run) {
            r->ends[i] = match(g, r->body, UINT64_C(1) << i);
            r->known[i] = g->run;
        }
        ends |= r->ends[i];
    }
    return ends;
}

bool
abnf_matches(struct abnf *g, const char *rule, slice text)
{
    if (text.n > TEXT_MAX)
        abort();
    g->input = text;
    g->run++;
    struct node start = { .kind = RULE, .rule = find_rule(g, slice_from(rule)) };
    return (match(g, &start, 1) >> text.n & 1) != 0;
}
