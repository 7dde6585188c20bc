#include "dns/replay.h"
#include "dns/backend.h"
#include "dns/name.h"
#include "dns/rdata.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 64u

/* ---- writing ---- */

static void
write_answer(void *arg, enum dns_type type, slice name, const struct dns_answer *a)
{
    struct strbuf *out = arg;
    enum dns_status status = a == NULL ? DNS_TIMEOUT : a->status;
    if (status == DNS_BADNAME)
        return; /* judged by the session, which never asks for it */
    strbuf_add_str(out, "$ANSWER ");
    dns_name_text(out, name);
    strbuf_printf(out, " %s %s %u%s\n", dns_type_name(type), dns_status_name(status),
                  a == NULL ? 0u : (unsigned)a->ttl, a != NULL && a->authenticated ? " ad" : "");
    for (size_t i = 0; a != NULL && i < a->n; i++) {
        strbuf_add_str(out, dns_type_name(type));
        strbuf_add_char(out, ' ');
        rdata_write(out, type, &a->records[i]);
        strbuf_add_char(out, '\n');
    }
}

void
dns_session_write(struct dns_session *s, int64_t now, struct strbuf *out)
{
    if (now != 0)
        strbuf_printf(out, "$NOW %" PRId64 "\n", now);
    dns_session_each(s, write_answer, out);
}

/* ---- answering ---- */

struct kept_answer {
    enum dns_type type;
    slice name;
    struct dns_result *result;
    struct kept_answer *next;
};

struct replay {
    struct resolver base;
    struct arena *arena;
    struct kept_answer *buckets[BUCKETS];
};

static struct kept_answer *
find(const struct replay *r, enum dns_type type, slice name)
{
    struct kept_answer *k = r->buckets[slice_hash(name, (uint64_t)type) % BUCKETS];
    while (k != NULL && !(k->type == type && slice_eq(k->name, name)))
        k = k->next;
    return k;
}

static struct dns_result *
replay_ask(struct resolver *r, struct dns_request *req)
{
    struct kept_answer *k = find((struct replay *)(void *)r, req->type, req->name);
    req->sent = true;
    return k == NULL ? dns_result_static(DNS_TIMEOUT) : dns_result_hold(k->result);
}

static void
replay_free(struct resolver *base)
{
    struct replay *r = (struct replay *)(void *)base;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct kept_answer *k = r->buckets[i]; k != NULL; k = k->next)
            dns_result_drop(k->result);
    arena_free(r->arena);
    free(r);
}

static const struct resolver_ops replay_ops = { .ask = replay_ask,
                                                .free = replay_free,
                                                .holds_all_answers = true };

/* ---- reading ---- */

struct reader {
    struct replay *replay;
    int64_t now;
    bool open; /* between a $ANSWER and the next one */
    enum dns_type type;
    slice name;
    enum dns_status status;
    uint32_t ttl;
    bool authenticated;
    struct result_builder records;
};

