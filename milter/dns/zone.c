#include "dns/zone.h"
#include "dns/backend.h"
#include "dns/delay.h"
#include "dns/name.h"
#include "dns/zonetext.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 16
#define BUCKETS_FIRST 64
#define TYPE_ANY 0u   /* in a $STATUS of "*" */
#define TYPE_OTHER 1u /* not kept, see RECORD_TYPES */

struct rr {
    enum dns_type type;
    uint32_t ttl;
    struct dns_record record;
    struct rr *next;
};

struct said_status {
    unsigned type; /* or TYPE_ANY */
    enum dns_status status;
    struct said_status *next;
};

struct node {
    slice name;
    bool exists; /* it owns records or is an ancestor of one that does: not only a place for $DELAY */
    unsigned delay_ms;
    struct rr *rrs, *last_rr; /* in the order of the text */
    struct said_status *statuses;
    struct node *next_in_bucket;
};

struct zone {
    struct resolver base;
    struct arena *arena;
    struct node **buckets;
    size_t n_buckets, n_nodes;
    struct delay *delay; /* only if something is delayed */
    bool delays;
};

/* ---- nodes ---- */

static struct node *
find_node(const struct zone *z, slice name)
{
    struct node *n = z->buckets[slice_hash(name, 0) & (z->n_buckets - 1)];
    while (n != NULL && !slice_eq(n->name, name))
        n = n->next_in_bucket;
    return n;
}

static bool
grow_buckets(struct zone *z)
{
    size_t n_buckets = z->n_buckets * 2;
    struct node **buckets = calloc(n_buckets, sizeof(struct node *));
    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < z->n_buckets; i++) {
        for (struct node *n = z->buckets[i]; n != NULL;) {
            struct node *next = n->next_in_bucket;
            size_t at = slice_hash(n->name, 0) & (n_buckets - 1);
            n->next_in_bucket = buckets[at];
            buckets[at] = n;
            n = next;
        }
    }
    free(z->buckets);
    z->buckets = buckets;
    z->n_buckets = n_buckets;
    return true;
}

/* `name` is in the zone's arena.  NULL: no memory. */
static struct node *
add_node(struct zone *z, slice name)
{
    struct node *n = find_node(z, name);
    if (n != NULL)
        return n;
    if (z->n_nodes >= z->n_buckets && !grow_buckets(z))
        return NULL;
    n = arena_zalloc(z->arena, sizeof(*n));
    if (n == NULL)
        return NULL;
    n->name = name;
    size_t at = slice_hash(name, 0) & (z->n_buckets - 1);
    n->next_in_bucket = z->buckets[at];
    z->buckets[at] = n;
    z->n_nodes++;
    return n;
}

static slice
parent_of(slice name)
{
    return slice_tail(name, slice_find(name, '.') + 1);
}

/* The node and all above it exist (RFC 4592 2.2.2: empty non-terminals). */
static struct node *
add_existing(struct zone *z, slice name)
{
    struct node *owner = NULL;
    for (;; name = parent_of(name)) {
        struct node *n = add_node(z, name);
        if (n == NULL)
            return NULL;
        if (owner == NULL)
            owner = n;
        if (n->exists)
            return owner;
        n->exists = true;
        if (name.n == 0)
            return owner;
    }
}

/* ---- answers ---- */

/* The node that speaks for the name: itself or the wildcard of its closest encloser (RFC 4592 3.3.1).  `existing`: only
 * what exists; otherwise also what has only a $STATUS or $DELAY. */
static const struct node *
node_for(const struct zone *z, slice name)
{
    const struct node *n = find_node(z, name);
    if (n != NULL)
        return n;
    char wild[DNS_NAME_MAX + 2] = "*.";
    while (name.n > 0) {
        name = parent_of(name);
        if (name.n > 0)
            memcpy(wild + 2, name.p, name.n);
        n = find_node(z, (slice){ wild, name.n == 0 ? 1 : name.n + 2 });
        if (n != NULL)
            return n;
        if ((n = find_node(z, name)) != NULL && n->exists)
            return NULL;
    }
    return NULL;
}

