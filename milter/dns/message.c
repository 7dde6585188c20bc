#include "dns/message.h"

#include <stdlib.h>
#include <string.h>

#define HEADER    12
#define RR_FIXED  10
#define CLASS_IN  1
#define TYPE_NS   2
#define TYPE_OPT  41
#define CHAIN_MAX 16

size_t
dns_message_query(uint8_t out[DNS_QUERY_MAX], uint16_t id, enum dns_type type, slice name,
                  bool edns)
{
    static const uint8_t opt[11] = { 0, 0, TYPE_OPT, DNS_UDP_SIZE >> 8, DNS_UDP_SIZE & 0xff };
    const uint8_t header[HEADER] = {
        (uint8_t)(id >> 8), (uint8_t)id, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0
    };
    memcpy(out, header, HEADER);
    size_t n = HEADER + dns_name_to_wire(name, out + HEADER);
    out[n++] = (uint8_t)((unsigned)type >> 8);
    out[n++] = (uint8_t)type;
    out[n++] = 0;
    out[n++] = CLASS_IN;
    if (edns) {
        memcpy(out + n, opt, sizeof(opt));
        n += sizeof(opt);
    }
    return n;
}

/* ---- reading ---- */

struct message {
    const uint8_t *p;
    size_t n;
};

struct name {
    char text[DNS_NAME_MAX + 1]; /* one more while it is read, for the dot after the last label */
    size_t n;
    bool sayable; /* no label of it contains a dot */
};

struct rr {
    size_t owner, rdata; /* where they begin */
    uint64_t owner_hash;
    uint16_t type, class_, rdata_n;
    uint32_t ttl;
};

static uint16_t
get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The name at `at`, lower case.  Its end in the message, or 0: not a name. */
static size_t
read_name(const struct message *m, size_t at, struct name *out)
{
    size_t end = 0, low = at; /* a pointer must go below every place the name has been at */
    out->n = 0;
    out->sayable = true;
    for (;;) {
        if (at >= m->n)
            return 0;
        uint8_t length = m->p[at];
        if (length == 0) {
            if (end == 0)
                end = at + 1;
            if (out->n > 0)
                out->n--; /* the final dot */
            return end;
        }
        if ((length & 0xc0) == 0xc0) {
            if (m->n - at < 2)
                return 0;
            size_t to = (size_t)(length & 0x3f) << 8 | m->p[at + 1];
            if (end == 0)
                end = at + 2;
            if (to >= low || to < HEADER)
                return 0;
            at = low = to;
            continue;
        }
        if (length > DNS_LABEL_MAX || m->n - at <= length ||
            out->n + length + 1u > sizeof(out->text))
            return 0;
        for (size_t i = 1; i <= length; i++) {
            char c = (char)m->p[at + i];
            if (c == '.')
                out->sayable = false;
            out->text[out->n++] = ascii_lower(c);
        }
        out->text[out->n++] = '.';
        at += length + 1u;
    }
}

static slice
name_slice(const struct name *name)
{
    return (slice){ name->text, name->n };
}

/* The record at *at, which moves behind it. */
static bool
read_rr(const struct message *m, size_t *at, struct rr *out)
{
    struct name owner;
    out->owner = *at;
    size_t p = read_name(m, *at, &owner);
    if (p == 0 || m->n - p < RR_FIXED)
        return false;
    out->owner_hash = slice_hash(name_slice(&owner), owner.sayable);
    out->type = get16(m->p + p);
    out->class_ = get16(m->p + p + 2);
    out->ttl = get32(m->p + p + 4);
    if (out->ttl > INT32_MAX)
        out->ttl = 0; /* RFC 2181 8 */
    out->rdata_n = get16(m->p + p + 8);
    out->rdata = p + RR_FIXED;
    if (m->n - out->rdata < out->rdata_n)
        return false;
    *at = out->rdata + out->rdata_n;
    return true;
}

static bool
owned_by(const struct message *m, const struct rr *rr, slice name, uint64_t hash)
{
    struct name owner;
    return rr->owner_hash == hash && read_name(m, rr->owner, &owner) != 0 && owner.sayable &&
           slice_eq(name_slice(&owner), name);
}

/* A name that is the whole RDATA from `skip` on. */
static bool
rdata_name(const struct message *m, const struct rr *rr, size_t skip, struct name *out)
{
    return rr->rdata_n > skip && read_name(m, rr->rdata + skip, out) == rr->rdata + rr->rdata_n;
}

