#include "mail/eml.h"
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* A line that has no end by then is judged by its beginning. */
#define LINE_JUDGED_AT ((size_t)16384)

struct eml {
    const struct eml_handler *h;
    void *arg;
    struct strbuf line, field; /* of the header: the line being read, the field it may continue */
    bool in_body, any_line;
    bool after_cr;             /* in the body: the last octet given on was CR */
    bool after_lf;             /* in the body: the last octet was the LF of a line end, or there was none */
    char *chunk;
    size_t chunk_n;
};

/* ---- the body */
static enum status
flush_chunk(struct eml *e)
{
    size_t n = e->chunk_n;
    e->chunk_n = 0;
    return n == 0 ? ST_OK : e->h->body(e->arg, (slice){ e->chunk, n });
}

static enum status
put_body(struct eml *e, slice s)
{
    enum status st = ST_OK;
    while (s.n > 0 && st == ST_OK) {
        size_t n = EML_CHUNK_MAX - e->chunk_n;
        n = s.n < n ? s.n : n;
        memcpy(e->chunk + e->chunk_n, s.p, n);
        e->chunk_n += n;
        s = slice_tail(s, n);
        if (e->chunk_n == EML_CHUNK_MAX)
            st = flush_chunk(e);
    }
    return st;
}

static enum status
feed_body(struct eml *e, slice s)
{
    enum status st = ST_OK;
    while (s.n > 0 && st == ST_OK) {
        size_t lf = slice_find(s, '\n');
        slice text = slice_head(s, lf);
        st = put_body(e, text);
        if (text.n > 0) {
            e->after_cr = text.p[text.n - 1] == '\r';
            e->after_lf = false;
        }
        if (lf < s.n && st == ST_OK) {
            st = put_body(e, e->after_cr ? SLICE("\n") : SLICE("\r\n"));
            e->after_cr = false;
            e->after_lf = true;
        }
        s = slice_tail(s, lf + 1);
    }
    return st;
}

/* ---- the header */

/* Octets before the ":" of a field, white space there included (RFC 5322 4.5); 0: no field begins so. */
static size_t
field_name_length(slice line)
{
    size_t colon = slice_find(line, ':'), n = colon;
    if (colon == line.n)
        return 0;
    while (n > 0 && ascii_is_wsp(line.p[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        if (line.p[i] <= ' ' || line.p[i] >= 0x7f)
            return 0;
    return n == 0 ? 0 : colon;
}

static enum status
flush_field(struct eml *e)
{
    slice field = strbuf_slice(&e->field);
    if (field.n == 0)
        return strbuf_status(&e->field);
    size_t name = field_name_length(field);
    enum status st = e->h->header(e->arg, slice_head(field, name), slice_tail(field, name + 1));
    strbuf_reset(&e->field);
    return st;
}

static enum status
end_header(struct eml *e)
{
    enum status st = flush_field(e);
    e->in_body = true;
    e->after_lf = true;
    return st == ST_OK ? e->h->eoh(e->arg) : st;
}

static bool
is_fold(const struct eml *e, slice line)
{
    return line.n > 0 && ascii_is_wsp(line.p[0]) && strbuf_slice(&e->field).n > 0;
}

/* One line of the header, without its line end. */
static enum status
take_line(struct eml *e, slice line)
{
    bool first = !e->any_line;
    e->any_line = true;
    if (is_fold(e, line)) {
        strbuf_add_str(&e->field, "\r\n");
        strbuf_add(&e->field, line);
        return strbuf_status(&e->field);
    }
    if (field_name_length(line) > 0) {
        enum status st = flush_field(e);
        strbuf_add(&e->field, line);
        return st == ST_OK ? strbuf_status(&e->field) : st;
    }
    if (first && slice_starts(line, SLICE("From ")))
        return ST_OK;
    enum status st = end_header(e);
    if (st == ST_OK && line.n > 0) {
        st = feed_body(e, line);
        if (st == ST_OK)
            st = feed_body(e, SLICE("\r\n"));
    }
    return st;
}

static enum status
take_whole_line(struct eml *e)
{
    slice line = strbuf_slice(&e->line);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    enum status st = take_line(e, line);
    strbuf_reset(&e->line);
    return st;
}

/* A very long line: no field and no fold begins so, hence the body does. */
static bool
is_hopeless(const struct eml *e)
{
    slice line = strbuf_slice(&e->line);
    bool is_mbox = !e->any_line && slice_starts(line, SLICE("From "));
    return line.n >= LINE_JUDGED_AT && !is_mbox && !is_fold(e, line) && field_name_length(line) == 0;
}

static enum status
feed(struct eml *e, slice s)
{
    enum status st = ST_OK;
    while (s.n > 0 && st == ST_OK && !e->in_body) {
        size_t lf = slice_find(s, '\n');
        bool whole = lf < s.n;
        size_t n = whole || s.n < LINE_JUDGED_AT ? lf : LINE_JUDGED_AT;
        strbuf_add(&e->line, slice_head(s, n));
        st = strbuf_status(&e->line);
        s = slice_tail(s, whole ? n + 1 : n);
        if (st != ST_OK) {
            break;
        } else if (whole) {
            st = take_whole_line(e);
        } else if (is_hopeless(e)) {
            st = end_header(e);
            if (st == ST_OK)
                st = feed_body(e, strbuf_slice(&e->line));
        }
    }
    return st == ST_OK && e->in_body ? feed_body(e, s) : st;
}

static enum status
finish(struct eml *e)
{
    enum status st = ST_OK;
    if (!e->in_body && strbuf_slice(&e->line).n > 0)
        st = take_whole_line(e);
    if (st == ST_OK && !e->in_body)
        st = end_header(e);
    if (st == ST_OK && !e->after_lf)
        st = feed_body(e, SLICE("\r\n"));
    return st == ST_OK ? flush_chunk(e) : st;
}

static enum status
begin(struct eml *e, const struct eml_handler *h, void *arg)
{
    *e = (struct eml){ .h = h, .arg = arg, .chunk = malloc(EML_CHUNK_MAX) };
    strbuf_init(&e->line, EML_FIELD_MAX);
    strbuf_init(&e->field, EML_FIELD_MAX);
    return e->chunk == NULL ? ST_NOMEM : ST_OK;
}

static void
end(struct eml *e)
{
    strbuf_clear(&e->line);
    strbuf_clear(&e->field);
    free(e->chunk);
}

enum status
eml_read_memory(slice message, const struct eml_handler *h, void *arg)
{
    struct eml e;
    enum status st = begin(&e, h, arg);
    if (st == ST_OK)
        st = feed(&e, message);
    if (st == ST_OK)
        st = finish(&e);
    end(&e);
    return st;
}

enum status
eml_read_file(FILE *f, const struct eml_handler *h, void *arg)
{
    struct eml e;
    enum status st = begin(&e, h, arg);
    char *in = malloc(EML_CHUNK_MAX);
    if (in == NULL)
        st = ST_NOMEM;
    while (st == ST_OK) {
        size_t n = fread(in, 1, EML_CHUNK_MAX, f);
        if (n == 0)
            break;
        st = feed(&e, (slice){ in, n });
    }
    if (st == ST_OK)
        st = ferror(f) ? ST_INTERNAL : finish(&e);
    free(in);
    end(&e);
    return st;
}
