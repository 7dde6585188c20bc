/*
 * The same zone asked twice: as text in memory, and from NSD through the resolver on the network.  Each is the other's
 * oracle, for the wildcards of RFC 4592, empty non-terminals, CNAMEs, escapes, truncation.  Skipped where NSD is missing.
 */
#include "test.h"

#include "dns/network.h"
#include "dns/zone.h"
#include "dnsfake.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NSD "/usr/sbin/nsd"

static const char zone_text[] =
    "$ORIGIN example.org.\n"
    "$TTL 300\n"
    "@ SOA ns hostmaster ( 1 3600 600\n 86400 60 ) ; more\n"
    "@ NS ns\n"
    "ns A 127.0.0.1\n"
    "@ MX 10 mx\n@ MX 20 mx2.example.net.\n@ TXT \"v=spf1 \" \"mx -all\"\n"
    "mx A 192.0.2.1\nmx A 192.0.2.2\nmx AAAA 2001:db8::1\nmx AAAA ::ffff:192.0.2.1\n"
    "nullmx MX 0 .\n"
    "alias CNAME mx\nchain CNAME alias\nto-nothing CNAME nothing\nto-ent CNAME ent\nto-wild CNAME x.wild\n"
    "*.wild TXT \"wild \\\"one\\\" \\065\\;\"\n*.wild A 192.0.2.3\nthere.wild MX 5 mx\n*.sub.there.wild A 192.0.2.9\n"
    "*.cwild CNAME alias\n"
    "a.b.ent A 192.0.2.4\n"
    "under_score.x-y TXT under\n_dmarc TXT \"v=DMARC1; p=none\"\n"
    "sel._domainkey TXT ( \"v=DKIM1; \"\n  \"p=AAAA\" )\n"
    "odd\\001\\200name A 192.0.2.5\nUPPER A 192.0.2.6\n"
    "empty TXT \"\"\ntwo TXT a b\ntwo TXT c\n"
    "ptr PTR HOST.Example.NET.\n";

static const char *const names[] = {
    "example.org", "EXAMPLE.org.", "ns.example.org", "mx.example.org", "nullmx.example.org", "alias.example.org",
    "chain.example.org", "to-nothing.example.org", "to-ent.example.org", "to-wild.example.org", "wild.example.org",
    "x.wild.example.org", "y.x.wild.example.org", "there.wild.example.org", "x.there.wild.example.org",
    "sub.there.wild.example.org", "x.sub.there.wild.example.org", "x.cwild.example.org", "cwild.example.org",
    "ent.example.org", "b.ent.example.org", "a.b.ent.example.org", "x.b.ent.example.org", "x-y.example.org",
    "under_score.x-y.example.org", "_dmarc.example.org", "_domainkey.example.org", "sel._domainkey.example.org",
    "none._domainkey.example.org", "odd\001\200name.example.org", "upper.example.org", "empty.example.org",
    "two.example.org", "ptr.example.org", "nothing.example.org", "a.nothing.example.org", "big.example.org", "many.example.org",
};
static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_MX, DNS_PTR, DNS_CNAME };

static void
write_file(const char *dir, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
remove_file(const char *dir, const char *name)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
}

static pid_t
start_nsd(const char *dir, const char *zone, uint16_t *port)
{
    struct dnsfake *f = dnsfake_start(0); /* finds a port that is free for UDP and TCP */
    char conf[2000];
    *port = dnsfake_port(f);
    dnsfake_stop(f);
    snprintf(conf, sizeof(conf),
             "server:\n ip-address: 127.0.0.1@%u\n username: \"\"\n chroot: \"\"\n zonesdir: \"%s\"\n pidfile: \"%s/pid\"\n"
             " database: \"\"\n logfile: \"%s/log\"\n zonelistfile: \"%s/list\"\n xfrdfile: \"%s/xfrd\"\n xfrdir: \"%s\"\n"
             " server-count: 1\n minimal-responses: yes\nremote-control:\n control-enable: no\n"
             "zone:\n name: example.org\n zonefile: zone\n",
             *port, dir, dir, dir, dir, dir, dir);
    write_file(dir, "conf", conf);
    write_file(dir, "zone", zone);
    char conf_path[300];
    snprintf(conf_path, sizeof(conf_path), "%s/conf", dir);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(NSD, NSD, "-d", "-c", conf_path, (char *)NULL);
        _exit(127);
    }
    return child;
}

