/*
 * ruletext.h - the words of the rules and sealers files: statements that begin in column 1 and go on over indented lines,
 * comments from "#" at the beginning of a word, words, "quoted text", commas.
 * Every problem is said with file, line and column; the reader then goes on at the next statement, so that one reading
 * finds them all.
 */
#ifndef VIDIMUS_PIPELINE_RULETEXT_H
#define VIDIMUS_PIPELINE_RULETEXT_H

#include "base/arena.h"
#include "base/netlist.h"
#include "base/slice.h"
#include "base/strbuf.h"

enum rule_token { TOKEN_WORD, TOKEN_STRING, TOKEN_COMMA, TOKEN_END /* of the statement */ };

struct ruletext {
    slice text;
    const char *file;
    struct strbuf *errors;
    unsigned n_errors;
    size_t at, line_start;
    unsigned line;
    /* the current token */
    enum rule_token token;
    slice word; /* without the quotes */
    unsigned word_line, word_column;
    bool bad; /* this statement has been complained about */
};

void ruletext_init(struct ruletext *l, slice text, const char *file, struct strbuf *errors);
/* Skips what is left of a statement and reads the first token of the next.  False: no more. */
bool ruletext_statement(struct ruletext *l);
void ruletext_next(struct ruletext *l);
bool ruletext_is(const struct ruletext *l, const char *word); /* case does not matter */
/* At the current token.  Only the first problem of a statement is said. */
void ruletext_error(struct ruletext *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A whole file, heap memory to be freed by the caller; NULL: why stands in `errors`. */
char *ruletext_read_file(const char *file, size_t *n, struct strbuf *errors);

/* ---- lists of values */

/* A domain alone, or with a leading dot the domain and all below it. */
struct name_pattern {
    slice name;
    bool below;
};

struct name_list {
    struct name_pattern *items;
    size_t n, cap;
};

enum status name_list_add(struct name_list *l, struct arena *a, struct name_pattern p);
/* The text as a pattern; folded to A-labels.  ST_SYNTAX: no domain name. */
enum status name_pattern_parse(struct arena *a, slice text, struct name_pattern *out);
bool name_list_has(const struct name_list *l, slice name); /* an empty name is in no list */

/* Address, network or host name into the list; here too a leading dot means the domain and all below it. */
enum status client_list_add(struct netlist *l, struct arena *a, slice text);

#endif
