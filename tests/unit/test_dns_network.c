/* The resolver on the network, against a name server of the test's own. */
#include "test.h"

#include "base/clock.h"
#include "dns/network.h"
#include "dnsfake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A question's time: long enough for a machine that stands still now and then, short enough for a test of what never answers. */
#define PATIENCE_MS 3000

static struct resolver *
network_of(const char *const *servers, size_t n, struct resolver_network_options o)
{
    struct resolver *r = NULL;
    struct strbuf error;
    strbuf_init(&error, 0);
    o.nameservers = servers;
    o.n_nameservers = n;
    if (resolver_network_new(&o, &error, &r) != ST_OK)
        fail_msg("%s", strbuf_str(&error));
    strbuf_clear(&error);
    return r;
}

static struct resolver *
network(const struct dnsfake *f, size_t cache_entries)
{
    const char *servers[] = { dnsfake_text(f) };
    return network_of(servers, 1, (struct resolver_network_options){ .cache_entries = cache_entries, .query_timeout_ms = PATIENCE_MS });
}

static struct dns_session *
session(struct resolver *r, unsigned timeout_ms)
{
    struct dns_session *s = dns_session_new(r, &(struct dns_limits){ timeout_ms, 100000 });
    assert_non_null(s);
    return s;
}

static const struct {
    const char *name;
    enum dns_type type;
    enum dns_status status;
    const char *data; /* of the first record, or its address */
    uint32_t ttl;
} cases[] = {
    { "ok.example", DNS_A, DNS_OK, "192.0.2.1", 300 },
    { "OK.Example.", DNS_AAAA, DNS_OK, "2001:db8::1", 300 },
    { "ok.example", DNS_MX, DNS_OK, "mx.example", 300 },
    { "ok.example", DNS_TXT, DNS_OK, "onetwo", 300 },
    { "ok.example", DNS_PTR, DNS_OK, "ptr.example", 300 },
    { "nx.example", DNS_A, DNS_NXDOMAIN, NULL, 60 },
    { "nodata.example", DNS_A, DNS_NODATA, NULL, 60 },
    { "nosoa.example", DNS_A, DNS_NODATA, NULL, 0 },
    { "servfail.example", DNS_A, DNS_SERVFAIL, NULL, 0 },
    { "refused.example", DNS_A, DNS_SERVFAIL, NULL, 0 },
    { "notimp.example", DNS_A, DNS_SERVFAIL, NULL, 0 },
    { "formerr.example", DNS_A, DNS_SERVFAIL, NULL, 0 },
    { "silent.example", DNS_A, DNS_TIMEOUT, NULL, 0 },
    { "slow.example", DNS_A, DNS_OK, "192.0.2.1", 300 },
    { "cname.example", DNS_A, DNS_OK, "192.0.2.1", 100 },
    { "dangling.example", DNS_A, DNS_OK, "192.0.2.1", 100 },
    { "cnx.example", DNS_A, DNS_NXDOMAIN, NULL, 60 },
    { "cnodata.example", DNS_A, DNS_NODATA, NULL, 60 },
    { "loop.example", DNS_A, DNS_SERVFAIL, NULL, 0 },
    { "endless.example", DNS_A, DNS_SERVFAIL, NULL, 0 },
    { "spoofed.example", DNS_TXT, DNS_OK, "onetwo", 300 },
    { "od\001d\377\0.example", DNS_A, DNS_OK, "192.0.2.1", 300 },
    { "a..example", DNS_A, DNS_BADNAME, NULL, 0 },
};

