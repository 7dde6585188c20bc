/*
 * store_sqlite.c - the store in one file, for one host.  WAL with synchronous=FULL: a segment is removed only after the
 * commit that took it in, so a commit must outlive the power.
 */
#include "autoconf.h"

#include "report/store_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_STATEMENTS 32
#define BUSY_MS 60000
#define LOCKS 4

struct lite {
    struct store base;
    sqlite3 *db;
    char *path;
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
        bool busy;
    } kept[KEPT_STATEMENTS];
    sqlite3_stmt *bulk;
    size_t bulk_columns;
    enum status bulk_status;
    struct {
        const char *name;
        int fd;
    } locks[LOCKS];
};

struct lite_rows {
    struct store_rows base;
    sqlite3_stmt *stmt;
    enum status st;
};

static enum status
failed(struct lite *l)
{
    int code = sqlite3_errcode(l->db) & 0xff;
    l->base.may_retry = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_CONSTRAINT;
    strbuf_reset(&l->base.error);
    strbuf_add_str(&l->base.error, l->path);
    strbuf_add_str(&l->base.error, ": ");
    strbuf_add_str(&l->base.error, sqlite3_errmsg(l->db));
    return ST_INTERNAL;
}

/* The statement for this text: kept from before if it is not in use, with no parameters bound. */
static sqlite3_stmt *
statement(struct lite *l, const char *sql)
{
    size_t slot = KEPT_STATEMENTS;
    for (size_t i = 0; i < KEPT_STATEMENTS; i++) {
        if (l->kept[i].sql == sql && !l->kept[i].busy) {
            l->kept[i].busy = true;
            return l->kept[i].stmt;
        }
        if (slot == KEPT_STATEMENTS && !l->kept[i].busy && l->kept[i].stmt == NULL)
            slot = i;
    }
    for (size_t i = 0; slot == KEPT_STATEMENTS && i < KEPT_STATEMENTS; i++)
        if (!l->kept[i].busy)
            slot = i;
    if (slot == KEPT_STATEMENTS)
        return NULL;
    sqlite3_finalize(l->kept[slot].stmt);
    l->kept[slot].stmt = NULL;
    l->kept[slot].sql = NULL;
    if (sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &l->kept[slot].stmt, NULL) != SQLITE_OK)
        return NULL;
    l->kept[slot].sql = sql;
    l->kept[slot].busy = true;
    return l->kept[slot].stmt;
}

static void
give_back(struct lite *l, sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    for (size_t i = 0; i < KEPT_STATEMENTS; i++)
        if (l->kept[i].stmt == stmt)
            l->kept[i].busy = false;
}

static int
bind_at(sqlite3_stmt *stmt, int at, const struct store_value *v)
{
    switch (v->kind) {
    case STORE_NULL:
        return sqlite3_bind_null(stmt, at);
    case STORE_INTEGER:
        return sqlite3_bind_int64(stmt, at, v->i);
    case STORE_TEXT: /* the text outlives the step, as all callers' values do; a NULL pointer would bind NULL */
        return sqlite3_bind_text64(stmt, at, v->s.n == 0 ? "" : v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
    }
    return SQLITE_MISUSE;
}

/* $1, $2 are names to SQLite, numbered by first appearance; their number in the name is what counts. */
static bool
bind_all(sqlite3_stmt *stmt, const struct store_value *v, size_t n)
{
    for (int at = sqlite3_bind_parameter_count(stmt); at > 0; at--) {
        const char *name = sqlite3_bind_parameter_name(stmt, at);
        unsigned long number = name == NULL ? 0 : strtoul(name + 1, NULL, 10);
        if (number < 1 || number > n || bind_at(stmt, at, &v[number - 1]) != SQLITE_OK)
            return false;
    }
    return true;
}

static enum status
run(struct store *s, const char *sql, const struct store_value *v, size_t n, uint64_t *changed)
{
    struct lite *l = (struct lite *)s;
    sqlite3_stmt *stmt = statement(l, sql);
    if (changed != NULL)
        *changed = 0;
    if (stmt == NULL)
        return failed(l);
    int rc = bind_all(stmt, v, n) ? SQLITE_ROW : SQLITE_MISUSE;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    enum status st = rc == SQLITE_DONE ? ST_OK : failed(l);
    if (changed != NULL && st == ST_OK)
        *changed = (uint64_t)sqlite3_changes64(l->db);
    give_back(l, stmt);
    return st;
}

static enum status
run_once(struct store *s, const char *sql)
{
    struct lite *l = (struct lite *)s;
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : failed(l);
}

static enum status
begin(struct store *s)
{
    return run(s, "BEGIN IMMEDIATE", NULL, 0, NULL);
}

static enum status
commit(struct store *s)
{
    return run(s, "COMMIT", NULL, 0, NULL);
}

static void
rollback(struct store *s)
{
    struct lite *l = (struct lite *)s;
    if (!sqlite3_get_autocommit(l->db))
        sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL); /* store_error() still tells the cause */
}

