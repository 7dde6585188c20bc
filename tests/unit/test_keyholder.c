/*
 * The key holder: that it signs, that the process beside it never has a key, that it is locked in, and that its death or
 * silence costs no more than one request's time.
 */
#include "autoconf.h"

#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "crypto/keyholder.h"
#include "crypto/keyholder_wire.h"

#define TIMEOUT_MS 3000

static char directory[] = "/tmp/vidimus-holder.XXXXXX";
static char rsa_path[64], ed_path[64], absent_path[64], spare_path[64];

static void
list_keys(void *arg, struct signer_keys *keys, struct strbuf *errors)
{
    (void)arg;
    signer_keys_add(keys, SLICE("rsa"), slice_from(rsa_path));
    signer_keys_add(keys, SLICE("ed"), slice_from(ed_path));
    if (access(absent_path, F_OK) == 0)
        strbuf_add_str(errors, "no list\n");
}

/* Keys are made in a process of their own: this one's memory is to be clean of them. */
static void
make_key(enum sign_algorithm a, const char *path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct private_key *k = private_key_make(a, 2048);
        _exit(k != NULL && private_key_write(k, path) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

struct parties {
    struct keyholder_launcher *launcher;
    struct signer *signer;
};

static void
open_parties(struct parties *p, unsigned timeout_ms)
{
    const struct keyholder_setup setup = { .list = list_keys, .uid = 65534, .gid = 65534, .threads = 2 };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    p->launcher = keyholder_launch(&setup);
    assert_non_null(p->launcher);
    p->signer = keyholder_open(p->launcher, NULL, timeout_ms, &errors);
    if (p->signer == NULL)
        fail_msg("%s", strbuf_str(&errors));
    strbuf_clear(&errors);
}

static void
close_parties(struct parties *p)
{
    signer_free(p->signer);
    keyholder_launcher_free(p->launcher);
}

/* The public half, as an outside verifier has it. */
static EVP_PKEY *
public_key(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    EVP_PKEY *k = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    assert_non_null(k);
    return k;
}

static bool
verifies(EVP_PKEY *k, const unsigned char *digest, const struct signature *sig)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
    bool ok = EVP_PKEY_verify_init(c) > 0 && EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) > 0 &&
              EVP_PKEY_verify(c, sig->bytes, sig->n, digest, DIGEST_SIZE) > 0;
    EVP_PKEY_CTX_free(c);
    return ok;
}

static enum status
sign(struct signer *s, slice key, enum sign_algorithm a, struct signature *sig)
{
    unsigned char digest[DIGEST_SIZE] = { 7 };
    return signer_sign(s, key, a, digest, sig);
}

static void
it_signs_what_its_keys_can(void **state)
{
    (void)state;
    struct parties p;
    struct signature sig;
    enum sign_algorithm a;
    open_parties(&p, TIMEOUT_MS);
    assert_true(signer_find(p.signer, SLICE("rsa"), &a));
    assert_int_equal(a, SIGN_RSA_SHA256);
    assert_true(signer_find(p.signer, SLICE("ed"), &a));
    assert_int_equal(a, SIGN_ED25519_SHA256);
    assert_false(signer_find(p.signer, SLICE("other"), &a));
    assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_OK);
    EVP_PKEY *k = public_key(rsa_path);
    const unsigned char digest[DIGEST_SIZE] = { 7 };
    assert_true(verifies(k, digest, &sig));
    EVP_PKEY_free(k);
    assert_int_equal(sign(p.signer, SLICE("ed"), SIGN_ED25519_SHA256, &sig), ST_OK);
    assert_int_equal(sig.n, 64);
    assert_int_equal(sign(p.signer, SLICE("ed"), SIGN_RSA_SHA256, &sig), ST_SYNTAX);
    assert_int_equal(sign(p.signer, SLICE("other"), SIGN_RSA_SHA256, &sig), ST_SYNTAX);
    assert_int_equal(keyholder_figures(p.signer).restarts, 0);
    close_parties(&p);
}

