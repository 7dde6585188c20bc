/*
 * status.h - did our own code work?  Never a statement about mail: that is what the result enums of each method are for.
 */
#ifndef VIDIMUS_BASE_STATUS_H
#define VIDIMUS_BASE_STATUS_H

enum status {
    ST_OK,
    ST_NOMEM,   /* allocation failed, or the owner's memory limit is reached */
    ST_SYNTAX,  /* the text is not what its grammar allows */
    ST_LIMIT,   /* well formed, but beyond a configured limit */
    ST_TIMEOUT, /* the deadline passed */
    ST_INTERNAL /* a library or the system failed in a way nobody outside can cause */
};

/* A word for logs: "ok", "out of memory", "syntax error", ...  Static text. */
const char *status_name(enum status st);

#endif