static bool
gone_soon(pid_t child)
{
    for (int i = 0; i < 30; i++) {
        if (waitpid(child, NULL, WNOHANG) == child)
            return true;
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    }
    return false;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Status and records, sorted: a server may turn them round. */
static void
answer_text(const struct dns_answer *a, enum dns_type type, struct strbuf *out)
{
    char *lines[200], addr[NETADDR_TEXT_MAX];
    assert_true(a->n <= COUNT(lines));
    for (size_t i = 0; i < a->n; i++) {
        const struct dns_record *r = &a->records[i];
        struct strbuf b;
        strbuf_init(&b, 0);
        strbuf_printf(&b, "%u %s ", r->preference, type == DNS_A || type == DNS_AAAA ? netaddr_text(&r->addr, addr) : "");
        strbuf_add(&b, r->data);
        lines[i] = strdup(strbuf_str(&b));
        strbuf_clear(&b);
    }
    qsort(lines, a->n, sizeof(lines[0]), by_text);
    strbuf_add_str(out, dns_status_name(a->status));
    for (size_t i = 0; i < a->n; i++) {
        strbuf_printf(out, "|%s", lines[i]);
        free(lines[i]);
    }
}

static void
compare(struct dns_session *memory, struct dns_session *network)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        for (size_t k = 0; k < COUNT(types); k++) {
            struct strbuf want, got;
            strbuf_init(&want, 0);
            strbuf_init(&got, 0);
            answer_text(dns_lookup(memory, types[k], slice_from(names[i])), types[k], &want);
            answer_text(dns_lookup(network, types[k], slice_from(names[i])), types[k], &got);
            if (strcmp(strbuf_str(&want), strbuf_str(&got)) != 0)
                fail_msg("%s %s: memory %.300s, NSD %.300s", dns_type_name(types[k]), names[i], strbuf_str(&want), strbuf_str(&got));
            strbuf_clear(&want);
            strbuf_clear(&got);
        }
    }
}

static void
test_same_answers(void **state)
{
    (void)state;
    char dir[] = "/tmp/vidimus-nsd-XXXXXX", server[32];
    if (access(NSD, X_OK) != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    struct strbuf text, errors;
    strbuf_init(&text, 0);
    strbuf_init(&errors, 0);
    strbuf_add_str(&text, zone_text);
    strbuf_add_str(&text, "big TXT");
    for (int i = 0; i < 100; i++)
        strbuf_printf(&text, " \"%0250d\"", i);
    for (int i = 0; i < 150; i++)
        strbuf_printf(&text, "\nmany A 192.0.2.%d", i);
    strbuf_add_char(&text, '\n');
    uint16_t port = 0;
    pid_t nsd = start_nsd(dir, strbuf_str(&text), &port);
    for (int i = 0; i < 10 && gone_soon(nsd); i++) /* another program took the port meanwhile */
        nsd = start_nsd(dir, strbuf_str(&text), &port);
    snprintf(server, sizeof(server), "127.0.0.1@%u", port);
    const char *servers[] = { server };
    struct resolver *memory = NULL, *network = NULL;
    assert_int_equal(resolver_zone_new(strbuf_slice(&text), &errors, &memory), ST_OK);
    struct resolver_network_options o = { .nameservers = servers, .n_nameservers = 1, .cache_entries = 1000 };
    assert_int_equal(resolver_network_new(&o, &errors, &network), ST_OK);
    bool up = false;
    for (int i = 0; i < 100 && !up; i++) {
        struct dns_session *s = dns_session_new(network, &(struct dns_limits){ 5000, 1 });
        up = dns_lookup(s, DNS_SOA, SLICE("example.org"))->status == DNS_OK;
        dns_session_free(s);
        nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    }
    assert_true(up);
    for (int round = 0; round < 2; round++) { /* asked, and from the cache */
        struct dns_session *a = dns_session_new(memory, &(struct dns_limits){ 20000, 1000 });
        struct dns_session *b = dns_session_new(network, &(struct dns_limits){ 20000, 1000 });
        compare(a, b);
        dns_session_free(a);
        dns_session_free(b);
    }
    resolver_free(memory);
    resolver_free(network);
    kill(nsd, SIGTERM);
    waitpid(nsd, NULL, 0);
    static const char *const files[] = { "conf", "zone", "pid", "log", "list", "xfrd" };
    for (size_t i = 0; i < COUNT(files); i++)
        remove_file(dir, files[i]);
    rmdir(dir);
    strbuf_clear(&text);
    strbuf_clear(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_answers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