static const struct said_status *
said_of(const struct node *n, enum dns_type type)
{
    const struct said_status *any = NULL;
    for (const struct said_status *s = n->statuses; s != NULL; s = s->next) {
        if (s->type == (unsigned)type)
            return s;
        if (s->type == TYPE_ANY)
            any = s;
    }
    return any;
}

/* Into the builder; how many. */
static size_t
collect(const struct node *n, enum dns_type type, struct result_builder *b, uint32_t *ttl)
{
    size_t count = 0;
    for (const struct rr *rr = n->rrs; rr != NULL; rr = rr->next) {
        if (rr->type != type)
            continue;
        struct dns_record *r = result_builder_add(b, rr->record.data);
        if (r != NULL) {
            r->addr = rr->record.addr;
            r->preference = rr->record.preference;
        }
        if (rr->ttl < *ttl)
            *ttl = rr->ttl;
        count++;
    }
    return count;
}

static const struct rr *
cname_of(const struct node *n)
{
    for (const struct rr *rr = n->rrs; rr != NULL; rr = rr->next)
        if (rr->type == DNS_CNAME)
            return rr;
    return NULL;
}

static struct dns_result *
answer(const struct zone *z, enum dns_type type, slice name, unsigned *delay_ms)
{
    struct result_builder b;
    uint32_t ttl = INT32_MAX;
    uint64_t now_ms = clock_mono_ms();
    result_builder_init(&b);
    for (unsigned links = 0; links <= CHAIN_MAX; links++) {
        const struct node *n = node_for(z, name);
        if (n != NULL && n->delay_ms > *delay_ms)
            *delay_ms = n->delay_ms;
        const struct said_status *said = n == NULL ? NULL : said_of(n, type);
        if (said != NULL)
            return dns_result_static(said->status);
        if (n == NULL || !n->exists)
            return dns_result_static(DNS_NXDOMAIN);
        if (collect(n, type, &b, &ttl) > 0)
            return result_builder_finish(&b, DNS_OK, ttl, false, now_ms);
        const struct rr *cname = cname_of(n);
        if (cname == NULL)
            return dns_result_static(DNS_NODATA);
        if (cname->ttl < ttl)
            ttl = cname->ttl;
        name = cname->record.data;
    }
    return dns_result_static(DNS_SERVFAIL);
}

static struct dns_result *
zone_ask(struct resolver *r, struct dns_request *req)
{
    struct zone *z = (struct zone *)(void *)r; /* its first member */
    unsigned delay_ms = 0;
    req->sent = true;
    struct dns_result *result = answer(z, req->type, req->name, &delay_ms);
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
    arena_free(z->arena);
    free(z->buckets);
    free(z);
}

static const struct resolver_ops zone_ops = { .ask = zone_ask, .free = zone_free };

/* ---- reading ---- */

struct reader {
    struct zone *zone;
    slice origin, owner;
    bool has_owner;
    uint32_t default_ttl;
    const struct zone_word *words; /* what is left of the line */
    size_t n;
};

/* Each gives NULL, or what is wrong with the line. */
typedef const char *rdata_reader(struct reader *in, struct dns_record *out);

static const char *const memory_trouble = "out of memory";

static const char *
read_address(struct reader *in, uint8_t family, struct dns_record *out)
{
    slice text = in->n == 1 ? in->words[0].raw : SLICE_EMPTY;
    if (!netaddr_parse(text, &out->addr))
        return family == 4 ? "A wants one IPv4 address" : "AAAA wants one IPv6 address";
    if (family == 6 && out->addr.family == 4 && slice_has(text, ':')) { /* IPv4-mapped: an AAAA keeps it as it is */
        struct netaddr six = { .family = 6, .bytes = { [10] = 0xff, [11] = 0xff } };
        memcpy(six.bytes + 12, out->addr.bytes, 4);
        out->addr = six;
    }
    return out->addr.family == family ? NULL : "an address of the other family";
}

static const char *
read_a(struct reader *in, struct dns_record *out)
{
    return read_address(in, 4, out);
}

static const char *
read_aaaa(struct reader *in, struct dns_record *out)
{
    return read_address(in, 6, out);
}

