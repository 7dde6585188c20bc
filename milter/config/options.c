/*
 * options.c - the option table as data, and looking it up.
 */
#include "autoconf.h"

#include "config/options.h"
#include "config/config.h"

#include <limits.h>
#include <stddef.h>

#define NUMBER(name, type, field, def, min, max)                                                                       \
    {                                                                                                                  \
        name, type, offsetof(struct config, field), def, min, max, NULL                                                \
    }
#define WORDS(name, type, field, def, words)                                                                           \
    {                                                                                                                  \
        name, type, offsetof(struct config, field), def, 0, 0, words                                                   \
    }
#define PLAIN(name, type, field, def) WORDS(name, type, field, def, NULL)

_Static_assert(sizeof(enum enforcement) == sizeof(unsigned), "enums of config.h are set through unsigned");

static const struct option_word engine_spf[] = { { "native", ENGINE_NATIVE }, { "libspf2", ENGINE_OTHER }, { NULL, 0 } };
static const struct option_word engine_dkim[] = { { "native", ENGINE_NATIVE }, { "libopendkim", ENGINE_OTHER }, { NULL, 0 } };
static const struct option_word second[] = {
    { "off", SECOND_OFF }, { "log", SECOND_LOG }, { "veto", SECOND_VETO }, { NULL, 0 }
};
static const struct option_word enforcement[] = {
    { "full", ENFORCE_FULL }, { "quarantine", ENFORCE_QUARANTINE }, { "monitor", ENFORCE_MONITOR }, { NULL, 0 }
};
static const struct option_word quarantine[] = {
    { "hold", QUARANTINE_HOLD }, { "header", QUARANTINE_HEADER }, { "reject", QUARANTINE_REJECT }, { NULL, 0 }
};
static const struct option_word author[] = {
    { "reject", AUTHOR_REJECT }, { "quarantine", AUTHOR_QUARANTINE }, { "accept", AUTHOR_ACCEPT }, { NULL, 0 }
};
static const struct option_word authserv_macro[] = { { "none", 0 }, { "j", 0 }, { "daemon_name", 0 }, { NULL, 0 } };
static const struct option_word trouble[] = {
    { "tempfail", TROUBLE_TEMPFAIL }, { "accept", TROUBLE_ACCEPT }, { "defer", TROUBLE_TEMPFAIL }, { NULL, 0 }
};
static const struct option_word defer[] = {
    { "OnError", TROUBLE_AS_ON_ERROR }, { "defer", TROUBLE_TEMPFAIL }, { "accept", TROUBLE_ACCEPT }, { "tempfail", TROUBLE_TEMPFAIL }, { NULL, 0 }
};
static const struct option_word record_sync[] = {
    { "none", SYNC_NONE }, { "batch", SYNC_BATCH }, { "message", SYNC_MESSAGE }, { NULL, 0 }
};
static const struct option_word log_format[] = { { "text", LOG_FORMAT_TEXT }, { "json", LOG_FORMAT_JSON }, { NULL, 0 } };
static const struct option_word ignore_hosts_action[] = { { "evaluate", 0 }, { "skip", 1 }, { NULL, 0 } };
static const struct option_word log_level[] = { { "error", 0 }, { "warning", 0 }, { "info", 0 }, { "debug", 0 }, { NULL, 0 } };
static const struct option_word facility[] = { { "mail", 0 },   { "daemon", 0 }, { "user", 0 },   { "auth", 0 },   { "authpriv", 0 },
                                               { "local0", 0 }, { "local1", 0 }, { "local2", 0 }, { "local3", 0 }, { "local4", 0 },
                                               { "local5", 0 }, { "local6", 0 }, { "local7", 0 }, { NULL, 0 } };
static const struct option_word spf_results[] = { { "fail", 0 },      { "softfail", 0 }, { "permerror", 0 }, { "temperror", 0 },
                                                  { "neutral", 0 },   { "none", 0 },     { NULL, 0 } };

/* What RFC 6376 5.4.1 recommends to sign, the fields of RFC 5322 3.6.6, and those that lists add or need. */
#define SEAL_HEADERS                                                                                                   \
    "From, Reply-To, Subject, Date, To, Cc, Message-ID, In-Reply-To, References, MIME-Version, Content-Type, "        \
    "Content-Transfer-Encoding, Resent-From, Resent-Date, Resent-To, Resent-Cc, List-Id, List-Help, List-Post, "       \
    "List-Subscribe, List-Unsubscribe, List-Unsubscribe-Post, List-Owner, List-Archive, DKIM-Signature"

