#include "base/netlist.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void
set_v6(struct netaddr *out, const uint8_t bytes[16])
{
    memset(out, 0, sizeof(*out));
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        out->family = 4;
        memcpy(out->bytes, bytes + 12, 4);
    } else {
        out->family = 6;
        memcpy(out->bytes, bytes, 16);
    }
}

bool
netaddr_parse(slice text, struct netaddr *out)
{
    char buf[NETADDR_TEXT_MAX];
    uint8_t bytes[16];
    if (text.n == 0 || text.n >= sizeof(buf) || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(buf, text.p, text.n);
    buf[text.n] = '\0';
    if (inet_pton(AF_INET, buf, bytes) == 1) {
        memset(out, 0, sizeof(*out));
        out->family = 4;
        memcpy(out->bytes, bytes, 4);
        return true;
    }
    if (inet_pton(AF_INET6, buf, bytes) != 1)
        return false;
    set_v6(out, bytes);
    return true;
}

struct netaddr
netaddr_from_sockaddr(const struct sockaddr *sa)
{
    struct netaddr a = { 0 };
    if (sa == NULL)
        return a;
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        a.family = 4;
        memcpy(a.bytes, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        set_v6(&a, in6.sin6_addr.s6_addr);
    }
    return a;
}

const char *
netaddr_text(const struct netaddr *a, char buf[NETADDR_TEXT_MAX])
{
    buf[0] = '\0';
    if (a->family == 4)
        inet_ntop(AF_INET, a->bytes, buf, NETADDR_TEXT_MAX);
    else if (a->family == 6)
        inet_ntop(AF_INET6, a->bytes, buf, NETADDR_TEXT_MAX);
    return buf;
}

bool
netaddr_equal(const struct netaddr *a, const struct netaddr *b)
{
    return netaddr_in(a, b, a->family == 4 ? 32 : 128);
}

bool
netaddr_in(const struct netaddr *a, const struct netaddr *net, unsigned prefix)
{
    if (a->family == 0 || a->family != net->family)
        return false;
    unsigned max = a->family == 4 ? 32 : 128;
    if (prefix > max)
        prefix = max;
    unsigned whole = prefix / 8, bits = prefix % 8;
    if (memcmp(a->bytes, net->bytes, whole) != 0)
        return false;
    return bits == 0 || ((a->bytes[whole] ^ net->bytes[whole]) >> (8 - bits)) == 0;
}

const char *
netaddr_reverse_name(const struct netaddr *a, char buf[80])
{
    buf[0] = '\0';
    if (a->family == 4)
        snprintf(buf, 80, "%u.%u.%u.%u.in-addr.arpa", a->bytes[3], a->bytes[2], a->bytes[1],
                 a->bytes[0]);
    if (a->family != 6)
        return buf;
    static const char hex[] = "0123456789abcdef";
    char *p = buf;
    for (size_t i = 16; i-- > 0;) {
        *p++ = hex[a->bytes[i] & 15];
        *p++ = '.';
        *p++ = hex[a->bytes[i] >> 4];
        *p++ = '.';
    }
    memcpy(p, "ip6.arpa", sizeof("ip6.arpa"));
    return buf;
}

struct entry {
    bool except;
    char *name; /* NULL: an address or network */
    struct netaddr net;
    unsigned prefix;
};

struct netlist {
    struct entry *entries;
    size_t n, cap;
};

struct netlist *
netlist_new(void)
{
    return calloc(1, sizeof(struct netlist));
}

static bool
parse_network(slice text, struct entry *e)
{
    slice host, bits;
    bool has_prefix = slice_cut(text, '/', &host, &bits);
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (slice){ host.p + 1, host.n - 2 };
    if (!netaddr_parse(host, &e->net))
        return false;
    unsigned max = e->net.family == 4 ? 32 : 128;
    e->prefix = max;
    uint64_t v;
    if (!has_prefix)
        return true;
    if (!slice_to_u64(bits, &v) || v > max)
        return false;
    e->prefix = (unsigned)v;
    return true;
}

static bool
is_host_name(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '-' && s.p[i] != '_')
            return false;
    /* a name of digits and dots alone is a mistyped address */
    for (size_t i = 0; i < s.n; i++)
        if (ascii_is_alpha(s.p[i]))
            return s.n <= 254;
    return false;
}

enum status
netlist_add(struct netlist *l, slice text)
{
    struct entry e = { 0 };
    text = slice_trim(text);
    if (text.n > 0 && text.p[0] == '!') {
        e.except = true;
        text = slice_trim(slice_tail(text, 1));
    }
    if (!parse_network(text, &e)) {
        if (!is_host_name(text))
            return ST_SYNTAX;
        e.name = malloc(text.n + 1);
        if (e.name == NULL)
            return ST_NOMEM;
        memcpy(e.name, text.p, text.n);
        e.name[text.n] = '\0';
    }
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 8 : l->cap * 2;
        struct entry *grown = realloc(l->entries, cap * sizeof(*grown));
        if (grown == NULL) {
            free(e.name);
            return ST_NOMEM;
        }
        l->entries = grown;
        l->cap = cap;
    }
    l->entries[l->n++] = e;
    return ST_OK;
}

void
netlist_free(struct netlist *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++)
        free(l->entries[i].name);
    free(l->entries);
    free(l);
}

size_t
netlist_count(const struct netlist *l)
{
    return l == NULL ? 0 : l->n;
}

static bool
name_fits(slice pattern, slice name)
{
    if (pattern.n > 0 && pattern.p[0] == '.')
        return name.n > pattern.n && slice_iends(name, pattern);
    return slice_ieq(pattern, name);
}

bool
netlist_has(const struct netlist *l, const struct netaddr *a, slice verified_name)
{
    if (l == NULL)
        return false;
    if (verified_name.n > 0 && verified_name.p[verified_name.n - 1] == '.')
        verified_name.n--;
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *e = &l->entries[i];
        bool fits = e->name == NULL ? netaddr_in(a, &e->net, e->prefix)
                                    : name_fits(slice_from(e->name), verified_name);
        if (fits)
            return !e->except;
    }
    return false;
}
