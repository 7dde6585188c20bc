/* spf_world.h - one SPF check over a zone text, for tests: what it says and what it asked. */
#ifndef VIDIMUS_TEST_SPF_WORLD_H
#define VIDIMUS_TEST_SPF_WORLD_H

#include "test.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/trace.h"
#include "dns/zone.h"
#include "second/second.h"
#include "spf/spf.h"

struct world {
    struct resolver *resolver;
    struct dns_session *dns;
    struct arena *arena;
    struct trace *trace;
    struct spf_request rq;
    struct spf_outcome out;
    unsigned questions, txt; /* distinct */
};

static inline void
world_count(void *arg, enum dns_type type, slice name, const struct dns_answer *answer)
{
    struct world *w = arg;
    (void)name, (void)answer;
    w->questions++;
    w->txt += type == DNS_TXT;
}

static inline void
world_open(struct world *w, const char *zone)
{
    static const struct dns_limits limits = { .timeout_ms = 20000, .max_queries = 1000 };
    struct strbuf errors;
    memset(w, 0, sizeof(*w));
    strbuf_init(&errors, 0);
    if (resolver_zone_new(slice_from(zone), &errors, &w->resolver) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
    w->dns = dns_session_new(w->resolver, &limits);
    w->arena = arena_new(0);
    w->trace = trace_new();
    assert_true(w->dns != NULL && w->arena != NULL);
    w->rq = (struct spf_request){ .scope = SPF_SCOPE_MFROM, .helo = SLICE("mx.example.net"), .sender_local = SLICE("user"),
                                  .receiver = SLICE("mta.example.org"), .now = 1700000000, .max_voids = 2 };
    assert_true(netaddr_parse(SLICE("192.0.2.1"), &w->rq.client));
}

static inline void
world_run(struct world *w, spf_engine *engine)
{
    assert_int_equal(engine(w->arena, w->dns, &w->rq, w->trace, &w->out), ST_OK);
    w->questions = w->txt = 0;
    dns_session_each(w->dns, world_count, w);
}

static inline void
world_close(struct world *w)
{
    dns_session_free(w->dns);
    resolver_free(w->resolver);
    trace_free(w->trace);
    arena_free(w->arena);
}

/* One check of `domain` over a zone; false, with all said, if the result is another one. */
static inline void
world_expect(const char *label, const char *zone, const char *client, const char *domain, enum spf_result want,
             const char *reason)
{
    struct world w;
    world_open(&w, zone);
    assert_true(netaddr_parse(slice_from(client), &w.rq.client));
    w.rq.sender_domain = slice_from(domain);
    spf_prefetch(w.arena, w.dns, &w.rq);
    world_run(&w, spf_check);
    if (w.out.result != want || (reason != NULL && !slice_eq(w.out.reason, slice_from(reason))))
        fail_msg("%s: got %s (%.*s), wanted %s (%s)", label, spf_result_name(w.out.result), SLICE_ARG(w.out.reason),
                 spf_result_name(want), reason == NULL ? "any reason" : reason);
    world_close(&w);
}

#endif
