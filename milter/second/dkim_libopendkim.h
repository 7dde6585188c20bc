/*
 * dkim_libopendkim.h - libopendkim as a DKIM engine.  The one place that sees its header is
 * dkim_libopendkim.c.
 * Threads: one message, one thread at a time; messages share nothing.
 */
#ifndef VIDIMUS_SECOND_DKIM_LIBOPENDKIM_H
#define VIDIMUS_SECOND_DKIM_LIBOPENDKIM_H

#include "second/second.h"

extern const struct second_dkim_ops dkim_libopendkim; /* in builds with libopendkim */

#endif
