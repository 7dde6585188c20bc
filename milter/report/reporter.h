/*
 * reporter.h - making and sending: what every step of it needs, and the steps.
 * One reporter at a time in all the world of a store (store_lock); importers do not wait for it.
 */
#ifndef VIDIMUS_REPORT_REPORTER_H
#define VIDIMUS_REPORT_REPORTER_H

#include "config/config.h"
#include "dns/resolver.h"
#include "report/aggregate_xml.h"
#include "report/mail.h"
#include "report/store.h"

#define REPORTER_LOCK "reporter"
#define REPORT_STALE_DAYS 4 /* a report that could not be delivered for so long is given up */

struct reporter_job {
    struct store *store;
    const struct config *config;
    struct resolver *resolver; /* NULL: nothing outside is asked (make, show) */
    struct reporter who;
    int64_t now;
    struct strbuf *error;
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL */
    void *arg;
};

/* Fill in `who` from the configuration: ReportEmail, else postmaster@ the AuthservID.  The config must outlive it. */
struct reporter reporter_from(const struct config *c, struct arena *a);

struct made {
    uint64_t reports, rows, messages, without_destination;
};
/* The XML of one report into `to`.  ST_SYNTAX: there is nothing about that domain on that day.  report_id {NULL,0}: the one
 * under which it was made, or a new one. */
enum status reporter_xml(struct reporter_job *j, int day, slice domain, slice report_id, const struct aggregate_sink *to,
                         struct made *m);
/* Make every report of finished days that is not made yet, and put it into the queue. */
enum status reporter_make(struct reporter_job *j, struct made *m);

struct sent {
    uint64_t delivered, later, refused, suppressed, expired, unsure, capped;
};
/* Deliver what is due: aggregate reports, then failure reports. */
enum status reporter_send(struct reporter_job *j, struct sent *s);

#endif