static bool
add_text(const struct message *m, const struct rr *rr, struct result_builder *b)
{
    const uint8_t *p = m->p + rr->rdata, *end = p + rr->rdata_n;
    result_builder_add(b, SLICE_EMPTY); /* RFC 1035 3.3.14 wants a string; of none, which some
                                           publish, an empty text is made */
    while (p < end) {
        size_t length = *p++;
        if ((size_t)(end - p) < length)
            return false;
        result_builder_append(b, (slice){ (const char *)p, length });
        p += length;
    }
    return true;
}

static bool
add_address(const struct message *m, const struct rr *rr, struct result_builder *b)
{
    size_t want = rr->type == DNS_A ? 4 : 16;
    if (rr->rdata_n != want)
        return false;
    struct dns_record *r = result_builder_add(b, SLICE_EMPTY);
    if (r != NULL) {
        r->addr.family = rr->type == DNS_A ? 4 : 6;
        memcpy(r->addr.bytes, m->p + rr->rdata, want);
    }
    return true;
}

/* False: malformed.  A name with a dot inside a label is the name of no host: such a record is left
 * out. */
static bool
add_record(const struct message *m, const struct rr *rr, struct result_builder *b)
{
    struct name name;
    struct dns_record *r;
    switch ((enum dns_type)rr->type) {
    case DNS_A:
    case DNS_AAAA:
        return add_address(m, rr, b);
    case DNS_TXT:
        return add_text(m, rr, b);
    case DNS_MX:
        if (!rdata_name(m, rr, 2, &name))
            return false;
        if (name.sayable && (r = result_builder_add(b, name_slice(&name))) != NULL)
            r->preference = get16(m->p + rr->rdata);
        return true;
    case DNS_PTR:
    case DNS_CNAME:
        if (!rdata_name(m, rr, 0, &name))
            return false;
        if (name.sayable)
            result_builder_add(b, name_slice(&name));
        return true;
    case DNS_SOA: {
        size_t end = read_name(m, rr->rdata, &name);
        if (end == 0 || end > rr->rdata + rr->rdata_n)
            return false;
        result_builder_add(b, name_slice(&name));
        return true;
    }
    }
    return false;
}

static void
lower_ttl(uint32_t *ttl, uint32_t other)
{
    if (other < *ttl)
        *ttl = other;
}

enum walk { WALK_FOUND, WALK_NOTHING, WALK_DANGLING, WALK_BAD };

/* From the question's name along CNAMEs, in whatever order they stand, to the records asked for. */
static enum walk
walk_answers(const struct message *m, const struct rr *rrs, size_t n, enum dns_type type,
             slice name, struct dns_reply *out)
{
    struct name current = { .n = name.n, .sayable = true };
    memcpy(current.text, name.p, name.n);
    for (unsigned links = 0; links <= CHAIN_MAX; links++) {
        uint64_t hash = slice_hash(name_slice(&current), true);
        const struct rr *cname = NULL;
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            if (rrs[i].class_ != CLASS_IN || !owned_by(m, &rrs[i], name_slice(&current), hash))
                continue;
            if (rrs[i].type == (uint16_t)type) {
                any = true;
                lower_ttl(&out->ttl, rrs[i].ttl);
                if (!add_record(m, &rrs[i], &out->found))
                    return WALK_BAD;
            } else if (rrs[i].type == DNS_CNAME) {
                cname = &rrs[i];
            }
        }
        if (any)
            return out->found.n > 0 || out->found.failed ? WALK_FOUND : WALK_NOTHING;
        if (cname == NULL) {
            memcpy(out->target, current.text, current.n);
            out->target_n = current.n;
            return links == 0 ? WALK_NOTHING : WALK_DANGLING;
        }
        lower_ttl(&out->ttl, cname->ttl);
        if (!rdata_name(m, cname, 0, &current) || !current.sayable || current.n == 0)
            return WALK_BAD;
    }
    return WALK_BAD; /* a loop, or as good as one */
}

/* RFC 2308 5: the smaller of the SOA's own TTL and its last field. */
static bool
negative_ttl(const struct message *m, const struct rr *rr, uint32_t *ttl)
{
    struct name name;
    size_t at = read_name(m, rr->rdata, &name);
    if (at != 0)
        at = read_name(m, at, &name);
    if (at == 0 || at + 20 != rr->rdata + rr->rdata_n)
        return false;
    *ttl = rr->ttl;
    lower_ttl(ttl, get32(m->p + at + 16));
    return true;
}

struct sections {
    struct rr *answers;
    size_t n_answers;
    bool has_soa, has_ns; /* in the authority section */
    uint32_t negative_ttl;
};

