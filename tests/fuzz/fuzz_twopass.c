/* The verdict of arrival as it comes back: nothing but our own text is believed. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline/twopass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct two_pass *
our_secret(void)
{
    static const char text[] = "0123456789abcdef0123456789abcdef\n";
    char path[] = "/tmp/vidimus-fuzz.XXXXXX";
    struct strbuf errors;
    strbuf_init(&errors, 0);
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
        abort();
    close(fd);
    struct two_pass *t = two_pass_load(path, &errors);
    unlink(path);
    strbuf_clear(&errors);
    return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct two_pass *t;
    static const struct header_limits limits = { 10, 1 << 20 };
    if (t == NULL)
        t = our_secret();
    struct arena *a = arena_new(1 << 24);
    struct header_list *h = header_list_new(a, &limits);
    if (header_list_add(h, SLICE(TWO_PASS_FIELD), (slice){ (const char *)data, size }) == ST_OK) {
        struct two_pass_verdict v;
        const char *why = NULL;
        enum status st = two_pass_read(a, t, h, 1790000000, 3600, &v, &why);
        assert(st != ST_OK || why == NULL);
        if (st == ST_OK) { /* then it is what we would have written */
            slice own = two_pass_make(a, t, h, &v);
            assert(own.p != NULL);
        }
    }
    arena_free(a);
    return 0;
}
