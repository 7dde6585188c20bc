#include "autoconf.h"

#include "report/batch_internal.h"

#include <stdlib.h>

/* Each day of the batch whose raw rows are kept, once.  NULL: no memory; to be freed. */
static int *
days(const struct batch *b, size_t *n)
{
    size_t cap = 0;
    int *list = NULL;
    *n = 0;
    for (size_t i = 0; i < b->n; i++) {
        size_t k = 0;
        while (k < *n && list[k] != b->entries[i].day)
            k++;
        if (k < *n || b->entries[i].day < b->place.oldest_day)
            continue;
        if (*n == cap) {
            cap = cap == 0 ? 8 : cap * 2;
            int *more = realloc(list, cap * sizeof(*list));
            if (more == NULL) {
                free(list);
                return NULL;
            }
            list = more;
        }
        list[(*n)++] = b->entries[i].day;
    }
    return list != NULL ? list : calloc(1, sizeof(*list));
}

enum status
batch_prepare(struct batch *b, struct store *s)
{
    size_t n;
    int *list = days(b, &n);
    enum status st = list == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; st == ST_OK && i < n; i++)
        st = store_day_begin(s, list[i]);
    free(list);
    return st;
}

/* Compare and swap: whoever moves the mark owns the octets between. */
static enum status
take(const struct batch *b, struct store *s)
{
    uint64_t changed;
    enum status st = store_run(s,
        "UPDATE segment SET taken = $3, lines = lines + $4, set_aside = set_aside + $5, seen = $6 WHERE name = $1 AND taken = $2",
        STORE_VALUES(store_text(b->place.segment), store_int((int64_t)b->place.from), store_int((int64_t)b->place.to),
                     store_int((int64_t)b->lines), store_int((int64_t)b->n_aside), store_int(b->place.now)), &changed);
    return st == ST_OK && changed != 1 ? ST_TIMEOUT : st;
}

static enum status
mark_known(struct batch *b, struct store *s, int day)
{
    slice *ids = calloc(b->n + 1, sizeof(*ids));
    bool *known = calloc(b->n + 1, sizeof(*known));
    enum status st = ids == NULL || known == NULL ? ST_NOMEM : ST_OK;
    size_t n = 0;
    for (size_t i = 0; st == ST_OK && i < b->n; i++)
        if (b->entries[i].day == day)
            ids[n++] = b->entries[i].id;
    if (st == ST_OK)
        st = store_known(s, day, ids, n, known);
    n = 0;
    for (size_t i = 0; st == ST_OK && i < b->n; i++)
        if (b->entries[i].day == day)
            b->entries[i].duplicate = known[n++];
    free(ids);
    free(known);
    return st;
}

static enum status
write_raw(const struct batch *b, struct store *s)
{
    static const char *const columns[] = { "day", "id", "time_ms", "author", "source", "line" };
    static const struct store_bulk raw = { "raw", columns, COUNT(columns), "" };
    enum status st = store_bulk_begin(s, &raw);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < b->n; i++) {
        const struct entry *e = &b->entries[i];
        if (e->duplicate || e->day < b->place.oldest_day)
            continue;
        const struct store_value v[] = { store_int(e->day), store_text(e->id), store_int(e->time_ms), store_text(e->author),
                                         store_text(e->source), store_text(e->text) };
        if (store_bulk_row(s, v) != ST_OK)
            break;
    }
    return store_bulk_end(s);
}

static void
count(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct entry *e = &b->entries[i];
        if (e->duplicate)
            continue;
        for (size_t k = 0; k < TALLY_COUNTERS; k++)
            e->traffic->n[k] += e->traffic_add[k];
        if (e->row != NULL)
            e->row->n[0]++;
        if (e->let != NULL)
            e->let->n[0]++;
    }
}

/* The day and up to three parts of a tally's key, in front of the row's values. */
static size_t
key_values(const struct tally_cell *c, size_t parts, struct store_value *v)
{
    slice head, rest = c->key;
    uint64_t day = 0;
    slice_cut(rest, '\t', &head, &rest);
    slice_to_u64(head, &day);
    v[0] = store_int((int64_t)day);
    for (size_t i = 1; i <= parts; i++) {
        slice_cut(rest, '\t', &head, &rest);
        v[i] = store_text(head);
    }
    return parts + 1;
}

struct sink { /* one tally and its table */
    const struct store_bulk *bulk;
    size_t parts, counters;
    bool with_text, with_time;
};

