/*
 * dkim_early.c - what late DNS answers cost a message with three signatures and three ARC sets, each with a key of its own:
 * one round trip if all keys are asked for when their fields arrive, six if one is asked for after the other.
 * usage: dkim_early [DELAY-MS]      exit status 1 if it took more than two round trips
 */
#include "dkim_subject.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "dns/zone.h"

#define EACH 3u

static uint64_t
verify(struct subject *s)
{
    const struct dns_limits limits = { 20000, 120 };
    const struct dkim_result *r;
    struct arc_result arc;
    size_t n;
    uint64_t start = clock_mono_us();
    struct arena *a = arena_new(0);
    struct dns_session *session = dns_session_new(s->dns, &limits);
    struct header_list *l = subject_headers(a, strbuf_slice(&s->header));
    struct dkim *d = dkim_new(a, session, s->keys, &s->options);
    struct arc *c = arc_new(a, session, s->keys, &s->options);
    struct body_canon *canon = body_canon_new(a);
    for (size_t i = 0; i < header_list_count(l); i++) {
        dkim_add_field(d, header_list_at(l, i));
        arc_header(c, header_list_at(l, i));
    }
    dkim_header_end(d, l, SLICE("example.org"), canon);
    arc_eoh(c, l, canon);
    subject_feed(canon, s->body);
    body_canon_finish(canon);
    if (dkim_finish(d, NULL, &r, &n) != ST_OK || arc_finish(c, NULL, &arc) != ST_OK)
        die("dkim_early: no result");
    for (size_t i = 0; i < n; i++)
        if (r[i].result != DKIM_PASS)
            die("dkim_early: a signature does not pass");
    if (arc.status != ARC_PASS || arc.sets != EACH || n != EACH)
        die("dkim_early: the chain does not pass");
    unsigned asked = dns_session_usage(session).questions;
    uint64_t took = clock_mono_us() - start;
    printf("%u keys asked for, ", asked);
    body_canon_clear(canon);
    dns_session_free(session);
    arena_free(a);
    return took;
}

int
main(int argc, char **argv)
{
    long delay = argc > 1 ? atol(argv[1]) : 50;
    struct subject s = { .options = { .min_rsa_bits = 1024, .max_rsa_bits = 8192, .max_signatures = 20,
                                      .clock_skew_s = 300, .now = clock_wall_s() } };
    struct strbuf zone, errors, data;
    struct arena *a = arena_new(0);
    struct private_key *k = private_key_make(SIGN_RSA_SHA256, 2048);
    strbuf_init(&zone, 0);
    strbuf_init(&errors, 0);
    strbuf_init(&data, 0);
    strbuf_init(&s.header, 0);
    if (k == NULL || private_key_public(k, &data) != ST_OK)
        die("dkim_early: no key");
    for (unsigned i = 0; i < 2 * EACH; i++) {
        char name = i < EACH ? 's' : 'a';
        unsigned number = i < EACH ? i : i - EACH + 1;
        strbuf_printf(&zone, "$DELAY %c%u._domainkey.example.org %ld\n%c%u._domainkey.example.org. TXT \"p=", name, number, delay,
                      name, number);
        base64_encode(&zone, strbuf_slice(&data));
        strbuf_add_str(&zone, "\"\n");
    }
    if (resolver_zone_new(strbuf_slice(&zone), &errors, &s.dns) != ST_OK)
        die(strbuf_str(&errors));
    s.keys = key_cache_new(100);
    s.body = subject_body(a, 2048);
    strbuf_add_str(&s.header, subject_fields);
    for (unsigned i = 0; i < EACH; i++)
        subject_add_signature(&s, k, CANON_RELAXED, i);
    for (unsigned i = 1; i <= EACH; i++)
        subject_add_set(&s, k, i);
    double took = (double)verify(&s) / 1000;
    printf("answers %ld ms late: %.1f ms, %.2f round trips\n", delay, took, took / (double)delay);
    resolver_free(s.dns);
    key_cache_free(s.keys);
    private_key_free(k);
    strbuf_clear(&zone);
    strbuf_clear(&errors);
    strbuf_clear(&data);
    strbuf_clear(&s.header);
    arena_free(a);
    return took > 2 * (double)delay;
}
