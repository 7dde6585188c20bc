/*
 * pidfile.h - the file that says which process the daemon is, locked as long as it lives.
 */
#ifndef VIDIMUS_GLUE_PIDFILE_H
#define VIDIMUS_GLUE_PIDFILE_H

#include <stdbool.h>

#include "base/strbuf.h"
#include "config/config.h"

struct pidfile {
    const char *path; /* the configuration's; NULL: none */
    int fd;
};

/* Locks and writes it.  False: another daemon holds it, or it cannot be written; `errors` says which. */
bool pidfile_write(struct pidfile *f, const struct config *c, struct strbuf *errors);
void pidfile_remove(struct pidfile *f); /* emptied where it cannot be removed any more */

#endif
