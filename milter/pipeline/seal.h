/*
 * seal.h - whether a message is sealed, and as whom (options ArcSeal, SealFor, SealAuthenticated, SealHeaderChecks, the
 * key tables, and a rule's word).  Only mail that was evaluated is sealed; making the set is arc/seal.h's work.
 *
 * Who seals is asked of the SigningTable for each recipient in turn, since a seal speaks for the domain that passes mail
 * on; then for the reverse-path, which names a list when its own mail comes back to be sent out; then for nobody, which
 * only the pattern "*" fits.
 *
 * Ownership: a plan belongs to one configuration snapshot.  Threads: immutable, shared freely.
 */
#ifndef VIDIMUS_PIPELINE_SEAL_H
#define VIDIMUS_PIPELINE_SEAL_H

#include "base/arena.h"
#include "config/config.h"
#include "crypto/signer.h"
#include "mail/headers.h"
#include "pipeline/key_table.h"

struct seal_plan;

/* *out is NULL if ArcSeal is off.  ST_SYNTAX: every problem stands in `errors`.  The signer may be NULL (a check without
 * keys); otherwise each key of the tables must be one of its. */
enum status seal_plan_load(const struct config *c, struct signer *signer, struct seal_plan **out, struct strbuf *errors);
void seal_plan_free(struct seal_plan *p); /* NULL is fine */

struct seal_address {
    slice local_part, domain; /* the domain a name, or empty */
    slice transport, relay;   /* of a recipient: the MTA's {rcpt_mailer} and {rcpt_host}; empty if not told */
};

enum seal_word { SEAL_AS_CONFIGURED, SEAL_BY_RULE, SEAL_NOT_BY_RULE };

struct seal_facts {
    const struct seal_address *recipients;
    size_t n_recipients;
    struct seal_address sender; /* reverse-path */
    bool authenticated;
    bool evaluated; /* the checks were made, or those of arrival are known (two passes) */
    enum seal_word rule;
    const struct header_list *headers;
    int64_t now;
};

struct seal_choice {
    slice domain, selector, key; /* empty if it is not sealed, and ... */
    const char *why_not;         /* ... why, static text; NULL: it is */
};

/* The text of *out lives as long as the plan and the facts. */
void seal_choose(const struct seal_plan *p, const struct seal_facts *f, struct seal_choice *out);

/* The keys of c->key_table in this process, for the tool and `-n`; what cannot be used is said in `errors`.  File modes are
 * not looked at unless `strict`.  NULL: no table, or no memory. */
struct signer *seal_local_signer(const struct config *c, bool strict, struct strbuf *errors);

/* For keyholder_setup.list: the keys that the configuration file names at that moment.  arg is a seal_source that lives as
 * long as the launcher. */
struct seal_source {
    const char *file; /* NULL: defaults */
    const char *const *overrides;
    size_t n_overrides;
};
void seal_source_list(void *arg, struct signer_keys *keys, struct strbuf *errors);

#endif
