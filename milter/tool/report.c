/*
 * report.c - `vidimus report`: import, make, send, bounce, expire; `show` is in report_show.c.
 */
#include "autoconf.h"

#include "tool/tool.h"

#include "base/arena.h"
#include "dns/network.h"
#include "dns/zone.h"
#include "report/day.h"
#include "report/expire.h"
#include "report/failure.h"
#include "report/import.h"
#include "report/reporter.h"
#include "report/suppress.h"
#include "tool/report_options.h"
#include "tool/report_show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define BOUNCE_MAX ((size_t)8 << 20)
#define ZONE_MAX ((size_t)64 << 20)

static const char help[] =
    "usage: vidimus report import [--spool DIR]             closed segments of the spool into the store\n"
    "       vidimus report make                             make the reports of finished days, and queue them\n"
    "       vidimus report make --domain D --day X [--output FILE]   write the XML of one report\n"
    "       vidimus report send [--queued-only]             make, then send what is due; failure reports too\n"
    "       vidimus report show [--domain D] [--day X]      a table of reports, or of what is in one of them\n"
    "       vidimus report show --queue | --suppressed | --set-aside\n"
    "       vidimus report bounce                           learn from a bounce on standard input\n"
    "       vidimus report expire [--days N]                forget what is older than RecordKeep (or N days)\n"
    "       vidimus report expire --erase NAME              forget a domain, an address, a source\n"
    "options of all: -c FILE, -o NAME=VALUE, --quiet; of send also: --zone FILE (DNS from zone text)\n"
    "A day is written 2026-11-21 and is a day in UTC.  vidimus-report(8) says what is stored and for how long.\n";

static int
import(const struct report_options *o)
{
    struct config *c;
    struct store *s;
    int status = report_open(o, &c, &s);
    if (status != EX_OK)
        return status;
    struct import_result r = { 0 };
    struct strbuf error;
    struct report_progress p;
    strbuf_init(&error, 0);
    const struct import_options options = { .directory = o->spool != NULL ? o->spool : c->record_directory,
                                            .keep_days = c->record_keep_days, .now = o->now,
                                            .progress = report_progress_show, .arg = &p };
    if (options.directory == NULL) {
        status = report_fail(o, EX_CONFIG, "neither RecordDirectory nor --spool says where the records are");
    } else {
        report_progress_begin(&p, o, "importing");
        enum status st = import_run(s, &options, &r, &error);
        report_progress_end(&p);
        uint64_t failures = 0;
        struct arena *a = arena_new(0);
        if (st == ST_OK && a != NULL)
            st = failure_collect(s, options.directory, reporter_from(c, a).domain, o->now, &failures, &error);
        arena_free(a);
        if (st != ST_OK)
            status = report_fail(o, EX_UNAVAILABLE, strbuf_str(&error));
        if (!o->quiet)
            printf("%llu records of %llu segments, %llu set aside, %llu known already%s\n", (unsigned long long)r.records,
                   (unsigned long long)r.segments, (unsigned long long)r.set_aside, (unsigned long long)r.duplicates,
                   r.busy > 0 ? ", some segments were in another importer's hands" : "");
    }
    strbuf_clear(&error);
    report_close(c, s);
    return status;
}

struct output {
    const char *path;
    FILE *f; /* opened by the first octet: what stands there is not emptied for a report that there is not */
    int error;
};

static bool
to_output(void *arg, slice text)
{
    struct output *out = arg;
    if (out->f == NULL && (out->f = fopen(out->path, "we")) == NULL)
        out->error = errno;
    return out->f != NULL && fwrite(text.p, 1, text.n, out->f) == text.n;
}

static int
make_one(const struct report_options *o, struct reporter_job *j)
{
    struct output out = { o->output, o->output == NULL ? stdout : NULL, 0 };
    struct made m = { 0 };
    const struct aggregate_sink to = { to_output, &out };
    enum status st = reporter_xml(j, o->day, slice_from(o->domain), (slice){ NULL, 0 }, &to, &m);
    bool arrived = out.f == NULL || (o->output != NULL ? fclose(out.f) : fflush(out.f)) == 0;
    if (!arrived && st == ST_OK)
        return report_fail_file(o, EX_IOERR, o->output != NULL ? o->output : "standard output");
    if (out.error != 0) {
        errno = out.error;
        return report_fail_file(o, EX_CANTCREAT, o->output);
    }
    if (st == ST_SYNTAX)
        return report_fail(o, EX_DATAERR, "no mail of that policy domain was seen on that day");
    return st == ST_OK ? EX_OK : report_fail(o, EX_UNAVAILABLE, j->error->n > 0 ? strbuf_str(j->error) : status_name(st));
}