static void
what_cannot_be_read_is_said(void **state)
{
    (void)state;
    struct keyholder_setup setup = { .list = list_keys, .uid = 65534, .gid = 65534 };
    struct strbuf errors;
    strbuf_init(&errors, 0);
    assert_int_equal(chmod(ed_path, 0640), 0);
    struct keyholder_launcher *l = keyholder_launch(&setup);
    struct signer *s = keyholder_open(l, NULL, TIMEOUT_MS, &errors);
    assert_non_null(s);
    enum sign_algorithm a;
    assert_true(signer_find(s, SLICE("rsa"), &a));
    assert_false(signer_find(s, SLICE("ed"), &a));
    assert_true(slice_starts(strbuf_slice(&errors), slice_from(ed_path)));
    assert_true(slice_icontains(strbuf_slice(&errors), SLICE("mode 0640")));
    assert_int_equal(chmod(ed_path, 0600), 0);
    signer_free(s);
    keyholder_launcher_free(l);
    strbuf_clear(&errors);
}

/* ------------------------------------------------------------------ memory */

static bool
memory_has(pid_t pid, const unsigned char *what, size_t n, bool *readable)
{
    char path[64], line[512];
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDONLY);
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    bool found = false;
    *readable = false;
    while (mem >= 0 && maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) != 3 || rights[0] != 'r' || to - from > 256UL << 20)
            continue;
        unsigned char *copy = malloc(to - from);
        assert_non_null(copy);
        ssize_t got = pread(mem, copy, to - from, (off_t)from);
        if (got > 0) {
            *readable = true;
            found = found || memmem(copy, (size_t)got, what, n) != NULL;
        }
        free(copy);
    }
    if (maps != NULL)
        fclose(maps);
    if (mem >= 0)
        close(mem);
    return found;
}

/* Some octets of the prime, as a big number lies in memory on this machine and as it stands in DER. */
static void
prime_of(const char *path, const char *which, unsigned char native[32], unsigned char der[32])
{
    EVP_PKEY *k = public_key(path);
    BIGNUM *p = NULL;
    unsigned char all[128];
    assert_int_equal(EVP_PKEY_get_bn_param(k, which, &p), 1);
    assert_int_equal(BN_bn2nativepad(p, all, sizeof(all)), sizeof(all));
    memcpy(native, all + 32, 32);
    assert_int_equal(BN_bn2binpad(p, all, sizeof(all)), sizeof(all));
    memcpy(der, all + 32, 32);
    BN_clear_free(p);
    EVP_PKEY_free(k);
}

static void
the_process_that_reads_mail_has_no_key(void **state)
{
    (void)state;
    int ready[2], done[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t daemon = fork(); /* before this process looks at the key itself */
    assert_true(daemon >= 0);
    if (daemon == 0) {
        struct parties p;
        struct signature sig;
        char go;
        open_parties(&p, TIMEOUT_MS);
        for (int i = 0; i < 20; i++)
            if (sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig) != ST_OK)
                _exit(1);
        pid_t holder = keyholder_figures(p.signer).pid;
        if (write(ready[1], &holder, sizeof(holder)) != (ssize_t)sizeof(holder) || read(done[0], &go, 1) != 1)
            _exit(1);
        close_parties(&p);
        _exit(0);
    }
    pid_t holder;
    close(ready[1]);
    assert_int_equal(read(ready[0], &holder, sizeof(holder)), sizeof(holder));
    static const char *const primes[] = { OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2 };
    for (size_t i = 0; i < COUNT(primes); i++) {
        unsigned char native[32], der[32];
        bool readable;
        prime_of(rsa_path, primes[i], native, der);
        assert_false(memory_has(daemon, native, sizeof(native), &readable));
        assert_true(readable);
        assert_false(memory_has(daemon, der, sizeof(der), &readable));
        bool there = memory_has(holder, native, sizeof(native), &readable);
        if (readable) /* only root may look; and then the search is shown to find what is there */
            assert_true(there);
    }
    assert_int_equal(write(done[1], "x", 1), 1);
    int status;
    assert_int_equal(waitpid(daemon, &status, 0), daemon);
    assert_int_equal(status, 0);
    close(ready[0]), close(done[0]), close(done[1]);
}

