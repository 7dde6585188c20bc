/*
 * queue.h - what both kinds of report share on their way out: whom to ask, whom to spare, how often to try.
 *
 * A delivery is: new -> (later ->)* sending -> sent | later | refused; or suppressed, no-consent, replaced, expired.
 * "sending" is committed before the mail system is called: a program that dies meanwhile leaves it behind, and the next one
 * makes it "unsure" and does not send it again, since nothing may be sent twice.
 */
#ifndef VIDIMUS_REPORT_QUEUE_H
#define VIDIMUS_REPORT_QUEUE_H

#include "report/deliver.h"
#include "report/destinations.h"
#include "report/reporter.h"
#include "report/suppress.h"

struct outbox {
    struct reporter_job *job;
    struct suppressions *file;
    struct dmarc_psl *guard; /* NULL: PSLGuard is off */
    struct sent *sent;
    uint64_t left_this_hour;
};

/* What is written into the row of a delivery after a step.  The note borrows. */
struct queue_state {
    const char *state;
    int64_t next_try, sent; /* 0: none */
    slice note;
};

/* May it be sent now?  *use: the address the consent names.  False: *next says what becomes of it after so many tries. */
bool queue_may_send(struct outbox *o, struct arena *a, enum report_kind kind, slice policy_domain, slice address, int64_t tries,
                    slice *use, struct queue_state *next);
/* Hand it over, and learn: an address that nobody has goes onto the suppression list.  *why holds the note of the result. */
struct queue_state queue_hand_over(struct outbox *o, slice address, slice message, int64_t tries, struct strbuf *why);
enum status queue_store_failed(struct outbox *o);

/* The two kinds. */
enum status aggregate_queue_send(struct outbox *o);
enum status failure_queue_send(struct outbox *o);

#endif
