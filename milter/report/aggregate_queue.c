#include "autoconf.h"

#include "report/queue.h"
#include "report/day.h"

struct item { /* one delivery, copied out of the store */
    int day;
    int64_t tries;
    slice domain, address, report_id, file_name, body;
};

static enum status
tidy(struct outbox *o)
{
    struct store *s = o->job->store;
    uint64_t unsure = 0, expired = 0;
    enum status st = store_run(s, "UPDATE delivery SET state = 'unsure', note = 'the program ended while handing it over' "
                                  "WHERE state = 'sending'", STORE_NO_VALUES, &unsure);
    if (st == ST_OK)
        st = store_run(s, "UPDATE delivery SET state = 'expired' WHERE state IN ('new', 'later') AND day < $1",
                       STORE_VALUES(store_int(day_add(day_of(o->job->now), -REPORT_STALE_DAYS - 1))), &expired);
    o->sent->unsure += unsure;
    o->sent->expired += expired;
    return st == ST_OK ? ST_OK : queue_store_failed(o);
}

/* ST_LIMIT: nothing is due. */
static enum status
next_item(struct outbox *o, struct arena *a, struct item *it)
{
    struct store_rows *r = store_query(o->job->store,
        "SELECT d.day, d.domain, d.address, d.tries, r.report_id, r.file_name, r.body FROM delivery d "
        "JOIN report r ON r.day = d.day AND r.domain = d.domain "
        "WHERE d.state IN ('new', 'later') AND d.next_try <= $1 ORDER BY d.next_try, d.day, d.domain, d.address LIMIT 1",
        STORE_VALUES(store_int(o->job->now)));
    bool have = store_next(r);
    if (have) {
        it->day = (int)store_column_int(r, 0);
        it->domain = arena_slice(a, store_column_text(r, 1));
        it->address = arena_slice(a, store_column_text(r, 2));
        it->tries = store_column_int(r, 3);
        it->report_id = arena_slice(a, store_column_text(r, 4));
        it->file_name = arena_slice(a, store_column_text(r, 5));
        it->body = arena_slice(a, store_column_text(r, 6));
    }
    if (store_rows_free(r) != ST_OK)
        return queue_store_failed(o);
    return have ? ST_OK : ST_LIMIT;
}

static enum status
set_state(struct outbox *o, const struct item *it, struct queue_state to)
{
    enum status st = store_run(o->job->store,
        "UPDATE delivery SET state = $4, tries = $5, next_try = $6, sent = $7, note = $8 "
        "WHERE day = $1 AND domain = $2 AND address = $3",
        STORE_VALUES(store_int(it->day), store_text(it->domain), store_text(it->address), store_text(slice_from(to.state)),
                     store_int(it->tries), store_int(to.next_try), store_int(to.sent),
                     store_text(slice_head(to.note, 300))), NULL);
    return st == ST_OK ? ST_OK : queue_store_failed(o);
}

/* The consent names another address: that one gets the report, and only once, however many lead to it. */
static enum status
replace(struct outbox *o, const struct item *it, slice use)
{
    enum status st = store_run(o->job->store,
        "INSERT INTO delivery (day, domain, address, state, tries, next_try, sent, note) "
        "VALUES ($1, $2, $3, 'new', 0, $4, 0, '') ON CONFLICT (day, domain, address) DO NOTHING",
        STORE_VALUES(store_int(it->day), store_text(it->domain), store_text(use), store_int(o->job->now)), NULL);
    return st == ST_OK ? set_state(o, it, (struct queue_state){ "replaced", 0, 0, use }) : queue_store_failed(o);
}

static enum status
send_item(struct outbox *o, struct arena *a, struct item *it)
{
    struct reporter_job *j = o->job;
    slice use;
    struct queue_state next;
    it->tries++;
    if (!queue_may_send(o, a, REPORT_AGGREGATE, it->domain, it->address, it->tries, &use, &next))
        return set_state(o, it, next);
    if (!slice_ieq(use, it->address))
        return replace(o, it, use);
    struct strbuf message, why;
    strbuf_init(&message, 0);
    strbuf_init(&why, 0);
    const struct aggregate_mail m = { it->report_id, it->file_name, it->domain, it->day, j->now, it->body };
    mail_aggregate(&j->who, it->address, &m, &message);
    enum status st = strbuf_status(&message) == ST_OK ? ST_OK : ST_NOMEM;
    if (st == ST_OK)
        st = set_state(o, it, (struct queue_state){ "sending", 0, 0, SLICE_EMPTY });
    if (st == ST_OK)
        st = set_state(o, it, queue_hand_over(o, it->address, strbuf_slice(&message), it->tries, &why));
    strbuf_clear(&message);
    strbuf_clear(&why);
    return st;
}

enum status
aggregate_queue_send(struct outbox *o)
{
    enum status st = tidy(o);
    uint64_t done = 0;
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
        if (o->job->progress != NULL)
            o->job->progress(o->job->arg, ++done, 0);
    }
    if (st == ST_LIMIT) /* attachments that nobody waits for any more take the most room */
        st = store_run(o->job->store,
            "UPDATE report SET body = '' WHERE body <> '' AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.day = report.day "
            "AND d.domain = report.domain AND d.state IN ('new', 'later', 'sending'))",
            STORE_NO_VALUES, NULL) == ST_OK ? ST_OK : queue_store_failed(o);
    return st;
}
