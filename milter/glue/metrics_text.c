#include "autoconf.h"

#include "glue/metrics.h"
#include "crypto/keyholder.h"
#include "crypto/keys.h"
#include "dns/network.h"
#include "glue/parts.h"
#include "glue/service.h"
#include "record/spool.h"

#include <inttypes.h>

static void
head(struct strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_printf(out, "# HELP vidimus_%s %s\n# TYPE vidimus_%s %s\n", name, help, name, type);
}

static void
one(struct strbuf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    strbuf_printf(out, "vidimus_%s %" PRIu64 "\n", name, value);
}

static void
counter(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
    one(out, name, "counter", help, value);
}

static void
gauge(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
    one(out, name, "gauge", help, value);
}

static void
result(struct strbuf *out, const char *name, const char *word, const _Atomic uint64_t *value)
{
    strbuf_printf(out, "vidimus_%s{result=\"%s\"} %" PRIu64 "\n", name, word, atomic_load_explicit(value, memory_order_relaxed));
}

static void
results(struct strbuf *out, const struct counters *n)
{
    head(out, "spf_total", "counter", "Messages by SPF result of MAIL FROM.");
    for (unsigned r = SPF_NONE; r <= SPF_PERMERROR; r++)
        result(out, "spf_total", spf_result_name((enum spf_result)r), &n->spf[r]);
    head(out, "dkim_total", "counter", "DKIM signatures by result.");
    for (unsigned r = DKIM_NONE; r <= DKIM_PERMERROR; r++)
        result(out, "dkim_total", dkim_result_name((enum dkim_result_code)r), &n->dkim[r]);
    head(out, "arc_total", "counter", "Messages by result of their ARC chain.");
    for (unsigned r = ARC_NONE; r <= ARC_FAIL; r++)
        result(out, "arc_total", arc_status_name((enum arc_status)r), &n->arc[r]);
    head(out, "dmarc_total", "counter", "Messages by DMARC result.");
    for (unsigned r = DMARC_NONE; r <= DMARC_PERMERROR; r++)
        result(out, "dmarc_total", dmarc_result_name((enum dmarc_result_code)r), &n->dmarc[r]);
    head(out, "actions_total", "counter", "Messages by what was done with them.");
    for (unsigned r = ACTION_ACCEPT; r <= ACTION_TEMPFAIL; r++)
        result(out, "actions_total", action_name((enum action)r), &n->actions[r]);
}

static void
latency(struct strbuf *out, const struct counters *n)
{
    uint64_t sum = 0;
    head(out, "end_of_message_seconds", "histogram", "From the end of a message to its verdict.");
    for (unsigned i = 0; i < COUNTER_BUCKETS; i++) {
        unsigned ms = counters_eom_bound(i);
        sum += atomic_load_explicit(&n->eom_bucket[i], memory_order_relaxed);
        strbuf_printf(out, "vidimus_end_of_message_seconds_bucket{le=\"%u.%03u\"} %" PRIu64 "\n", ms / 1000, ms % 1000, sum);
    }
    sum += atomic_load_explicit(&n->eom_bucket[COUNTER_BUCKETS], memory_order_relaxed);
    uint64_t ms = atomic_load_explicit(&n->eom_ms_total, memory_order_relaxed);
    strbuf_printf(out, "vidimus_end_of_message_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", sum);
    strbuf_printf(out, "vidimus_end_of_message_seconds_sum %" PRIu64 ".%03" PRIu64 "\n", ms / 1000, ms % 1000);
    strbuf_printf(out, "vidimus_end_of_message_seconds_count %" PRIu64 "\n", sum);
}

static void
parts(struct strbuf *out, const struct generation *g)
{
    struct resolver_network_stats dns = resolver_network_stats(part_thing(g->resolver_part));
    counter(out, "dns_questions_total", "Questions of messages.", dns.questions);
    counter(out, "dns_cached_total", "Questions answered from the cache.", dns.from_cache);
    counter(out, "dns_joined_total", "Questions answered by one already in flight.", dns.joined);
    counter(out, "dns_sent_total", "Queries sent to name servers, repetitions included.", dns.sent);
    counter(out, "dns_timeouts_total", "Queries a name server did not answer in time.", dns.timeouts);
    counter(out, "dns_failures_total", "Queries a name server refused or answered unreadably.", dns.failures);
    gauge(out, "dns_cache_entries", "Answers in the cache.", dns.cached);
    struct key_cache_stats keys = key_cache_stats(part_thing(g->keys_part));
    counter(out, "public_keys_reused_total", "Public keys found in the cache.", keys.hits);
    gauge(out, "public_keys", "Public keys in the cache.", keys.keys);
    counter(out, "log_lines_lost_total", "Log lines that could not be written.", log_dropped(g->log));
    if (g->spool_part != NULL) {
        struct spool_counters spool = spool_counters(part_thing(g->spool_part));
        counter(out, "records_written_total", "Records written to the spool.", spool.written);
        counter(out, "records_lost_total", "Records lost to a full buffer.", spool.lost);
        counter(out, "record_errors_total", "System calls of the spool that failed.", spool.errors);
        gauge(out, "records_buffered", "Records in memory, waiting for the disk.", spool.buffered);
    }
    if (g->signer != NULL) {
        struct keyholder_figures seals = keyholder_figures(g->signer);
        counter(out, "signatures_total", "Signatures made by the key holder.", seals.signatures);
        counter(out, "signature_failures_total", "Signatures the key holder did not give.", seals.failures);
        counter(out, "keyholder_restarts_total", "Key holders that had to be replaced.", seals.restarts);
    }
}

void
metrics_text(struct service *s, struct strbuf *out)
{
    const struct counters *n = service_counters(s);
    head(out, "build_info", "gauge", "The version that runs.");
    strbuf_add_str(out, "vidimus_build_info{version=\"" PACKAGE_VERSION "\"} 1\n");
    gauge(out, "connections", "Connections open now.", atomic_load_explicit(&n->connections, memory_order_relaxed));
    counter(out, "connections_total", "Connections since the start.", n->connections_total);
    counter(out, "connections_put_off_total", "Times that accepting was put off at a limit.", n->connections_waited);
    counter(out, "messages_total", "Messages with a verdict.", n->messages);
    counter(out, "message_bytes_total", "Octets of these messages.", n->bytes);
    counter(out, "aborted_total", "Messages that ended before their verdict.", n->aborted);
    counter(out, "failed_total", "Messages without a verdict by trouble of the daemon.", n->failed);
    counter(out, "reloads_total", "Reloads that took effect.", n->reloads);
    counter(out, "reloads_failed_total", "Reloads that left the old configuration.", n->reloads_failed);
    results(out, n);
    latency(out, n);
    struct generation *g = service_acquire(s);
    if (g != NULL)
        parts(out, g);
    generation_release(g);
}
