/* Tag lists: names and values lie in the text, and written without white space around them they are the same list. */
#include <assert.h>

#include "base/strbuf.h"
#include "mail/taglist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct arena *a = arena_new(0);
    struct taglist l, again;
    struct strbuf b;
    assert(a != NULL);
    strbuf_init(&b, 0);
    enum status st = taglist_parse(a, text, &l);
    assert(st == ST_OK || st == ST_SYNTAX || st == ST_LIMIT);
    for (size_t i = 0; st == ST_OK && i < l.n; i++) {
        const struct tag *t = &l.tags[i];
        assert(t->value_start > 0 && t->value_start <= t->value_end && t->value_end <= size);
        assert(text.p[t->value_start - 1] == '=');
        assert(t->value_end == size || text.p[t->value_end] == ';');
        assert(slice_eq(t->value, slice_trim((slice){ text.p + t->value_start, t->value_end - t->value_start })));
        assert(!slice_has(t->value, ';') && taglist_find(&l, t->name) == t);
        slice bare = taglist_strip_fws(a, t->value);
        assert(bare.n <= t->value.n && !slice_has(bare, ' ') && !slice_has(bare, '\n'));
        strbuf_add(&b, t->name);
        strbuf_add_char(&b, '=');
        strbuf_add(&b, t->value);
        strbuf_add_char(&b, ';');
    }
    if (st == ST_OK) {
        assert(l.n > 0 && l.n <= 64);
        assert(taglist_parse(a, strbuf_slice(&b), &again) == ST_OK && again.n == l.n);
        for (size_t i = 0; i < l.n; i++)
            assert(slice_eq(l.tags[i].name, again.tags[i].name) && slice_eq(l.tags[i].value, again.tags[i].value));
    }
    strbuf_clear(&b);
    arena_free(a);
    return 0;
}
