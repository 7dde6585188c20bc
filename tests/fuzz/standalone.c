/*
 * standalone.c - replays a fuzz target without libFuzzer, for `make check`: every file of the corpus as it is, every
 * prefix of the short ones, and a fixed set of one-octet changes.  The corpus of fuzz_NAME is tests/fuzz/corpus/NAME.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PREFIX_MAX 600
#define CHANGES 2000

static unsigned long runs;

static void
run(const uint8_t *data, size_t n)
{
    uint8_t *exact = malloc(n == 0 ? 1 : n); /* its own block: sanitizers see a read past it */
    if (exact == NULL)
        abort();
    memcpy(exact, data, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    runs++;
}

static void
run_variants(uint8_t *data, size_t n)
{
    run(data, n);
    for (size_t i = 0; i < n && i < PREFIX_MAX; i++)
        run(data, i);
    uint32_t r = 12345;
    for (unsigned k = 0; n > 0 && k < CHANGES; k++) {
        r = r * 1664525 + 1013904223;
        size_t at = r % n;
        uint8_t old = data[at];
        data[at] = (uint8_t)(r >> 24);
        run(data, n);
        data[at] = old;
    }
}

static int
replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    size_t cap = 1 << 20;
    uint8_t *data = malloc(cap);
    size_t n = data == NULL ? 0 : fread(data, 1, cap, f);
    fclose(f);
    run_variants(data, n);
    free(data);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc > 1) {
        int bad = 0;
        for (int i = 1; i < argc; i++)
            bad |= replay_file(argv[i]);
        return bad;
    }
    const char *name = strrchr(argv[0], '/'), *top = getenv("srcdir");
    name = name == NULL ? argv[0] : name + 1;
    name = strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
    char dir[PATH_MAX], path[PATH_MAX * 2];
    snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", top == NULL ? "." : top, name);
    DIR *d = opendir(dir);
    if (d == NULL) {
        perror(dir);
        return 1;
    }
    unsigned files = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (replay_file(path) != 0)
            return 1;
        files++;
    }
    closedir(d);
    printf("%s: %u files, %lu inputs\n", name, files, runs);
    return files == 0;
}
