/*
 * record.h - what is known of one message at its end.  Filled by the pipeline, read by policy, the Authentication-Results
 * writer, the log, the tool's JSON and the spool.
 * Ownership: everything borrows from the message's arena.  Threads: one message, one thread at a time.
 */
#ifndef VIDIMUS_RECORD_RECORD_H
#define VIDIMUS_RECORD_RECORD_H

#include "arc/arc.h"
#include "base/netlist.h"
#include "dkim/dkim.h"
#include "dmarc/dmarc.h"
#include "spf/spf.h"

enum iprev_result { IPREV_NONE /* no address */, IPREV_PASS, IPREV_FAIL, IPREV_TEMPERROR, IPREV_PERMERROR };
const char *iprev_result_name(enum iprev_result r);

enum action { ACTION_ACCEPT, ACTION_QUARANTINE, ACTION_REJECT, ACTION_TEMPFAIL };
const char *action_name(enum action a); /* "accept", "quarantine", "reject", "tempfail" */

struct override { /* RFC 9990: policy_evaluated/reason */
    slice type;    /* local_policy, mailing_list, other, policy_test_mode, trusted_forwarder */
    slice comment; /* printable ASCII, may be empty */
};

struct record {
    /* the transaction */
    slice id;       /* unique: host, start time, connection, sequence */
    slice queue_id; /* of the MTA; empty if unknown */
    slice reporter; /* our AuthservID */
    int64_t time_ms; /* wall clock at MAIL */
    struct netaddr client;
    slice client_name; /* as the MTA gave it; trusted only if iprev passes */
    enum iprev_result iprev;
    slice helo;
    slice mail_from;        /* reverse-path without <>; empty: null */
    slice mail_from_domain; /* a name, or empty */
    bool authenticated;
    const slice *rcpt_domains; /* names, each once */
    size_t n_rcpt_domains;
    bool rcpt_without_name; /* a recipient that no domain was noted for: <Postmaster>, an address literal */
    uint64_t bytes; /* of header and body as received */
    unsigned ms;    /* MAIL to verdict */
    /* the results; a pointer is NULL where the check was not made */
    const struct spf_outcome *spf, *spf_helo;
    const struct dkim_result *dkim;
    size_t n_dkim;
    struct arc_result arc;
    bool arc_trusted; /* a trusted sealer's word was taken */
    struct dmarc_result dmarc;
    slice header_from; /* Author Domain, a name; empty if nobody can say */
    slice list_id;     /* printable; empty if no list traffic */
    bool list_traffic; /* List-Id or List-Post seen */
    /* what was done */
    enum action action;
    bool exempt;          /* by IgnoreHosts or authentication */
    bool sealed;
    bool to_reports;      /* every recipient is ReportEmail: mail to our report address is in no report, or two reporters
                           * would report on each other's reports for ever */
    enum dmarc_policy would; /* what full enforcement would have done, where monitor or dry-run did less */
    slice rule;           /* name of the rule that decided, or empty */
    slice why;            /* in words, printable ASCII */
    const struct override *overrides;
    size_t n_overrides;
};

/* The record as the spool keeps it, one JSON object, without line end; report/line.h reads it.  {NULL,0}: no memory. */
slice record_json(struct arena *a, const struct record *r, bool with_addresses);

#endif
