/*
 * stats.c - `vidimus stats`: as text, as JSON, as one page of HTML (stats_html.c).
 */
#include "autoconf.h"

#include "tool/tool.h"

#include "base/jsonw.h"
#include "report/day.h"
#include "report/stats.h"
#include "tool/report_options.h"
#include "tool/stats_html.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define DEFAULT_DAYS 30
#define DEFAULT_LIMIT 20

static const char help[] =
    "usage: vidimus stats [-c FILE] [-o NAME=VALUE]... [--days N | --since DAY] [--until DAY] [--domain AUTHOR]\n"
    "                     [--limit N] [--json | --html FILE]\n"
    "Volume, alignment and what was refused or would be, by day, author domain and source: the last 30 days unless said\n"
    "otherwise, the 20 busiest of each.  --html writes one page that needs nothing else.  Days are days in UTC: 2026-11-21.\n";

static double
percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0.0 : 100.0 * (double)part / (double)whole;
}

/* Names came from mail, if only as names: nothing but printable ASCII reaches a terminal. */
static void
print_name(slice s, int width)
{
    int n = 0;
    for (size_t i = 0; i < s.n; i++, n++)
        putchar(s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
    if (s.n == 0)
        n += printf("(none)");
    for (; n < width; n++)
        putchar(' ');
}

static void
print_head(const char *what)
{
    printf("\n%-36s %9s %6s %6s %6s %9s %9s %9s %9s\n", what, "messages", "spf", "dkim", "pass", "rejected", "quarant.", "would rej", "would qu.");
}

static void
print_counts(const struct stats_counts *n)
{
    printf(" %9llu %5.1f%% %5.1f%% %5.1f%% %9llu %9llu %9llu %9llu\n", (unsigned long long)n->messages, percent(n->spf, n->messages),
           percent(n->dkim, n->messages), percent(n->passed, n->messages), (unsigned long long)n->rejected,
           (unsigned long long)n->quarantined, (unsigned long long)n->would_reject, (unsigned long long)n->would_quarantine);
}

static void
print_list(const char *what, const struct stats_list *l)
{
    if (l->n == 0)
        return;
    print_head(what);
    for (size_t i = 0; i < l->n; i++) {
        print_name(l->rows[i].name, 36);
        print_counts(&l->rows[i].n);
    }
}

static void
print_text(const struct stats *s)
{
    char since[DAY_TEXT], until[DAY_TEXT];
    day_text(s->since, since);
    day_text(s->until, until);
    printf("%s to %s (UTC): %llu messages, %llu author domains, %llu sources\n", since, until, (unsigned long long)s->total.messages,
           (unsigned long long)s->authors, (unsigned long long)s->sources);
    printf("spf, dkim: aligned passes; pass: DMARC; would: at full enforcement\n");
    print_head("");
    print_name(SLICE("all"), 36);
    print_counts(&s->total);
    print_list("day", &s->days);
    print_list("author domain", &s->by_author);
    print_list("source", &s->by_source);
    if (s->refused.n > 0)
        print_head("refused, quarantined, or would be");
    for (size_t i = 0; i < s->refused.n; i++) {
        print_name(s->refused.rows[i].name, 0);
        printf(" from ");
        print_name(s->refused.rows[i].second, 0);
        printf("\n%36s", "");
        print_counts(&s->refused.rows[i].n);
    }
    if (s->let_through.n > 0)
        printf("\nlet through against the published policy, by this alone\n");
    for (size_t i = 0; i < s->let_through.n; i++) {
        print_name(s->let_through.rows[i].name, 14);
        print_name(s->let_through.rows[i].second, 30);
        printf(" %9llu\n", (unsigned long long)s->let_through.rows[i].n.messages);
    }
}

static void
json_counts(struct strbuf *b, const struct stats_counts *n)
{
    jsonw_int(b, "messages", (int64_t)n->messages);
    jsonw_int(b, "spf_aligned", (int64_t)n->spf);
    jsonw_int(b, "dkim_aligned", (int64_t)n->dkim);
    jsonw_int(b, "passed", (int64_t)n->passed);
    jsonw_int(b, "rejected", (int64_t)n->rejected);
    jsonw_int(b, "quarantined", (int64_t)n->quarantined);
    jsonw_int(b, "deferred", (int64_t)n->deferred);
    jsonw_int(b, "would_reject", (int64_t)n->would_reject);
    jsonw_int(b, "would_quarantine", (int64_t)n->would_quarantine);
}

static void
json_list(struct strbuf *b, const char *name, const char *first, const char *second, const struct stats_list *l)
{
    jsonw_open(b, name, '[');
    for (size_t i = 0; i < l->n; i++) {
        jsonw_open(b, NULL, '{');
        jsonw_text(b, first, l->rows[i].name);
        if (second != NULL)
            jsonw_text(b, second, l->rows[i].second);
        json_counts(b, &l->rows[i].n);
        jsonw_close(b, '}');
    }
    jsonw_close(b, ']');
}

static enum status
print_json(const struct stats *s)
{
    struct strbuf b;
    char since[DAY_TEXT], until[DAY_TEXT];
    day_text(s->since, since);
    day_text(s->until, until);
    strbuf_init(&b, 0);
    jsonw_open(&b, NULL, '{');
    jsonw_int(&b, "version", 1);
    jsonw_word(&b, "since", since);
    jsonw_word(&b, "until", until);
    jsonw_text_or_null(&b, "author", s->author);
    jsonw_int(&b, "authors", (int64_t)s->authors);
    jsonw_int(&b, "sources", (int64_t)s->sources);
    jsonw_open(&b, "total", '{');
    json_counts(&b, &s->total);
    jsonw_close(&b, '}');
    json_list(&b, "days", "day", NULL, &s->days);
    json_list(&b, "by_author", "author", NULL, &s->by_author);
    json_list(&b, "by_source", "source", NULL, &s->by_source);
    json_list(&b, "refused", "author", "source", &s->refused);
    jsonw_open(&b, "let_through", '[');
    for (size_t i = 0; i < s->let_through.n; i++) {
        jsonw_open(&b, NULL, '{');
        jsonw_text(&b, "by", s->let_through.rows[i].name);
        jsonw_text(&b, "name", s->let_through.rows[i].second);
        jsonw_int(&b, "messages", (int64_t)s->let_through.rows[i].n.messages);
        jsonw_close(&b, '}');
    }
    jsonw_close(&b, ']');
    jsonw_close(&b, '}');
    enum status st = strbuf_status(&b);
    if (st == ST_OK)
        puts(strbuf_str(&b));
    strbuf_clear(&b);
    return st;
}

static int
write_html(const struct report_options *o, const struct stats *s)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    stats_html(s, o->now, &b);
    slice page = strbuf_slice(&b);
    FILE *f = strcmp(o->html, "-") == 0 ? stdout : fopen(o->html, "we");
    int status = EX_OK;
    if (f == NULL)
        status = report_fail_file(o, EX_CANTCREAT, o->html);
    else if (strbuf_status(&b) != ST_OK || fwrite(page.p, 1, page.n, f) != page.n || fflush(f) != 0)
        status = report_fail_file(o, EX_IOERR, o->html);
    if (f != NULL && f != stdout && fclose(f) != 0 && status == EX_OK)
        status = report_fail_file(o, EX_IOERR, o->html);
    strbuf_clear(&b);
    return status;
}

