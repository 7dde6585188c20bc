#include "autoconf.h"

#include "tool/stats_html.h"
#include "report/day.h"

#include <string.h>

#define WIDTH 900.0  /* of a plot, in its own units */
#define HEIGHT 240.0
#define LEFT 70.0    /* room for the numbers of the axis */
#define TOP 12.0
#define BOTTOM 34.0

static const char style[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Vidimus</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>\n"
    ":root{--ink:#1d2733;--soft:#5b6773;--line:#d7dde3;--paper:#fff;--band:#f4f6f8;--pass:#2f7d4f;--quarantine:#c98a12;"
    "--reject:#b23a34;--other:#7d8b99;--spf:#2a6fa8;--dkim:#7a4fa3}\n"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9fabb7;--line:#37424d;--paper:#161b21;--band:#1e252d;"
    "--pass:#5fb883;--quarantine:#e0ab46;--reject:#e0736c;--other:#8b98a5;--spf:#6cabe0;--dkim:#b48fdb}}\n"
    "body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:66rem;padding:0 1rem}\n"
    "h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2.2rem 0 .5rem}p{margin:.3rem 0 .8rem;color:var(--soft)}\n"
    "dl.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem;margin:1.2rem 0}\n"
    ".tiles div{background:var(--band);border-radius:.4rem;padding:.6rem .8rem}.tiles dt{color:var(--soft);font-size:.82rem}\n"
    ".tiles dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}\n"
    "svg{display:block;width:100%;height:auto;overflow:visible}svg text{font-size:12px;fill:var(--soft)}svg .axis{stroke:var(--line)}\n"
    ".key span{display:inline-block;margin-right:1.1rem}.key i{display:inline-block;width:.8em;height:.8em;border-radius:.15em;"
    "margin-right:.35em;vertical-align:-.05em}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9rem}\n"
    "th,td{text-align:right;padding:.28rem .55rem;border-bottom:1px solid var(--line);white-space:nowrap}\n"
    "th{font-weight:600;color:var(--soft);white-space:normal;vertical-align:bottom}th:first-child,td:first-child,td.t,th.t{text-align:left}td:first-child{min-width:13rem;overflow-wrap:anywhere;white-space:normal}\n"
    ".bar{display:inline-block;width:4rem;height:.55rem;background:var(--line);border-radius:.2rem;vertical-align:middle;overflow:hidden}\n"
    ".bar i{display:block;height:100%;background:var(--pass)}\n</style></head><body>\n";

/* Names are names, but this page must not depend on that: all text is escaped. */
static void
text(struct strbuf *b, slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
            strbuf_printf(b, "&#%u;", c);
        else if (c >= 0x20 && c < 0x7f)
            strbuf_add_char(b, (char)c);
        else
            strbuf_add_char(b, '?');
    }
    if (s.n == 0)
        strbuf_add_str(b, "(none)");
}

/* 1234567 as 1 234 567, with thin spaces that do not break. */
static void
number(struct strbuf *b, uint64_t v)
{
    char digits[24];
    int n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n-- > 0) {
        strbuf_add_char(b, digits[n]);
        if (n > 0 && n % 3 == 0)
            strbuf_add_str(b, "&#8239;");
    }
}

static double
share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0.0 : (double)part / (double)whole;
}

static void
tile(struct strbuf *b, const char *name, uint64_t v, bool is_percent, uint64_t whole)
{
    strbuf_printf(b, "<div><dt>%s</dt><dd>", name);
    if (is_percent)
        strbuf_printf(b, "%.1f%%", 100.0 * share(v, whole));
    else
        number(b, v);
    strbuf_add_str(b, "</dd></div>\n");
}

/* The next of 1, 2, 5, 10, 20, ... that is not below v. */
static uint64_t
round_up(uint64_t v)
{
    static const uint64_t steps[] = { 1, 2, 5 };
    for (uint64_t ten = 1; ten < UINT64_MAX / 100; ten *= 10)
        for (size_t i = 0; i < COUNT(steps); i++)
            if (ten * steps[i] >= v)
                return ten * steps[i];
    return v;
}

static void
frame(struct strbuf *b, const char *label, uint64_t top, bool is_percent)
{
    strbuf_printf(b, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT, label);
    for (int i = 0; i <= 4; i++) {
        double y = TOP + (HEIGHT - TOP - BOTTOM) * (4 - i) / 4;
        strbuf_printf(b, "<line class=\"axis\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">",
                      LEFT, WIDTH, y, y, LEFT - 8, y + 4);
        if (is_percent)
            strbuf_printf(b, "%d%%", i * 25);
        else if (top < 4)
            strbuf_printf(b, "%.2g", (double)top * i / 4);
        else
            number(b, top * (uint64_t)i / 4);
        strbuf_add_str(b, "</text>\n");
    }
}

