#include "autoconf.h"

#include "glue/privileges.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool
numeric(slice s, unsigned *out)
{
    uint64_t v;
    if (!slice_to_u64(s, &v) || v >= UINT_MAX)
        return false;
    *out = (unsigned)v;
    return true;
}

static bool
find_user(const struct config *c, slice name, struct identity *out, struct strbuf *errors)
{
    unsigned number;
    if (name.n == 0 || name.n >= sizeof(out->name)) {
        config_problem(c, "UserID", errors, "\"%.*s\" is not a user name", SLICE_ARG(slice_head(name, 100)));
        return false;
    }
    memcpy(out->name, name.p, name.n);
    out->name[name.n] = '\0';
    const struct passwd *pw = numeric(name, &number) ? getpwuid((uid_t)number) : getpwnam(out->name);
    if (pw != NULL) {
        out->uid = pw->pw_uid;
        out->gid = pw->pw_gid;
        snprintf(out->name, sizeof(out->name), "%s", pw->pw_name);
        return true;
    }
    if (numeric(name, &number)) {
        out->uid = (uid_t)number;
        out->gid = (gid_t)number;
        out->name[0] = '\0';
        return true;
    }
    config_problem(c, "UserID", errors, "there is no user \"%s\"", out->name);
    return false;
}

static bool
find_group(const struct config *c, slice name, struct identity *out, struct strbuf *errors)
{
    char text[64];
    unsigned number;
    if (numeric(name, &number)) {
        out->gid = (gid_t)number;
        return true;
    }
    const struct group *gr = NULL;
    if (name.n > 0 && name.n < sizeof(text)) {
        memcpy(text, name.p, name.n);
        text[name.n] = '\0';
        gr = getgrnam(text);
    }
    if (gr == NULL) {
        config_problem(c, "UserID", errors, "there is no group \"%.*s\"", SLICE_ARG(slice_head(name, 60)));
        return false;
    }
    out->gid = gr->gr_gid;
    return true;
}

bool
privileges_find(const struct config *c, struct identity *out, struct strbuf *errors)
{
    *out = (struct identity){ .uid = geteuid(), .gid = getegid() };
    if (c->user_id == NULL) {
        if (geteuid() != 0)
            return true;
        config_problem(c, "UserID", errors, "started as root, and no user is named to become (to stay root, say UserID root)");
        return false;
    }
    slice user, group;
    bool with_group = slice_cut(slice_from(c->user_id), ':', &user, &group);
    if (!find_user(c, user, out, errors) || (with_group && !find_group(c, group, out, errors)))
        return false;
    out->change = geteuid() == 0 && out->uid != 0;
    if (geteuid() != 0 && out->uid != geteuid()) {
        config_problem(c, "UserID", errors, "started as user %u, which cannot become user %u", (unsigned)geteuid(), (unsigned)out->uid);
        return false;
    }
    return true;
}

bool
privileges_drop(const struct identity *who, struct strbuf *errors)
{
    const char *step = NULL;
    if (who->change) {
        if ((who->name[0] != '\0' ? initgroups(who->name, who->gid) : setgroups(1, &who->gid)) != 0)
            step = "set the groups";
        else if (setresgid(who->gid, who->gid, who->gid) != 0)
            step = "set the group";
        else if (setresuid(who->uid, who->uid, who->uid) != 0)
            step = "set the user";
    }
    if (step == NULL && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        step = "give up new privileges";
    if (step != NULL) {
        strbuf_printf(errors, "UserID: cannot %s: %s\n", step, strerror(errno));
        return false;
    }
    uid_t r, e, s;
    gid_t rg, eg, sg;
    bool gone = !who->change || (getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == who->uid && e == who->uid &&
                                 s == who->uid && rg == who->gid && eg == who->gid && sg == who->gid && setuid(0) != 0);
    if (!gone)
        strbuf_add_str(errors, "UserID: the privileges of root are still there after giving them up\n");
    return gone;
}
