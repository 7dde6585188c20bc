/*
 * dkim_bench.c - CPU time of verifying DKIM signatures: our verifier, libopendkim, and the floor, which is bare SHA-256
 * over the same octets and bare RSA verifications with the same key.
 * usage: dkim_bench [SECONDS-PER-CELL]     columns are microseconds of CPU per message, then ratios
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/clock.h"
#include "crypto/keys.h"
#include "crypto/sign.h"
#include "dkim/verify.h"
#include "dns/zone.h"
#include "second/second.h"

#define CHUNK 65535u /* of the milter protocol */

static double seconds_per_cell = 0.5;

struct subject {
    slice body;
    struct strbuf header; /* with its signatures; lines end in CRLF */
    unsigned signatures;
    struct resolver *dns;
    struct key_cache *keys;
    struct dkim_options options;
};

static double
cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
die(const char *what)
{
    fprintf(stderr, "dkim_bench: %s\n", what);
    exit(1);
}

/* Text as people write it: words, lines of 60 to 76 octets, a paragraph now and then; one line in eight ends in a space
 * (format=flowed), and one in twenty has two spaces or a tab somewhere. */
static slice
make_body(struct arena *a, size_t n)
{
    char *p = arena_alloc(a, n + 2);
    uint32_t r = 42;
    size_t at = 0, column = 0;
    if (p == NULL)
        die("no memory");
    while (at < n) {
        r = r * 1664525u + 1013904223u;
        unsigned dice = r >> 16;
        if (column > 60 + dice % 16) {
            if (dice % 8 == 0)
                p[at++] = ' ';
            p[at++] = '\r';
            p[at++] = '\n';
            column = 0;
        } else {
            unsigned word = 1 + dice % 9;
            for (unsigned i = 0; i < word && at < n; i++, column++)
                p[at++] = (char)('a' + (dice + i * 7) % 26);
            if (at < n)
                p[at++] = dice % 200 == 0 ? '\t' : ' ';
            if (at < n && dice % 211 == 0)
                p[at++] = ' ';
            column++;
        }
        if (n - at < 2)
            break;
    }
    p[at++] = '\r';
    p[at++] = '\n';
    return (slice){ p, at };
}

static struct header_list *
read_headers(struct arena *a, slice header)
{
    struct header_limits none = { 0, 0 };
    struct header_list *l = header_list_new(a, &none);
    while (header.n > 0) {
        size_t end = 0;
        do
            end = end + slice_find(slice_tail(header, end), '\n') + 1;
        while (end < header.n && ascii_is_wsp(header.p[end]));
        slice name, value;
        slice_cut(slice_head(header, end - 2), ':', &name, &value);
        if (header_list_add(l, name, value) != ST_OK)
            die("header");
        header = slice_tail(header, end);
    }
    return l;
}

static void
feed(struct body_canon *c, slice body)
{
    for (size_t i = 0; i < body.n; i += CHUNK)
        body_canon_feed(c, slice_head(slice_tail(body, i), CHUNK));
}

static const char fields[] =
    "Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n\tby mx.example.net with ESMTPS id 4cRzk12\r\n"
    "\tfor <sue@example.net>; Fri, 21 Nov 2025 10:00:00 +0000 (UTC)\r\n"
    "Message-ID: <20251121100000.12345@mail.example.org>\r\nDate: Fri, 21 Nov 2025 10:00:00 +0000\r\n"
    "MIME-Version: 1.0\r\nUser-Agent: Mozilla Thunderbird\r\nSubject: the minutes of our meeting last week\r\n"
    "To: Sue Smith <sue@example.net>\r\nFrom: Joe Miller <joe@example.org>\r\n"
    "Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n";

/* One more signature on top of the header. */
static void
add_signature(struct subject *s, const struct private_key *k, enum canon canon, unsigned number)
{
    struct arena *a = arena_new(0);
    struct strbuf draft, bh, b;
    struct dkim_signature sig;
    struct dkim_objection o;
    struct signature value;
    unsigned char digest[HASH_SIZE_MAX];
    struct body_canon *c = body_canon_new(a);
    int id = body_canon_want(c, canon, CANON_NO_LIMIT);
    feed(c, s->body);
    body_canon_finish(c);
    strbuf_init(&bh, 0);
    base64_encode(&bh, body_canon_digest(c, id));
    body_canon_clear(c);
    strbuf_init(&draft, 0);
    strbuf_printf(&draft,
                  "DKIM-Signature: v=1; a=rsa-sha256; c=%s; d=example.org; s=s%u;\r\n\tt=1700000000; h=From:To:Subject:Date:"
                  "Message-ID:MIME-Version:Content-Type:\r\n\t Content-Transfer-Encoding; bh=%s;\r\n\tb=",
                  canon == CANON_RELAXED ? "relaxed/relaxed" : "relaxed/simple", number, strbuf_str(&bh));
    size_t head = draft.n;
    strbuf_add_str(&draft, "AAAA\r\n");
    strbuf_add_str(&draft, fields);
    struct header_list *l = read_headers(a, strbuf_slice(&draft));
    if (dkim_signature_parse(a, header_list_at(l, 0), SIGNATURE_DKIM, false, &sig, &o) != ST_OK || o.code != DKIM_NONE ||
        signed_fields_hash(a, &sig, signed_fields(a, l, &sig), sig.n_names, digest) != ST_OK ||
        private_key_sign(k, digest, &value) != ST_OK)
        die("signing");
    strbuf_init(&b, 0);
    strbuf_add(&b, slice_head(strbuf_slice(&draft), head));
    base64_encode(&b, (slice){ (const char *)value.bytes, value.n });
    strbuf_add_str(&b, "\r\n");
    strbuf_add(&b, strbuf_slice(&s->header));
    strbuf_reset(&s->header);
    strbuf_add(&s->header, strbuf_slice(&b));
    strbuf_clear(&b);
    strbuf_clear(&bh);
    strbuf_clear(&draft);
    arena_free(a);
}

static void
verify_native(struct subject *s)
{
    const struct dns_limits limits = { 2000, 120 };
    const struct dkim_result *r;
    size_t n;
    struct arena *a = arena_new(0);
    struct dns_session *session = dns_session_new(s->dns, &limits);
    struct header_list *l = read_headers(a, strbuf_slice(&s->header));
    struct dkim *d = dkim_new(a, session, s->keys, &s->options);
    struct body_canon *c = body_canon_new(a);
    for (size_t i = 0; i < header_list_count(l); i++)
        dkim_add_field(d, header_list_at(l, i));
    dkim_header_end(d, l, SLICE("example.org"), c);
    feed(c, s->body);
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
    struct header_list *l = read_headers(a, strbuf_slice(&s->header));
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
        EVP_DigestUpdate(md_ctx, fields, sizeof(fields) - 1);
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
    s->body = make_body(a, size);
    s->signatures = signatures;
    strbuf_reset(&s->header);
    strbuf_add_str(&s->header, fields);
    for (unsigned i = 0; i < signatures; i++)
        add_signature(s, k, canon, i);
    double hash = measure(floor_hash, s), all = measure(floor_all, s), native = measure(verify_native, s);
    double other = second_dkim() == NULL ? NAN : measure(verify_other, s);
    printf("%-8s %9zu %5u %11.1f %11.1f %11.1f %11.1f   %6.2f %6.2f %6.2f\n", canon == CANON_RELAXED ? "relaxed" : "simple",
           size, signatures, hash, all, native, other, native / all, native / hash, other / native);
    fflush(stdout);
    arena_free(a);
}

/* Verification of a message whose header and body cost nothing: what is spent beside them. */
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
