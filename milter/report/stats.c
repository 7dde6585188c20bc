#include "autoconf.h"

#include "report/stats.h"
#include "report/day.h"

#include <string.h>

#define MAX_DAYS 3660

#define SUMS                                                                                                                        \
    "sum(messages), sum(spf), sum(dkim), sum(passed), sum(quarantined), sum(rejected), sum(deferred), sum(would_quarantine), "       \
    "sum(would_reject)"
#define WHERE " FROM traffic WHERE day BETWEEN $1 AND $2 AND ($3 = '' OR author = $3) "

static const char totals[] = "SELECT '', '', " SUMS WHERE;
static const char different[] = "SELECT count(DISTINCT author), count(DISTINCT source)" WHERE;
static const char per_day[] = "SELECT day, '', " SUMS WHERE "GROUP BY day ORDER BY day LIMIT $4";
static const char per_author[] = "SELECT author, '', " SUMS WHERE "GROUP BY author ORDER BY sum(messages) DESC, author LIMIT $4";
static const char per_source[] = "SELECT source, '', " SUMS WHERE "GROUP BY source ORDER BY sum(messages) DESC, source LIMIT $4";
static const char per_pair[] = "SELECT author, source, " SUMS WHERE
                               "GROUP BY author, source HAVING sum(rejected + quarantined + would_reject + would_quarantine) > 0 "
                               "ORDER BY sum(rejected + quarantined + would_reject + would_quarantine) DESC, author, source LIMIT $4";
static const char let[] = "SELECT kind, name, sum(messages), 0, 0, 0, 0, 0, 0, 0, 0 FROM let_through WHERE day BETWEEN $1 AND $2 "
                          "AND ($3 = '' OR author = $3) GROUP BY kind, name ORDER BY sum(messages) DESC, kind, name LIMIT $4";

static struct stats_counts
counts(struct store_rows *r)
{
    uint64_t n[9];
    for (int i = 0; i < 9; i++)
        n[i] = (uint64_t)store_column_int(r, i + 2);
    return (struct stats_counts){ n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8] };
}

static enum status
read_list(struct store *s, struct arena *a, const char *sql, const struct store_value *v, size_t most, bool days,
          struct stats_list *out)
{
    struct store_rows *r = store_query(s, sql, v, 4);
    size_t cap = 0;
    *out = (struct stats_list){ NULL, 0 };
    bool room = true;
    while (room && out->n < most && store_next(r)) {
        if (out->n == cap) {
            cap = cap == 0 ? 32 : cap * 2;
            struct stats_row *more = arena_array(a, cap, sizeof(*more));
            room = more != NULL;
            if (room && out->n > 0)
                memcpy(more, out->rows, out->n * sizeof(*more));
            if (room)
                out->rows = more;
        }
        if (!room)
            break;
        struct stats_row *row = &out->rows[out->n++];
        char day[DAY_TEXT];
        if (days)
            day_text((int)store_column_int(r, 0), day);
        row->name = arena_slice(a, days ? slice_from(day) : store_column_text(r, 0));
        row->second = arena_slice(a, store_column_text(r, 1));
        row->n = counts(r);
    }
    enum status st = store_rows_free(r);
    return room ? st : ST_NOMEM;
}

/* Days without mail between the first and the last one with any: a plot must not close up over them. */
static enum status
fill_days(struct arena *a, struct stats_list *l)
{
    int first = 0, last = 0;
    if (l->n < 2 || !day_parse(l->rows[0].name, &first) || !day_parse(l->rows[l->n - 1].name, &last))
        return ST_OK;
    size_t all = (size_t)((day_first_second(last) - day_first_second(first)) / 86400) + 1, from = 0;
    if (all == l->n || all > MAX_DAYS)
        return ST_OK;
    struct stats_row *rows = arena_array(a, all, sizeof(*rows));
    if (rows == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < all; i++) {
        char text[DAY_TEXT];
        day_text(day_add(first, (int)i), text);
        if (from < l->n && slice_eq(l->rows[from].name, slice_from(text)))
            rows[i] = l->rows[from++];
        else
            rows[i].name = arena_slice(a, slice_from(text));
    }
    *l = (struct stats_list){ rows, all };
    return ST_OK;
}

enum status
stats_read(struct store *s, struct arena *a, int since, int until, slice author, unsigned limit, struct stats *out)
{
    const struct store_value v[] = { store_int(since), store_int(until), store_text(author), store_int(limit) };
    const struct store_value all_days[] = { v[0], v[1], v[2], store_int(MAX_DAYS) };
    struct store_rows *r = store_query(s, totals, v, 3);
    *out = (struct stats){ .since = since, .until = until, .author = author };
    if (store_next(r))
        out->total = counts(r);
    enum status st = store_rows_free(r);
    if (st == ST_OK) {
        r = store_query(s, different, v, 3);
        if (store_next(r)) {
            out->authors = (uint64_t)store_column_int(r, 0);
            out->sources = (uint64_t)store_column_int(r, 1);
        }
        st = store_rows_free(r);
    }
    if (st == ST_OK)
        st = read_list(s, a, per_day, all_days, MAX_DAYS, true, &out->days);
    if (st == ST_OK)
        st = fill_days(a, &out->days);
    if (st == ST_OK)
        st = read_list(s, a, per_author, v, limit, false, &out->by_author);
    if (st == ST_OK)
        st = read_list(s, a, per_source, v, limit, false, &out->by_source);
    if (st == ST_OK)
        st = read_list(s, a, per_pair, v, limit, false, &out->refused);
    if (st == ST_OK)
        st = read_list(s, a, let, v, limit, false, &out->let_through);
    return st;
}
