#include "autoconf.h"

#include "report/failure.h"
#include "report/queue.h"
#include "spf/record.h"

#include <jansson.h>

#define STALE_S (2 * 86400) /* a failure is news, or it is nothing */
#define DNS_TIMEOUT_MS 20000
#define DNS_QUERIES 4

struct item {
    slice name, address, policy_domain, entry;
    int64_t tries, incidents;
};

static enum status
tidy(struct outbox *o)
{
    struct store *s = o->job->store;
    uint64_t unsure = 0, expired = 0;
    enum status st = store_run(s, "UPDATE failure SET state = 'unsure', body = '' WHERE state = 'sending'", STORE_NO_VALUES, &unsure);
    if (st == ST_OK)
        st = store_run(s, "UPDATE failure SET state = 'expired', body = '' WHERE state IN ('new', 'later') AND entered < $1",
                       STORE_VALUES(store_int(o->job->now - STALE_S)), &expired);
    o->sent->unsure += unsure;
    o->sent->expired += expired;
    return st == ST_OK ? ST_OK : queue_store_failed(o);
}

/* ST_LIMIT: nothing is due. */
static enum status
next_item(struct outbox *o, struct arena *a, struct item *it)
{
    struct store_rows *r = store_query(o->job->store,
        "SELECT name, address, tries, incidents, body FROM failure WHERE state IN ('new', 'later') AND next_try <= $1 "
        "ORDER BY next_try, name, address LIMIT 1", STORE_VALUES(store_int(o->job->now)));
    bool have = store_next(r);
    if (have) {
        it->name = arena_slice(a, store_column_text(r, 0));
        it->address = arena_slice(a, store_column_text(r, 1));
        it->tries = store_column_int(r, 2);
        it->incidents = store_column_int(r, 3);
        it->entry = arena_slice(a, store_column_text(r, 4));
    }
    if (store_rows_free(r) != ST_OK)
        return queue_store_failed(o);
    if (!have)
        return ST_LIMIT;
    json_t *e = json_loadb(it->entry.p, it->entry.n, 0, NULL);
    it->policy_domain = arena_slice(a, slice_from(json_string_value(json_object_get(e, "policy_domain"))));
    json_decref(e);
    return ST_OK;
}

/* What is sent, or never will be, is not kept: the row stays for the limits and for bounces, the message's header goes. */
static enum status
set_state(struct outbox *o, const struct item *it, struct queue_state to)
{
    bool done = to.next_try == 0 && !slice_eq(slice_from(to.state), SLICE("sending"));
    enum status st = store_run(o->job->store,
        "UPDATE failure SET state = $3, tries = $4, next_try = $5, sent = $6, note = $7, "
        "body = CASE WHEN $8 = 1 THEN '' ELSE body END WHERE name = $1 AND address = $2",
        STORE_VALUES(store_text(it->name), store_text(it->address), store_text(slice_from(to.state)), store_int(it->tries),
                     store_int(to.next_try), store_int(to.sent), store_text(slice_head(to.note, 300)), store_int(done)), NULL);
    return st == ST_OK ? ST_OK : queue_store_failed(o);
}

static enum status
replace(struct outbox *o, const struct item *it, slice use)
{
    enum status st = store_run(o->job->store,
        "INSERT INTO failure (name, address, author, source, kind, incidents, entered, state, tries, next_try, sent, note, body) "
        "SELECT name, $3, author, source, kind, incidents, entered, 'new', 0, $4, 0, '', body FROM failure "
        "WHERE name = $1 AND address = $2 ON CONFLICT (name, address) DO NOTHING",
        STORE_VALUES(store_text(it->name), store_text(it->address), store_text(use), store_int(o->job->now)), NULL);
    return st == ST_OK ? set_state(o, it, (struct queue_state){ "replaced", 0, 0, use }) : queue_store_failed(o);
}

/* RFC 9991 2, 5.1, 8.1: so many an hour to one destination, the surplus is discarded. */
static enum status
within_limit(struct outbox *o, slice address, bool *yes)
{
    int64_t n = 0;
    enum status st = store_query_int(o->job->store, "SELECT count(*) FROM failure WHERE address = $1 AND sent > $2",
                                     STORE_VALUES(store_text(address), store_int(o->job->now - 3600)), 0, &n);
    *yes = n < (int64_t)o->job->config->failure_report_hourly_limit;
    return st == ST_OK ? ST_OK : queue_store_failed(o);
}

/* What the domain publishes for SPF now: RFC 9991 4 wants it where SPF failed for an aligned identifier. */
static slice
spf_record(struct outbox *o, struct arena *a, slice entry)
{
    slice domain = failure_spf_domain(a, entry), found = SLICE_EMPTY;
    const struct dns_limits limits = { DNS_TIMEOUT_MS, DNS_QUERIES };
    struct dns_session *dns = domain.n == 0 ? NULL : dns_session_new(o->job->resolver, &limits);
    if (dns == NULL)
        return found;
    const struct dns_answer *answer = dns_lookup(dns, DNS_TXT, domain);
    for (size_t i = 0; answer->status == DNS_OK && i < answer->n && found.n == 0; i++)
        if (spf_record_is(answer->records[i].data))
            found = arena_slice(a, answer->records[i].data);
    dns_session_free(dns);
    return found;
}

static enum status
hand_over(struct outbox *o, struct arena *a, struct item *it)
{
    struct reporter_job *j = o->job;
    struct strbuf message, why;
    strbuf_init(&message, 0);
    strbuf_init(&why, 0);
    enum status st = failure_message(&j->who, it->name, it->address, it->entry, it->incidents, j->now, spf_record(o, a, it->entry),
                                     &message);
    if (st == ST_SYNTAX) {
        st = set_state(o, it, (struct queue_state){ "refused", 0, 0, SLICE("the entry cannot be read") });
    } else if (st == ST_OK && (st = set_state(o, it, (struct queue_state){ "sending", 0, 0, SLICE_EMPTY })) == ST_OK) {
        st = set_state(o, it, queue_hand_over(o, it->address, strbuf_slice(&message), it->tries, &why));
    }
    strbuf_clear(&message);
    strbuf_clear(&why);
    return st;
}

static enum status
send_item(struct outbox *o, struct arena *a, struct item *it)
{
    slice use;
    struct queue_state next;
    bool within;
    it->tries++;
    enum status st = within_limit(o, it->address, &within);
    if (st != ST_OK)
        return st;
    if (!within) {
        o->sent->refused++;
        return set_state(o, it, (struct queue_state){ "dropped", 0, 0, SLICE("FailureReportHourlyLimit") });
    }
    if (!queue_may_send(o, a, REPORT_FAILURE, it->policy_domain, it->address, it->tries, &use, &next))
        return set_state(o, it, next);
    return slice_ieq(use, it->address) ? hand_over(o, a, it) : replace(o, it, use);
}

enum status
failure_queue_send(struct outbox *o)
{
    uint64_t taken;
    enum status st = failure_collect(o->job->store, o->job->config->record_directory, o->job->who.domain, o->job->now, &taken,
                                     o->job->error);
    if (st == ST_OK)
        st = tidy(o);
    while (st == ST_OK) {
        struct item it;
        struct arena *a = arena_new(0);
        st = a == NULL ? ST_NOMEM : next_item(o, a, &it);
        if (st == ST_OK && o->left_this_hour == 0) {
            o->sent->capped = 1;
            st = ST_LIMIT;
        }
        if (st == ST_OK)
            st = send_item(o, a, &it);
        arena_free(a);
    }
    return st == ST_LIMIT ? ST_OK : st;
}