static const char *
read_name(struct reader *in, struct dns_record *out)
{
    if (in->n != 1)
        return "one name is wanted";
    return zone_name(in->zone->arena, in->words[0].raw, in->origin, &out->data);
}

static const char *
read_mx(struct reader *in, struct dns_record *out)
{
    uint64_t preference = 0;
    if (in->n != 2 || !slice_to_u64(in->words[0].raw, &preference) || preference > UINT16_MAX)
        return "MX wants a preference and a name";
    out->preference = (uint16_t)preference;
    return zone_name(in->zone->arena, in->words[1].raw, in->origin, &out->data);
}

static const char *
read_txt(struct reader *in, struct dns_record *out)
{
    if (in->n == 0)
        return "TXT wants at least one string";
    if (in->n == 1)
        return zone_unescape(in->zone->arena, in->words[0].raw, &out->data) ? NULL : "a bad escape in a string";
    struct strbuf b;
    strbuf_init(&b, 0);
    const char *wrong = NULL;
    for (size_t i = 0; i < in->n && wrong == NULL; i++) {
        slice part;
        if (zone_unescape(in->zone->arena, in->words[i].raw, &part))
            strbuf_add(&b, part);
        else
            wrong = "a bad escape in a string";
    }
    out->data = strbuf_finish(&b, in->zone->arena);
    return wrong != NULL ? wrong : out->data.p == NULL ? memory_trouble : NULL;
}

static const char *
read_soa(struct reader *in, struct dns_record *out)
{
    if (in->n != 7)
        return "SOA wants two names and five numbers";
    for (size_t i = 2; i < 7; i++) {
        uint32_t v;
        if (!zone_ttl(in->words[i].raw, &v) && i > 2) /* the serial may be above 2^31 */
            return "SOA wants two names and five numbers";
    }
    return zone_name(in->zone->arena, in->words[0].raw, in->origin, &out->data);
}

static const struct record_type {
    const char *name;
    unsigned type;
    rdata_reader *read; /* NULL: the name exists, the rest is not looked at */
} record_types[] = {
    { "A", DNS_A, read_a },          { "AAAA", DNS_AAAA, read_aaaa }, { "CNAME", DNS_CNAME, read_name },
    { "MX", DNS_MX, read_mx },       { "PTR", DNS_PTR, read_name },   { "SOA", DNS_SOA, read_soa },
    { "TXT", DNS_TXT, read_txt },    { "NS", TYPE_OTHER, NULL },      { "SPF", TYPE_OTHER, NULL },
    { "SRV", TYPE_OTHER, NULL },     { "CAA", TYPE_OTHER, NULL },     { "DS", TYPE_OTHER, NULL },
    { "DNSKEY", TYPE_OTHER, NULL },  { "RRSIG", TYPE_OTHER, NULL },   { "NSEC", TYPE_OTHER, NULL },
    { "NSEC3", TYPE_OTHER, NULL },   { "HINFO", TYPE_OTHER, NULL },   { "NAPTR", TYPE_OTHER, NULL },
    { "TLSA", TYPE_OTHER, NULL },    { "SSHFP", TYPE_OTHER, NULL },   { "SVCB", TYPE_OTHER, NULL },
    { "HTTPS", TYPE_OTHER, NULL },   { "RP", TYPE_OTHER, NULL },      { "LOC", TYPE_OTHER, NULL },
    { "NSEC3PARAM", TYPE_OTHER, NULL },
};

static const struct record_type *
record_type_of(slice word)
{
    for (size_t i = 0; i < COUNT(record_types); i++)
        if (slice_ieq(word, slice_from(record_types[i].name)))
            return &record_types[i];
    return NULL;
}

static void
next_word(struct reader *in)
{
    in->words++;
    in->n--;
}

static const char *
add_record(struct reader *in, const struct record_type *type, uint32_t ttl)
{
    struct zone *z = in->zone;
    struct node *owner = add_existing(z, in->owner);
    if (owner == NULL)
        return memory_trouble;
    if (type->read == NULL)
        return NULL;
    struct rr *rr = arena_zalloc(z->arena, sizeof(*rr));
    if (rr == NULL)
        return memory_trouble;
    rr->type = (enum dns_type)type->type;
    rr->ttl = ttl;
    const char *wrong = type->read(in, &rr->record);
    if (wrong != NULL)
        return wrong;
    if (owner->last_rr == NULL)
        owner->rrs = rr;
    else
        owner->last_rr->next = rr;
    owner->last_rr = rr;
    return NULL;
}

