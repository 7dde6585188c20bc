/* Private keys and HMAC against the vectors of RFC 8463 appendix A and RFC 4231. */
#include "autoconf.h"

#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "crypto/hmac.h"
#include "crypto/sign.h"
#include "crypto/signer.h"

/* RFC 8463 A.1; the Ed25519 seed stands in a PKCS #8 shell (RFC 8410 7). */
static const char ed25519_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";
static const char rsa_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                              "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                              "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                              "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                              "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                              "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                              "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                              "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                              "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                              "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                              "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                              "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                              "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                              "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                              "-----END RSA PRIVATE KEY-----\n";
static const char rsa512_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                                 "MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEA1uUQyjZ+CmoZUq3y\n"
                                 "dfsOskDWwyspTyJI5PKIqS5RSPYO+J+viCuDgCbOGP4fbarcT9T+ioigVXjCPXSm\n"
                                 "Dk1MPQIDAQABAkEAxXoRGNJEt0tS5ADHvBWvJq2g7g8+0eK+u+4JGfdfaTxNt3GN\n"
                                 "Wg2SGf19pvf56kP7cVlW3ayG/7e5zxUUHzhj4QIhAPGEpot9TfpZ6OHounXEtxJb\n"
                                 "RjBkNx49EwatGfx4gb0lAiEA48e9urCbFEgieRKZnf609uJSuX7O744B9i2PKqLL\n"
                                 "wzkCIBkGvNdBcb4aaPZXzlJ7wtilGp3TFJ8OhxUvBL1To2X9AiBloigb9tUbVZxc\n"
                                 "HVqBzrZ8OjvjHJvE874YU/e/dGgqsQIgH6YWwe4PEB6FejZejMVeloRg3n6olTUs\n"
                                 "9t5sl1KU8aQ=\n"
                                 "-----END PRIVATE KEY-----\n";
static const char p256_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLJHyoBUnrz6ajYv0\n"
                               "ehkcsZHOZ6NGkulpQbK7OLKTVuGhRANCAAQTR6alFOZ/yr6V8bQ6d4vXRd2Gp+Wa\n"
                               "lg7q+16/25WSIFxleBuzvud1YqqH5YKkDU6TltisTvvSsnA7wzqt2D4R\n"
                               "-----END PRIVATE KEY-----\n";

static char directory[] = "/tmp/vidimus-sign.XXXXXX";

static const char *
key_file(const char *name, const char *pem, mode_t mode)
{
    static char path[sizeof(directory) + 64];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(pem, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static struct private_key *
load(const char *pem)
{
    struct strbuf why;
    strbuf_init(&why, 0);
    struct private_key *k = private_key_load(key_file("key", pem, 0600), false, &why);
    if (k == NULL)
        fail_msg("%s", strbuf_str(&why));
    strbuf_clear(&why);
    return k;
}

static void
unhex(const char *hex, unsigned char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (unsigned char)v;
    }
}

static void
signatures_are_those_of_rfc8463(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *digest, *b, *record;
        enum sign_algorithm algorithm;
        unsigned bits;
    } cases[] = {
        { ed25519_pem, "48ce9a2c710ece1710ff156996b836a7f45470e43efe5643074d6e1690ed62e7",
          "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
          "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", SIGN_ED25519_SHA256, 256 },
        { rsa_pem, "fed71e6d70fb123bb5c353adc42821b304b6b9d54fc867f304f7c61daaaa1111",
          "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsg"
          "eefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=",
          "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
          "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryO"
          "TIKT+l/K4w3QIDAQAB",
          SIGN_RSA_SHA256, 1024 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct private_key *k = load(cases[i].pem);
        unsigned char digest[DIGEST_SIZE];
        struct signature sig;
        struct strbuf text;
        strbuf_init(&text, 0);
        unhex(cases[i].digest, digest, sizeof(digest));
        assert_int_equal(private_key_algorithm(k), cases[i].algorithm);
        assert_int_equal(private_key_bits(k), cases[i].bits);
        assert_int_equal(private_key_sign(k, digest, &sig), ST_OK);
        base64_encode(&text, (slice){ (const char *)sig.bytes, sig.n });
        assert_slice(strbuf_slice(&text), cases[i].b);
        strbuf_reset(&text);
        assert_int_equal(private_key_record(k, false, &text), ST_OK);
        assert_slice(strbuf_slice(&text), cases[i].record);

        struct arena *a = arena_new(0);
        slice p;
        assert_int_equal(base64_decode(a, slice_from(strstr(cases[i].record, "p=") + 2), &p), ST_OK);
        assert_true(private_key_matches(k, p));
        assert_false(private_key_matches(k, slice_tail(p, 1)));
        if (cases[i].algorithm == SIGN_RSA_SHA256) /* RSAPublicKey alone: 22 octets of AlgorithmIdentifier and BIT STRING less */
            assert_true(private_key_matches(k, slice_tail(p, 22)));
        arena_free(a);
        strbuf_clear(&text);
        private_key_free(k);
    }
}

static void
unfit_key_files_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *reason;
        mode_t mode;
    } cases[] = {
        { "512 bits", rsa512_pem, "RSA key of 512 bits", 0600 },
        { "another algorithm", p256_pem, "neither an RSA nor an Ed25519 key", 0600 },
        { "readable by the group", ed25519_pem, "mode 0640", 0640 },
        { "readable by all", ed25519_pem, "mode 0604", 0604 },
        { "no key", "hello\n", "not a PEM private key", 0600 },
        { "cut", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1h\n", "not a PEM private key", 0600 },
        { "empty", "", "empty file", 0600 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strbuf why;
        strbuf_init(&why, 0);
        const char *path = key_file("unfit", cases[i].text, cases[i].mode);
        assert_null(private_key_load(path, false, &why));
        if (strstr(strbuf_str(&why), cases[i].reason) == NULL)
            fail_msg("%s: %s", cases[i].label, strbuf_str(&why));
        strbuf_clear(&why);
    }
    struct strbuf why;
    strbuf_init(&why, 0);
    assert_null(private_key_load("/nonexistent/key", false, &why));
    assert_slice(strbuf_slice(&why), "No such file or directory");
    strbuf_reset(&why);
    assert_null(private_key_load("/dev/zero", true, &why));
    assert_slice(strbuf_slice(&why), "not a regular file");
    strbuf_clear(&why);
}

static void
made_keys_are_written_closed_and_once(void **state)
{
    (void)state;
    static const enum sign_algorithm kinds[] = { SIGN_RSA_SHA256, SIGN_ED25519_SHA256 };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char path[sizeof(directory) + 64];
        snprintf(path, sizeof(path), "%s/made%zu", directory, i);
        mode_t old = umask(0);
        struct private_key *k = private_key_make(kinds[i], 2048);
        assert_non_null(k);
        assert_true(private_key_write(k, path));
        assert_false(private_key_write(k, path));
        umask(old);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        struct strbuf one, two, why;
        strbuf_init(&one, 0);
        strbuf_init(&two, 0);
        strbuf_init(&why, 0);
        struct private_key *again = private_key_load(path, false, &why);
        assert_non_null(again);
        assert_int_equal(private_key_algorithm(again), kinds[i]);
        assert_int_equal(private_key_bits(again), kinds[i] == SIGN_RSA_SHA256 ? 2048 : 256);
        private_key_record(k, true, &one);
        private_key_record(again, true, &two);
        assert_true(slice_eq(strbuf_slice(&one), strbuf_slice(&two)));
        assert_true(slice_icontains(strbuf_slice(&one), SLICE("; t=y; p=")));
        strbuf_clear(&one);
        strbuf_clear(&two);
        strbuf_clear(&why);
        private_key_free(k);
        private_key_free(again);
        unlink(path);
    }
    assert_null(private_key_make(SIGN_RSA_SHA256, 512));
}

