/* Replies of name servers: the first octet chooses the type asked for, the rest is the message.  Asked: a.example. */
#include "dns/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_MX, DNS_PTR, DNS_CNAME, DNS_SOA };
    if (size == 0)
        return 0;
    enum dns_type type = types[data[0] % COUNT(types)];
    struct dns_reply r;
    dns_message_read(data + 1, size - 1, type, SLICE("a.example"), &r);
    assert(r.readable || r.found.n == 0);
    assert(!r.readable || r.status == DNS_OK || r.found.n == 0);
    assert(!r.unfinished || (r.target_n > 0 && r.target_n <= DNS_NAME_MAX));
    struct dns_result *result = result_builder_finish(&r.found, r.status, r.ttl, false, 0);
    size_t octets = 0;
    for (size_t i = 0; i < result->n; i++) {
        slice d = result->records[i].data;
        for (size_t k = 0; k < d.n; k++)
            octets += (unsigned char)d.p[k]; /* sanitizers see a slice that leaves its block */
        assert(type == DNS_TXT || d.n <= DNS_NAME_MAX);
        assert(type == DNS_TXT || slice_find(d, 'A') == d.n);
    }
    assert(octets <= size * 255 * 64);
    dns_result_drop(result);
    return 0;
}
