#include "autoconf.h"

#include "crypto/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"

#define KEY_FILE_MAX ((size_t)65536)

struct private_key {
    EVP_PKEY *pkey;
    enum sign_algorithm algorithm;
};

const char *
sign_algorithm_name(enum sign_algorithm a)
{
    switch (a) {
    case SIGN_RSA_SHA256:
        return "rsa-sha256";
    case SIGN_ED25519_SHA256:
        return "ed25519-sha256";
    }
    return "";
}

void
private_key_free(struct private_key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

/* ------------------------------------------------------------------ signing */

static enum status
sign_rsa(EVP_PKEY *pkey, const unsigned char *digest, struct signature *out)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    size_t n = sizeof(out->bytes);
    bool ok = c != NULL && EVP_PKEY_sign_init(c) > 0 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0 &&
              EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) > 0 &&
              EVP_PKEY_sign(c, out->bytes, &n, digest, DIGEST_SIZE) > 0;
    EVP_PKEY_CTX_free(c);
    out->n = ok ? n : 0;
    return ok ? ST_OK : ST_INTERNAL;
}

/* RFC 8463 3: PureEdDSA over the SHA-256 digest. */
static enum status
sign_ed25519(EVP_PKEY *pkey, const unsigned char *digest, struct signature *out)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    size_t n = sizeof(out->bytes);
    bool ok = c != NULL && EVP_DigestSignInit(c, NULL, NULL, NULL, pkey) > 0 &&
              EVP_DigestSign(c, out->bytes, &n, digest, DIGEST_SIZE) > 0;
    EVP_MD_CTX_free(c);
    out->n = ok ? n : 0;
    return ok ? ST_OK : ST_INTERNAL;
}

enum status
private_key_sign(const struct private_key *k, const unsigned char digest[DIGEST_SIZE], struct signature *out)
{
    switch (k->algorithm) {
    case SIGN_RSA_SHA256:
        return sign_rsa(k->pkey, digest, out);
    case SIGN_ED25519_SHA256:
        return sign_ed25519(k->pkey, digest, out);
    }
    return ST_INTERNAL;
}

enum sign_algorithm
private_key_algorithm(const struct private_key *k)
{
    return k->algorithm;
}

unsigned
private_key_bits(const struct private_key *k)
{
    int bits = EVP_PKEY_get_bits(k->pkey);
    return k->algorithm == SIGN_ED25519_SHA256 ? 256 : bits < 0 ? 0 : (unsigned)bits;
}

/* ------------------------------------------------------------------ reading */

/* The halves of the key belong together: a damaged file must not give seals that nobody can verify. */
static bool
consistent(const struct private_key *k)
{
    static const unsigned char digest[DIGEST_SIZE] = { 1 };
    struct signature sig;
    if (private_key_sign(k, digest, &sig) != ST_OK)
        return false;
    if (k->algorithm == SIGN_ED25519_SHA256) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        bool ok = c != NULL && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) > 0 &&
                  EVP_DigestVerify(c, sig.bytes, sig.n, digest, DIGEST_SIZE) > 0;
        EVP_MD_CTX_free(c);
        return ok;
    }
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    bool ok = c != NULL && EVP_PKEY_verify_init(c) > 0 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) > 0 &&
              EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) > 0 &&
              EVP_PKEY_verify(c, sig.bytes, sig.n, digest, DIGEST_SIZE) > 0;
    EVP_PKEY_CTX_free(c);
    return ok;
}

static struct private_key *
key_from(EVP_PKEY *pkey, struct strbuf *error)
{
    struct private_key *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        EVP_PKEY_free(pkey);
        strbuf_add_str(error, "out of memory");
        return NULL;
    }
    k->pkey = pkey;
    int bits = EVP_PKEY_get_bits(pkey);
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        k->algorithm = SIGN_ED25519_SHA256;
    } else if (!EVP_PKEY_is_a(pkey, "RSA")) {
        strbuf_add_str(error, "neither an RSA nor an Ed25519 key");
        goto refuse;
    } else if (bits < SIGN_RSA_MIN_BITS || bits > SIGN_RSA_MAX_BITS) {
        strbuf_printf(error, "RSA key of %d bits, allowed are %d to %d (RFC 8301 3.2)", bits, SIGN_RSA_MIN_BITS,
                      SIGN_RSA_MAX_BITS);
        goto refuse;
    }
    if (!consistent(k)) {
        strbuf_add_str(error, "damaged key: what it signs does not verify with its public half");
        goto refuse;
    }
    return k;
refuse:
    private_key_free(k);
    return NULL;
}

/* Never a prompt on a terminal. */
static int
no_pass_phrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

