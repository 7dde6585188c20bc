#include "autoconf.h"

#include "record/spool.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "record/failure.h"
#include "record/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TICK_S 1          /* of the thread: age, draining, RecordSync batch */
#define ALARM_MS 60000u   /* between two lines of log about the same trouble */
#define DRAIN_PIECE 262144u

struct spool {
    pthread_mutex_t lock; /* over everything below */
    pthread_cond_t synced_now; /* RecordSync message: somebody's fdatasync ended */
    pthread_cond_t wake;       /* of the thread: stop */
    pthread_t thread;
    bool stopping;
    char *directory;
    int dirfd;
    struct log *log;
    enum record_sync sync;
    uint64_t segment_bytes, segment_age_ms;
    size_t buffer_limit;
    struct segment segment;
    unsigned next_number;
    struct strbuf line;    /* scratch: the record with its line end */
    struct strbuf pending; /* whole lines that wait for the disk, oldest first */
    size_t pending_from;   /* what lies before it is written */
    uint64_t appended, synced; /* numbers of records; RecordSync message waits until its own is synced */
    bool syncing;          /* somebody is in fdatasync without the lock: the segment must stay */
    int trouble;           /* errno of the last failure, 0: all is well */
    uint64_t alarm_ms;     /* monotonic, of the last alarm; 0: none in this trouble */
    struct spool_counters count;
};

static void
say(struct spool *s, enum log_level level, const char *what)
{
    struct log_line *l = log_begin(s->log, level, SLICE_EMPTY);
    log_field(l, "event", SLICE("spool"));
    log_field(l, "what", slice_from(what));
    log_field(l, "directory", slice_from(s->directory));
    if (s->trouble != 0)
        log_field(l, "error", slice_from(strerror(s->trouble))); /* thread-safe in glibc since 2.32 */
    log_field_u64(l, "buffered", s->count.buffered);
    log_field_u64(l, "lost", s->count.lost);
    log_end(l);
}

static void
failed(struct spool *s, int error)
{
    s->trouble = error;
    s->count.errors++;
    uint64_t now = clock_mono_ms();
    if (s->alarm_ms == 0 || now - s->alarm_ms >= ALARM_MS) {
        say(s, LOG_LEVEL_ERROR, "records cannot be written");
        s->alarm_ms = now;
    }
}

/* The directory may have been moved away or removed under us: look for it by name again. */
static void
reopen_directory(struct spool *s)
{
    if (mkdir(s->directory, 0750) != 0 && errno != EEXIST)
        return;
    int fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    close(s->dirfd);
    s->dirfd = fd;
}

/* A segment to write to: the open one, or a new one. */
static bool
have_segment(struct spool *s)
{
    if (s->segment.fd >= 0)
        return true;
    int error = segment_create(s->dirfd, s->next_number, &s->segment);
    if (error == ENOENT) {
        reopen_directory(s);
        error = segment_create(s->dirfd, s->next_number, &s->segment);
    }
    if (error != 0) {
        failed(s, error);
        return false;
    }
    s->next_number++;
    return true;
}

static void
rotate(struct spool *s)
{
    if (s->segment.fd < 0 || s->syncing)
        return;
    uint64_t size = s->segment.size;
    int error = segment_close(s->dirfd, &s->segment, s->sync != SYNC_NONE);
    if (error != 0) {
        failed(s, error);
        return;
    }
    s->synced = s->appended;
    if (size > 0)
        s->count.segments++;
    pthread_cond_broadcast(&s->synced_now);
}

static void
rotate_if_due(struct spool *s)
{
    if (s->segment.fd >= 0 && s->segment.size > 0 &&
        (s->segment.size >= s->segment_bytes || clock_mono_ms() - s->segment.born_ms >= s->segment_age_ms))
        rotate(s);
}

