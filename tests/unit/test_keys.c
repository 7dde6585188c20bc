#include "test.h"

#include <pthread.h>

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/arena.h"
#include "base/base64.h"
#include "crypto/verify.h"

/* RFC 8463 A.2 */
static const char ed25519_p[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
static const char rsa_p[] = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0"
                            "Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2"
                            "kryOTIKT+l/K4w3QIDAQAB";
/* A.3, with the SHA-256 of what each covers */
static const char ed25519_digest[] = "48ce9a2c710ece1710ff156996b836a7f45470e43efe5643074d6e1690ed62e7";
static const char ed25519_b[] = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
static const char rsa_digest[] = "fed71e6d70fb123bb5c353adc42821b304b6b9d54fc867f304f7c61daaaa1111";
static const char rsa_b[] = "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGd"
                            "aSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";

static struct arena *mem;

static int
begin(void **state)
{
    (void)state;
    mem = arena_new(0);
    return mem == NULL;
}

static int
end(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static slice
decoded(const char *text)
{
    slice out;
    assert_int_equal(base64_decode(mem, slice_from(text), &out), ST_OK);
    return out;
}

static slice
unhex(const char *hex)
{
    size_t n = strlen(hex) / 2;
    unsigned char *p = arena_alloc(mem, n + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        p[i] = (unsigned char)v;
    }
    return (slice){ (const char *)p, n };
}

static slice
with_octet(slice s, size_t at, int add)
{
    slice copy = arena_slice(mem, s);
    ((char *)(uintptr_t)copy.p)[at] = (char)(copy.p[at] + add);
    return copy;
}

static slice
joined(slice a, slice b)
{
    char *p = arena_alloc(mem, a.n + b.n + 1);
    if (a.n > 0)
        memcpy(p, a.p, a.n);
    if (b.n > 0)
        memcpy(p + a.n, b.p, b.n);
    return (slice){ p, a.n + b.n };
}

/* One DER element, shortest length. */
static slice
der(unsigned tag, slice content)
{
    unsigned char head[4] = { (unsigned char)tag, (unsigned char)content.n, 0, 0 };
    size_t n = 2;
    if (content.n > 255) {
        head[1] = 0x82;
        head[2] = (unsigned char)(content.n >> 8);
        head[3] = (unsigned char)content.n;
        n = 4;
    } else if (content.n > 127) {
        head[1] = 0x81;
        head[2] = (unsigned char)content.n;
        n = 3;
    }
    return joined((slice){ (const char *)head, n }, content);
}

static slice
spki_of(slice rsa_key)
{
    slice algorithm = der(0x30, unhex("06092a864886f70d0101010500"));
    return der(0x30, joined(algorithm, der(0x03, joined((slice){ "\0", 1 }, rsa_key))));
}

static slice
rsa_key_of(slice modulus, slice exponent)
{
    return der(0x30, joined(der(0x02, modulus), der(0x02, exponent)));
}

/* A modulus of that many bits: 1000...0001 with a positive sign. */
static slice
modulus_of(unsigned bits)
{
    size_t n = bits / 8 + 1;
    char *p = arena_zalloc(mem, n);
    p[bits % 8 == 0 ? 1 : 0] = (char)(1 << ((bits + 7) % 8));
    p[n - 1] |= 1;
    return (slice){ p, n };
}

static bool
is_key(enum key_type type, slice data)
{
    struct public_key *k = NULL;
    const char *why = NULL;
    slice exact = test_exact_bytes(data.p, data.n);
    enum status st = public_key_new(type, exact, &k, &why);
    test_release(exact);
    if (st != ST_OK) {
        assert_int_equal(st, ST_SYNTAX);
        assert_non_null(why);
    }
    public_key_release(k);
    return st == ST_OK;
}

static struct public_key *
key_from(enum key_type type, slice data)
{
    struct public_key *k = NULL;
    const char *why = NULL;
    assert_int_equal(public_key_new(type, data, &k, &why), ST_OK);
    return k;
}

static bool
verifies(enum key_type type, slice key, slice digest, slice signature)
{
    struct public_key *k = key_from(type, key);
    bool good;
    const char *why;
    slice exact = test_exact_bytes(signature.p, signature.n);
    assert_int_equal(signature_verify(k, HASH_SHA256, digest, exact, &good, &why), ST_OK);
    test_release(exact);
    public_key_release(k);
    return good;
}

static void
vectors_of_rfc8463_verify(void **state)
{
    (void)state;
    assert_true(verifies(KEY_ED25519, decoded(ed25519_p), unhex(ed25519_digest), decoded(ed25519_b)));
    assert_true(verifies(KEY_RSA, decoded(rsa_p), unhex(rsa_digest), decoded(rsa_b)));
    struct public_key *k = key_from(KEY_RSA, decoded(rsa_p));
    assert_int_equal(public_key_bits(k), 1024);
    public_key_release(k);
}

static void
every_changed_bit_of_a_signature_counts(void **state)
{
    (void)state;
    slice b = decoded(rsa_b), e = decoded(ed25519_b);
    for (size_t i = 0; i < b.n; i++)
        assert_false(verifies(KEY_RSA, decoded(rsa_p), unhex(rsa_digest), with_octet(b, i, 1)));
    for (size_t i = 0; i < e.n; i++)
        assert_false(verifies(KEY_ED25519, decoded(ed25519_p), unhex(ed25519_digest), with_octet(e, i, 1)));
    for (size_t i = 0; i < 32; i++)
        assert_false(verifies(KEY_ED25519, decoded(ed25519_p), with_octet(unhex(ed25519_digest), i, 1), e));
}

static void
a_signature_has_the_length_of_its_key(void **state)
{
    (void)state;
    slice b = decoded(rsa_b), e = decoded(ed25519_b), key = decoded(rsa_p), digest = unhex(rsa_digest);
    assert_false(verifies(KEY_RSA, key, digest, slice_head(b, b.n - 1)));
    assert_false(verifies(KEY_RSA, key, digest, joined(b, (slice){ "\0", 1 })));
    assert_false(verifies(KEY_RSA, key, digest, joined((slice){ "\0", 1 }, b)));
    assert_false(verifies(KEY_RSA, key, digest, SLICE_EMPTY));
    static const size_t sizes[] = { 0, 1, 32, 63 };
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_false(verifies(KEY_ED25519, decoded(ed25519_p), unhex(ed25519_digest), slice_head(e, sizes[i])));
    assert_false(verifies(KEY_ED25519, decoded(ed25519_p), unhex(ed25519_digest), joined(e, (slice){ "\0", 1 })));
}

/* The same residue plus the modulus verifies in a lax implementation (RFC 8017 5.2.2 step 1 forbids it). */
static void
a_signature_is_below_the_modulus(void **state)
{
    (void)state;
    unsigned char sig[256], sum[257];
    unsigned char digest[32] = "digest";
    size_t n = sizeof(sig);
    unsigned tried = 0;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    BIGNUM *modulus = NULL, *s = NULL;
    EVP_PKEY_get_bn_param(pkey, "n", &modulus);
    unsigned char number[129] = { 0 };
    BN_bn2binpad(modulus, number + 1, 128);
    slice key = spki_of(rsa_key_of((slice){ (char *)number, 129 }, SLICE("\x01\x00\x01")));
    for (int i = 0; i < 200 && tried < 3; i++) {
        digest[10] = (unsigned char)i;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
        n = sizeof(sig);
        assert_true(EVP_PKEY_sign_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
                    EVP_PKEY_sign(ctx, sig, &n, digest, 32) == 1);
        EVP_PKEY_CTX_free(ctx);
        slice d = { (char *)digest, 32 };
        assert_true(verifies(KEY_RSA, key, d, (slice){ (char *)sig, n }));
        s = BN_bin2bn(sig, (int)n, s);
        BN_add(s, s, modulus);
        if (BN_num_bits(s) > 1024)
            continue;
        BN_bn2binpad(s, sum, 128);
        assert_false(verifies(KEY_RSA, key, d, (slice){ (char *)sum, 128 }));
        tried++;
    }
    BN_free(s);
    BN_free(modulus);
    EVP_PKEY_free(pkey);
}

/* Bleichenbacher 2006: with e=3 a cube root gives a number whose cube begins like a padded digest and goes on with
 * whatever comes.  Any modulus above the cube will do, so no private key is needed.  Computed outside. */
static void
the_forgery_of_2006_fails(void **state)
{
    (void)state;
    static const char root[] = "32cbfd4a7adc7905583d767520f51640759176d37826f2ef63ae3dc7ace44fc061a4b3170290639a174f250874a9e7dd7fdd6f"
                               "bebf5ada66cbb490f65737d365fdd6ddcfab5bbdeb4c26fe262c0f3e5c670d001c01";
    slice digest = unhex("ccdd35168ab474fa5764a526cfb83621351e23682c5075b2e18d56bddf96aa30");
    slice tail = unhex(root);
    char *sig = arena_zalloc(mem, 256);
    memcpy(sig + 256 - tail.n, tail.p, tail.n);
    BIGNUM *s = BN_bin2bn((unsigned char *)sig, 256, NULL), *cube = BN_new(), *three = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    unsigned char shown[256];
    BN_set_word(three, 3);
    assert_int_equal(BN_exp(cube, s, three, ctx), 1);
    assert_int_equal(BN_bn2binpad(cube, shown, 256), 256);
    assert_memory_equal(shown, "\0\1\xff\xff\xff\xff\xff\xff\xff\xff\0", 11); /* it is the forgery */
    assert_memory_equal(shown + 11 + 19, digest.p, 32);
    BN_free(s);
    BN_free(cube);
    BN_free(three);
    BN_CTX_free(ctx);
    slice modulus = modulus_of(2048);
    ((char *)(uintptr_t)modulus.p)[2] = 0x7f;
    assert_false(verifies(KEY_RSA, rsa_key_of(modulus, SLICE("\x03")), digest, (slice){ sig, 256 }));
}

static void
both_forms_of_an_rsa_key_are_read(void **state)
{
    (void)state;
    slice spki = decoded(rsa_p), bare = slice_tail(spki, 22);
    assert_true(is_key(KEY_RSA, spki));
    assert_true(is_key(KEY_RSA, bare));
    assert_true(verifies(KEY_RSA, bare, unhex(rsa_digest), decoded(rsa_b)));
    slice no_parameters = der(0x30, unhex("06092a864886f70d010101"));
    assert_true(is_key(KEY_RSA, der(0x30, joined(no_parameters, der(0x03, joined((slice){ "\0", 1 }, bare))))));
}

static void
der_is_exact(void **state)
{
    (void)state;
    slice spki = decoded(rsa_p), bare = slice_tail(spki, 22);
    for (size_t n = 0; n < spki.n; n++)
        assert_false(is_key(KEY_RSA, slice_head(spki, n)));
    for (size_t n = 0; n < bare.n; n++)
        assert_false(is_key(KEY_RSA, slice_head(bare, n)));
    assert_false(is_key(KEY_RSA, joined(spki, (slice){ "\0", 1 })));
    assert_false(is_key(KEY_RSA, joined(bare, (slice){ "\0", 1 })));
    slice n = modulus_of(1024), e = SLICE("\x01\x00\x01"), key = rsa_key_of(n, e), zero = { "\0", 1 };
    assert_true(is_key(KEY_RSA, spki_of(key)));
    assert_false(is_key(KEY_RSA, spki_of(joined(key, zero))));                              /* in the BIT STRING */
    assert_false(is_key(KEY_RSA, rsa_key_of(joined(zero, n), e)));                          /* longer than needed */
    assert_false(is_key(KEY_RSA, rsa_key_of(n, joined(zero, e))));
    assert_false(is_key(KEY_RSA, rsa_key_of(slice_tail(n, 1), e)));                         /* negative */
    assert_false(is_key(KEY_RSA, rsa_key_of(n, SLICE_EMPTY)));
    assert_false(is_key(KEY_RSA, rsa_key_of(zero, e)));
    assert_false(is_key(KEY_RSA, der(0x30, joined(slice_tail(key, 4), zero))));             /* after the exponent */
    assert_false(is_key(KEY_RSA, joined(unhex("308200"), slice_tail(key, 2))));             /* length not shortest */
    assert_false(is_key(KEY_RSA, joined(unhex("3080"), joined(slice_tail(key, 3), unhex("0000"))))); /* indefinite */
    slice null_long = der(0x30, unhex("06092a864886f70d010101050100")), pss = der(0x30, unhex("06092a864886f70d01010a0500"));
    slice bits = der(0x03, joined(zero, key)), odd_bits = der(0x03, joined((slice){ "\1", 1 }, key));
    slice right = der(0x30, unhex("06092a864886f70d0101010500"));
    assert_true(is_key(KEY_RSA, der(0x30, joined(right, bits))));
    assert_false(is_key(KEY_RSA, der(0x30, joined(null_long, bits))));
    assert_false(is_key(KEY_RSA, der(0x30, joined(pss, bits))));
    assert_false(is_key(KEY_RSA, der(0x30, joined(right, odd_bits))));
    assert_false(is_key(KEY_RSA, der(0x30, joined(right, joined(bits, zero)))));
    assert_false(is_key(KEY_RSA, der(0x30, right)));
}

static void
sizes_and_parities_have_bounds(void **state)
{
    (void)state;
    slice e = SLICE("\x01\x00\x01");
    assert_false(is_key(KEY_RSA, rsa_key_of(modulus_of(511), e)));
    assert_true(is_key(KEY_RSA, rsa_key_of(modulus_of(512), e)));
    assert_true(is_key(KEY_RSA, rsa_key_of(modulus_of(513), e)));
    assert_true(is_key(KEY_RSA, rsa_key_of(modulus_of(16384), e)));
    assert_false(is_key(KEY_RSA, rsa_key_of(modulus_of(16385), e)));
    static const unsigned bits[] = { 1023, 1024, 1025, 3072, 8192 };
    for (size_t i = 0; i < COUNT(bits); i++) {
        struct public_key *k = key_from(KEY_RSA, rsa_key_of(modulus_of(bits[i]), e));
        assert_int_equal(public_key_bits(k), bits[i]);
        public_key_release(k);
    }
    slice n = modulus_of(1024);
    assert_false(is_key(KEY_RSA, rsa_key_of(with_octet(n, n.n - 1, 1), e)));
    static const struct {
        const char *hex;
        bool good;
    } exponents[] = {
        { "01", false }, { "02", false }, { "03", true }, { "04", false }, { "11", true }, { "010001", true },
        { "010000", false }, { "00ffffffff", true }, { "0100000001", false }, { "7fffffffffffffff", false },
    };
    for (size_t i = 0; i < COUNT(exponents); i++)
        assert_int_equal(is_key(KEY_RSA, rsa_key_of(n, unhex(exponents[i].hex))), exponents[i].good);
}

static void
ed25519_keys_of_small_order_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p: 0 once more */
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 3: not canonical */
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (is_key(KEY_ED25519, unhex(bad[i])))
            fail_msg("%s", bad[i]);
    slice key = decoded(ed25519_p);
    assert_true(is_key(KEY_ED25519, key));
    assert_false(is_key(KEY_ED25519, slice_head(key, 31)));
    assert_false(is_key(KEY_ED25519, joined(key, (slice){ "\0", 1 })));
    assert_false(is_key(KEY_ED25519, SLICE_EMPTY));
    assert_false(is_key(KEY_ED25519, joined(unhex("302a300506032b6570032100"), key))); /* RFC 8463 4.2: no DER here */
}

/* RFC 8032 5.1.7: S + L is the same residue and must not verify. */
static void
ed25519_s_is_below_the_order(void **state)
{
    (void)state;
    slice order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"); /* L, little endian */
    slice b = arena_slice(mem, decoded(ed25519_b));
    unsigned char *s = (unsigned char *)(uintptr_t)b.p + 32;
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += s[i] + (unsigned)(unsigned char)order.p[i];
        s[i] = (unsigned char)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(verifies(KEY_ED25519, decoded(ed25519_p), unhex(ed25519_digest), b));
}

static void
the_cache_knows_names_and_texts_apart(void **state)
{
    (void)state;
    unsigned flags = 0;
    struct key_cache *c = key_cache_new(1000);
    struct public_key *k = key_from(KEY_ED25519, decoded(ed25519_p)), *other = key_from(KEY_RSA, decoded(rsa_p));
    assert_null(key_cache_get(c, SLICE("a.example"), SLICE("text"), &flags));
    key_cache_put(c, SLICE("a.example"), SLICE("text"), k, 5);
    key_cache_put(c, SLICE("a.example"), SLICE("Text"), other, 6);
    struct public_key *got = key_cache_get(c, SLICE("a.example"), SLICE("text"), &flags);
    assert_ptr_equal(got, k);
    public_key_release(got);
    assert_int_equal(flags, 5);
    got = key_cache_get(c, SLICE("a.example"), SLICE("Text"), &flags);
    assert_ptr_equal(got, other);
    assert_int_equal(flags, 6);
    public_key_release(got);
    assert_null(key_cache_get(c, SLICE("a.exampl"), SLICE("etext"), &flags));
    assert_null(key_cache_get(NULL, SLICE("a.example"), SLICE("text"), &flags));
    assert_int_equal(key_cache_stats(c).keys, 2);
    assert_int_equal(key_cache_stats(c).hits, 2);
    public_key_release(k);
    public_key_release(other);
    key_cache_free(c);
}

static void
the_cache_is_bounded(void **state)
{
    (void)state;
    unsigned flags = 0;
    struct key_cache *c = key_cache_new(256);
    struct public_key *k = key_from(KEY_ED25519, decoded(ed25519_p));
    for (unsigned i = 0; i < 5000; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i);
        key_cache_put(c, slice_from(name), SLICE("text"), k, 5);
        struct public_key *got = key_cache_get(c, slice_from(name), SLICE("text"), &flags);
        assert_ptr_equal(got, k);
        public_key_release(got);
    }
    assert_in_range(key_cache_stats(c).keys, 128, 256);
    public_key_release(k);
    key_cache_free(c);
}

