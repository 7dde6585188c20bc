#include "autoconf.h"

#include "report/import.h"
#include "record/spool.h"
#include "report/batch.h"
#include "report/day.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of spool a transaction, some ten thousand records: the more there are, the fewer pages of the store are written twice. */
#define BATCH_BYTES ((size_t)16 << 20)
#define LINE_BYTES_MAX ((size_t)32 << 20)
#define RETRIES 20

struct job {
    struct store *store;
    const struct import_options *o;
    struct import_result *r;
    struct strbuf *error;
    int dirfd;
    char *buffer;
    size_t buffer_size;
    uint64_t done, total; /* octets, for the progress */
    bool file_trouble;    /* said in error; the other files go on */
};

/* One file at hand. */
struct source {
    int fd;
    slice name;
    uint64_t size;
};

static enum status
store_failed(struct job *j)
{
    strbuf_add_str(j->error, store_error(j->store));
    return ST_INTERNAL;
}

static enum status
file_failed(struct job *j, const char *name, const char *what)
{
    strbuf_printf(j->error, "%s%s/%s: cannot %s: %s", j->error->n > 0 ? "\n" : "", j->o->directory, name, what, strerror(errno));
    j->file_trouble = true;
    return ST_OK; /* the other files go on */
}

static enum status
taken_so_far(struct job *j, const struct source *f, uint64_t *taken)
{
    int64_t v;
    enum status st = store_query_int(j->store, "SELECT taken FROM segment WHERE name = $1", STORE_VALUES(store_text(f->name)),
                                     -1, &v);
    if (st == ST_OK && v < 0) {
        st = store_run(j->store,
            "INSERT INTO segment (name, taken, lines, set_aside, seen) VALUES ($1, 0, 0, 0, $2) ON CONFLICT (name) DO NOTHING",
            STORE_VALUES(store_text(f->name), store_int(j->o->now)), NULL);
        v = 0;
    }
    *taken = v < 0 ? 0 : (uint64_t)v;
    return st;
}

/* Fill the buffer from that octet; *got is cut to whole lines.  A line longer than the buffer makes it grow. */
static enum status
read_lines(struct job *j, const struct source *f, uint64_t from, slice *got, bool *torn)
{
    for (;;) {
        size_t have = 0, want = f->size - from < j->buffer_size ? (size_t)(f->size - from) : j->buffer_size;
        while (have < want) {
            ssize_t n = pread(f->fd, j->buffer + have, want - have, (off_t)(from + have));
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return ST_INTERNAL;
            have += (size_t)n;
        }
        slice all = { j->buffer, have };
        size_t end = slice_rfind(all, '\n');
        bool last = from + have == f->size;
        *torn = last && (end == all.n || end + 1 < all.n);
        if (last || end < all.n) {
            *got = last ? all : slice_head(all, end + 1);
            return ST_OK;
        }
        if (j->buffer_size >= LINE_BYTES_MAX) { /* no record is that long: in pieces it is set aside */
            *torn = true;
            *got = all;
            return ST_OK;
        }
        char *p = realloc(j->buffer, j->buffer_size * 2);
        if (p == NULL)
            return ST_NOMEM;
        j->buffer = p;
        j->buffer_size *= 2;
    }
}

/* One transaction.  ST_TIMEOUT: try again from where the store says. */
static enum status
one_batch(struct job *j, const struct source *f, uint64_t from, uint64_t *to)
{
    slice text;
    bool torn;
    enum status st = read_lines(j, f, from, &text, &torn);
    if (st != ST_OK) {
        strbuf_printf(j->error, "%s/%s cannot be read", j->o->directory, f->name.p);
        return st;
    }
    const struct batch_place place = { f->name, from, from + text.n, j->o->now,
                                       day_add(day_of(j->o->now), -(int)j->o->keep_days) };
    struct batch *b = batch_read(&place, text, torn);
    if (b == NULL) {
        strbuf_add_str(j->error, "out of memory");
        return ST_NOMEM;
    }
    st = batch_prepare(b, j->store);
    if (st == ST_OK)
        st = store_begin(j->store);
    if (st == ST_OK)
        st = batch_write(b, j->store);
    if (st == ST_OK)
        st = store_commit(j->store);
    if (st != ST_OK) {
        store_rollback(j->store);
        if (st != ST_TIMEOUT && !store_may_retry(j->store))
            st = store_failed(j);
        else
            st = ST_TIMEOUT;
    } else {
        j->r->records += batch_records(b);
        j->r->set_aside += batch_set_aside(b);
        j->r->duplicates += batch_duplicates(b);
        j->r->bytes += text.n;
        *to = place.to;
    }
    batch_free(b);
    return st;
}