static bool
write_lines(struct spool *s, slice lines, uint64_t records)
{
    if (!have_segment(s))
        return false;
    int error = segment_write(&s->segment, lines);
    if (error != 0) {
        failed(s, error);
        return false;
    }
    s->appended += records;
    s->count.written += records;
    s->count.written_bytes += lines.n;
    return true;
}

static uint64_t
count_lines(slice text)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

/* Write what waits, in order.  True if nothing waits any more. */
static bool
drain(struct spool *s)
{
    while (s->pending_from < s->pending.n) {
        slice rest = slice_tail(strbuf_slice(&s->pending), s->pending_from);
        slice piece = slice_head(rest, DRAIN_PIECE);
        size_t end = slice_rfind(piece, '\n');
        if (end == piece.n) /* one line longer than a piece */
            end = slice_find(rest, '\n');
        piece = slice_head(rest, end + 1);
        uint64_t records = count_lines(piece);
        if (!write_lines(s, piece, records))
            return false;
        s->pending_from += piece.n;
        s->count.buffered -= records;
        s->count.buffered_bytes -= piece.n;
        rotate_if_due(s);
    }
    strbuf_clear(&s->pending);
    s->pending_from = 0;
    if (s->trouble != 0) {
        s->trouble = 0;
        s->alarm_ms = 0;
        say(s, LOG_LEVEL_WARNING, "records are written again");
    }
    return true;
}

static enum status
keep(struct spool *s, slice line)
{
    if (line.n > s->buffer_limit || s->count.buffered_bytes > s->buffer_limit - line.n) {
        s->count.lost++;
        return ST_LIMIT;
    }
    if (s->pending_from > 0 && s->pending_from >= s->pending.n / 2) { /* move up, so that it never outgrows its limit twice */
        memmove(s->pending.p, s->pending.p + s->pending_from, s->pending.n - s->pending_from);
        s->pending.n -= s->pending_from;
        s->pending_from = 0;
    }
    size_t before = s->pending.n;
    strbuf_add(&s->pending, line);
    if (strbuf_status(&s->pending) != ST_OK) { /* no memory: what is there stays */
        s->pending.st = ST_OK;
        s->pending.n = before;
        s->count.lost++;
        return ST_LIMIT;
    }
    s->count.buffered++;
    s->count.buffered_bytes += line.n;
    return ST_OK;
}

/* RecordSync message: wait until this record is on disk.  Those who wait at the same time share one fdatasync. */
static enum status
wait_synced(struct spool *s, uint64_t number)
{
    while (s->synced < number) {
        if (s->syncing) {
            pthread_cond_wait(&s->synced_now, &s->lock);
            continue;
        }
        uint64_t upto = s->appended;
        int fd = s->segment.fd, error = 0;
        s->syncing = true;
        pthread_mutex_unlock(&s->lock);
        if (fdatasync(fd) != 0)
            error = errno;
        pthread_mutex_lock(&s->lock);
        s->syncing = false;
        pthread_cond_broadcast(&s->synced_now);
        if (error != 0) {
            failed(s, error);
            rotate(s); /* the kernel may have dropped the pages: later records must not trust this file */
            return ST_INTERNAL;
        }
        s->synced = upto;
    }
    return ST_OK;
}

