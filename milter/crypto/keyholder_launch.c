/*
 * keyholder_launch.c - the launcher: a process of one thread that starts key holders, ends the ones it is told to, and
 * leaves when the daemon does.
 */
#include "autoconf.h"

#include "base/clock.h"
#include "crypto/keyholder_launch.h"
#include "crypto/keyholder_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDERS_MAX 64 /* snapshots alive at once: each reload under load may add one for as long as its messages last */
#define LISTS_MAX HOLDERS_MAX

struct keyholder_launcher {
    int fd;
    pid_t pid;
    pthread_mutex_t lock; /* one question at a time */
    uint32_t asked;
};

/* ------------------------------------------------------------------ in the launcher's process */

/* The keys of one snapshot.  A holder that has to be replaced gets the same, whatever the files say meanwhile: the old
 * configuration stays in force, with its keys, when the new one is broken. */
struct key_list {
    uint32_t number; /* 0: free */
    struct signer_keys keys;
};

struct launcher {
    int fd;
    struct keyholder_setup setup;
    pid_t holders[HOLDERS_MAX]; /* 0: free.  A dead one keeps its number until we have waited for it. */
    struct key_list lists[LISTS_MAX];
    uint32_t made; /* lists so far */
};

static void
on_child(int sig)
{
    (void)sig; /* only to wake poll */
}

static void
reap(struct launcher *l)
{
    for (size_t i = 0; i < HOLDERS_MAX; i++)
        if (l->holders[i] != 0 && waitpid(l->holders[i], NULL, WNOHANG) != 0)
            l->holders[i] = 0;
}

/* Only what is our child: the daemon must not be able to have anything else killed. */
static void
end_holder(struct launcher *l, pid_t pid)
{
    for (size_t i = 0; i < HOLDERS_MAX; i++)
        if (pid > 0 && l->holders[i] == pid) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            l->holders[i] = 0;
        }
}

static void
close_all_but(int keep)
{
    int fd = keep == 3 ? 3 : dup2(keep, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; null >= 0 && i < 3; i++)
        if (i != STDERR_FILENO)
            dup2(null, i);
    if (fd == 3)
        close_range(4, ~0U, 0);
}

static struct key_list *
find_list(struct launcher *l, uint32_t number)
{
    for (size_t i = 0; i < LISTS_MAX; i++)
        if (l->lists[i].number == number)
            return &l->lists[i];
    return NULL;
}

/* As the configuration has it now. */
static struct key_list *
make_list(struct launcher *l, struct strbuf *errors)
{
    struct key_list *list = find_list(l, 0);
    if (list == NULL)
        return NULL;
    list->number = ++l->made;
    l->setup.list(l->setup.arg, &list->keys, errors);
    return list;
}

static void
forget_list(struct launcher *l, uint32_t number)
{
    struct key_list *list = number == 0 ? NULL : find_list(l, number);
    if (list == NULL)
        return;
    signer_keys_clear(&list->keys);
    list->number = 0;
}

/* Start one; *peer is the client's end of its socket. */
static pid_t
start_holder(struct launcher *l, const struct key_list *list, struct strbuf *errors, int *peer)
{
    size_t slot = 0;
    while (slot < HOLDERS_MAX && l->holders[slot] != 0)
        slot++;
    int pair[2];
    if (slot == HOLDERS_MAX || list == NULL) {
        errno = EAGAIN;
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close_all_but(pair[1]);
        keyholder_serve(3, &l->setup, &list->keys, errors);
    }
    int err = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        errno = err;
        return -1;
    }
    l->holders[slot] = pid;
    *peer = pair[0];
    return pid;
}

static bool
answer(int fd, const struct launch_reply *reply, int peer)
{
    struct iovec io = { (void *)(uintptr_t)reply, sizeof(*reply) };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
    if (peer >= 0) {
        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &peer, sizeof(int));
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) >= 0;
}

