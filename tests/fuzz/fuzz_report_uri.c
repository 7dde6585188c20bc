/* Where a report may go: one address, an atom before the "@", a name behind it; nothing a mail program could read otherwise. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mail/domain.h"
#include "report/destinations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    slice address, again;
    if (destination_parse(a, (slice){ (const char *)data, size }, &address) == ST_OK) {
        slice host = destination_host(address), local = slice_head(address, address.n - host.n - 1);
        assert(domain_is_name(host) && local.n > 0 && local.n <= 64 && local.p[0] != '-');
        for (size_t i = 0; i < address.n; i++)
            assert(address.p[i] > ' ' && address.p[i] < 0x7f && memchr(",;<>()[]\\\"", address.p[i], 10) == NULL);
        assert(!slice_has(local, '@'));
        /* What is in it can be written as a URI again, and is the same address. */
        slice uri = arena_printf(a, "mailto:%.*s", SLICE_ARG(address));
        if (!slice_has(local, '%') && !slice_has(local, '?') && !slice_has(local, '!') && !slice_has(local, '#') && !slice_has(local, '^') &&
            !slice_has(local, '`') && !slice_has(local, '{') && !slice_has(local, '|') && !slice_has(local, '}'))
            assert(destination_parse(a, uri, &again) == ST_OK && slice_eq(again, address));
    }
    arena_free(a);
    return 0;
}
