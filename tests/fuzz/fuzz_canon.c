/* Body canonicalisation: whatever the text, the chunks and the lengths, the same as the slow reading of RFC 6376 3.4. */
#include <assert.h>
#include <string.h>

#include "../unit/canon_reference.h"
#include "crypto/hash.h"
#include "mail/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct body_canon *b, int id, slice canonical, uint64_t limit)
{
    unsigned char want[HASH_SIZE_MAX];
    slice got = body_canon_digest(b, id);
    hash_once(HASH_SHA256, slice_head(canonical, limit < canonical.n ? (size_t)limit : canonical.n), want);
    assert(got.n == 32 && memcmp(got.p, want, 32) == 0);
    assert(body_canon_length(b, id) == canonical.n);
}

/* A CRLF that is no fold cannot stand in a field. */
static bool
is_field(slice text)
{
    for (size_t i = 0; i + 1 < text.n; i++)
        if (text.p[i] == '\r' && text.p[i + 1] == '\n' && (i + 2 == text.n || !ascii_is_wsp(text.p[i + 2])))
            return false;
    return slice_has(text, ':');
}

static void
check_header(slice text)
{
    size_t colon = slice_find(text, ':');
    if (!is_field(text))
        return;
    struct header_field f = { .raw = text, .name = slice_trim_wsp(slice_head(text, colon)), .value = slice_tail(text, colon + 1) };
    struct strbuf once, twice;
    strbuf_init(&once, 0);
    strbuf_init(&twice, 0);
    header_canon_add(&once, CANON_RELAXED, &f);
    assert(strbuf_status(&once) == ST_OK && once.n <= text.n);
    slice c = strbuf_slice(&once);
    struct header_field again = { .raw = c, .name = slice_head(c, f.name.n), .value = slice_tail(c, f.name.n + 1) };
    header_canon_add(&twice, CANON_RELAXED, &again); /* canonical text stays as it is */
    assert(slice_eq(strbuf_slice(&twice), c));
    strbuf_clear(&once);
    strbuf_clear(&twice);
}

/* The first three octets choose the size of the chunks and two lengths; the rest is the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct arena *a = arena_new(0);
    struct body_canon *b = body_canon_new(a);
    slice body = { (const char *)data + 3, size - 3 };
    const uint64_t limits[] = { CANON_NO_LIMIT, data[1], (uint64_t)data[2] * 16 };
    int ids[2][3];
    for (size_t c = 0; c < 2; c++)
        for (size_t i = 0; i < 3; i++)
            ids[c][i] = body_canon_want(b, (enum canon)c, limits[i]);
    for (size_t i = 0, step = (size_t)data[0] + 1; i < body.n; i += step)
        body_canon_feed(b, slice_head(slice_tail(body, i), step));
    assert(body_canon_finish(b) == ST_OK);
    for (size_t c = 0; c < 2; c++) {
        slice canonical = canon_reference(a, (enum canon)c, body);
        for (size_t i = 0; i < 3; i++)
            check(b, ids[c][i], canonical, limits[i]);
    }
    check_header(body);
    body_canon_clear(b);
    arena_free(a);
    return 0;
}
