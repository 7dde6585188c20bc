/*
 * author.h - who wrote the message: the Author Domain of RFC 9989 5.3.1, or why nobody can say.
 */
#ifndef VIDIMUS_PIPELINE_AUTHOR_H
#define VIDIMUS_PIPELINE_AUTHOR_H

#include "base/arena.h"
#include "mail/headers.h"

enum author_state {
    AUTHOR_ONE,      /* one From field, all its addresses in one domain */
    AUTHOR_MISSING,  /* no From field, an empty one, or only empty groups */
    AUTHOR_SEVERAL,  /* several From fields, or addresses in different domains */
    AUTHOR_UNREADABLE /* not an address list, or no domain name in it */
};

struct author {
    enum author_state state;
    slice domain;        /* a name; empty unless AUTHOR_ONE */
    const slice *domains; /* AUTHOR_SEVERAL by one From field: its different domains; else NULL */
    size_t n_domains;
    const char *problem; /* in words, NULL for AUTHOR_ONE */
};

/* ST_NOMEM: *out untouched. */
enum status author_find(struct arena *a, const struct header_list *headers, struct author *out);
/* The same for one From field alone, as it arrives: for starting lookups early, never for a verdict. */
enum status author_of_field(struct arena *a, const struct header_field *from, struct author *out);

#endif