/* False: the daemon is gone. */
static bool
launch_one(struct launcher *l)
{
    struct launch_request rq;
    ssize_t n = recv(l->fd, &rq, sizeof(rq), MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n != (ssize_t)sizeof(rq))
        return false;
    if (rq.word == LAUNCH_FORGET) {
        forget_list(l, rq.list);
        return true;
    }
    struct strbuf errors;
    int peer = -1;
    strbuf_init(&errors, 0);
    end_holder(l, (pid_t)rq.replaces);
    const struct key_list *list = rq.word == LAUNCH_NEW ? make_list(l, &errors) : rq.list == 0 ? NULL : find_list(l, rq.list);
    pid_t pid = start_holder(l, list, &errors, &peer);
    struct launch_reply reply = { rq.number, list == NULL ? 0 : list->number, pid < 0 ? 0 : (int32_t)pid, pid < 0 ? errno : 0 };
    strbuf_clear(&errors);
    bool there = answer(l->fd, &reply, peer);
    if (peer >= 0)
        close(peer);
    return there;
}

/* Stop signals are for the daemon, which finishes its messages first; we end when its socket does. */
static _Noreturn void
launcher_run(int fd, const struct keyholder_setup *setup)
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };
    struct launcher l = { .fd = fd, .setup = *setup };
    struct sigaction wake = { .sa_handler = on_child };
    for (size_t i = 0; i < COUNT(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigaction(SIGCHLD, &wake, NULL);
    prctl(PR_SET_NAME, "vidimus-launch", 0, 0, 0);
    if (!keyholder_close_up() || !keyholder_sandbox_launcher())
        _exit(1);
    do {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        poll(&p, 1, -1);
        reap(&l);
    } while (launch_one(&l));
    /* The daemon is gone, and nobody can ask them any more: nothing of ours outlives it, not even what is wedged. */
    for (size_t i = 0; i < HOLDERS_MAX; i++)
        end_holder(&l, l.holders[i]);
    _exit(0);
}

/* ------------------------------------------------------------------ in the daemon */

struct keyholder_launcher *
keyholder_launch(const struct keyholder_setup *setup)
{
    struct keyholder_launcher *l = calloc(1, sizeof(*l));
    int pair[2];
    if (l == NULL)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(l);
        return NULL;
    }
    l->pid = fork();
    if (l->pid == 0) {
        close_all_but(pair[1]);
        launcher_run(3, setup);
    }
    int err = errno;
    close(pair[1]);
    l->fd = pair[0];
    if (l->pid < 0) {
        close(l->fd);
        free(l);
        errno = err;
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void
keyholder_launcher_free(struct keyholder_launcher *l)
{
    if (l == NULL)
        return;
    close(l->fd);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

pid_t
keyholder_launcher_pid(const struct keyholder_launcher *l)
{
    return l->pid;
}

/* One packet, and the descriptor that came with it or -1.  False: errno says why there is none. */
static bool
receive_reply(int fd, struct launch_reply *reply, int *got)
{
    struct iovec io = { reply, sizeof(*reply) };
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n != (ssize_t)sizeof(*reply)) {
        errno = n < 0 ? errno : EPIPE;
        return false;
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *got = -1;
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(got, CMSG_DATA(c), sizeof(*got));
    return true;
}

static int
await_holder(struct keyholder_launcher *l, uint64_t until, uint32_t *list, pid_t *pid)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        struct pollfd p = { .fd = l->fd, .events = POLLIN };
        int ready = now >= until ? 0 : poll(&p, 1, (int)(until - now));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            errno = ready == 0 ? ETIMEDOUT : errno;
            return -1;
        }
        struct launch_reply reply;
        int got;
        if (!receive_reply(l->fd, &reply, &got)) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            return -1;
        }
        if (reply.number == l->asked) {
            *pid = (pid_t)reply.pid;
            *list = reply.list;
            errno = reply.error != 0 ? reply.error : EPROTO;
            return got;
        }
        if (got >= 0)
            close(got); /* the answer to a question given up */
    }
}

int
keyholder_launcher_start(struct keyholder_launcher *l, uint32_t *list, pid_t replaces, uint64_t until, pid_t *pid)
{
    pthread_mutex_lock(&l->lock);
    const struct launch_request rq = { ++l->asked, *list == 0 ? LAUNCH_NEW : LAUNCH_AGAIN, *list, (int32_t)replaces };
    int fd = send(l->fd, &rq, sizeof(rq), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : await_holder(l, until, list, pid);
    int err = errno;
    pthread_mutex_unlock(&l->lock);
    errno = err;
    return fd;
}

void
keyholder_launcher_forget(struct keyholder_launcher *l, uint32_t list)
{
    const struct launch_request rq = { .word = LAUNCH_FORGET, .list = list };
    if (list != 0)
        (void)send(l->fd, &rq, sizeof(rq), MSG_NOSIGNAL | MSG_DONTWAIT);
}
