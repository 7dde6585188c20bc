/*
 * dump.c - the configuration as it stands, in the form in which it is written, so that a dump can be loaded again.
 */
#include "autoconf.h"

#include "config/load.h"

void
config_dump(const struct config *c, bool only_changed, struct strbuf *out)
{
    const struct snapshot *s = (const struct snapshot *)c;
    for (size_t i = 0; i < option_count; i++) {
        slice v = s->settings[i].is_set ? s->settings[i].value : slice_from(option_table[i].def);
        if (only_changed && slice_eq(v, slice_from(option_table[i].def)))
            continue;
        strbuf_add_str(out, option_table[i].name);
        if (v.n > 0)
            strbuf_add_char(out, ' ');
        strbuf_add(out, v);
        strbuf_add_char(out, '\n');
    }
}