static enum status
make_all(const struct report_options *o, struct reporter_job *j)
{
    struct made m;
    enum status st = reporter_make(j, &m);
    if (st == ST_OK && !o->quiet && m.reports + m.without_destination > 0)
        printf("%llu reports made (%llu rows, %llu messages); %llu domains want none\n", (unsigned long long)m.reports,
               (unsigned long long)m.rows, (unsigned long long)m.messages, (unsigned long long)m.without_destination);
    return st;
}

static enum status
send_all(const struct report_options *o, struct reporter_job *j)
{
    struct sent n;
    enum status st = reporter_send(j, &n);
    if (!o->quiet)
        printf("%llu sent, %llu later, %llu refused, %llu suppressed, %llu given up, %llu unsure%s\n", (unsigned long long)n.delivered,
               (unsigned long long)n.later, (unsigned long long)n.refused, (unsigned long long)n.suppressed,
               (unsigned long long)n.expired, (unsigned long long)n.unsure, n.capped > 0 ? "; the hour's limit is reached" : "");
    return st;
}

static int
open_resolver(const struct report_options *o, const struct config *c, struct resolver **r)
{
    struct strbuf text, error;
    strbuf_init(&text, ZONE_MAX);
    strbuf_init(&error, 0);
    enum status st;
    if (o->zone != NULL) {
        FILE *f = fopen(o->zone, "re");
        char piece[8192];
        for (size_t n; f != NULL && (n = fread(piece, 1, sizeof(piece), f)) > 0;)
            strbuf_add(&text, (slice){ piece, n });
        st = f == NULL ? ST_INTERNAL : resolver_zone_new(strbuf_slice(&text), &error, r);
        if (f == NULL)
            strbuf_printf(&error, "%s: %s", o->zone, strerror(errno));
        else
            fclose(f);
    } else {
        const struct resolver_network_options options = { .nameservers = (const char *const *)c->nameservers.items,
                                                          .n_nameservers = c->nameservers.n,
                                                          .query_timeout_ms = c->dns_timeout_ms,
                                                          .cache_entries = c->dns_cache_entries,
                                                          .trust_ad = c->trust_ad };
        st = resolver_network_new(&options, &error, r);
    }
    int status = st == ST_OK ? EX_OK : report_fail(o, EX_CONFIG, strbuf_str(&error));
    strbuf_clear(&text);
    strbuf_clear(&error);
    return status;
}

/* make and send: one reporter at a time. */
static int
report(const struct report_options *o, bool send)
{
    struct config *c;
    struct store *s;
    struct resolver *r = NULL;
    int status = report_open(o, &c, &s);
    if (status != EX_OK)
        return status;
    struct arena *a = arena_new(0);
    struct strbuf error;
    struct report_progress p;
    strbuf_init(&error, 0);
    struct reporter_job j = { .store = s, .config = c, .now = o->now, .error = &error, .progress = report_progress_show, .arg = &p };
    report_progress_begin(&p, o, send ? "sending" : "making");
    enum status st = a == NULL ? ST_NOMEM : ST_OK;
    if (a != NULL)
        j.who = reporter_from(c, a);
    if (st == ST_OK && !send && (o->domain != NULL || o->day != 0 || o->output != NULL)) {
        status = o->domain == NULL || o->day == 0 ? report_fail(o, EX_USAGE, "--domain and --day say which report; both are wanted")
                                                  : make_one(o, &j);
    } else if (c->report_email == NULL) {
        status = report_fail(o, EX_CONFIG, "ReportEmail is not set: without a sender there are no reports");
    } else if (st == ST_OK && (st = store_lock(s, REPORTER_LOCK)) == ST_TIMEOUT) {
        status = report_fail(o, EX_TEMPFAIL, "another reporter is at work");
    } else if (st == ST_OK && (!send || (status = open_resolver(o, c, &r)) == EX_OK)) {
        j.resolver = r;
        if (!o->made_only)
            st = make_all(o, &j);
        if (st == ST_OK && send)
            st = send_all(o, &j);
        store_unlock(s, REPORTER_LOCK);
    }
    report_progress_end(&p);
    if (st != ST_OK && st != ST_TIMEOUT && status == EX_OK)
        status = report_fail(o, EX_UNAVAILABLE, error.n > 0 ? strbuf_str(&error) : store_error(s));
    resolver_free(r);
    strbuf_clear(&error);
    arena_free(a);
    report_close(c, s);
    return status;
}

