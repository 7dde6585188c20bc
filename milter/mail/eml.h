/*
 * eml.h - a message from a file, told as an MTA tells it to a milter: fields one by one, end of header, body in chunks.
 * Line ends become CRLF (a lone CR is no line end), the last line gets one.  A first line "From ..." of mbox is passed
 * over.  The header ends at an empty line or, as with Postfix, before the first line that is neither field nor fold.
 * Memory: one field and one chunk, whatever the size of the message.
 */
#ifndef VIDIMUS_MAIL_EML_H
#define VIDIMUS_MAIL_EML_H

#include <stdio.h>

#include "base/slice.h"
#include "base/status.h"

#define EML_FIELD_MAX ((size_t)1 << 23) /* octets of one field; beyond: ST_LIMIT */
#define EML_CHUNK_MAX ((size_t)65535)   /* octets of one body chunk, as in the milter protocol */

struct eml_handler { /* anything but ST_OK ends the reading and is returned */
    /* name: all before the ":", so that white space there is not lost (an MTA would strip it); value: all behind it,
     * leading space included, folds as CRLF WSP.  Both are gone after the call. */
    enum status (*header)(void *arg, slice name, slice value);
    enum status (*eoh)(void *arg);
    enum status (*body)(void *arg, slice chunk); /* never empty; not called for an empty body */
};

/* ST_INTERNAL: reading failed (errno says why). */
enum status eml_read_file(FILE *f, const struct eml_handler *h, void *arg);
enum status eml_read_memory(slice message, const struct eml_handler *h, void *arg);

#endif
