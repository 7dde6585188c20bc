#include "autoconf.h"

#include "report/batch_internal.h"
#include "base/arena.h"
#include "crypto/hash.h"
#include "report/line.h"
#include "report/row.h"

#include <stdlib.h>
#include <string.h>

#define ASIDE_TEXT_MAX 4096

static void *
room(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t next = *cap == 0 ? 256 : *cap * 2;
    void *p = next > SIZE_MAX / size ? NULL : realloc(array, next * size);
    if (p != NULL)
        *cap = next;
    return p;
}

static bool
set_aside(struct batch *b, uint64_t at, const char *reason, slice line)
{
    struct aside *all = room(b->aside, b->n_aside, &b->cap_aside, sizeof(*all));
    if (all == NULL)
        return false;
    b->aside = all;
    struct strbuf shown; /* printable: whatever is in there, the database takes it as text */
    strbuf_init(&shown, 0);
    line = slice_head(line, ASIDE_TEXT_MAX);
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if (c >= 0x20 && c < 0x7f)
            strbuf_add_char(&shown, (char)c);
        else
            strbuf_printf(&shown, "\\x%02x", c);
    }
    struct aside *a = &b->aside[b->n_aside];
    *a = (struct aside){ at, arena_slice(b->arena, slice_from(reason)), strbuf_finish(&shown, b->arena) };
    if (a->reason.p == NULL || a->text.p == NULL)
        return false;
    b->n_aside++;
    return true;
}

/* "day\tpart\tpart" into b->key. */
static slice
key_of(struct batch *b, int day, slice part1, slice part2, slice part3)
{
    strbuf_reset(&b->key);
    strbuf_printf(&b->key, "%d", day);
    const slice parts[] = { part1, part2, part3 };
    for (size_t i = 0; i < COUNT(parts); i++) {
        strbuf_add_char(&b->key, '\t');
        strbuf_add(&b->key, parts[i]);
    }
    return strbuf_slice(&b->key);
}

static bool
add_policy(struct batch *b, const struct line *l)
{
    struct tally_cell *c = tally_cell(b->policies, key_of(b, l->day, l->policy_domain, SLICE_EMPTY, SLICE_EMPTY));
    if (c == NULL)
        return false;
    if (c->text.p != NULL && l->time_ms < c->time)
        return true;
    strbuf_reset(&b->text);
    row_policy_text(l, &b->text);
    slice now = strbuf_slice(&b->text);
    if (!slice_eq(c->text, now))
        c->text = tally_keep(b->policies, now);
    c->time = l->time_ms;
    return c->text.p != NULL;
}

/* The row's key is what is grouped on; its digest is what the store can index. */
static bool
add_row(struct batch *b, const struct line *l, struct entry *e)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[HASH_SIZE_MAX];
    char text[40];
    strbuf_reset(&b->text);
    row_key(l, &b->text);
    if (strbuf_status(&b->text) != ST_OK || hash_once(HASH_SHA256, strbuf_slice(&b->text), digest) != ST_OK)
        return false;
    for (size_t i = 0; i < sizeof(text) / 2; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    e->row = tally_cell(b->rows, key_of(b, l->day, l->policy_domain, (slice){ text, sizeof(text) }, SLICE_EMPTY));
    if (e->row != NULL && e->row->text.p == NULL) {
        strbuf_reset(&b->text);
        row_text(l, &b->text);
        if (strbuf_status(&b->text) != ST_OK)
            return false;
        e->row->text = tally_keep(b->rows, strbuf_slice(&b->text));
    }
    return e->row != NULL && e->row->text.p != NULL;
}

/* Which sealer, exemption or rule alone let a message through that the published policy would not have. */
static bool
add_let(struct batch *b, const struct line *l, struct entry *e)
{
    if (!slice_eq(l->dmarc_result, SLICE("fail")) || !slice_eq(l->action, SLICE("accept")) || l->disposition.n == 0 ||
        slice_eq(l->disposition, SLICE("none")))
        return true;
    slice kind, name = SLICE_EMPTY;
    if (l->exempt) {
        kind = SLICE("exemption");
        name = l->authenticated ? SLICE("authenticated") : SLICE("IgnoreHosts");
    } else if (l->arc_trusted) {
        kind = SLICE("sealer");
        name = l->sealer;
    } else if (l->rule.n > 0) {
        kind = SLICE("rule");
        name = slice_head(l->rule, 100);
    } else {
        kind = SLICE("enforcement");
    }
    e->let = tally_cell(b->let, key_of(b, l->day, l->author, kind, name));
    return e->let != NULL;
}

