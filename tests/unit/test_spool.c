/* The spool: one write a line, rotation, orphans, a disk that fills (RLIMIT_FSIZE stands for it: the write fails the same way). */
#include "autoconf.h"

#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "record/spool.h"

struct place {
    char dir[64];
    struct config c;
};

static int
make_place(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    snprintf(p->dir, sizeof(p->dir), "spool-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->c = (struct config){ .record_directory = p->dir, .record_segment_bytes = 1 << 20, .record_segment_age_s = 3600,
                            .record_buffer_bytes = 1 << 16, .record_sync = SYNC_NONE };
    *state = p;
    return 0;
}

static int
remove_place(void **state)
{
    struct place *p = *state;
    DIR *d = opendir(p->dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        closedir(d);
    rmdir(p->dir);
    free(p);
    return 0;
}

/* Every line of every file whose name ends in `suffix`, in the order of names. */
static char *
read_all(const char *dir, const char *suffix, size_t *files)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, NULL, alphasort);
    char *all = calloc(1, 1);
    size_t used = 0;
    *files = 0;
    assert_non_null(all);
    for (int i = 0; i < n; i++) {
        size_t len = strlen(list[i]->d_name), want = strlen(suffix);
        if (len > want && strcmp(list[i]->d_name + len - want, suffix) == 0) {
            char path[512];
            snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
            FILE *f = fopen(path, "r");
            assert_non_null(f);
            char piece[8192];
            for (size_t got; (got = fread(piece, 1, sizeof(piece), f)) > 0; all[used] = '\0') {
                all = realloc(all, used + got + 1);
                assert_non_null(all);
                memcpy(all + used, piece, got);
                used += got;
            }
            fclose(f);
            ++*files;
        }
        free(list[i]);
    }
    free(list);
    return all;
}

static void
lines_arrive_in_order_and_closed(void **state)
{
    struct place *p = *state;
    enum status st;
    struct spool *s = spool_open(&p->c, NULL, &st);
    assert_non_null(s);
    assert_int_equal(spool_append(s, SLICE("{\"a\":1}")), ST_OK);
    assert_int_equal(spool_append(s, SLICE("{\"a\":2}")), ST_OK);
    size_t files;
    char *open_now = read_all(p->dir, SPOOL_OPEN_SUFFIX, &files);
    assert_int_equal(files, 1);
    assert_string_equal(open_now, "{\"a\":1}\n{\"a\":2}\n");
    free(open_now);
    struct spool_counters n = spool_counters(s);
    assert_int_equal(n.written, 2);
    assert_int_equal(n.written_bytes, 16);
    spool_close(s);
    char *closed = read_all(p->dir, SPOOL_CLOSED_SUFFIX, &files);
    assert_int_equal(files, 1);
    assert_string_equal(closed, "{\"a\":1}\n{\"a\":2}\n");
    free(closed);
}

static void
segments_rotate_by_size_and_age(void **state)
{
    struct place *p = *state;
    enum status st;
    size_t files;
    p->c.record_segment_bytes = 100;
    struct spool *s = spool_open(&p->c, NULL, &st);
    assert_non_null(s);
    for (int i = 0; i < 10; i++)
        assert_int_equal(spool_append(s, SLICE("{\"padding\":\"012345678901234567890123456\"}")), ST_OK);
    char *closed = read_all(p->dir, SPOOL_CLOSED_SUFFIX, &files);
    assert_int_equal(files, 3); /* 42 octets a line: three lines reach 100 */
    free(closed);
    spool_close(s);
    closed = read_all(p->dir, SPOOL_CLOSED_SUFFIX, &files);
    assert_int_equal(files, 4);
    assert_int_equal(strlen(closed), 420);
    free(closed);

    p->c.record_segment_bytes = 1 << 20;
    p->c.record_segment_age_s = 1;
    s = spool_open(&p->c, NULL, &st);
    assert_non_null(s);
    assert_int_equal(spool_append(s, SLICE("{}")), ST_OK);
    for (int i = 0; i < 50 && spool_counters(s).segments == 0; i++)
        usleep(100000);
    assert_int_equal(spool_counters(s).segments, 1); /* without another message */
    spool_close(s);
}

