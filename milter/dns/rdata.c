#include "dns/rdata.h"
#include "dns/name.h"

#include <string.h>

struct rdata_in {
    struct arena *arena;
    const struct zone_word *words;
    size_t n;
    slice origin;
};

static const char *
read_address(const struct rdata_in *in, uint8_t family, struct dns_record *out)
{
    slice text = in->n == 1 ? in->words[0].raw : SLICE_EMPTY;
    if (!netaddr_parse(text, &out->addr))
        return family == 4 ? "A wants one IPv4 address" : "AAAA wants one IPv6 address";
    if (family == 6 && out->addr.family == 4 &&
        slice_has(text, ':')) { /* IPv4-mapped: an AAAA keeps it as it is */
        struct netaddr six = { .family = 6, .bytes = { [10] = 0xff, [11] = 0xff } };
        memcpy(six.bytes + 12, out->addr.bytes, 4);
        out->addr = six;
    }
    return out->addr.family == family ? NULL : "an address of the other family";
}

static const char *
read_name(const struct rdata_in *in, struct dns_record *out)
{
    return in->n == 1 ? zone_name(in->arena, in->words[0].raw, in->origin, &out->data)
                      : "one name is wanted";
}

static const char *
read_mx(const struct rdata_in *in, struct dns_record *out)
{
    uint64_t preference = 0;
    if (in->n != 2 || !slice_to_u64(in->words[0].raw, &preference) || preference > UINT16_MAX)
        return "MX wants a preference and a name";
    out->preference = (uint16_t)preference;
    return zone_name(in->arena, in->words[1].raw, in->origin, &out->data);
}

static const char *
read_txt(const struct rdata_in *in, struct dns_record *out)
{
    if (in->n == 0)
        return "TXT wants at least one string";
    if (in->n == 1)
        return zone_unescape(in->arena, in->words[0].raw, &out->data);
    struct strbuf b;
    const char *wrong = NULL;
    strbuf_init(&b, 0);
    for (size_t i = 0; i < in->n && wrong == NULL; i++) {
        slice part = SLICE_EMPTY;
        wrong = zone_unescape(in->arena, in->words[i].raw, &part);
        strbuf_add(&b, part);
    }
    out->data = strbuf_finish(&b, in->arena);
    return wrong != NULL ? wrong : out->data.p == NULL ? zone_no_memory : NULL;
}

static const char *
read_soa(const struct rdata_in *in, struct dns_record *out)
{
    static const char *const usage = "SOA wants two names and five numbers";
    uint32_t time;
    uint64_t serial;
    if (in->n != 7 || !slice_to_u64(in->words[2].raw, &serial))
        return usage;
    for (size_t i = 3; i < 7; i++)
        if (!zone_ttl(in->words[i].raw, &time))
            return usage;
    return zone_name(in->arena, in->words[0].raw, in->origin, &out->data);
}

static const struct {
    const char *name;
    enum dns_type type;
} kept_types[] = { { "A", DNS_A },    { "AAAA", DNS_AAAA }, { "CNAME", DNS_CNAME },
                   { "MX", DNS_MX },  { "PTR", DNS_PTR },   { "SOA", DNS_SOA },
                   { "TXT", DNS_TXT } };

static const char *const other_types[] = {
    "NS",    "SPF",   "SRV",  "CAA",   "DS",   "DNSKEY", "RRSIG", "NSEC", "NSEC3",
    "HINFO", "NAPTR", "TLSA", "SSHFP", "SVCB", "HTTPS",  "RP",    "LOC",  "NSEC3PARAM"
};

bool
rdata_type(slice word, enum dns_type *type, bool *kept)
{
    for (size_t i = 0; i < COUNT(kept_types); i++) {
        if (slice_ieq(word, slice_from(kept_types[i].name))) {
            *type = kept_types[i].type;
            *kept = true;
            return true;
        }
    }
    for (size_t i = 0; i < COUNT(other_types); i++) {
        if (slice_ieq(word, slice_from(other_types[i]))) {
            *kept = false;
            return true;
        }
    }
    return false;
}

const char *
rdata_read(struct arena *a, enum dns_type type, const struct zone_word *words, size_t n,
           slice origin, struct dns_record *out)
{
    const struct rdata_in in = { a, words, n, origin };
    *out = (struct dns_record){ .data = SLICE_EMPTY };
    switch (type) {
    case DNS_A:
        return read_address(&in, 4, out);
    case DNS_AAAA:
        return read_address(&in, 6, out);
    case DNS_MX:
        return read_mx(&in, out);
    case DNS_TXT:
        return read_txt(&in, out);
    case DNS_SOA:
        return read_soa(&in, out);
    case DNS_CNAME:
    case DNS_PTR:
        return read_name(&in, out);
    }
    return "a type that is not kept";
}

void
rdata_write(struct strbuf *b, enum dns_type type, const struct dns_record *r)
{
    char text[NETADDR_TEXT_MAX];
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        strbuf_add_str(b, netaddr_text(&r->addr, text));
        break;
    case DNS_MX:
        strbuf_printf(b, "%u ", (unsigned)r->preference);
        dns_name_text(b, r->data);
        break;
    case DNS_TXT:
        dns_string_text(b, r->data);
        break;
    case DNS_SOA:
        dns_name_text(b, r->data); /* the rest of it is not kept */
        strbuf_add_str(b, " . 0 0 0 0 0");
        break;
    case DNS_CNAME:
    case DNS_PTR:
        dns_name_text(b, r->data);
        break;
    }
}
