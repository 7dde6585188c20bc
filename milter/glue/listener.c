/*
 * listener.c - libmilter opens the socket and accepts, but two of its habits cost more than they may:
 *
 *  - When accept() fails for want of descriptors it tries again at once, which burns a processor until one is free, and it
 *    has no limit on connections.  The accept() below is the one libmilter's calls are bound to (the program comes before
 *    the C library in symbol lookup): it lets connections wait in the backlog instead.  The socket has TCP_NODELAY:
 *    libmilter writes a reply in two pieces, and the second one would wait 40 ms for a delayed acknowledgement.
 *  - It logs by syslog(3), which waits on a full log socket.  Its messages go to our log, which does not.
 *  - Its thread that waits for signals says nothing to the one that waits for connections, which looks every 5 s, and takes
 *    SIGHUP for a stop.  sigwait() below closes the socket for new connections when a stop comes, and makes a reload of
 *    SIGHUP.
 *
 * Were the binding ever lost, everything would still work, without these properties.
 */
#include "autoconf.h"

#include "glue/listener.h"
#include "base/clock.h"
#include "glue/packets.h"
#include "glue/reload.h"
#include "glue/service.h"

#include <errno.h>
#include <libmilter/mfapi.h>
#include <signal.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PAUSE_MS 100      /* a full house is looked at again that often; libmilter asks in between whether to stop */
#define ALARM_MS 60000
#define BACKLOG 512
#define PACKET_TIMEOUT_S 20 /* an MTA sends what it has begun */

/* libmilter's calls bring no pointer of ours: what they need stands here, written before smfi_main() begins. */
static struct {
    unsigned maximum;
    struct counters *counters;
    _Atomic(struct service *) service;
    uint64_t said_at_ms; /* the accepting thread's own */
    int fd;              /* that is listened on */
    _Atomic uint64_t stopped_at_ms;
} gate = { .fd = -1 };

uint64_t
listener_stopped_at_ms(void)
{
    return atomic_load(&gate.stopped_at_ms);
}

void
listener_limit(unsigned maximum, struct counters *n)
{
    gate.maximum = maximum;
    gate.counters = n;
}

void
listener_log_to(struct service *s)
{
    atomic_store(&gate.service, s);
}

/* The current generation, whose log it is; NULL: none yet or no more. */
static struct generation *
current(void)
{
    struct service *s = atomic_load(&gate.service);
    return s == NULL ? NULL : service_acquire(s);
}

/* ---- accept ---- */

static void
say(const char *what, const char *why)
{
    uint64_t now = clock_mono_ms();
    if (gate.said_at_ms != 0 && now - gate.said_at_ms < ALARM_MS)
        return;
    gate.said_at_ms = now;
    struct generation *g = current();
    if (g == NULL)
        return;
    log_event(g->log, LOG_LEVEL_WARNING, SLICE_EMPTY, "event", "milter", "limit", what, "reason", why, "effect",
              "new connections wait", (char *)NULL);
    generation_release(g);
}

static int
pause_accepting(const char *what, const char *why)
{
    say(what, why);
    if (gate.counters != NULL)
        count(&gate.counters->connections_waited);
    (void)poll(NULL, 0, PAUSE_MS);
    errno = EAGAIN; /* libmilter looks whether it shall stop, and comes again */
    return -1;
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict n);

int
accept(int fd, struct sockaddr *restrict address, socklen_t *restrict n)
{
    if (listener_stopped_at_ms() != 0) { /* libmilter is about to see it */
        (void)poll(NULL, 0, 10);
        errno = EAGAIN;
        return -1;
    }
    if (gate.counters != NULL &&
        (packets_open() >= gate.maximum || atomic_load_explicit(&gate.counters->connections, memory_order_relaxed) >= gate.maximum))
        return pause_accepting("MaximumConnections", "all connections are in use");
    packets_wait_taken();
    int s = accept4(fd, address, n, SOCK_CLOEXEC);
    if (s < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return pause_accepting("descriptors", strerror(errno));
        return s;
    }
    packets_begin(s);
    return s;
}

/* ---- syslog ---- */

