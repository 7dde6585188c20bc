/*
 * snapshot.c - a snapshot is built whole or not at all, and counted.
 */
#include "autoconf.h"

#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
starts_with_one(slice text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (slice_istarts(text, slice_from(*words)) && text.n > strlen(*words))
            return true;
    return false;
}

/* What would show only when the first report is made, in a timer that nobody watches. */
static void
check_reports(struct loading *l, const struct config *c)
{
    static const char *const stores[] = { "/", "sqlite:/", "postgresql://", "postgres://", NULL };
    static const char *const urls[] = { "smtp://", "smtps://", NULL };
    slice local, domain, email = slice_from(c->report_email);
    if (c->report_store != NULL && !starts_with_one(slice_from(c->report_store), stores))
        setting_problem(l, option_find(SLICE("ReportStore")), "ReportStore: \"%.200s\" is neither an absolute path nor postgresql://...",
                        c->report_store);
    if (c->report_smtp != NULL && !starts_with_one(slice_from(c->report_smtp), urls))
        setting_problem(l, option_find(SLICE("ReportSMTP")), "ReportSMTP: \"%.200s\" is neither smtp://HOST:PORT nor smtps://HOST:PORT",
                        c->report_smtp);
    bool address = slice_cut(email, '@', &local, &domain) && local.n > 0 && domain.n > 0 && !slice_has(domain, '@');
    for (size_t i = 0; address && i < email.n; i++)
        address = (unsigned char)email.p[i] > ' ' && strchr("<>,;:\"\\()", email.p[i]) == NULL;
    if (c->report_email != NULL && !address)
        setting_problem(l, option_find(SLICE("ReportEmail")), "ReportEmail: \"%.200s\" is not an address, NAME@DOMAIN alone",
                        c->report_email);
}

/* What a single option cannot know. */
static void
check_together(struct loading *l, const struct config *c)
{
    if (c->minimum_key_bits > c->maximum_key_bits)
        setting_problem(l, option_find(SLICE("MinimumKeyBits")), "MinimumKeyBits %u is above MaximumKeyBits %u",
                        c->minimum_key_bits, c->maximum_key_bits);
    if (c->dns_timeout_ms > c->message_timeout_ms)
        setting_problem(l, option_find(SLICE("DNSTimeout")), "DNSTimeout (%u ms) is above MessageTimeout (%u ms)",
                        c->dns_timeout_ms, c->message_timeout_ms);
    if (c->arc_seal && (c->key_table == NULL || c->signing_table == NULL))
        setting_problem(l, option_find(SLICE("ArcSeal")), "ArcSeal needs KeyTable and SigningTable");
    check_reports(l, c);
}

static void
snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].type == OT_NETLIST)
            netlist_free(*(struct netlist **)((char *)&s->config + option_table[i].offset));
    arena_free(s->arena);
    free(s);
}

static struct snapshot *
snapshot_new(void)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    atomic_init(&s->config.references, 1);
    s->arena = arena_new(0);
    s->settings = s->arena == NULL ? NULL : arena_array(s->arena, option_count, sizeof(*s->settings));
    if (s->settings == NULL) {
        arena_free(s->arena);
        free(s);
        return NULL;
    }
    return s;
}

/* Settings into fields, all of them, so that every problem is found. */
static void
fill(struct loading *l, struct snapshot *s)
{
    for (size_t i = 0; i < option_count && !l->no_memory; i++)
        config_set_field(l, &s->config, i);
    if (l->problems == 0 && !l->no_memory)
        check_together(l, &s->config);
}

enum status
config_load(const char *file, const char *const *overrides, size_t n_overrides, struct strbuf *errors, struct config **out)
{
    struct snapshot *s = snapshot_new();
    if (s == NULL)
        return ST_NOMEM;
    struct loading l = { .arena = s->arena, .settings = s->settings, .errors = errors };
    if (file != NULL)
        config_parse_file(&l, file);
    for (size_t i = 0; i < n_overrides && !l.no_memory; i++)
        config_parse_override(&l, overrides[i]);
    if (!l.no_memory)
        fill(&l, s);
    if (l.no_memory || l.problems > 0) {
        if (l.no_memory)
            strbuf_add(errors, SLICE("out of memory\n"));
        snapshot_free(s);
        return l.no_memory ? ST_NOMEM : ST_SYNTAX;
    }
    *out = &s->config;
    return ST_OK;
}

void
config_problem(const struct config *c, const char *option, struct strbuf *errors, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct loading l = { .settings = ((const struct snapshot *)c)->settings, .errors = errors };
    setting_problem(&l, option_find(slice_from(option)), "%s: %s", option, text);
}

bool
config_can_read(const struct config *c, const char *option, const char *path, struct strbuf *errors)
{
    char octet;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* access() would ask for the real user */
    bool readable = fd >= 0 && read(fd, &octet, 1) >= 0;
    if (!readable)
        config_problem(c, option, errors, "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return readable;
}

enum trouble_action
config_on_temp_error(const struct config *c)
{
    return c->on_temp_error == TROUBLE_AS_ON_ERROR ? c->on_error : c->on_temp_error;
}

struct config *
config_acquire(struct config *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    return c;
}

void
config_release(struct config *c)
{
    /* the last one must see what all others did before they let go */
    if (c != NULL && atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) == 1)
        snapshot_free((struct snapshot *)c);
}
