/*
 * signed.h - a bed for tests of signatures: keys, a zone, signing with any tags, verification in any chunks.
 * The signer uses the header hashing under test; that this is right is shown by the vectors and the other verifiers.
 */
#ifndef VIDIMUS_TEST_SIGNED_H
#define VIDIMUS_TEST_SIGNED_H

#include "test.h"

#include "arc/arc.h"
#include "base/arena.h"
#include "base/base64.h"
#include "crypto/sign.h"
#include "dkim/verify.h"
#include "dns/zone.h"
#include "second/second.h"

struct bed {
    struct arena *a;
    struct private_key *rsa, *ed25519;
    struct strbuf zone;
    struct key_cache *keys;
    struct dkim_options options;
    struct dns_limits limits;
    const char *author; /* of the next verification */
    struct trace *trace;
    /* of the last verification */
    const struct dkim_result *results;
    size_t n;
    const struct dkim_result *second; /* libopendkim's; n 0 in a build without it */
    size_t n_second;
    struct arc_result arc;
    struct dns_usage usage;
    unsigned asked_early; /* questions begun before the end of the header */
};

static inline slice
bed_printf(struct bed *b, const char *fmt, ...)
{
    char text[65536];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert_in_range(n, 0, (int)sizeof(text) - 1);
    return arena_slice(b->a, (slice){ text, (size_t)n });
}

static inline void
bed_txt(struct bed *b, const char *name, const char *text)
{
    strbuf_printf(&b->zone, "%s. TXT \"%s\"\n", name, text);
}

/* The p= of a key. */
static inline const char *
bed_public(struct bed *b, const struct private_key *k)
{
    struct strbuf data, text;
    strbuf_init(&data, 0);
    strbuf_init(&text, 0);
    assert_int_equal(private_key_public(k, &data), ST_OK);
    base64_encode(&text, strbuf_slice(&data));
    const char *p = arena_strdup(b->a, strbuf_slice(&text));
    strbuf_clear(&text);
    strbuf_clear(&data);
    return p;
}

/* Keys at rsa._domainkey.example.org and ed._domainkey.example.org; options as the configuration's defaults. */
static inline struct bed *
bed_new(void)
{
    struct bed *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    b->a = arena_new(0);
    b->rsa = private_key_make(SIGN_RSA_SHA256, 1024);
    b->ed25519 = private_key_make(SIGN_ED25519_SHA256, 0);
    b->keys = key_cache_new(100);
    strbuf_init(&b->zone, 0);
    b->options = (struct dkim_options){ .min_rsa_bits = 1024, .max_rsa_bits = 8192, .max_signatures = 10,
                                        .clock_skew_s = 300, .now = 1700000000 };
    b->limits = (struct dns_limits){ 2000, 120 };
    b->author = "";
    strbuf_printf(&b->zone, "rsa._domainkey.example.org. TXT \"v=DKIM1; k=rsa; p=%s\"\n", bed_public(b, b->rsa));
    strbuf_printf(&b->zone, "ed._domainkey.example.org. TXT \"v=DKIM1; k=ed25519; p=%s\"\n", bed_public(b, b->ed25519));
    return b;
}

static inline void
bed_free(struct bed *b)
{
    private_key_free(b->rsa);
    private_key_free(b->ed25519);
    key_cache_free(b->keys);
    strbuf_clear(&b->zone);
    arena_free(b->a);
    free(b);
}

/* header: lines that end in CRLF.  The body begins after it. */
static inline struct header_list *
bed_headers(struct bed *b, slice header)
{
    struct header_limits none = { 0, 0 };
    struct header_list *l = header_list_new(b->a, &none);
    while (header.n > 0) {
        size_t end = 0;
        do
            end = end + slice_find(slice_tail(header, end), '\n') + 1;
        while (end < header.n && ascii_is_wsp(header.p[end]));
        slice field = slice_head(header, end - 2), name, value;
        slice_cut(field, ':', &name, &value);
        assert_int_equal(header_list_add(l, name, value), ST_OK);
        header = slice_tail(header, end);
    }
    return l;
}

static inline slice
bed_base64(struct bed *b, slice data)
{
    struct strbuf t;
    strbuf_init(&t, 0);
    base64_encode(&t, data);
    return strbuf_finish(&t, b->a);
}

static inline slice
bed_sign_digest(struct bed *b, const struct private_key *k, const unsigned char *digest)
{
    struct signature s;
    assert_int_equal(private_key_sign(k, digest, &s), ST_OK);
    return bed_base64(b, (slice){ (const char *)s.bytes, s.n });
}