static void __attribute__((format(printf, 2, 0)))
libmilter_says(int priority, const char *fmt, va_list ap)
{
    char text[512];
    vsnprintf(text, sizeof(text), fmt, ap);
    struct generation *g = current();
    if (g == NULL) {
        fprintf(stderr, "vidimus-milter: %s\n", text);
        return;
    }
    if (listener_stopped_at_ms() != 0)
        priority = 7; /* LOG_DEBUG: what it says of the socket that sigwait() closed is no trouble */
    int p = priority & 7;
    log_event(g->log, p <= 3 ? LOG_LEVEL_ERROR : p == 4 ? LOG_LEVEL_WARNING : p <= 6 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, SLICE_EMPTY,
              "event", "libmilter", "text", text, (char *)NULL);
    generation_release(g);
}

void syslog(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void __syslog_chk(int priority, int flag, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void
syslog(int priority, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    libmilter_says(priority, fmt, ap);
    va_end(ap);
}

void
__syslog_chk(int priority, int flag, const char *fmt, ...)
{
    (void)flag;
    va_list ap;
    va_start(ap, fmt);
    libmilter_says(priority, fmt, ap);
    va_end(ap);
}

/* ---- signals ---- */

int
sigwait(const sigset_t *restrict set, int *restrict got)
{
    for (;;) {
        int n = sigwaitinfo(set, NULL);
        if (n == SIGHUP) {
            reload_request();
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        *got = n;
        break;
    }
    atomic_store(&gate.stopped_at_ms, clock_mono_ms());
    if (gate.fd >= 0)
        (void)shutdown(gate.fd, SHUT_RDWR); /* refuses whoever comes now, and wakes the one who listens */
    return 0;
}

/* libmilter does not say which descriptor it listens on. */
static int
find_listening(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        int yes = 0;
        socklen_t n = sizeof(yes);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes != 0)
            return fd;
    }
    return -1;
}

/* ---- opening ---- */

const char *
listener_path(const struct config *c)
{
    return strncmp(c->socket, "local:", 6) == 0 ? c->socket + 6 : NULL;
}

/* A socket nobody listens on any more may go; anything else stays. */
static bool
clear_the_way(const struct config *c, const char *path, struct strbuf *errors)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT)
            return true;
        config_problem(c, "Socket", errors, "%s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISSOCK(st.st_mode)) {
        config_problem(c, "Socket", errors, "%s exists and is no socket", path);
        return false;
    }
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        config_problem(c, "Socket", errors, "%s", strerror(errno));
        return false;
    }
    int refused = connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ? errno : 0;
    close(fd);
    if (refused != ECONNREFUSED) {
        config_problem(c, "Socket", errors, "a daemon is listening on %s already", path);
        return false;
    }
    if (unlink(path) != 0) {
        config_problem(c, "Socket", errors, "cannot remove the dead socket %s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

/* libmilter's timeout.  With a pool of threads it bounds the rest of a packet that has begun, and who sends that slowly
 * keeps a thread from others; silence between packets is packets_reap()'s.  Without a pool it bounds both. */
static unsigned
read_timeout(const struct config *c)
{
#ifdef HAVE_MILTER_POOL
    return c->idle_timeout_s < PACKET_TIMEOUT_S ? c->idle_timeout_s : PACKET_TIMEOUT_S;
#else
    return c->idle_timeout_s;
#endif
}

bool
listener_open(const struct config *c, uid_t uid, gid_t gid, struct strbuf *errors)
{
    const char *path = listener_path(c);
    if (path != NULL && !clear_the_way(c, path, errors))
        return false;
    (void)smfi_setbacklog(BACKLOG);
    (void)smfi_settimeout((int)read_timeout(c));
    if (smfi_setconn(c->socket) != MI_SUCCESS || smfi_opensocket(false) != MI_SUCCESS) {
        config_problem(c, "Socket", errors, "cannot listen on %s%s%s", c->socket, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
        return false;
    }
    gate.fd = find_listening();
    int one = 1;
    if (path == NULL && gate.fd >= 0) /* what is accepted inherits it */
        (void)setsockopt(gate.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (path != NULL && uid != (uid_t)-1 && lchown(path, uid, gid) != 0) {
        config_problem(c, "Socket", errors, "cannot give %s to user %u, group %u: %s", path, (unsigned)uid, (unsigned)gid, strerror(errno));
        return false;
    }
    return true;
}

void
listener_close(const struct config *c)
{
    const char *path = listener_path(c);
    if (path != NULL)
        (void)unlink(path);
}
