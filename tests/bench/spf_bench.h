/* spf_bench.h - what spf_bench measures: checks over tests/bench/spf.zone. */
#ifndef VIDIMUS_BENCH_SPF_BENCH_H
#define VIDIMUS_BENCH_SPF_BENCH_H

struct spf_bench_case {
    const char *label, *domain, *client, *result;
};

static const struct spf_bench_case spf_bench_cases[] = {
    { "own networks, the first term", "plain.example", "198.51.100.77", "pass" },
    { "own networks, mx and a, -all", "plain.example", "192.0.2.99", "fail" },
    { "a provider, include in include", "mail.example", "192.0.2.9", "pass" },
    { "a provider, exists, ~all", "mail.example", "203.0.113.200", "softfail" },
    { "nine includes, the last one", "many.example", "192.0.2.9", "pass" },
};

#define SPF_BENCH_ROUNDS 5
double spf_bench_cpu_us(void); /* of this thread */

/* libspf2 alone with its own zone layer: microseconds a check, the best of some rounds; below 0 without it or if the result is another one. */
double spf_bench_bare_libspf2(const char *zone_text, const struct spf_bench_case *c, unsigned count);

#endif