static bool
read_sections(const struct message *m, size_t at, struct sections *s, struct dns_reply *out)
{
    size_t authority = get16(m->p + 8), additional = get16(m->p + 10);
    struct rr rr;
    for (size_t i = 0; i < s->n_answers; i++)
        if (!read_rr(m, &at, &s->answers[i]))
            return false;
    for (size_t i = 0; i < authority; i++) {
        uint32_t ttl = 0;
        if (!read_rr(m, &at, &rr))
            return false;
        s->has_ns = s->has_ns || rr.type == TYPE_NS;
        if (rr.type != DNS_SOA || rr.class_ != CLASS_IN)
            continue;
        if (!negative_ttl(m, &rr, &ttl))
            return false;
        if (!s->has_soa)
            s->negative_ttl = ttl;
        s->has_soa = true;
    }
    for (size_t i = 0; i < additional; i++) {
        size_t from = at;
        if (!read_rr(m, &at, &rr))
            return false;
        if (rr.type != TYPE_OPT)
            continue;
        if (out->has_opt || m->p[from] != 0)
            return false; /* RFC 6891 6.1.1: one, at the root */
        out->has_opt = true;
        out->rcode |= (unsigned)m->p[rr.rdata - 6]
                      << 4; /* the upper octet of what is a TTL elsewhere (6.1.3) */
    }
    return true;
}

/* Header and question; the place behind them, or 0: this is not an answer to it. */
static size_t
read_head(const struct message *m, enum dns_type type, slice name, struct dns_reply *out)
{
    if (m->n < HEADER || (m->p[2] & 0xf8) != 0x80 /* QR, opcode QUERY */ || get16(m->p + 4) != 1)
        return 0;
    struct name asked;
    size_t at = read_name(m, HEADER, &asked);
    if (at == 0 || m->n - at < 4 || !asked.sayable || !slice_eq(name_slice(&asked), name))
        return 0;
    if (get16(m->p + at) != (uint16_t)type || get16(m->p + at + 2) != CLASS_IN)
        return 0;
    out->rcode = m->p[3] & 0x0f;
    out->authenticated = (m->p[3] & 0x20) != 0;
    return at + 4;
}

/* RFC 2308 2.2: with NS records and no SOA the name servers of a zone are named, and nothing is said about the name.  A
 * server that neither has authority (AA) nor would ask those itself (RA) cannot serve us. */
static bool
is_referral(const struct message *m, const struct sections *s)
{
    return s->n_answers == 0 && s->has_ns && !s->has_soa && (m->p[2] & 0x04) == 0 && (m->p[3] & 0x80) == 0;
}

static bool
conclude(const struct message *m, const struct sections *s, enum dns_type type, slice name,
         struct dns_reply *out)
{
    if ((out->rcode != 0 && out->rcode != 3) || (out->rcode == 0 && is_referral(m, s))) {
        out->status = DNS_SERVFAIL;
        return true;
    }
    out->ttl = INT32_MAX;
    enum walk walk = walk_answers(m, s->answers, s->n_answers, type, name, out);
    if (walk == WALK_BAD)
        return false;
    if (walk == WALK_FOUND && out->rcode == 0) {
        out->status = DNS_OK;
        return true;
    }
    /* RFC 6604 3: the RCODE is that of the last name of a chain of CNAMEs */
    result_builder_clear(&out->found);
    out->status = out->rcode == 3 ? DNS_NXDOMAIN : DNS_NODATA;
    out->unfinished = walk == WALK_DANGLING && out->rcode == 0 && !s->has_soa;
    if (!out->unfinished)
        lower_ttl(&out->ttl, s->has_soa ? s->negative_ttl : 0);
    return true;
}

void
dns_message_read(const uint8_t *msg, size_t n, enum dns_type type, slice name,
                 struct dns_reply *out)
{
    struct message m = { msg, n };
    struct sections s = { 0 };
    struct rr few[32];
    memset(out, 0, sizeof(*out));
    result_builder_init(&out->found);
    size_t at = read_head(&m, type, name, out);
    if (at == 0)
        return;
    s.n_answers = get16(msg + 6);
    if (s.n_answers > (n - at) / (RR_FIXED + 1))
        return; /* more than there is room for */
    s.answers = s.n_answers <= COUNT(few) ? few : malloc(s.n_answers * sizeof(*s.answers));
    if (s.answers == NULL)
        return;
    out->readable = read_sections(&m, at, &s, out) && conclude(&m, &s, type, name, out);
    if (!out->readable)
        result_builder_clear(&out->found);
    if (s.answers != few)
        free(s.answers);
}
