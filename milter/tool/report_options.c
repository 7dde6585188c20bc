#include "autoconf.h"

#include "tool/report_options.h"
#include "base/arena.h"
#include "base/clock.h"
#include "report/day.h"
#include "report/schema.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRESS_AFTER_MS 1000
#define PROGRESS_EVERY_MS 200

enum { O_SPOOL = 256, O_DOMAIN, O_DAY, O_OUTPUT, O_ZONE, O_ERASE, O_HTML, O_SINCE, O_UNTIL, O_DAYS, O_LIMIT, O_JSON, O_QUEUE,
       O_SUPPRESSED, O_ASIDE, O_QUIET, O_MADE, O_NOW };

static const struct option longs[] = {
    { "config", required_argument, NULL, 'c' },       { "spool", required_argument, NULL, O_SPOOL },
    { "domain", required_argument, NULL, O_DOMAIN },  { "day", required_argument, NULL, O_DAY },
    { "output", required_argument, NULL, O_OUTPUT },  { "zone", required_argument, NULL, O_ZONE },
    { "erase", required_argument, NULL, O_ERASE },    { "html", required_argument, NULL, O_HTML },
    { "since", required_argument, NULL, O_SINCE },    { "until", required_argument, NULL, O_UNTIL },
    { "days", required_argument, NULL, O_DAYS },      { "limit", required_argument, NULL, O_LIMIT },
    { "json", no_argument, NULL, O_JSON },            { "queue", no_argument, NULL, O_QUEUE },
    { "suppressed", no_argument, NULL, O_SUPPRESSED }, { "set-aside", no_argument, NULL, O_ASIDE },
    { "quiet", no_argument, NULL, O_QUIET },          { "queued-only", no_argument, NULL, O_MADE },
    { "now", required_argument, NULL, O_NOW },        { NULL, 0, NULL, 0 },
};

static int
bad(const struct report_options *o, const char *option, const char *value, const char *allowed)
{
    fprintf(stderr, "%s: --%s \"%s\": %s\n", o->command, option, value, allowed);
    return EX_USAGE;
}

static int
read_day(const struct report_options *o, const char *option, int *day)
{
    return day_parse(slice_from(optarg), day) ? EX_OK : bad(o, option, optarg, "a day is written 2026-11-21");
}

static int
read_number(const struct report_options *o, const char *option, uint64_t max, uint64_t *out)
{
    return slice_to_u64(slice_from(optarg), out) && *out > 0 && *out <= max ? EX_OK : bad(o, option, optarg, "wants a whole number above 0");
}

static int
read_domain(struct report_options *o)
{
    struct arena *a = arena_new(0);
    slice name;
    enum status st = a == NULL ? ST_NOMEM : domain_from_text(a, slice_from(optarg), &name);
    if (st == ST_OK)
        snprintf(o->domain_name, sizeof(o->domain_name), "%.*s", SLICE_ARG(name));
    arena_free(a);
    o->domain = o->domain_name;
    return st == ST_OK ? EX_OK : bad(o, "domain", optarg, "is no domain name");
}

static int
take(struct report_options *o, int c)
{
    uint64_t v = 0;
    int status = EX_OK;
    switch (c) {
    case 'c': o->file = optarg; break;
    case 'o':
        if (o->n_overrides == REPORT_OPTIONS_MAX_OVERRIDES)
            return bad(o, "o", optarg, "too many of them");
        o->overrides[o->n_overrides++] = optarg;
        break;
    case O_SPOOL: o->spool = optarg; break;
    case O_DOMAIN: return read_domain(o);
    case O_OUTPUT: o->output = optarg; break;
    case O_ZONE: o->zone = optarg; break;
    case O_ERASE: o->erase = optarg; break;
    case O_HTML: o->html = optarg; break;
    case O_DAY: return read_day(o, "day", &o->day);
    case O_SINCE: return read_day(o, "since", &o->since);
    case O_UNTIL: return read_day(o, "until", &o->until);
    case O_DAYS:
        status = read_number(o, "days", 36500, &v);
        o->days = (unsigned)v;
        break;
    case O_LIMIT:
        status = read_number(o, "limit", 1000000, &v);
        o->limit = (unsigned)v;
        break;
    case O_NOW:
        status = read_number(o, "now", INT64_MAX, &v);
        o->now = (int64_t)v;
        break;
    case O_JSON: o->json = true; break;
    case O_QUEUE: o->queue = true; break;
    case O_SUPPRESSED: o->suppressed = true; break;
    case O_ASIDE: o->aside = true; break;
    case O_QUIET: o->quiet = true; break;
    case O_MADE: o->made_only = true; break;
    default: return EX_USAGE; /* getopt said it */
    }
    return status;
}

