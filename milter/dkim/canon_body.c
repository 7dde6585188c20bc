#include "dkim/canon.h"
#include "dkim/canon_scan.h"

#include <string.h>

#define STAGE_SIZE                                                                                 \
    ((size_t)16384) /* short pieces of relaxed text are collected here before they are hashed */
#define DIRECT_MIN ((size_t)1024) /* a piece this long is hashed where it lies */

/* One digest asked for: of the first `length` octets of a stream. */
struct want {
    struct want *next;    /* of the same stream and hash, ascending length */
    struct want *earlier; /* the one asked for before, of any stream: the list of ids */
    const struct stream *stream;
    size_t digest_size;
    uint64_t length;
    int id;
    bool done;
    unsigned char digest[HASH_SIZE_MAX];
};

struct digest {
    struct hash *hash;         /* NULL: not wanted */
    struct want *first, *open; /* open: the first that is not done yet */
};

/* The canonical text of one canonicalisation.  What may yet prove to be the empty lines at the end
 * is held back. */
struct stream {
    struct digest digests[2]; /* by enum hash_algorithm */
    uint64_t length;          /* canonical octets so far */
    uint64_t held_crlfs;
    bool held_cr; /* after those, and the last octet seen: perhaps the first half of one more */
    bool wanted;
};

struct body_canon {
    struct arena *arena;
    struct stream streams[2]; /* by enum canon */
    struct want *last;
    bool finished;
    enum status st;
    /* relaxed: the end of the last chunk was a run of white space, perhaps with a CR after it */
    bool wsp, wsp_cr;
    size_t staged;
    char *stage;
};

struct body_canon *
body_canon_new(struct arena *a)
{
    struct body_canon *b = arena_zalloc(a, sizeof(*b));
    if (b != NULL)
        b->arena = a;
    return b;
}

