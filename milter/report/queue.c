#include "autoconf.h"

#include "report/queue.h"

#define FIRST_WAIT_S 900     /* then twice as long each time */
#define LONGEST_WAIT_S 43200
#define CONSENT_TIMEOUT_MS 20000

static struct queue_state
later(const struct outbox *o, int64_t tries, slice note)
{
    int64_t wait = FIRST_WAIT_S;
    for (int64_t i = 1; i < tries && wait < LONGEST_WAIT_S; i++)
        wait *= 2;
    return (struct queue_state){ "later", o->job->now + (wait < LONGEST_WAIT_S ? wait : LONGEST_WAIT_S), 0, note };
}

static struct queue_state
for_good(const char *state, slice note)
{
    return (struct queue_state){ state, 0, 0, note };
}

enum status
queue_store_failed(struct outbox *o)
{
    strbuf_add_str(o->job->error, store_error(o->job->store));
    return ST_INTERNAL;
}

bool
queue_may_send(struct outbox *o, struct arena *a, enum report_kind kind, slice policy_domain, slice address, int64_t tries,
               slice *use, struct queue_state *next)
{
    bool spare;
    const char *why;
    slice note = SLICE_EMPTY;
    *use = address;
    if (suppressed(o->job, o->file, address, &spare, &why) != ST_OK) {
        *next = later(o, tries, SLICE("the suppression list could not be read"));
        o->sent->later++;
        return false;
    }
    if (spare) {
        *next = for_good("suppressed", slice_from(why));
        o->sent->suppressed++;
        return false;
    }
    if (o->job->resolver == NULL) {
        *next = later(o, tries, SLICE("no DNS"));
        o->sent->later++;
        return false;
    }
    switch (destination_consent(a, o->job->resolver, CONSENT_TIMEOUT_MS, o->guard, kind, policy_domain, address, use, &note)) {
    case CONSENT_SAME:
    case CONSENT_YES:
        return true;
    case CONSENT_LATER:
        *next = later(o, tries, note);
        o->sent->later++;
        return false;
    case CONSENT_NO:
        break;
    }
    *next = for_good("no-consent", note);
    o->sent->refused++;
    return false;
}

static void
count(struct outbox *o, enum delivered d)
{
    switch (d) {
    case DELIVERED:
        o->sent->delivered++;
        if (o->left_this_hour > 0)
            o->left_this_hour--;
        break;
    case DELIVER_LATER:
        o->sent->later++;
        break;
    case DELIVER_REFUSED:
    case DELIVER_NOBODY:
        o->sent->refused++;
        break;
    }
}

struct queue_state
queue_hand_over(struct outbox *o, slice address, slice message, int64_t tries, struct strbuf *why)
{
    const struct config *c = o->job->config;
    enum delivered d = c->report_smtp != NULL ? deliver_smtp(c->report_smtp, o->job->who.email, address, message, why)
                                              : deliver_sendmail(c->report_sendmail, o->job->who.email, address, message, why);
    if (d == DELIVER_NOBODY)
        suppress(o->job, address, strbuf_slice(why));
    count(o, d);
    switch (d) {
    case DELIVERED:
        return (struct queue_state){ "sent", 0, o->job->now, SLICE_EMPTY };
    case DELIVER_LATER:
        return later(o, tries, strbuf_slice(why));
    case DELIVER_REFUSED:
    case DELIVER_NOBODY:
        break;
    }
    return for_good("refused", strbuf_slice(why));
}

/* Of both kinds; the limit is on what this site sends in an hour. */
static enum status
room_this_hour(struct outbox *o)
{
    int64_t n;
    enum status st = store_query_int(o->job->store,
        "SELECT (SELECT count(*) FROM delivery WHERE sent > $1) + (SELECT count(*) FROM failure WHERE sent > $1)",
        STORE_VALUES(store_int(o->job->now - 3600)), 0, &n);
    uint64_t limit = o->job->config->report_hourly_limit;
    o->left_this_hour = n < 0 || (uint64_t)n >= limit ? 0 : limit - (uint64_t)n;
    return st;
}

enum status
reporter_send(struct reporter_job *j, struct sent *s)
{
    struct outbox o = { .job = j, .sent = s };
    *s = (struct sent){ 0 };
    if (j->config->psl_guard && dmarc_psl_load(j->config->public_suffix_list, &o.guard) != ST_OK) {
        strbuf_add_str(j->error, "PSLGuard: PublicSuffixList cannot be read");
        return ST_INTERNAL;
    }
    enum status st = suppressions_load(j->config->report_suppression_file, j->error, &o.file);
    if (st != ST_OK) {
        dmarc_psl_free(o.guard);
        return st;
    }
    if (room_this_hour(&o) != ST_OK)
        st = queue_store_failed(&o);
    if (st == ST_OK)
        st = aggregate_queue_send(&o);
    if (st == ST_OK)
        st = failure_queue_send(&o);
    suppressions_free(o.file);
    dmarc_psl_free(o.guard);
    return st;
}