static void
check_case(struct dns_session *s, size_t i)
{
    char text[NETADDR_TEXT_MAX];
    const struct dns_answer *a = dns_lookup(s, cases[i].type, slice_from(cases[i].name));
    if (a->status != cases[i].status)
        fail_msg("%s %s: %s, wanted %s", dns_type_name(cases[i].type), cases[i].name, dns_status_name(a->status),
                 dns_status_name(cases[i].status));
    assert_int_equal(a->ttl, cases[i].ttl);
    if (cases[i].data == NULL) {
        assert_int_equal(a->n, 0);
        return;
    }
    assert_int_equal(a->n, 1);
    if (cases[i].type == DNS_A || cases[i].type == DNS_AAAA)
        assert_string_equal(netaddr_text(&a->records[0].addr, text), cases[i].data);
    else
        assert_slice(a->records[0].data, cases[i].data);
}

static void
test_statuses(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 0);
    struct dns_session *s = session(r, 20000);
    for (size_t i = 0; i < COUNT(cases); i++)
        check_case(s, i);
    dns_session_free(s);
    /* the same, all under way at once */
    s = session(r, 20000);
    for (size_t i = 0; i < COUNT(cases); i++)
        dns_start(s, cases[i].type, slice_from(cases[i].name), NULL, NULL);
    for (size_t i = 0; i < COUNT(cases); i++)
        check_case(s, i);
    assert_int_equal(dns_session_usage(s).questions, COUNT(cases) - 1);
    assert_int_equal(dns_session_usage(s).sent, COUNT(cases) - 1);
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

static void
test_sizes(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 0);
    struct dns_session *s = session(r, 15000);
    const struct dns_answer *a = dns_lookup(s, DNS_TXT, SLICE("wide.example"));
    assert_int_equal(a->status, DNS_OK);
    assert_int_equal(a->records[0].data.n, 900);
    assert_int_equal(dnsfake_count_tcp(f), 0);
    assert_int_equal(dnsfake_saw_edns(f), 1232);
    assert_true(dnsfake_saw_ad(f));
    a = dns_lookup(s, DNS_TXT, SLICE("big.example"));
    assert_int_equal(a->status, DNS_OK);
    assert_int_equal(a->records[0].data.n, 20000);
    assert_int_equal(dnsfake_count_tcp(f), 1);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(a->records[0].data.p[i], 'x');
    for (int i = 0; i < 20; i++) { /* many on one connection */
        char name[32];
        snprintf(name, sizeof(name), "big%d.example", i);
        dns_start(s, DNS_TXT, slice_from(name), NULL, NULL);
    }
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof(name), "big%d.example", i);
        assert_int_equal(dns_lookup(s, DNS_TXT, slice_from(name))->status, DNS_OK);
    }
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

/* A server from before EDNS: asked again without, and from then on. */
static void
test_without_edns(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 0);
    struct dns_session *s = session(r, 15000);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof(name), "badedns%d.example", i);
        assert_int_equal(dns_lookup(s, DNS_A, slice_from(name))->status, DNS_OK);
    }
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

static void
test_ad(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 10);
    struct dns_session *s = session(r, 15000);
    assert_true(dns_lookup(s, DNS_A, SLICE("ad.example"))->authenticated); /* loopback is believed */
    assert_false(dns_lookup(s, DNS_A, SLICE("ok.example"))->authenticated);
    dns_session_free(s);
    s = session(r, 5000);
    assert_true(dns_lookup(s, DNS_A, SLICE("ad.example"))->authenticated);
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

/* Dead servers: one that refuses, one that is silent; the living one answers, soon without trying the others first. */
#define ATTEMPT_MS 1000

static void
test_failover(void **state)
{
    (void)state;
    struct dnsfake *gone = dnsfake_start(0), *mute = dnsfake_start(0), *good = dnsfake_start(0);
    char dead[32];
    snprintf(dead, sizeof(dead), "%s", dnsfake_text(gone));
    dnsfake_stop(gone);
    dnsfake_delay_all(mute, 60000);
    const char *servers[] = { dead, dnsfake_text(mute), dnsfake_text(good) };
    struct resolver *r = network_of(servers, 3, (struct resolver_network_options){ .query_timeout_ms = 6 * ATTEMPT_MS });
    struct dns_session *s = session(r, 20000);
    uint64_t last = 0;
    for (int i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof(name), "ok%d.example", i);
        uint64_t began = clock_mono_ms();
        assert_int_equal(dns_lookup(s, DNS_A, slice_from(name))->status, DNS_OK);
        last = clock_mono_ms() - began;
    }
    assert_true(last < ATTEMPT_MS);
    assert_int_equal(dnsfake_count(good), 8);
    struct resolver_network_stats st = resolver_network_stats(r);
    assert_true(st.timeouts == 3 && st.unreachable >= 1);
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(mute);
    dnsfake_stop(good);
}