/* ------------------------------------------------------------------ locked in */

static int
tried(void (*attempt)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!keyholder_close_up() || !keyholder_sandbox())
            _exit(99);
        attempt();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void
try_open(void)
{
    if (open("/etc/passwd", O_RDONLY) < 0 && open("/tmp/vidimus-never", O_WRONLY | O_CREAT, 0600) < 0)
        _exit(42);
}
static void
try_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}
static void
try_connect(void)
{
    struct sockaddr sa = { .sa_family = AF_UNIX };
    connect(0, &sa, sizeof(sa));
}
static void
try_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
}
static void
try_fork(void)
{
    if (fork() < 0)
        _exit(42);
}
/* A pid of 0 or below means "every process of the group" to kill(2), which would include the test runner. */
static int
kill_one(pid_t pid, int signal)
{
    return pid > 0 ? kill(pid, signal) : -1;
}

static void
try_kill(void)
{
    if (kill(getppid(), 0) < 0)
        _exit(42);
}

static void
it_is_locked_in(void **state)
{
    (void)state;
#ifndef HAVE_SECCOMP
    skip();
#endif
    static const struct {
        const char *label;
        void (*attempt)(void);
        bool deadly;
    } cases[] = {
        { "open", try_open, false },      { "socket", try_socket, true }, { "connect", try_connect, true },
        { "exec", try_exec, true },       { "fork", try_fork, false },    { "kill", try_kill, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int status = tried(cases[i].attempt);
        bool right = cases[i].deadly ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                                     : WIFEXITED(status) && WEXITSTATUS(status) == 42;
        if (!right)
            fail_msg("%s: status %#x", cases[i].label, (unsigned)status);
    }
}

static void
file_line(const char *path, const char *name, char *out, size_t size)
{
    char line[512];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    out[0] = '\0';
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            snprintf(out, size, "%s", line + strlen(name));
    fclose(f);
}

/* Of the running holder, as the kernel tells it. */
static void
status_line(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file_line(path, name, out, size);
}

static void
the_kernel_says_so_of_the_holder(void **state)
{
    (void)state;
    struct parties p;
    char text[128], path[64];
    open_parties(&p, TIMEOUT_MS);
    pid_t pid = keyholder_figures(p.signer).pid;
    status_line(pid, "NoNewPrivs:", text, sizeof(text));
    assert_int_equal(atoi(text), 1);
#ifdef HAVE_SECCOMP
    status_line(pid, "Seccomp:", text, sizeof(text));
    assert_int_equal(atoi(text), 2);
#endif
    const pid_t launcher = keyholder_launcher_pid(p.launcher);
    status_line(launcher, "NoNewPrivs:", text, sizeof(text));
    assert_int_equal(atoi(text), 1);
#ifdef HAVE_SECCOMP
    status_line(launcher, "Seccomp:", text, sizeof(text));
    assert_int_equal(atoi(text), 2);
#endif
    if (geteuid() == 0) {
        unsigned ids[4];
        status_line(pid, "Uid:", text, sizeof(text));
        assert_int_equal(sscanf(text, "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]), 4);
        for (size_t i = 0; i < COUNT(ids); i++)
            assert_int_equal(ids[i], 65534);
        status_line(pid, "CapEff:", text, sizeof(text));
        assert_int_equal(strtoull(text, NULL, 16), 0);
    }
    /* not dumpable: its /proc entries belong to root, whoever it runs as */
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 0);
    close_parties(&p);
}

/* ------------------------------------------------------------------ death and silence */

static void
a_killed_holder_costs_nothing(void **state)
{
    (void)state;
    struct parties p;
    struct signature sig;
    open_parties(&p, TIMEOUT_MS);
    for (unsigned i = 1; i <= 5; i++) {
        pid_t pid = keyholder_figures(p.signer).pid;
        assert_true(pid > 0);
        kill_one(pid, SIGKILL);
        assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_OK);
        assert_int_not_equal(keyholder_figures(p.signer).pid, pid);
        assert_int_equal(keyholder_figures(p.signer).restarts, i);
    }
    close_parties(&p);
}

/* Stopped, each thread of it: one stops when it is scheduled next. */
static void
stop_process(pid_t pid)
{
    char folder[64], path[400], text[64];
    kill_one(pid, SIGSTOP);
    snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
    for (int i = 0, running = 1; i < 400 && running > 0; i++) {
        DIR *d = opendir(folder);
        assert_non_null(d);
        running = 0;
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s/status", folder, e->d_name);
            file_line(path, "State:", text, sizeof(text));
            running += strchr(text, 'T') == NULL;
        }
        closedir(d);
        usleep(5000);
    }
}

