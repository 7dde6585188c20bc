/*
 * value.c - the text of one setting into its field, by the type its row in the option table has.
 */
#include "autoconf.h"

#include "config/load.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit milliseconds[] = { { "ms", 1 },      { "s", 1000 }, { "", 1000 }, { "m", 60000 },
                                            { "h", 3600000 }, { NULL, 0 } };
static const struct unit seconds[] = { { "s", 1 }, { "", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 }, { NULL, 0 } };
static const struct unit days[] = { { "d", 1 }, { "", 1 }, { "w", 7 }, { NULL, 0 } };
static const struct unit octets[] = { { "", 1 },      { "K", 1u << 10 },  { "M", 1u << 20 }, { "G", 1u << 30 },
                                      { "KB", 1000 }, { "MB", 1000000u }, { NULL, 0 } };
static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *
units_of(enum option_type type)
{
    switch (type) {
    case OT_MSEC:
        return milliseconds;
    case OT_SEC:
        return seconds;
    case OT_DAYS:
        return days;
    case OT_SIZE:
        return octets;
    case OT_BOOL:
    case OT_UINT:
    case OT_OCTAL:
    case OT_ENUM:
    case OT_STRING:
    case OT_WORD:
    case OT_PATH:
    case OT_SOCKET:
    case OT_AUTHSERV:
    case OT_STRINGLIST:
    case OT_WORDLIST:
    case OT_NETLIST:
        break;
    }
    return plain;
}

bool
config_read_number(enum option_type type, slice text, uint64_t *out)
{
    if (type == OT_OCTAL) {
        uint64_t v = 0;
        for (size_t i = 0; i < text.n; i++) {
            if (text.p[i] < '0' || text.p[i] > '7' || i > 6)
                return false;
            v = v * 8 + (uint64_t)(text.p[i] - '0');
        }
        *out = v;
        return text.n > 0;
    }
    size_t digits = 0;
    while (digits < text.n && ascii_is_digit(text.p[digits]))
        digits++;
    slice suffix = slice_trim_wsp(slice_tail(text, digits));
    uint64_t v;
    if (!slice_to_u64(slice_head(text, digits), &v))
        return false;
    for (const struct unit *u = units_of(type); u->suffix != NULL; u++)
        if (slice_ieq(suffix, slice_from(u->suffix))) {
            if (v > UINT64_MAX / 2 / u->factor)
                return false;
            *out = v * u->factor;
            return true;
        }
    return false;
}

/* "100 to 60000 ms" and the like, in the words of the type. */
static const char *
range_text(const struct option_def *d, char buf[120])
{
    static const char *const unit[] = { [OT_MSEC] = " ms", [OT_SEC] = " s", [OT_DAYS] = " days", [OT_SIZE] = " octets" };
    static const char *const written[] = {
        [OT_MSEC] = ", written as 500ms, 5s or 2m", [OT_SEC] = ", written as 90s, 5m, 1h or 2d", [OT_DAYS] = ", written as 30d or 4w",
        [OT_SIZE] = ", written as 65536, 64K or 16M"
    };
    if (d->type == OT_OCTAL)
        snprintf(buf, 120, "an octal number up to 0%03" PRIo64, d->max);
    else if (d->type == OT_UINT)
        snprintf(buf, 120, "a number from %" PRIu64 " to %" PRIu64, d->min, d->max);
    else
        snprintf(buf, 120, "%" PRIu64 " to %" PRIu64 "%s%s", d->min, d->max, unit[d->type], written[d->type]);
    return buf;
}

static void *
field(struct config *c, const struct option_def *d)
{
    return (char *)c + d->offset;
}

static void
set_unsigned(struct config *c, const struct option_def *d, unsigned v)
{
    memcpy(field(c, d), &v, sizeof(v)); /* enums of config.h have that size, asserted in options.c */
}