static struct want *
want_add(struct body_canon *b, struct stream *s, struct digest *d, uint64_t length)
{
    struct want **at = &d->first;
    while (*at != NULL && (*at)->length < length)
        at = &(*at)->next;
    if (*at != NULL && (*at)->length == length)
        return *at;
    struct want *w = arena_zalloc(b->arena, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->length = length;
    w->stream = s;
    w->id = b->last == NULL ? 0 : b->last->id + 1;
    w->earlier = b->last;
    b->last = w;
    w->next = *at;
    *at = w;
    d->open = d->first;
    return w;
}

int
body_canon_want_with(struct body_canon *b, enum hash_algorithm h, enum canon c, uint64_t length)
{
    struct stream *s = &b->streams[c];
    struct digest *d = &s->digests[h];
    if (c == CANON_RELAXED && b->stage == NULL &&
        (b->stage = arena_alloc(b->arena, STAGE_SIZE)) == NULL)
        return -1;
    if (d->hash == NULL && (d->hash = hash_new(h)) == NULL)
        return -1;
    struct want *w = want_add(b, s, d, length);
    if (w == NULL)
        return -1;
    w->digest_size = hash_size(h);
    s->wanted = true;
    return w->id;
}

int
body_canon_want(struct body_canon *b, enum canon c, uint64_t length)
{
    return body_canon_want_with(b, HASH_SHA256, c, length);
}

/* ---- the end of the line: canonical octets into the hashes, cut where somebody's l= ends */

static void
want_close(struct body_canon *b, struct digest *d)
{
    enum status st = hash_digest(d->hash, d->open->digest);
    if (st != ST_OK)
        b->st = st;
    d->open->done = true;
    d->open = d->open->next;
}

static void
emit(struct body_canon *b, struct stream *s, slice text)
{
    for (size_t i = 0; i < COUNT(s->digests); i++) {
        struct digest *d = &s->digests[i];
        slice rest = text;
        uint64_t at = s->length;
        while (d->open != NULL && d->open->length - at <= rest.n) {
            size_t part = (size_t)(d->open->length - at);
            hash_add(d->hash, slice_head(rest, part));
            rest = slice_tail(rest, part);
            at += part;
            want_close(b, d);
        }
        if (d->open != NULL)
            hash_add(d->hash, rest);
    }
    s->length += text.n;
}

static void
emit_held(struct body_canon *b, struct stream *s)
{
    static const char crlfs[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
    while (s->held_crlfs > 0) {
        uint64_t most = (sizeof(crlfs) - 1) / 2;
        size_t n = (size_t)(s->held_crlfs < most ? s->held_crlfs : most);
        emit(b, s, (slice){ crlfs, n * 2 });
        s->held_crlfs -= n;
    }
    if (s->held_cr)
        emit(b, s, SLICE("\r"));
    s->held_cr = false;
}

/* Hold back the CRLFs at the end of the text, pass on all before them.  Only the ends of the text
 * are looked at. */
static void
stream_feed(struct body_canon *b, struct stream *s, slice text)
{
    size_t from = 0, to = text.n;
    if (to == 0)
        return;
    if (s->held_cr && text.p[0] == '\n') {
        s->held_cr = false;
        s->held_crlfs++;
        from = 1;
    }
    if (!s->held_cr && s->held_crlfs > 0)
        while (to - from >= 2 && text.p[from] == '\r' && text.p[from + 1] == '\n') {
            s->held_crlfs++;
            from += 2;
        }
    if (from == to)
        return;
    if (!s->held_cr && to - from == 1 && text.p[from] == '\r') {
        s->held_cr = true;
        return;
    }
    emit_held(b, s);
    if (text.p[to - 1] == '\r') {
        s->held_cr = true;
        to--;
    }
    while (to - from >= 2 && text.p[to - 2] == '\r' && text.p[to - 1] == '\n') {
        s->held_crlfs++;
        to -= 2;
    }
    if (to > from)
        emit(b, s, (slice){ text.p + from, to - from });
}

/* ---- relaxed: white space within and at the end of lines (RFC 6376 3.4.4 a) */

static void
stage_flush(struct body_canon *b)
{
    stream_feed(b, &b->streams[CANON_RELAXED], (slice){ b->stage, b->staged });
    b->staged = 0;
}

static void
relaxed_out(struct body_canon *b, const char *p, size_t n)
{
    if (n > STAGE_SIZE - b->staged || n >= DIRECT_MIN)
        stage_flush(b);
    if (n >= DIRECT_MIN) {
        stream_feed(b, &b->streams[CANON_RELAXED], (slice){ p, n });
        return;
    }
    memcpy(b->stage + b->staged, p, n);
    b->staged += n;
}

/* text[i] follows a run of white space.  The run vanishes before CRLF and becomes one SP before all
 * else. */
static void
relaxed_run_end(struct body_canon *b, slice text, size_t i)
{
    if (i == text.n)
        b->wsp = true;
    else if (text.p[i] != '\r')
        relaxed_out(b, " ", 1);
    else if (i + 1 == text.n)
        b->wsp_cr = true;
    else if (text.p[i + 1] != '\n')
        relaxed_out(b, " ", 1);
}

static size_t
skip_wsp(slice text, size_t i)
{
    while (i < text.n && ascii_is_wsp(text.p[i]))
        i++;
    return i;
}

static void
relaxed_feed(struct body_canon *b, slice text)
{
    size_t i = 0;
    if (b->wsp_cr) {
        b->wsp_cr = false;
        relaxed_out(b, " \r", text.p[0] == '\n' ? 0 : 2);
        if (text.p[0] == '\n') {
            relaxed_out(b, "\r\n", 2);
            i = 1;
        }
    } else if (b->wsp) {
        i = skip_wsp(text, 0);
        b->wsp = false;
        relaxed_run_end(b, text, i);
        if (b->wsp_cr)
            return;
    }
    while (i < text.n) {
        size_t run = canon_scan(text.p, text.n, i);
        relaxed_out(b, text.p + i, run - i);
        if (run == text.n)
            return;
        i = skip_wsp(text, run);
        relaxed_run_end(b, text, i);
        if (b->wsp_cr)
            return;
    }
}

void
body_canon_feed(struct body_canon *b, slice chunk)
{
    if (chunk.n == 0 || b->finished)
        return;
    if (b->streams[CANON_SIMPLE].wanted)
        stream_feed(b, &b->streams[CANON_SIMPLE], chunk);
    if (b->streams[CANON_RELAXED].wanted)
        relaxed_feed(b, chunk);
}

enum status
body_canon_finish(struct body_canon *b)
{
    if (b->finished)
        return b->st;
    if (b->wsp_cr)
        relaxed_out(b, " \r", 2);
    if (b->staged > 0)
        stage_flush(b);
    for (size_t c = 0; c < COUNT(b->streams); c++) {
        struct stream *s = &b->streams[c];
        if (!s->wanted)
            continue;
        if (s->held_cr)
            emit_held(b, s);
        /* Empty lines at the end are dropped, one CRLF ends the body; only the relaxed form of
         * nothing is nothing. */
        if (c == CANON_SIMPLE || s->length > 0)
            emit(b, s, SLICE("\r\n"));
        for (size_t i = 0; i < COUNT(s->digests); i++)
            while (s->digests[i].open != NULL)
                want_close(b, &s->digests[i]);
    }
    b->finished = true;
    return b->st;
}

static const struct want *
want_find(const struct body_canon *b, int id)
{
    const struct want *w = b->last;
    while (w != NULL && w->id != id)
        w = w->earlier;
    return w;
}

slice
body_canon_digest(const struct body_canon *b, int id)
{
    const struct want *w = want_find(b, id);
    if (!b->finished || b->st != ST_OK || w == NULL)
        return SLICE_EMPTY;
    return (slice){ (const char *)w->digest, w->digest_size };
}

uint64_t
body_canon_length(const struct body_canon *b, int id)
{
    const struct want *w = want_find(b, id);
    return w == NULL ? 0 : w->stream->length;
}

void
body_canon_clear(struct body_canon *b)
{
    if (b == NULL)
        return;
    for (size_t c = 0; c < COUNT(b->streams); c++)
        for (size_t i = 0; i < COUNT(b->streams[c].digests); i++) {
            hash_free(b->streams[c].digests[i].hash);
            b->streams[c].digests[i].hash = NULL;
        }
}
