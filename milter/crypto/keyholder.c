/*
 * keyholder.c - the client in the daemon: many threads, one socket.  Whoever waits first reads for all (leader and
 * followers), so there is no thread of our own.  A line is one holder's socket; it is given up as a whole when the holder
 * dies or lets a request time out, and the next caller has a new holder started.
 */
#include "autoconf.h"

#include "base/clock.h"
#include "crypto/keyholder.h"
#include "crypto/keyholder_launch.h"
#include "crypto/keyholder_wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_START_MS 10000
#define BACKOFF_FIRST_MS 100 /* after a holder that did not come up; doubled up to ... */
#define BACKOFF_MAX_MS 10000
#define BACKOFF_WAIT_MS 200 /* a caller waits out so much; while it is longer, requests fail at once */
#define TRIES 8 /* holders that may die under one request */

struct waiter {
    struct waiter *next;
    uint64_t number;
    pthread_cond_t wake;
    bool done;
    struct sign_reply reply;
};

struct line {
    int fd;
    pid_t pid;
    unsigned users; /* callers in line_ask, and the client while it is the current one */
    bool dead;
    bool has_reader;
    uint64_t heard_ms; /* of the last reply */
    struct waiter *waiters;
};

struct key_known {
    char *id;
    enum sign_algorithm algorithm;
};

struct client {
    struct signer signer;
    struct keyholder_launcher *launcher;
    struct log *log;
    unsigned timeout_ms;
    uint32_t list; /* the launcher's number of our keys; only who starts a holder touches it */
    struct key_known *keys; /* fixed once opened */
    size_t n_keys;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    struct line *line; /* NULL: none */
    pid_t last_pid;    /* of a line given up, to be ended */
    bool starting;
    uint64_t retry_at_ms;
    unsigned backoff_ms;
    uint64_t number;
    struct keyholder_figures figures;
};

static struct timespec
at_ms(uint64_t mono_ms)
{
    return (struct timespec){ .tv_sec = (time_t)(mono_ms / 1000), .tv_nsec = (long)(mono_ms % 1000) * 1000000 };
}

static void
cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

/* ST_OK: there is something to do on fd. */
static enum status
await_fd(int fd, short events, uint64_t until)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        struct pollfd p = { .fd = fd, .events = events };
        int r = poll(&p, 1, now >= until ? 0 : (int)(until - now));
        if (r > 0)
            return ST_OK;
        if (r == 0)
            return ST_TIMEOUT;
        if (errno != EINTR)
            return ST_INTERNAL;
    }
}

/* ------------------------------------------------------------------ a line; all with the lock held */

static void
line_release(struct line *l)
{
    if (--l->users > 0)
        return;
    close(l->fd);
    free(l);
}

/* Nobody waits on it any longer. */
static void
line_bury(struct line *l)
{
    l->dead = true;
    shutdown(l->fd, SHUT_RDWR);
    for (struct waiter *w = l->waiters; w != NULL; w = w->next)
        pthread_cond_signal(&w->wake);
}

static void
line_deliver(struct line *l, const struct sign_reply *r)
{
    for (struct waiter *w = l->waiters; w != NULL; w = w->next)
        if (w->number == r->number) {
            w->reply = *r;
            w->done = true;
            pthread_cond_signal(&w->wake);
            return;
        } /* nobody: its caller has given up */
}

