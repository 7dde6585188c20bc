/*
 * store_pg.c - the store in PostgreSQL, for many hosts.  Bulk rows go by COPY; raw rows live in one partition a day, so that
 * forgetting a day is dropping a table.
 */
#include "autoconf.h"

#include "report/store_backend.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OID_INT8 20
#define OID_TEXT 25
#define MAX_VALUES 32
#define COPY_PIECE 65536
#define LOCK_CLASS "1986618473" /* 'vidi': advisory locks of other programs in the same database are other numbers */

struct pg {
    struct store base;
    PGconn *conn;
    bool in_transaction;
    int day_known; /* its partition is there */
    const struct store_bulk *bulk;
    struct strbuf copy; /* rows not yet handed to libpq */
    enum status bulk_status;
};

struct pg_rows {
    struct store_rows base;
    PGresult *result; /* the current row */
    enum status st;
    bool ended;
};

static enum status
failed(struct pg *g, const PGresult *r)
{
    const char *state = r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_SQLSTATE);
    static const char *const again[] = { "40001" /* serialization */, "40P01" /* deadlock */, "23505" /* unique */,
                                         "55P03" /* lock not available */, "42P07" /* table came up meanwhile */ };
    g->base.may_retry = false;
    for (size_t i = 0; state != NULL && i < COUNT(again); i++)
        g->base.may_retry |= strcmp(state, again[i]) == 0;
    const char *text = r == NULL ? PQerrorMessage(g->conn) : PQresultErrorMessage(r);
    slice why = slice_trim(slice_from(text));
    strbuf_reset(&g->base.error);
    for (size_t i = 0; i < why.n; i++) /* one line for logs */
        strbuf_add_char(&g->base.error, why.p[i] == '\n' ? ' ' : why.p[i]);
    return ST_INTERNAL;
}

static enum status
finish(struct pg *g, PGresult *r, uint64_t *changed)
{
    ExecStatusType t = PQresultStatus(r);
    enum status st = t == PGRES_COMMAND_OK || t == PGRES_TUPLES_OK ? ST_OK : failed(g, r);
    if (changed != NULL)
        *changed = st == ST_OK ? strtoull(PQcmdTuples(r), NULL, 10) : 0;
    PQclear(r);
    return st;
}

static enum status
plain(struct pg *g, const char *sql)
{
    return finish(g, PQexec(g->conn, sql), NULL);
}

struct values { /* parameters as libpq wants them, binary */
    Oid types[MAX_VALUES];
    const char *p[MAX_VALUES];
    int lengths[MAX_VALUES], formats[MAX_VALUES];
    uint64_t ints[MAX_VALUES];
};

static bool
values_set(struct values *o, const struct store_value *v, size_t n)
{
    if (n > MAX_VALUES)
        return false;
    for (size_t i = 0; i < n; i++) {
        o->formats[i] = 1;
        o->p[i] = NULL;
        o->lengths[i] = 0;
        o->types[i] = OID_TEXT;
        switch (v[i].kind) {
        case STORE_NULL:
            break;
        case STORE_INTEGER:
            o->types[i] = OID_INT8;
            o->ints[i] = htobe64((uint64_t)v[i].i);
            o->p[i] = (const char *)&o->ints[i];
            o->lengths[i] = 8;
            break;
        case STORE_TEXT:
            if (v[i].s.n > INT32_MAX)
                return false;
            o->p[i] = v[i].s.n == 0 ? "" : v[i].s.p;
            o->lengths[i] = (int)v[i].s.n;
            break;
        }
    }
    return true;
}

static enum status
run(struct store *s, const char *sql, const struct store_value *v, size_t n, uint64_t *changed)
{
    struct pg *g = (struct pg *)s;
    struct values o;
    if (!values_set(&o, v, n))
        return ST_LIMIT;
    return finish(g, PQexecParams(g->conn, sql, (int)n, o.types, o.p, o.lengths, o.formats, 0), changed);
}

static enum status
run_once(struct store *s, const char *sql)
{
    return plain((struct pg *)s, sql);
}

static enum status
begin(struct store *s)
{
    struct pg *g = (struct pg *)s;
    enum status st = plain(g, "BEGIN");
    g->in_transaction = st == ST_OK;
    return st;
}

