#include "autoconf.h"

#include "report/suppress.h"
#include "report/destinations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct suppressions {
    struct arena *arena;
    slice *targets;
    size_t n, cap;
};

static bool
add(struct suppressions *s, slice target)
{
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        slice *p = realloc(s->targets, cap * sizeof(*p));
        if (p == NULL)
            return false;
        s->targets = p;
        s->cap = cap;
    }
    s->targets[s->n] = arena_lower(s->arena, target);
    return s->targets[s->n++].p != NULL;
}

enum status
suppressions_load(const char *path, struct strbuf *error, struct suppressions **out)
{
    struct suppressions *s = calloc(1, sizeof(*s));
    FILE *f = NULL;
    char *line = NULL;
    size_t size = 0;
    enum status st = s != NULL && (s->arena = arena_new(0)) != NULL ? ST_OK : ST_NOMEM;
    if (st == ST_OK && path != NULL && (f = fopen(path, "re")) == NULL) {
        strbuf_printf(error, "%s: %s", path, strerror(errno));
        st = ST_INTERNAL;
    }
    for (ssize_t n; f != NULL && st == ST_OK && (n = getline(&line, &size, f)) > 0;) {
        slice text = { line, (size_t)n };
        text = slice_trim(slice_head(text, slice_find(text, '#')));
        if (text.n > 0 && !add(s, text))
            st = ST_NOMEM;
    }
    free(line);
    if (f != NULL)
        fclose(f);
    if (st != ST_OK) {
        suppressions_free(s);
        s = NULL;
    }
    *out = s;
    return st;
}

void
suppressions_free(struct suppressions *s)
{
    if (s == NULL)
        return;
    arena_free(s->arena);
    free(s->targets);
    free(s);
}

enum status
suppressed(struct reporter_job *j, const struct suppressions *file, slice address, bool *is, const char **why)
{
    slice host = destination_host(address);
    *is = true;
    *why = "on the list of ReportSuppressionFile";
    for (size_t i = 0; i < file->n; i++)
        if (slice_ieq(file->targets[i], address) || slice_ieq(file->targets[i], host))
            return ST_OK;
    int64_t n = 0;
    struct arena *a = arena_new(0);
    slice lower = a == NULL ? SLICE_EMPTY : arena_lower(a, address);
    enum status st = store_query_int(j->store, "SELECT count(*) FROM suppressed WHERE target = $1 OR target = $2",
                                     STORE_VALUES(store_text(lower), store_text(host)), 0, &n);
    arena_free(a);
    *is = n > 0;
    *why = "earlier reports bounced";
    return st;
}

enum status
suppress(struct reporter_job *j, slice target, slice reason)
{
    struct arena *a = arena_new(0);
    slice lower = a == NULL ? (slice){ NULL, 0 } : arena_lower(a, target);
    enum status st = lower.p == NULL ? ST_NOMEM
                                     : store_run(j->store,
                                           "INSERT INTO suppressed (target, since, reason) VALUES ($1, $2, $3) "
                                           "ON CONFLICT (target) DO NOTHING",
                                           STORE_VALUES(store_text(lower), store_int(j->now), store_text(slice_head(reason, 200))), NULL);
    arena_free(a);
    return st;
}

/* ---- bounces */

struct bounce {
    slice recipient; /* Final-Recipient or Original-Recipient, the address alone */
    bool failed;
    slice status; /* "5.1.1" */
};

static slice
after_colon(slice line, slice name, bool *is)
{
    slice value;
    *is = line.n > name.n && slice_istarts(line, name) && line.p[name.n] == ':';
    value = *is ? slice_trim(slice_tail(line, name.n + 1)) : SLICE_EMPTY;
    return value;
}

static slice
bare_address(slice value) /* "rfc822; a@b" (RFC 3464 2.3.2) */
{
    slice type, address = value;
    if (!slice_cut(value, ';', &type, &address))
        address = value;
    address = slice_trim(address);
    if (address.n > 1 && address.p[0] == '<' && address.p[address.n - 1] == '>')
        address = (slice){ address.p + 1, address.n - 2 };
    return address;
}

/* Ids are ours, so that they hold neither ">" nor white space. */
static enum status
was_sent(struct reporter_job *j, slice id, slice address, bool *yes)
{
    int64_t n = 0;
    enum status st = store_query_int(j->store,
        "SELECT (SELECT count(*) FROM report r JOIN delivery d ON d.day = r.day AND d.domain = r.domain "
        "WHERE r.report_id = $1 AND lower(d.address) = lower($2) AND d.sent > 0) + "
        "(SELECT count(*) FROM failure WHERE name = $1 AND lower(address) = lower($2) AND sent > 0)",
        STORE_VALUES(store_text(id), store_text(address)), 0, &n);
    *yes = n > 0;
    return st;
}

static enum status
learn(struct reporter_job *j, slice id, const struct bounce *b, unsigned *targets)
{
    bool ours = false;
    if (!b->failed || b->recipient.n == 0 || !slice_starts(b->status, SLICE("5.")))
        return ST_OK;
    enum status st = was_sent(j, id, b->recipient, &ours);
    if (st != ST_OK || !ours)
        return st;
    /* RFC 3463: 5.1.2 bad system address, 5.4.4 unable to route: nobody at that domain gets mail. */
    bool all = slice_starts(b->status, SLICE("5.1.2")) || slice_starts(b->status, SLICE("5.4.4"));
    struct strbuf why;
    strbuf_init(&why, 0);
    strbuf_printf(&why, "bounced with status %.*s", SLICE_ARG(slice_head(b->status, 20)));
    st = suppress(j, all ? destination_host(b->recipient) : b->recipient, strbuf_slice(&why));
    strbuf_clear(&why);
    *targets += st == ST_OK;
    return st;
}

enum status
suppress_from_bounce(struct reporter_job *j, slice message, unsigned *targets)
{
    slice id = SLICE_EMPTY, line;
    bool is;
    *targets = 0;
    for (slice rest = message; rest.n > 0;) { /* the Message-ID of what came back stands below the delivery status */
        slice_cut(rest, '\n', &line, &rest);
        slice v = after_colon(line, SLICE("Message-ID"), &is);
        if (is && v.n > 2 && v.p[0] == '<' && v.p[v.n - 1] == '>')
            id = (slice){ v.p + 1, v.n - 2 };
    }
    struct bounce b = { SLICE_EMPTY, false, SLICE_EMPTY };
    enum status st = ST_OK;
    for (slice rest = message; id.n > 0 && rest.n > 0 && st == ST_OK;) {
        slice_cut(rest, '\n', &line, &rest);
        line = slice_trim(line);
        slice v = after_colon(line, SLICE("Final-Recipient"), &is);
        if (is)
            b.recipient = bare_address(v);
        v = after_colon(line, SLICE("Action"), &is);
        if (is)
            b.failed = slice_ieq(v, SLICE("failed"));
        v = after_colon(line, SLICE("Status"), &is);
        if (is)
            b.status = v;
        if (line.n == 0 || rest.n == 0) { /* the end of one recipient's fields (RFC 3464 2.1) */
            st = learn(j, id, &b, targets);
            b = (struct bounce){ SLICE_EMPTY, false, SLICE_EMPTY };
        }
    }
    if (st != ST_OK)
        strbuf_add_str(j->error, store_error(j->store));
    return st;
}
