/*
 * packets.c - libmilter looks macros up two strings at a time (name, value) and does not see the end of a list with an odd
 * number of them: it reads on behind its memory.  A macro packet of that kind, which no sane MTA sends, ends the connection
 * here instead of the process; and so does a length of 0 or of more than 31 bits, behind which libmilter would see other
 * packets than we do.
 *
 * It also lets a connection that says nothing stay open for ever once a whole packet is read; such are ended here.
 *
 * Where a packet stops in its middle, libmilter's thread waits, and commands of other connections can stand behind it in a
 * queue: who stops there for seconds is ended.
 *
 * And it makes five system calls for each packet (poll, poll, read, poll, read), which of a message of 30 header fields were
 * half the cost.  So what an MTA streams is read ahead, as much as is there, and libmilter's calls are answered from it.
 *
 * Each change of a message it writes by itself, which wakes the MTA for a piece of an answer, before the thread that answers
 * has come to the rest.  Changes are held back until the answer that ends them: one write, one wake-up.
 *
 * As with accept() in listener.c, libmilter's poll(), read(), writev() and close() are bound to those below.  A connection's
 * state is touched by whoever serves it, one thread at a time.
 */
#undef _FORTIFY_SOURCE /* its inline read() would stand in the way of this one */
#include "autoconf.h"

#include "glue/packets.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define AHEAD 65536 /* octets read ahead at most: a body packet of most MTAs */
#define PATIENCE_MS 5000        /* for a packet, ... */
#define PATIENCE_SHORT_MS 2000  /* ... when others are waited for as well, ... */
#define SLOW_OCTETS_PER_MS 16   /* ... and the rate that gives it longer */
#define LOOK_MS 100
#define TAKEN_WAIT_MS 20
#define PIECES_MAX 4            /* of a packet; libmilter writes two */
#define HELD_MAX 65536          /* octets of changes held back */
#define WRITE_TIMEOUT_MS 20000  /* for an MTA that does not read */
#define HEADER 5 /* length of what follows in four octets, which includes the command in the fifth */

#if defined(__SANITIZE_THREAD__)
#define LEAVE_TO_SANITIZER /* it has its own read() and close(), and needs them */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LEAVE_TO_SANITIZER
#endif
#endif

struct stream { /* where in a packet the last read ended */
    unsigned char header[HEADER];
    unsigned n_header;
    uint32_t left;    /* octets of the packet still to come */
    uint32_t strings; /* of a macro packet */
    bool ended;       /* its last octet so far was a NUL */
};

struct watched {
    atomic_bool open;
    atomic_bool taken; /* a worker has asked for its octets */
    _Atomic uint32_t active_s; /* when something was read last, seconds of the monotonic clock */
    struct stream stream;
    unsigned char *ahead;  /* AHEAD octets, from the first that was read; NULL where there is no memory for it */
    size_t at, end;        /* of it, what libmilter has not asked for yet */
    uint64_t began_ms;     /* the packet that libmilter is within; 0: none */
    uint64_t got;          /* octets of it */
    unsigned char *held;   /* HELD_MAX octets while there are some */
    size_t n_held;
};

static struct {
    struct watched *of; /* each descriptor */
    size_t n; /* both written before the first connection */
    atomic_uint open, waiting; /* ... threads that wait for the rest of a packet */
    int newest;              /* the descriptor accepted last; the accepting thread's own */
    atomic_bool awaited;     /* somebody waits for it to be taken, with the two below */
    pthread_mutex_t taking;
    pthread_cond_t taken;
    pthread_mutex_t closing; /* a descriptor is not closed, and so not used anew, while packets_reap() shuts it down */
} watch = { .newest = -1, .taking = PTHREAD_MUTEX_INITIALIZER, .closing = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local char command; /* of the packet read last; a callback runs on the thread that has read its packet */

char
packets_command(void)
{
    return command;
}

unsigned
packets_open(void)
{
    return atomic_load_explicit(&watch.open, memory_order_relaxed);
}

bool
packets_watch_up_to(size_t descriptors)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return false;
    bool made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&watch.taken, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    watch.of = made ? calloc(descriptors, sizeof(*watch.of)) : NULL;
    watch.n = watch.of == NULL ? 0 : descriptors;
    return watch.of != NULL;
}

