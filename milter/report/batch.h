/*
 * batch.h - some lines of one segment on their way into the store: read and judged, then written in one transaction.
 */
#ifndef VIDIMUS_REPORT_BATCH_H
#define VIDIMUS_REPORT_BATCH_H

#include "report/store.h"

struct batch;

struct batch_place {
    slice segment;    /* its file name: the key in the store */
    uint64_t from, to; /* octets of the file that the batch covers */
    int64_t now;
    int oldest_day;   /* raw rows before it are not kept */
};

/* Whole lines, each with its line end; `text` must outlive the batch.  The octet `from` of the segment is text.p[0].
 * torn: the last line has no end and never will.  NULL: no memory. */
struct batch *batch_read(const struct batch_place *p, slice text, bool torn);
void batch_free(struct batch *b);
/* The days whose raw rows need room.  Outside the transaction. */
enum status batch_prepare(struct batch *b, struct store *s);
/* Inside one: ST_TIMEOUT if another importer took these octets meanwhile; nothing is written then. */
enum status batch_write(struct batch *b, struct store *s);
uint64_t batch_records(const struct batch *b);
uint64_t batch_set_aside(const struct batch *b);
uint64_t batch_duplicates(const struct batch *b); /* after batch_write() */

#endif
