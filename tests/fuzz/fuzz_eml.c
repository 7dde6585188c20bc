/*
 * Messages and header lists: every field keeps its octets and is found by name and number; the body has CRLF line ends;
 * the message put together again is read the same.
 */
#include <assert.h>

#include "base/strbuf.h"
#include "mail/eml.h"
#include "mail/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct header_list *list;
    struct strbuf all;
    bool in_body;
};

static enum status
on_header(void *arg, slice name, slice value)
{
    struct seen *s = arg;
    assert(!s->in_body && name.n > 0);
    strbuf_add(&s->all, name);
    strbuf_add_char(&s->all, ':');
    strbuf_add(&s->all, value);
    strbuf_add_str(&s->all, "\r\n");
    return header_list_add(s->list, name, value);
}

static enum status
on_eoh(void *arg)
{
    struct seen *s = arg;
    assert(!s->in_body);
    s->in_body = true;
    strbuf_add_str(&s->all, "\r\n");
    return ST_OK;
}

static enum status
on_body(void *arg, slice chunk)
{
    struct seen *s = arg;
    assert(s->in_body && chunk.n > 0 && chunk.n <= EML_CHUNK_MAX);
    strbuf_add(&s->all, chunk);
    return ST_OK;
}

static void
check_list(struct arena *a, const struct header_list *l)
{
    for (size_t i = 0; i < header_list_count(l); i++) {
        const struct header_field *f = header_list_at(l, i);
        assert(f->raw.n >= f->name.n + 1 + f->value.n && f->value.p + f->value.n == f->raw.p + f->raw.n);
        assert(header_list_find(l, f->name, f->nth) == f);
        assert(f->nth <= header_list_count_name(l, f->name));
        assert(header_unfold(a, f->value).n <= f->value.n);
    }
}

static void
read_message(struct arena *a, slice text, struct seen *s)
{
    static const struct eml_handler handler = { on_header, on_eoh, on_body };
    *s = (struct seen){ .list = header_list_new(a, &(struct header_limits){ 0 }) };
    strbuf_init(&s->all, 0);
    assert(s->list != NULL);
    enum status st = eml_read_memory(text, &handler, s);
    assert(st == ST_OK || (st == ST_LIMIT && text.n > EML_FIELD_MAX));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct arena *a = arena_new(0);
    struct seen first, second;
    assert(a != NULL);
    read_message(a, text, &first);
    check_list(a, first.list);
    slice all = strbuf_slice(&first.all);
    for (size_t i = 0; i < all.n; i++)
        assert(all.p[i] != '\n' || (i > 0 && all.p[i - 1] == '\r'));
    assert(all.n >= 2 && all.p[all.n - 1] == '\n');
    read_message(a, all, &second);
    assert(slice_eq(all, strbuf_slice(&second.all)));
    strbuf_clear(&first.all);
    strbuf_clear(&second.all);
    arena_free(a);
    return 0;
}
