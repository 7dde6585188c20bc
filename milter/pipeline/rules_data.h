/*
 * rules_data.h - a rule as read: shared by rules.c, which reads, and rules_match.c, which matches; nothing else includes it.
 */
#ifndef VIDIMUS_PIPELINE_RULES_DATA_H
#define VIDIMUS_PIPELINE_RULES_DATA_H

#include "pipeline/rules.h"
#include "pipeline/ruletext.h"

enum rule_field {
    FIELD_ANY,
    FIELD_FROM,
    FIELD_CLIENT,
    FIELD_MAIL_FROM,
    FIELD_RCPT,
    FIELD_LIST,
    FIELD_LIST_ID,
    FIELD_SEALER,
    FIELD_SIGNED_BY,
    FIELD_DMARC,
    FIELD_POLICY,
    FIELD_SPF,
    FIELD_DKIM
};

const char *rule_field_name(enum rule_field f);

struct rule_condition {
    enum rule_field field;
    bool negated;
    bool special;           /* mail-from "<>", sealer "trusted" */
    struct name_list names; /* from, mail-from, rcpt, list-id, sealer, signed-by */
    struct netlist *net;    /* client */
    unsigned words;         /* dmarc, policy, spf, dkim: a bit for each value of the enum */
};

struct rule_entry {
    struct rule rule;
    struct rule_condition *conditions;
    size_t n, cap;
    bool names_result; /* has a dmarc condition; without one it is not tried on mail that passes */
};

struct rules {
    struct arena *a;
    struct rule_entry *entries;
    size_t n, cap;
};

#define RULE_BIT(value) (1u << (unsigned)(value))

#endif
