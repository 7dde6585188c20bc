#include "autoconf.h"

#include "report/store.h"
#include "report/store_backend.h"

#include <string.h>

enum status
store_open(const char *where, struct strbuf *error, struct store **out)
{
    slice w = slice_from(where);
    if (slice_starts(w, SLICE("postgresql://")) || slice_starts(w, SLICE("postgres://"))) {
#ifdef HAVE_PQ
        *out = store_pg_open(where, error);
        return *out == NULL ? ST_INTERNAL : ST_OK;
#else
        strbuf_add_str(error, "this vidimus was built without PostgreSQL (libpq)");
        return ST_INTERNAL;
#endif
    }
    if (slice_starts(w, SLICE("sqlite:")))
        where += strlen("sqlite:");
    *out = store_sqlite_open(where, error);
    return *out == NULL ? ST_INTERNAL : ST_OK;
}

void
store_close(struct store *s)
{
    if (s == NULL)
        return;
    strbuf_clear(&s->error);
    s->backend->close(s);
}

enum store_kind
store_kind(const struct store *s)
{
    return s->backend->kind;
}

const char *
store_error(const struct store *s)
{
    struct strbuf e = s->error;
    return e.n == 0 ? "out of memory" : strbuf_str(&e);
}

bool
store_may_retry(const struct store *s)
{
    return s->may_retry;
}

enum status
store_begin(struct store *s)
{
    return s->backend->begin(s);
}

enum status
store_commit(struct store *s)
{
    return s->backend->commit(s);
}

void
store_rollback(struct store *s)
{
    s->backend->rollback(s);
}

enum status
store_run(struct store *s, const char *sql, const struct store_value *v, size_t n, uint64_t *changed)
{
    return s->backend->run(s, sql, v, n, changed);
}

enum status
store_run_once(struct store *s, const char *sql)
{
    return s->backend->run_once(s, sql);
}

struct store_rows *
store_query(struct store *s, const char *sql, const struct store_value *v, size_t n)
{
    return s->backend->query(s, sql, v, n);
}

bool
store_next(struct store_rows *r)
{
    return r != NULL && r->store->backend->next(r);
}

int64_t
store_column_int(struct store_rows *r, int column)
{
    return r->store->backend->column_int(r, column);
}

slice
store_column_text(struct store_rows *r, int column)
{
    return r->store->backend->column_text(r, column);
}

enum status
store_rows_free(struct store_rows *r)
{
    return r == NULL ? ST_INTERNAL : r->store->backend->rows_free(r);
}

enum status
store_query_int(struct store *s, const char *sql, const struct store_value *v, size_t n, int64_t none, int64_t *out)
{
    struct store_rows *r = store_query(s, sql, v, n);
    *out = store_next(r) ? store_column_int(r, 0) : none;
    return store_rows_free(r);
}

enum status
store_bulk_begin(struct store *s, const struct store_bulk *b)
{
    return s->backend->bulk_begin(s, b);
}

enum status
store_bulk_row(struct store *s, const struct store_value *v)
{
    return s->backend->bulk_row(s, v);
}

enum status
store_bulk_end(struct store *s)
{
    return s->backend->bulk_end(s);
}

enum status
store_known(struct store *s, int day, const slice *ids, size_t n, bool *known)
{
    return s->backend->known(s, day, ids, n, known);
}

enum status
store_day_begin(struct store *s, int day)
{
    return s->backend->day_begin(s, day);
}

enum status
store_days_drop(struct store *s, int before_day, uint64_t *rows)
{
    return s->backend->days_drop(s, before_day, rows);
}

enum status
store_lock(struct store *s, const char *name)
{
    return s->backend->lock(s, name);
}

void
store_unlock(struct store *s, const char *name)
{
    s->backend->unlock(s, name);
}
