/*
 * cryptofloor.c - what the cryptography of a message costs by itself: SHA-256 of so many octets and so many RSA-2048
 * verifications, nothing else.   cryptofloor OCTETS VERIFICATIONS MESSAGES -> CPU ms a message
 * The least of ten parts: what else runs on the machine is no cost of the cryptography.
 */
#define _POSIX_C_SOURCE 200809L
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARTS 10

static void
need(int good, const char *what)
{
    if (good > 0)
        return;
    fprintf(stderr, "cryptofloor: %s failed\n", what);
    exit(1);
}

static double
cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t octets = (size_t)atol(argv[1]), sig_n = 512;
    double per_message = atof(argv[2]), owed = 0, best = 0;
    long messages = atol(argv[3]) / PARTS;
    unsigned char *data = malloc(octets + 1), digest[32], sig[512];
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_PKEY_CTX *sign = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL), *verify = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);
    need(data != NULL && md != NULL && sign != NULL && verify != NULL && messages > 0, "the preparation");
    memset(data, 'x', octets);
    memset(digest, 1, sizeof(digest));
    need(EVP_PKEY_sign_init(sign), "sign_init");
    need(EVP_PKEY_CTX_set_rsa_padding(sign, RSA_PKCS1_PADDING), "padding");
    need(EVP_PKEY_CTX_set_signature_md(sign, md), "digest");
    need(EVP_PKEY_sign(sign, sig, &sig_n, digest, sizeof(digest)), "sign");
    need(EVP_PKEY_verify_init(verify), "verify_init");
    need(EVP_PKEY_CTX_set_rsa_padding(verify, RSA_PKCS1_PADDING), "padding");
    need(EVP_PKEY_CTX_set_signature_md(verify, md), "digest");
    for (int part = 0; part < PARTS; part++) {
        double began = cpu_ms();
        for (long i = 0; i < messages; i++) {
            unsigned char hash[32];
            unsigned n = 0;
            need(EVP_Digest(data, octets, hash, &n, md, NULL), "digest");
            for (owed += per_message; owed >= 1; owed--)
                need(EVP_PKEY_verify(verify, sig, sig_n, digest, sizeof(digest)), "verify");
        }
        double each = (cpu_ms() - began) / (double)messages;
        if (part == 0 || each < best)
            best = each;
    }
    printf("%.4f\n", best);
    return 0;
}
