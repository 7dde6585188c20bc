/*
 * expire.h - forgetting: by age, and on request.
 */
#ifndef VIDIMUS_REPORT_EXPIRE_H
#define VIDIMUS_REPORT_EXPIRE_H

#include "report/store.h"

struct expired {
    uint64_t raw, grouped, reports, failures, suppressions, aside;
};

/* Raw rows older than raw_days; groups, traffic and reports older than grouped_days; what bounces taught after its time.
 * ST_INTERNAL: store_error(). */
enum status expire_old(struct store *s, int64_t now, unsigned raw_days, unsigned grouped_days, struct expired *e);
/* All that names this domain, source address or mail address (anywhere in a raw row), of whatever age and however it is
 * spelled: letters of either case, U-labels, an IPv6 address written at length. */
enum status expire_target(struct store *s, slice as_given, struct expired *e);

#endif
