#include "autoconf.h"

#include "record/segment.h"
#include "base/clock.h"
#include "record/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Unique among all hosts that feed one store, for good: the store remembers segments by name.  Sorted by name is sorted
 * by time, the order in which the importer takes them. */
static void
segment_name(unsigned number, char name[SEGMENT_NAME_MAX + 1])
{
    char host[65] = "host";
    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        memcpy(host, "host", sizeof("host"));
    for (char *p = host; *p != '\0'; p++)
        if (!ascii_is_alnum(*p) && *p != '-' && *p != '_')
            *p = '_';
    uint64_t chance = 0;
    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        chance = clock_mono_us();
    time_t now = (time_t)clock_wall_s();
    struct tm tm = { 0 };
    gmtime_r(&now, &tm);
    char stamp[32] = "";
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(name, SEGMENT_NAME_MAX + 1, "%s-%s-%ld-%06u-%016llx" SPOOL_OPEN_SUFFIX, stamp, host, (long)getpid(), number,
             (unsigned long long)chance);
}

bool
segment_linked(int dirfd, const struct segment *g)
{
    struct stat by_fd, by_name;
    return fstat(g->fd, &by_fd) == 0 && fstatat(dirfd, g->name, &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
           by_fd.st_dev == by_name.st_dev && by_fd.st_ino == by_name.st_ino;
}

int
segment_create(int dirfd, unsigned number, struct segment *out)
{
    struct segment g = { .fd = -1 };
    for (int tries = 0; tries < 8; tries++) {
        segment_name(number, g.name);
        g.fd = openat(dirfd, g.name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (g.fd < 0 && errno == EEXIST)
            continue;
        if (g.fd < 0)
            return errno;
        /* Between the two calls another process may have taken the file for an orphan and closed it. */
        if (flock(g.fd, LOCK_EX | LOCK_NB) == 0 && segment_linked(dirfd, &g)) {
            g.born_ms = clock_mono_ms();
            *out = g;
            return 0;
        }
        close(g.fd);
    }
    return EBUSY;
}

int
segment_write(struct segment *g, slice data)
{
    ssize_t n;
    do
        n = write(g->fd, data.p, data.n);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)data.n) {
        g->size += data.n;
        return 0;
    }
    int error = n < 0 ? errno : ENOSPC; /* a short write to a file: no room for the rest */
    /* A torn line must not be followed by a whole one.  This process alone writes here, so it may cut the file back; if
     * even that fails, the importer sets the torn line aside, and the line end below keeps the next one whole. */
    if (n > 0 && ftruncate(g->fd, (off_t)g->size) != 0) {
        g->size += (uint64_t)n;
        if (write(g->fd, "\n", 1) == 1)
            g->size++;
    }
    return error;
}

static bool
closed_name(const char *open_name, char closed[SEGMENT_NAME_MAX + 8])
{
    size_t n = strlen(open_name), suffix = strlen(SPOOL_OPEN_SUFFIX);
    if (n <= suffix || n > SEGMENT_NAME_MAX || strcmp(open_name + n - suffix, SPOOL_OPEN_SUFFIX) != 0)
        return false;
    snprintf(closed, SEGMENT_NAME_MAX + 8, "%.*s" SPOOL_CLOSED_SUFFIX, (int)(n - suffix), open_name);
    return true;
}

/* With the lock held: the file gets its final name, and the name is on disk. */
static int
hand_over(int dirfd, const char *name, uint64_t size, bool sync)
{
    char closed[SEGMENT_NAME_MAX + 8];
    if (!closed_name(name, closed))
        return EINVAL;
    if (size == 0)
        return unlinkat(dirfd, name, 0) == 0 || errno == ENOENT ? 0 : errno;
    if (renameat(dirfd, name, dirfd, closed) != 0 && errno != ENOENT)
        return errno;
    if (sync)
        fsync(dirfd); /* nothing is lost if it fails: the file is there under one name or the other */
    return 0;
}

int
segment_close(int dirfd, struct segment *g, bool sync)
{
    if (g->fd < 0)
        return 0;
    if (sync && fdatasync(g->fd) != 0)
        return errno;
    int error = hand_over(dirfd, g->name, g->size, sync);
    if (error != 0)
        return error;
    close(g->fd);
    *g = (struct segment){ .fd = -1 };
    return 0;
}

int
segment_adopt(int dirfd)
{
    int again = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    if (d == NULL) {
        if (again >= 0)
            close(again);
        return -1;
    }
    int adopted = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char closed[SEGMENT_NAME_MAX + 8];
        if (!closed_name(e->d_name, closed))
            continue;
        struct segment g = { .fd = openat(dirfd, e->d_name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) };
        if (g.fd < 0)
            continue;
        snprintf(g.name, sizeof(g.name), "%s", e->d_name);
        struct stat st;
        if (flock(g.fd, LOCK_EX | LOCK_NB) == 0 && segment_linked(dirfd, &g) && fstat(g.fd, &st) == 0 &&
            S_ISREG(st.st_mode) && hand_over(dirfd, g.name, (uint64_t)st.st_size, false) == 0)
            adopted++;
        close(g.fd);
    }
    closedir(d);
    return adopted;
}
