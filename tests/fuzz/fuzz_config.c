/* The text of a configuration file: whatever it holds, it is read to its end or refused, line by line; what was taken stands
 * in the table's order and was text.  Includes and lists from files are left out: no fuzzer shall name files. */
#include "autoconf.h"

#include <assert.h>
#include <string.h>

#include "config/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    if (size > 65536 || slice_icontains(text, SLICE("include")) || slice_icontains(text, SLICE("file:")) || slice_has(text, '/') ||
        slice_icontains(text, SLICE("hostname")) || slice_has(text, '\0'))
        return 0;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    struct arena *a = arena_new(0);
    struct loading l = { .arena = a, .errors = &errors };
    l.settings = arena_array(a, option_count, sizeof(*l.settings));
    struct config *c = arena_zalloc(a, sizeof(*c));
    assert(l.settings != NULL && c != NULL);
    config_parse_text(&l, SLICE("fuzz"), text);
    for (size_t i = 0; i < option_count; i++) {
        struct setting *s = &l.settings[i];
        if (option_table[i].type == OT_AUTHSERV && !s->is_set)
            continue; /* the default asks the system for its name */
        unsigned before = l.problems;
        config_set_field(&l, c, i);
        assert(s->is_set || l.problems == before); /* a default is never wrong */
    }
    unsigned lines = 0;
    for (size_t i = 0; i < errors.n; i++)
        lines += errors.p[i] == '\n';
    assert(lines == l.problems);
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].type == OT_NETLIST)
            netlist_free(*(struct netlist **)((char *)c + option_table[i].offset));
    arena_free(a);
    strbuf_clear(&errors);
    return 0;
}
