/* Zone text and recorded answers.  What a zone answers, written down, must be read again and answer the same. */
#include "dns/replay.h"
#include "dns/zone.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_MX, DNS_PTR, DNS_CNAME, DNS_SOA };
static const struct dns_limits limits = { 60000, 100 };

static void
ask_all(struct dns_session *s)
{
    for (size_t i = 0; i < COUNT(types); i++) {
        dns_start(s, types[i], SLICE("a.example"), NULL, NULL);
        dns_start(s, types[i], SLICE("b.a.example"), NULL, NULL);
        dns_start(s, types[i], SLICE("example"), NULL, NULL);
    }
}

static void
compare(void *arg, enum dns_type type, slice name, const struct dns_answer *a)
{
    if (a == NULL)
        return; /* delayed */
    const struct dns_answer *b = dns_lookup(arg, type, name);
    assert(a->status == b->status && a->n == b->n && a->ttl >= b->ttl);
    for (size_t i = 0; i < a->n; i++) {
        assert(slice_eq(a->records[i].data, b->records[i].data));
        assert(a->records[i].preference == b->records[i].preference);
        assert(type == DNS_TXT || a->records[i].addr.family == 0 || netaddr_equal(&a->records[i].addr, &b->records[i].addr));
    }
}

static void
write_and_read(struct resolver *zone)
{
    struct strbuf text, errors;
    struct resolver *replay = NULL;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    struct dns_session *s = dns_session_new(zone, &limits);
    ask_all(s);
    dns_session_write(s, 1700000000, &text);
    enum status st = resolver_replay_new(strbuf_slice(&text), &errors, NULL, &replay);
    assert(st == ST_OK);
    struct dns_session *again = dns_session_new(replay, &limits);
    dns_session_each(s, compare, again);
    dns_session_free(again);
    dns_session_free(s);
    resolver_free(replay);
    strbuf_clear(&text);
    strbuf_clear(&errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice text = { (const char *)data, size };
    struct strbuf errors;
    struct resolver *r = NULL;
    strbuf_init(&errors, 0);
    if (resolver_zone_new(text, &errors, &r) == ST_OK) {
        assert(errors.n == 0);
        write_and_read(r);
        resolver_free(r);
    } else {
        assert(errors.n > 0);
    }
    strbuf_reset(&errors);
    if (resolver_replay_new(text, &errors, NULL, &r) == ST_OK)
        resolver_free(r);
    strbuf_clear(&errors);
    return 0;
}