static void
an_orphan_is_adopted_a_live_segment_is_not(void **state)
{
    struct place *p = *state;
    enum status st;
    size_t files;
    pid_t child = fork();
    if (child == 0) {
        struct spool *s = spool_open(&p->c, NULL, &st);
        for (int i = 0; s != NULL && i < 1000; i++)
            spool_append(s, SLICE("{\"from\":\"the dead\"}"));
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct config other = p->c;
    struct spool *live = spool_open(&other, NULL, &st); /* adopts at its start */
    assert_non_null(live);
    assert_int_equal(spool_append(live, SLICE("{\"from\":\"the living\"}")), ST_OK);
    char *text = read_all(p->dir, SPOOL_CLOSED_SUFFIX, &files);
    assert_int_equal(files, 1);
    assert_int_equal(strlen(text), 1000 * strlen("{\"from\":\"the dead\"}\n"));
    free(text);
    assert_int_equal(spool_adopt(p->dir), 0);
    assert_int_equal(spool_append(live, SLICE("{\"from\":\"the living\"}")), ST_OK);
    spool_close(live);
    assert_int_equal(spool_adopt("no-such-directory"), -1);
}

static void
ignore(int sig)
{
    (void)sig;
}

static void
file_size_limit(rlim_t bytes)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* Room for two and a half lines: the third is torn, cut off again, and comes later, whole and in order. */
static void
a_full_disk_buffers_and_drains(void **state)
{
    struct place *p = *state;
    enum status st;
    size_t files;
    signal(SIGXFSZ, ignore);
    p->c.record_buffer_bytes = 100;
    struct spool *s = spool_open(&p->c, NULL, &st);
    assert_non_null(s);
    file_size_limit(25);
    for (int i = 0; i < 4; i++) {
        char line[16];
        snprintf(line, sizeof(line), "{\"n\":%04d}", i); /* 10 and a line end */
        assert_int_equal(spool_append(s, slice_from(line)), ST_OK);
    }
    struct spool_counters n = spool_counters(s);
    assert_int_equal(n.written, 2);
    assert_int_equal(n.buffered, 2);
    assert_int_equal(n.buffered_bytes, 22);
    char *text = read_all(p->dir, SPOOL_OPEN_SUFFIX, &files);
    assert_string_equal(text, "{\"n\":0000}\n{\"n\":0001}\n");
    free(text);
    for (int i = 4; i < 11; i++) {
        char line[16];
        snprintf(line, sizeof(line), "{\"n\":%04d}", i);
        assert_int_equal(spool_append(s, slice_from(line)), ST_OK);
    }
    assert_int_equal(spool_append(s, SLICE("{\"n\":0011}")), ST_LIMIT); /* 99 of 100 octets are taken */
    assert_int_equal(spool_counters(s).lost, 1);
    file_size_limit(RLIM_INFINITY);
    for (int i = 0; i < 50 && spool_counters(s).buffered > 0; i++)
        usleep(100000);
    assert_int_equal(spool_append(s, SLICE("{\"n\":0012}")), ST_OK);
    spool_close(s);
    text = read_all(p->dir, SPOOL_CLOSED_SUFFIX, &files);
    assert_string_equal(text, "{\"n\":0000}\n{\"n\":0001}\n{\"n\":0002}\n{\"n\":0003}\n{\"n\":0004}\n{\"n\":0005}\n{\"n\":0006}\n"
                              "{\"n\":0007}\n{\"n\":0008}\n{\"n\":0009}\n{\"n\":0010}\n{\"n\":0012}\n");
    free(text);
}

struct writer {
    struct spool *s;
    int number, lines;
};

static void *
write_many(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < w->lines; i++) {
        char line[600];
        int pad = (i * 37 + w->number) % 500;
        snprintf(line, sizeof(line), "{\"w\":%d,\"i\":%d,\"pad\":\"%*s\"}", w->number, i, pad, "");
        if (spool_append(w->s, slice_from(line)) != ST_OK)
            return w;
    }
    return NULL;
}

