/*
 * state.h - what the files of the pipeline share about one message; seen by no other folder.
 */
#ifndef VIDIMUS_PIPELINE_STATE_H
#define VIDIMUS_PIPELINE_STATE_H

#include <stdatomic.h>

#include "base/strbuf.h"
#include "config/config.h"
#include "pipeline/author.h"
#include "pipeline/pipeline.h"
#include "pipeline/seal.h"

struct arc_seal;
struct dmarc_psl;
struct rules;
struct sealers;
struct second_dkim;
struct two_pass;
struct two_pass_verdict;

struct pipeline {
    struct pipeline_parts parts;
    struct rules *rules;
    struct sealers *sealers;
    struct seal_plan *seal_plan; /* NULL: ArcSeal is off */
    struct two_pass *two_pass;   /* NULL: sealing takes one pass */
    struct dmarc_psl *psl; /* for PSLGuard and WalkCompare; NULL: neither is on */
    char *run; /* names this process in record ids: host, start, pid */
    atomic_ullong sequence;
    atomic_uint references;
};

struct message {
    struct pipeline *p;
    const struct config *c;
    struct arena *a;
    struct trace *t;
    struct dns_session *dns;
    struct header_list *headers;
    struct body_canon *body;
    struct dkim *dkim;               /* NULL: only the other engine is asked */
    struct second_dkim *second_dkim; /* NULL: only the native one is */
    struct arc *arc;
    struct author author;
    struct spf_request mfrom_request, helo_request;
    struct spf_outcome mfrom, helo;
    bool mfrom_done, helo_done, iprev_done; /* decided at MAIL already, for SPFReject */
    bool from_seen, header_seen;
    bool skipped;        /* IgnoreHostsAction skip: nothing is judged */
    enum status trouble; /* the first failure of ours; the verdict is then a temporary failure */
    slice contradiction; /* what the second engine says otherwise; empty: nothing */
    const char *header_limit; /* a limit of the header that was met, in words */
    uint64_t started_ms;
    struct record record;
    struct arc_seal *seal; /* NULL: nothing will be sealed */
    struct seal_address seal_sender, *seal_rcpts;
    size_t n_seal_rcpts, seal_rcpt_cap;
    enum seal_word seal_word; /* of the rule that decided */
    const struct two_pass_verdict *arrival; /* this is the second pass, and that our word of the first */
    bool other_recipients; /* than ReportEmail */
    struct strbuf kept_body; /* for a failure report with FailureReportBody yes, else empty */
    slice *rcpt_domains;
    size_t rcpt_cap;
    uint32_t *rcpt_places; /* 2 * rcpt_cap of them: recipients.c */
    struct verdict verdict;
};

/* Remember the first failure of our own; later ones follow from it. */
void message_note(struct message *m, enum status st);

/* checks.c: the second engine's difference in words (empty: none; {NULL,0}: no memory), logged and kept for the policy. */
void message_contradicted(struct message *m, const char *method, slice difference);

/* records.c: what is kept of the message when its verdict is made: the spool, the history file, a failure report asked for. */
void message_keep_records(struct message *m);
/* Do the options for it hold together?  False: every problem is in `errors`. */
bool records_check(const struct config *c, struct strbuf *errors);
/* Does every recipient so far stand for ReportEmail?  Called for each. */
void message_note_recipient(struct message *m, slice local_part, slice domain);

/* verdict.c: trouble of ours after the verdict: the MTA comes again, and log and record say so, or reports would count the message
 * each time. */
void message_defer(struct message *m, const char *why, struct reply reply);
/* verdict.c: the checks finished, policy, edits, record. */
const struct verdict *message_decide(struct message *m);
/* Why this client's mail is never refused, quarantined or deferred; NULL: it may be.  Host names of IgnoreHosts count once
 * message_finish_iprev() has confirmed the client's. */
const char *message_exemption(const struct message *m);
void message_finish_iprev(struct message *m);

/* recipients.c: a recipient's domain goes to the record, once. */
enum status recipients_add_domain(struct message *m, slice name);

/* The SPF checks, by the engine configured (checks.c). */
enum status checks_spf(struct message *m, const struct spf_request *rq, struct spf_outcome *out);

/* The DKIM checks, by the engine configured and perhaps the other one (checks_dkim.c); called in this order. */
void checks_dkim_start(struct message *m, const struct dkim_options *o);
void checks_dkim_field(struct message *m, const struct header_field *f);
void checks_dkim_header_end(struct message *m);
void checks_dkim_body(struct message *m, slice chunk); /* the native engine hangs on m->body */
void checks_dkim_finish(struct message *m);
void checks_dkim_clear(struct message *m);

#endif