static void
a_wedged_holder_costs_one_timeout(void **state)
{
    (void)state;
    struct parties p;
    struct signature sig;
    open_parties(&p, 300);
    pid_t pid = keyholder_figures(p.signer).pid;
    stop_process(pid);
    uint64_t before = clock_mono_ms();
    assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_TIMEOUT);
    assert_in_range(clock_mono_ms() - before, 250, 10000); /* and no hang */
    assert_int_equal(keyholder_figures(p.signer).pid, 0);
    enum status st = ST_INTERNAL; /* a new one may take longer than 300 ms to come up under sanitizers */
    for (int i = 0; i < 50 && st != ST_OK; i++) {
        st = sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig);
        usleep(20000);
    }
    assert_int_equal(st, ST_OK);
    assert_int_not_equal(kill_one(pid, 0), 0); /* the old one was ended, and waited for */
    close_parties(&p);
}

static void
without_a_launcher_there_is_an_error_at_once(void **state)
{
    (void)state;
    struct parties p;
    struct signature sig;
    open_parties(&p, TIMEOUT_MS);
    kill_one(keyholder_launcher_pid(p.launcher), SIGKILL);
    assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_OK); /* the holder lives on */
    kill_one(keyholder_figures(p.signer).pid, SIGKILL);
    uint64_t before = clock_mono_ms();
    assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_INTERNAL);
    assert_in_range(clock_mono_ms() - before, 0, TIMEOUT_MS / 2);
    assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_INTERNAL);
    close_parties(&p);
}

static void
all_of_it_ends_with_the_daemon(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t daemon = fork();
    if (daemon == 0) {
        struct parties p;
        open_parties(&p, TIMEOUT_MS);
        pid_t pids[2] = { keyholder_launcher_pid(p.launcher), keyholder_figures(p.signer).pid };
        if (write(out[1], pids, sizeof(pids)) != (ssize_t)sizeof(pids))
            _exit(1);
        raise(SIGKILL);
    }
    pid_t pids[2];
    close(out[1]);
    assert_int_equal(read(out[0], pids, sizeof(pids)), sizeof(pids));
    waitpid(daemon, NULL, 0);
    char path[64], text[64] = "x";
    for (size_t i = 0; i < 2; i++)
        for (int k = 0; k < 250 && text[0] != '\0'; k++) {
            snprintf(path, sizeof(path), "/proc/%d/status", (int)pids[i]);
            if (access(path, F_OK) != 0)
                break;
            status_line(pids[i], "State:", text, sizeof(text));
            if (strchr(text, 'Z') != NULL) /* nobody may have waited for it here */
                break;
            usleep(20000);
            assert_int_not_equal(k, 249);
        }
    close(out[0]);
}

/* ------------------------------------------------------------------ load */

#define THREADS 8
#define ROUNDS 40

struct load {
    struct signer *signer;
    EVP_PKEY *keys[2]; /* an RSA signature must verify under one of them; NULL: not there */
    unsigned good, failed;
    pthread_mutex_t lock;
};

static void *
load_thread(void *arg)
{
    struct load *l = arg;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned char digest[DIGEST_SIZE] = { (unsigned char)i, (unsigned char)(uintptr_t)&digest };
        struct signature sig;
        enum status st = signer_sign(l->signer, SLICE("rsa"), SIGN_RSA_SHA256, digest, &sig);
        bool good = st == ST_OK && (verifies(l->keys[0], digest, &sig) ||
                                    (l->keys[1] != NULL && verifies(l->keys[1], digest, &sig)));
        pthread_mutex_lock(&l->lock);
        l->good += good;
        l->failed += st != ST_OK;
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

static void
run_load(struct load *l, void (*meanwhile)(struct load *))
{
    pthread_t t[THREADS];
    pthread_mutex_init(&l->lock, NULL);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, load_thread, l), 0);
    if (meanwhile != NULL)
        meanwhile(l);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    pthread_mutex_destroy(&l->lock);
}