/* What another command takes is not passed over: `report send --domain` would send everything. */
static bool
is_taken(const struct report_options *o, const char *name)
{
    static const char *const everybody[] = { "config", "quiet", "now", NULL };
    for (const char *const *n = everybody; *n != NULL; n++)
        if (strcmp(*n, name) == 0)
            return true;
    for (const char *const *n = o->takes; *n != NULL; n++)
        if (strcmp(*n, name) == 0)
            return true;
    fprintf(stderr, "%s: --%s is not an option of this command\n", o->command, name);
    return false;
}

int
report_options_read(int argc, char **argv, struct report_options *o)
{
    *o = (struct report_options){ .command = o->command, .takes = o->takes, .file = SYSCONFDIR "/vidimus/vidimus.conf", .now = clock_wall_s() };
    optind = 1;
    for (int c, index = -1; (c = getopt_long(argc, argv, "c:o:", longs, &index)) != -1; index = -1) {
        int status = index < 0 || c == '?' || is_taken(o, longs[index].name) ? take(o, c) : EX_USAGE;
        if (status != EX_OK)
            return status;
    }
    if (optind == argc)
        return EX_OK;
    fprintf(stderr, "%s: \"%s\": no argument is expected here\n", o->command, argv[optind]);
    return EX_USAGE;
}

int
report_fail(const struct report_options *o, int status, const char *what)
{
    fprintf(stderr, "%s: %s\n", o->command, what);
    return status;
}

int
report_fail_file(const struct report_options *o, int status, const char *file)
{
    fprintf(stderr, "%s: %s: %s\n", o->command, file, strerror(errno));
    return status;
}

int
report_open(const struct report_options *o, struct config **c, struct store **s)
{
    struct strbuf error;
    int status = EX_OK;
    strbuf_init(&error, 0);
    *c = NULL;
    *s = NULL;
    enum status st = config_load(o->file, o->overrides, o->n_overrides, &error, c);
    if (st != ST_OK) {
        fputs(strbuf_str(&error), stderr);
        status = EX_CONFIG;
    } else if ((*c)->report_store == NULL) {
        status = report_fail(o, EX_CONFIG, "ReportStore is not set");
    } else if (store_open((*c)->report_store, &error, s) != ST_OK) {
        status = report_fail(o, EX_UNAVAILABLE, strbuf_str(&error));
    } else if ((st = schema_ready(*s, &error)) != ST_OK) {
        status = report_fail(o, st == ST_LIMIT ? EX_SOFTWARE : EX_UNAVAILABLE, strbuf_str(&error));
    }
    strbuf_clear(&error);
    if (status != EX_OK) {
        report_close(*c, *s);
        *c = NULL;
        *s = NULL;
    }
    return status;
}

void
report_close(struct config *c, struct store *s)
{
    store_close(s);
    config_release(c);
}

void
report_progress_begin(struct report_progress *p, const struct report_options *o, const char *what)
{
    *p = (struct report_progress){ .what = what, .begin_ms = clock_mono_ms() };
    if (o->quiet || !isatty(STDERR_FILENO))
        p->begin_ms = UINT64_MAX; /* that second never comes */
}

void
report_progress_show(void *progress, uint64_t done, uint64_t total)
{
    struct report_progress *p = progress;
    uint64_t now = clock_mono_ms();
    if (p->begin_ms == UINT64_MAX || now - p->begin_ms < PROGRESS_AFTER_MS || now - p->shown_ms < PROGRESS_EVERY_MS)
        return;
    p->shown_ms = now;
    p->shown = true;
    if (total > 0)
        fprintf(stderr, "\r%s: %3llu%% ", p->what, (unsigned long long)(done >= total ? 100 : done * 100 / total));
    else
        fprintf(stderr, "\r%s: %llu ", p->what, (unsigned long long)done);
}

void
report_progress_end(struct report_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}
