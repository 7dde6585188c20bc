/*
 * options.h - the option table, inside config/ and for whoever lists options (dump, manual test).
 * One row an option: name, type, where its value goes, default as text, range, permitted words.
 */
#ifndef VIDIMUS_CONFIG_OPTIONS_H
#define VIDIMUS_CONFIG_OPTIONS_H

#include "base/slice.h"

enum option_type {
    OT_BOOL,       /* bool: yes/no, or the two words given (first is false) */
    OT_UINT,       /* unsigned: decimal */
    OT_OCTAL,      /* unsigned: octal, as a umask */
    OT_MSEC,       /* unsigned, milliseconds: 5, 5s, 500ms, 2m; a bare number is seconds, as in opendkim.conf */
    OT_SEC,        /* unsigned, seconds: 90, 90s, 5m, 1h, 2d */
    OT_DAYS,       /* unsigned, days: 30, 30d, 4w */
    OT_SIZE,       /* unsigned, octets: 65536, 64K, 16M */
    OT_ENUM,       /* an enum of config.h: one of the words */
    OT_STRING,     /* char *: as written; NULL if empty */
    OT_WORD,       /* char *: one of the words; NULL if empty */
    OT_PATH,       /* char *: an absolute path; NULL if empty */
    OT_SOCKET,     /* char *: in libmilter's form; the forms of Postfix are read too */
    OT_AUTHSERV,   /* char *: a host name; HOSTNAME is this host's */
    OT_STRINGLIST, /* struct string_list: inline or file:PATH */
    OT_WORDLIST,   /* struct string_list: only the words given */
    OT_NETLIST     /* struct netlist *: addresses, CIDR, names */
};

struct option_word {
    const char *word;
    unsigned value;
};

struct option_def {
    const char *name;
    enum option_type type;
    size_t offset;   /* in struct config */
    const char *def; /* "" is unset, or the empty list */
    uint64_t min, max; /* in the unit of the field; both 0: not a number */
    const struct option_word *words; /* up to a NULL word */
};

extern const struct option_def option_table[];
extern const size_t option_count;

#define OPTION_NONE ((size_t)-1)
size_t option_find(slice name); /* ASCII case ignored, as in opendkim.conf; OPTION_NONE if there is none */
const char *option_nearest(slice name); /* for "did you mean"; NULL if nothing is near */

#endif
