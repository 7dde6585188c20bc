/* The log: quoting, JSON, and a log socket that is full, gone and back again. */
#include "autoconf.h"

#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

static char path[100];

static int
listen_at(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static const char *
receive(int fd)
{
    static char text[20000];
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return NULL;
    text[n] = '\0';
    return text;
}

/* The message behind "<22>Nov 21 20:00:00 ident[pid]: ". */
static const char *
message(int fd)
{
    const char *text = receive(fd), *end = text == NULL ? NULL : strstr(text, "]: ");
    return end == NULL ? text : end + 3;
}

static struct log *
open_log(bool json)
{
    struct log *l = log_new(LOG_TO_SYSLOG, "vidimus-test", "mail", LOG_LEVEL_INFO, json);
    assert_non_null(l);
    log_set_socket(l, path);
    return l;
}

static int
make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/vidimus-log-%ld", (long)getpid());
    return 0;
}

static int
remove_path(void **state)
{
    (void)state;
    (void)unlink(path);
    return 0;
}

static void
values_from_outside_stay_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text, *json;
    } cases[] = {
        { "example.org", "example.org", "\"example.org\"" },
        { "", "\"\"", "\"\"" },
        { "two words", "\"two words\"", "\"two words\"" },
        { "a=b", "\"a=b\"", "\"a=b\"" },
        { "say \"x\" \\", "\"say \\\"x\\\" \\\\\"", "\"say \\\"x\\\" \\\\\"" },
        { "x\r\nNov 1 00:00:00 host forged: y", "\"x\\x0d\\x0aNov 1 00:00:00 host forged: y\"",
          "\"x\\u000d\\u000aNov 1 00:00:00 host forged: y\"" },
        { "%s%n", "%s%n", "\"%s%n\"" },
        { "\xc3\xa4\x7f", "\"\\xc3\\xa4\\x7f\"", "\"\\u00e4\\u007f\"" },
        { "\xf0\x9f\x98\x80", "\"\\xf0\\x9f\\x98\\x80\"", "\"\\ud83d\\ude00\"" },
        { "\xff\xc3", "\"\\xff\\xc3\"", "\"\\ufffd\\ufffd\"" },
        { "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\\ufffd\\ufffd\\ufffd\"" }, /* a surrogate is no character (RFC 3629 3) */
        { "\xc0\xaf", "\"\\xc0\\xaf\"", "\"\\ufffd\\ufffd\"" },                 /* nor is an overlong form */
    };
    int fd = listen_at();
    for (int json = 0; json < 2; json++) {
        struct log *l = open_log(json == 1);
        for (size_t i = 0; i < COUNT(cases); i++) {
            char want[300];
            log_event(l, LOG_LEVEL_INFO, SLICE("4cRzk12"), "event", "t", "v", cases[i].value, (char *)NULL);
            const char *got = message(fd);
            assert_non_null(got);
            if (json == 1)
                snprintf(want, sizeof(want), "\"level\":\"info\",\"id\":\"4cRzk12\",\"event\":\"t\",\"v\":%s}", cases[i].json);
            else
                snprintf(want, sizeof(want), "4cRzk12: event=t v=%s", cases[i].text);
            if (strstr(got, want) == NULL)
                fail_msg("%s, wanted %s", got, want);
        }
        log_free(l);
    }
    close(fd);
    (void)unlink(path);
}

static void
what_is_cut_is_said(void **state)
{
    (void)state;
    int fd = listen_at();
    struct log *l = open_log(false);
    char *big = malloc(100001);
    memset(big, 'x', 100000);
    big[100000] = '\0';
    log_event(l, LOG_LEVEL_INFO, SLICE_EMPTY, "v", big, (char *)NULL);
    const char *got = message(fd);
    assert_non_null(got);
    assert_non_null(strstr(got, "...[98500 more]"));
    free(big);
    log_free(l);
    close(fd);
    (void)unlink(path);
}

static void
levels_and_priorities(void **state)
{
    (void)state;
    int fd = listen_at();
    struct log *l = open_log(false);
    assert_false(log_wants(l, LOG_LEVEL_DEBUG));
    assert_false(log_wants(NULL, LOG_LEVEL_ERROR));
    log_event(l, LOG_LEVEL_DEBUG, SLICE_EMPTY, "event", "unseen", (char *)NULL);
    log_event(l, LOG_LEVEL_ERROR, SLICE_EMPTY, "event", "seen", (char *)NULL);
    const char *got = receive(fd);
    assert_non_null(got);
    assert_int_equal(strncmp(got, "<19>", 4), 0); /* RFC 3164: facility mail (2) * 8 + error (3) */
    assert_non_null(strstr(got, "event=seen"));
    log_free(l);
    close(fd);
    (void)unlink(path);
    assert_null(log_new(LOG_TO_SYSLOG, "x", "nonsense", LOG_LEVEL_INFO, false));
}

static uint64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Fault matrix: log socket gone: no blocking, no SIGPIPE, counted drops; and it is found again. */
static void
a_dead_socket_costs_nothing_but_lines(void **state)
{
    (void)state;
    int fd = listen_at();
    struct log *l = open_log(false);
    uint64_t began = now_ms(), lost;
    unsigned sent = 0;
    for (; log_dropped(l) == 0; sent++) /* nobody reads: full before long */
        log_event(l, LOG_LEVEL_INFO, SLICE_EMPTY, "event", "flood", (char *)NULL);
    close(fd);
    (void)unlink(path);
    for (unsigned i = 0; i < 10000; i++)
        log_event(l, LOG_LEVEL_INFO, SLICE_EMPTY, "event", "void", (char *)NULL);
    lost = log_dropped(l);
    assert_true(lost >= 10001);
    assert_true(now_ms() - began < 30000); /* none of the 10,000 waited */
    fd = listen_at();
    nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL); /* tried again once a second */
    log_event(l, LOG_LEVEL_INFO, SLICE_EMPTY, "event", "back", (char *)NULL);
    const char *got = message(fd);
    assert_non_null(got);
    assert_string_equal(got, "event=back");
    char want[60];
    snprintf(want, sizeof(want), "event=log dropped=%llu", (unsigned long long)lost);
    got = message(fd);
    assert_non_null(got);
    assert_string_equal(got, want);
    assert_true(sent > 1);
    log_free(l);
    close(fd);
    (void)unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_from_outside_stay_one_line),
        cmocka_unit_test(what_is_cut_is_said),
        cmocka_unit_test(levels_and_priorities),
        cmocka_unit_test(a_dead_socket_costs_nothing_but_lines),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