static void
bad_word(struct loading *l, size_t option, slice got, const char *also)
{
    const struct option_def *d = &option_table[option];
    char allowed[300];
    size_t n = 0;
    for (const struct option_word *w = d->words; w->word != NULL && n < sizeof(allowed) - 1; w++) {
        int k = snprintf(allowed + n, sizeof(allowed) - n, "%s%s", n == 0 ? "" : ", ", w->word);
        n += k < 0 ? 0 : (size_t)k;
    }
    setting_problem(l, option, "%s: \"%.*s\" is none of: %s%s", d->name, SLICE_ARG(slice_head(got, 60)), allowed, also);
}

static const struct option_word *
find_word(const struct option_def *d, slice text)
{
    for (const struct option_word *w = d->words; w->word != NULL; w++)
        if (slice_ieq(text, slice_from(w->word)))
            return w;
    return NULL;
}

static void
set_bool(struct loading *l, struct config *c, size_t option, slice v)
{
    static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off", "0" };
    const struct option_def *d = &option_table[option];
    bool *out = field(c, d);
    if (d->words != NULL) {
        const struct option_word *w = find_word(d, v);
        if (w == NULL)
            bad_word(l, option, v, "");
        else
            *out = w->value != 0;
        return;
    }
    for (size_t i = 0; i < COUNT(yes); i++) {
        if (slice_ieq(v, slice_from(yes[i])) || slice_ieq(v, slice_from(no[i]))) {
            *out = slice_ieq(v, slice_from(yes[i]));
            return;
        }
    }
    setting_problem(l, option, "%s: \"%.*s\" is neither yes nor no", d->name, SLICE_ARG(slice_head(v, 60)));
}

static void
set_number(struct loading *l, struct config *c, size_t option, slice v)
{
    const struct option_def *d = &option_table[option];
    uint64_t n;
    char range[120];
    if (!config_read_number(d->type, v, &n) || n < d->min || n > d->max)
        setting_problem(l, option, "%s: \"%.*s\" is not allowed; it takes %s", d->name, SLICE_ARG(slice_head(v, 60)),
                        range_text(d, range));
    else
        set_unsigned(c, d, (unsigned)n);
}

static char *
lowered(struct loading *l, slice v)
{
    char *copy = arena_strdup(l->arena, v);
    for (size_t i = 0; copy != NULL && i < v.n; i++)
        copy[i] = ascii_lower(copy[i]);
    return copy;
}

static void
set_text(struct loading *l, struct config *c, size_t option, slice v)
{
    const struct option_def *d = &option_table[option];
    char **out = field(c, d);
    if (v.n == 0) {
        *out = NULL;
        return;
    }
    if (d->type == OT_WORD && find_word(d, v) == NULL) {
        bad_word(l, option, v, "");
        return;
    }
    /* as tables are named elsewhere; ours are always files, with patterns where they have them */
    if (d->type == OT_PATH && slice_istarts(v, SLICE("refile:")))
        v = slice_tail(v, 7);
    else if (d->type == OT_PATH && slice_istarts(v, SLICE("file:")))
        v = slice_tail(v, 5);
    if (d->type == OT_PATH && (v.n == 0 || v.p[0] != '/')) {
        setting_problem(l, option, "%s: \"%.*s\" is not an absolute path", d->name, SLICE_ARG(slice_head(v, 200)));
        return;
    }
    *out = d->type == OT_WORD ? lowered(l, v) : arena_strdup(l->arena, v);
    l->no_memory |= *out == NULL;
}