static struct store_rows *
query(struct store *s, const char *sql, const struct store_value *v, size_t n)
{
    struct lite *l = (struct lite *)s;
    struct lite_rows *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->base.store = s;
    r->stmt = statement(l, sql);
    if (r->stmt != NULL && bind_all(r->stmt, v, n))
        return &r->base;
    failed(l);
    if (r->stmt != NULL)
        give_back(l, r->stmt);
    free(r);
    return NULL;
}

static bool
next(struct store_rows *rows)
{
    struct lite_rows *r = (struct lite_rows *)rows;
    if (r->st != ST_OK)
        return false;
    int rc = sqlite3_step(r->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r->st = failed((struct lite *)rows->store);
    return rc == SQLITE_ROW;
}

static int64_t
column_int(struct store_rows *rows, int column)
{
    return sqlite3_column_int64(((struct lite_rows *)rows)->stmt, column);
}

static slice
column_text(struct store_rows *rows, int column)
{
    sqlite3_stmt *stmt = ((struct lite_rows *)rows)->stmt;
    const char *p = (const char *)sqlite3_column_text(stmt, column);
    return p == NULL ? SLICE_EMPTY : (slice){ p, (size_t)sqlite3_column_bytes(stmt, column) };
}

static enum status
rows_free(struct store_rows *rows)
{
    struct lite_rows *r = (struct lite_rows *)rows;
    enum status st = r->st;
    give_back((struct lite *)rows->store, r->stmt);
    free(r);
    return st;
}

static enum status
bulk_begin(struct store *s, const struct store_bulk *b)
{
    struct lite *l = (struct lite *)s;
    struct strbuf sql;
    strbuf_init(&sql, 0);
    strbuf_printf(&sql, "INSERT INTO %s (", b->table);
    for (size_t i = 0; i < b->n_columns; i++)
        strbuf_printf(&sql, "%s%s", i > 0 ? "," : "", b->columns[i]);
    strbuf_add_str(&sql, ") VALUES (");
    for (size_t i = 0; i < b->n_columns; i++)
        strbuf_add_str(&sql, i > 0 ? ",?" : "?");
    strbuf_printf(&sql, ") %s", b->conflict);
    l->bulk_columns = b->n_columns;
    l->bulk_status = ST_OK;
    if (strbuf_status(&sql) != ST_OK || sqlite3_prepare_v2(l->db, strbuf_str(&sql), -1, &l->bulk, NULL) != SQLITE_OK)
        l->bulk_status = failed(l);
    strbuf_clear(&sql);
    return l->bulk_status;
}

static enum status
bulk_row(struct store *s, const struct store_value *v)
{
    struct lite *l = (struct lite *)s;
    for (size_t i = 0; l->bulk_status == ST_OK && i < l->bulk_columns; i++)
        if (bind_at(l->bulk, (int)i + 1, &v[i]) != SQLITE_OK)
            l->bulk_status = failed(l);
    if (l->bulk_status == ST_OK && sqlite3_step(l->bulk) != SQLITE_DONE)
        l->bulk_status = failed(l);
    sqlite3_reset(l->bulk);
    return l->bulk_status;
}

static enum status
bulk_end(struct store *s)
{
    struct lite *l = (struct lite *)s;
    sqlite3_finalize(l->bulk);
    l->bulk = NULL;
    return l->bulk_status;
}

static enum status
known(struct store *s, int day, const slice *ids, size_t n, bool *out)
{
    static const char sql[] = "SELECT 1 FROM raw WHERE day = $1 AND id = $2";
    struct lite *l = (struct lite *)s;
    sqlite3_stmt *stmt = statement(l, sql);
    if (stmt == NULL)
        return failed(l);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < n; i++) {
        const struct store_value v[] = { store_int(day), store_text(ids[i]) };
        int rc = bind_all(stmt, v, COUNT(v)) ? sqlite3_step(stmt) : SQLITE_MISUSE;
        out[i] = rc == SQLITE_ROW;
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            st = failed(l);
        sqlite3_reset(stmt);
    }
    give_back(l, stmt);
    return st;
}

static enum status
day_begin(struct store *s, int day)
{
    (void)s;
    (void)day;
    return ST_OK;
}

