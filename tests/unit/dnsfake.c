#include "dnsfake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 16
#define DELAYED 4096
#define MESSAGE_MAX 65535

struct delayed {
    uint64_t due_us;
    struct sockaddr_in to;
    int tcp_fd; /* -1: UDP */
    size_t n;
    uint8_t data[1500];
};

struct dnsfake {
    pthread_t thread;
    int udp, tcp, clients[CLIENTS], stop[2];
    uint16_t port;
    char text[40];
    atomic_uint count, count_tcp, delay_ms, fail, edns;
    atomic_bool ad;
    unsigned mutations;
    struct delayed *ring; /* DELAYED places */
    size_t first, pending;
};

/* A question, and the reply as it grows. */
struct work {
    const uint8_t *query;
    size_t query_n, question_n; /* with type and class, from octet 12 on */
    bool tcp;
    unsigned edns;
    unsigned type;
    char label[64];
    uint8_t *out;
    size_t n;
    unsigned answers, authority;
};

static uint64_t
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void
die(const char *what)
{
    perror(what);
    exit(99);
}

static void
put16(struct work *w, unsigned v)
{
    w->out[w->n++] = (uint8_t)(v >> 8);
    w->out[w->n++] = (uint8_t)v;
}

static void
put(struct work *w, const void *p, size_t n)
{
    memcpy(w->out + w->n, p, n);
    w->n += n;
}

static void
put_rr_head(struct work *w, const void *owner, size_t owner_n, unsigned type, unsigned ttl, size_t rdata_n)
{
    put(w, owner, owner_n);
    put16(w, type);
    put16(w, 1);
    put16(w, ttl >> 16);
    put16(w, ttl);
    put16(w, (unsigned)rdata_n);
}

/* An answer owned by the question's name. */
static void
put_answer(struct work *w, unsigned type, unsigned ttl, const void *rdata, size_t n)
{
    put_rr_head(w, "\xc0\x0c", 2, type, ttl, n);
    put(w, rdata, n);
    w->answers++;
}

static void
put_soa(struct work *w, unsigned ttl)
{
    uint8_t rdata[22] = { 0, 0 };
    rdata[21] = (uint8_t)ttl;
    put_rr_head(w, "", 1, 6, 3600, sizeof(rdata));
    put(w, rdata, sizeof(rdata));
    w->authority++;
}

static void
put_data(struct work *w, const void *owner, size_t owner_n, unsigned ttl)
{
    static const uint8_t v6[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 1 };
    const void *rdata = "\xc0\x00\x02\x01";
    size_t n = 4;
    if (w->type == 28)
        rdata = v6, n = 16;
    else if (w->type == 15)
        rdata = "\0\x0a\2mx\7example", n = 14;
    else if (w->type == 12)
        rdata = "\3pTr\7example", n = 13;
    else if (w->type == 16)
        rdata = "\3one\3two", n = 8;
    put_rr_head(w, owner, owner_n, w->type, ttl, n);
    put(w, rdata, n);
    w->answers++;
}

static void
put_text(struct work *w, size_t n)
{
    put_rr_head(w, "\xc0\x0c", 2, 16, 300, n + (n + 254) / 255);
    for (size_t left = n; left > 0;) {
        size_t part = left > 255 ? 255 : left;
        w->out[w->n++] = (uint8_t)part;
        memset(w->out + w->n, 'x', part);
        w->n += part;
        left -= part;
    }
    w->answers++;
}

/* CNAME to `first` + the rest of the question's name behind its first label. */
static size_t
put_cname(struct work *w, const char *first)
{
    uint8_t rdata[66];
    size_t n = strlen(first);
    rdata[0] = (uint8_t)n;
    memcpy(rdata + 1, first, n);
    rdata[n + 1] = 0xc0;
    rdata[n + 2] = (uint8_t)(12 + 1 + w->query[12]); /* the second label of the question */
    put_rr_head(w, "\xc0\x0c", 2, 5, 100, n + 3);
    size_t at = w->n;
    put(w, rdata, n + 3);
    w->answers++;
    return at;
}

