/*
 * dnsbench.c - what a lookup costs: processor time and wall time, cold and cached, beside the floor of bare system calls.
 * A "message" asks six questions at once and waits for all of them, as a message with a few methods does.  The name server
 * is a process of its own, so its time is not counted.
 *
 *   dnsbench [-m MESSAGES] [-d DELAY_MS] [-t THREADS]...
 */
#include "../unit/dnsfake.h"

#include "base/clock.h"
#include "dns/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 6u
#define THREADS_MAX 64u

struct crew {
    struct resolver *resolver; /* NULL: bare system calls */
    uint16_t port;
    unsigned first, messages, step;
    const char *label;
    unsigned failed, wait_us_max;
    uint64_t wait_us;
};

static void
name_of(char *out, size_t size, const char *label, unsigned message, unsigned k)
{
    snprintf(out, size, "ok-%s%u.m%u.bench.example", label, k, message);
}

static void
one_message(struct crew *c, unsigned message)
{
    struct dns_session *s = dns_session_new(c->resolver, &(struct dns_limits){ 20000, 120 });
    char name[80];
    uint64_t began = clock_mono_us();
    for (unsigned k = 0; k < AT_ONCE; k++) {
        name_of(name, sizeof(name), c->label, message, k);
        dns_start(s, DNS_TXT, slice_from(name), NULL, NULL);
    }
    for (unsigned k = 0; k < AT_ONCE; k++) {
        name_of(name, sizeof(name), c->label, message, k);
        if (dns_lookup(s, DNS_TXT, slice_from(name))->status != DNS_OK)
            c->failed++;
    }
    uint64_t took = clock_mono_us() - began;
    c->wait_us += took;
    if (took > c->wait_us_max)
        c->wait_us_max = (unsigned)took;
    dns_session_free(s);
}

/* The least that six questions at once can cost on one socket: six sends, six receives. */
static void
bare_messages(struct crew *c)
{
    static const uint8_t query[] = "\x12\x34\1\x20\0\1\0\0\0\0\0\0\5ok-ab\2m1\5bench\7example\0\0\x10\0\1";
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    uint8_t reply[1500];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        abort();
    for (unsigned i = 0; i < c->messages; i++) {
        uint64_t began = clock_mono_us();
        for (unsigned k = 0; k < AT_ONCE; k++)
            if (send(fd, query, sizeof(query) - 1, 0) < 0)
                c->failed++;
        for (unsigned k = 0; k < AT_ONCE; k++)
            if (recv(fd, reply, sizeof(reply), 0) < 12)
                c->failed++;
        c->wait_us += clock_mono_us() - began;
    }
    close(fd);
}

static void *
run_crew(void *arg)
{
    struct crew *c = arg;
    if (c->resolver == NULL)
        bare_messages(c);
    else
        for (unsigned i = 0; i < c->messages; i++)
            one_message(c, c->first + i * c->step);
    return NULL;
}

static double
cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void
measure(const char *what, struct resolver *r, uint16_t port, const char *label, unsigned threads, unsigned messages, bool same)
{
    struct crew crews[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double cpu = cpu_us();
    uint64_t began = clock_mono_us(), wait_us = 0;
    unsigned failed = 0, worst = 0;
    for (unsigned i = 0; i < threads; i++) {
        crews[i] = (struct crew){ .resolver = r, .port = port, .first = same ? 0 : i, .step = same ? 0 : threads,
                                  .messages = messages / threads, .label = label };
        if (pthread_create(&ids[i], NULL, run_crew, &crews[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        wait_us += crews[i].wait_us;
        failed += crews[i].failed;
        worst = crews[i].wait_us_max > worst ? crews[i].wait_us_max : worst;
    }
    uint64_t took = clock_mono_us() - began;
    cpu = cpu_us() - cpu;
    getrusage(RUSAGE_SELF, &after);
    double lookups = (double)(messages / threads) * threads * AT_ONCE;
    printf("%-22s %7u %13.2f %15.0f %13.0f %11u %14.2f %6u\n", what, threads, cpu / lookups, lookups / ((double)took / 1e6),
           (double)wait_us / (lookups / AT_ONCE), worst,
           (double)(after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw) / lookups, failed);
}

/* A name server in a process of its own; its port. */
static pid_t
serve(unsigned delay_ms, uint16_t *port)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct dnsfake *f = dnsfake_start(0);
        dnsfake_delay_all(f, delay_ms);
        *port = dnsfake_port(f);
        if (write(ends[1], port, sizeof(*port)) != (ssize_t)sizeof(*port))
            exit(1);
        for (;;)
            pause();
    }
    if (child < 0 || read(ends[0], port, sizeof(*port)) != (ssize_t)sizeof(*port))
        exit(1);
    close(ends[0]);
    close(ends[1]);
    return child;
}

int
main(int argc, char **argv)
{
    unsigned messages = 4000, delay_ms = 0, threads[8] = { 1, 4, 16 }, n_threads = 3;
    bool given = false;
    for (int o; (o = getopt(argc, argv, "m:d:t:")) != -1;) {
        unsigned v = o == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);
        if (o == 'm')
            messages = v;
        else if (o == 'd')
            delay_ms = v;
        else if (o == 't' && v > 0 && v <= THREADS_MAX)
            n_threads = given ? n_threads : 0, given = true, threads[n_threads++ % 8] = v;
        else
            return fprintf(stderr, "usage: dnsbench [-m MESSAGES] [-d DELAY_MS] [-t THREADS]...\n"), 64;
    }
    uint16_t port = 0;
    pid_t server = serve(delay_ms, &port);
    char text[32];
    const char *servers[] = { text };
    snprintf(text, sizeof(text), "127.0.0.1@%u", port);
    struct resolver_network_options o = { .nameservers = servers, .n_nameservers = 1, .cache_entries = 200000 };
    struct strbuf error;
    struct resolver *r = NULL;
    strbuf_init(&error, 0);
    if (resolver_network_new(&o, &error, &r) != ST_OK)
        return fprintf(stderr, "%s\n", strbuf_str(&error)), 1;
    printf("%-22s %7s %13s %15s %13s %11s %14s %6s\n", "six at a time", "threads", "CPU us/lookup", "lookups/s", "wait us", "worst us",
           "switches/lookup", "failed");
    for (unsigned i = 0; i < n_threads && i < 8; i++) {
        char label[16];
        snprintf(label, sizeof(label), "t%u-", i);
        measure("bare send and receive", NULL, port, "", threads[i], messages, true);
        measure("cold", r, port, label, threads[i], messages, false);
        measure("cached", r, port, label, threads[i], messages, false);
        measure("cached, all the same", r, port, label, threads[i], messages * 10, true);
    }
    struct resolver_network_stats st = resolver_network_stats(r);
    printf("questions %llu, cached %llu, joined %llu, sent %llu, timeouts %llu\n", (unsigned long long)st.questions,
           (unsigned long long)st.from_cache, (unsigned long long)st.joined, (unsigned long long)st.sent, (unsigned long long)st.timeouts);
    resolver_free(r);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