static bool
status_by_name(slice word, enum dns_status *out)
{
    static const enum dns_status all[] = { DNS_OK,       DNS_NODATA,  DNS_NXDOMAIN,
                                           DNS_SERVFAIL, DNS_TIMEOUT, DNS_BUDGET };
    for (size_t i = 0; i < COUNT(all); i++) {
        if (slice_eq(word, slice_from(dns_status_name(all[i])))) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

/* The answer read last goes into the table.  NULL, or what is wrong with it. */
static const char *
close_answer(struct reader *in)
{
    if (!in->open)
        return NULL;
    in->open = false;
    if ((in->status == DNS_OK) != (in->records.n > 0)) {
        result_builder_clear(&in->records);
        return "the answer before this line has records and is not ok, or is ok and has none";
    }
    struct kept_answer *k = arena_zalloc(in->replay->arena, sizeof(*k));
    if (k == NULL) {
        result_builder_clear(&in->records);
        return zone_no_memory;
    }
    struct kept_answer **bucket =
        &in->replay->buckets[slice_hash(in->name, (uint64_t)in->type) % BUCKETS];
    *k = (struct kept_answer){ .type = in->type, .name = in->name, .next = *bucket };
    k->result = result_builder_finish(&in->records, in->status, in->ttl, in->authenticated,
                                      clock_mono_ms());
    *bucket = k;
    return NULL;
}

/* name type status TTL [ad] */
static const char *
open_answer(struct reader *in, const struct zone_word *words, size_t n)
{
    static const char *const usage =
        "$ANSWER wants a name, a type, a status, a TTL, and perhaps ad";
    bool kept = false;
    if (n < 4 || n > 5 || (n == 5 && !slice_eq(words[4].raw, SLICE("ad"))))
        return usage;
    const char *wrong = zone_name(in->replay->arena, words[0].raw, SLICE_EMPTY, &in->name);
    if (wrong != NULL)
        return wrong;
    if (!rdata_type(words[1].raw, &in->type, &kept) || !kept ||
        !status_by_name(words[2].raw, &in->status) || !zone_ttl(words[3].raw, &in->ttl))
        return usage;
    if (find(in->replay, in->type, in->name) != NULL)
        return "this question has an answer already";
    in->authenticated = n == 5;
    in->open = true;
    return NULL;
}

static const char *
read_line(struct reader *in, const struct zone_word *words, size_t n)
{
    struct dns_record record;
    enum dns_type type = DNS_A;
    bool kept = false;
    if (slice_eq(words[0].raw, SLICE("$ANSWER"))) {
        const char *wrong = close_answer(in);
        return wrong != NULL ? wrong : open_answer(in, words + 1, n - 1);
    }
    if (slice_eq(words[0].raw, SLICE("$NOW"))) {
        uint64_t now = 0;
        if (n != 2 || !slice_to_u64(words[1].raw, &now))
            return "$NOW wants a Unix time";
        in->now = (int64_t)now;
        return NULL;
    }
    if (!in->open)
        return "$ANSWER is wanted";
    if (!rdata_type(words[0].raw, &type, &kept) || type != in->type)
        return "a record of the type asked for is wanted";
    const char *wrong = rdata_read(in->replay->arena, type, words + 1, n - 1, SLICE_EMPTY, &record);
    if (wrong != NULL)
        return wrong;
    struct dns_record *r = result_builder_add(&in->records, record.data);
    if (r == NULL)
        return zone_no_memory;
    r->addr = record.addr;
    r->preference = record.preference;
    return NULL;
}

static enum status
read_replay(struct replay *r, slice text, struct strbuf *errors, int64_t *now)
{
    struct zone_lexer lexer;
    struct reader in = { .replay = r };
    enum status st = ST_OK;
    bool more = true;
    result_builder_init(&in.records);
    zone_lexer_init(&lexer, text);
    while (st != ST_NOMEM && more) {
        enum status line = zone_lexer_next(&lexer, &more);
        const char *wrong = line == ST_OK ? NULL : line == ST_NOMEM ? zone_no_memory : lexer.error;
        if (!more)
            wrong = close_answer(&in);
        else if (line == ST_OK)
            wrong = read_line(&in, lexer.words, lexer.n);
        if (wrong != NULL) {
            strbuf_printf(errors, "line %u: %s\n", lexer.first_line, wrong);
            st = wrong == zone_no_memory ? ST_NOMEM : ST_SYNTAX;
        }
    }
    result_builder_clear(&in.records);
    zone_lexer_clear(&lexer);
    if (now != NULL)
        *now = in.now;
    return st;
}

enum status
resolver_replay_new(slice text, struct strbuf *errors, int64_t *now, struct resolver **out)
{
    struct replay *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ST_NOMEM;
    r->base.ops = &replay_ops;
    r->arena = arena_new(0);
    enum status st = r->arena == NULL ? ST_NOMEM : read_replay(r, text, errors, now);
    if (st == ST_OK)
        *out = &r->base;
    else
        replay_free(&r->base);
    return st;
}
