/*
 * dkim_bench.c - CPU time of verifying DKIM signatures: our verifier, libopendkim, and the floor, which is bare SHA-256
 * over the same octets and bare RSA verifications with the same key.
 * usage: dkim_bench [SECONDS-PER-CELL]     columns are microseconds of CPU per message, then ratios
 */
#include "dkim_subject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "base/clock.h"
#include "dns/zone.h"
#include "second/second.h"

static double seconds_per_cell = 0.5;

static double
cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
verify_native(struct subject *s)
{
    const struct dns_limits limits = { 2000, 120 };
    const struct dkim_result *r;
    size_t n;
    struct arena *a = arena_new(0);
    struct dns_session *session = dns_session_new(s->dns, &limits);
    struct header_list *l = subject_headers(a, strbuf_slice(&s->header));
    struct dkim *d = dkim_new(a, session, s->keys, &s->options);
    struct body_canon *c = body_canon_new(a);
    for (size_t i = 0; i < header_list_count(l); i++)
        dkim_add_field(d, header_list_at(l, i));
    dkim_header_end(d, l, SLICE("example.org"), c);
    subject_feed(c, s->body);
    body_canon_finish(c);
    if (dkim_finish(d, NULL, &r, &n) != ST_OK || n != s->signatures)
        die("native");
    for (size_t i = 0; i < n; i++)
        if (r[i].result != DKIM_PASS)
            die("native does not pass");
    body_canon_clear(c);
    dns_session_free(session);
    arena_free(a);
}

static void
verify_other(struct subject *s)
{
    const struct second_dkim_ops *ops = second_dkim();
    const struct dns_limits limits = { 2000, 120 };
    const struct dkim_result *r;
    size_t n;
    struct arena *a = arena_new(0);
    struct dns_session *session = dns_session_new(s->dns, &limits);
    struct header_list *l = subject_headers(a, strbuf_slice(&s->header));
    struct second_dkim *d = ops->start(a, session, &s->options);
    for (size_t i = 0; i < header_list_count(l); i++)
        ops->add_field(d, header_list_at(l, i));
    ops->header_end(d, l, SLICE("example.org"));
    for (size_t i = 0; i < s->body.n; i += CHUNK)
        ops->body(d, slice_head(slice_tail(s->body, i), CHUNK));
    if (ops->finish(d, NULL, &r, &n) != ST_OK || n != s->signatures)
        die("libopendkim");
    for (size_t i = 0; i < n; i++)
        if (r[i].result != DKIM_PASS)
            die("libopendkim does not pass");
    ops->clear(d);
    dns_session_free(session);
    arena_free(a);
}

/* ---- the floor */

static EVP_MD_CTX *md_ctx;
static EVP_MD *md;
static EVP_PKEY_CTX *rsa_ctx;
static unsigned char rsa_sig[256], rsa_digest[32];

