/* A signature field: what is not objected to is complete and sane, and b= is found to the octet. */
#include <assert.h>
#include <string.h>

#include "dkim/verify.h"
#include "mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_printable(slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

static void
check_good(struct arena *a, const struct dkim_signature *s)
{
    assert(domain_is_name(s->d) && domain_is_name(s->s) && domain_labels(s->d) >= 2);
    assert(s->b.n > 0 && s->b_text.n > 0 && s->a.n > 0);
    assert(s->b_start <= s->b_end && s->b_end <= s->field->value.n);
    if (s->kind == SIGNATURE_DKIM) {
        assert(s->i.n > 0 && s->bh.n == 32 && dkim_signature_names_count(s, SLICE("from")) > 0);
        assert(!s->has_time || !s->has_expiry || s->expiry > s->time);
    }
    /* with b= emptied, nothing but b= is missing */
    struct strbuf text;
    struct dkim_signature again;
    struct dkim_objection o;
    strbuf_init(&text, 0);
    struct dkim_signature simple = *s;
    simple.header_canon = CANON_SIMPLE;
    assert(signature_field_add(a, &simple, &text) == ST_OK);
    slice raw = strbuf_slice(&text);
    assert(raw.n == s->field->raw.n - (s->b_end - s->b_start));
    struct header_field f = { .raw = raw, .name = slice_head(raw, s->field->name.n),
                              .value = slice_tail(raw, s->field->name.n + 1) };
    assert(dkim_signature_parse(a, &f, s->kind, false, &again, &o) == ST_OK);
    assert(o.code == DKIM_PERMERROR && slice_eq(o.reason, SLICE("required tag b= is empty")));
    assert(again.tags.n == s->tags.n);
    strbuf_clear(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    char *p = arena_alloc(a, size + 4);
    memcpy(p, "Sig:", 4);
    if (size > 0)
        memcpy(p + 4, data, size);
    struct header_field f = { .raw = { p, size + 4 }, .name = { p, 3 }, .value = { p + 4, size }, .nth = 1 };
    for (int kind = SIGNATURE_DKIM; kind <= SIGNATURE_SEAL; kind++) {
        struct dkim_signature s;
        struct dkim_objection o;
        assert(dkim_signature_parse(a, &f, (enum signature_kind)kind, false, &s, &o) == ST_OK);
        assert(is_printable(o.reason) && is_printable(s.d) && is_printable(s.s) && is_printable(s.a));
        assert((o.code == DKIM_NONE) == (o.reason.n == 0));
        assert(o.code == DKIM_NONE || o.code == DKIM_NEUTRAL || o.code == DKIM_PERMERROR);
        if (o.code == DKIM_NONE)
            check_good(a, &s);
    }
    arena_free(a);
    return 0;
}