/* The file's octets, to be wiped by the caller; 0 and a reason if it cannot be used. */
static size_t
read_key_file(const char *path, bool loose_mode, unsigned char *buf, struct strbuf *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    size_t n = 0;
    if (fd < 0 || fstat(fd, &st) != 0) {
        strbuf_add_str(error, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        strbuf_add_str(error, "not a regular file");
    } else if (!loose_mode && (st.st_mode & 077) != 0) {
        strbuf_printf(error, "mode %04o, others than the owner could use the key: chmod 600",
                      (unsigned)st.st_mode & 07777U);
    } else if (!loose_mode && st.st_uid != 0 && st.st_uid != geteuid()) {
        strbuf_add_str(error, "owned by somebody else: chown it to root");
    } else {
        for (ssize_t got; n < KEY_FILE_MAX && (got = read(fd, buf + n, KEY_FILE_MAX - n)) != 0; n += (size_t)got)
            if (got < 0) {
                strbuf_add_str(error, strerror(errno));
                n = 0;
                break;
            }
        if (n == KEY_FILE_MAX) {
            strbuf_add_str(error, "too long for a key file");
            n = 0;
        } else if (n == 0 && error->n == 0) {
            strbuf_add_str(error, "empty file");
        }
    }
    if (fd >= 0)
        close(fd);
    return n;
}

struct private_key *
private_key_load(const char *path, bool loose_mode, struct strbuf *error)
{
    struct strbuf why;
    strbuf_init(&why, 0);
    unsigned char *buf = malloc(KEY_FILE_MAX);
    struct private_key *k = NULL;
    size_t n = buf == NULL ? 0 : read_key_file(path, loose_mode, buf, &why);
    if (n > 0) {
        BIO *bio = BIO_new_mem_buf(buf, (int)n);
        EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
        BIO_free(bio);
        if (pkey == NULL)
            strbuf_add_str(&why, "not a PEM private key without a pass phrase");
        else
            k = key_from(pkey, &why);
        OPENSSL_cleanse(buf, n);
    }
    free(buf);
    if (k == NULL)
        strbuf_add(error, why.n == 0 ? SLICE("out of memory") : strbuf_slice(&why));
    strbuf_clear(&why);
    return k;
}

/* ------------------------------------------------------------------ making */

struct private_key *
private_key_make(enum sign_algorithm a, unsigned bits)
{
    EVP_PKEY *pkey = a == SIGN_ED25519_SHA256 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                              : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    if (pkey == NULL)
        return NULL;
    struct strbuf error;
    strbuf_init(&error, 0);
    struct private_key *k = key_from(pkey, &error);
    strbuf_clear(&error);
    return k;
}

bool
private_key_write(const struct private_key *k, const char *path)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *pem = NULL;
    long n = bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) > 0
                 ? BIO_get_mem_data(bio, &pem)
                 : 0;
    if (n <= 0) {
        BIO_free(bio);
        errno = ENOMEM;
        return false;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0;
    for (long at = 0; ok && at < n;) {
        ssize_t w = write(fd, pem + at, (size_t)(n - at));
        ok = w > 0;
        at += w;
    }
    ok = ok && fsync(fd) == 0;
    int err = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        err = errno;
        ok = false;
    }
    if (!ok && fd >= 0)
        unlink(path);
    OPENSSL_cleanse(pem, (size_t)n);
    BIO_free(bio);
    errno = err;
    return ok;
}

/* ------------------------------------------------------------------ the public half */

/* DER of SubjectPublicKeyInfo, or of the bare RSAPublicKey. */
static enum status
add_public_der(const struct private_key *k, bool bare, struct strbuf *out)
{
    unsigned char *der = NULL;
    int n = bare ? i2d_PublicKey(k->pkey, &der) : i2d_PUBKEY(k->pkey, &der);
    if (n <= 0)
        return ST_INTERNAL;
    strbuf_add(out, (slice){ (const char *)der, (size_t)n });
    OPENSSL_free(der);
    return strbuf_status(out);
}

enum status
private_key_public(const struct private_key *k, struct strbuf *out)
{
    if (k->algorithm == SIGN_RSA_SHA256)
        return add_public_der(k, false, out);
    unsigned char raw[32];
    size_t n = sizeof(raw);
    if (EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) <= 0)
        return ST_INTERNAL;
    strbuf_add(out, (slice){ (const char *)raw, n });
    return strbuf_status(out);
}

bool
private_key_matches(const struct private_key *k, slice published)
{
    struct strbuf ours;
    strbuf_init(&ours, 0);
    bool same = private_key_public(k, &ours) == ST_OK && slice_eq(strbuf_slice(&ours), published);
    if (!same && k->algorithm == SIGN_RSA_SHA256) {
        strbuf_reset(&ours);
        same = add_public_der(k, true, &ours) == ST_OK && slice_eq(strbuf_slice(&ours), published);
    }
    strbuf_clear(&ours);
    return same;
}

enum status
private_key_record(const struct private_key *k, bool testing, struct strbuf *out)
{
    struct strbuf p;
    strbuf_init(&p, 0);
    enum status st = private_key_public(k, &p);
    if (st == ST_OK) {
        strbuf_add_str(out, "v=DKIM1; ");
        strbuf_add_str(out, k->algorithm == SIGN_RSA_SHA256 ? "k=rsa; " : "k=ed25519; ");
        strbuf_add_str(out, testing ? "t=y; p=" : "p=");
        base64_encode(out, strbuf_slice(&p));
        st = strbuf_status(out);
    }
    strbuf_clear(&p);
    return st;
}