static void
line_forget(struct line *l, struct waiter *w)
{
    for (struct waiter **at = &l->waiters; *at != NULL; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    if (!l->has_reader && l->waiters != NULL)
        pthread_cond_signal(&l->waiters->wake); /* one of the others reads on */
}

/* Read one reply for whomever it is.  The lock is left while waiting. */
static enum status
line_read(struct client *c, struct line *l, uint64_t until)
{
    struct sign_reply r = { 0 };
    l->has_reader = true;
    pthread_mutex_unlock(&c->lock);
    enum status st = await_fd(l->fd, POLLIN, until);
    ssize_t n = st == ST_OK ? recv(l->fd, &r, sizeof(r), MSG_DONTWAIT) : -1;
    bool again = n < 0 && (errno == EAGAIN || errno == EINTR);
    pthread_mutex_lock(&c->lock);
    l->has_reader = false;
    if (st != ST_OK)
        return st;
    if (again)
        return ST_OK;
    const size_t head = offsetof(struct sign_reply, bytes);
    if (n < (ssize_t)head || r.n > SIGNATURE_MAX || (size_t)n != head + r.n)
        return ST_INTERNAL;
    l->heard_ms = clock_mono_ms();
    line_deliver(l, &r);
    return ST_OK;
}

static enum status
line_await(struct client *c, struct line *l, struct waiter *w, uint64_t until)
{
    while (!w->done) {
        if (l->dead)
            return ST_INTERNAL;
        enum status st = ST_OK;
        if (!l->has_reader) {
            st = line_read(c, l, until);
        } else {
            struct timespec ts = at_ms(until);
            if (pthread_cond_timedwait(&w->wake, &c->lock, &ts) == ETIMEDOUT)
                st = ST_TIMEOUT;
        }
        if (st != ST_OK && !w->done)
            return l->dead ? ST_INTERNAL : st;
    }
    return ST_OK;
}

static enum status
send_request(int fd, uint64_t number, slice id, enum sign_algorithm a, const unsigned char *digest, uint64_t until)
{
    union {
        struct sign_request rq;
        char bytes[sizeof(struct sign_request) + KEY_ID_MAX];
    } out;
    const size_t head = offsetof(struct sign_request, id);
    memset(&out.rq, 0, sizeof(out.rq));
    out.rq.number = number;
    out.rq.algorithm = (uint32_t)a;
    memcpy(out.rq.digest, digest, DIGEST_SIZE);
    memcpy(out.bytes + head, id.p, id.n);
    for (;;) {
        if (send(fd, &out, head + id.n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return ST_OK;
        if (errno == EAGAIN) {
            enum status st = await_fd(fd, POLLOUT, until);
            if (st != ST_OK)
                return st;
        } else if (errno != EINTR) {
            return ST_INTERNAL;
        }
    }
}

/* One request on this line, the answer in *w. */
static enum status
line_ask(struct client *c, struct line *l, struct waiter *w, slice id, enum sign_algorithm a,
         const unsigned char *digest, uint64_t until)
{
    w->number = ++c->number;
    w->done = false;
    w->next = l->waiters;
    l->waiters = w;
    pthread_mutex_unlock(&c->lock);
    enum status st = send_request(l->fd, w->number, id, a, digest, until);
    pthread_mutex_lock(&c->lock);
    if (st == ST_OK)
        st = line_await(c, l, w, until);
    line_forget(l, w);
    return st;
}

/* ------------------------------------------------------------------ starting a holder */

static enum status
remember_key(struct client *c, slice id, uint32_t algorithm)
{
    struct key_known *p = reallocarray(c->keys, c->n_keys + 1, sizeof(*p));
    if (p == NULL)
        return ST_NOMEM;
    c->keys = p;
    p[c->n_keys].id = strndup(id.p, id.n);
    p[c->n_keys].algorithm = (enum sign_algorithm)algorithm;
    return p[c->n_keys].id == NULL ? ST_NOMEM : (c->n_keys++, ST_OK);
}

/* What the holder says before it is ready.  The keys are taken down only the first time: what callers were told then
 * stays true, and a holder that has another key meanwhile refuses the old algorithm by itself. */
static enum status
hear_hello(struct client *c, int fd, bool first, uint64_t until, struct strbuf *errors)
{
    const size_t head = offsetof(struct holder_hello, text);
    for (;;) {
        union {
            struct holder_hello hello;
            char bytes[sizeof(struct holder_hello) + KEY_ID_MAX];
        } in;
        enum status st = await_fd(fd, POLLIN, until);
        if (st != ST_OK)
            return st;
        ssize_t n = recv(fd, &in, sizeof(in), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < (ssize_t)head)
            return ST_INTERNAL;
        slice text = { in.bytes + head, (size_t)n - head };
        if (in.hello.word == HOLDER_READY)
            return ST_OK;
        if (in.hello.word == HOLDER_ERRORS)
            strbuf_add(errors, text);
        else if (first && (st = remember_key(c, text, in.hello.algorithm)) != ST_OK)
            return st;
    }
}

/* A holder, up and ready.  Without the lock.  NULL: why not stands in `errors`. */
static struct line *
line_start(struct client *c, pid_t replaces, bool first, struct strbuf *errors)
{
    const uint64_t until = clock_mono_ms() + (first ? FIRST_START_MS : c->timeout_ms);
    pid_t pid = 0;
    int fd = keyholder_launcher_start(c->launcher, &c->list, replaces, until, &pid);
    if (fd < 0) {
        strbuf_printf(errors, "the key holder could not be started: %s\n", strerror(errno));
        return NULL;
    }
    enum status st = hear_hello(c, fd, first, until, errors);
    struct line *l = st == ST_OK ? calloc(1, sizeof(*l)) : NULL;
    if (l == NULL) {
        strbuf_printf(errors, "the key holder did not come up: %s\n", st == ST_OK ? "out of memory" : status_name(st));
        close(fd);
        return NULL;
    }
    *l = (struct line){ .fd = fd, .pid = pid, .users = 1, .heard_ms = clock_mono_ms() };
    return l;
}

static void
log_start(struct client *c, const struct line *l, slice errors)
{
    struct log_line *line = log_begin(c->log, l == NULL ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, SLICE_EMPTY);
    log_field(line, "event", SLICE("keyholder"));
    log_field(line, "state", l == NULL ? SLICE("not restarted") : SLICE("restarted"));
    if (l != NULL)
        log_field_u64(line, "pid", (uint64_t)l->pid);
    if (errors.n > 0)
        log_field(line, "why", slice_trim(errors));
    log_end(line);
}

/* With the lock held.  One thread starts, the others wait for what comes of it. */
static void
restart(struct client *c)
{
    struct strbuf errors;
    strbuf_init(&errors, 0);
    pid_t replaces = c->last_pid;
    c->starting = true;
    pthread_mutex_unlock(&c->lock);
    struct line *l = line_start(c, replaces, false, &errors);
    log_start(c, l, strbuf_slice(&errors));
    strbuf_clear(&errors);
    pthread_mutex_lock(&c->lock);
    c->starting = false;
    c->line = l;
    c->last_pid = 0;
    c->backoff_ms = l != NULL ? 0 : c->backoff_ms == 0 ? BACKOFF_FIRST_MS : c->backoff_ms * 2;
    if (c->backoff_ms > BACKOFF_MAX_MS)
        c->backoff_ms = BACKOFF_MAX_MS;
    c->retry_at_ms = clock_mono_ms() + c->backoff_ms;
    c->figures.restarts += l != NULL;
    c->figures.pid = l == NULL ? 0 : l->pid;
    pthread_cond_broadcast(&c->changed);
}

/* With the lock held: the line to ask on, one use of it taken; NULL: there is none for now. */
static struct line *
line_acquire(struct client *c, uint64_t until)
{
    while (c->line == NULL) {
        bool early = !c->starting && clock_mono_ms() < c->retry_at_ms;
        if (early && (c->backoff_ms > BACKOFF_WAIT_MS || c->retry_at_ms >= until))
            return NULL;
        struct timespec ts = at_ms(early ? c->retry_at_ms : until);
        if (early)
            pthread_cond_timedwait(&c->changed, &c->lock, &ts);
        else if (!c->starting)
            restart(c);
        else if (pthread_cond_timedwait(&c->changed, &c->lock, &ts) == ETIMEDOUT)
            return NULL;
    }
    c->line->users++;
    return c->line;
}

/* With the lock held: this holder is not to be asked again.  Said once.  One that answers others is only busy. */
static void
give_up(struct client *c, struct line *l, enum status st)
{
    if (c->line != l || (st == ST_TIMEOUT && clock_mono_ms() - l->heard_ms < c->timeout_ms))
        return;
    c->line = NULL;
    c->last_pid = l->pid;
    c->figures.pid = 0;
    line_bury(l);
    line_release(l);
    struct log_line *line = log_begin(c->log, LOG_LEVEL_ERROR, SLICE_EMPTY);
    log_field(line, "event", SLICE("keyholder"));
    log_field(line, "state", st == ST_TIMEOUT ? SLICE("silent") : SLICE("died"));
    log_field_u64(line, "pid", (uint64_t)l->pid);
    log_end(line);
}

/* ------------------------------------------------------------------ the signer */

static bool
client_find(struct signer *s, slice key, enum sign_algorithm *algorithm)
{
    const struct client *c = (const struct client *)s;
    for (size_t i = 0; i < c->n_keys; i++)
        if (slice_eq(slice_from(c->keys[i].id), key)) {
            *algorithm = c->keys[i].algorithm;
            return true;
        }
    return false;
}

static enum status
client_sign(struct signer *s, slice key, enum sign_algorithm algorithm, const unsigned char digest[DIGEST_SIZE],
            struct signature *out)
{
    struct client *c = (struct client *)s;
    const uint64_t until = clock_mono_ms() + c->timeout_ms;
    if (key.n == 0 || key.n > KEY_ID_MAX)
        return ST_SYNTAX;
    struct waiter w;
    cond_init(&w.wake);
    enum status st = ST_INTERNAL;
    pthread_mutex_lock(&c->lock);
    for (int tries = 0; tries < TRIES; tries++) {
        struct line *l = line_acquire(c, until);
        if (l == NULL)
            break;
        st = line_ask(c, l, &w, key, algorithm, digest, until);
        if (st != ST_OK)
            give_up(c, l, st);
        line_release(l);
        if (st == ST_OK || st == ST_TIMEOUT)
            break;
    }
    if (st == ST_OK)
        st = w.reply.status == ST_OK && w.reply.n > 0 ? ST_OK
             : w.reply.status == ST_SYNTAX            ? ST_SYNTAX
                                                      : ST_INTERNAL;
    c->figures.signatures += st == ST_OK;
    c->figures.failures += st != ST_OK;
    pthread_mutex_unlock(&c->lock);
    pthread_cond_destroy(&w.wake);
    out->n = st == ST_OK ? w.reply.n : 0;
    if (st == ST_OK)
        memcpy(out->bytes, w.reply.bytes, w.reply.n);
    return st;
}

static void
client_free(struct signer *s)
{
    struct client *c = (struct client *)s;
    if (c->line != NULL)
        line_release(c->line);
    keyholder_launcher_forget(c->launcher, c->list);
    for (size_t i = 0; i < c->n_keys; i++)
        free(c->keys[i].id);
    free(c->keys);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct signer *
keyholder_open(struct keyholder_launcher *l, struct log *log, unsigned timeout_ms, struct strbuf *errors)
{
    static const struct signer_ops ops = { client_find, client_sign, client_free };
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        strbuf_add_str(errors, "out of memory\n");
        return NULL;
    }
    *c = (struct client){ .signer = { &ops }, .launcher = l, .log = log, .timeout_ms = timeout_ms };
    pthread_mutex_init(&c->lock, NULL);
    cond_init(&c->changed);
    c->line = line_start(c, 0, true, errors);
    if (c->line == NULL) {
        client_free(&c->signer);
        return NULL;
    }
    c->figures.pid = c->line->pid;
    return &c->signer;
}

struct keyholder_figures
keyholder_figures(struct signer *s)
{
    struct client *c = (struct client *)s;
    pthread_mutex_lock(&c->lock);
    struct keyholder_figures f = c->figures;
    pthread_mutex_unlock(&c->lock);
    return f;
}
