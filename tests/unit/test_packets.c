/*
 * What of an MTA's octets libmilter is given to read, and which connections are ended.  poll(), read() and close() of this
 * program are those of glue/packets.c, as in the daemon; a packet is read as libmilter reads it: five octets, then the rest.
 */
#undef _FORTIFY_SOURCE /* its inline read() and poll() would lead past those */
#include "test.h"

#include "base/clock.h"
#include "glue/packets.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 64

uint64_t __wrap_clock_mono_ms(void);

static uint64_t now_ms = 1000000;

uint64_t
__wrap_clock_mono_ms(void)
{
    return now_ms;
}

struct line {
    int mta, ours;
};

static struct line
line_open(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    packets_begin(ends[1]);
    return (struct line){ ends[0], ends[1] };
}

static void
line_close(const struct line *l)
{
    close(l->mta);
    close(l->ours);
}

/* All of n octets, so many at once.  False: the end, or an error. */
static bool
read_all(int fd, unsigned char *p, size_t n, size_t at_once)
{
    while (n > 0) {
        struct pollfd f = { .fd = fd, .events = POLLIN };
        if (poll(&f, 1, 1) != 1)
            return false;
        assert_int_equal(packets_command(), 0);
        ssize_t got = read(fd, p, n < at_once ? n : at_once);
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* How many packets were read before one was refused with EPROTO, or before the end. */
static unsigned
read_packets(int fd, size_t at_once, bool *refused)
{
    unsigned char header[5], data[100];
    errno = 0;
    for (unsigned n = 0;; n++) {
        bool good = read_all(fd, header, sizeof(header), at_once);
        uint32_t length = (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
        if (good)
            assert_in_range(length, 1, sizeof(data)); /* libmilter would not see the same packet here */
        if (!good || !read_all(fd, data, length - 1, at_once)) {
            *refused = errno == EPROTO;
            return n;
        }
        assert_int_equal(packets_command(), header[4]);
    }
}

#define ABORT "\0\0\0\1A"

static void
packets_that_libmilter_survives(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        slice octets;
        unsigned read;
        bool refused;
    } cases[] = {
        { "without data", SLICE(ABORT ABORT), 2, false },
        { "with data", SLICE("\0\0\0\4B\0\0\0" ABORT), 2, false },
        { "an even list of macros", SLICE("\0\0\0\6DMi\0x\0" ABORT), 2, false },
        { "empty strings count", SLICE("\0\0\0\4DM\0\0" ABORT), 2, false },
        { "an empty list", SLICE("\0\0\0\2DM" ABORT), 2, false },
        { "not even a step", SLICE("\0\0\0\1D" ABORT), 2, false },
        { "the step is no string", SLICE("\0\0\0\2D\0" ABORT), 2, false },
        { "an odd list", SLICE("\0\0\0\4DMi\0" ABORT), 0, true },
        { "an odd list of three", SLICE("\0\0\0\10DMi\0x\0y\0" ABORT), 0, true },
        { "an end that is none", SLICE("\0\0\0\7DMi\0x\0y" ABORT), 0, true },
        { "one string without an end", SLICE("\0\0\0\3DMi" ABORT), 2, false }, /* libmilter finds no list there */
        { "other commands may be odd", SLICE("\0\0\0\3Hx\0\0\0\0\5Rx\0y\0" ABORT), 3, false },
        { "a length of 0", SLICE("\0\0\0\0A" ABORT), 0, true },
        { "of 2^31", SLICE("\200\0\0\0A" ABORT), 0, true },
        { "of 2^31 + 1", SLICE("\200\0\0\1A" ABORT), 0, true },
        { "of 2^32 - 1", SLICE("\377\377\377\377A" ABORT), 0, true },
        { "of 0 behind a good one", SLICE(ABORT "\0\0\0\0E" ABORT), 1, true },
        { "where the next packet begins is known", SLICE("\0\0\0\2B\0" ABORT "\0\0\0\4DMi\0"), 2, true },
    };
    static const size_t pieces[] = { 1, 2, 3, 100 };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < COUNT(pieces); k++) {
            struct line l = line_open();
            bool refused;
            assert_int_equal(write(l.mta, cases[i].octets.p, cases[i].octets.n), (ssize_t)cases[i].octets.n);
            shutdown(l.mta, SHUT_WR);
            unsigned n = read_packets(l.ours, pieces[k], &refused);
            if (n != cases[i].read || refused != cases[i].refused)
                fail_msg("%s, %zu at once: %u packets, then %s", cases[i].label, pieces[k], n, refused ? "refused" : "the end");
            line_close(&l);
        }
    assert_int_equal(packets_open(), 0);
}

static bool
is_over(const struct line *l)
{
    char c;
    return recv(l->mta, &c, 1, MSG_DONTWAIT) == 0;
}

static void
send_and_read(const struct line *l)
{
    unsigned char p[5];
    assert_int_equal(write(l->mta, ABORT, 5), 5);
    assert_true(read_all(l->ours, p, sizeof(p), sizeof(p)));
}

static void
who_is_silent_for_too_long_is_ended(void **state)
{
    (void)state;
    now_ms = 5000000;
    struct line silent = line_open(), busy = line_open();
    now_ms += 10000;
    assert_int_equal(packets_reap(10), 0);
    send_and_read(&busy);
    now_ms += 1000;
    assert_int_equal(packets_reap(10), 1);
    assert_true(is_over(&silent));
    assert_false(is_over(&busy));
    assert_int_equal(packets_open(), 2); /* until its thread has seen it */
    line_close(&silent);
    now_ms += 10000;
    assert_int_equal(packets_reap(10), 1);
    assert_true(is_over(&busy));
    line_close(&busy);
    assert_int_equal(packets_reap(0), 0); /* none is open */
}

/* While one thread goes through the connections others read, and a second may begin in between. */
static void
who_speaks_meanwhile_is_not_ended(void **state)
{
    (void)state;
    now_ms = 5000000;
    struct line old = line_open();
    now_ms += 1000;
    struct line new = line_open();
    send_and_read(&old);
    now_ms -= 1000; /* the clock as it was looked at before that */
    assert_int_equal(packets_reap(600), 0);
    assert_false(is_over(&old));
    assert_false(is_over(&new));
    line_close(&old);
    line_close(&new);
}

int
main(void)
{
    assert_true(packets_watch_up_to(DESCRIPTORS));
    struct line l = line_open();
    bool watched = packets_open() == 1;
    line_close(&l);
    if (!watched)
        return 77; /* the thread sanitizer has its own read() and close() */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_that_libmilter_survives),
        cmocka_unit_test(who_is_silent_for_too_long_is_ended),
        cmocka_unit_test(who_speaks_meanwhile_is_not_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