static uint32_t
now_s(void)
{
    return (uint32_t)(clock_mono_ms() / 1000);
}

#ifndef LEAVE_TO_SANITIZER
static struct watched *
watched_of(int fd)
{
    return fd >= 0 && (size_t)fd < watch.n ? &watch.of[fd] : NULL;
}
#endif

void
packets_begin(int fd)
{
#ifdef LEAVE_TO_SANITIZER
    (void)fd;
#else
    struct watched *w = watched_of(fd);
    if (w == NULL)
        return;
    w->stream = (struct stream){ .left = 0 };
    w->ahead = w->held = NULL;
    w->at = w->end = w->n_held = 0;
    w->began_ms = w->got = 0;
    atomic_store_explicit(&w->active_s, now_s(), memory_order_relaxed);
    atomic_store(&w->taken, false);
    watch.newest = fd;
    atomic_store(&w->open, true);
    atomic_fetch_add_explicit(&watch.open, 1, memory_order_relaxed);
#endif
}

void
packets_wait_taken(void)
{
#ifndef LEAVE_TO_SANITIZER
    struct watched *w = watched_of(watch.newest);
    watch.newest = -1;
    if (w == NULL || atomic_load(&w->taken))
        return;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TAKEN_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&watch.taking);
    atomic_store(&watch.awaited, true);
    while (!atomic_load(&w->taken) && atomic_load(&w->open) &&
           pthread_cond_timedwait(&watch.taken, &watch.taking, &until) == 0)
        ;
    atomic_store(&watch.awaited, false);
    pthread_mutex_unlock(&watch.taking);
#endif
}

unsigned
packets_reap(unsigned idle_s)
{
    unsigned reaped = 0;
    uint32_t now = now_s();
    for (size_t fd = 0; fd < watch.n; fd++) {
        struct watched *w = &watch.of[fd];
        if (!atomic_load_explicit(&w->open, memory_order_relaxed))
            continue;
        pthread_mutex_lock(&watch.closing);
        uint32_t active = atomic_load_explicit(&w->active_s, memory_order_relaxed);
        if (atomic_load(&w->open) && active <= now /* or it spoke since we looked at the clock */ && now - active > idle_s) {
            (void)shutdown((int)fd, SHUT_RDWR); /* libmilter sees the end and closes */
            reaped++;
        }
        pthread_mutex_unlock(&watch.closing);
    }
    return reaped;
}

#ifndef LEAVE_TO_SANITIZER

static void
end_packet(struct stream *s)
{
    command = (char)s->header[4];
    *s = (struct stream){ .left = 0 };
}

/* More octets of the packet's data.  False: it is a macro packet that is complete and wrong. */
static bool
take_data(struct stream *s, const unsigned char *p, size_t n)
{
    if (s->header[4] == 'D') { /* the first octet names the step, strings follow */
        bool first = s->strings == 0 && s->left == ((uint32_t)s->header[0] << 24 | (uint32_t)s->header[1] << 16 |
                                                    (uint32_t)s->header[2] << 8 | s->header[3]) - 1;
        for (size_t i = first ? 1 : 0; i < n; i++)
            s->strings += p[i] == '\0';
        if (n > (first ? 1 : 0))
            s->ended = p[n - 1] == '\0';
    }
    s->left -= (uint32_t)n;
    if (s->left > 0)
        return true;
    bool good = s->header[4] != 'D' || (s->strings % 2 == 0 && (s->ended || s->strings == 0));
    end_packet(s);
    return good;
}

/* False: not to be given to libmilter, which takes the length for a signed number, and a packet of 0 or less for one without data. */
static bool
take(struct stream *s, const unsigned char *p, size_t n)
{
    while (n > 0) {
        if (s->n_header < HEADER) {
            s->header[s->n_header++] = *p++;
            n--;
            if (s->n_header < HEADER)
                continue;
            uint32_t length = (uint32_t)s->header[0] << 24 | (uint32_t)s->header[1] << 16 | (uint32_t)s->header[2] << 8 | s->header[3];
            if (length == 0 || length > INT32_MAX)
                return false;
            s->left = length - 1;
            if (s->left == 0)
                end_packet(s);
            continue;
        }
        size_t part = n < s->left ? n : s->left;
        if (!take_data(s, p, part))
            return false;
        p += part;
        n -= part;
    }
    return true;
}

