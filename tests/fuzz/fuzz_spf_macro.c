/*
 * Macros: the first line is a local part, the second a HELO name, the rest a text.  What a check accepts is expanded without
 * leaving any of them; a target fits DNS or is one label that no cut could help.
 */
#include <assert.h>
#include <string.h>

#include "spf/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_printable(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice all = { (const char *)data, size }, local, helo, text;
    slice_cut(all, '\n', &local, &all);
    slice_cut(all, '\n', &helo, &text);
    struct spf_macro_facts f = { .local = local, .helo = helo, .sender_domain = SLICE("sub.d.example"), .domain = SLICE("d.example"),
                                 .receiver = SLICE("mta.example.org"), .now = 1700000000 };
    netaddr_parse(size % 2 ? SLICE("192.0.2.1") : SLICE("2001:db8::1"), &f.client);
    struct strbuf b;
    strbuf_init(&b, 20000);
    bool explain = spf_macro_check_explain(text) == NULL;
    /* each grammar contains the next one */
    assert(explain || spf_macro_check_string(text) != NULL);
    assert(spf_macro_check_string(text) == NULL || spf_macro_check_domain_spec(text) != NULL);
    if (explain) {
        spf_macro_expand(&b, text, &f);
        assert(strbuf_status(&b) == ST_OK || strbuf_status(&b) == ST_LIMIT);
        if (is_printable(local) && is_printable(helo))
            assert(is_printable(strbuf_slice(&b)));
    }
    strbuf_clear(&b);
    strbuf_init(&b, 0);
    if (spf_macro_check_domain_spec(text) == NULL) {
        slice name;
        assert(spf_macro_target(&b, text, &f, &name) == ST_OK);
        assert(name.n <= 253 || !slice_has(name, '.'));
    }
    strbuf_clear(&b);
    return 0;
}
