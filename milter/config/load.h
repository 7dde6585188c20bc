/*
 * load.h - inside config/: how parse.c (text to settings), value.c (setting to field) and snapshot.c (the whole) meet.
 */
#ifndef VIDIMUS_CONFIG_LOAD_H
#define VIDIMUS_CONFIG_LOAD_H

#include "base/arena.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "config/options.h"

/* Where a value was written: "FILE:LINE" of a file, "-o NAME" of an override, "default". */
struct setting {
    bool is_set;
    slice value;       /* trimmed, continuation lines joined by one space */
    slice file;        /* empty: an override */
    unsigned line;
};

/* One attempt to load; `settings` has option_count entries. */
struct loading {
    struct arena *arena; /* of the snapshot */
    struct setting *settings;
    struct strbuf *errors;
    unsigned problems;
    bool no_memory;
};

/* One problem of an option, a line: "file:line: ..." */
void setting_problem(struct loading *l, size_t option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Text read from a file of at most 16 MB.  {NULL,0} with errno set; EFBIG when too large. */
slice config_read_file(struct arena *a, const char *path);

/* parse.c: "Name value" lines, Include; into l->settings. */
void config_parse_file(struct loading *l, const char *path);
void config_parse_text(struct loading *l, slice file, slice text);
void config_parse_override(struct loading *l, const char *text);
/* Next word of a list: between commas and blanks; false at the end. */
bool config_next_item(slice *rest, slice *item);

/* value.c: the setting (or default) of one option into its field. */
void config_set_field(struct loading *l, struct config *c, size_t option);
/* numbers with units, for the table's own test too; false: not understood */
bool config_read_number(enum option_type type, slice text, uint64_t *out);

struct snapshot {
    struct config config; /* first: a struct config * is a struct snapshot * */
    struct arena *arena;  /* everything but the netlists */
    struct setting *settings; /* of each option; what is not set is at its default */
};

#endif