/* Is there something for libmilter to read?  Looks by reading, which says as much as poll() and spares the read. */
static bool
has_more(struct watched *w, int fd)
{
    if (w->at < w->end)
        return true;
    if (w->ahead == NULL && (w->ahead = malloc(AHEAD)) == NULL)
        return false;
    ssize_t got = recv(fd, w->ahead, AHEAD, MSG_DONTWAIT);
    if (got <= 0)
        return false; /* nothing yet, the end, or an error: poll() and read() will say which */
    w->at = 0;
    w->end = (size_t)got;
    atomic_store_explicit(&w->active_s, now_s(), memory_order_relaxed);
    return true;
}

static struct watched *
open_of(int fd)
{
    struct watched *w = watched_of(fd);
    return w != NULL && atomic_load_explicit(&w->open, memory_order_relaxed) ? w : NULL;
}

static int
poll_kernel(struct pollfd *fds, nfds_t n, int timeout_ms)
{
#ifdef SYS_poll
    return (int)syscall(SYS_poll, fds, n, timeout_ms);
#else
    struct timespec t = { .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L };
    return ppoll(fds, n, timeout_ms < 0 ? NULL : &t, NULL);
#endif
}

static void
note_taken(struct watched *w)
{
    atomic_store(&w->taken, true);
    if (!atomic_load(&watch.awaited))
        return;
    pthread_mutex_lock(&watch.taking);
    pthread_cond_signal(&watch.taken);
    pthread_mutex_unlock(&watch.taking);
}

/* Waits for more of a packet, at most timeout_ms, or as long as is fair to others. */
static int
wait_for_rest(const struct watched *w, struct pollfd *fd, int timeout_ms)
{
    uint64_t now = clock_mono_ms(), until = now + (uint64_t)timeout_ms, began = w->began_ms != 0 ? w->began_ms : now;
    int rc = poll_kernel(fd, 1, timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS);
    if (rc != 0)
        return rc;
    atomic_fetch_add(&watch.waiting, 1);
    while (rc == 0 && (now = clock_mono_ms()) < until) {
        uint64_t patience = atomic_load(&watch.waiting) > 1 ? PATIENCE_SHORT_MS : PATIENCE_MS;
        if (now - began > patience + w->got / SLOW_OCTETS_PER_MS)
            break; /* libmilter takes it for its timeout */
        rc = poll_kernel(fd, 1, LOOK_MS);
    }
    atomic_fetch_sub(&watch.waiting, 1);
    return rc;
}

/* One descriptor: a worker, about to read.  Several: the thread that waits for all connections whose worker found nothing
 * more, so that nothing was read ahead from them; were it ever otherwise, they are seen to be ready here. */
static int __attribute__((noinline)) /* <poll.h> tells gcc that poll() does not look at what stands in *fds */
poll_ahead(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct watched *w = n == 1 && (fds->events & (POLLIN | POLLOUT)) != 0 ? open_of(fds->fd) : NULL;
    if (w != NULL && (fds->events & POLLIN) == 0) { /* writev() waits itself, if need be */
        fds->revents = POLLOUT;
        return 1;
    }
    if (w != NULL)
        command = 0; /* what comes of this poll may be none: the end, or silence */
    if (w != NULL && !atomic_load_explicit(&w->taken, memory_order_relaxed))
        note_taken(w);
    if (w != NULL && has_more(w, fds->fd)) {
        fds->revents = POLLIN;
        return 1;
    }
    if (w != NULL && timeout_ms > 0)
        return wait_for_rest(w, fds, timeout_ms);
    bool some = false;
    for (nfds_t i = 0; n > 1 && i < n && !some; i++)
        some = (fds[i].events & POLLIN) != 0 && (w = open_of(fds[i].fd)) != NULL && w->at < w->end;
    int ready = poll_kernel(fds, n, some ? 0 : timeout_ms);
    for (nfds_t i = 0; some && ready >= 0 && i < n; i++) {
        w = (fds[i].events & POLLIN) != 0 && fds[i].revents == 0 ? open_of(fds[i].fd) : NULL;
        if (w == NULL || w->at == w->end)
            continue;
        fds[i].revents = POLLIN;
        ready++;
    }
    return ready;
}