static bool
add_traffic(struct batch *b, const struct line *l, struct entry *e)
{
    unsigned char *n = e->traffic_add;
    n[T_MESSAGES] = 1;
    n[T_SPF] = l->spf_aligned;
    n[T_DKIM] = l->dkim_aligned;
    n[T_PASSED] = slice_eq(l->dmarc_result, SLICE("pass"));
    n[T_QUARANTINED] = slice_eq(l->action, SLICE("quarantine"));
    n[T_REJECTED] = slice_eq(l->action, SLICE("reject"));
    n[T_DEFERRED] = slice_eq(l->action, SLICE("tempfail"));
    n[T_WOULD_QUARANTINE] = slice_eq(l->would, SLICE("quarantine"));
    n[T_WOULD_REJECT] = slice_eq(l->would, SLICE("reject"));
    e->traffic = tally_cell(b->traffic, key_of(b, l->day, l->author, l->source, SLICE_EMPTY));
    return e->traffic != NULL;
}

static bool
add_record(struct batch *b, const struct line *l, slice text)
{
    struct tally_cell *seen = tally_cell(b->ids, key_of(b, l->day, l->id, SLICE_EMPTY, SLICE_EMPTY));
    if (seen == NULL)
        return false;
    if (seen->n[0]++ > 0) {
        b->duplicates++;
        return true;
    }
    struct entry *all = room(b->entries, b->n, &b->cap, sizeof(*all));
    if (all == NULL)
        return false;
    b->entries = all;
    struct entry *e = &b->entries[b->n];
    *e = (struct entry){
        .time_ms = l->time_ms,
        .day = l->day,
        .text = text,
        .id = arena_slice(b->arena, l->id),
        .author = arena_slice(b->arena, l->author),
        .source = arena_slice(b->arena, l->source),
    };
    if (e->id.p == NULL || e->author.p == NULL || e->source.p == NULL || !add_traffic(b, l, e) || !add_let(b, l, e))
        return false;
    if (row_reportable(l) && (!add_policy(b, l) || !add_row(b, l, e)))
        return false;
    b->n++;
    return true;
}

static bool
add_line(struct batch *b, uint64_t at, slice text)
{
    char reason[160];
    struct line l;
    b->lines++;
    if (slice_has(text, '\0') || !line_read(text, b->place.now, &l, reason, sizeof(reason)))
        return set_aside(b, at, slice_has(text, '\0') ? "a NUL octet" : reason, text);
    bool ok = add_record(b, &l, text);
    line_clear(&l);
    return ok;
}

struct batch *
batch_read(const struct batch_place *p, slice text, bool torn)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->place = *p;
    b->arena = arena_new(0);
    b->ids = tally_new();
    b->rows = tally_new();
    b->policies = tally_new();
    b->traffic = tally_new();
    b->let = tally_new();
    strbuf_init(&b->key, 0);
    strbuf_init(&b->text, 0);
    bool ok = b->arena != NULL && b->ids != NULL && b->rows != NULL && b->policies != NULL && b->traffic != NULL && b->let != NULL;
    uint64_t at = p->from;
    for (slice line, rest = text; ok && rest.n > 0; at = p->from + (text.n - rest.n)) {
        bool ended = slice_cut(rest, '\n', &line, &rest);
        if (!ended)
            rest = SLICE_EMPTY;
        if (line.n == 0)
            continue;
        ok = ended || !torn ? add_line(b, at, line) : set_aside(b, at, "the line was never finished", line);
    }
    if (ok)
        return b;
    batch_free(b);
    return NULL;
}

void
batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    tally_free(b->ids);
    tally_free(b->rows);
    tally_free(b->policies);
    tally_free(b->traffic);
    tally_free(b->let);
    arena_free(b->arena);
    strbuf_clear(&b->key);
    strbuf_clear(&b->text);
    free(b->entries);
    free(b->aside);
    free(b);
}

uint64_t
batch_records(const struct batch *b)
{
    uint64_t known = 0;
    for (size_t i = 0; i < b->n; i++)
        known += b->entries[i].duplicate;
    return b->n - known;
}

uint64_t
batch_set_aside(const struct batch *b)
{
    return b->n_aside;
}

uint64_t
batch_duplicates(const struct batch *b)
{
    return b->duplicates + b->n - batch_records(b);
}
