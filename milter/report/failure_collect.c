#include "autoconf.h"

#include "report/failure.h"
#include "mail/domain.h"
#include "record/failure.h"
#include "report/destinations.h"
#include "report/member.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_MAX ((size_t)1 << 20)
#define WAIT_S 300 /* before it is sent: like ones that come meanwhile become one report */

struct collecting {
    struct store *store;
    struct strbuf *error;
    slice submitter;
    int64_t now;
};

/* One destination: a row of its own, or one more incident of a row that waits.  Inside a transaction. */
static enum status
add_destination(struct collecting *c, const json_t *e, slice id, slice entry, slice address)
{
    int64_t like = 0;
    uint64_t added = 0;
    const struct store_value v[] = { store_text(address), store_text(member_text(e, "author")),
                                     store_text(member_text(e, "source")), store_text(member_text(e, "kind")) };
    enum status st = store_query_int(c->store,
        "SELECT count(*) FROM failure WHERE address = $1 AND author = $2 AND source = $3 AND kind = $4 AND state = 'new'", v, COUNT(v),
        0, &like);
    if (st == ST_OK)
        st = store_run(c->store,
            "INSERT INTO failure (name, address, author, source, kind, incidents, entered, state, tries, next_try, sent, note, body) "
            "VALUES ($1, $2, $3, $4, $5, 1, $6, $7, 0, $8, 0, '', $9) ON CONFLICT (name, address) DO NOTHING",
            STORE_VALUES(store_text(id), v[0], v[1], v[2], v[3], store_int(c->now),
                         store_text(like > 0 ? SLICE("merged") : SLICE("new")), store_int(c->now + WAIT_S),
                         store_text(like > 0 ? SLICE_EMPTY : entry)), &added);
    if (st == ST_OK && like > 0 && added == 1)
        st = store_run(c->store,
            "UPDATE failure SET incidents = incidents + 1 WHERE address = $1 AND author = $2 AND source = $3 AND kind = $4 "
            "AND state = 'new'", v, COUNT(v), NULL);
    return st;
}

static enum status
add_entry(struct collecting *c, const json_t *e, slice id, slice entry)
{
    const json_t *ruf = json_object_get(e, "ruf");
    struct arena *a = arena_new(0);
    size_t used = 0;
    enum status st = a == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; st == ST_OK && i < json_array_size(ruf) && used < DESTINATIONS_MAX; i++) {
        const char *uri = json_string_value(json_array_get(ruf, i));
        slice address;
        enum status parsed = uri == NULL ? ST_SYNTAX : destination_parse(a, slice_from(uri), &address);
        if (parsed == ST_NOMEM)
            st = parsed;
        if (parsed != ST_OK)
            continue;
        used++;
        st = add_destination(c, e, id, entry, address);
    }
    arena_free(a);
    return st;
}

static enum status
set_aside(struct collecting *c, slice name, slice entry)
{
    struct strbuf shown;
    strbuf_init(&shown, 0);
    for (size_t i = 0; i < entry.n && i < 4096; i++)
        strbuf_add_char(&shown, entry.p[i] >= ' ' && entry.p[i] < 0x7f ? entry.p[i] : '?');
    enum status st = store_run(c->store, "INSERT INTO aside (segment, at_octet, seen, reason, line) VALUES ($1, 0, $2, $3, $4) "
                                         "ON CONFLICT (segment, at_octet) DO NOTHING",
                               STORE_VALUES(store_text(name), store_int(c->now), store_text(SLICE("no failure report's entry")),
                                            store_text(strbuf_slice(&shown))), NULL);
    strbuf_clear(&shown);
    return st;
}

static enum status
take(struct collecting *c, slice name, slice entry)
{
    json_t *e = json_loadb(entry.p, entry.n, 0, NULL);
    const json_t *version = json_object_get(e, "v");
    struct strbuf id;
    strbuf_init(&id, 0);
    strbuf_printf(&id, "%.*s.failure@%.*s", SLICE_ARG(slice_head(name, name.n - strlen(FAILURE_SUFFIX))), SLICE_ARG(c->submitter));
    enum status st = store_begin(c->store);
    if (st == ST_OK) {
        bool good = json_is_integer(version) && json_integer_value(version) == 1 && domain_is_name(member_text(e, "author")) &&
                    domain_is_name(member_text(e, "policy_domain")) && member_text(e, "kind").n > 0 &&
                    json_is_object(json_object_get(e, "record"));
        st = good ? add_entry(c, e, strbuf_slice(&id), entry) : set_aside(c, name, entry);
    }
    if (st == ST_OK)
        st = store_commit(c->store);
    if (st != ST_OK) {
        store_rollback(c->store);
        strbuf_add_str(c->error, store_error(c->store));
    }
    strbuf_clear(&id);
    json_decref(e);
    return st;
}

static enum status
take_file(struct collecting *c, int dirfd, const char *name, uint64_t *taken)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *buffer = malloc(ENTRY_MAX);
    size_t n = 0;
    for (ssize_t got = 1; fd >= 0 && buffer != NULL && n < ENTRY_MAX && got > 0; n += got > 0 ? (size_t)got : 0)
        got = read(fd, buffer + n, ENTRY_MAX - n);
    enum status st = fd < 0 || buffer == NULL ? ST_OK : take(c, slice_from(name), (slice){ buffer, n });
    if (st == ST_OK && fd >= 0 && buffer != NULL && (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT))
        ++*taken;
    if (fd >= 0)
        close(fd);
    free(buffer);
    return st;
}

enum status
failure_collect(struct store *s, const char *record_directory, slice submitter, int64_t now, uint64_t *taken, struct strbuf *error)
{
    struct collecting c = { s, error, submitter, now };
    struct strbuf path;
    *taken = 0;
    strbuf_init(&path, 0);
    strbuf_printf(&path, "%s/" FAILURE_DIRECTORY, record_directory == NULL ? "" : record_directory);
    DIR *d = strbuf_status(&path) == ST_OK ? opendir(strbuf_str(&path)) : NULL;
    enum status st = ST_OK;
    for (struct dirent *e; d != NULL && st == ST_OK && (e = readdir(d)) != NULL;) {
        slice name = slice_from(e->d_name);
        if (name.n > strlen(FAILURE_SUFFIX) && name.p[0] != '.' && slice_iends(name, SLICE(FAILURE_SUFFIX)))
            st = take_file(&c, dirfd(d), e->d_name, taken);
    }
    if (d != NULL)
        closedir(d);
    strbuf_clear(&path);
    return st;
}
