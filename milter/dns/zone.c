#include "dns/zone.h"
#include "dns/delay.h"
#include "dns/rdata.h"
#include "dns/zonetree.h"

#include <stdlib.h>

#define TTL_DEFAULT 3600
#define DELAY_MAX   3600000u

struct zone {
    struct resolver base;
    struct arena *arena;
    struct zonetree *tree;
    struct delay *delay; /* only if something is delayed */
};

static struct dns_result *
zone_ask(struct resolver *r, struct dns_request *req)
{
    struct zone *z = (struct zone *)(void *)r; /* its first member */
    unsigned delay_ms = 0;
    req->sent = true;
    struct dns_result *result = zonetree_answer(z->tree, req->type, req->name, &delay_ms);
    if (delay_ms == 0)
        return result;
    delay_add(z->delay, req, result, delay_ms);
    return NULL;
}

static void
zone_free(struct resolver *r)
{
    struct zone *z = (struct zone *)(void *)r;
    delay_free(z->delay);
    zonetree_free(z->tree);
    arena_free(z->arena);
    free(z);
}

static const struct resolver_ops zone_ops = { .ask = zone_ask, .free = zone_free };

/* ---- reading ---- */

struct reader {
    struct arena *arena;
    struct zonetree *tree;
    slice origin, owner;
    bool has_owner;
    uint32_t default_ttl;
    const struct zone_word *words; /* what is left of the line */
    size_t n;
};

/* All of these give NULL, or what is wrong with the line. */

static void
next_word(struct reader *in)
{
    in->words++;
    in->n--;
}

static const char *
add_record(struct reader *in, enum dns_type type, bool kept, uint32_t ttl)
{
    struct dns_record record;
    if (!kept)
        return zonetree_add_name(in->tree, in->owner) ? NULL : zone_no_memory;
    const char *wrong = rdata_read(in->arena, type, in->words, in->n, in->origin, &record);
    if (wrong != NULL)
        return wrong;
    return zonetree_add(in->tree, in->owner, type, ttl, &record) ? NULL : zone_no_memory;
}

/* [owner] [TTL] [class] type rdata, TTL and class in any order (RFC 1035 5.1). */
static const char *
read_record(struct reader *in, bool indented)
{
    if (!indented) {
        const char *wrong = zone_name(in->arena, in->words[0].raw, in->origin, &in->owner);
        if (wrong != NULL)
            return wrong;
        in->has_owner = true;
        next_word(in);
    }
    if (!in->has_owner)
        return "a record without an owner";
    uint32_t ttl = in->default_ttl;
    while (in->n > 0) {
        slice word = in->words[0].raw;
        bool quoted = in->words[0].quoted, kept = false;
        enum dns_type type = DNS_A;
        next_word(in);
        if (!quoted && rdata_type(word, &type, &kept))
            return add_record(in, type, kept, ttl);
        if (!slice_ieq(word, SLICE("IN")) && !zone_ttl(word, &ttl))
            return "a type is wanted (A, AAAA, CNAME, MX, PTR, SOA, TXT, NS, SRV, ...)";
    }
    return "a type is missing";
}

static const char *
read_status(struct reader *in)
{
    static const struct {
        const char *word;
        enum dns_status status;
    } statuses[] = { { "servfail", DNS_SERVFAIL },
                     { "timeout", DNS_TIMEOUT },
                     { "nxdomain", DNS_NXDOMAIN },
                     { "nodata", DNS_NODATA },
                     { "refused", DNS_SERVFAIL } };
    static const char *const usage =
        "$STATUS wants a name, a type or *, and servfail, timeout, nxdomain, nodata or refused";
    slice name = SLICE_EMPTY;
    enum dns_type type = DNS_A;
    bool kept = false;
    if (in->n != 3)
        return usage;
    const char *wrong = zone_name(in->arena, in->words[0].raw, in->origin, &name);
    if (wrong != NULL)
        return wrong;
    bool any = slice_eq(in->words[1].raw, SLICE("*"));
    if (!any && (!rdata_type(in->words[1].raw, &type, &kept) || !kept))
        return usage;
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (slice_ieq(in->words[2].raw, slice_from(statuses[i].word)))
            return zonetree_say(in->tree, name, any ? NULL : &type, statuses[i].status)
                       ? NULL
                       : zone_no_memory;
    return usage;
}

static const char *
read_delay(struct reader *in)
{
    uint64_t ms = 0;
    slice name = SLICE_EMPTY;
    if (in->n != 2 || !slice_to_u64(in->words[1].raw, &ms) || ms > DELAY_MAX)
        return "$DELAY wants a name and milliseconds, at most 3600000";
    const char *wrong = zone_name(in->arena, in->words[0].raw, in->origin, &name);
    if (wrong != NULL)
        return wrong;
    return zonetree_delay(in->tree, name, (unsigned)ms) ? NULL : zone_no_memory;
}

static const char *
read_directive(struct reader *in)
{
    slice which = in->words[0].raw;
    next_word(in);
    if (slice_ieq(which, SLICE("$ORIGIN")))
        return in->n == 1 ? zone_name(in->arena, in->words[0].raw, in->origin, &in->origin)
                          : "$ORIGIN wants one name";
    if (slice_ieq(which, SLICE("$TTL")))
        return in->n == 1 && zone_ttl(in->words[0].raw, &in->default_ttl) ? NULL
                                                                          : "$TTL wants a time";
    if (slice_ieq(which, SLICE("$STATUS")))
        return read_status(in);
    if (slice_ieq(which, SLICE("$DELAY")))
        return read_delay(in);
    return "unknown directive ($ORIGIN, $TTL, $STATUS and $DELAY are understood)";
}

static enum status
read_zone(struct zone *z, slice text, struct strbuf *errors)
{
    struct zone_lexer lexer;
    struct reader in = {
        .arena = z->arena, .tree = z->tree, .origin = SLICE_EMPTY, .default_ttl = TTL_DEFAULT
    };
    enum status st = ST_OK;
    bool more = true;
    zone_lexer_init(&lexer, text);
    for (;;) {
        enum status line = zone_lexer_next(&lexer, &more);
        if (!more || line == ST_NOMEM) {
            st = line == ST_NOMEM ? line : st;
            break;
        }
        const char *wrong = lexer.error;
        in.words = lexer.words;
        in.n = lexer.n;
        if (line == ST_OK && !lexer.words[0].quoted && slice_starts(lexer.words[0].raw, SLICE("$")))
            wrong = read_directive(&in);
        else if (line == ST_OK)
            wrong = read_record(&in, lexer.indented);
        if (wrong != NULL) {
            strbuf_printf(errors, "line %u: %s\n", lexer.first_line, wrong);
            st = st == ST_NOMEM || wrong == zone_no_memory ? ST_NOMEM : ST_SYNTAX;
        }
    }
    zone_lexer_clear(&lexer);
    return st;
}

enum status
resolver_zone_new(slice text, struct strbuf *errors, struct resolver **out)
{
    struct zone *z = calloc(1, sizeof(*z));
    if (z == NULL)
        return ST_NOMEM;
    z->base.ops = &zone_ops;
    z->arena = arena_new(0);
    z->tree = z->arena == NULL ? NULL : zonetree_new(z->arena);
    enum status st = z->tree == NULL ? ST_NOMEM : read_zone(z, text, errors);
    if (st == ST_OK && zonetree_has_delays(z->tree) && (z->delay = delay_new()) == NULL)
        st = ST_NOMEM;
    if (st == ST_OK)
        *out = &z->base;
    else
        zone_free(&z->base);
    return st;
}
