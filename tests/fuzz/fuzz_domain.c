/* Domain names: whatever comes out is a name, and itself its own name. */
#include <assert.h>

#include "mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size }, name, again;
    struct arena *a = arena_new(0);
    assert(a != NULL);
    enum status st = domain_from_text(a, text, &name);
    assert(st == ST_OK || st == ST_SYNTAX);
    assert(!domain_is_name(text) || (st == ST_OK && slice_eq(text, name)));
    if (st == ST_OK) {
        assert(domain_is_name(name));
        assert(domain_from_text(a, name, &again) == ST_OK && slice_eq(name, again));
        size_t labels = domain_labels(name);
        for (slice s = name; s.n > 0; s = domain_parent(s), labels--) {
            assert(domain_is_name(s) && domain_labels(s) == labels);
            assert(slice_eq(domain_last_labels(name, labels), s) && domain_equal_or_below(name, s));
        }
        assert(labels == 0);
    }
    arena_free(a);
    return 0;
}