/* The days below the plot: as many as fit. */
static void
days_axis(struct strbuf *b, const struct stats_list *days, double step)
{
    size_t every = 1;
    while ((double)every * step < 78)
        every++;
    for (size_t i = 0; i < days->n; i += every)
        strbuf_printf(b, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.*s</text>\n", LEFT + step * ((double)i + 0.5), HEIGHT - 12,
                      SLICE_ARG(days->rows[i].name));
    strbuf_add_str(b, "</svg>\n");
}

static void
key(struct strbuf *b, const char *const *names, const char *const *colours, size_t n)
{
    strbuf_add_str(b, "<p class=\"key\">");
    for (size_t i = 0; i < n; i++)
        strbuf_printf(b, "<span><i style=\"background:var(--%s)\"></i>%s</span>", colours[i], names[i]);
    strbuf_add_str(b, "</p>\n");
}

static void
plot_volume(struct strbuf *b, const struct stats_list *days)
{
    static const char *const names[] = { "passed DMARC", "accepted without a pass", "quarantined", "rejected", "deferred" };
    static const char *const colours[] = { "pass", "other", "quarantine", "reject", "line" };
    uint64_t most = 0;
    for (size_t i = 0; i < days->n; i++)
        if (days->rows[i].n.messages > most)
            most = days->rows[i].n.messages;
    uint64_t top = round_up(most);
    double step = (WIDTH - LEFT) / (double)days->n, width = step > 60 ? 48 : step * 0.8;
    strbuf_add_str(b, "<h2>Messages a day</h2>\n");
    key(b, names, colours, COUNT(names));
    frame(b, "Messages a day by what became of them", top, false);
    for (size_t i = 0; i < days->n; i++) {
        const struct stats_counts *n = &days->rows[i].n;
        /* A message that passed may still be refused by a rule: what became of it comes first. */
        uint64_t gone = n->quarantined + n->rejected + n->deferred, passed = n->passed;
        uint64_t kept = n->messages > gone ? n->messages - gone : 0;
        if (passed > kept)
            passed = kept;
        const uint64_t parts[] = { passed, kept - passed, n->quarantined, n->rejected, n->deferred };
        double y = HEIGHT - BOTTOM;
        for (size_t k = 0; k < COUNT(parts); k++) {
            double h = (HEIGHT - TOP - BOTTOM) * share(parts[k], top);
            if (parts[k] == 0)
                continue;
            y -= h;
            strbuf_printf(b, "<rect x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\" style=\"fill:var(--%s)\"><title>%.*s: %llu %s</title></rect>\n",
                          LEFT + step * (double)i + (step - width) / 2, y, width, h, colours[k], SLICE_ARG(days->rows[i].name),
                          (unsigned long long)parts[k], names[k]);
        }
    }
    days_axis(b, days, step);
}

static void
plot_line(struct strbuf *b, const struct stats_list *days, double step, size_t which, const char *colour, const char *what)
{
    strbuf_printf(b, "<polyline fill=\"none\" stroke-width=\"2.5\" stroke-linejoin=\"round\" style=\"stroke:var(--%s)\" points=\"", colour);
    for (int dots = 0; dots < 2; dots++) {
        for (size_t i = 0; i < days->n; i++) {
            const struct stats_counts *n = &days->rows[i].n;
            const uint64_t parts[] = { n->spf, n->dkim, n->passed };
            if (n->messages == 0) /* a share of nothing */
                continue;
            double x = LEFT + step * ((double)i + 0.5), y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - share(parts[which], n->messages));
            if (dots == 0)
                strbuf_printf(b, "%.1f,%.1f ", x, y);
            else
                strbuf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" style=\"fill:var(--%s)\"><title>%.*s: %s %.1f%%</title></circle>\n", x, y,
                              colour, SLICE_ARG(days->rows[i].name), what, 100.0 * share(parts[which], n->messages));
        }
        if (dots == 0)
            strbuf_add_str(b, "\"/>\n");
    }
}

static void
plot_rates(struct strbuf *b, const struct stats_list *days)
{
    static const char *const names[] = { "SPF aligned", "DKIM aligned", "DMARC pass" };
    static const char *const colours[] = { "spf", "dkim", "pass" };
    double step = (WIDTH - LEFT) / (double)days->n;
    strbuf_add_str(b, "<h2>Alignment a day</h2>\n");
    key(b, names, colours, COUNT(names));
    frame(b, "Share of messages that passed in alignment", 100, true);
    for (size_t k = 0; k < COUNT(names); k++)
        plot_line(b, days, step, k, colours[k], names[k]);
    days_axis(b, days, step);
}

static void
cell(struct strbuf *b, uint64_t v)
{
    strbuf_add_str(b, "<td>");
    number(b, v);
    strbuf_add_str(b, "</td>");
}