const struct option_def option_table[] = {
    /* the daemon */
    PLAIN("Socket", OT_SOCKET, socket, "inet:8890@localhost"),
    PLAIN("UserID", OT_STRING, user_id, ""),
    NUMBER("UMask", OT_OCTAL, umask, "007", 0, 0777),
    PLAIN("PidFile", OT_PATH, pid_file, ""),
    PLAIN("Syslog", OT_BOOL, syslog, "yes"),
    WORDS("SyslogFacility", OT_WORD, syslog_facility, "mail", facility),
    WORDS("LogLevel", OT_WORD, log_level, "info", log_level),
    WORDS("LogFormat", OT_ENUM, log_format, "text", log_format),
    NUMBER("MaximumConnections", OT_UINT, maximum_connections, "1000", 1, 100000),
    PLAIN("Sandbox", OT_BOOL, sandbox, "yes"),
    NUMBER("IdleTimeout", OT_SEC, idle_timeout_s, "15m", 10, 86400),
    /* who we are, whom we believe */
    PLAIN("AuthservID", OT_AUTHSERV, authserv_id, "HOSTNAME"),
    WORDS("AuthservIDMacro", OT_WORD, authserv_id_macro, "none", authserv_macro),
    PLAIN("TrustedAuthservIDs", OT_STRINGLIST, trusted_authserv_ids, ""),
    PLAIN("InternalHosts", OT_NETLIST, internal_hosts, "127.0.0.0/8, ::1"),
    PLAIN("IgnoreHosts", OT_NETLIST, ignore_hosts, "127.0.0.0/8, ::1"),
    WORDS("IgnoreHostsAction", OT_BOOL, ignore_hosts_skip, "evaluate", ignore_hosts_action),
    PLAIN("IgnoreAuthenticatedClients", OT_BOOL, ignore_authenticated_clients, "yes"),
    WORDS("OnError", OT_ENUM, on_error, "tempfail", trouble),
    /* DNS */
    PLAIN("Nameservers", OT_STRINGLIST, nameservers, ""),
    NUMBER("DNSTimeout", OT_MSEC, dns_timeout_ms, "5s", 100, 60000),
    NUMBER("MessageTimeout", OT_MSEC, message_timeout_ms, "20s", 500, 120000),
    NUMBER("MessageQueries", OT_UINT, message_queries, "120", 10, 10000),
    NUMBER("DNSCacheEntries", OT_UINT, dns_cache_entries, "50000", 0, 10000000),
    PLAIN("TrustAD", OT_BOOL, trust_ad, "no"),
    /* SPF */
    WORDS("SPFEngine", OT_ENUM, spf_engine, "native", engine_spf),
    WORDS("SPFReject", OT_WORDLIST, spf_reject, "", spf_results),
    WORDS("SPFRejectHelo", OT_WORDLIST, spf_reject_helo, "", spf_results),
    NUMBER("SPFVoidLookups", OT_UINT, spf_void_lookups, "2", 0, 10),
    PLAIN("ReceivedSPF", OT_BOOL, received_spf, "no"),
    PLAIN("CheckIPRev", OT_BOOL, check_iprev, "yes"),
    /* DKIM and ARC verification */
    WORDS("DKIMEngine", OT_ENUM, dkim_engine, "native", engine_dkim),
    NUMBER("MinimumKeyBits", OT_UINT, minimum_key_bits, "1024", 1024, 8192),
    NUMBER("MaximumKeyBits", OT_UINT, maximum_key_bits, "8192", 1024, 8192),
    NUMBER("MaximumSignaturesToVerify", OT_UINT, maximum_signatures_to_verify, "20", 1, 50),
    NUMBER("ClockDrift", OT_SEC, clock_drift_s, "300s", 0, 86400),
    PLAIN("AcceptUnsignedBody", OT_BOOL, accept_unsigned_body, "no"),
    WORDS("SecondOpinion", OT_ENUM, second_opinion, "off", second),
    /* DMARC and policy */
    WORDS("Enforcement", OT_ENUM, enforcement, "full", enforcement),
    WORDS("QuarantineAction", OT_ENUM, quarantine_action, "hold", quarantine),
    WORDS("MultipleAuthors", OT_ENUM, multiple_authors, "reject", author),
    WORDS("MissingAuthor", OT_ENUM, missing_author, "reject", author),
    WORDS("OnTempError", OT_ENUM, on_temp_error, "OnError", defer),
    PLAIN("RejectURL", OT_STRING, reject_url, ""),
    PLAIN("RulesFile", OT_PATH, rules_file, ""),
    PLAIN("TrustedSealers", OT_PATH, trusted_sealers_file, ""),
    PLAIN("PublicSuffixList", OT_PATH, public_suffix_list, ""),
    PLAIN("PSLGuard", OT_BOOL, psl_guard, "no"),
    PLAIN("WalkCompare", OT_BOOL, walk_compare, "no"),
    PLAIN("RequiredHeaders", OT_BOOL, required_headers, "no"),
    /* sealing */
    PLAIN("ArcSeal", OT_BOOL, arc_seal, "no"),
    PLAIN("SealAuthenticated", OT_BOOL, seal_authenticated, "no"),
    PLAIN("SealFor", OT_STRINGLIST, seal_for, ""),
    PLAIN("SealHeaderChecks", OT_STRINGLIST, seal_header_checks, ""),
    PLAIN("SealHeaders", OT_STRINGLIST, seal_headers, SEAL_HEADERS),
    PLAIN("OversignHeaders", OT_STRINGLIST, oversign_headers, "From"),
    PLAIN("KeyTable", OT_PATH, key_table, ""),
    PLAIN("SigningTable", OT_PATH, signing_table, ""),
    WORDS("SealOnError", OT_ENUM, seal_on_error, "accept", trouble),
    PLAIN("TwoPassSecretFile", OT_PATH, two_pass_secret_file, ""),
    NUMBER("TwoPassMaxAge", OT_SEC, two_pass_max_age_s, "1d", 60, 2592000),
    /* records and reports */
    PLAIN("RecordDirectory", OT_PATH, record_directory, ""),
    WORDS("RecordSync", OT_ENUM, record_sync, "batch", record_sync),
    WORDS("OnRecordError", OT_ENUM, on_record_error, "accept", trouble),
    PLAIN("RecordAddresses", OT_BOOL, record_addresses, "no"),
    NUMBER("RecordSegmentBytes", OT_SIZE, record_segment_bytes, "16M", 4096, 1073741824),
    NUMBER("RecordSegmentAge", OT_SEC, record_segment_age_s, "5m", 1, 86400),
    NUMBER("RecordBufferBytes", OT_SIZE, record_buffer_bytes, "4M", 4096, 1073741824),
    NUMBER("RecordKeep", OT_DAYS, record_keep_days, "30d", 1, 3650),
    PLAIN("HistoryFile", OT_PATH, history_file, ""),
    PLAIN("ReportStore", OT_STRING, report_store, "/var/lib/vidimus/reports.sqlite"),
    PLAIN("ReportOrgName", OT_STRING, report_org_name, ""),
    PLAIN("ReportEmail", OT_STRING, report_email, ""),
    PLAIN("ReportExtraContact", OT_STRING, report_extra_contact, ""),
    PLAIN("ReportSendmail", OT_PATH, report_sendmail, "/usr/sbin/sendmail"),
    PLAIN("ReportSMTP", OT_STRING, report_smtp, ""),
    PLAIN("ReportSuppressionFile", OT_PATH, report_suppression_file, ""),
    NUMBER("ReportKeep", OT_DAYS, report_keep_days, "400d", 2, 36500),
    NUMBER("ReportHourlyLimit", OT_UINT, report_hourly_limit, "1000", 1, 1000000),
    PLAIN("FailureReports", OT_BOOL, failure_reports, "no"),
    PLAIN("FailureReportBody", OT_BOOL, failure_report_body, "no"),
    NUMBER("FailureReportHourlyLimit", OT_UINT, failure_report_hourly_limit, "10", 1, 1000000),
    PLAIN("FailureKeyFile", OT_PATH, failure_key_file, ""),
    PLAIN("MetricsListen", OT_STRING, metrics_listen, ""),
    /* limits on one message */
    NUMBER("MaximumHeaderFields", OT_UINT, maximum_header_fields, "10000", 100, 1000000),
    NUMBER("MaximumHeaderBytes", OT_SIZE, maximum_header_bytes, "4M", 65536, 268435456),
    NUMBER("MaximumMessageMemory", OT_SIZE, maximum_message_memory, "64M", 1048576, 1073741824),
    NUMBER("MaximumAuthresBytes", OT_SIZE, maximum_authres_bytes, "20K", 4096, 65536),
};
const size_t option_count = COUNT(option_table);

size_t
option_find(slice name)
{
    for (size_t i = 0; i < option_count; i++)
        if (slice_ieq(name, slice_from(option_table[i].name)))
            return i;
    return OPTION_NONE;
}

#define NAME_MAX_LEN 40

/* Edits (insert, drop, change) from a to b, ASCII case ignored; both at most NAME_MAX_LEN long. */
static unsigned
distance(slice a, slice b)
{
    unsigned row[NAME_MAX_LEN + 1];
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned change = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));
            unsigned step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[b.n];
}

const char *
option_nearest(slice name)
{
    if (name.n < 3 || name.n > NAME_MAX_LEN)
        return NULL;
    unsigned best = (unsigned)name.n / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < option_count; i++) {
        unsigned d = distance(name, slice_from(option_table[i].name));
        if (d < best) {
            best = d;
            nearest = option_table[i].name;
        }
    }
    return nearest;
}