static void *
use_cache(void *arg)
{
    struct key_cache *c = arg;
    unsigned flags;
    slice data, digest = SLICE("0123456789abcdef0123456789abcdef");
    struct arena *a = arena_new(0);
    base64_decode(a, slice_from(rsa_p), &data);
    for (unsigned i = 0; i < 2000; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i % 300);
        struct public_key *k = key_cache_get(c, slice_from(name), SLICE("text"), &flags);
        const char *why;
        bool good;
        if (k == NULL && public_key_new(KEY_RSA, data, &k, &why) == ST_OK)
            key_cache_put(c, slice_from(name), SLICE("text"), k, 5);
        if (i % 10 == 0)
            signature_verify(k, HASH_SHA256, digest, data, &good, &why);
        public_key_release(k);
    }
    arena_free(a);
    return NULL;
}

static void
threads_share_the_cache(void **state)
{
    (void)state;
    struct key_cache *c = key_cache_new(128);
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_cache, c), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    key_cache_free(c);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(vectors_of_rfc8463_verify),          CASE(every_changed_bit_of_a_signature_counts),
        CASE(a_signature_has_the_length_of_its_key), CASE(a_signature_is_below_the_modulus),
        CASE(the_forgery_of_2006_fails),          CASE(both_forms_of_an_rsa_key_are_read),
        CASE(der_is_exact),                       CASE(sizes_and_parities_have_bounds),
        CASE(ed25519_keys_of_small_order_are_refused), CASE(ed25519_s_is_below_the_order),
        CASE(the_cache_knows_names_and_texts_apart), CASE(the_cache_is_bounded),
        CASE(threads_share_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