static int
bounce(const struct report_options *o)
{
    struct config *c;
    struct store *s;
    int status = report_open(o, &c, &s);
    if (status != EX_OK)
        return status;
    struct strbuf message, error;
    char piece[8192];
    unsigned n = 0;
    strbuf_init(&message, BOUNCE_MAX);
    strbuf_init(&error, 0);
    for (size_t got; (got = fread(piece, 1, sizeof(piece), stdin)) > 0;)
        strbuf_add(&message, (slice){ piece, got });
    struct reporter_job j = { .store = s, .config = c, .now = o->now, .error = &error };
    if (strbuf_status(&message) != ST_OK)
        status = report_fail(o, EX_DATAERR, "the message is too long");
    else if (suppress_from_bounce(&j, strbuf_slice(&message), &n) != ST_OK)
        status = report_fail(o, EX_TEMPFAIL, strbuf_str(&error)); /* a mail system that pipes it here tries again */
    else if (!o->quiet)
        printf("%u learned\n", n);
    strbuf_clear(&message);
    strbuf_clear(&error);
    report_close(c, s);
    return status;
}

static int
expire(const struct report_options *o)
{
    struct config *c;
    struct store *s;
    struct expired e = { 0 };
    int status = report_open(o, &c, &s);
    if (status != EX_OK)
        return status;
    enum status st = o->erase != NULL ? expire_target(s, slice_from(o->erase), &e)
                                      : expire_old(s, o->now, o->days > 0 ? o->days : c->record_keep_days,
                                                   o->days > 0 && o->days > c->report_keep_days ? o->days : c->report_keep_days, &e);
    if (st != ST_OK)
        status = report_fail(o, EX_UNAVAILABLE, store_error(s));
    else if (!o->quiet)
        printf("forgotten: %llu records, %llu groups, %llu reports, %llu failure reports, %llu suppressed addresses, "
               "%llu lines set aside\n",
               (unsigned long long)e.raw, (unsigned long long)e.grouped, (unsigned long long)e.reports,
               (unsigned long long)e.failures, (unsigned long long)e.suppressions, (unsigned long long)e.aside);
    report_close(c, s);
    return status;
}

int
tool_report(int argc, char **argv)
{
    static const char *const names[] = { "import", "make", "send", "show", "bounce", "expire" };
    static const char *const takes[COUNT(names)][6] = { { "spool" }, { "domain", "day", "output", "zone" }, { "queued-only", "zone" },
                                                        { "domain", "day", "queue", "suppressed", "set-aside" }, { NULL },
                                                        { "days", "erase" } };
    const char *what = argc > 1 ? argv[1] : "";
    char command[64];
    size_t known = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return EX_OK;
        }
    while (known < COUNT(names) && strcmp(names[known], what) != 0)
        known++;
    if (known == COUNT(names)) {
        fputs(help, stderr);
        return EX_USAGE;
    }
    snprintf(command, sizeof(command), "vidimus report %s", names[known]);
    struct report_options o = { .command = command, .takes = takes[known] };
    argv[1] = argv[0]; /* getopt(3) names the program by it */
    int status = report_options_read(argc - 1, argv + 1, &o);
    if (status != EX_OK)
        return status;
    switch (known) {
    case 0: return import(&o);
    case 1: return report(&o, false);
    case 2: return report(&o, true);
    case 3: return report_show(&o);
    case 4: return bounce(&o);
    default: return expire(&o);
    }
}