static enum status
commit(struct store *s)
{
    struct pg *g = (struct pg *)s;
    PGresult *r = PQexec(g->conn, "COMMIT");
    /* A transaction that failed before answers COMMIT with the word ROLLBACK, and calls it a success. */
    bool rolled_back = strcmp(PQcmdStatus(r), "ROLLBACK") == 0;
    enum status st = finish(g, r, NULL);
    g->in_transaction = false;
    return rolled_back ? ST_INTERNAL : st;
}

static void
rollback(struct store *s)
{
    struct pg *g = (struct pg *)s;
    if (g->in_transaction)
        PQclear(PQexec(g->conn, "ROLLBACK"));
    g->in_transaction = false;
}

static struct store_rows *
query(struct store *s, const char *sql, const struct store_value *v, size_t n)
{
    struct pg *g = (struct pg *)s;
    struct values o;
    struct pg_rows *r = calloc(1, sizeof(*r));
    if (r == NULL || !values_set(&o, v, n)) {
        free(r);
        return NULL;
    }
    r->base.store = s;
    if (PQsendQueryParams(g->conn, sql, (int)n, o.types, o.p, o.lengths, o.formats, 0) == 1 &&
        PQsetSingleRowMode(g->conn) == 1)
        return &r->base;
    failed(g, NULL);
    free(r);
    return NULL;
}

static bool
next(struct store_rows *rows)
{
    struct pg_rows *r = (struct pg_rows *)rows;
    struct pg *g = (struct pg *)rows->store;
    PQclear(r->result);
    r->result = NULL;
    while (!r->ended) {
        r->result = PQgetResult(g->conn);
        if (r->result == NULL) {
            r->ended = true;
            return false;
        }
        ExecStatusType t = PQresultStatus(r->result);
        if (t == PGRES_SINGLE_TUPLE)
            return true;
        if (t != PGRES_TUPLES_OK && t != PGRES_COMMAND_OK)
            r->st = failed(g, r->result);
        PQclear(r->result);
        r->result = NULL;
    }
    return false;
}

static int64_t
column_int(struct store_rows *rows, int column)
{
    const struct pg_rows *r = (struct pg_rows *)rows;
    return PQgetisnull(r->result, 0, column) ? 0 : strtoll(PQgetvalue(r->result, 0, column), NULL, 10);
}

static slice
column_text(struct store_rows *rows, int column)
{
    const struct pg_rows *r = (struct pg_rows *)rows;
    return (slice){ PQgetvalue(r->result, 0, column), (size_t)PQgetlength(r->result, 0, column) };
}

static enum status
rows_free(struct store_rows *rows)
{
    struct pg_rows *r = (struct pg_rows *)rows;
    while (next(rows)) /* libpq wants every result fetched */
        ;
    enum status st = r->st;
    free(r);
    return st;
}

static void
columns(struct strbuf *sql, const struct store_bulk *b)
{
    for (size_t i = 0; i < b->n_columns; i++)
        strbuf_printf(sql, "%s%s", i > 0 ? "," : "", b->columns[i]);
}

/* COPY knows no ON CONFLICT: with one, rows go through a temporary table. */
static enum status
bulk_begin(struct store *s, const struct store_bulk *b)
{
    struct pg *g = (struct pg *)s;
    bool direct = b->conflict[0] == '\0';
    struct strbuf sql;
    strbuf_init(&sql, 0);
    g->bulk = b;
    g->bulk_status = ST_OK;
    if (!direct) {
        strbuf_printf(&sql, "CREATE TEMP TABLE IF NOT EXISTS incoming_%s (LIKE %s) ON COMMIT DELETE ROWS", b->table, b->table);
        g->bulk_status = strbuf_status(&sql) == ST_OK ? plain(g, strbuf_str(&sql)) : ST_NOMEM;
        strbuf_reset(&sql);
    }
    strbuf_printf(&sql, "COPY %s%s (", direct ? "" : "incoming_", b->table);
    columns(&sql, b);
    strbuf_add_str(&sql, ") FROM STDIN");
    if (g->bulk_status == ST_OK && strbuf_status(&sql) == ST_OK) {
        PGresult *r = PQexec(g->conn, strbuf_str(&sql));
        if (PQresultStatus(r) != PGRES_COPY_IN)
            g->bulk_status = failed(g, r);
        PQclear(r);
    }
    strbuf_clear(&sql);
    return g->bulk_status;
}

