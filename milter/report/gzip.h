/* gzip.h - RFC 1952 compression into a strbuf, piece by piece.  zlib is used here and nowhere else. */
#ifndef VIDIMUS_REPORT_GZIP_H
#define VIDIMUS_REPORT_GZIP_H

#include "base/strbuf.h"

struct gzip;

struct gzip *gzip_new(struct strbuf *out); /* NULL: no memory */
bool gzip_write(struct gzip *z, slice text);
enum status gzip_finish(struct gzip *z); /* frees it in any case */

#endif
