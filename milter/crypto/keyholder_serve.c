/*
 * keyholder_serve.c - the life of a key holder: read the keys, drop privileges, lock the door, sign.
 */
#include "autoconf.h"

#include "crypto/keyholder_wire.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX 16

struct holder {
    int fd;
    struct signer *keys;
    pthread_barrier_t begun;
};

/* ------------------------------------------------------------------ signing */

/* One request answered.  False: the client is gone. */
static bool
serve_one(const struct holder *h)
{
    union {
        struct sign_request rq;
        char bytes[sizeof(struct sign_request) + KEY_ID_MAX];
    } in;
    const size_t head = offsetof(struct sign_request, id);
    ssize_t n = recv(h->fd, &in, sizeof(in), 0);
    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    if ((size_t)n < head)
        return true;
    slice id = { in.bytes + head, (size_t)n - head };
    struct signature sig = { 0 };
    enum status st = in.rq.algorithm > SIGN_ED25519_SHA256
                         ? ST_SYNTAX
                         : signer_sign(h->keys, id, (enum sign_algorithm)in.rq.algorithm, in.rq.digest, &sig);
    struct sign_reply reply = { .number = in.rq.number, .status = (uint32_t)st, .n = (uint32_t)sig.n };
    memcpy(reply.bytes, sig.bytes, sig.n);
    for (;;) {
        if (send(h->fd, &reply, offsetof(struct sign_reply, bytes) + sig.n, MSG_NOSIGNAL) >= 0)
            return true;
        if (errno != EINTR)
            return false;
    }
}

static void *
serve(void *arg)
{
    struct holder *h = arg;
    pthread_barrier_wait(&h->begun);
    while (serve_one(h))
        ;
    _exit(0); /* one thread sees the end for all */
}

/* ------------------------------------------------------------------ the start */

static bool
say(int fd, enum holder_word word, uint32_t algorithm, slice text)
{
    char packet[offsetof(struct holder_hello, text) + KEY_ID_MAX];
    struct holder_hello head = { .word = (uint32_t)word, .algorithm = algorithm };
    text = slice_head(text, KEY_ID_MAX);
    memcpy(packet, &head, offsetof(struct holder_hello, text));
    if (text.n > 0)
        memcpy(packet + offsetof(struct holder_hello, text), text.p, text.n);
    return send(fd, packet, offsetof(struct holder_hello, text) + text.n, MSG_NOSIGNAL) >= 0;
}

static void
say_errors(int fd, slice text)
{
    for (; text.n > 0; text = slice_tail(text, KEY_ID_MAX))
        say(fd, HOLDER_ERRORS, 0, slice_head(text, KEY_ID_MAX));
}

/* For good: not even the saved ids are left. */
static bool
drop_privileges(const struct keyholder_setup *s)
{
    if (geteuid() != 0)
        return true;
    if (setgroups(0, NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 || setresuid(s->uid, s->uid, s->uid) != 0)
        return false;
    return s->uid == 0 || setuid(0) != 0;
}

static unsigned
thread_count(unsigned wanted)
{
    long n = wanted != 0 ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

/* The threads but the first.  Each has begun, with all that the C library does then, before the filter is laid over them. */
static bool
start_threads(struct holder *h, unsigned n)
{
    if (pthread_barrier_init(&h->begun, NULL, n) != 0)
        return false;
    for (unsigned i = 1; i < n; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, serve, h) != 0)
            return false;
        pthread_detach(t);
    }
    pthread_barrier_wait(&h->begun);
    return true;
}

_Noreturn void
keyholder_serve(int fd, const struct keyholder_setup *setup, const struct signer_keys *list, struct strbuf *errors)
{
    prctl(PR_SET_NAME, "vidimus-keys", 0, 0, 0);
    if (!keyholder_close_up())
        _exit(1);
    struct holder h = { .fd = fd, .keys = signer_local_new(list, false, errors) };
    if (h.keys == NULL)
        _exit(1);
    if (!drop_privileges(setup) || !keyholder_close_up()) {
        say_errors(fd, SLICE("the key holder could not drop its privileges\n"));
        _exit(1);
    }
    for (size_t i = 0; i < list->n; i++) {
        enum sign_algorithm a;
        if (signer_find(h.keys, slice_from(list->keys[i].id), &a))
            say(fd, HOLDER_KEY, (uint32_t)a, slice_from(list->keys[i].id));
    }
    say_errors(fd, strbuf_slice(errors));
    if (!start_threads(&h, thread_count(setup->threads)) || !keyholder_sandbox()) {
        say_errors(fd, SLICE("the key holder could not lock itself in\n"));
        _exit(1);
    }
    if (!say(fd, HOLDER_READY, 0, SLICE_EMPTY))
        _exit(1);
    while (serve_one(&h))
        ;
    _exit(0);
}