int
tool_stats(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return EX_OK;
        }
    static const char *const takes[] = { "days", "since", "until", "domain", "limit", "json", "html", NULL };
    struct report_options o = { .command = "vidimus stats", .takes = takes };
    struct config *c;
    struct store *s;
    int status = report_options_read(argc, argv, &o);
    if (status == EX_OK)
        status = report_open(&o, &c, &s);
    if (status != EX_OK)
        return status;
    int until = o.until != 0 ? o.until : day_of(o.now);
    int since = o.since != 0 ? o.since : day_add(until, 1 - (int)(o.days != 0 ? o.days : DEFAULT_DAYS));
    struct arena *a = arena_new(0);
    struct stats all;
    enum status st = a == NULL ? ST_NOMEM
                               : stats_read(s, a, since, until, slice_from(o.domain), o.limit != 0 ? o.limit : DEFAULT_LIMIT, &all);
    if (st != ST_OK)
        status = report_fail(&o, EX_UNAVAILABLE, st == ST_NOMEM ? "out of memory" : store_error(s));
    else if (o.html != NULL)
        status = write_html(&o, &all);
    else if (o.json)
        status = print_json(&all) == ST_OK ? EX_OK : EX_OSERR;
    else
        print_text(&all);
    arena_free(a);
    report_close(c, s);
    return status;
}
