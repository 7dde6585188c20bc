/*
 * report_options.h - the command line of `vidimus report` and `vidimus stats`, and what both open first.
 */
#ifndef VIDIMUS_TOOL_REPORT_OPTIONS_H
#define VIDIMUS_TOOL_REPORT_OPTIONS_H

#include "config/config.h"
#include "mail/domain.h"
#include "report/store.h"

#define REPORT_OPTIONS_MAX_OVERRIDES 64

struct report_options {
    const char *command; /* "vidimus report import": for messages */
    const char *const *takes; /* long options of this command, to a NULL; --config, --quiet and --now are everybody's */
    const char *file;
    const char *overrides[REPORT_OPTIONS_MAX_OVERRIDES];
    size_t n_overrides;
    const char *spool, *domain, *output, *zone, *erase, *html;
    char domain_name[DOMAIN_MAX + 1]; /* what `domain` points to: a name, as the store has it */
    int day, since, until; /* YYYYMMDD; 0: not given */
    unsigned days;         /* 0: not given */
    unsigned limit;
    bool json, queue, suppressed, aside, quiet, made_only;
    int64_t now;           /* Unix seconds: the clock, or --now */
};

/* EX_OK, or EX_USAGE with a message said.  argv[0] is the subcommand; `command` and `takes` are set by the caller. */
int report_options_read(int argc, char **argv, struct report_options *o);
/* The configuration and its store, tables made or upgraded.  EX_OK, or a status after a message. */
int report_open(const struct report_options *o, struct config **c, struct store **s);
void report_close(struct config *c, struct store *s);
/* Say on standard error what went wrong; returns the status. */
int report_fail(const struct report_options *o, int status, const char *what);
int report_fail_file(const struct report_options *o, int status, const char *file); /* errno says what */

/* A line on the terminal that tells how far it is, once work takes over a second; nothing in a pipe. */
struct report_progress {
    const char *what;
    uint64_t begin_ms, shown_ms;
    bool shown;
};
void report_progress_begin(struct report_progress *p, const struct report_options *o, const char *what);
void report_progress_show(void *progress, uint64_t done, uint64_t total);
void report_progress_end(struct report_progress *p);

#endif