static void
test_next_after_servfail(void **state)
{
    (void)state;
    struct dnsfake *bad = dnsfake_start(0), *good = dnsfake_start(0);
    const char *servers[] = { dnsfake_text(bad), dnsfake_text(good) };
    struct resolver *r = network_of(servers, 2, (struct resolver_network_options){ .query_timeout_ms = PATIENCE_MS });
    struct dns_session *s = session(r, 20000);
    dnsfake_fail_all(bad, 2);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok1.example"))->status, DNS_OK);
    dnsfake_fail_all(bad, 5);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok2.example"))->status, DNS_OK);
    dnsfake_fail_all(good, 2);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok3.example"))->status, DNS_SERVFAIL);
    assert_int_equal(dnsfake_count(bad), 3); /* each asked once a question */
    assert_int_equal(dnsfake_count(good), 3);
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(bad);
    dnsfake_stop(good);
}

static void
test_all_dead(void **state)
{
    (void)state;
    struct dnsfake *gone = dnsfake_start(0);
    const char *servers[] = { dnsfake_text(gone) };
    struct resolver *r = network_of(servers, 1, (struct resolver_network_options){ .query_timeout_ms = 600 });
    dnsfake_stop(gone);
    struct dns_session *s = session(r, 20000);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok.example"))->status, DNS_TIMEOUT);
    dns_session_free(s);
    resolver_free(r);
}

/* A local resolver that restarts costs a message a moment, not its verdict. */
static void
test_restart(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    uint16_t port = dnsfake_port(f);
    const char *servers[] = { dnsfake_text(f) };
    struct resolver *r = network_of(servers, 1, (struct resolver_network_options){ .query_timeout_ms = 15000 });
    dnsfake_stop(f);
    struct dns_session *s = session(r, 60000);
    char name[32];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "ok%d.example", i);
        dns_start(s, DNS_A, slice_from(name), NULL, NULL);
    }
    nanosleep(&(struct timespec){ 0, 450000000 }, NULL);
    f = dnsfake_start(port);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "ok%d.example", i);
        assert_int_equal(dns_lookup(s, DNS_A, slice_from(name))->status, DNS_OK);
    }
    dnsfake_stop(f);
    uint64_t began = clock_mono_ms();
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok.example"))->status, DNS_TIMEOUT);
    assert_true(clock_mono_ms() - began < 12000); /* down is down */
    dns_start(s, DNS_A, SLICE("parked.example"), NULL, NULL);
    dns_session_free(s);
    resolver_free(r);
}

