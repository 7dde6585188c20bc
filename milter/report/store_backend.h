/* store_backend.h - what a database has to offer to stand behind store.h.  Each backend embeds struct store first. */
#ifndef VIDIMUS_REPORT_STORE_BACKEND_H
#define VIDIMUS_REPORT_STORE_BACKEND_H

#include "report/store.h"

struct store_backend {
    enum store_kind kind;
    void (*close)(struct store *s);
    enum status (*begin)(struct store *s);
    enum status (*commit)(struct store *s);
    void (*rollback)(struct store *s);
    enum status (*run)(struct store *s, const char *sql, const struct store_value *v, size_t n, uint64_t *changed);
    enum status (*run_once)(struct store *s, const char *sql);
    struct store_rows *(*query)(struct store *s, const char *sql, const struct store_value *v, size_t n);
    bool (*next)(struct store_rows *r);
    int64_t (*column_int)(struct store_rows *r, int column);
    slice (*column_text)(struct store_rows *r, int column);
    enum status (*rows_free)(struct store_rows *r);
    enum status (*bulk_begin)(struct store *s, const struct store_bulk *b);
    enum status (*bulk_row)(struct store *s, const struct store_value *v);
    enum status (*bulk_end)(struct store *s);
    enum status (*known)(struct store *s, int day, const slice *ids, size_t n, bool *known);
    enum status (*day_begin)(struct store *s, int day);
    enum status (*days_drop)(struct store *s, int before_day, uint64_t *rows);
    enum status (*lock)(struct store *s, const char *name);
    void (*unlock)(struct store *s, const char *name);
};

struct store {
    const struct store_backend *backend;
    struct strbuf error;
    bool may_retry;
};

struct store_rows {
    struct store *store;
};

struct store *store_sqlite_open(const char *path, struct strbuf *error);
struct store *store_pg_open(const char *uri, struct strbuf *error);

#endif
