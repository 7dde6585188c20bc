/* Redaction: what comes out is plain lines, and no local part of the input's addresses stands before an "@" in it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mail/headers.h"
#include "record/failure.h"
#include "record/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(slice out)
{
    for (size_t i = 0; i < out.n; i++)
        assert(out.p[i] == '\n' || out.p[i] == '\t' || (out.p[i] >= ' ' && out.p[i] < 0x7f));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    slice in = { (const char *)data, size }, key = SLICE("0123456789abcdef");
    slice out = failure_redact(a, in, key);
    check_text(out);
    for (size_t at = slice_find(out, '@'); at < out.n; at += 1 + slice_find(slice_tail(out, at + 1), '@')) {
        size_t n = 0; /* before each "@" a hash of 24 characters, or nothing */
        while (n < at && (ascii_is_alnum(out.p[at - n - 1]) || out.p[at - n - 1] == '+' || out.p[at - n - 1] == '/'))
            n++;
        assert(n == 0 || n >= 24);
    }
    struct header_list *h = header_list_new(a, &(struct header_limits){ 100, 1 << 20 });
    slice name, value;
    if (slice_cut(in, ':', &name, &value) && header_list_add(h, name, value) == ST_OK)
        check_text(redact_headers(a, h, key));
    arena_free(a);
    return 0;
}