int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return poll_ahead(fds, n, timeout_ms);
}

static void
note_read(struct watched *w, size_t n)
{
    bool within = w->stream.n_header > 0;
    if (!within)
        w->began_ms = 0;
    else if (w->began_ms == 0)
        w->began_ms = clock_mono_ms();
    w->got = within ? w->got + n : 0;
}

ssize_t
read(int fd, void *buf, size_t n)
{
    struct watched *w = open_of(fd);
    if (w == NULL)
        return syscall(SYS_read, fd, buf, n);
    ssize_t got;
    if (w->at < w->end) {
        got = (ssize_t)(n < w->end - w->at ? n : w->end - w->at);
        memcpy(buf, w->ahead + w->at, (size_t)got);
        w->at += (size_t)got;
    } else {
        got = syscall(SYS_read, fd, buf, n);
        if (got <= 0)
            return got;
        atomic_store_explicit(&w->active_s, now_s(), memory_order_relaxed);
    }
    bool good = take(&w->stream, buf, (size_t)got);
    note_read(w, (size_t)got);
    if (good)
        return got;
    errno = EPROTO;
    return -1;
}

/* ---- what goes to the MTA ---- */

/* SMFIR_ADDHEADER, _INSHEADER, _CHGHEADER, _ADDRCPT, _ADDRCPT_PAR, _DELRCPT, _CHGFROM, _REPLBODY, _QUARANTINE: an answer
 * always follows them. */
static bool
is_change(const struct iovec *piece, int n)
{
    return n > 0 && piece->iov_len == HEADER && memchr("him+2-ebq", ((const char *)piece->iov_base)[HEADER - 1], 9) != NULL;
}

static bool
hold(struct watched *w, const struct iovec *pieces, int n, size_t octets)
{
    if (octets > HELD_MAX - w->n_held || (w->held == NULL && (w->held = malloc(HELD_MAX)) == NULL))
        return false;
    for (int i = 0; i < n; i++) {
        memcpy(w->held + w->n_held, pieces[i].iov_base, pieces[i].iov_len);
        w->n_held += pieces[i].iov_len;
    }
    return true;
}

static bool
wait_to_write(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int ready;
    do
        ready = poll_kernel(&p, 1, WRITE_TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0;
}

/* All of it, or an error. */
static bool
write_all(int fd, struct iovec *piece, size_t n)
{
    while (n > 0) {
        struct msghdr m = { .msg_iov = piece, .msg_iovlen = n };
        ssize_t sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR && ((errno != EAGAIN && errno != EWOULDBLOCK) || !wait_to_write(fd)))
            return false;
        size_t left = sent < 0 ? 0 : (size_t)sent;
        for (; n > 0 && left >= piece->iov_len; n--)
            left -= piece++->iov_len;
        if (n > 0) {
            piece->iov_base = (char *)piece->iov_base + left;
            piece->iov_len -= left;
        }
    }
    return true;
}

ssize_t
writev(int fd, const struct iovec *pieces, int n)
{
    struct watched *w = open_of(fd);
    if (w == NULL || n < 0 || n >= PIECES_MAX)
        return syscall(SYS_writev, fd, pieces, n);
    size_t octets = 0;
    for (int i = 0; i < n; i++)
        octets += pieces[i].iov_len;
    if (is_change(pieces, n) && hold(w, pieces, n, octets))
        return (ssize_t)octets;
    struct iovec all[PIECES_MAX] = { { .iov_base = w->held, .iov_len = w->n_held } };
    memcpy(&all[1], pieces, (size_t)n * sizeof(*pieces));
    bool good = write_all(fd, all, (size_t)n + 1);
    free(w->held);
    w->held = NULL;
    w->n_held = 0;
    return good ? (ssize_t)octets : -1;
}

int
close(int fd)
{
    struct watched *w = open_of(fd);
    if (w == NULL)
        return (int)syscall(SYS_close, fd);
    pthread_mutex_lock(&watch.closing);
    if (atomic_exchange(&w->open, false))
        atomic_fetch_sub_explicit(&watch.open, 1, memory_order_relaxed);
    free(w->ahead);
    free(w->held);
    w->ahead = w->held = NULL;
    w->at = w->end = w->n_held = 0;
    int rc = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&watch.closing);
    return rc;
}

#endif