static enum status
write_tally(struct store *s, struct tally *t, const struct sink *k)
{
    size_t n;
    struct tally_cell **cells = tally_sorted(t, &n);
    if (cells == NULL)
        return ST_NOMEM;
    enum status st = n == 0 ? ST_OK : store_bulk_begin(s, k->bulk);
    if (n == 0 || st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        struct store_value v[4 + TALLY_COUNTERS + 2];
        if (k->counters > 0 && cells[i]->n[0] == 0) /* only duplicates were counted here */
            continue;
        size_t at = key_values(cells[i], k->parts, v);
        if (k->with_time)
            v[at++] = store_int(cells[i]->time);
        if (k->with_text)
            v[at++] = store_text(cells[i]->text);
        for (size_t c = 0; c < k->counters; c++)
            v[at++] = store_int((int64_t)cells[i]->n[c]);
        if (store_bulk_row(s, v) != ST_OK)
            break;
    }
    return store_bulk_end(s);
}

static enum status
write_tallies(struct batch *b, struct store *s)
{
    static const char *const row_columns[] = { "day", "domain", "row_key", "content", "messages" };
    static const struct store_bulk rows = { "report_row", row_columns, COUNT(row_columns),
        "ON CONFLICT (day, domain, row_key) DO UPDATE SET messages = report_row.messages + excluded.messages" };
    static const char *const policy_columns[] = { "day", "domain", "time_ms", "published" };
    static const struct store_bulk policies = { "policy", policy_columns, COUNT(policy_columns),
        "ON CONFLICT (day, domain) DO UPDATE SET time_ms = excluded.time_ms, published = excluded.published "
        "WHERE excluded.time_ms >= policy.time_ms" };
    static const char *const traffic_columns[] = { "day", "author", "source", "messages", "spf", "dkim", "passed", "quarantined",
                                                   "rejected", "deferred", "would_quarantine", "would_reject" };
    static const struct store_bulk traffic = { "traffic", traffic_columns, COUNT(traffic_columns),
        "ON CONFLICT (day, author, source) DO UPDATE SET messages = traffic.messages + excluded.messages, "
        "spf = traffic.spf + excluded.spf, dkim = traffic.dkim + excluded.dkim, passed = traffic.passed + excluded.passed, "
        "quarantined = traffic.quarantined + excluded.quarantined, rejected = traffic.rejected + excluded.rejected, "
        "deferred = traffic.deferred + excluded.deferred, "
        "would_quarantine = traffic.would_quarantine + excluded.would_quarantine, "
        "would_reject = traffic.would_reject + excluded.would_reject" };
    static const char *const let_columns[] = { "day", "author", "kind", "name", "messages" };
    static const struct store_bulk let = { "let_through", let_columns, COUNT(let_columns),
        "ON CONFLICT (day, author, kind, name) DO UPDATE SET messages = let_through.messages + excluded.messages" };
    enum status st = write_tally(s, b->rows, &(struct sink){ &rows, 2, 1, true, false });
    if (st == ST_OK)
        st = write_tally(s, b->policies, &(struct sink){ &policies, 1, 0, true, true });
    if (st == ST_OK)
        st = write_tally(s, b->traffic, &(struct sink){ &traffic, 2, TALLY_COUNTERS, false, false });
    if (st == ST_OK)
        st = write_tally(s, b->let, &(struct sink){ &let, 3, 1, false, false });
    return st;
}

static enum status
write_aside(const struct batch *b, struct store *s)
{
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < b->n_aside; i++)
        st = store_run(s, "INSERT INTO aside (segment, at_octet, seen, reason, line) VALUES ($1, $2, $3, $4, $5)",
                       STORE_VALUES(store_text(b->place.segment), store_int((int64_t)b->aside[i].at), store_int(b->place.now),
                                    store_text(b->aside[i].reason), store_text(b->aside[i].text)), NULL);
    return st;
}

enum status
batch_write(struct batch *b, struct store *s)
{
    size_t n;
    int *list = days(b, &n);
    enum status st = list == NULL ? ST_NOMEM : take(b, s);
    for (size_t i = 0; st == ST_OK && i < n; i++)
        st = mark_known(b, s, list[i]);
    free(list);
    if (st == ST_OK)
        st = write_raw(b, s);
    if (st == ST_OK) {
        count(b);
        st = write_tallies(b, s);
    }
    return st == ST_OK ? write_aside(b, s) : st;
}
