/*
 * metrics.c - the only file that sees libmicrohttpd.
 */
#include "autoconf.h"

#include "glue/metrics.h"

#ifdef HAVE_MICROHTTPD

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 8
#define TIMEOUT_S 10

struct metrics {
    struct service *service;
    struct MHD_Daemon *daemon;
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool
parse(const struct config *c, union address *out, struct strbuf *errors)
{
    const char *listen = c->metrics_listen;
    char host[INET6_ADDRSTRLEN] = "127.0.0.1";
    slice text = slice_from(listen), port = text;
    size_t colon = slice_rfind(text, ':');
    uint64_t number;
    memset(out, 0, sizeof(*out));
    if (colon < text.n) {
        slice h = slice_head(text, colon);
        port = slice_tail(text, colon + 1);
        if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
            h = (slice){ h.p + 1, h.n - 2 };
        if (h.n == 0 || h.n >= sizeof(host))
            goto bad;
        memcpy(host, h.p, h.n);
        host[h.n] = '\0';
    }
    if (!slice_to_u64(port, &number) || number == 0 || number > 65535)
        goto bad;
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)number);
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)number);
        return true;
    }
bad:
    config_problem(c, "MetricsListen", errors, "\"%.100s\" is none of: ADDRESS:PORT, [IPV6]:PORT, PORT", listen);
    return false;
}

bool
metrics_check(const struct config *c, struct strbuf *errors)
{
    union address a;
    return parse(c, &a, errors);
}

static enum MHD_Result
respond(struct MHD_Connection *c, unsigned status, struct strbuf *body)
{
    slice text = strbuf_slice(body);
    struct MHD_Response *r =
        MHD_create_response_from_buffer(text.n, (void *)(uintptr_t)text.p, MHD_RESPMEM_MUST_COPY);
    if (r == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    enum MHD_Result done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *upload,
       size_t *upload_n, void **state)
{
    const struct metrics *m = arg;
    struct strbuf body;
    unsigned status = MHD_HTTP_OK;
    (void)version;
    (void)upload;
    (void)upload_n;
    (void)state;
    strbuf_init(&body, 0);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        status = MHD_HTTP_METHOD_NOT_ALLOWED;
        strbuf_add_str(&body, "GET only\n");
    } else if (strcmp(url, "/metrics") != 0) {
        status = MHD_HTTP_NOT_FOUND;
        strbuf_add_str(&body, "see /metrics\n");
    } else {
        metrics_text(m->service, &body);
    }
    enum MHD_Result done = strbuf_status(&body) == ST_OK ? respond(c, status, &body) : MHD_NO;
    strbuf_clear(&body);
    return done;
}

struct metrics *
metrics_start(struct service *s, const struct config *c, struct strbuf *errors)
{
    union address a;
    struct metrics *m = parse(c, &a, errors) ? calloc(1, sizeof(*m)) : NULL;
    if (m == NULL)
        return NULL;
    m->service = s;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | (a.any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    errno = 0;
    m->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, m, MHD_OPTION_SOCK_ADDR, &a.any, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
    if (m->daemon != NULL)
        return m;
    config_problem(c, "MetricsListen", errors, "cannot listen on %s: %s", c->metrics_listen, strerror(errno));
    free(m);
    return NULL;
}

void
metrics_stop(struct metrics *m)
{
    if (m == NULL)
        return;
    MHD_stop_daemon(m->daemon);
    free(m);
}

#else

bool
metrics_check(const struct config *c, struct strbuf *errors)
{
    config_problem(c, "MetricsListen", errors, "this program was built without libmicrohttpd");
    return false;
}

struct metrics *
metrics_start(struct service *s, const struct config *c, struct strbuf *errors)
{
    (void)s;
    (void)metrics_check(c, errors);
    return NULL;
}

void
metrics_stop(struct metrics *m)
{
    (void)m;
}

#endif
