#include "tool/check_resolver.h"

#include "base/clock.h"
#include "dns/network.h"
#include "dns/replay.h"
#include "dns/zone.h"
#include "tool/check_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#define ZONE_MAX ((size_t)64 << 20)
#define VERDICT_FILE "verdict.json"

/* The whole file; ST_INTERNAL with errno, ST_LIMIT. */
static enum status
read_file(const char *name, struct strbuf *out)
{
    FILE *f = fopen(name, "rb");
    if (f == NULL)
        return ST_INTERNAL;
    char chunk[16384];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
        strbuf_add(out, (slice){ chunk, n });
    enum status st = ferror(f) ? ST_INTERNAL : strbuf_status(out);
    fclose(f);
    return st;
}

/* Of zone text, or of recorded answers: then *now is set. */
static int
open_text(const char *name, bool replay, struct resolver **out, int64_t *now)
{
    struct strbuf text, errors;
    strbuf_init(&text, ZONE_MAX);
    strbuf_init(&errors, 0);
    enum status st = read_file(name, &text);
    if (st == ST_INTERNAL)
        fprintf(stderr, "vidimus check: %s: %s\n", name, strerror(errno));
    if (st == ST_OK)
        st = replay ? resolver_replay_new(strbuf_slice(&text), &errors, now, out)
                    : resolver_zone_new(strbuf_slice(&text), &errors, out);
    if (st == ST_SYNTAX)
        fprintf(stderr, "vidimus check: %s:\n%s", name, strbuf_str(&errors));
    else if (st != ST_OK && st != ST_INTERNAL)
        fprintf(stderr, "vidimus check: %s: %s\n", name, status_name(st));
    strbuf_clear(&text);
    strbuf_clear(&errors);
    return st == ST_OK ? EX_OK : st == ST_INTERNAL ? EX_NOINPUT : EX_DATAERR;
}

static int
open_network(const struct config *c, struct resolver **out)
{
    struct resolver_network_options options = { .nameservers = (const char *const *)c->nameservers.items,
                                                .n_nameservers = c->nameservers.n,
                                                .query_timeout_ms = c->dns_timeout_ms,
                                                .cache_entries = c->dns_cache_entries,
                                                .trust_ad = c->trust_ad };
    struct strbuf error;
    strbuf_init(&error, 0);
    enum status st = resolver_network_new(&options, &error, out);
    if (st != ST_OK)
        fprintf(stderr, "vidimus check: %s\n", strbuf_str(&error));
    strbuf_clear(&error);
    return st == ST_OK ? EX_OK : st == ST_SYNTAX ? EX_CONFIG : EX_OSERR;
}

/* "DIR/NAME" in b; NULL: no memory, said. */
static const char *
path_in(struct strbuf *b, const char *dir, const char *name)
{
    strbuf_reset(b);
    strbuf_printf(b, "%s/%s", dir, name);
    if (strbuf_status(b) == ST_OK)
        return strbuf_str(b);
    fputs("vidimus check: out of memory\n", stderr);
    return NULL;
}

int
check_resolver_open(const struct check_options *o, const struct config *c, struct resolver **out, int64_t *now)
{
    int64_t recorded = 0;
    int status = EX_OK;
    if (o->replay_dir != NULL) {
        struct strbuf b;
        strbuf_init(&b, 0);
        const char *path = path_in(&b, o->replay_dir, DNS_REPLAY_FILE);
        status = path == NULL ? EX_OSERR : open_text(path, true, out, &recorded);
        strbuf_clear(&b);
    } else {
        status = o->zone_file != NULL ? open_text(o->zone_file, false, out, &recorded) : open_network(c, out);
    }
    if (o->now != 0)
        *now = o->now;
    else
        *now = recorded != 0 || o->record_dir == NULL ? recorded : clock_wall_s();
    return status;
}

static int
write_file(const char *path, slice text)
{
    FILE *f = fopen(path, "wb");
    bool written = f != NULL && fwrite(text.p, 1, text.n, f) == text.n;
    if (f != NULL && fclose(f) != 0)
        written = false;
    if (!written)
        fprintf(stderr, "vidimus check: %s: %s\n", path, strerror(errno));
    return written ? EX_OK : EX_CANTCREAT;
}

int
check_resolver_keep(const struct check_options *o, struct message *m, const struct verdict *v, int64_t now)
{
    if (mkdir(o->record_dir, 0750) != 0 && errno != EEXIST) {
        fprintf(stderr, "vidimus check: %s: %s\n", o->record_dir, strerror(errno));
        return EX_CANTCREAT;
    }
    struct strbuf path, text;
    strbuf_init(&path, 0);
    strbuf_init(&text, 0);
    message_write_dns(m, now, &text);
    char *line = check_json_line(v, o->spf_only);
    const char *name = path_in(&path, o->record_dir, DNS_REPLAY_FILE);
    int status = name == NULL || line == NULL || strbuf_status(&text) != ST_OK ? EX_OSERR : write_file(name, strbuf_slice(&text));
    if (status == EX_OK && (name = path_in(&path, o->record_dir, VERDICT_FILE)) != NULL)
        status = write_file(name, slice_from(line));
    free(line);
    strbuf_clear(&path);
    strbuf_clear(&text);
    return status;
}
