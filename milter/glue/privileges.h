/*
 * privileges.h - from root to the user of the configuration, once and for good.
 */
#ifndef VIDIMUS_GLUE_PRIVILEGES_H
#define VIDIMUS_GLUE_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/strbuf.h"
#include "config/config.h"

struct identity {
    bool change; /* false: we are that user already, or none was named and we are not root */
    uid_t uid;
    gid_t gid;
    char name[64]; /* for initgroups; empty for a number without an account */
};

/* UserID: "user", "user:group" or numbers; NULL: none.  To run as root takes `UserID root`.  False: `errors` says why. */
bool privileges_find(const struct config *c, struct identity *out, struct strbuf *errors);
/* Groups, then group, then user, each checked, and that there is no way back.  Call it before any thread is started. */
bool privileges_drop(const struct identity *who, struct strbuf *errors);

#endif