static void
finish(struct work *w, unsigned rcode, unsigned flags)
{
    w->out[0] = w->query[0];
    w->out[1] = w->query[1];
    w->out[2] = (uint8_t)(0x80 | (w->query[2] & 1) | flags >> 8);
    w->out[3] = (uint8_t)(0x80 | (flags & 0xff) | rcode);
    w->out[6] = (uint8_t)(w->answers >> 8);
    w->out[7] = (uint8_t)w->answers;
    w->out[8] = 0;
    w->out[9] = (uint8_t)w->authority;
    w->out[10] = 0;
    w->out[11] = w->edns != 0;
    if (w->edns != 0)
        put(w, "\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
}

static bool
is(const struct work *w, const char *label)
{
    size_t n = strlen(label);
    return strncasecmp(w->label, label, n) == 0 && (w->label[n] == '\0' || w->label[n] == '-' || (w->label[n] >= '0' && w->label[n] <= '9'));
}

/* False: no reply. */
static bool
answer(struct dnsfake *f, struct work *w)
{
    static const struct {
        const char *label;
        unsigned rcode;
    } plain[] = { { "servfail", 2 }, { "refused", 5 }, { "notimp", 4 }, { "formerr", 1 } };
    unsigned fail = atomic_load(&f->fail);
    if (fail != 0)
        return finish(w, fail, 0), true;
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (is(w, plain[i].label))
            return finish(w, plain[i].rcode, 0), true;
    if (is(w, "silent"))
        return false;
    if (is(w, "badedns") && w->edns != 0) {
        w->edns = 0;
        return finish(w, 1, 0), true;
    }
    if (is(w, "nx"))
        return put_soa(w, 60), finish(w, 3, 0), true;
    if (is(w, "nodata"))
        return put_soa(w, 60), finish(w, 0, 0), true;
    if (is(w, "nosoa"))
        return finish(w, 0, 0), true;
    if (is(w, "big")) {
        if (w->tcp)
            put_text(w, 20000);
        return finish(w, 0, w->tcp ? 0 : 0x200), true;
    }
    if (is(w, "wide"))
        return put_text(w, 900), finish(w, 0, 0), true;
    if (is(w, "cname")) {
        size_t at = put_cname(w, "ok");
        uint8_t owner[2] = { (uint8_t)(0xc0 | at >> 8), (uint8_t)at };
        put_data(w, owner, 2, 300);
        return finish(w, 0, 0), true;
    }
    if (is(w, "dangling"))
        return put_cname(w, "ok"), finish(w, 0, 0), true;
    if (is(w, "cnx"))
        return put_cname(w, "nx"), put_soa(w, 60), finish(w, 3, 0), true;
    if (is(w, "cnodata"))
        return put_cname(w, "nodata"), put_soa(w, 60), finish(w, 0, 0), true;
    if (is(w, "loop"))
        return put_answer(w, 5, 100, "\xc0\x0c", 2), finish(w, 0, 0), true;
    if (is(w, "endless")) {
        char next[40];
        snprintf(next, sizeof(next), "endless%u", atomic_load(&f->count));
        return put_cname(w, next), finish(w, 0, 0), true;
    }
    char *ttl = strstr(w->label, "-ttl");
    put_data(w, "\xc0\x0c", 2, ttl == NULL ? 300 : (unsigned)atoi(ttl + 4));
    return finish(w, 0, is(w, "ad") ? 0x20 : 0), true;
}

static bool
understand(struct work *w)
{
    size_t at = 12;
    if (w->query_n < 17 || w->query[5] != 1)
        return false;
    while (at < w->query_n && w->query[at] != 0)
        at += w->query[at] + 1u;
    if (at + 5 > w->query_n)
        return false;
    w->type = (unsigned)w->query[at + 1] << 8 | w->query[at + 2];
    w->question_n = at + 5 - 12;
    memcpy(w->label, w->query + 13, w->query[12] < 63 ? w->query[12] : 63);
    if (w->query[11] == 1 && at + 5 + 11 == w->query_n && w->query[at + 7] == 41)
        w->edns = (unsigned)w->query[at + 8] << 8 | w->query[at + 9];
    memcpy(w->out, w->query, 12 + w->question_n);
    w->n = 12 + w->question_n;
    return true;
}

static void
send_reply(struct dnsfake *f, const uint8_t *data, size_t n, const struct sockaddr_in *to, int tcp_fd)
{
    uint8_t head[2] = { (uint8_t)(n >> 8), (uint8_t)n };
    if (tcp_fd < 0) {
        sendto(f->udp, data, n, 0, (const struct sockaddr *)to, sizeof(*to));
        return;
    }
    if (send(tcp_fd, head, 2, MSG_NOSIGNAL | MSG_MORE) == 2)
        for (ssize_t k; n > 0 && (k = send(tcp_fd, data, n, MSG_NOSIGNAL)) > 0; n -= (size_t)k)
            data += k;
}

static void
send_spoofed(struct dnsfake *f, const struct work *w, const struct sockaddr_in *to)
{
    uint8_t bad[600];
    size_t n = w->n < sizeof(bad) ? w->n : sizeof(bad);
    memcpy(bad, w->out, n);
    bad[0] ^= 0x55;
    send_reply(f, bad, n, to, -1);
    bad[0] ^= 0x55;
    bad[14] ^= 1; /* another name */
    send_reply(f, bad, n, to, -1);
    memset(bad, 0xc0, sizeof(bad));
    memcpy(bad, w->out, 2);
    send_reply(f, bad, 40, to, -1);
    send_reply(f, bad, 3, to, -1);
    send_reply(f, bad, 0, to, -1);
}

static void
mutate(struct dnsfake *f, struct work *w)
{
    uint32_t r = f->mutations++ * 2654435761u + 1u;
    for (unsigned i = 0; i < 1 + f->mutations % 4; i++) {
        r = r * 1664525u + 1013904223u;
        size_t at = 2 + (r >> 8) % (w->n - 2); /* the id stays, so that c-ares reads on */
        w->out[at] = (uint8_t)(r >> 24);
    }
    if (f->mutations % 7 == 0)
        w->n = 12 + f->mutations % (unsigned)(w->n - 12);
}

static void
handle(struct dnsfake *f, const uint8_t *query, size_t n, const struct sockaddr_in *from, int tcp_fd)
{
    static _Thread_local uint8_t out[MESSAGE_MAX + 16];
    struct work w = { .query = query, .query_n = n, .tcp = tcp_fd >= 0, .out = out };
    if (!understand(&w))
        return;
    atomic_fetch_add(&f->count, 1);
    if (w.tcp)
        atomic_fetch_add(&f->count_tcp, 1);
    atomic_store(&f->ad, (query[3] & 0x20) != 0);
    atomic_store(&f->edns, w.edns);
    if (!answer(f, &w))
        return;
    if (is(&w, "spoofed") && !w.tcp)
        send_spoofed(f, &w, from);
    if (is(&w, "mutated"))
        mutate(f, &w);
    unsigned delay_ms = is(&w, "slow") ? 60 : atomic_load(&f->delay_ms);
    if (delay_ms == 0 || w.n > sizeof(f->ring[0].data) || f->pending == DELAYED) {
        send_reply(f, out, w.n, from, tcp_fd);
        return;
    }
    struct delayed *d = &f->ring[(f->first + f->pending++) % DELAYED];
    d->due_us = now_us() + delay_ms * 1000u;
    d->tcp_fd = tcp_fd;
    if (from != NULL)
        d->to = *from;
    d->n = w.n;
    memcpy(d->data, out, w.n);
}

static bool
read_all(int fd, uint8_t *p, size_t n)
{
    for (ssize_t got; n > 0; p += got, n -= (size_t)got)
        if ((got = recv(fd, p, n, 0)) <= 0)
            return false;
    return true;
}

static void
serve_client(struct dnsfake *f, int *fd)
{
    uint8_t head[2], query[MESSAGE_MAX];
    if (read_all(*fd, head, 2)) {
        size_t n = (size_t)head[0] << 8 | head[1];
        if (read_all(*fd, query, n)) {
            handle(f, query, n, NULL, *fd);
            return;
        }
    }
    close(*fd);
    *fd = -1;
}

static void
send_due(struct dnsfake *f)
{
    while (f->pending > 0 && f->ring[f->first].due_us <= now_us()) {
        struct delayed *d = &f->ring[f->first];
        send_reply(f, d->data, d->n, &d->to, d->tcp_fd);
        f->first = (f->first + 1) % DELAYED;
        f->pending--;
    }
}

static void
serve_udp(struct dnsfake *f)
{
    uint8_t query[2048];
    struct sockaddr_in from;
    socklen_t from_n = sizeof(from);
    ssize_t n;
    while ((n = recvfrom(f->udp, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from, &from_n)) >= 0)
        handle(f, query, (size_t)n, &from, -1);
}

static void *
serve(void *arg)
{
    struct dnsfake *f = arg;
    for (;;) {
        struct pollfd p[3 + CLIENTS] = { { .fd = f->stop[0], .events = POLLIN },
                                         { .fd = f->udp, .events = POLLIN },
                                         { .fd = f->tcp, .events = POLLIN } };
        for (size_t i = 0; i < CLIENTS; i++)
            p[3 + i] = (struct pollfd){ .fd = f->clients[i], .events = POLLIN };
        int wait_ms = -1;
        if (f->pending > 0) {
            uint64_t due = f->ring[f->first].due_us, now = now_us();
            wait_ms = due <= now ? 0 : (int)((due - now + 999) / 1000);
        }
        poll(p, 3 + CLIENTS, wait_ms);
        if (p[0].revents != 0)
            return NULL;
        if (p[1].revents != 0)
            serve_udp(f);
        for (size_t i = 0; i < CLIENTS; i++)
            if (f->clients[i] >= 0 && p[3 + i].revents != 0)
                serve_client(f, &f->clients[i]);
        if (p[2].revents != 0) {
            int fd = accept(f->tcp, NULL, NULL);
            for (size_t i = 0; i < CLIENTS && fd >= 0; i++)
                if (f->clients[i] < 0)
                    f->clients[i] = fd, fd = -1;
            if (fd >= 0)
                close(fd);
        }
        send_due(f);
    }
}

static bool
bind_both(struct dnsfake *f, uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int on = 1, size = 4 << 20;
    f->udp = socket(AF_INET, SOCK_DGRAM, 0);
    f->tcp = socket(AF_INET, SOCK_STREAM, 0);
    if (f->udp < 0 || f->tcp < 0)
        die("socket");
    setsockopt(f->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(f->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(f->udp, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(f->udp, (struct sockaddr *)&a, &n) == 0 &&
        bind(f->tcp, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(f->tcp, 16) == 0) {
        f->port = ntohs(a.sin_port);
        return true;
    }
    close(f->udp);
    close(f->tcp);
    return false;
}

struct dnsfake *
dnsfake_start(uint16_t port)
{
    struct dnsfake *f = calloc(1, sizeof(*f));
    if (f == NULL || (f->ring = calloc(DELAYED, sizeof(*f->ring))) == NULL || pipe(f->stop) != 0)
        die("dnsfake");
    for (size_t i = 0; i < CLIENTS; i++)
        f->clients[i] = -1;
    bool bound = false;
    for (int i = 0; i < 50 && !bound; i++)
        bound = bind_both(f, port);
    if (!bound)
        die("bind");
    snprintf(f->text, sizeof(f->text), "127.0.0.1@%u", f->port);
    if (pthread_create(&f->thread, NULL, serve, f) != 0)
        die("pthread_create");
    return f;
}

void
dnsfake_stop(struct dnsfake *f)
{
    if (write(f->stop[1], "x", 1) != 1)
        die("write");
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < CLIENTS; i++)
        if (f->clients[i] >= 0)
            close(f->clients[i]);
    close(f->udp);
    close(f->tcp);
    close(f->stop[0]);
    close(f->stop[1]);
    free(f->ring);
    free(f);
}

const char *
dnsfake_text(const struct dnsfake *f)
{
    return f->text;
}

uint16_t
dnsfake_port(const struct dnsfake *f)
{
    return f->port;
}

unsigned
dnsfake_count(const struct dnsfake *f)
{
    return atomic_load(&((struct dnsfake *)(uintptr_t)f)->count);
}

unsigned
dnsfake_count_tcp(const struct dnsfake *f)
{
    return atomic_load(&((struct dnsfake *)(uintptr_t)f)->count_tcp);
}

void
dnsfake_delay_all(struct dnsfake *f, unsigned ms)
{
    atomic_store(&f->delay_ms, ms);
}

void
dnsfake_fail_all(struct dnsfake *f, unsigned rcode)
{
    atomic_store(&f->fail, rcode);
}

bool
dnsfake_saw_ad(const struct dnsfake *f)
{
    return atomic_load(&((struct dnsfake *)(uintptr_t)f)->ad);
}

unsigned
dnsfake_saw_edns(const struct dnsfake *f)
{
    return atomic_load(&((struct dnsfake *)(uintptr_t)f)->edns);
}
