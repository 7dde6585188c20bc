#include "dns/channel.h"
#include "dns/message.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Packets taken by one system call.  c-ares reads one after the other until there is no more, which
 * by itself would cost a call for each and one to see the end. */
#define BATCH      8
#define PACKET_MAX 4096

struct packet {
    struct sockaddr_storage from;
    uint8_t data[PACKET_MAX];
};

struct channel {
    ares_channel ares;
    int epoll_fd;
    uint32_t tag;
    int batch_fd; /* whose packets are in the batch, or -1 */
    unsigned batch_n, batch_at;
    bool batch_was_last; /* the socket held no more when the batch was taken */
    struct packet packets[BATCH];
    size_t sizes[BATCH];
    socklen_t from_sizes[BATCH];
};

struct sending {
    channel_done *done;
    void *arg;
};

/* c-ares counts its users in a variable of its own without a lock; a reload makes and frees
 * resolvers at the same time. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

enum status
channel_library_init(void)
{
    pthread_mutex_lock(&library_lock);
    int rc = ares_library_init(ARES_LIB_INIT_ALL);
    pthread_mutex_unlock(&library_lock);
    return rc == ARES_SUCCESS ? ST_OK : ST_INTERNAL;
}

void
channel_library_clear(void)
{
    pthread_mutex_lock(&library_lock);
    ares_library_cleanup();
    pthread_mutex_unlock(&library_lock);
}

/* ---- sockets, as c-ares is to use them ---- */

static ares_socket_t
open_socket(int domain, int type, int protocol, void *arg)
{
    (void)arg;
    int on = 1;
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd >= 0 && type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int
close_socket(ares_socket_t fd, void *arg)
{
    struct channel *c = arg;
    if (c->batch_fd == fd) {
        c->batch_fd = -1;
        c->batch_n = c->batch_at = 0;
    }
    return close(fd);
}

static int
connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t n, void *arg)
{
    (void)arg;
    return connect(fd, to, n);
}

static ssize_t
fill_batch(struct channel *c, int fd)
{
    struct mmsghdr headers[BATCH];
    struct iovec pieces[BATCH];
    memset(headers, 0, sizeof(headers));
    for (size_t i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){ c->packets[i].data, PACKET_MAX };
        headers[i].msg_hdr = (struct msghdr){ .msg_name = &c->packets[i].from,
                                              .msg_namelen = sizeof(c->packets[i].from),
                                              .msg_iov = &pieces[i],
                                              .msg_iovlen = 1 };
    }
    int n = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return n;
    for (size_t i = 0; i < (size_t)n; i++) {
        c->sizes[i] = headers[i].msg_len;
        c->from_sizes[i] = headers[i].msg_hdr.msg_namelen;
    }
    c->batch_fd = fd;
    c->batch_n = (unsigned)n;
    c->batch_at = 0;
    c->batch_was_last = n < BATCH;
    return n;
}

static ares_ssize_t
receive(ares_socket_t fd, void *buf, size_t n, int flags, struct sockaddr *from,
        ares_socklen_t *from_n, void *arg)
{
    struct channel *c = arg;
    if (from == NULL)
        return recv(fd, buf, n, flags);
    if (c->batch_fd == fd && c->batch_at == c->batch_n && c->batch_was_last) {
        c->batch_fd = -1;
        errno = EAGAIN;
        return -1;
    }
    if (c->batch_fd != fd || c->batch_at == c->batch_n) {
        ssize_t got = fill_batch(c, fd);
        if (got <= 0) {
            c->batch_fd = -1;
            return got;
        }
    }
    unsigned i = c->batch_at++;
    size_t size = c->sizes[i] < n ? c->sizes[i] : n;
    socklen_t from_size = c->from_sizes[i] < *from_n ? c->from_sizes[i] : *from_n;
    memcpy(buf, c->packets[i].data, size);
    memcpy(from, &c->packets[i].from, from_size);
    *from_n = from_size;
    return (ares_ssize_t)size;
}

