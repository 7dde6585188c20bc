#include "autoconf.h"

#include "report/expire.h"
#include "base/arena.h"
#include "base/netlist.h"
#include "mail/domain.h"
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

/* As it stands in the store: addresses in canonical text, names as A-labels, all in lower case. */
static slice
canonical(struct arena *a, slice target)
{
    struct netaddr addr;
    char ip[NETADDR_TEXT_MAX];
    slice name;
    if (netaddr_parse(target, &addr))
        return arena_slice(a, slice_from(netaddr_text(&addr, ip)));
    size_t at = slice_rfind(target, '@');
    if (domain_from_text(a, at < target.n ? slice_tail(target, at + 1) : target, &name) != ST_OK)
        return arena_lower(a, target);
    return at == target.n ? name : arena_lower(a, arena_printf(a, "%.*s@%.*s", SLICE_ARG(slice_head(target, at)), SLICE_ARG(name)));
}

enum status
expire_target(struct store *s, slice as_given, struct expired *e)
{
    struct arena *a = arena_new(0);
    slice target = a == NULL ? (slice){ NULL, 0 } : canonical(a, as_given);
    if (target.p == NULL) {
        arena_free(a);
        return ST_NOMEM;
    }
    slice quoted = arena_printf(a, "\"%.*s\"", SLICE_ARG(target));
    slice in_json = quoted.p == NULL ? quoted : like(a, quoted);
    slice anywhere = quoted.p == NULL ? quoted : like(a, target);
    *e = (struct expired){ 0 };
    enum status st = in_json.p == NULL || anywhere.p == NULL ? ST_NOMEM : store_begin(s);
    if (st == ST_OK)
        st = run(s, "DELETE FROM raw WHERE lower(line) LIKE $1 ESCAPE '!'", store_text(in_json), &e->raw);
    if (st == ST_OK)
        st = run(s, "DELETE FROM report_row WHERE lower(content) LIKE $1 ESCAPE '!'", store_text(in_json), &e->grouped);
    if (st == ST_OK) /* of names below it as well: without their policy they are reported no more */
        st = run(s, "DELETE FROM report_row WHERE domain = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM traffic WHERE author = $1 OR source = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM let_through WHERE author = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM policy WHERE domain = $1", store_text(target), &e->grouped);
    if (st == ST_OK)
        st = run(s, "DELETE FROM delivery WHERE domain = $1 OR lower(address) = $1", store_text(target), &e->reports);
    if (st == ST_OK)
        st = run(s, "DELETE FROM report WHERE domain = $1", store_text(target), &e->reports);
    if (st == ST_OK)
        st = run(s, "DELETE FROM aside WHERE lower(line) LIKE $1 ESCAPE '!'", store_text(anywhere), &e->aside);
    if (st == ST_OK)
        st = run(s, "DELETE FROM failure WHERE lower(body) LIKE $1 ESCAPE '!' OR lower(address) LIKE $1 ESCAPE '!'",
                 store_text(anywhere), &e->failures);
    if (st == ST_OK)
        st = run(s, "DELETE FROM failure WHERE author = $1 OR source = $1", store_text(target), &e->failures);
    if (st == ST_OK)
        st = run(s, "DELETE FROM suppressed WHERE target = $1", store_text(target), &e->suppressions);
    if (st == ST_OK)
        st = store_commit(s);
    if (st != ST_OK)
        store_rollback(s);
    arena_free(a);
    return st;
}
