/*
 * store.h - the one door to the database of the reports: SQLite in a file, or PostgreSQL for many hosts.
 * The SQL of the callers is text that both understand, with $1, $2, ... for parameters; what differs (bulk loading, daily
 * partitions, locks) is a call of its own.  SQL text must be static: statements are kept by its address.
 * Errors: a call that fails says so once, and store_error() says why; a transaction is then only good for store_rollback().
 * Threads: a store is one thread's.  One query at a time: store_rows_free() before the next call.
 */
#ifndef VIDIMUS_REPORT_STORE_H
#define VIDIMUS_REPORT_STORE_H

#include "base/slice.h"
#include "base/status.h"
#include "base/strbuf.h"

struct store;

enum store_kind { STORE_SQLITE, STORE_POSTGRESQL };
enum store_value_kind { STORE_NULL, STORE_INTEGER, STORE_TEXT };

struct store_value {
    enum store_value_kind kind;
    int64_t i;
    slice s;
};

static inline struct store_value
store_int(int64_t i)
{
    return (struct store_value){ .kind = STORE_INTEGER, .i = i };
}
static inline struct store_value
store_text(slice s)
{
    return (struct store_value){ .kind = STORE_TEXT, .s = s };
}
#define STORE_VALUES(...) ((const struct store_value[]){ __VA_ARGS__ }), COUNT(((const struct store_value[]){ __VA_ARGS__ }))
#define STORE_NO_VALUES NULL, 0

/* `where` is a path, "sqlite:PATH", or "postgresql://..." (libpq's URI).  No tables are looked at: that is schema.h's work.
 * ST_INTERNAL: the reason stands in `error`. */
enum status store_open(const char *where, struct strbuf *error, struct store **out);
void store_close(struct store *s); /* an open transaction is rolled back; NULL is fine */
enum store_kind store_kind(const struct store *s);
const char *store_error(const struct store *s); /* of the last call that failed */
/* Whether the failed transaction may be tried again as it was: a lock not got in time, a deadlock, a row that another
 * importer put there at the same moment. */
bool store_may_retry(const struct store *s);

enum status store_begin(struct store *s); /* SQLite: with the write lock */
enum status store_commit(struct store *s);
void store_rollback(struct store *s);

/* A statement that is made for this once, whose text need not last. */
enum status store_run_once(struct store *s, const char *sql);
/* A statement without rows.  *changed may be NULL. */
enum status store_run(struct store *s, const char *sql, const struct store_value *v, size_t n, uint64_t *changed);

struct store_rows;
/* A query; rows come as they are asked for, memory does not grow with their number.  NULL: failed. */
struct store_rows *store_query(struct store *s, const char *sql, const struct store_value *v, size_t n);
bool store_next(struct store_rows *r);                    /* false: no more, or failed */
int64_t store_column_int(struct store_rows *r, int column); /* from 0; NULL is 0 */
slice store_column_text(struct store_rows *r, int column);  /* until the next store_next(); NULL is empty */
enum status store_rows_free(struct store_rows *r);        /* ST_INTERNAL: the rows ended by an error; NULL is ST_INTERNAL */
/* The first column of the first row; `none` if there is no row. */
enum status store_query_int(struct store *s, const char *sql, const struct store_value *v, size_t n, int64_t none,
                            int64_t *out);

/* Many rows at once: COPY in PostgreSQL.  Between begin and end no other call. */
struct store_bulk {
    const char *table;
    const char *const *columns;
    size_t n_columns;
    const char *conflict; /* the ON CONFLICT clause, "" for none */
};
enum status store_bulk_begin(struct store *s, const struct store_bulk *b);
enum status store_bulk_row(struct store *s, const struct store_value *v);
enum status store_bulk_end(struct store *s); /* writes them; also to be called after a row that failed */

/* Which of these record ids (of `day`) are in the store already. */
enum status store_known(struct store *s, int day, const slice *ids, size_t n, bool *known);
/* Room for the raw rows of that day (YYYYMMDD).  Outside a transaction. */
enum status store_day_begin(struct store *s, int day);
/* Raw rows of the days before that one go.  Outside a transaction. */
enum status store_days_drop(struct store *s, int before_day, uint64_t *rows);
/* One holder in all the world of this store; kept until unlocked or the end of the process.  ST_TIMEOUT: another has it. */
enum status store_lock(struct store *s, const char *name);
void store_unlock(struct store *s, const char *name);

#endif
