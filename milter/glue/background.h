/*
 * background.h - into the background, and telling whoever started us when we are ready.
 */
#ifndef VIDIMUS_GLUE_BACKGROUND_H
#define VIDIMUS_GLUE_BACKGROUND_H

#include <stdbool.h>

struct background {
    int ready_fd; /* to the waiting parent; -1: in the foreground */
};

/* Forks; the parent stays until the child is ready or dead, and ends with its status.  False: errno says why. */
bool background_enter(struct background *b, bool foreground);
/* Ready: the parent may go (and standard input, output and error with it, unless kept); systemd hears of it, too. */
void background_ready(struct background *b, bool keep_stderr);

#endif
