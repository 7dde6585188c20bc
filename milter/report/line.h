/*
 * line.h - one line of the spool, read back and judged again: what does not hold is refused with a reason, so that nothing
 * a damaged or forged spool file says reaches the store.
 * Ownership: slices borrow from the parsed line, until line_clear().
 */
#ifndef VIDIMUS_REPORT_LINE_H
#define VIDIMUS_REPORT_LINE_H

#include "base/slice.h"

#define LINE_MAX_DKIM 100 /* RFC 9990 3.1.3: no more signatures than that in a row */
#define LINE_MAX_OVERRIDES 8

struct json_t;

struct line_dkim {
    slice d, s, result, reason;
    bool pass, aligned;
};

struct line_override {
    slice type, comment;
};

struct line {
    struct json_t *json;
    slice id, reporter, queue_id;
    int64_t time_ms;
    int day; /* of time_ms in UTC: YYYYMMDD */
    slice source; /* address in canonical text; empty: a local submission */
    slice author; /* header_from; empty: nobody can say */
    slice mail_from; /* its domain */
    bool null_path;
    bool has_spf;
    slice spf_result, spf_domain, spf_reason;
    struct line_dkim dkim[LINE_MAX_DKIM];
    size_t n_dkim;
    slice dmarc_result; /* none, pass, fail, temperror, permerror */
    slice policy;       /* published p, sp or np that applies; empty without a record */
    slice disposition;
    slice policy_domain; /* empty without a record */
    bool spf_aligned, dkim_aligned, testing;
    struct json_t *published; /* NULL without a record */
    slice action; /* accept, quarantine, reject, tempfail */
    struct line_override overrides[LINE_MAX_OVERRIDES];
    size_t n_overrides;
    slice would, rule;
    bool exempt, authenticated, to_reports, arc_trusted;
    slice sealer; /* the newest, if arc_trusted */
};

/* `reason`: at least 128 octets for why not.  now: Unix seconds; a time more than a day ahead of it is refused. */
bool line_read(slice text, int64_t now, struct line *out, char *reason, size_t reason_size);
void line_clear(struct line *l);

#endif
