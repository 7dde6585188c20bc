/*
 * channel.h - one c-ares channel that asks one name server.  c-ares matches replies to questions (by server, id, name,
 * type), turns to TCP after truncation, gives up after the timeout and knows servers without EDNS; which server is asked
 * next, and what a reply says, is decided by the caller.  The only file that sees c-ares is channel.c.
 * One channel per server, because c-ares 1.18 always begins with the first of its servers, dead or not, and tells neither
 * SERVFAIL from a refused connection nor one server's failure from all servers'.
 * Threads: one at a time; the caller locks.
 */
#ifndef VIDIMUS_DNS_CHANNEL_H
#define VIDIMUS_DNS_CHANNEL_H

#include "dns/nameserver.h"

#include "base/status.h"

enum channel_outcome {
    CHANNEL_REPLY,       /* a message with the question's id, name and type; not yet looked into */
    CHANNEL_TIMEOUT,
    CHANNEL_UNREACHABLE, /* refused by ICMP, no route, no socket, connection lost */
    CHANNEL_CLOSED       /* the channel is being freed */
};

/* May run before channel_send() returns; otherwise inside channel_ready(), channel_expire() or channel_free().  It must not
 * call back into the channel. */
typedef void channel_done(void *arg, enum channel_outcome outcome, const uint8_t *msg, size_t n);

struct channel;
struct channel_options {
    struct nameserver server;
    unsigned timeout_ms;
    bool keep_open; /* sockets stay when nothing is asked: cheaper, but the source port stays as well */
    int epoll_fd;
    uint32_t tag;   /* upper half of the epoll data; the lower half is the descriptor */
};

/* Before the first channel and after the last of each user. */
enum status channel_library_init(void);
void channel_library_clear(void);

enum status channel_new(const struct channel_options *options, struct channel **out);
void channel_free(struct channel *c); /* NULL is fine */
void channel_send(struct channel *c, const uint8_t *query, size_t n, channel_done *done, void *arg);
void channel_ready(struct channel *c, int fd, bool readable, bool writable);
void channel_expire(struct channel *c); /* lets go of what has timed out */
/* Milliseconds until channel_expire() has something to do, or -1. */
int channel_wait_ms(struct channel *c);

#endif
