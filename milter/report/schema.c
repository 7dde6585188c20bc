#include "autoconf.h"

#include "report/schema.h"

#include <stdio.h>

/* Days are YYYYMMDD in UTC, times Unix seconds unless a name says otherwise.  $RAW and $KEYED are the places where the two
 * databases differ: SQLite keeps a keyed table in the order of its key, instead of an index beside it. */
static const char *const version1[] = {
    "CREATE TABLE segment (name TEXT NOT NULL PRIMARY KEY, taken BIGINT NOT NULL, lines BIGINT NOT NULL, "
    "set_aside BIGINT NOT NULL, seen BIGINT NOT NULL) $KEYED",
    "$RAW",
    "CREATE INDEX raw_author ON raw (author, day)",
    "CREATE TABLE aside (segment TEXT NOT NULL, at_octet BIGINT NOT NULL, seen BIGINT NOT NULL, reason TEXT NOT NULL, "
    "line TEXT NOT NULL, PRIMARY KEY (segment, at_octet))",
    "CREATE TABLE policy (day INTEGER NOT NULL, domain TEXT NOT NULL, time_ms BIGINT NOT NULL, published TEXT NOT NULL, "
    "PRIMARY KEY (day, domain)) $KEYED",
    "CREATE TABLE report_row (day INTEGER NOT NULL, domain TEXT NOT NULL, row_key TEXT NOT NULL, content TEXT NOT NULL, "
    "messages BIGINT NOT NULL, PRIMARY KEY (day, domain, row_key)) $KEYED",
    "CREATE TABLE traffic (day INTEGER NOT NULL, author TEXT NOT NULL, source TEXT NOT NULL, messages BIGINT NOT NULL, "
    "spf BIGINT NOT NULL, dkim BIGINT NOT NULL, passed BIGINT NOT NULL, quarantined BIGINT NOT NULL, rejected BIGINT NOT NULL, "
    "deferred BIGINT NOT NULL, would_quarantine BIGINT NOT NULL, would_reject BIGINT NOT NULL, "
    "PRIMARY KEY (day, author, source)) $KEYED",
    "CREATE TABLE let_through (day INTEGER NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, "
    "messages BIGINT NOT NULL, PRIMARY KEY (day, author, kind, name)) $KEYED",
    "CREATE TABLE report (day INTEGER NOT NULL, domain TEXT NOT NULL, report_id TEXT NOT NULL, file_name TEXT NOT NULL, "
    "made BIGINT NOT NULL, row_count BIGINT NOT NULL, messages BIGINT NOT NULL, body TEXT NOT NULL, "
    "PRIMARY KEY (day, domain))",
    "CREATE TABLE delivery (day INTEGER NOT NULL, domain TEXT NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL, "
    "tries BIGINT NOT NULL, next_try BIGINT NOT NULL, sent BIGINT NOT NULL, note TEXT NOT NULL, "
    "PRIMARY KEY (day, domain, address))",
    "CREATE INDEX delivery_state ON delivery (state, next_try)",
    "CREATE TABLE suppressed (target TEXT NOT NULL PRIMARY KEY, since BIGINT NOT NULL, reason TEXT NOT NULL)",
    NULL,
};

/* Failure reports (RFC 9991): taken from the daemon's queue, one row for each destination. */
static const char *const version2[] = {
    "CREATE TABLE failure (name TEXT NOT NULL, address TEXT NOT NULL, author TEXT NOT NULL, source TEXT NOT NULL, "
    "kind TEXT NOT NULL, incidents BIGINT NOT NULL, entered BIGINT NOT NULL, state TEXT NOT NULL, tries BIGINT NOT NULL, "
    "next_try BIGINT NOT NULL, sent BIGINT NOT NULL, note TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (name, address))",
    "CREATE INDEX failure_state ON failure (state, next_try)",
    "CREATE INDEX failure_sent ON failure (address, sent)",
    NULL,
};