static enum status
copy_flush(struct pg *g)
{
    slice data = strbuf_slice(&g->copy);
    if (strbuf_status(&g->copy) != ST_OK)
        g->bulk_status = ST_NOMEM;
    else if (data.n > 0 && PQputCopyData(g->conn, data.p, (int)data.n) != 1)
        g->bulk_status = failed(g, NULL);
    strbuf_reset(&g->copy);
    return g->bulk_status;
}

static void
copy_text(struct strbuf *b, slice s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c != '\\' && c != '\n' && c != '\r' && c != '\t')
            continue;
        strbuf_add(b, (slice){ s.p + from, i - from });
        strbuf_add_char(b, '\\');
        strbuf_add_char(b, c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : '\\');
        from = i + 1;
    }
    strbuf_add(b, slice_tail(s, from));
}

static enum status
bulk_row(struct store *s, const struct store_value *v)
{
    struct pg *g = (struct pg *)s;
    if (g->bulk_status != ST_OK)
        return g->bulk_status;
    for (size_t i = 0; i < g->bulk->n_columns; i++) {
        if (i > 0)
            strbuf_add_char(&g->copy, '\t');
        switch (v[i].kind) {
        case STORE_NULL:
            strbuf_add_str(&g->copy, "\\N");
            break;
        case STORE_INTEGER:
            strbuf_printf(&g->copy, "%lld", (long long)v[i].i);
            break;
        case STORE_TEXT:
            copy_text(&g->copy, v[i].s);
            break;
        }
    }
    strbuf_add_char(&g->copy, '\n');
    return g->copy.n < COPY_PIECE ? ST_OK : copy_flush(g);
}

static enum status
bulk_end(struct store *s)
{
    struct pg *g = (struct pg *)s;
    if (g->bulk_status == ST_OK)
        copy_flush(g);
    if (PQputCopyEnd(g->conn, g->bulk_status == ST_OK ? NULL : "given up") == 1)
        for (PGresult *r; (r = PQgetResult(g->conn)) != NULL; PQclear(r))
            if (PQresultStatus(r) != PGRES_COMMAND_OK && g->bulk_status == ST_OK)
                g->bulk_status = failed(g, r);
    if (g->bulk_status != ST_OK || g->bulk->conflict[0] == '\0')
        return g->bulk_status;
    struct strbuf sql;
    strbuf_init(&sql, 0);
    strbuf_printf(&sql, "INSERT INTO %s (", g->bulk->table);
    columns(&sql, g->bulk);
    strbuf_add_str(&sql, ") SELECT ");
    columns(&sql, g->bulk);
    strbuf_printf(&sql, " FROM incoming_%s %s; DELETE FROM incoming_%s", g->bulk->table, g->bulk->conflict, g->bulk->table);
    enum status st = strbuf_status(&sql) == ST_OK ? plain(g, strbuf_str(&sql)) : ST_NOMEM;
    strbuf_clear(&sql);
    return st;
}

static enum status
known(struct store *s, int day, const slice *ids, size_t n, bool *out)
{
    struct strbuf list; /* an array literal, each element quoted */
    strbuf_init(&list, 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = false;
        strbuf_add_str(&list, i == 0 ? "{\"" : ",\"");
        for (size_t k = 0; k < ids[i].n; k++) {
            if (ids[i].p[k] == '"' || ids[i].p[k] == '\\')
                strbuf_add_char(&list, '\\');
            strbuf_add_char(&list, ids[i].p[k]);
        }
        strbuf_add_char(&list, '"');
    }
    strbuf_add_char(&list, '}');
    enum status st = strbuf_status(&list);
    if (st == ST_OK && n > 0) {
        struct store_rows *r = query(s,
            "SELECT a.at FROM unnest($2::text[]) WITH ORDINALITY AS a(id, at) JOIN raw ON raw.day = $1 AND raw.id = a.id",
            STORE_VALUES(store_int(day), store_text(strbuf_slice(&list))));
        while (r != NULL && next(r)) {
            int64_t at = column_int(r, 0) - 1;
            if (at >= 0 && (size_t)at < n)
                out[at] = true;
        }
        st = r == NULL ? ST_INTERNAL : rows_free(r);
    }
    strbuf_clear(&list);
    return st;
}

