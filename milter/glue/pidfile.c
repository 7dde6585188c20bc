#include "autoconf.h"

#include "glue/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool
pidfile_write(struct pidfile *f, const struct config *c, struct strbuf *errors)
{
    const char *path = c->pid_file;
    *f = (struct pidfile){ .path = path, .fd = -1 };
    if (path == NULL)
        return true;
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
    if (f->fd < 0) {
        config_problem(c, "PidFile", errors, "cannot write %s: %s", path, strerror(errno));
        return false;
    }
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        config_problem(c, "PidFile", errors, "%s is held by another daemon", path);
    /* the umask is for the socket; everybody may know the number */
    else if (ftruncate(f->fd, 0) == 0 && write(f->fd, text, (size_t)n) == n && fchmod(f->fd, 0644) == 0)
        return true;
    else
        config_problem(c, "PidFile", errors, "cannot write %s: %s", path, strerror(errno));
    close(f->fd);
    f->fd = -1;
    return false;
}

void
pidfile_remove(struct pidfile *f)
{
    if (f->fd < 0)
        return;
    if (unlink(f->path) != 0)
        (void)!ftruncate(f->fd, 0);
    close(f->fd);
    f->fd = -1;
}
