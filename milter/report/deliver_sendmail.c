#include "autoconf.h"

#include "report/deliver.h"
#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

static bool
write_all(int fd, slice text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            text = slice_tail(text, (size_t)n);
    }
    return true;
}

/* Starts it with its standard input at *in. */
static pid_t
start(const char *program, slice sender, slice recipient, int *in, struct strbuf *note)
{
    struct arena *a = arena_new(0);
    if (a == NULL) {
        strbuf_add_str(note, "out of memory");
        return -1;
    }
    /* No shell; "--" ends the options, though destination_parse() lets no address begin with "-" anyway. */
    char *argv[] = { arena_strdup(a, SLICE("sendmail")), arena_strdup(a, SLICE("-i")), arena_strdup(a, SLICE("-f")),
                     arena_strdup(a, sender), arena_strdup(a, SLICE("--")), arena_strdup(a, recipient), NULL };
    int pipes[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    if (argv[5] == NULL || pipe2(pipes, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0) {
        strbuf_printf(note, "cannot start %s: %s", program, strerror(errno));
        arena_free(a);
        return -1;
    }
    posix_spawn_file_actions_adddup2(&actions, pipes[0], 0);
    int error = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[0]);
    arena_free(a);
    if (error == 0) {
        *in = pipes[1];
        return pid;
    }
    close(pipes[1]);
    strbuf_printf(note, "cannot start %s: %s", program, strerror(error));
    return -1;
}

enum delivered
deliver_sendmail(const char *program, slice sender, slice recipient, slice message, struct strbuf *note)
{
    int in, status;
    pid_t pid = start(program, sender, recipient, &in, note);
    if (pid < 0)
        return DELIVER_LATER;
    struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
    sigaction(SIGPIPE, &ignore, &before);
    bool written = write_all(in, message);
    sigaction(SIGPIPE, &before, NULL);
    if (!written) { /* half a message must not be sent as a whole one */
        kill(pid, SIGKILL);
        strbuf_printf(note, "%s stopped reading", program);
    }
    close(in);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!written)
        return DELIVER_LATER;
    if (!WIFEXITED(status)) {
        strbuf_printf(note, "%s was ended by signal %d", program, WTERMSIG(status));
        return DELIVER_LATER;
    }
    if (WEXITSTATUS(status) == EX_OK)
        return DELIVERED;
    strbuf_printf(note, "%s ended with status %d", program, WEXITSTATUS(status));
    switch (WEXITSTATUS(status)) {
    case EX_NOUSER:
    case EX_NOHOST:
        return DELIVER_NOBODY;
    case EX_DATAERR:
        return DELIVER_REFUSED;
    default: /* the operator's trouble, not the recipient's */
        return DELIVER_LATER;
    }
}
