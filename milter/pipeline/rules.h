/*
 * rules.h - the operator's rules file (vidimus-rules(5)): read once, matched against the facts of a message.
 * The first rule that fits decides; rules marked dry-run are reported and stepped over.
 * Ownership: a rule set owns its text; rules handed out live as long as it.  Threads: immutable, shared freely.
 */
#ifndef VIDIMUS_PIPELINE_RULES_H
#define VIDIMUS_PIPELINE_RULES_H

#include "base/slice.h"
#include "base/strbuf.h"
#include "base/trace.h"
#include "record/record.h"

enum rule_action { RULE_ACCEPT, RULE_TAG, RULE_QUARANTINE, RULE_REJECT, RULE_DEFER, RULE_CONTINUE };
const char *rule_action_name(enum rule_action a); /* the word of the rules file */

enum rule_seal { RULE_SEAL_AS_CONFIGURED, RULE_SEAL, RULE_NO_SEAL };

struct rule {
    slice name;
    unsigned line;
    enum rule_action action;
    bool dry_run;
    enum rule_seal seal;  /* whether to seal what this rule lets through */
    slice reason_type;    /* RFC 9990 override type; empty: not given */
    slice reason_comment; /* printable ASCII; may be empty */
};

struct rules;

/* NULL: every problem stands in `errors`, a line each: "file:line:column: what is wrong, what is allowed". */
struct rules *rules_load(const char *file, struct strbuf *errors);
struct rules *rules_parse(slice text, const char *file, struct strbuf *errors); /* file: for the messages */
void rules_free(struct rules *r); /* NULL is fine */
size_t rules_count(const struct rules *r);
const struct rule *rules_at(const struct rules *r, size_t i);

/* The first rule at or after index *from that fits; *from is then the index after it.  NULL: none; NULL rules hold none.
 * Looked at in the record: client, client_name and iprev, mail_from, mail_from_domain, rcpt_domains, rcpt_without_name,
 * header_from, spf, dkim, arc, arc_trusted, dmarc, list_id, list_traffic.  The trace says which rules did not fit and why. */
const struct rule *rules_match(const struct rules *r, const struct record *m, size_t *from, struct trace *t);

#endif