static double
cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* No descriptor is left for a socket.  The question ends as a timeout, nothing spins, and it recovers. */
static void
test_no_descriptors(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 0);
    struct dns_session *s = session(r, 20000);
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int taken[64];
    size_t n = 0;
    while (n < COUNT(taken) && (taken[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    double cpu = cpu_ms();
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok.example"))->status, DNS_TIMEOUT);
    cpu = cpu_ms() - cpu;
    setrlimit(RLIMIT_NOFILE, &before);
    while (n > 0)
        close(taken[--n]);
    assert_true(cpu < PATIENCE_MS / 10.0);
    assert_int_equal(dns_lookup(s, DNS_MX, SLICE("ok.example"))->status, DNS_OK);
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

static void
note_status(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    (void)s;
    atomic_store((atomic_int *)arg, (int)answer->status + 100);
}

/* The deadline of the message comes before the server is given up: both the sleeper and the callback hear of it in time. */
static void
test_deadline(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    const char *servers[] = { dnsfake_text(f) };
    struct resolver *r = network_of(servers, 1, (struct resolver_network_options){ .query_timeout_ms = 9000 });
    struct dns_session *s = session(r, 150);
    atomic_int said = 0;
    uint64_t began = clock_mono_ms();
    dns_start(s, DNS_A, SLICE("silent1.example"), note_status, &said);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("silent2.example"))->status, DNS_TIMEOUT);
    for (int i = 0; i < 1000 && atomic_load(&said) == 0; i++)
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    uint64_t took = clock_mono_ms() - began;
    assert_int_equal(atomic_load(&said), DNS_TIMEOUT + 100);
    assert_true(took >= 149 && took < 8000);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok.example"))->status, DNS_TIMEOUT); /* nothing is asked any more */
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

/* Many sessions, one question: one goes out. */
static void
test_joined(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 0);
    struct dns_session *s[50];
    unsigned sent = 0;
    dnsfake_delay_all(f, PATIENCE_MS / 6);
    for (size_t i = 0; i < COUNT(s); i++) {
        s[i] = session(r, 5000);
        dns_start(s[i], DNS_TXT, SLICE("ok.example"), NULL, NULL);
    }
    for (size_t i = 0; i < COUNT(s); i++) {
        assert_int_equal(dns_lookup(s[i], DNS_TXT, SLICE("ok.example"))->status, DNS_OK);
        sent += dns_session_usage(s[i]).sent;
        dns_session_free(s[i]);
    }
    assert_int_equal(sent, 1);
    assert_int_equal(dnsfake_count(f), 1);
    assert_int_equal(resolver_network_stats(r).joined, 49);
    resolver_free(r);
    dnsfake_stop(f);
}

static atomic_uint_fast64_t skew_ms;

static uint64_t
skewed_clock(void)
{
    return clock_mono_ms() + atomic_load(&skew_ms);
}

static unsigned
ask_once(struct resolver *r, struct dnsfake *f, const char *name, bool *cached)
{
    unsigned before = dnsfake_count(f);
    struct dns_session *s = session(r, 15000);
    *cached = dns_lookup(s, DNS_A, slice_from(name))->from_cache;
    assert_int_equal(dns_session_usage(s).questions, 1);
    dns_session_free(s);
    return dnsfake_count(f) - before;
}

static void
test_cache(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned ttl; /* for which the answer is kept, 0: not at all */
    } kept[] = { { "ok-ttl7.example", 7 },      { "nx.example", 60 },       { "nodata.example", 60 },
                 { "ok-ttl0.example", 0 },      { "nosoa.example", 0 },     { "servfail.example", 0 },
                 { "ok-ttl9999999.example", 86400 }, { "dangling.example", 100 } };
    struct dnsfake *f = dnsfake_start(0);
    const char *servers[] = { dnsfake_text(f) };
    struct resolver *r = network_of(servers, 1, (struct resolver_network_options){ .cache_entries = 100, .now_ms = skewed_clock });
    for (size_t i = 0; i < COUNT(kept); i++) {
        bool cached = false;
        assert_true(ask_once(r, f, kept[i].name, &cached) >= 1);
        assert_false(cached);
        assert_int_equal(ask_once(r, f, kept[i].name, &cached) == 0, kept[i].ttl > 0);
        assert_int_equal(cached, kept[i].ttl > 0);
        if (kept[i].ttl == 0)
            continue;
        atomic_fetch_add(&skew_ms, kept[i].ttl * 1000u - 900u);
        assert_int_equal(ask_once(r, f, kept[i].name, &cached), 0);
        atomic_fetch_add(&skew_ms, 901);
        assert_true(ask_once(r, f, kept[i].name, &cached) >= 1); /* never a stale one */
    }
    resolver_free(r);
    dnsfake_stop(f);
}