static void
a_local_signer_knows_its_keys_by_name(void **state)
{
    (void)state;
    struct signer_keys list = { 0 };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    const char *path = key_file("key", ed25519_pem, 0600);
    assert_int_equal(signer_keys_add(&list, SLICE("a"), slice_from(path)), ST_OK);
    assert_int_equal(signer_keys_add(&list, SLICE("a"), SLICE("/nonexistent")), ST_OK); /* known already */
    assert_int_equal(signer_keys_add(&list, SLICE("b"), SLICE("/nonexistent")), ST_OK);
    assert_int_equal(list.n, 2);
    struct signer *s = signer_local_new(&list, false, &errors);
    assert_non_null(s);
    assert_slice(strbuf_slice(&errors), "/nonexistent: No such file or directory\n");
    enum sign_algorithm a;
    unsigned char digest[DIGEST_SIZE] = { 0 };
    struct signature sig;
    assert_true(signer_find(s, SLICE("a"), &a));
    assert_int_equal(a, SIGN_ED25519_SHA256);
    assert_false(signer_find(s, SLICE("b"), &a));
    assert_int_equal(signer_sign(s, SLICE("a"), SIGN_ED25519_SHA256, digest, &sig), ST_OK);
    assert_int_equal(signer_sign(s, SLICE("a"), SIGN_RSA_SHA256, digest, &sig), ST_SYNTAX);
    assert_int_equal(signer_sign(s, SLICE("b"), SIGN_RSA_SHA256, digest, &sig), ST_SYNTAX);
    signer_free(s);
    signer_keys_clear(&list);
    strbuf_clear(&errors);
}

static void
hmac_is_that_of_rfc4231(void **state)
{
    (void)state;
    char key3[20], data3[50], key6[131];
    memset(key3, 0xaa, sizeof(key3));
    memset(data3, 0xdd, sizeof(data3));
    memset(key6, 0xaa, sizeof(key6));
    const struct {
        slice key, data;
        const char *mac;
    } cases[] = {
        { SLICE("Jefe"), SLICE("what do ya want for nothing?"),
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { { key3, sizeof(key3) }, { data3, sizeof(data3) },
          "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
        { { key6, sizeof(key6) }, SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char want[HMAC_SIZE], got[HMAC_SIZE];
        slice parts[] = { slice_head(cases[i].data, 7), SLICE_EMPTY, slice_tail(cases[i].data, 7) };
        unhex(cases[i].mac, want, sizeof(want));
        assert_int_equal(hmac_sha256(cases[i].key, parts, COUNT(parts), got), ST_OK);
        assert_memory_equal(got, want, HMAC_SIZE);
        assert_true(hmac_equal((slice){ (char *)got, HMAC_SIZE }, (slice){ (char *)want, HMAC_SIZE }));
        want[31] ^= 1;
        assert_false(hmac_equal((slice){ (char *)got, HMAC_SIZE }, (slice){ (char *)want, HMAC_SIZE }));
        assert_false(hmac_equal((slice){ (char *)got, HMAC_SIZE }, (slice){ (char *)got, HMAC_SIZE - 1 }));
    }
}

static int
set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    char path[sizeof(directory) + 64];
    static const char *const names[] = { "key", "unfit" };
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_rfc8463),
        cmocka_unit_test(unfit_key_files_are_refused_with_a_reason),
        cmocka_unit_test(made_keys_are_written_closed_and_once),
        cmocka_unit_test(a_local_signer_knows_its_keys_by_name),
        cmocka_unit_test(hmac_is_that_of_rfc4231),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