/* In pieces, so that an importer never waits long for the write lock. */
static enum status
days_drop(struct store *s, int before_day, uint64_t *rows)
{
    static const char sql[] = "DELETE FROM raw WHERE rowid IN (SELECT rowid FROM raw WHERE day < $1 LIMIT 5000)";
    enum status st;
    uint64_t changed;
    *rows = 0;
    do {
        st = run(s, sql, STORE_VALUES(store_int(before_day)), &changed);
        *rows += changed;
    } while (st == ST_OK && changed > 0);
    return st;
}

/* A file that root makes belongs to the owner of its folder: a look at the figures as root must not keep out the timers,
 * which run as the daemon's user.  -1: errno says why. */
static int
open_or_make(const char *path, int flags)
{
    bool there = access(path, F_OK) == 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0640);
    if (fd < 0 || there || geteuid() != 0)
        return fd;
    struct strbuf folder;
    struct stat st;
    strbuf_init(&folder, 0);
    slice p = slice_from(path);
    size_t slash = slice_rfind(p, '/');
    strbuf_add(&folder, slash == p.n ? SLICE(".") : slice_head(p, slash + 1));
    if (strbuf_status(&folder) != ST_OK || stat(strbuf_str(&folder), &st) != 0 || fchown(fd, st.st_uid, st.st_gid) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    strbuf_clear(&folder);
    return fd;
}

static enum status
lock(struct store *s, const char *name)
{
    struct lite *l = (struct lite *)s;
    size_t slot = 0;
    while (slot < LOCKS && l->locks[slot].name != NULL)
        slot++;
    if (slot == LOCKS)
        return ST_LIMIT;
    struct strbuf path;
    strbuf_init(&path, 0);
    strbuf_printf(&path, "%s.%s.lock", l->path, name);
    int fd = strbuf_status(&path) == ST_OK ? open_or_make(strbuf_str(&path), O_NOFOLLOW) : -1;
    enum status st = ST_OK;
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        st = fd >= 0 && errno == EWOULDBLOCK ? ST_TIMEOUT : ST_INTERNAL;
        strbuf_reset(&l->base.error);
        strbuf_printf(&l->base.error, "%s: %s", strbuf_str(&path), strerror(errno));
        l->base.may_retry = false;
        if (fd >= 0)
            close(fd);
    } else {
        l->locks[slot].name = name;
        l->locks[slot].fd = fd;
    }
    strbuf_clear(&path);
    return st;
}

static void
unlock(struct store *s, const char *name)
{
    struct lite *l = (struct lite *)s;
    for (size_t i = 0; i < LOCKS; i++)
        if (l->locks[i].name != NULL && strcmp(l->locks[i].name, name) == 0) {
            close(l->locks[i].fd);
            l->locks[i].name = NULL;
        }
}

static void
close_store(struct store *s)
{
    struct lite *l = (struct lite *)s;
    for (size_t i = 0; i < KEPT_STATEMENTS; i++)
        sqlite3_finalize(l->kept[i].stmt);
    sqlite3_finalize(l->bulk);
    sqlite3_close(l->db); /* rolls back */
    for (size_t i = 0; i < LOCKS; i++)
        if (l->locks[i].name != NULL)
            close(l->locks[i].fd);
    free(l->path);
    free(l);
}

static const struct store_backend sqlite_backend = {
    .kind = STORE_SQLITE, .close = close_store, .begin = begin, .commit = commit, .rollback = rollback, .run = run,
    .run_once = run_once,
    .query = query, .next = next, .column_int = column_int, .column_text = column_text, .rows_free = rows_free,
    .bulk_begin = bulk_begin, .bulk_row = bulk_row, .bulk_end = bulk_end, .known = known, .day_begin = day_begin,
    .days_drop = days_drop, .lock = lock, .unlock = unlock,
};

struct store *
store_sqlite_open(const char *path, struct strbuf *error)
{
    struct lite *l = calloc(1, sizeof(*l));
    if (l == NULL || (l->path = strdup(path)) == NULL) {
        free(l);
        strbuf_add_str(error, "out of memory");
        return NULL;
    }
    l->base.backend = &sqlite_backend;
    strbuf_init(&l->base.error, 0);
    /* Who talks to whom is in there: not for everybody, whatever the caller's umask. */
    int fd = open_or_make(path, 0);
    if (fd >= 0)
        close(fd);
    if (sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(l->db, BUSY_MS) == SQLITE_OK &&
        sqlite3_exec(l->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                            "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384",
                     NULL, NULL, NULL) == SQLITE_OK)
        return &l->base;
    if (fd < 0)
        strbuf_printf(error, "%s: %s", path, strerror(errno));
    else
        strbuf_printf(error, "%s: %s", path, l->db == NULL ? "out of memory" : sqlite3_errmsg(l->db));
    store_close(&l->base);
    return NULL;
}