/* 10,000 replies changed at random, by fixed seeds.  Each question ends, with some status, in time. */
static void
test_mutated(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    const char *servers[] = { dnsfake_text(f) };
    struct resolver *r = network_of(servers, 1, (struct resolver_network_options){ .query_timeout_ms = 150, .cache_entries = 1000 });
    unsigned count[DNS_BUDGET + 1] = { 0 };
    static const enum dns_type types[] = { DNS_A, DNS_TXT, DNS_MX, DNS_PTR, DNS_AAAA };
    for (unsigned batch = 0; batch < 20; batch++) {
        struct dns_session *s = session(r, 10000);
        char name[40];
        for (unsigned i = 0; i < 500; i++) {
            snprintf(name, sizeof(name), "mutated%u.example", batch * 500 + i);
            dns_start(s, types[i % COUNT(types)], slice_from(name), NULL, NULL);
        }
        for (unsigned i = 0; i < 500; i++) {
            snprintf(name, sizeof(name), "mutated%u.example", batch * 500 + i);
            count[dns_lookup(s, types[i % COUNT(types)], slice_from(name))->status]++;
        }
        dns_session_free(s);
    }
    assert_int_equal(count[DNS_BADNAME] + count[DNS_BUDGET], 0);
    assert_true(count[DNS_OK] > 1000 && count[DNS_SERVFAIL] > 100);
    struct dns_session *s = session(r, 15000);
    assert_int_equal(dns_lookup(s, DNS_A, SLICE("ok.example"))->status, DNS_OK); /* and it goes on */
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

struct walk {
    atomic_uint left;
};

static void
walk_on(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    struct walk *w = arg;
    (void)answer;
    unsigned left = atomic_load(&w->left);
    if (left == 0)
        return;
    char name[32];
    snprintf(name, sizeof(name), "ok-walk%u.example", left);
    atomic_store(&w->left, left - 1);
    dns_start(s, DNS_TXT, slice_from(name), walk_on, w);
}

/* A chain goes on while the message's own thread does nothing at all. */
static void
test_chain(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 10);
    struct dns_session *s = session(r, 15000);
    struct walk w = { 30 };
    dns_start(s, DNS_TXT, SLICE("ok.example"), walk_on, &w);
    for (int i = 0; i < 2000 && atomic_load(&w.left) > 0; i++)
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    assert_int_equal(atomic_load(&w.left), 0);
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

static void
touch(void *arg, struct dns_session *s, const struct dns_answer *answer)
{
    (void)answer;
    atomic_fetch_add((atomic_uint *)arg, 1);
    dns_start(s, DNS_MX, SLICE("ok-more.example"), NULL, NULL);
}

static void
freed_in_flight(struct resolver *r, unsigned rounds, unsigned salt)
{
    for (unsigned round = 0; round < rounds; round++) {
        struct dns_session *s = session(r, 2000);
        atomic_uint *touched = malloc(sizeof(*touched)); /* gone with the session: a late callback would be seen */
        atomic_init(touched, 0);
        char name[40];
        for (unsigned k = 0; k < 3; k++) {
            snprintf(name, sizeof(name), "ok-free%u.example", (round * 7 + k + salt) % 997);
            dns_start(s, DNS_A, slice_from(name), touch, touched);
        }
        if (round % 3 == 0)
            dns_lookup(s, DNS_A, slice_from(name));
        if (round % 16 == 1)
            nanosleep(&(struct timespec){ 0, 100000 }, NULL);
        dns_session_free(s);
        free(touched);
    }
}

static void
test_freed_in_flight(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 0);
    freed_in_flight(r, 10000, 0);
    resolver_free(r); /* with questions still on their way */
    dnsfake_stop(f);
}

struct crowd {
    struct resolver *r;
    unsigned salt;
};

