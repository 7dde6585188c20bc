/* A key record and the key in it.  What is taken for DER is exactly the one encoding of its numbers. */
#include <assert.h>
#include <string.h>

#include "base/strbuf.h"
#include "crypto/der.h"
#include "dkim/key_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
add_element(struct strbuf *b, char tag, slice content)
{
    strbuf_add_char(b, tag);
    if (content.n < 128) {
        strbuf_add_char(b, (char)content.n);
    } else if (content.n < 256) {
        strbuf_add_char(b, (char)0x81);
        strbuf_add_char(b, (char)content.n);
    } else {
        strbuf_add_char(b, (char)0x82);
        strbuf_add_char(b, (char)(content.n >> 8));
        strbuf_add_char(b, (char)content.n);
    }
    strbuf_add(b, content);
}

static void
add_integer(struct strbuf *b, slice number)
{
    struct strbuf content;
    strbuf_init(&content, 0);
    if ((number.p[0] & 0x80) != 0)
        strbuf_add_char(&content, 0);
    strbuf_add(&content, number);
    add_element(b, 0x02, strbuf_slice(&content));
    strbuf_clear(&content);
}

static void
check_der(slice der)
{
    struct rsa_numbers n;
    if (!der_rsa_public_key(der, &n))
        return;
    assert(n.modulus.n > 0 && n.exponent.n > 0 && n.modulus.p[0] != 0 && n.exponent.p[0] != 0);
    struct strbuf numbers, key;
    strbuf_init(&numbers, 0);
    strbuf_init(&key, 0);
    add_integer(&numbers, n.modulus);
    add_integer(&numbers, n.exponent);
    add_element(&key, 0x30, strbuf_slice(&numbers));
    slice encoded = strbuf_slice(&key);
    assert(der.n >= encoded.n && slice_eq(slice_tail(der, der.n - encoded.n), encoded));
    assert(der.n == encoded.n || der.n - encoded.n <= 30); /* the rest is the head of a SubjectPublicKeyInfo */
    strbuf_clear(&numbers);
    strbuf_clear(&key);
}

static void
check_key(enum key_type type, slice data)
{
    struct public_key *k = NULL;
    const char *why = NULL;
    enum status st = public_key_new(type, data, &k, &why);
    assert(st == ST_OK ? k != NULL : st == ST_SYNTAX && why != NULL);
    if (st == ST_OK)
        assert(public_key_bits(k) >= 256 && public_key_bits(k) <= 16384);
    public_key_release(k);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct key_record r;
    const char *why = NULL;
    slice text = { (const char *)data, size };
    enum status st = key_record_parse(a, text, &r, &why);
    assert(st == ST_OK || (st == ST_SYNTAX && why != NULL));
    if (st == ST_OK && !r.revoked) {
        check_der(r.data);
        check_key(r.type, r.data);
    }
    check_der(text);
    check_key(KEY_RSA, text);
    check_key(KEY_ED25519, text);
    arena_free(a);
    return 0;
}
