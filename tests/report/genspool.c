/*
 * genspool.c - fill a spool with made-up records by the daemon's own code.
 *   genspool DIR COUNT [SEED [DOMAINS [SOURCES [FIRST-UNIX-SECOND [STEP-MS [plain|hostile [HISTORY-FILE]]]]]]]
 * Prints a line "N octets M us CPU-us" at the end.  With "-" as DIR the lines go to standard output.
 */
#include "autoconf.h"

#include "base/clock.h"
#include "config/config.h"
#include "record/history.h"
#include "record/spool.h"
#include "spoolgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t
argument(int argc, char **argv, int at, uint64_t otherwise)
{
    return argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
}

static uint64_t
cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: genspool DIR COUNT [SEED [DOMAINS [SOURCES [FIRST [STEP-MS [plain|hostile [HISTORY]]]]]]]\n", stderr);
        return 64;
    }
    uint64_t count = argument(argc, argv, 2, 0), octets = 0, spent = 0;
    char host[64];
    snprintf(host, sizeof(host), "gen%llu", (unsigned long long)argument(argc, argv, 3, 1));
    struct spoolgen g = { .state = argument(argc, argv, 3, 1), .host = host, .domains = (unsigned)argument(argc, argv, 4, 1000),
                          .sources = (unsigned)argument(argc, argv, 5, 5000),
                          .first_ms = (int64_t)argument(argc, argv, 6, (uint64_t)clock_wall_s() - 86400) * 1000,
                          .step_ms = (unsigned)argument(argc, argv, 7, 10),
                          .hostile = argc > 8 && strcmp(argv[8], "hostile") == 0 };
    struct config c = { .record_directory = argv[1], .record_segment_bytes = 16u << 20, .record_segment_age_s = 3600,
                        .record_buffer_bytes = 1 << 20, .record_sync = SYNC_NONE };
    enum status st = ST_OK;
    struct spool *s = strcmp(argv[1], "-") == 0 ? NULL : spool_open(&c, NULL, &st);
    if (st != ST_OK) {
        fprintf(stderr, "genspool: %s: %s\n", argv[1], status_name(st));
        return 73;
    }
    uint64_t begin = clock_mono_us();
    for (uint64_t i = 0; i < count; i++) {
        struct arena *a = arena_new(0);
        const struct record *r = spoolgen_next(&g, a);
        uint64_t before = cpu_us();
        slice line = record_json(a, r, false);
        if (s == NULL)
            printf("%.*s\n", SLICE_ARG(line));
        else if (spool_append(s, line) != ST_OK)
            return 74;
        spent += cpu_us() - before;
        if (argc > 9 && history_append(argv[9], history_text(a, r)) != ST_OK)
            return 74;
        octets += line.n + 1;
        arena_free(a);
    }
    spool_close(s);
    if (s != NULL)
        printf("%llu records, %llu octets, %llu us, of them %llu us CPU in record_json and spool_append\n",
               (unsigned long long)count, (unsigned long long)octets, (unsigned long long)(clock_mono_us() - begin),
               (unsigned long long)spent);
    return 0;
}