static void
prepare_floor(void)
{
    EVP_PKEY *k = EVP_RSA_gen(2048);
    size_t n = sizeof(rsa_sig);
    md = EVP_MD_fetch(NULL, "SHA256", NULL);
    md_ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *sign = EVP_PKEY_CTX_new(k, NULL);
    rsa_ctx = EVP_PKEY_CTX_new(k, NULL);
    if (EVP_PKEY_sign_init(sign) != 1 || EVP_PKEY_CTX_set_rsa_padding(sign, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(sign, md) != 1 || EVP_PKEY_sign(sign, rsa_sig, &n, rsa_digest, 32) != 1 ||
        EVP_PKEY_verify_init(rsa_ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(rsa_ctx, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(rsa_ctx, md) != 1)
        die("openssl");
    EVP_PKEY_CTX_free(sign);
}

static void
floor_hash(struct subject *s)
{
    unsigned char out[32];
    EVP_DigestInit_ex2(md_ctx, md, NULL);
    for (size_t i = 0; i < s->body.n; i += CHUNK) {
        slice chunk = slice_head(slice_tail(s->body, i), CHUNK);
        EVP_DigestUpdate(md_ctx, chunk.p, chunk.n);
    }
    EVP_DigestFinal_ex(md_ctx, out, NULL);
}

/* One hash of the body, and of the header and one RSA verification for each signature. */
static void
floor_all(struct subject *s)
{
    unsigned char out[32];
    floor_hash(s);
    for (unsigned i = 0; i < s->signatures; i++) {
        EVP_DigestInit_ex2(md_ctx, md, NULL);
        EVP_DigestUpdate(md_ctx, subject_fields, strlen(subject_fields));
        EVP_DigestFinal_ex(md_ctx, out, NULL);
        if (EVP_PKEY_verify(rsa_ctx, rsa_sig, sizeof(rsa_sig), rsa_digest, 32) != 1)
            die("rsa");
    }
}

/* ---- measuring */

/* Microseconds of CPU of one call: the best of several rounds, since what disturbs only ever adds. */
static double
measure(void (*f)(struct subject *), struct subject *s)
{
    double best = INFINITY, spent = 0;
    unsigned per_round = 1;
    f(s);
    while (spent < seconds_per_cell * 1e6) {
        double start = cpu_us();
        for (unsigned i = 0; i < per_round; i++)
            f(s);
        double took = cpu_us() - start;
        spent += took;
        if (took / per_round < best)
            best = took / per_round;
        if (took < 10000)
            per_round *= 2;
    }
    return best;
}

static void
compare(enum canon canon, size_t size, unsigned signatures, const struct private_key *k, struct subject *s)
{
    struct arena *a = arena_new(0);
    s->body = subject_body(a, size);
    s->signatures = signatures;
    strbuf_reset(&s->header);
    strbuf_add_str(&s->header, subject_fields);
    for (unsigned i = 0; i < signatures; i++)
        subject_add_signature(s, k, canon, i);
    double hash = measure(floor_hash, s), all = measure(floor_all, s), native = measure(verify_native, s);
    double other = second_dkim() == NULL ? NAN : measure(verify_other, s);
    printf("%-8s %9zu %5u %11.1f %11.1f %11.1f %11.1f   %6.2f %6.2f %6.2f\n", canon == CANON_RELAXED ? "relaxed" : "simple",
           size, signatures, hash, all, native, other, native / all, native / hash, other / native);
    fflush(stdout);
    arena_free(a);
}

int
main(int argc, char **argv)
{
    static const size_t sizes[] = { 2048, 51200, 1048576, 10485760 };
    struct subject s = { .options = { .min_rsa_bits = 1024, .max_rsa_bits = 8192, .max_signatures = 20,
                                      .clock_skew_s = 300, .now = clock_wall_s() } };
    struct strbuf zone, errors, data;
    if (argc > 1)
        seconds_per_cell = atof(argv[1]);
    struct private_key *k = private_key_make(SIGN_RSA_SHA256, 2048);
    strbuf_init(&zone, 0);
    strbuf_init(&errors, 0);
    strbuf_init(&data, 0);
    strbuf_init(&s.header, 0);
    if (k == NULL || private_key_public(k, &data) != ST_OK)
        die("key");
    for (unsigned i = 0; i < 5; i++) {
        strbuf_printf(&zone, "s%u._domainkey.example.org. TXT \"v=DKIM1; p=", i);
        base64_encode(&zone, strbuf_slice(&data));
        strbuf_add_str(&zone, "\"\n");
    }
    if (resolver_zone_new(strbuf_slice(&zone), &errors, &s.dns) != ST_OK)
        die(strbuf_str(&errors));
    s.keys = key_cache_new(1000);
    prepare_floor();
    printf("%-8s %9s %5s %11s %11s %11s %11s   %6s %6s %6s\n", "body", "octets", "sigs", "sha256", "sha256+rsa", "native",
           "libopendkim", "n/all", "n/sha", "lo/n");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        compare(CANON_RELAXED, sizes[i], 1, k, &s);
        compare(CANON_RELAXED, sizes[i], 5, k, &s);
        compare(CANON_SIMPLE, sizes[i], 1, k, &s);
    }
    return 0;
}