static ares_ssize_t
send_pieces(ares_socket_t fd, const struct iovec *pieces, int n, void *arg)
{
    (void)arg;
    struct msghdr header = { .msg_iov = (struct iovec *)(uintptr_t)pieces,
                             .msg_iovlen = (size_t)n };
    return sendmsg(fd, &header, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = { open_socket, close_socket,
                                                               connect_socket, receive,
                                                               send_pieces };

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = arg;
    struct epoll_event ev = { .events = (readable != 0 ? (uint32_t)EPOLLIN : 0) |
                                        (writable != 0 ? (uint32_t)EPOLLOUT : 0),
                              .data.u64 = (uint64_t)c->tag << 32 | (uint32_t)fd };
    if (ev.events == 0)
        epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, &ev);
    else if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0 && errno == EEXIST)
        epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, fd, &ev);
}

/* ---- the channel ---- */

static int
set_server(ares_channel ares, const struct nameserver *ns)
{
    struct ares_addr_port_node node = { .udp_port = ns->port, .tcp_port = ns->port };
    node.family = ns->addr.family == 4 ? AF_INET : AF_INET6;
    if (ns->addr.family == 4)
        memcpy(&node.addr.addr4, ns->addr.bytes, 4);
    else
        memcpy(&node.addr.addr6, ns->addr.bytes, 16);
    return ares_set_servers_ports(ares, &node);
}

enum status
channel_new(const struct channel_options *options, struct channel **out)
{
    char lookups[] = "b";
    struct ares_options o = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                                       ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS |
                                       (options->keep_open ? ARES_FLAG_STAYOPEN : 0),
                              .timeout = (int)options->timeout_ms,
                              .tries = 1,
                              .ndots = 1,
                              .ednspsz = DNS_UDP_SIZE,
                              .lookups = lookups,
                              .sock_state_cb = on_socket_state };
    struct channel *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ST_NOMEM;
    c->epoll_fd = options->epoll_fd;
    c->tag = options->tag;
    c->batch_fd = -1;
    o.sock_state_cb_data = c;
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB |
               ARES_OPT_NOROTATE;
    int rc = ares_init_options(&c->ares, &o, mask);
    if (rc != ARES_SUCCESS) {
        free(c);
        return rc == ARES_ENOMEM ? ST_NOMEM : ST_INTERNAL;
    }
    ares_set_socket_functions(c->ares, &socket_functions, c);
    rc = set_server(c->ares, &options->server);
    if (rc != ARES_SUCCESS) {
        channel_free(c);
        return rc == ARES_ENOMEM ? ST_NOMEM : ST_INTERNAL;
    }
    *out = c;
    return ST_OK;
}

void
channel_free(struct channel *c)
{
    if (c == NULL)
        return;
    ares_destroy(c->ares);
    free(c);
}

static void
on_answer(void *arg, int status, int timeouts, unsigned char *msg, int n)
{
    (void)timeouts;
    struct sending s = *(struct sending *)arg;
    free(arg);
    if (status == ARES_SUCCESS && msg != NULL && n > 0)
        s.done(s.arg, CHANNEL_REPLY, msg, (size_t)n);
    else if (status == ARES_ETIMEOUT)
        s.done(s.arg, CHANNEL_TIMEOUT, NULL, 0);
    else if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED)
        s.done(s.arg, CHANNEL_CLOSED, NULL, 0);
    else
        s.done(s.arg, CHANNEL_UNREACHABLE, NULL, 0);
}

void
channel_send(struct channel *c, const uint8_t *query, size_t n, channel_done *done, void *arg)
{
    struct sending *s = malloc(sizeof(*s));
    if (s == NULL) {
        done(arg, CHANNEL_UNREACHABLE, NULL, 0);
        return;
    }
    *s = (struct sending){ done, arg };
    ares_send(c->ares, query, (int)n, on_answer, s);
}

void
channel_ready(struct channel *c, int fd, bool readable, bool writable)
{
    ares_process_fd(c->ares, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
}

void
channel_expire(struct channel *c)
{
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int
channel_wait_ms(struct channel *c)
{
    struct timeval tv;
    if (ares_timeout(c->ares, NULL, &tv) == NULL)
        return -1;
    return tv.tv_sec > 3600 ? 3600000 : (int)(tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000);
}
