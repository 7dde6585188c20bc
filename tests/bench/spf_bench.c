/*
 * spf_bench.c - what an SPF check costs, and how long it takes when DNS does.
 * Usage: spf_bench [-n CHECKS] [-d DELAY_MS] [ZONE]     (ZONE: tests/bench/spf.zone)
 */
#include "autoconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "dns/zone.h"
#include "second/second.h"
#include "spf_bench.h"

static struct strbuf zone_text;

static bool
read_zone(const char *path)
{
    FILE *f = fopen(path, "r");
    char buf[4096];
    size_t n;
    if (f == NULL) {
        perror(path);
        return false;
    }
    strbuf_init(&zone_text, 0);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        strbuf_add(&zone_text, (slice){ buf, n });
    fclose(f);
    return true;
}

static struct resolver *
make_resolver(unsigned delay_ms)
{
    struct strbuf text, errors;
    struct resolver *r = NULL;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    strbuf_add(&text, strbuf_slice(&zone_text));
    if (delay_ms > 0) {
        strbuf_printf(&text, "$DELAY many.example. %u\n", delay_ms);
        for (int i = 0; i < 9; i++)
            strbuf_printf(&text, "$DELAY i%d.example. %u\n", i, delay_ms);
    }
    if (resolver_zone_new(strbuf_slice(&text), &errors, &r) != ST_OK)
        fprintf(stderr, "%s", strbuf_str(&errors));
    strbuf_clear(&text);
    strbuf_clear(&errors);
    return r;
}

/* One message's worth: a session, an arena, one check. */
static bool
check(struct resolver *r, const struct spf_bench_case *c, spf_engine *engine, bool early)
{
    static const struct dns_limits limits = { .timeout_ms = 20000, .max_queries = 120 };
    struct dns_session *dns = dns_session_new(r, &limits);
    struct arena *a = arena_new(0);
    struct spf_request rq = { .scope = SPF_SCOPE_MFROM, .helo = SLICE("mx.example.net"), .sender_local = SLICE("user"),
                              .sender_domain = slice_from(c->domain), .receiver = SLICE("mta.example.org"), .max_voids = 2 };
    struct spf_outcome o;
    netaddr_parse(slice_from(c->client), &rq.client);
    if (early)
        spf_prefetch(a, dns, &rq);
    bool same = engine(a, dns, &rq, NULL, &o) == ST_OK && strcmp(spf_result_name(o.result), c->result) == 0;
    dns_session_free(dns);
    arena_free(a);
    return same;
}

double
spf_bench_cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The best of some rounds: what is more is other people's load. */
static double
cost_us(struct resolver *r, const struct spf_bench_case *c, spf_engine *engine, bool early, unsigned count)
{
    double best = -1;
    for (int round = 0; round < SPF_BENCH_ROUNDS; round++) {
        double start = spf_bench_cpu_us();
        for (unsigned i = 0; i < count; i++)
            if (!check(r, c, engine, early))
                return -1;
        double took = (spf_bench_cpu_us() - start) / count;
        if (best < 0 || took < best)
            best = took;
    }
    return best;
}

static void
show(double us, double native)
{
    if (us < 0)
        printf(" %10s       ", "-");
    else
        printf(" %8.2f us %4.1fx", us, us / native);
}

static void
show_cost(unsigned count)
{
    struct resolver *r = make_resolver(0);
    printf("CPU time of a check with its answers in memory, session and arena included; ratios to the native engine\n");
    printf("%-34s %16s %16s %16s %16s\n", "", "native", "and prefetched", "libspf2, guarded", "libspf2, bare");
    for (size_t i = 0; i < COUNT(spf_bench_cases); i++) {
        const struct spf_bench_case *c = &spf_bench_cases[i];
        double native = cost_us(r, c, spf_check, false, count);
        printf("%-34s", c->label);
        show(native, native);
        show(cost_us(r, c, spf_check, true, count), native);
        show(second_spf() == NULL ? -1 : cost_us(r, c, second_spf(), false, count), native);
        show(spf_bench_bare_libspf2(strbuf_str(&zone_text), c, count), native);
        printf("\n");
    }
    resolver_free(r);
}

/* Ask for one name after the other, as a walk without looking ahead does. */
static void
walk_serially(struct resolver *r)
{
    static const struct dns_limits limits = { .timeout_ms = 20000, .max_queries = 120 };
    struct dns_session *dns = dns_session_new(r, &limits);
    char name[20];
    (void)dns_lookup(dns, DNS_TXT, SLICE("many.example"));
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "i%d.example", i);
        (void)dns_lookup(dns, DNS_TXT, slice_from(name));
    }
    dns_session_free(dns);
}

static void
show_delay(unsigned delay_ms)
{
    const struct spf_bench_case *c = &spf_bench_cases[COUNT(spf_bench_cases) - 1];
    static const char *const ways[] = { "native, prefetched at MAIL", "native, asked when needed", "libspf2, guarded", "one name after the other" };
    struct resolver *r = make_resolver(delay_ms);
    printf("\nNine includes on one level, each answer %u ms late\n", delay_ms);
    for (int way = 0; way < 4; way++) {
        uint64_t start = clock_mono_us();
        if (way == 2 && second_spf() == NULL)
            continue;
        if (way == 3)
            walk_serially(r);
        else if (!check(r, c, way == 2 ? second_spf() : spf_check, way == 0))
            printf("another result\n");
        double ms = (double)(clock_mono_us() - start) / 1000;
        printf("%-34s %8.1f ms, %4.1f round trips\n", ways[way], ms, ms / delay_ms);
    }
    resolver_free(r);
}

int
main(int argc, char **argv)
{
    unsigned count = 4000, delay_ms = 50;
    const char *path = "tests/bench/spf.zone";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            count = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-d") == 0 && i + 1 < argc)
            delay_ms = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            path = argv[i];
    }
    if (!read_zone(path))
        return 1;
    show_cost(count);
    if (delay_ms > 0)
        show_delay(delay_ms);
    strbuf_clear(&zone_text);
    return 0;
}
