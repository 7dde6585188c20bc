/* KeyTable and SigningTable: what is read keeps its promises, whatever stands in the file. */
#include <assert.h>
#include <stdint.h>

#include "mail/domain.h"
#include "pipeline/key_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct strbuf errors;
    strbuf_init(&errors, 1 << 16);
    struct key_table *t = key_table_parse(text, "f", &errors);
    assert((t == NULL) == (errors.n > 0));
    strbuf_reset(&errors);
    if (t != NULL) {
        for (size_t i = 0; i < key_table_count(t); i++) {
            const struct key_entry *e = key_table_at(t, i), *now = key_table_pick(t, e->name, INT64_MAX);
            assert(now != NULL && now->from >= e->from && slice_eq(now->name, e->name));
            assert(domain_is_name(e->selector) && (slice_eq(e->domain, SLICE("%")) || domain_is_name(e->domain)));
            assert(e->path.n > 0 && e->path.p[0] == '/');
        }
        struct signer_keys list = { 0 };
        assert(key_table_list(t, &list) == ST_OK && list.n <= key_table_count(t));
        signer_keys_clear(&list);
        key_table_free(t);
    }
    struct key_table *keys = key_table_parse(SLICE("a d.example:s:/k\nb d.example:s:/k\n"), "f", &errors);
    struct signing_table *s = signing_table_parse(text, "f", keys, &errors);
    if (s != NULL) {
        slice name = signing_table_match(s, SLICE("aaaaaaaaaa"), SLICE("aaaa.aaaa.example"));
        assert(name.n == 0 || slice_eq(name, SLICE("a")) || slice_eq(name, SLICE("b")) || slice_eq(name, SLICE("aaaa.aaaa.example")));
    }
    signing_table_free(s);
    key_table_free(keys);
    strbuf_clear(&errors);
    return 0;
}