static void *
crowd_thread(void *arg)
{
    struct crowd *c = arg;
    freed_in_flight(c->r, 600, c->salt);
    for (unsigned i = 0; i < 300; i++) {
        struct dns_session *s = session(c->r, 20000);
        char name[40];
        for (unsigned k = 0; k < 6; k++) {
            snprintf(name, sizeof(name), "ok-crowd%u.example", (i * 5 + k) % 400);
            dns_start(s, DNS_TXT, slice_from(name), NULL, NULL);
        }
        for (unsigned k = 0; k < 6; k++) {
            snprintf(name, sizeof(name), "ok-crowd%u.example", (i * 5 + k) % 400);
            const struct dns_answer *a = dns_lookup(s, DNS_TXT, slice_from(name));
            if (a->status != DNS_OK || a->n != 1 || a->records[0].data.n != 6)
                abort();
        }
        dns_session_free(s);
    }
    return NULL;
}

/* Sixteen threads at one resolver with a small cache, so that everything happens at once: for ThreadSanitizer. */
static void
test_crowd(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 64);
    pthread_t threads[16];
    struct crowd crowd[16];
    for (size_t i = 0; i < COUNT(threads); i++) {
        crowd[i] = (struct crowd){ r, (unsigned)i * 31 };
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_thread, &crowd[i]), 0);
    }
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    resolver_free(r);
    dnsfake_stop(f);
}

/* Asleep when nothing is asked: no processor time, no wake-ups. */
static void
test_idle(void **state)
{
    (void)state;
    struct dnsfake *f = dnsfake_start(0);
    struct resolver *r = network(f, 10);
    struct dns_session *s = session(r, 15000);
    dns_lookup(s, DNS_A, SLICE("ok.example"));
    nanosleep(&(struct timespec){ 0, 400000000 }, NULL); /* the timer of that question has passed */
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    nanosleep(&(struct timespec){ 0, 700000000 }, NULL);
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_nvcsw - before.ru_nvcsw <= 20); /* ThreadSanitizer has a thread of its own */
    dns_session_free(s);
    resolver_free(r);
    dnsfake_stop(f);
}

static void
test_bad_nameserver(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "ns.example.org", "127.0.0.1@", "127.0.0.1@65536", "127.0.0.1:0", "[::1", "[::1]x53", "1.2.3" };
    static const char *const good[] = { "127.0.0.1", "127.0.0.1@5300", "127.0.0.1:5300", "::1", "::1@5300", "[::1]", "[::1]:5300", "[::1]@5300" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct resolver *r = NULL;
        struct strbuf error;
        strbuf_init(&error, 0);
        struct resolver_network_options o = { .nameservers = &bad[i], .n_nameservers = 1 };
        assert_int_equal(resolver_network_new(&o, &error, &r), ST_SYNTAX);
        assert_true(error.n > 0);
        strbuf_clear(&error);
    }
    for (size_t i = 0; i < COUNT(good); i++)
        resolver_free(network_of(&good[i], 1, (struct resolver_network_options){ .cache_entries = 1 }));
    resolver_free(network_of(NULL, 0, (struct resolver_network_options){ 0 })); /* the system's */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),         cmocka_unit_test(test_sizes),      cmocka_unit_test(test_without_edns),
        cmocka_unit_test(test_ad),               cmocka_unit_test(test_failover),   cmocka_unit_test(test_next_after_servfail),
        cmocka_unit_test(test_all_dead),         cmocka_unit_test(test_deadline),   cmocka_unit_test(test_joined),
        cmocka_unit_test(test_cache),            cmocka_unit_test(test_mutated),    cmocka_unit_test(test_chain),
        cmocka_unit_test(test_freed_in_flight),  cmocka_unit_test(test_crowd),      cmocka_unit_test(test_idle),
        cmocka_unit_test(test_bad_nameserver),   cmocka_unit_test(test_restart),
        cmocka_unit_test(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
