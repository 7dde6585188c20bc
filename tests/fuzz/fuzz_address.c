/* From fields and SMTP paths: what is read can be written in the plainest form and is then read the same again. */
#include <assert.h>
#include <string.h>

#include "base/strbuf.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_box(struct arena *a, const struct mailbox *m)
{
    struct strbuf b;
    struct mailbox_list again;
    assert(m->domain.n > 0);
    strbuf_init(&b, 0);
    strbuf_add_str(&b, "<\"");
    for (size_t i = 0; i < m->local_part.n; i++) {
        assert(m->local_part.p[i] != '\0' && m->local_part.p[i] != '\r' && m->local_part.p[i] != '\n');
        if (m->local_part.p[i] == '"' || m->local_part.p[i] == '\\')
            strbuf_add_char(&b, '\\');
        strbuf_add_char(&b, m->local_part.p[i]);
    }
    strbuf_add_str(&b, "\"@");
    strbuf_add(&b, m->domain);
    strbuf_add_char(&b, '>');
    assert(address_list_parse(a, strbuf_slice(&b), 1, &again) == ST_OK);
    assert(again.n == 1 && slice_eq(again.boxes[0].local_part, m->local_part));
    assert(slice_eq(again.boxes[0].domain, m->domain));
    strbuf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct arena *a = arena_new(0);
    struct mailbox_list l, fewer;
    struct mailbox m;
    assert(a != NULL);
    enum status st = address_list_parse(a, text, 50, &l);
    assert(st == ST_OK || st == ST_SYNTAX || st == ST_LIMIT);
    if (st == ST_OK) {
        assert(l.n <= 50 && memchr(text.p, '\0', text.n) == NULL);
        for (size_t i = 0; i < l.n; i++)
            check_box(a, &l.boxes[i]);
        assert(l.n == 0 || address_list_parse(a, text, l.n - 1, &fewer) == ST_LIMIT);
    }
    st = address_path_parse(a, text, &m);
    assert(st == ST_OK || st == ST_SYNTAX);
    if (st == ST_OK)
        assert(m.local_part.n + m.domain.n <= text.n);
    assert(arena_used(a) <= 400000 + 40 * size); /* memory is linear */
    arena_free(a);
    return 0;
}