/* A whole field "Name: tags bh=...; b=..." with CRLF; `tags` end in ";".  Canonicalisation, l= and h= are taken from them. */
static inline slice
bed_sign_as(struct bed *b, const char *name, enum signature_kind kind, const struct private_key *k, const char *tags,
            slice header, slice body)
{
    struct dkim_signature s;
    struct dkim_objection o;
    unsigned char digest[HASH_SIZE_MAX];
    slice zero = bed_base64(b, SLICE("0123456789abcdef0123456789abcdef"));
    slice draft = bed_printf(b, "%s: %s bh=%.*s; b=AAAA\r\n%.*s", name, tags, SLICE_ARG(zero), SLICE_ARG(header));
    struct header_list *l = bed_headers(b, draft);
    assert_int_equal(dkim_signature_parse(b->a, header_list_at(l, 0), kind, true, &s, &o), ST_OK);
    struct body_canon *c = body_canon_new(b->a);
    int id = body_canon_want(c, s.body_canon, s.has_length ? s.length : CANON_NO_LIMIT);
    body_canon_feed(c, body);
    body_canon_finish(c);
    slice bh = bed_base64(b, body_canon_digest(c, id));
    body_canon_clear(c);
    draft = bed_printf(b, "%s: %s bh=%.*s; b=AAAA\r\n%.*s", name, tags, SLICE_ARG(bh), SLICE_ARG(header));
    l = bed_headers(b, draft);
    assert_int_equal(dkim_signature_parse(b->a, header_list_at(l, 0), kind, true, &s, &o), ST_OK);
    const struct header_field **fields = signed_fields(b->a, l, &s);
    assert_int_equal(signed_fields_hash(b->a, &s, fields, s.n_names, digest), ST_OK);
    slice value = bed_sign_digest(b, k, digest);
    return bed_printf(b, "%s: %s bh=%.*s; b=%.*s\r\n", name, tags, SLICE_ARG(bh), SLICE_ARG(value));
}

static inline slice
bed_sign(struct bed *b, const struct private_key *k, const char *tags, const char *header, const char *body)
{
    return bed_sign_as(b, "DKIM-Signature", SIGNATURE_DKIM, k, tags, slice_from(header), slice_from(body));
}

static inline void
bed_second(struct bed *b, const struct second_dkim_ops *ops, struct dns_session *s, const struct header_list *l, slice body,
           size_t step)
{
    struct second_dkim *d = ops->start(b->a, s, &b->options);
    assert_non_null(d);
    for (size_t i = 0; i < header_list_count(l); i++)
        assert_int_equal(ops->add_field(d, header_list_at(l, i)), ST_OK);
    assert_int_equal(ops->header_end(d, l, slice_from(b->author)), ST_OK);
    for (size_t i = 0; i < body.n;) {
        slice chunk = slice_head(slice_tail(body, i), step == 0 ? body.n : step);
        assert_int_equal(ops->body(d, chunk), ST_OK);
        i += chunk.n;
    }
    assert_int_equal(ops->finish(d, NULL, &b->second, &b->n_second), ST_OK);
    ops->clear(d);
}

/* step: octets of a chunk; 0: the whole body at once. */
static inline void
bed_verify_in(struct bed *b, slice header, slice body, size_t step)
{
    struct strbuf errors;
    struct resolver *r = NULL;
    strbuf_init(&errors, 0);
    if (resolver_zone_new(strbuf_slice(&b->zone), &errors, &r) != ST_OK)
        fail_msg("%s", strbuf_str(&errors));
    struct dns_session *s = dns_session_new(r, &b->limits);
    struct header_list *l = bed_headers(b, header);
    struct dkim *d = dkim_new(b->a, s, b->keys, &b->options);
    struct arc *c = arc_new(b->a, s, b->keys, &b->options);
    struct body_canon *canon = body_canon_new(b->a);
    for (size_t i = 0; i < header_list_count(l); i++) {
        assert_int_equal(dkim_add_field(d, header_list_at(l, i)), ST_OK);
        assert_int_equal(arc_header(c, header_list_at(l, i)), ST_OK);
    }
    b->asked_early = dns_session_usage(s).questions;
    assert_int_equal(dkim_header_end(d, l, slice_from(b->author), canon), ST_OK);
    assert_int_equal(arc_eoh(c, l, canon), ST_OK);
    for (size_t i = 0; i < body.n;) {
        slice chunk = slice_head(slice_tail(body, i), step == 0 ? body.n : step);
        body_canon_feed(canon, chunk);
        i += chunk.n;
    }
    assert_int_equal(body_canon_finish(canon), ST_OK);
    assert_int_equal(dkim_finish(d, b->trace, &b->results, &b->n), ST_OK);
    assert_int_equal(arc_finish(c, b->trace, &b->arc), ST_OK);
    b->usage = dns_session_usage(s);
    b->n_second = 0;
    if (second_dkim() != NULL)
        bed_second(b, second_dkim(), s, l, body, step);
    body_canon_clear(canon);
    dns_session_free(s);
    resolver_free(r);
    strbuf_clear(&errors);
}

static inline void
bed_verify(struct bed *b, slice signature, const char *header, const char *body)
{
    bed_verify_in(b, bed_printf(b, "%.*s%s", SLICE_ARG(signature), header), slice_from(body), 0);
}

/* A file of tests/data; all of it. */
static inline slice
bed_file(struct bed *b, const char *name)
{
    const char *top = getenv("srcdir");
    slice path = bed_printf(b, "%s/tests/data/%s", top == NULL ? "." : top, name);
    FILE *f = fopen(path.p, "rb");
    if (f == NULL)
        fail_msg("%s", path.p);
    char *p = arena_alloc(b->a, 65536);
    size_t n = fread(p, 1, 65536, f);
    fclose(f);
    return (slice){ p, n };
}

/* Where the body begins: after the first empty line. */
static inline size_t
bed_body_start(slice message)
{
    for (size_t i = 0; i + 4 <= message.n; i++)
        if (memcmp(message.p + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return message.n;
}

#endif