enum status
spool_append(struct spool *s, slice line)
{
    enum status st = ST_OK;
    pthread_mutex_lock(&s->lock);
    strbuf_reset(&s->line);
    strbuf_add(&s->line, line);
    strbuf_add_char(&s->line, '\n');
    if (strbuf_status(&s->line) != ST_OK) {
        s->count.lost++;
        pthread_mutex_unlock(&s->lock);
        return ST_LIMIT;
    }
    slice whole = strbuf_slice(&s->line);
    /* While others wait this one waits behind them: the thread drains, once a second, not every message. */
    if (s->pending.n > 0 || !write_lines(s, whole, 1)) {
        st = keep(s, whole);
    } else {
        if (s->sync == SYNC_MESSAGE)
            st = wait_synced(s, s->appended);
        rotate_if_due(s);
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}

static void
tick(struct spool *s)
{
    if (s->pending.n > 0)
        drain(s);
    if (s->segment.fd >= 0 && !segment_linked(s->dirfd, &s->segment)) {
        failed(s, ENOENT);
        if (!s->syncing)
            rotate(s); /* somebody removed the file: what is in it is gone, what follows is not */
    }
    rotate_if_due(s);
    if (s->sync == SYNC_BATCH && s->synced < s->appended && s->segment.fd >= 0)
        wait_synced(s, s->appended);
    if (s->trouble != 0 && s->pending.n == 0 && s->segment.fd >= 0)
        s->trouble = 0;
}

static void *
run(void *arg)
{
    struct spool *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TICK_S;
        while (!s->stopping && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
            ;
        if (!s->stopping)
            tick(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static enum status
open_directory(struct spool *s, bool failures)
{
    if (mkdir(s->directory, 0750) != 0 && errno != EEXIST && errno != EROFS) {
        s->trouble = errno;
        return ST_INTERNAL;
    }
    s->dirfd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0 || (faccessat(s->dirfd, ".", W_OK | X_OK, AT_EACCESS) != 0 && errno != EROFS)) {
        s->trouble = errno;
        return ST_INTERNAL;
    }
    if (failures && mkdirat(s->dirfd, FAILURE_DIRECTORY, 0750) != 0 && errno != EEXIST && errno != EROFS && errno != ENOSPC) {
        s->trouble = errno;
        return ST_INTERNAL;
    }
    segment_adopt(s->dirfd); /* what a daemon before us left */
    return ST_OK;
}

static enum status
start(struct spool *s)
{
    pthread_condattr_t monotonic;
    if (pthread_mutex_init(&s->lock, NULL) != 0)
        return ST_NOMEM;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&s->synced_now, NULL);
    if (pthread_create(&s->thread, NULL, run, s) == 0)
        return ST_OK;
    pthread_cond_destroy(&s->synced_now);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    return ST_NOMEM;
}

static void
dispose(struct spool *s)
{
    if (s->dirfd >= 0)
        close(s->dirfd);
    strbuf_clear(&s->line);
    strbuf_clear(&s->pending);
    free(s->directory);
    free(s);
}

struct spool *
spool_open(const struct config *c, struct log *log, enum status *st)
{
    struct spool *s = calloc(1, sizeof(*s));
    *st = ST_NOMEM;
    if (s == NULL)
        return NULL;
    *s = (struct spool){ .dirfd = -1, .log = log, .sync = c->record_sync, .segment = { .fd = -1 },
                         .segment_bytes = c->record_segment_bytes, .segment_age_ms = (uint64_t)c->record_segment_age_s * 1000u,
                         .buffer_limit = c->record_buffer_bytes };
    s->directory = strdup(c->record_directory == NULL ? "" : c->record_directory);
    strbuf_init(&s->line, 0);
    strbuf_init(&s->pending, 0);
    if (s->directory != NULL)
        *st = open_directory(s, c->failure_reports);
    if (*st == ST_OK)
        *st = start(s);
    else if (s->directory != NULL)
        say(s, LOG_LEVEL_ERROR, "the directory cannot be used");
    if (*st == ST_OK)
        return s;
    dispose(s);
    return NULL;
}

void
spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    if (s->pending.n > 0 && !drain(s)) {
        s->count.lost += s->count.buffered;
        say(s, LOG_LEVEL_ERROR, "stopped while records could not be written");
    }
    rotate(s);
    if (s->segment.fd >= 0)
        close(s->segment.fd); /* left open by name: the next to start, or the importer, adopts it */
    pthread_cond_destroy(&s->synced_now);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    dispose(s);
}

struct spool_counters
spool_counters(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    struct spool_counters now = s->count;
    pthread_mutex_unlock(&s->lock);
    return now;
}

int
spool_adopt(const char *directory)
{
    int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -1;
    int n = segment_adopt(dirfd);
    close(dirfd);
    return n;
}
