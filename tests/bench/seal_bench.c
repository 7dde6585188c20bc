/*
 * seal_bench.c - what an ARC set costs: seals a second and CPU time, beside the two RSA-2048 signatures that each set holds
 * (RFC 8617 4.1: one in the AMS, one in the AS).  In this process, and by the key holder with several threads asking.
 */
#include "autoconf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "arc/seal.h"
#include "base/clock.h"
#include "crypto/keyholder.h"

#define SECONDS_MS 2000
#define BODY_BYTES 4096
#define THREADS 4

static struct {
    const char *name;
    enum sign_algorithm algorithm;
    char path[32];
} kept[] = { { "rsa", SIGN_RSA_SHA256, "/tmp/vidimus-bench.XXXXXX" }, { "ed25519", SIGN_ED25519_SHA256, "/tmp/vidimus-bench.XXXXXX" } };

static uint64_t
cpu_us(int who)
{
    struct rusage r;
    getrusage(who, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static char *const names[] = { "From", "Reply-To", "Subject", "Date", "To", "Cc", "Message-ID", "In-Reply-To", "References",
                               "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Id", "DKIM-Signature" };
static char *const over[] = { "From" };

static bool
seal_one(struct signer *s, slice body, const char *key)
{
    static const struct header_limits limits = { 100, 100000 };
    static const struct {
        const char *name, *value;
    } fields[] = {
        { "Received", " from mx.bank.example (mx.bank.example [192.0.2.10])\n\tby mx.forward.example; Sat, 21 Nov 2026 20:00:00 +0000" },
        { "DKIM-Signature", " v=1; a=rsa-sha256; c=relaxed/relaxed; d=bank.example; s=demo; h=from:to:subject:date;\n\tbh=x; b=y" },
        { "From", " Bank <service@bank.example>" }, { "To", " list@forward.example" }, { "Subject", " Your statement" },
        { "Date", " Sat, 21 Nov 2026 20:00:00 +0000" }, { "Message-ID", " <1@bank.example>" }, { "MIME-Version", " 1.0" },
        { "Content-Type", " text/plain; charset=utf-8" },
    };
    struct arena *a = arena_new(0);
    struct header_list *h = header_list_new(a, &limits);
    for (size_t i = 0; i < COUNT(fields); i++)
        header_list_add(h, slice_from(fields[i].name), slice_from(fields[i].value));
    struct body_canon *b = body_canon_new(a);
    struct arc_seal *seal = arc_seal_new(a, b);
    body_canon_feed(b, body);
    body_canon_finish(b);
    const struct arc_seal_options o = { .domain = SLICE("forward.example"), .selector = SLICE("s"), .key = slice_from(key), .signer = s,
                                        .now = 1790000000, .headers = names, .n_headers = COUNT(names), .oversign = over,
                                        .n_oversign = COUNT(over) };
    const struct arc_result none = { .status = ARC_NONE, .oldest_pass = -1 };
    struct arc_seal_set set;
    bool good = arc_seal_finish(seal, &o, h, SLICE(" mx.forward.example;\n\tdmarc=pass header.from=bank.example;\n\tdkim=pass "
                                                   "header.d=bank.example;\n\tspf=pass smtp.mailfrom=bank.example;\n\tarc=none"),
                                &none, &set) == ST_OK && set.instance == 1;
    body_canon_clear(b);
    arena_free(a);
    return good;
}

struct work {
    struct signer *signer;
    slice body;
    const char *key;
    bool seals; /* else bare signatures */
    uint64_t until_ms, done;
};

static void *
work(void *arg)
{
    struct work *w = arg;
    unsigned char digest[DIGEST_SIZE] = { 0 };
    struct signature sig;
    while (clock_mono_ms() < w->until_ms) {
        bool good = w->seals ? seal_one(w->signer, w->body, w->key)
                             : signer_sign(w->signer, slice_from(w->key), SIGN_RSA_SHA256, digest, &sig) == ST_OK;
        if (!good)
            abort();
        digest[0]++;
        w->done++;
    }
    return NULL;
}

static double
measure(const char *what, struct signer *s, slice body, const char *key, bool seals, unsigned threads, uint64_t (*cpu)(void))
{
    struct work w[THREADS];
    pthread_t t[THREADS];
    uint64_t began = clock_mono_ms(), used = cpu(), done = 0;
    for (unsigned i = 0; i < threads; i++) {
        w[i] = (struct work){ s, body, key, seals, began + SECONDS_MS, 0 };
        pthread_create(&t[i], NULL, work, &w[i]);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
        done += w[i].done;
    }
    uint64_t ms = clock_mono_ms() - began;
    double each = (double)(cpu() - used) / (double)done;
    printf("%-44s %8.0f /s  %8.1f us CPU\n", what, (double)done * 1000 / (double)ms, each);
    return each;
}

static uint64_t
cpu_here(void)
{
    return cpu_us(RUSAGE_SELF);
}

static pid_t holder;

/* Here and in the holder, which is not our child: its time stands in /proc. */
static uint64_t
cpu_both(void)
{
    char name[64];
    unsigned long user = 0, system = 0;
    snprintf(name, sizeof(name), "/proc/%d/stat", (int)holder);
    FILE *f = fopen(name, "r");
    if (f == NULL || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        abort();
    fclose(f);
    return cpu_us(RUSAGE_SELF) + (user + system) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void
list(void *arg, struct signer_keys *keys, struct strbuf *errors)
{
    (void)arg, (void)errors;
    for (size_t i = 0; i < COUNT(kept); i++)
        signer_keys_add(keys, slice_from(kept[i].name), slice_from(kept[i].path));
}

int
main(void)
{
    for (size_t i = 0; i < COUNT(kept); i++) {
        struct private_key *k = private_key_make(kept[i].algorithm, 2048);
        close(mkstemp(kept[i].path));
        unlink(kept[i].path);
        if (!private_key_write(k, kept[i].path))
            return 1;
        private_key_free(k);
    }
    struct strbuf errors;
    strbuf_init(&errors, 0);
    const struct keyholder_setup setup = { .list = list, .uid = 65534, .gid = 65534 };
    struct keyholder_launcher *l = keyholder_launch(&setup);
    struct signer *far = keyholder_open(l, NULL, 5000, &errors);
    struct signer_keys keys = { 0 };
    list(NULL, &keys, &errors);
    struct signer *near = signer_local_new(&keys, false, &errors);
    char *text = malloc(BODY_BYTES);
    for (size_t i = 0; i < BODY_BYTES; i++)
        text[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
    slice body = { text, BODY_BYTES };
    holder = keyholder_figures(far).pid;

    double one = measure("one RSA-2048 signature", near, body, "rsa", false, 1, cpu_here);
    double seal = measure("seal, key in this process", near, body, "rsa", true, 1, cpu_here);
    double asked = measure("one signature by the key holder", far, body, "rsa", false, 1, cpu_both);
    double distant = measure("seal by the key holder", far, body, "rsa", true, 1, cpu_both);
    double many = measure("seal by the key holder, 4 threads ask", far, body, "rsa", true, THREADS, cpu_both);
    double light = measure("seal with Ed25519 by the key holder", far, body, "ed25519", true, 1, cpu_both);
    printf("a set holds two signatures.  CPU per seal / two RSA signatures: here %.2f, key holder %.2f, 4 threads %.2f\n", seal / 2 / one,
           distant / 2 / one, many / 2 / one);
    printf("CPU per seal / one RSA signature: here %.2f, key holder %.2f, 4 threads %.2f; with Ed25519, key holder %.2f\n", seal / one,
           distant / one, many / one, light / one);
    printf("CPU per signature asked for / made: %.2f\n", asked / one);
    signer_free(far);
    signer_free(near);
    keyholder_launcher_free(l);
    signer_keys_clear(&keys);
    strbuf_clear(&errors);
    free(text);
    for (size_t i = 0; i < COUNT(kept); i++)
        unlink(kept[i].path);
    return 0;
}