static void
table(struct strbuf *b, const char *title, const char *first, const char *second, const struct stats_list *l)
{
    if (l->n == 0)
        return;
    strbuf_printf(b, "<h2>%s</h2>\n<div class=\"wide\"><table><tr><th>%s</th>", title, first);
    if (second != NULL)
        strbuf_printf(b, "<th class=\"t\">%s</th>", second);
    strbuf_add_str(b, "<th>messages</th><th>pass</th>");
    strbuf_add_str(b, second != NULL ? "" : "<th></th>");
    strbuf_add_str(b, "<th>SPF</th><th>DKIM</th><th>rejected</th><th>quarantined</th>"
                      "<th>would reject</th><th>would quarantine</th></tr>\n");
    for (size_t i = 0; i < l->n; i++) {
        const struct stats_counts *n = &l->rows[i].n;
        strbuf_add_str(b, "<tr><td>");
        text(b, l->rows[i].name);
        strbuf_add_str(b, "</td>");
        if (second != NULL) {
            strbuf_add_str(b, "<td class=\"t\">");
            text(b, l->rows[i].second);
            strbuf_add_str(b, "</td>");
        }
        cell(b, n->messages);
        double pass = 100.0 * share(n->passed, n->messages);
        strbuf_printf(b, "<td>%.1f%%</td>", pass);
        if (second == NULL)
            strbuf_printf(b, "<td><span class=\"bar\"><i style=\"width:%.1f%%\"></i></span></td>", pass);
        strbuf_printf(b, "<td>%.1f%%</td><td>%.1f%%</td>", 100.0 * share(n->spf, n->messages), 100.0 * share(n->dkim, n->messages));
        cell(b, n->rejected);
        cell(b, n->quarantined);
        cell(b, n->would_reject);
        cell(b, n->would_quarantine);
        strbuf_add_str(b, "</tr>\n");
    }
    strbuf_add_str(b, "</table></div>\n");
}

static void
let_through(struct strbuf *b, const struct stats_list *l)
{
    if (l->n == 0)
        return;
    strbuf_add_str(b, "<h2>Let through against the published policy</h2>\n<p>By this alone: without it the message would have been "
                      "refused or quarantined.</p>\n<div class=\"wide\"><table><tr><th>by</th><th class=\"t\">which</th><th>messages</th></tr>\n");
    for (size_t i = 0; i < l->n; i++) {
        strbuf_add_str(b, "<tr><td>");
        text(b, l->rows[i].name);
        strbuf_add_str(b, "</td><td class=\"t\">");
        if (l->rows[i].second.n > 0)
            text(b, l->rows[i].second);
        strbuf_add_str(b, "</td>");
        cell(b, l->rows[i].n.messages);
        strbuf_add_str(b, "</tr>\n");
    }
    strbuf_add_str(b, "</table></div>\n");
}

void
stats_html(const struct stats *s, int64_t now, struct strbuf *out)
{
    char since[DAY_TEXT], until[DAY_TEXT], made[DAY_TEXT];
    const struct stats_counts *t = &s->total;
    day_text(s->since, since);
    day_text(s->until, until);
    day_text(day_of(now), made);
    strbuf_add_str(out, style);
    strbuf_add_str(out, "<h1>What Vidimus saw</h1>\n<p>");
    if (s->author.n > 0) {
        strbuf_add_str(out, "Author domain ");
        text(out, s->author);
        strbuf_add_str(out, ", ");
    }
    strbuf_printf(out, "%s to %s (UTC), made on %s; ", since, until, made);
    number(out, s->authors);
    strbuf_add_str(out, " author domains, ");
    number(out, s->sources);
    strbuf_add_str(out, " sources.</p>\n<dl class=\"tiles\">\n");
    tile(out, "messages", t->messages, false, 0);
    tile(out, "DMARC pass", t->passed, true, t->messages);
    tile(out, "SPF aligned", t->spf, true, t->messages);
    tile(out, "DKIM aligned", t->dkim, true, t->messages);
    tile(out, "rejected", t->rejected, false, 0);
    tile(out, "quarantined", t->quarantined, false, 0);
    tile(out, "would be rejected", t->would_reject, false, 0);
    tile(out, "would be quarantined", t->would_quarantine, false, 0);
    strbuf_add_str(out, "</dl>\n");
    if (s->days.n > 0) {
        plot_volume(out, &s->days);
        plot_rates(out, &s->days);
    }
    table(out, "Author domains", "author domain", NULL, &s->by_author);
    table(out, "Sources", "address", NULL, &s->by_source);
    table(out, "Refused, quarantined, or would be", "author domain", "source", &s->refused);
    let_through(out, &s->let_through);
    strbuf_add_str(out, "</body></html>\n");
}
