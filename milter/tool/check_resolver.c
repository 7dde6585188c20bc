#include "tool/check_resolver.h"

#include "dns/network.h"
#include "dns/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define ZONE_MAX ((size_t)64 << 20)

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

static int
open_zone(const char *name, struct resolver **out)
{
    struct strbuf text, errors;
    strbuf_init(&text, ZONE_MAX);
    strbuf_init(&errors, 0);
    enum status st = read_file(name, &text);
    if (st == ST_INTERNAL)
        fprintf(stderr, "vidimus check: %s: %s\n", name, strerror(errno));
    else if (st == ST_OK && (st = resolver_zone_new(strbuf_slice(&text), &errors, out)) == ST_SYNTAX)
        fprintf(stderr, "vidimus check: %s:\n%s", name, strbuf_str(&errors));
    else if (st != ST_OK)
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

int
check_resolver_open(const struct check_options *o, const struct config *c, struct resolver **out)
{
    return o->zone_file != NULL ? open_zone(o->zone_file, out) : open_network(c, out);
}