static void
kill_now_and_then(struct load *l)
{
    for (int i = 0; i < 6; i++) {
        usleep(15000);
        pid_t pid = keyholder_figures(l->signer).pid;
        if (pid > 0)
            kill_one(pid, SIGKILL);
    }
}

static void
many_threads_are_served_and_survive_kills(void **state)
{
    (void)state;
    struct parties p;
    open_parties(&p, 20000);
    struct load l = { .signer = p.signer, .keys = { public_key(rsa_path), NULL } };
    run_load(&l, NULL);
    assert_int_equal(l.good, THREADS * ROUNDS);
    l.good = 0;
    run_load(&l, kill_now_and_then);
    assert_int_equal(l.good + l.failed, THREADS * ROUNDS); /* never a wrong signature */
    assert_int_equal(l.failed, 0);
    EVP_PKEY_free(l.keys[0]);
    close_parties(&p);
}

static void
swap_key(struct load *l)
{
    usleep(10000);
    assert_int_equal(rename(spare_path, rsa_path), 0);
    kill_one(keyholder_figures(l->signer).pid, SIGKILL); /* the worst moment: the next holder reads the new file */
}

static void
a_key_swapped_under_load_gives_old_or_new(void **state)
{
    (void)state;
    struct parties p;
    struct strbuf errors;
    strbuf_init(&errors, 0);
    make_key(SIGN_RSA_SHA256, spare_path);
    open_parties(&p, 20000);
    struct load l = { .signer = p.signer, .keys = { public_key(rsa_path), public_key(spare_path) } };
    run_load(&l, swap_key);
    assert_int_equal(l.good, THREADS * ROUNDS);

    /* a reload opens a second holder beside the first; each signs with what it read */
    struct signer *second = keyholder_open(p.launcher, NULL, TIMEOUT_MS, &errors);
    assert_non_null(second);
    struct signature sig;
    const unsigned char digest[DIGEST_SIZE] = { 7 };
    assert_int_equal(sign(second, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_OK);
    assert_true(verifies(l.keys[1], digest, &sig));
    signer_free(second);
    assert_int_equal(sign(p.signer, SLICE("rsa"), SIGN_RSA_SHA256, &sig), ST_OK);
    EVP_PKEY_free(l.keys[0]);
    EVP_PKEY_free(l.keys[1]);
    close_parties(&p);
    strbuf_clear(&errors);
}

static int
set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return 1;
    snprintf(rsa_path, sizeof(rsa_path), "%s/rsa", directory);
    snprintf(ed_path, sizeof(ed_path), "%s/ed", directory);
    snprintf(absent_path, sizeof(absent_path), "%s/absent", directory);
    snprintf(spare_path, sizeof(spare_path), "%s/spare", directory);
    make_key(SIGN_RSA_SHA256, rsa_path);
    make_key(SIGN_ED25519_SHA256, ed_path);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    unlink(rsa_path);
    unlink(ed_path);
    unlink(spare_path);
    return rmdir(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_that_reads_mail_has_no_key), /* first: before this process has read one */
        cmocka_unit_test(it_signs_what_its_keys_can),
        cmocka_unit_test(what_cannot_be_read_is_said),
        cmocka_unit_test(it_is_locked_in),
        cmocka_unit_test(the_kernel_says_so_of_the_holder),
        cmocka_unit_test(a_killed_holder_costs_nothing),
        cmocka_unit_test(a_wedged_holder_costs_one_timeout),
        cmocka_unit_test(without_a_launcher_there_is_an_error_at_once),
        cmocka_unit_test(all_of_it_ends_with_the_daemon),
        cmocka_unit_test(many_threads_are_served_and_survive_kills),
        cmocka_unit_test(a_key_swapped_under_load_gives_old_or_new),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