/* Two processes with four threads each on one directory: every line once, whole, in each thread's order. */
static void
two_processes_share_the_directory(void **state)
{
    struct place *p = *state;
    enum { THREADS = 4, LINES = 2000 };
    p->c.record_segment_bytes = 50000;
    pid_t children[2];
    for (int k = 0; k < 2; k++) {
        children[k] = fork();
        if (children[k] != 0)
            continue;
        enum status st;
        struct writer w[THREADS];
        pthread_t t[THREADS];
        struct spool *s = spool_open(&p->c, NULL, &st);
        int bad = s == NULL;
        for (int i = 0; s != NULL && i < THREADS; i++) {
            w[i] = (struct writer){ s, k * THREADS + i, LINES };
            bad |= pthread_create(&t[i], NULL, write_many, &w[i]) != 0;
        }
        for (int i = 0; s != NULL && i < THREADS; i++) {
            void *r;
            pthread_join(t[i], &r);
            bad |= r != NULL;
        }
        spool_close(s);
        _exit(bad);
    }
    for (int k = 0; k < 2; k++) {
        int status;
        waitpid(children[k], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    size_t files;
    char *all = read_all(p->dir, SPOOL_CLOSED_SUFFIX, &files), *seen = calloc(2 * THREADS, LINES);
    assert_non_null(seen);
    size_t lines = 0;
    for (char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        int w, i, n = 0;
        assert_int_equal(sscanf(line, "{\"w\":%d,\"i\":%d,\"pad\":\"%n", &w, &i, &n), 2);
        assert_true(strcmp(line + strlen(line) - 2, "\"}") == 0);
        seen[w * LINES + i]++;
    }
    assert_int_equal(lines, 2 * THREADS * LINES);
    for (size_t i = 0; i < 2 * THREADS * LINES; i++)
        assert_int_equal(seen[i], 1);
    assert_true(files > 20);
    free(seen);
    free(all);
}

static void
every_sync_mode_writes(void **state)
{
    struct place *p = *state;
    static const enum record_sync modes[] = { SYNC_NONE, SYNC_BATCH, SYNC_MESSAGE };
    p->c.record_segment_bytes = 5000;
    for (size_t m = 0; m < COUNT(modes); m++) {
        enum status st;
        p->c.record_sync = modes[m];
        struct spool *s = spool_open(&p->c, NULL, &st);
        assert_non_null(s);
        struct writer w[4];
        pthread_t t[4];
        for (int i = 0; i < 4; i++) {
            w[i] = (struct writer){ s, i, 50 };
            assert_int_equal(pthread_create(&t[i], NULL, write_many, &w[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            void *r;
            pthread_join(t[i], &r);
            assert_null(r);
        }
        assert_int_equal(spool_counters(s).written, 200);
        spool_close(s);
    }
}

static void
a_directory_that_cannot_be_used_is_said(void **state)
{
    struct place *p = *state;
    enum status st = ST_OK;
    char path[128];
    snprintf(path, sizeof(path), "%s/a/b", p->dir);
    p->c.record_directory = path;
    assert_null(spool_open(&p->c, NULL, &st));
    assert_int_equal(st, ST_INTERNAL);
    p->c.record_directory = p->dir;
}

int
main(void)
{
#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(lines_arrive_in_order_and_closed), SPOOL_TEST(segments_rotate_by_size_and_age),
        SPOOL_TEST(an_orphan_is_adopted_a_live_segment_is_not), SPOOL_TEST(a_full_disk_buffers_and_drains),
        SPOOL_TEST(two_processes_share_the_directory), SPOOL_TEST(every_sync_mode_writes),
        SPOOL_TEST(a_directory_that_cannot_be_used_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
