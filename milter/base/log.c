/*
 * log.c - events to the system log or standard error.  What comes from outside is quoted and escaped here and nowhere else:
 * a line is one line of printable ASCII, whatever mail, DNS or the MTA sent (R25, R32 of the security notes: no value is a
 * format, no value ends a line).
 * The socket is our own, non-blocking: syslog(3) waits on a full or dead socket, and one lock would stop every message.
 */
#include "autoconf.h"

#include "base/log.h"
#include "base/clock.h"
#include "base/strbuf.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define VALUE_MAX 1500      /* octets of one value; what is cut is said */
#define LINE_MAX_BYTES 16384
#define RECONNECT_MS 1000   /* a dead socket is tried again that often */

struct log {
    enum log_target target;
    enum log_level level;
    bool json;
    int facility;
    char *ident;
    _Atomic uint64_t dropped;
    pthread_mutex_t lock; /* the socket, and what follows */
    struct sockaddr_un address;
    int fd;
    uint64_t retry_at_ms;
    uint64_t unsaid; /* dropped since the last line that could be written */
};

struct log_line {
    struct log *log;
    enum log_level level;
    struct strbuf text;
    size_t start; /* of the message, after the syslog header */
    bool first;
};

static const struct {
    const char *name;
    int value;
} facilities[] = {
    { "mail", LOG_MAIL },     { "daemon", LOG_DAEMON }, { "user", LOG_USER },     { "auth", LOG_AUTH },     { "authpriv", LOG_AUTHPRIV },
    { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
    { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

struct log *
log_new(enum log_target target, const char *ident, const char *facility, enum log_level level, bool json)
{
    int value = -1;
    for (size_t i = 0; i < COUNT(facilities); i++)
        if (facility != NULL && strcmp(facility, facilities[i].name) == 0)
            value = facilities[i].value;
    if (target == LOG_TO_SYSLOG && value < 0)
        return NULL;
    struct log *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->ident = strdup(ident);
    if (l->ident == NULL) {
        free(l);
        return NULL;
    }
    l->target = target;
    l->level = level;
    l->json = json;
    l->facility = value < 0 ? LOG_MAIL : value;
    l->fd = -1;
    l->address.sun_family = AF_UNIX;
    strncpy(l->address.sun_path, "/dev/log", sizeof(l->address.sun_path) - 1);
    pthread_mutex_init(&l->lock, NULL);
    tzset(); /* now: later the sandbox may keep the zone file out of reach */
    return l;
}

void
log_set_socket(struct log *l, const char *path)
{
    strncpy(l->address.sun_path, path, sizeof(l->address.sun_path) - 1);
}

void
log_free(struct log *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    pthread_mutex_destroy(&l->lock);
    free(l->ident);
    free(l);
}

bool
log_wants(const struct log *l, enum log_level level)
{
    return l != NULL && l->target != LOG_TO_NOTHING && level <= l->level;
}

uint64_t
log_dropped(const struct log *l)
{
    return l == NULL ? 0 : atomic_load_explicit(&l->dropped, memory_order_relaxed);
}

static const char *
level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "info";
}

static int
level_priority(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return LOG_ERR;
    case LOG_LEVEL_WARNING:
        return LOG_WARNING;
    case LOG_LEVEL_INFO:
        return LOG_INFO;
    case LOG_LEVEL_DEBUG:
        return LOG_DEBUG;
    }
    return LOG_INFO;
}

/* ---- values ---- */

static bool
is_plain(slice v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] <= 0x20 || (unsigned char)v.p[i] >= 0x7f || v.p[i] == '"' || v.p[i] == '\\' || v.p[i] == '=')
            return false;
    return v.n > 0;
}

static void
add_quoted(struct strbuf *b, slice v)
{
    strbuf_add_char(b, '"');
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c == '"' || c == '\\')
            strbuf_add_char(b, '\\');
        if (c < 0x20 || c >= 0x7f)
            strbuf_printf(b, "\\x%02x", c);
        else
            strbuf_add_char(b, v.p[i]);
    }
    strbuf_add_char(b, '"');
}

/* One code point of UTF-8 (RFC 3629) at the head of s; its length, or 0 where there is none. */
static size_t
utf8_at(slice s, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;
    if (n == 0 || n > s.n)
        return 0;
    uint32_t v = n == 1 ? c : c & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    *code = v;
    return v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? 0 : n;
}

/* RFC 8259 7, ASCII only; octets that are no UTF-8 become U+FFFD. */
static void
add_json(struct strbuf *b, slice v)
{
    strbuf_add_char(b, '"');
    while (v.n > 0) {
        uint32_t code = 0xfffd;
        size_t n = utf8_at(v, &code);
        if (n == 0) {
            code = 0xfffd;
            n = 1;
        }
        if (code == '"' || code == '\\')
            strbuf_printf(b, "\\%c", (int)code);
        else if (code >= 0x20 && code < 0x7f)
            strbuf_add_char(b, (char)code);
        else if (code < 0x10000)
            strbuf_printf(b, "\\u%04" PRIx32, code);
        else
            strbuf_printf(b, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
        v = slice_tail(v, n);
    }
    strbuf_add_char(b, '"');
}

static void
add_value(struct log_line *line, slice value)
{
    struct strbuf *b = &line->text, cut;
    strbuf_init(&cut, 0);
    if (value.n > VALUE_MAX) {
        strbuf_add(&cut, slice_head(value, VALUE_MAX));
        strbuf_printf(&cut, "...[%zu more]", value.n - VALUE_MAX);
        value = strbuf_slice(&cut);
    }
    if (line->log->json)
        add_json(b, value);
    else if (is_plain(value))
        strbuf_add(b, value);
    else
        add_quoted(b, value);
    strbuf_clear(&cut);
}

static void
add_name(struct log_line *line, const char *name)
{
    struct strbuf *b = &line->text;
    if (line->log->json)
        strbuf_printf(b, "%s\"%s\":", line->first ? "" : ",", name);
    else
        strbuf_printf(b, "%s%s=", line->first ? "" : " ", name);
    line->first = false;
}

/* ---- writing ---- */

static bool
is_open(struct log *l)
{
    if (l->fd >= 0)
        return true;
    uint64_t now = clock_mono_ms();
    if (now < l->retry_at_ms)
        return false;
    l->retry_at_ms = now + RECONNECT_MS;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&l->address, sizeof(l->address)) != 0) {
        close(fd);
        return false;
    }
    l->fd = fd;
    return true;
}

