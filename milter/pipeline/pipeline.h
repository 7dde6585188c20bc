/*
 * pipeline.h - one message from connect to verdict: the library behind the daemon, the tool, the tests and the benchmark.
 * Calls follow SMTP: message_new, helo, mail, rcpt..., header..., eoh, body..., eom.  Edits are data, computed at the end
 * and applied by the caller; nothing here talks to an MTA.
 * Ownership: a message owns its arena, its DNS session and a count on its configuration; message_free() ends all of it at
 * any point.  Threads: one message, one thread at a time; a `pipeline` is shared by all.
 */
#ifndef VIDIMUS_PIPELINE_PIPELINE_H
#define VIDIMUS_PIPELINE_PIPELINE_H

#include "base/arena.h"
#include "base/log.h"
#include "base/netlist.h"
#include "base/trace.h"
#include "record/record.h"

struct config;
struct deferrals;
struct key_cache;
struct resolver;
struct signer;
struct spool;

struct pipeline; /* what all messages of one configuration share: resolver, keys, rules, sealers, tables, spool */

struct pipeline_parts {
    struct config *config;      /* counted by the pipeline */
    struct resolver *resolver;  /* borrowed; NULL only for `-n` */
    struct key_cache *keys;     /* borrowed */
    struct spool *spool;        /* borrowed; NULL: no records */
    struct deferrals *deferrals; /* borrowed; NULL: none are remembered, so none is the last */
    struct log *log;            /* borrowed; NULL: silent */
    struct signer *signer;      /* taken over, also on failure (crypto/signer.h); NULL: nothing is sealed */
    int64_t now;                /* Unix time to judge by; 0: the clock */
    bool results_from_header;   /* seal with the results that stand in the message: for tests of sealing, set by the tool alone */
    bool second_opinion;        /* ask it whatever the configuration says: set by the tool alone */
    bool want_explanations;     /* ask for SPF's exp= texts though no refusal will quote them: set by the tool alone */
    bool accept_rsa_sha1;       /* the rules before RFC 8301: only for conformance cases of that time, set by the tool alone */
    unsigned min_rsa_bits;      /* the same for key sizes; 0: as configured */
};

/* Reads what the configuration names (rules, sealers, suffix list).  NULL: every problem stands in `errors`. */
struct pipeline *pipeline_new(const struct pipeline_parts *parts, struct strbuf *errors);
struct pipeline *pipeline_acquire(struct pipeline *p);
void pipeline_release(struct pipeline *p); /* the last one frees it; NULL is fine */

struct peer {
    struct netaddr client;
    slice name;      /* of the client as the MTA gives it; may be "[addr]" or "unknown" */
    slice mta_name;  /* {j}; may be empty */
    slice daemon_name;
    uint64_t connection; /* number of the connection, for the record's id */
};

enum reply_kind { REPLY_CONTINUE, REPLY_ACCEPT, REPLY_REJECT, REPLY_TEMPFAIL };

#define REPLY_TEXT_MAX 480 /* with code and CRLF it stays below the 512 octets of RFC 5321 4.5.3.1.5 */

struct reply {
    enum reply_kind kind;
    const char *code, *xcode, *text; /* "550", "5.7.1", printable ASCII up to REPLY_TEXT_MAX; NULL for continue and accept */
};

struct header_edit {
    slice name;
    unsigned nth; /* delete: 1-based among the fields of that name; insert: index, 0 on top */
    slice value;  /* insert: with leading space, folds as LF WSP */
};

struct verdict {
    struct reply reply;
    struct reply at_mail; /* what message_mail() answered; a caller that went on in spite of a refusal finds it here */
    const struct header_edit *deletes; /* in header order: apply from the last to the first */
    size_t n_deletes;
    const struct header_edit *inserts; /* apply in this order, each at index 0 */
    size_t n_inserts;
    const char *quarantine; /* reason for the MTA's hold queue; NULL: no hold */
    const struct record *record;
    const struct arc_seal_set *seal; /* the set made, or NULL (arc/seal.h) */
    struct dns_usage dns;            /* what the verdict cost in questions and waiting */
};

struct message;

/* NULL: no memory; the caller answers a temporary failure. */
struct message *message_new(struct pipeline *p, const struct peer *peer, struct trace *t);
void message_free(struct message *m);
struct reply message_helo(struct message *m, slice helo);
/* path with or without <>. */
struct reply message_mail(struct message *m, slice path, slice authenticated_as);
struct reply message_rcpt(struct message *m, slice path);
/* The same, with the MTA's word on where it goes from here ({rcpt_mailer}, {rcpt_host}); empty: not told. */
struct reply message_rcpt_via(struct message *m, slice path, slice transport, slice relay);
struct reply message_header(struct message *m, slice name, slice value);
struct reply message_eoh(struct message *m);
struct reply message_body(struct message *m, slice chunk);
void message_queue_id(struct message *m, slice queue_id); /* whenever it is known */
/* Decide.  The verdict lives as long as the message.  The record is in the spool when this returns. */
const struct verdict *message_eom(struct message *m);
/* The envelope alone, for `vidimus check --spf-only`: only the record's SPF results are set, nothing is kept or logged. */
const struct verdict *message_spf_only(struct message *m);
/* Every DNS question of the message with its answer, as dns/replay.h has it; now: as of when it was judged. */
void message_write_dns(struct message *m, int64_t now, struct strbuf *out);

#endif
