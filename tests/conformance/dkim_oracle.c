/*
 * dkim_oracle.c - our verdicts for dkim_oracles.t: messages on standard input, each "SIZE\n" and its octets; one JSON line
 * each on standard output: what our verifier and libopendkim say of every signature, and of the ARC chain.
 * Our verdict is taken three times, with the body whole, octet by octet and in pieces, and must be the same.
 * usage: dkim_oracle ZONE-FILE NOW
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arc/arc.h"
#include "crypto/keys.h"
#include "dns/zone.h"
#include "second/second.h"

#define ZONE_MAX ((size_t)1 << 20)

struct outcome {
    const struct dkim_result *dkim, *other;
    size_t n, n_other;
    struct arc_result arc;
};

static void
die(const char *what)
{
    fprintf(stderr, "dkim_oracle: %s\n", what);
    exit(1);
}

static void
print_text(slice s)
{
    putchar('"');
    for (size_t i = 0; i < s.n; i++)
        putchar(s.p[i] == '"' || s.p[i] == '\\' || s.p[i] < ' ' || s.p[i] > '~' ? '?' : s.p[i]);
    putchar('"');
}

static void
print_results(const char *name, const struct dkim_result *r, size_t n)
{
    printf("\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        printf("%s[\"%s\",", i == 0 ? "" : ",", dkim_result_name(r[i].result));
        print_text(r[i].reason);
        printf("]");
    }
    printf("],");
}

/* Split at CRLF only, as an MTA does. */
static size_t
read_headers(struct header_list *l, slice message)
{
    size_t at = 0;
    while (at < message.n) {
        size_t end = at;
        if (slice_starts(slice_tail(message, at), SLICE("\r\n")))
            return at + 2;
        for (;;) {
            const char *nl = memchr(message.p + end, '\n', message.n - end);
            end = nl == NULL ? message.n : (size_t)(nl - message.p) + 1;
            bool line = nl == NULL || (end >= 2 && message.p[end - 2] == '\r');
            if (end == message.n || (line && !ascii_is_wsp(message.p[end])))
                break;
        }
        slice field = { message.p + at, end - at }, name, value;
        if (slice_iends(field, SLICE("\r\n")))
            field.n -= 2;
        if (slice_cut(field, ':', &name, &value) && header_list_add(l, name, value) != ST_OK)
            die("no memory");
        at = end;
    }
    return at;
}

static void
judge(struct arena *a, struct resolver *dns, struct key_cache *keys, const struct dkim_options *o, slice message, size_t step,
      struct outcome *out)
{
    const struct dns_limits limits = { 2000, 1000 };
    const struct header_limits none = { 0, 0 };
    const struct second_dkim_ops *ops = step == 0 ? second_dkim() : NULL;
    struct header_list *l = header_list_new(a, &none);
    slice body = slice_tail(message, read_headers(l, message));
    struct dns_session *s = dns_session_new(dns, &limits);
    struct dkim *d = dkim_new(a, s, keys, o);
    struct arc *c = arc_new(a, s, keys, o);
    struct second_dkim *other = ops == NULL ? NULL : ops->start(a, s, o);
    struct body_canon *canon = body_canon_new(a);
    enum status st = ST_OK;
    for (size_t i = 0; i < header_list_count(l); i++) {
        st |= dkim_add_field(d, header_list_at(l, i));
        st |= arc_header(c, header_list_at(l, i));
        st |= other == NULL ? ST_OK : ops->add_field(other, header_list_at(l, i));
    }
    st |= dkim_header_end(d, l, SLICE_EMPTY, canon);
    st |= arc_eoh(c, l, canon);
    st |= other == NULL ? ST_OK : ops->header_end(other, l, SLICE_EMPTY);
    for (size_t i = 0; i < body.n;) {
        slice chunk = slice_head(slice_tail(body, i), step == 0 ? body.n : step);
        body_canon_feed(canon, chunk);
        st |= other == NULL ? ST_OK : ops->body(other, chunk);
        i += chunk.n;
    }
    st |= body_canon_finish(canon);
    st |= dkim_finish(d, NULL, &out->dkim, &out->n);
    st |= arc_finish(c, NULL, &out->arc);
    st |= other == NULL ? ST_OK : ops->finish(other, NULL, &out->other, &out->n_other);
    if (st != ST_OK)
        die("a verifier failed");
    if (other != NULL)
        ops->clear(other);
    body_canon_clear(canon);
    dns_session_free(s);
}

static void
check_same(const struct outcome *x, const struct outcome *y)
{
    if (x->n != y->n || x->arc.status != y->arc.status)
        die("the verdict depends on the chunks");
    for (size_t i = 0; i < x->n; i++)
        if (x->dkim[i].result != y->dkim[i].result || !slice_eq(x->dkim[i].reason, y->dkim[i].reason))
            die("the verdict depends on the chunks");
}

static slice
read_zone(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *p = malloc(ZONE_MAX);
    if (f == NULL || p == NULL)
        die(path);
    slice text = { p, fread(p, 1, ZONE_MAX, f) };
    fclose(f);
    return text;
}

int
main(int argc, char **argv)
{
    struct strbuf errors;
    struct resolver *dns = NULL;
    struct key_cache *keys = key_cache_new(1000);
    struct dkim_options o = { .min_rsa_bits = 1024, .max_rsa_bits = 8192, .max_signatures = 20, .clock_skew_s = 300 };
    size_t size;
    if (argc != 3)
        die("usage: dkim_oracle ZONE-FILE NOW");
    o.now = atoll(argv[2]);
    strbuf_init(&errors, 0);
    if (resolver_zone_new(read_zone(argv[1]), &errors, &dns) != ST_OK)
        die(strbuf_str(&errors));
    while (scanf("%zu", &size) == 1 && getchar() == '\n') {
        struct arena *a = arena_new(0);
        char *p = arena_alloc(a, size + 1);
        struct outcome whole = { 0 }, octets = { 0 }, pieces = { 0 };
        if (p == NULL || fread(p, 1, size, stdin) != size)
            die("short input");
        slice message = { p, size };
        judge(a, dns, keys, &o, message, 0, &whole);
        judge(a, dns, keys, &o, message, 1, &octets);
        judge(a, dns, keys, &o, message, 13, &pieces);
        check_same(&whole, &octets);
        check_same(&whole, &pieces);
        printf("{");
        print_results("dkim", whole.dkim, whole.n);
        print_results("other", whole.other, whole.n_other);
        printf("\"arc\":[\"%s\",", arc_status_name(whole.arc.status));
        print_text(whole.arc.reason);
        printf("]}\n");
        fflush(stdout);
        arena_free(a);
    }
    resolver_free(dns);
    key_cache_free(keys);
    return 0;
}
