/*
 * log.h - one line an event to syslog or standard error, as text or JSON; values quoted and escaped here, in one place.
 * A log is handed in, never global.  Threads: all calls are thread-safe and never block on a dead log socket;
 * what cannot be written is counted.
 */
#ifndef VIDIMUS_BASE_LOG_H
#define VIDIMUS_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_NOTHING };

struct log;

/* facility: "mail", "daemon", "local0".. (syslog only).  NULL: no memory or unknown facility. */
struct log *log_new(enum log_target target, const char *ident, const char *facility, enum log_level level, bool json);
void log_free(struct log *l); /* NULL is fine */
bool log_wants(const struct log *l, enum log_level level); /* a NULL log wants nothing */

/* One event built field by field: log_begin, log_field..., log_end. */
struct log_line;
struct log_line *log_begin(struct log *l, enum log_level level, slice id); /* id: queue id or empty; NULL: not wanted */
void log_field(struct log_line *line, const char *name, slice value); /* a NULL line is fine */
void log_field_u64(struct log_line *line, const char *name, uint64_t value);
void log_end(struct log_line *line);

/* Name, value pairs of C strings up to a NULL name. */
void log_event(struct log *l, enum log_level level, slice id, ...) __attribute__((sentinel));
bool log_connected(struct log *l); /* false: to the system log, and nobody listens there now */
uint64_t log_dropped(const struct log *l);
/* Another socket than /dev/log, before the first event (tests). */
void log_set_socket(struct log *l, const char *path);

#endif
