#include "autoconf.h"

#include "report/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib's way of asking for the gzip format */

struct gzip {
    z_stream z;
    struct strbuf *out;
    bool failed;
};

struct gzip *
gzip_new(struct strbuf *out)
{
    struct gzip *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->out = out;
    if (deflateInit2(&g->z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK)
        return g;
    free(g);
    return NULL;
}

static bool
pump(struct gzip *g, slice in, int flush)
{
    unsigned char piece[16384];
    g->z.next_in = (unsigned char *)(uintptr_t)in.p;
    g->z.avail_in = (uInt)in.n;
    do {
        g->z.next_out = piece;
        g->z.avail_out = sizeof(piece);
        int rc = deflate(&g->z, flush);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            g->failed = true;
        strbuf_add(g->out, (slice){ (const char *)piece, sizeof(piece) - g->z.avail_out });
    } while (g->z.avail_out == 0 && !g->failed);
    return !g->failed && strbuf_status(g->out) == ST_OK;
}

bool
gzip_write(struct gzip *g, slice text)
{
    while (text.n > 0) { /* in pieces that fit zlib's counter */
        slice piece = slice_head(text, 1u << 30);
        if (!pump(g, piece, Z_NO_FLUSH))
            return false;
        text = slice_tail(text, piece.n);
    }
    return true;
}

enum status
gzip_finish(struct gzip *g)
{
    enum status st = pump(g, SLICE_EMPTY, Z_FINISH) ? ST_OK : ST_NOMEM;
    deflateEnd(&g->z);
    free(g);
    return st;
}
