#include "autoconf.h"

#include "report/expire.h"
#include "base/arena.h"
#include "report/day.h"
#include "report/suppress.h"

static enum status
run(struct store *s, const char *sql, struct store_value v, uint64_t *count)
{
    uint64_t changed = 0;
    enum status st = store_run(s, sql, &v, 1, &changed);
    *count += changed;
    return st;
}

enum status
expire_old(struct store *s, int64_t now, unsigned raw_days, unsigned grouped_days, struct expired *e)
{
    int today = day_of(now), oldest = day_add(today, -(int)grouped_days);
    *e = (struct expired){ 0 };
    enum status st = store_days_drop(s, day_add(today, -(int)raw_days), &e->raw);
    static const char *const grouped[] = { "DELETE FROM report_row WHERE day < $1", "DELETE FROM policy WHERE day < $1",
                                           "DELETE FROM traffic WHERE day < $1", "DELETE FROM let_through WHERE day < $1" };
    for (size_t i = 0; st == ST_OK && i < COUNT(grouped); i++)
        st = run(s, grouped[i], store_int(oldest), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM delivery WHERE day < $1", store_int(oldest), &e->reports);
    if (st == ST_OK)
        st = run(s, "DELETE FROM report WHERE day < $1", store_int(oldest), &e->reports);
    int64_t raw_s = now - (int64_t)raw_days * 86400;
    if (st == ST_OK)
        st = run(s, "DELETE FROM failure WHERE entered < $1", store_int(raw_s), &e->failures);
    if (st == ST_OK)
        st = run(s, "DELETE FROM aside WHERE seen < $1", store_int(raw_s), &e->aside);
    /* A segment's mark outlives its file by far: a copy that comes back is still known. */
    if (st == ST_OK)
        st = run(s, "DELETE FROM segment WHERE seen < $1", store_int(now - (int64_t)grouped_days * 86400), &e->aside);
    if (st == ST_OK)
        st = run(s, "DELETE FROM suppressed WHERE since < $1", store_int(now - SUPPRESS_DAYS * 86400), &e->suppressions);
    return st;
}

/* The target as it stands inside a JSON text, between LIKE's wild cards. */
static slice
like(struct arena *a, slice target)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    strbuf_add_char(&b, '%');
    for (size_t i = 0; i < target.n; i++) {
        if (target.p[i] == '%' || target.p[i] == '_' || target.p[i] == '!')
            strbuf_add_char(&b, '!');
        strbuf_add_char(&b, target.p[i]);
    }
    strbuf_add_char(&b, '%');
    return strbuf_finish(&b, a);
}

enum status
expire_target(struct store *s, slice target, struct expired *e)
{
    struct arena *a = arena_new(0);
    slice quoted = a == NULL ? (slice){ NULL, 0 } : arena_printf(a, "\"%.*s\"", SLICE_ARG(target));
    slice in_json = quoted.p == NULL ? quoted : like(a, quoted);
    slice anywhere = quoted.p == NULL ? quoted : like(a, target);
    *e = (struct expired){ 0 };
    enum status st = in_json.p == NULL || anywhere.p == NULL ? ST_NOMEM : store_begin(s);
    if (st == ST_OK)
        st = run(s, "DELETE FROM raw WHERE line LIKE $1 ESCAPE '!'", store_text(in_json), &e->raw);
    if (st == ST_OK)
        st = run(s, "DELETE FROM report_row WHERE content LIKE $1 ESCAPE '!'", store_text(in_json), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM traffic WHERE author = $1 OR source = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM let_through WHERE author = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM policy WHERE domain = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM aside WHERE line LIKE $1 ESCAPE '!'", store_text(anywhere), &e->aside);
    if (st == ST_OK)
        st = run(s, "DELETE FROM failure WHERE body LIKE $1 ESCAPE '!' OR address LIKE $1 ESCAPE '!'", store_text(anywhere),
                 &e->failures);
    if (st == ST_OK)
        st = run(s, "DELETE FROM suppressed WHERE target = $1", store_text(target), &e->suppressions);
    if (st == ST_OK)
        st = store_commit(s);
    if (st != ST_OK)
        store_rollback(s);
    arena_free(a);
    return st;
}