static enum status
day_begin(struct store *s, int day)
{
    struct pg *g = (struct pg *)s;
    char sql[160];
    int64_t there;
    if (g->day_known == day)
        return ST_OK;
    snprintf(sql, sizeof(sql), "SELECT CASE WHEN to_regclass('raw_%d') IS NULL THEN 0 ELSE 1 END", day);
    enum status st = store_query_int(s, sql, NULL, 0, 0, &there);
    if (st == ST_OK && there == 0) {
        snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS raw_%d PARTITION OF raw FOR VALUES FROM (%d) TO (%d)", day, day,
                 day + 1);
        st = plain(g, sql);
        if (st != ST_OK && g->base.may_retry) /* another importer made it at the same moment */
            st = plain(g, sql);
    }
    if (st == ST_OK)
        g->day_known = day;
    return st;
}

static enum status
days_drop(struct store *s, int before_day, uint64_t *rows)
{
    struct pg *g = (struct pg *)s;
    *rows = 0;
    for (;;) {
        static const char oldest[] = "SELECT min(substr(c.relname, 5)::int) FROM pg_inherits i JOIN pg_class c ON c.oid = "
                                     "i.inhrelid WHERE i.inhparent = 'raw'::regclass AND c.relname ~ '^raw_[0-9]{8}$'";
        int64_t day, count;
        char sql[80];
        enum status st = store_query_int(s, oldest, NULL, 0, 0, &day);
        if (st != ST_OK || day == 0 || day >= before_day)
            return st;
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM raw_%d", (int)day);
        st = store_query_int(s, sql, NULL, 0, 0, &count);
        snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS raw_%d", (int)day);
        if (st == ST_OK)
            st = plain(g, sql);
        if (st != ST_OK)
            return st;
        *rows += (uint64_t)count;
        g->day_known = 0;
    }
}

static enum status
lock(struct store *s, const char *name)
{
    int64_t got;
    enum status st = store_query_int(s, "SELECT CASE WHEN pg_try_advisory_lock(" LOCK_CLASS ", hashtext($1)) THEN 1 ELSE 0 END",
                                     STORE_VALUES(store_text(slice_from(name))), 0, &got);
    return st == ST_OK && got == 0 ? ST_TIMEOUT : st;
}

static void
unlock(struct store *s, const char *name)
{
    run(s, "SELECT pg_advisory_unlock(" LOCK_CLASS ", hashtext($1))", STORE_VALUES(store_text(slice_from(name))), NULL);
}

static void
close_store(struct store *s)
{
    struct pg *g = (struct pg *)s;
    PQfinish(g->conn);
    strbuf_clear(&g->copy);
    free(g);
}

static const struct store_backend pg_backend = {
    .kind = STORE_POSTGRESQL, .close = close_store, .begin = begin, .commit = commit, .rollback = rollback, .run = run,
    .run_once = run_once,
    .query = query, .next = next, .column_int = column_int, .column_text = column_text, .rows_free = rows_free,
    .bulk_begin = bulk_begin, .bulk_row = bulk_row, .bulk_end = bulk_end, .known = known, .day_begin = day_begin,
    .days_drop = days_drop, .lock = lock, .unlock = unlock,
};

struct store *
store_pg_open(const char *uri, struct strbuf *error)
{
    struct pg *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        strbuf_add_str(error, "out of memory");
        return NULL;
    }
    g->base.backend = &pg_backend;
    strbuf_init(&g->base.error, 0);
    strbuf_init(&g->copy, 0);
    g->conn = PQconnectdb(uri);
    if (PQstatus(g->conn) == CONNECTION_OK && PQsetClientEncoding(g->conn, "UTF8") == 0 &&
        plain(g, "SET client_min_messages = warning; SET lock_timeout = '60s'") == ST_OK)
        return &g->base;
    failed(g, NULL); /* libpq never puts the password into its messages */
    strbuf_add_str(error, store_error(&g->base));
    store_close(&g->base);
    return NULL;
}