static const char *const *const versions[SCHEMA_VERSION] = { version1, version2 };

static const char raw_sqlite[] =
    "CREATE TABLE raw (day INTEGER NOT NULL, id TEXT NOT NULL, time_ms BIGINT NOT NULL, author TEXT NOT NULL, "
    "source TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (day, id))";
static const char raw_pg[] =
    "CREATE TABLE raw (day INTEGER NOT NULL, id TEXT NOT NULL, time_ms BIGINT NOT NULL, author TEXT NOT NULL, "
    "source TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (day, id)) PARTITION BY RANGE (day)";

#define RETRIES 5 /* of what another program may have done at the same moment */

static enum status
say(struct store *s, struct strbuf *error)
{
    strbuf_add_str(error, store_error(s));
    return ST_INTERNAL;
}

static enum status
version_of(struct store *s, int64_t *version)
{
    static const char make[] = "CREATE TABLE IF NOT EXISTS vidimus_schema (name TEXT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)";
    enum status st = store_run(s, make, STORE_NO_VALUES, NULL);
    for (int i = 0; i < RETRIES && st != ST_OK && store_may_retry(s); i++) /* some that start at once */
        st = store_run(s, make, STORE_NO_VALUES, NULL);
    if (st != ST_OK)
        return st;
    return store_query_int(s, "SELECT version FROM vidimus_schema WHERE name = 'reports'", STORE_NO_VALUES, 0, version);
}

static enum status
make(struct store *s, const char *statement)
{
    bool pg = store_kind(s) == STORE_POSTGRESQL;
    slice head, rest, text = slice_from(statement);
    struct strbuf sql;
    if (text.p[0] == '$')
        return store_run(s, pg ? raw_pg : raw_sqlite, STORE_NO_VALUES, NULL);
    strbuf_init(&sql, 0);
    if (slice_cut(text, '$', &head, &rest))
        strbuf_printf(&sql, "%.*s%s", SLICE_ARG(head), pg ? "" : "WITHOUT ROWID");
    else
        strbuf_add(&sql, text);
    enum status st = strbuf_status(&sql) == ST_OK ? store_run_once(s, strbuf_str(&sql)) : ST_NOMEM;
    strbuf_clear(&sql);
    return st;
}

/* From the version before to this one.  Another process may be at the same: the first statement decides. */
static enum status
step(struct store *s, int64_t to)
{
    enum status st = store_begin(s);
    if (st != ST_OK)
        return st;
    uint64_t changed = 0;
    if (to == 1)
        st = store_run(s, "INSERT INTO vidimus_schema VALUES ('reports', 1)", STORE_NO_VALUES, &changed);
    else
        st = store_run(s, "UPDATE vidimus_schema SET version = $1 WHERE name = 'reports' AND version = $1 - 1",
                       STORE_VALUES(store_int(to)), &changed);
    for (const char *const *sql = versions[to - 1]; st == ST_OK && changed == 1 && *sql != NULL; sql++)
        st = make(s, *sql);
    if (st == ST_OK)
        st = store_commit(s);
    if (st != ST_OK)
        store_rollback(s);
    return st;
}

enum status
schema_upgrade(struct store *s, int version, struct strbuf *error)
{
    int64_t now = 0;
    int failures = 0;
    for (;;) {
        if (version_of(s, &now) != ST_OK)
            return say(s, error);
        if (now > SCHEMA_VERSION) {
            strbuf_printf(error, "the store has version %lld, this program reads up to %d: use the newer vidimus",
                          (long long)now, SCHEMA_VERSION);
            return ST_LIMIT;
        }
        if (now >= version)
            return ST_OK;
        if (step(s, now + 1) != ST_OK && (!store_may_retry(s) || ++failures > RETRIES))
            return say(s, error);
    }
}

enum status
schema_ready(struct store *s, struct strbuf *error)
{
    return schema_upgrade(s, SCHEMA_VERSION, error);
}