/* libmilter wants inet:PORT@HOST, inet6:PORT@HOST or local:PATH; what one writes on Postfix's side is read as well. */
static void
set_socket(struct loading *l, struct config *c, size_t option, slice v)
{
    slice kind, rest, port, host;
    uint64_t number;
    char **out = field(c, &option_table[option]);
    if (v.n > 0 && v.p[0] == '/') {
        kind = SLICE("local");
        rest = v;
    } else if (!slice_cut(v, ':', &kind, &rest)) {
        kind = SLICE_EMPTY;
    }
    slice made = SLICE_EMPTY;
    if ((slice_ieq(kind, SLICE("local")) || slice_ieq(kind, SLICE("unix"))) && rest.n > 1 && rest.p[0] == '/') {
        if (rest.n > 107) { /* sun_path with its NUL */
            setting_problem(l, option, "Socket: the path is longer than the 107 octets a unix socket can have");
            return;
        }
        made = arena_printf(l->arena, "local:%.*s", SLICE_ARG(rest));
    } else if (slice_ieq(kind, SLICE("inet")) || slice_ieq(kind, SLICE("inet6"))) {
        if (!slice_cut(rest, '@', &port, &host) && slice_has(rest, ':')) { /* Postfix: inet:host:port */
            size_t colon = slice_rfind(rest, ':');
            host = slice_head(rest, colon);
            port = slice_tail(rest, colon + 1);
        }
        if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
            host = (slice){ host.p + 1, host.n - 2 };
        bool six = slice_ieq(kind, SLICE("inet6")) || slice_has(host, ':');
        if (slice_to_u64(port, &number) && number > 0 && number < 65536)
            made = arena_printf(l->arena, "%s:%u%s%.*s", six ? "inet6" : "inet", (unsigned)number, host.n > 0 ? "@" : "",
                                SLICE_ARG(host));
    }
    if (made.n == 0) {
        setting_problem(l, option, "Socket: \"%.*s\" is none of: inet:PORT@HOST, inet6:PORT@HOST, inet:HOST:PORT, unix:/PATH, local:/PATH",
                        SLICE_ARG(slice_head(v, 120)));
        return;
    }
    *out = arena_strdup(l->arena, made);
    l->no_memory |= *out == NULL;
}

/* This host's name, with its domain if that can be found out. */
static slice
host_name(struct loading *l)
{
    char name[256];
    if (gethostname(name, sizeof(name)) != 0)
        return SLICE_EMPTY;
    name[sizeof(name) - 1] = '\0';
    slice found = slice_from(name);
    struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM }, *info = NULL;
    if (!slice_has(found, '.') && getaddrinfo(name, NULL, &hints, &info) == 0 && info != NULL && info->ai_canonname != NULL)
        found = slice_from(info->ai_canonname);
    found = arena_lower(l->arena, found);
    if (info != NULL)
        freeaddrinfo(info);
    return found;
}

static void
set_authserv(struct loading *l, struct config *c, size_t option, slice v)
{
    const struct option_def *d = &option_table[option];
    char **out = field(c, d);
    slice name = slice_ieq(v, SLICE("HOSTNAME")) ? host_name(l) : v;
    bool good = name.n > 0 && name.n <= 255;
    for (size_t i = 0; good && i < name.n; i++) /* RFC 8601 2.5 wants a domain name; what needs no quoting is let through */
        good = ascii_is_alnum(name.p[i]) || strchr("-._", name.p[i]) != NULL;
    if (!good) {
        setting_problem(l, option, "%s: \"%.*s\" is not a host name (letters, digits, \"-\", \"_\" and \".\") nor the word HOSTNAME",
                        d->name, SLICE_ARG(slice_head(name.n == 0 ? v : name, 80)));
        return;
    }
    *out = arena_strdup(l->arena, name);
    l->no_memory |= *out == NULL;
}

/* ---- lists ---- */

struct list_target {
    struct config *config;
    size_t option;
    size_t n, cap; /* of a string list */
};

