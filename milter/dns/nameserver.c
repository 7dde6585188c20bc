#include "dns/nameserver.h"

#define DNS_PORT 53

static bool
read_port(slice text, uint16_t *port)
{
    uint64_t v = 0;
    if (!slice_to_u64(text, &v) || v == 0 || v > UINT16_MAX)
        return false;
    *port = (uint16_t)v;
    return true;
}

bool
nameserver_parse(slice text, struct nameserver *out)
{
    slice addr = text, port = SLICE_EMPTY;
    size_t close = slice_find(text, ']');
    out->port = DNS_PORT;
    if (slice_starts(text, SLICE("["))) {
        if (close == text.n)
            return false;
        addr = slice_tail(slice_head(text, close), 1);
        port = slice_tail(text, close + 1);
        if (port.n > 0 && port.p[0] != ':' && port.p[0] != '@')
            return false;
        if (port.n > 0 && !read_port(slice_tail(port, 1), &out->port))
            return false;
    } else if (slice_cut(text, '@', &addr, &port)) {
        if (!read_port(port, &out->port))
            return false;
    } else if (slice_find(text, ':') == slice_rfind(text, ':') &&
               slice_cut(text, ':', &addr, &port)) {
        if (!read_port(port, &out->port)) /* one colon: no IPv6 address has so few */
            return false;
    }
    return netaddr_parse(addr, &out->addr);
}

bool
nameserver_is_loopback(const struct nameserver *ns)
{
    static const struct netaddr v4 = { .family = 4, .bytes = { 127 } },
                                v6 = { .family = 6, .bytes = { [15] = 1 } };
    return netaddr_in(&ns->addr, &v4, 8) || netaddr_in(&ns->addr, &v6, 128);
}

size_t
nameservers_from_resolv_conf(slice text, struct nameserver out[NAMESERVERS_MAX])
{
    size_t n = 0;
    slice line;
    while (text.n > 0 && n < NAMESERVERS_MAX) {
        slice_cut(text, '\n', &line, &text);
        line = slice_trim(line);
        if (!slice_starts(line, SLICE("nameserver")) || line.n == 10 || !ascii_is_wsp(line.p[10]))
            continue;
        slice addr = slice_trim(slice_tail(line, 10));
        size_t end = 0;
        while (end < addr.n && !ascii_is_wsp(addr.p[end]))
            end++;
        if (nameserver_parse(slice_head(addr, end), &out[n]))
            n++;
    }
    if (n == 0)
        out[n++] = (struct nameserver){ .addr = { .family = 4, .bytes = { 127, 0, 0, 1 } },
                                        .port = DNS_PORT };
    return n;
}