static void
progress(struct job *j, uint64_t octets)
{
    j->done += octets;
    if (j->o->progress != NULL)
        j->o->progress(j->o->arg, j->done, j->total);
}

static enum status
take_segment(struct job *j, const struct source *f)
{
    uint64_t at = 0;
    enum status st = taken_so_far(j, f, &at);
    if (st != ST_OK)
        return store_failed(j);
    if (at > f->size) {
        strbuf_printf(j->error, "%s/%s is shorter than what was already taken from a file of that name", j->o->directory, f->name.p);
        return ST_INTERNAL;
    }
    progress(j, at);
    for (unsigned tries = 0; at < f->size;) {
        uint64_t before = at;
        st = one_batch(j, f, at, &at);
        if (st == ST_OK) {
            tries = 0;
            progress(j, at - before);
        } else if (st != ST_TIMEOUT) {
            return st;
        } else if (++tries > RETRIES) {
            return store_failed(j);
        } else {
            const struct timespec pause = { 0, 20000000L * (long)tries };
            nanosleep(&pause, NULL);
            if (taken_so_far(j, f, &at) != ST_OK)
                return store_failed(j);
        }
    }
    /* All of it is committed: only now may the file go. */
    if (unlinkat(j->dirfd, f->name.p, 0) != 0 && errno != ENOENT)
        return file_failed(j, f->name.p, "remove it");
    j->r->segments++;
    return ST_OK;
}

static enum status
open_segment(struct job *j, const char *name)
{
    struct source f = { openat(j->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), slice_from(name), 0 };
    struct stat st;
    if (f.fd < 0)
        return errno == ENOENT ? ST_OK : file_failed(j, name, "open it"); /* another importer was faster */
    enum status result = ST_OK;
    if (fstat(f.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        result = file_failed(j, name, "use it");
    } else if (flock(f.fd, LOCK_EX | LOCK_NB) != 0) {
        j->r->busy++;
    } else if (st.st_nlink > 0) {
        f.size = (uint64_t)st.st_size;
        result = take_segment(j, &f);
    }
    close(f.fd);
    return result;
}

static int
is_segment(const struct dirent *e)
{
    slice n = slice_from(e->d_name);
    return n.n > strlen(SPOOL_CLOSED_SUFFIX) && n.p[0] != '.' && slice_iends(n, SLICE(SPOOL_CLOSED_SUFFIX));
}

enum status
import_run(struct store *s, const struct import_options *o, struct import_result *r, struct strbuf *error)
{
    struct job j = { .store = s, .o = o, .r = r, .error = error, .buffer_size = o->batch_bytes == 0 ? BATCH_BYTES : o->batch_bytes };
    struct dirent **list = NULL;
    *r = (struct import_result){ 0 };
    spool_adopt(o->directory);
    j.dirfd = open(o->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int n = j.dirfd < 0 ? -1 : scandir(o->directory, &list, is_segment, alphasort);
    j.buffer = malloc(j.buffer_size);
    enum status st = n < 0 ? ST_INTERNAL : j.buffer == NULL ? ST_NOMEM : ST_OK;
    if (st != ST_OK)
        strbuf_printf(error, "%s: %s", o->directory, strerror(errno));
    struct stat about;
    for (int i = 0; i < n; i++)
        j.total += fstatat(j.dirfd, list[i]->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)about.st_size : 0;
    for (int i = 0; st == ST_OK && i < n; i++)
        st = open_segment(&j, list[i]->d_name);
    if (st == ST_OK && j.file_trouble)
        st = ST_INTERNAL;
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    free(j.buffer);
    if (j.dirfd >= 0)
        close(j.dirfd);
    return st;
}