static void
add_item(struct loading *l, struct list_target *t, slice item, slice file, unsigned line)
{
    const struct option_def *d = &option_table[t->option];
    char where[400] = "";
    if (file.n > 0)
        snprintf(where, sizeof(where), " (%.*s:%u)", SLICE_ARG(slice_head(file, 300)), line);
    if (d->type == OT_NETLIST) {
        struct netlist **net = field(t->config, d);
        enum status st = netlist_add(*net, item);
        if (st == ST_NOMEM)
            l->no_memory = true;
        else if (st != ST_OK)
            setting_problem(l, t->option, "%s%s: \"%.*s\" is no address, network (CIDR) or host name", d->name, where,
                            SLICE_ARG(slice_head(item, 120)));
        return;
    }
    if (d->type == OT_WORDLIST && find_word(d, item) == NULL) {
        bad_word(l, t->option, item, where);
        return;
    }
    struct string_list *list = field(t->config, d);
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 8 : t->cap * 2;
        char **items = arena_array(l->arena, cap, sizeof(*items));
        if (items == NULL) {
            l->no_memory = true;
            return;
        }
        if (t->n > 0)
            memcpy(items, list->items, t->n * sizeof(*items));
        list->items = items;
        t->cap = cap;
    }
    char *copy = d->type == OT_WORDLIST ? lowered(l, item) : arena_strdup(l->arena, item);
    l->no_memory |= copy == NULL;
    list->items[t->n] = copy;
    list->n = t->n += copy != NULL;
}

/* One item (or several) a line, "#" comments. */
static void
add_file(struct loading *l, struct list_target *t, slice path)
{
    const struct option_def *d = &option_table[t->option];
    char *name = arena_strdup(l->arena, path);
    if (name == NULL) {
        l->no_memory = true;
        return;
    }
    if (name[0] != '/') { /* the daemon's folder is another one in the background */
        setting_problem(l, t->option, "%s: \"file:%.200s\" does not name a file by its absolute path", d->name, name);
        return;
    }
    slice text = config_read_file(l->arena, name);
    if (text.p == NULL) {
        setting_problem(l, t->option, "%s: cannot read %s: %s", d->name, name, strerror(errno));
        return;
    }
    for (unsigned line_number = 1; text.n > 0 && !l->no_memory; line_number++) {
        slice line, item, code, comment;
        (void)slice_cut(text, '\n', &line, &text);
        (void)slice_cut(line, '#', &code, &comment);
        code = slice_trim(code);
        while (config_next_item(&code, &item))
            add_item(l, t, item, path, line_number);
    }
}

static void
set_list(struct loading *l, struct config *c, size_t option, slice v)
{
    const struct option_def *d = &option_table[option];
    struct list_target t = { .config = c, .option = option };
    if (d->type == OT_NETLIST) {
        struct netlist **net = field(c, d);
        *net = netlist_new();
        if (*net == NULL) {
            l->no_memory = true;
            return;
        }
    }
    slice item;
    while (!l->no_memory && config_next_item(&v, &item)) {
        if (slice_istarts(item, SLICE("file:")))
            add_file(l, &t, slice_tail(item, 5));
        else if (item.p[0] == '/' && d->type != OT_WORDLIST)
            add_file(l, &t, item);
        else
            add_item(l, &t, item, SLICE_EMPTY, 0);
    }
}

void
config_set_field(struct loading *l, struct config *c, size_t option)
{
    const struct option_def *d = &option_table[option];
    const struct setting *s = &l->settings[option];
    slice v = s->is_set ? s->value : slice_from(d->def);
    switch (d->type) {
    case OT_BOOL:
        set_bool(l, c, option, v);
        return;
    case OT_UINT:
    case OT_OCTAL:
    case OT_MSEC:
    case OT_SEC:
    case OT_DAYS:
    case OT_SIZE:
        set_number(l, c, option, v);
        return;
    case OT_ENUM: {
        const struct option_word *w = find_word(d, v);
        if (w == NULL)
            bad_word(l, option, v, "");
        else
            set_unsigned(c, d, w->value);
        return;
    }
    case OT_STRING:
    case OT_WORD:
    case OT_PATH:
        set_text(l, c, option, v);
        return;
    case OT_SOCKET:
        set_socket(l, c, option, v);
        return;
    case OT_AUTHSERV:
        set_authserv(l, c, option, v);
        return;
    case OT_STRINGLIST:
    case OT_WORDLIST:
    case OT_NETLIST:
        set_list(l, c, option, v);
        return;
    }
}