bool
log_connected(struct log *l)
{
    if (l->target != LOG_TO_SYSLOG)
        return true;
    pthread_mutex_lock(&l->lock);
    bool open = is_open(l);
    pthread_mutex_unlock(&l->lock);
    return open;
}

static bool
send_datagram(struct log *l, slice text)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!is_open(l))
            return false;
        if (send(l->fd, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE || errno == EINTR)
            return false; /* full, not dead */
        close(l->fd); /* the log daemon went away, perhaps to come back under the same name */
        l->fd = -1;
        if (attempt == 0)
            l->retry_at_ms = 0;
    }
    return false;
}

static bool
write_stderr(slice text)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
        return false; /* a pipe nobody reads */
    return write(STDERR_FILENO, text.p, text.n) == (ssize_t)text.n;
}

static void
add_header(struct strbuf *b, const struct log *l, enum log_level level)
{
    if (l->target != LOG_TO_SYSLOG)
        return;
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = (time_t)clock_wall_s();
    struct tm tm;
    localtime_r(&now, &tm);
    strbuf_printf(b, "<%d>%s %2d %02d:%02d:%02d %s[%d]: ", l->facility | level_priority(level), months[tm.tm_mon], tm.tm_mday,
                  tm.tm_hour, tm.tm_min, tm.tm_sec, l->ident, (int)getpid());
}

/* What was lost is said with the first line that gets through again. */
static void
say_dropped(struct log *l)
{
    struct strbuf b;
    strbuf_init(&b, 0);
    add_header(&b, l, LOG_LEVEL_WARNING);
    strbuf_printf(&b, l->json ? "{\"level\":\"warning\",\"event\":\"log\",\"dropped\":%" PRIu64 "}" : "event=log dropped=%" PRIu64,
                  l->unsaid);
    if (strbuf_status(&b) == ST_OK && send_datagram(l, strbuf_slice(&b)))
        l->unsaid = 0;
    strbuf_clear(&b);
}

static bool
emit(struct log *l, slice text)
{
    if (l->target == LOG_TO_STDERR)
        return write_stderr(text);
    pthread_mutex_lock(&l->lock);
    bool sent = send_datagram(l, text);
    if (!sent)
        l->unsaid++;
    else if (l->unsaid > 0)
        say_dropped(l);
    pthread_mutex_unlock(&l->lock);
    return sent;
}

struct log_line *
log_begin(struct log *l, enum log_level level, slice id)
{
    if (!log_wants(l, level))
        return NULL;
    struct log_line *line = malloc(sizeof(*line));
    if (line == NULL) {
        atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
        return NULL;
    }
    *line = (struct log_line){ .log = l, .level = level, .first = true };
    strbuf_init(&line->text, LINE_MAX_BYTES);
    add_header(&line->text, l, level);
    line->start = line->text.n;
    if (l->json) {
        strbuf_add_char(&line->text, '{');
        add_name(line, "time");
        int64_t ms = clock_wall_ms();
        strbuf_printf(&line->text, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
        log_field(line, "level", slice_from(level_name(level)));
        if (id.n > 0)
            log_field(line, "id", id);
    } else if (id.n > 0) {
        add_value(line, id);
        strbuf_add(&line->text, SLICE(": "));
    } else if (level <= LOG_LEVEL_WARNING) {
        strbuf_printf(&line->text, "%s: ", level_name(level));
    }
    return line;
}

void
log_field(struct log_line *line, const char *name, slice value)
{
    if (line == NULL)
        return;
    add_name(line, name);
    add_value(line, value);
}

void
log_field_u64(struct log_line *line, const char *name, uint64_t value)
{
    if (line == NULL)
        return;
    add_name(line, name);
    strbuf_add_u64(&line->text, value);
}

void
log_end(struct log_line *line)
{
    if (line == NULL)
        return;
    struct log *l = line->log;
    if (l->json)
        strbuf_add_char(&line->text, '}');
    if (l->target == LOG_TO_STDERR)
        strbuf_add_char(&line->text, '\n');
    if (strbuf_status(&line->text) != ST_OK || !emit(l, strbuf_slice(&line->text)))
        atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
    strbuf_clear(&line->text);
    free(line);
}

void
log_event(struct log *l, enum log_level level, slice id, ...)
{
    struct log_line *line = log_begin(l, level, id);
    if (line == NULL)
        return;
    va_list ap;
    va_start(ap, id);
    for (const char *name; (name = va_arg(ap, const char *)) != NULL;)
        log_field(line, name, slice_from(va_arg(ap, const char *)));
    va_end(ap);
    log_end(line);
}
