#include "autoconf.h"

#include "tool/report_show.h"
#include "report/day.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char *
text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s == NULL ? "" : s;
}

/* Of the store, shown to a terminal: nothing but printable ASCII. */
static void
print_text(slice s, int width)
{
    int n = 0;
    for (size_t i = 0; i < s.n; i++, n++)
        putchar(s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
    for (; n < width; n++)
        putchar(' ');
}

static void
print_row(slice content, int64_t messages)
{
    json_t *row = json_loadb(content.p, content.n, 0, NULL);
    const json_t *sig = json_object_get(row, "sig"), *mfrom = json_object_get(row, "mfrom"), *why = json_object_get(row, "why");
    print_text(slice_from(text(row, "ip")), 16);
    printf(" %8" PRId64 "  %-10s %-5s %-5s ", messages, text(row, "disp"), text(row, "dkim"), text(row, "spf"));
    print_text(slice_from(text(row, "from")), 28);
    for (size_t i = 0; i < json_array_size(sig); i++) {
        const json_t *d = json_array_get(sig, i);
        printf(" dkim=%s:", text(d, "r"));
        print_text(slice_from(text(d, "d")), 0);
    }
    if (mfrom != NULL) {
        printf(" spf=%s:", text(mfrom, "r"));
        print_text(slice_from(text(mfrom, "d")), 0);
    }
    for (size_t i = 0; i < json_array_size(why); i++) {
        printf(" because=%s", text(json_array_get(why, i), "type"));
        if (text(json_array_get(why, i), "comment")[0] != '\0') {
            printf(" (");
            print_text(slice_from(text(json_array_get(why, i), "comment")), 0);
            putchar(')');
        }
    }
    putchar('\n');
    json_decref(row);
}

static int
show_one(const struct report_options *o, struct store *s)
{
    const struct store_value v[] = { store_int(o->day), store_text(slice_from(o->domain)) };
    char day[DAY_TEXT];
    day_text(o->day, day);
    struct store_rows *r = store_query(s, "SELECT published FROM policy WHERE day = $1 AND domain = $2", v, COUNT(v));
    bool found = store_next(r);
    if (found) {
        slice published = store_column_text(r, 0);
        json_t *p = json_loadb(published.p, published.n, 0, NULL);
        printf("%s on %s: p=%s sp=%s np=%s adkim=%s aspf=%s t=%s\n\n", o->domain, day, text(p, "p"), text(p, "sp"), text(p, "np"),
               text(p, "adkim"), text(p, "aspf"), text(p, "t"));
        json_decref(p);
    }
    if (store_rows_free(r) != ST_OK)
        return report_fail(o, EX_UNAVAILABLE, store_error(s));
    if (!found)
        return report_fail(o, EX_DATAERR, "no mail of that policy domain was seen on that day");
    printf("%-16s %8s  %-10s %-5s %-5s %-28s results\n", "source", "messages", "done", "dkim", "spf", "from");
    r = store_query(s, "SELECT content, messages FROM report_row WHERE day = $1 AND domain = $2 ORDER BY messages DESC, row_key", v,
                    COUNT(v));
    while (store_next(r))
        print_row(store_column_text(r, 0), store_column_int(r, 1));
    return store_rows_free(r) == ST_OK ? EX_OK : report_fail(o, EX_UNAVAILABLE, store_error(s));
}

/* A table of any query: the first column a day, the rest as they come. */
struct table {
    const char *sql, *head;
    const int *widths;
    int columns;
    bool day_first;
};

static int
show_table(const struct report_options *o, struct store *s, const struct table *t, const struct store_value *v, size_t n)
{
    struct store_rows *r = store_query(s, t->sql, v, n);
    puts(t->head);
    while (store_next(r)) {
        for (int i = 0; i < t->columns; i++) {
            char day[DAY_TEXT];
            slice cell = store_column_text(r, i);
            if (i == 0 && t->day_first) {
                day_text((int)store_column_int(r, 0), day);
                cell = slice_from(day);
            }
            if (i > 0)
                putchar(' ');
            print_text(cell, t->widths[i]);
        }
        putchar('\n');
    }
    return store_rows_free(r) == ST_OK ? EX_OK : report_fail(o, EX_UNAVAILABLE, store_error(s));
}

int
report_show(const struct report_options *o)
{
    static const int list_widths[] = { 10, 34, 8, 9, 0 }, queue_widths[] = { 10, 30, 34, 10, 5, 0 }, suppressed_widths[] = { 40, 0 },
                     aside_widths[] = { 40, 10, 34, 0 };
    static const struct table list = {
        "SELECT p.day, p.domain, (SELECT count(*) FROM report_row x WHERE x.day = p.day AND x.domain = p.domain), "
        "(SELECT sum(messages) FROM report_row x WHERE x.day = p.day AND x.domain = p.domain), "
        "CASE WHEN r.made IS NULL THEN 'not made' ELSE coalesce((SELECT min(d.state) || CASE WHEN count(DISTINCT d.state) > 1 "
        "THEN ', ...' ELSE '' END FROM delivery d WHERE d.day = p.day AND d.domain = p.domain), 'not wanted') END "
        "FROM policy p LEFT JOIN report r ON r.day = p.day AND r.domain = p.domain "
        "WHERE ($1 = 0 OR p.day = $1) AND ($2 = '' OR p.domain = $2) ORDER BY p.day, p.domain",
        "day        domain                             rows     messages  state", list_widths, 5, true };
    static const struct table queue = {
        "SELECT day, domain, address, state, tries, note FROM delivery WHERE ($1 = 0 OR day = $1) AND ($2 = '' OR domain = $2) "
        "ORDER BY day, domain, address",
        "day        domain                         address                            state      tries note", queue_widths, 6, true };
    static const struct table suppressed = { "SELECT target, reason FROM suppressed ORDER BY target",
                                             "address or domain                        reason", suppressed_widths, 2, false };
    static const struct table aside = { "SELECT segment, at_octet, reason, line FROM aside ORDER BY segment, at_octet",
                                        "segment                                  octet      reason                             line",
                                        aside_widths, 4, false };
    struct config *c;
    struct store *s;
    int status = report_open(o, &c, &s);
    if (status != EX_OK)
        return status;
    const struct store_value v[] = { store_int(o->day), store_text(slice_from(o->domain)) };
    if (o->queue)
        status = show_table(o, s, &queue, v, COUNT(v));
    else if (o->suppressed)
        status = show_table(o, s, &suppressed, STORE_NO_VALUES);
    else if (o->aside)
        status = show_table(o, s, &aside, STORE_NO_VALUES);
    else if (o->domain != NULL && o->day != 0)
        status = show_one(o, s);
    else
        status = show_table(o, s, &list, v, COUNT(v));
    report_close(c, s);
    return status;
}
