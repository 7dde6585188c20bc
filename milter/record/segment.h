/*
 * segment.h - one file of the spool: made, locked, written, closed by rename.
 * Owned by spool.c, which holds its lock around every call.
 */
#ifndef VIDIMUS_RECORD_SEGMENT_H
#define VIDIMUS_RECORD_SEGMENT_H

#include "base/slice.h"

#define SEGMENT_NAME_MAX 255

struct segment {
    int fd;                      /* -1: none open */
    char name[SEGMENT_NAME_MAX + 1]; /* of the open file, "...open"; a file name, made by us */
    uint64_t size;               /* octets of whole lines */
    uint64_t born_ms;            /* monotonic */
};

/* A new file in the directory, locked.  0, or errno. */
int segment_create(int dirfd, unsigned number, struct segment *out);
/* `data` in one write.  0, or errno, and then nothing of it stays in the file. */
int segment_write(struct segment *g, slice data);
/* Whether the file is still to be found by its name. */
bool segment_linked(int dirfd, const struct segment *g);
/* Hand over: rename to its closed name (an empty file is removed) and let go.  0, or errno, and then it stays open. */
int segment_close(int dirfd, struct segment *g, bool sync);
/* As spool_adopt(). */
int segment_adopt(int dirfd);

#endif
