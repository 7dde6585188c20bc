/* maker.c - aggregate reports: from grouped rows to a report in the queue with its destinations. */
#include "autoconf.h"

#include "report/reporter.h"
#include "base/base64.h"
#include "report/day.h"
#include "report/destinations.h"
#include "report/gzip.h"

#include <jansson.h>
#include <string.h>
#include <sys/random.h>

#define AT_ONCE 200 /* domains listed at a time */

static enum status
store_failed(struct reporter_job *j)
{
    strbuf_add_str(j->error, store_error(j->store));
    return ST_INTERNAL;
}

struct reporter
reporter_from(const struct config *c, struct arena *a)
{
    struct reporter r = { .org_name = slice_from(c->report_org_name), .email = slice_from(c->report_email),
                          .extra_contact = slice_from(c->report_extra_contact) };
    if (r.email.n == 0)
        r.email = arena_printf(a, "postmaster@%s", c->authserv_id);
    r.domain = slice_tail(r.email, slice_rfind(r.email, '@') + 1);
    if (r.org_name.n == 0)
        r.org_name = r.domain;
    return r;
}

/* RFC 9990 3.5.1: unique, and nobody can guess it: a bounce that names it is about a report we sent. */
static slice
new_report_id(const struct reporter_job *j, struct arena *a, int day, slice domain)
{
    unsigned char chance[12];
    char hex[2 * sizeof(chance) + 1];
    if (getrandom(chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return (slice){ NULL, 0 };
    for (size_t i = 0; i < sizeof(chance); i++) {
        hex[2 * i] = "0123456789abcdef"[chance[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[chance[i] & 15];
    }
    hex[2 * sizeof(chance)] = '\0';
    return arena_printf(a, "%d.%s.%.*s@%.*s", day, hex, SLICE_ARG(domain), SLICE_ARG(j->who.domain));
}

static enum status
known_text(struct reporter_job *j, struct arena *a, const char *sql, int day, slice domain, slice *out)
{
    struct store_rows *r = store_query(j->store, sql, STORE_VALUES(store_int(day), store_text(domain)));
    *out = (slice){ NULL, 0 };
    if (store_next(r))
        *out = arena_slice(a, store_column_text(r, 0));
    return store_rows_free(r);
}

enum status
reporter_xml(struct reporter_job *j, int day, slice domain, slice report_id, const struct aggregate_sink *to, struct made *m)
{
    struct arena *a = arena_new(0);
    slice policy = { NULL, 0 }, id = report_id;
    enum status st = a == NULL ? ST_NOMEM
                               : known_text(j, a, "SELECT published FROM policy WHERE day = $1 AND domain = $2", day, domain, &policy);
    if (st == ST_OK && id.p == NULL)
        st = known_text(j, a, "SELECT report_id FROM report WHERE day = $1 AND domain = $2", day, domain, &id);
    if (st == ST_OK && id.p == NULL)
        id = new_report_id(j, a, day, domain);
    if (st != ST_OK || policy.p == NULL) {
        arena_free(a);
        return st != ST_OK ? store_failed(j) : ST_SYNTAX;
    }
    const struct aggregate_about about = { j->who.org_name, j->who.email, j->who.extra_contact, id, day_first_second(day),
                                           day_first_second(day) + 86399, domain, policy };
    struct aggregate_xml *x = aggregate_xml_new(&about, to);
    struct store_rows *r = store_query(j->store,
        "SELECT content, messages FROM report_row WHERE day = $1 AND domain = $2 ORDER BY row_key",
        STORE_VALUES(store_int(day), store_text(domain)));
    while (x != NULL && store_next(r)) {
        aggregate_xml_row(x, store_column_text(r, 0), (uint64_t)store_column_int(r, 1));
        m->rows++;
        m->messages += (uint64_t)store_column_int(r, 1);
    }
    st = store_rows_free(r);
    enum status written = x == NULL ? ST_NOMEM : aggregate_xml_finish(x);
    arena_free(a);
    return st != ST_OK ? store_failed(j) : written;
}

static bool
into_gzip(void *arg, slice text)
{
    return gzip_write(arg, text);
}

/* The attachment as base64: that is what is stored and what is mailed. */
static enum status
packed(struct reporter_job *j, int day, slice domain, slice id, struct strbuf *out, struct made *m)
{
    struct strbuf compressed;
    strbuf_init(&compressed, 0);
    struct gzip *z = gzip_new(&compressed);
    const struct aggregate_sink to = { into_gzip, z };
    enum status st = z == NULL ? ST_NOMEM : reporter_xml(j, day, domain, id, &to, m);
    if (z != NULL && gzip_finish(z) != ST_OK && st == ST_OK)
        st = ST_NOMEM;
    if (st == ST_OK)
        base64_encode(out, strbuf_slice(&compressed));
    strbuf_clear(&compressed);
    return st == ST_OK ? strbuf_status(out) : st;
}

/* The first ten addresses of rua that a report can go to, each once. */
static enum status
destinations(struct arena *a, slice published, slice out[DESTINATIONS_MAX], size_t *n)
{
    json_error_t why;
    json_t *p = json_loadb(published.p, published.n, 0, &why);
    const json_t *rua = json_object_get(p, "rua");
    enum status st = p == NULL && json_error_code(&why) == json_error_out_of_memory ? ST_NOMEM : ST_OK;
    *n = 0;
    for (size_t i = 0; i < json_array_size(rua) && *n < DESTINATIONS_MAX && st != ST_NOMEM; i++) {
        const char *uri = json_string_value(json_array_get(rua, i));
        slice address;
        bool twice = false;
        st = uri == NULL ? ST_SYNTAX : destination_parse(a, slice_from(uri), &address);
        if (st != ST_OK)
            continue;
        for (size_t k = 0; k < *n; k++)
            twice |= slice_ieq(out[k], address);
        if (!twice)
            out[(*n)++] = address;
    }
    json_decref(p);
    return st == ST_NOMEM ? st : ST_OK;
}

static enum status
make_one(struct reporter_job *j, struct arena *a, int day, slice domain, slice published, struct made *m)
{
    slice to[DESTINATIONS_MAX], id = new_report_id(j, a, day, domain);
    size_t n;
    struct made one = { 0 };
    struct strbuf body;
    strbuf_init(&body, 0);
    enum status st = destinations(a, published, to, &n);
    if (st == ST_OK && n > 0)
        st = packed(j, day, domain, id, &body, &one);
    if (st == ST_SYNTAX) /* nothing to report after all: not asked again */
        st = ST_OK, n = 0;
    long long first = (long long)day_first_second(day);
    slice file = arena_printf(a, "%.*s!%.*s!%lld!%lld.xml.gz", SLICE_ARG(j->who.domain), SLICE_ARG(domain), first, first + 86399);
    if (st != ST_OK || id.p == NULL || file.p == NULL) {
        strbuf_clear(&body);
        if (j->error->n == 0)
            strbuf_printf(j->error, "the report about %.*s: %s", SLICE_ARG(domain), status_name(st == ST_OK ? ST_NOMEM : st));
        return st == ST_OK ? ST_NOMEM : st;
    }
    st = store_begin(j->store);
    if (st == ST_OK)
        st = store_run(j->store,
            "INSERT INTO report (day, domain, report_id, file_name, made, row_count, messages, body) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            STORE_VALUES(store_int(day), store_text(domain), store_text(id), store_text(file), store_int(j->now),
                         store_int((int64_t)one.rows), store_int((int64_t)one.messages), store_text(strbuf_slice(&body))), NULL);
    for (size_t i = 0; st == ST_OK && i < n; i++)
        st = store_run(j->store,
            "INSERT INTO delivery (day, domain, address, state, tries, next_try, sent, note) "
            "VALUES ($1, $2, $3, 'new', 0, $4, 0, '')",
            STORE_VALUES(store_int(day), store_text(domain), store_text(to[i]), store_int(j->now)), NULL);
    if (st == ST_OK)
        st = store_commit(j->store);
    strbuf_clear(&body);
    if (st != ST_OK) {
        store_rollback(j->store);
        return store_failed(j);
    }
    m->reports += n > 0;
    m->without_destination += n == 0;
    m->rows += one.rows;
    m->messages += one.messages;
    return ST_OK;
}

static enum status
make_some(struct reporter_job *j, int first, int last, struct made *m, bool *more)
{
    static const char sql[] =
        "SELECT p.day, p.domain, p.published FROM policy p WHERE p.day BETWEEN $1 AND $2 AND NOT EXISTS "
        "(SELECT 1 FROM report r WHERE r.day = p.day AND r.domain = p.domain) ORDER BY p.day, p.domain LIMIT $3";
    int day[AT_ONCE];
    slice domain[AT_ONCE], published[AT_ONCE];
    size_t n = 0;
    struct arena *a = arena_new(0);
    if (a == NULL)
        return ST_NOMEM;
    struct store_rows *r = store_query(j->store, sql, STORE_VALUES(store_int(first), store_int(last), store_int(AT_ONCE)));
    while (n < AT_ONCE && store_next(r)) {
        day[n] = (int)store_column_int(r, 0);
        domain[n] = arena_slice(a, store_column_text(r, 1));
        published[n] = arena_slice(a, store_column_text(r, 2));
        n++;
    }
    enum status st = store_rows_free(r);
    if (st != ST_OK)
        st = store_failed(j);
    for (size_t i = 0; st == ST_OK && i < n; i++) {
        st = make_one(j, a, day[i], domain[i], published[i], m);
        if (j->progress != NULL)
            j->progress(j->arg, m->reports + m->without_destination, 0);
    }
    arena_free(a);
    *more = n == AT_ONCE;
    return st;
}

enum status
reporter_make(struct reporter_job *j, struct made *m)
{
    int today = day_of(j->now);
    bool more = true;
    enum status st = ST_OK;
    *m = (struct made){ 0 };
    while (st == ST_OK && more) /* a report made is listed no more */
        st = make_some(j, day_add(today, -REPORT_STALE_DAYS), day_add(today, -1), m, &more);
    return st;
}
