/*
 * config.h - the configuration: one immutable, counted snapshot, built whole from file and overrides or not at all.
 * The option table (config/options.c) is the one source of names, types, defaults and ranges: parser, `config dump`,
 * vidimus.conf(5) and the sample file are checked against it.
 * Ownership: config_acquire()/config_release() count; every message holds the snapshot it began with.
 * Threads: a snapshot never changes, and counting is atomic; a reload swaps it in glue/service.h.
 * This module only reads files that the configuration names as lists ("file:PATH"); keys, rules and tables are read by the
 * modules that understand them.
 */
#ifndef VIDIMUS_CONFIG_CONFIG_H
#define VIDIMUS_CONFIG_CONFIG_H

#include "base/netlist.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"

#include <stdatomic.h>

struct string_list {
    char **items; /* NUL-terminated, as written */
    size_t n;
};

enum engine { ENGINE_NATIVE, ENGINE_OTHER /* libspf2, libopendkim */ };
enum second_opinion { SECOND_OFF, SECOND_LOG, SECOND_VETO };
enum enforcement { ENFORCE_FULL, ENFORCE_QUARANTINE, ENFORCE_MONITOR };
enum quarantine_action { QUARANTINE_HOLD, QUARANTINE_HEADER, QUARANTINE_REJECT };
enum author_action { AUTHOR_REJECT, AUTHOR_QUARANTINE, AUTHOR_ACCEPT };
enum trouble_action { TROUBLE_TEMPFAIL, TROUBLE_ACCEPT, TROUBLE_AS_ON_ERROR };
enum record_sync { SYNC_NONE, SYNC_BATCH, SYNC_MESSAGE };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Field names are the option names; times in ms or s as their suffix says, sizes in octets.  Strings are NULL if unset. */
struct config {
    /* the daemon */
    char *socket, *user_id, *pid_file, *syslog_facility, *log_level;
    unsigned umask;
    bool syslog, sandbox;
    enum log_format log_format;
    unsigned maximum_connections, idle_timeout_s;
    /* who we are, whom we believe */
    char *authserv_id;                       /* HOSTNAME already resolved */
    char *authserv_id_macro;                 /* "none", "j" or "daemon_name": of the MTA, before authserv_id */
    struct string_list trusted_authserv_ids; /* fields of these ids are kept when they come from InternalHosts */
    struct netlist *internal_hosts;          /* own relays: TwoPass re-injection, kept A-R of trusted ids */
    struct netlist *ignore_hosts;
    bool ignore_hosts_skip;                  /* IgnoreHostsAction skip | evaluate */
    bool ignore_authenticated_clients;
    enum trouble_action on_error;            /* our own trouble (no memory, ...) and DNS trouble of SPF and DKIM alone */
    /* DNS */
    struct string_list nameservers; /* "addr" or "addr@port"; empty: resolv.conf */
    unsigned dns_timeout_ms, message_timeout_ms, message_queries, dns_cache_entries;
    bool trust_ad;
    /* SPF */
    enum engine spf_engine;
    struct string_list spf_reject; /* results refused at MAIL: fail, softfail, permerror, temperror, none, neutral */
    struct string_list spf_reject_helo;
    unsigned spf_void_lookups;
    bool received_spf, check_iprev;
    /* DKIM and ARC verification */
    enum engine dkim_engine;
    unsigned minimum_key_bits, maximum_key_bits, maximum_signatures_to_verify, clock_drift_s;
    bool accept_unsigned_body;
    enum second_opinion second_opinion;
    /* DMARC and policy */
    enum enforcement enforcement;
    enum quarantine_action quarantine_action;
    enum author_action multiple_authors, missing_author;
    enum trouble_action on_temp_error; /* DMARC temperror; ask config_on_temp_error() */
    char *reject_url, *rules_file, *trusted_sealers_file, *public_suffix_list;
    bool psl_guard, walk_compare, required_headers;
    /* sealing */
    bool arc_seal, seal_authenticated;
    struct string_list seal_for, seal_header_checks, seal_headers, oversign_headers;
    char *key_table, *signing_table, *two_pass_secret_file;
    enum trouble_action seal_on_error;
    unsigned two_pass_max_age_s;
    /* records and reports */
    char *record_directory, *history_file, *report_store, *report_org_name, *report_email, *report_extra_contact,
        *report_sendmail, *report_smtp, *report_suppression_file, *failure_key_file, *metrics_listen;
    enum record_sync record_sync;
    enum trouble_action on_record_error;
    bool record_addresses, failure_reports, failure_report_body;
    unsigned record_segment_bytes, record_segment_age_s, record_buffer_bytes, record_keep_days, report_keep_days, report_hourly_limit,
        failure_report_hourly_limit;
    /* limits on one message */
    unsigned maximum_header_fields, maximum_header_bytes, maximum_message_memory, maximum_authres_bytes;
    atomic_uint references; /* of the snapshot; touched by config_acquire and config_release only */
};

/* Read FILE (NULL: defaults only) and then the overrides ("Name=value").  On any error: ST_SYNTAX, *out untouched, and
 * `errors` holds every problem found, a line each: "file:line: what is wrong, what is allowed". */
enum status config_load(const char *file, const char *const *overrides, size_t n_overrides, struct strbuf *errors,
                        struct config **out);
/* OnTempError, or OnError where that is what it says. */
enum trouble_action config_on_temp_error(const struct config *c);
/* A problem with the value of an option that shows when it is used, in the form of config_load()'s:
 * "file:line: Option: what is wrong".  "-o" stands for an override, "default" where nothing sets the option. */
void config_problem(const struct config *c, const char *option, struct strbuf *errors, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Whether the file an option names can be read; if not, that is said. */
bool config_can_read(const struct config *c, const char *option, const char *path, struct strbuf *errors);
struct config *config_acquire(struct config *c);
void config_release(struct config *c); /* NULL is fine */

/* Every option (or only those that differ from their default) as "Name value", a line each: a file that loads to the same. */
void config_dump(const struct config *c, bool only_changed, struct strbuf *out);

#endif
