/*
 * history.h - the history file in the form of OpenDMARC, for those who already have reporting built on opendmarc-import.
 * Threads: all calls are thread-safe; a message is one O_APPEND write.
 */
#ifndef VIDIMUS_RECORD_HISTORY_H
#define VIDIMUS_RECORD_HISTORY_H

#include "base/arena.h"
#include "record/record.h"

/* The message's lines; empty: OpenDMARC would not write any (no author, no address).  {NULL,0}: no memory. */
slice history_text(struct arena *a, const struct record *r);
/* Opened anew each time: the importing scripts move the file away.  ST_INTERNAL with errno. */
enum status history_append(const char *path, slice text);

#endif