/* [owner] [TTL] [class] type rdata, TTL and class in any order (RFC 1035 5.1). */
static const char *
read_record(struct reader *in, bool indented)
{
    if (!indented) {
        const char *wrong = zone_name(in->zone->arena, in->words[0].raw, in->origin, &in->owner);
        if (wrong != NULL)
            return wrong;
        in->has_owner = true;
        next_word(in);
    }
    if (!in->has_owner)
        return "a record without an owner";
    uint32_t ttl = in->default_ttl;
    for (; in->n > 0; next_word(in)) {
        slice word = in->words[0].raw;
        const struct record_type *type = in->words[0].quoted ? NULL : record_type_of(word);
        if (type != NULL) {
            next_word(in);
            return add_record(in, type, ttl);
        }
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
    static const char *const usage = "$STATUS wants a name, a type or *, and servfail, timeout, nxdomain, nodata or refused";
    if (in->n != 3)
        return usage;
    slice name;
    const char *wrong = zone_name(in->zone->arena, in->words[0].raw, in->origin, &name);
    if (wrong != NULL)
        return wrong;
    bool any = slice_eq(in->words[1].raw, SLICE("*"));
    const struct record_type *type = any ? NULL : record_type_of(in->words[1].raw);
    if (!any && type == NULL)
        return usage;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        if (!slice_ieq(in->words[2].raw, slice_from(statuses[i].word)))
            continue;
        struct node *n = add_node(in->zone, name);
        struct said_status *s = arena_zalloc(in->zone->arena, sizeof(*s));
        if (n == NULL || s == NULL)
            return memory_trouble;
        *s = (struct said_status){ .type = any ? TYPE_ANY : type->type, .status = statuses[i].status, .next = n->statuses };
        n->statuses = s;
        return NULL;
    }
    return usage;
}

static const char *
read_delay(struct reader *in)
{
    uint64_t ms = 0;
    slice name;
    if (in->n != 2 || !slice_to_u64(in->words[1].raw, &ms) || ms > 3600000)
        return "$DELAY wants a name and milliseconds, at most 3600000";
    const char *wrong = zone_name(in->zone->arena, in->words[0].raw, in->origin, &name);
    if (wrong != NULL)
        return wrong;
    struct node *n = add_node(in->zone, name);
    if (n == NULL)
        return memory_trouble;
    n->delay_ms = (unsigned)ms;
    in->zone->delays = true;
    return NULL;
}

static const char *
read_directive(struct reader *in)
{
    slice which = in->words[0].raw;
    next_word(in);
    if (slice_ieq(which, SLICE("$ORIGIN")))
        return in->n == 1 ? zone_name(in->zone->arena, in->words[0].raw, in->origin, &in->origin) : "$ORIGIN wants one name";
    if (slice_ieq(which, SLICE("$TTL")))
        return in->n == 1 && zone_ttl(in->words[0].raw, &in->default_ttl) ? NULL : "$TTL wants a time";
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
    struct reader in = { .zone = z, .origin = SLICE_EMPTY, .default_ttl = 3600 };
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
            st = wrong == memory_trouble ? ST_NOMEM : ST_SYNTAX;
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
    z->n_buckets = BUCKETS_FIRST;
    z->arena = arena_new(0);
    z->buckets = calloc(z->n_buckets, sizeof(struct node *));
    enum status st = z->arena == NULL || z->buckets == NULL || add_existing(z, SLICE_EMPTY) == NULL ? ST_NOMEM : ST_OK;
    if (st == ST_OK)
        st = read_zone(z, text, errors);
    if (st == ST_OK && z->delays && (z->delay = delay_new()) == NULL)
        st = ST_NOMEM;
    if (st == ST_OK)
        *out = &z->base;
    else
        zone_free(&z->base);
    return st;
}
