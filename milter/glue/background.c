#include "autoconf.h"

#include "glue/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static _Noreturn void
wait_for(pid_t child, int fd)
{
    char c;
    ssize_t n;
    do
        n = read(fd, &c, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(EX_OK);
    int status = 0; /* it died first, and has said why */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EX_SOFTWARE);
}

bool
background_enter(struct background *b, bool foreground)
{
    b->ready_fd = -1;
    if (foreground)
        return true;
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child < 0)
        return false;
    if (child > 0) {
        close(ends[1]);
        wait_for(child, ends[0]);
    }
    close(ends[0]);
    b->ready_fd = ends[1];
    (void)setsid();
    return chdir("/") == 0;
}

/* sd_notify(3): a datagram to the socket named in the environment; "@" is the abstract name space. */
static void
tell_systemd(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t n = name == NULL ? 0 : strlen(name);
    if (n < 2 || n >= sizeof(a.sun_path))
        return;
    memcpy(a.sun_path, name, n);
    if (a.sun_path[0] == '@')
        a.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

void
background_ready(struct background *b, bool keep_stderr)
{
    tell_systemd();
    if (b->ready_fd < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        if (!keep_stderr)
            (void)dup2(null, STDERR_FILENO);
        close(null);
    }
    (void)!write(b->ready_fd, "", 1);
    close(b->ready_fd);
    b->ready_fd = -1;
}
