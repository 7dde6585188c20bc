#include "autoconf.h"

#include "glue/sandbox.h"

#ifdef HAVE_SECCOMP

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>

/* By name: what an architecture does not have is passed over. */
static const char *const allowed[] = {
    /* memory and threads (clone stands below) */
    "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "arch_prctl", "membarrier", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
    "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getcpu", "exit", "exit_group", "restart_syscall",
    /* descriptors and files: lists on reload, the spool, the history file, the zone file of the clock */
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "close", "close_range", "lseek", "dup", "dup2",
    "dup3", "fcntl", "flock", "open", "openat", "openat2", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "fsync", "fdatasync", "sync_file_range",
    "ftruncate", "fallocate", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "link", "linkat",
    "fchmod", "umask", "ioctl", "fadvise64", "pipe", "pipe2", "eventfd2", "sendfile",
    /* the network (socket stands below) */
    "socketpair", "connect", "bind", "listen", "accept", "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt",
    "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "poll", "ppoll", "select", "pselect6",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "timerfd_create", "timerfd_settime",
    "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    /* signals, clocks, who we are */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigsuspend", "rt_sigpending", "sigaltstack", "tgkill",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times", "getrusage", "getpid",
    "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "uname", "sysinfo",
    "getrandom", "getrlimit", "prlimit64", "wait4", "waitid",
};

static int
fill(scmp_filter_ctx f)
{
    for (size_t i = 0; i < COUNT(allowed); i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);
        if (number == __NR_SCMP_ERROR)
            continue;
        int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 0);
        if (rc != 0)
            return rc;
    }
    static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK /* getaddrinfo asks which addresses there are */ };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < COUNT(families); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
    if (rc == 0) /* threads, but no processes */
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, (scmp_datum_t)CLONE_THREAD, (scmp_datum_t)CLONE_THREAD));
    if (rc == 0) /* its flags lie in memory, where they cannot be looked at; the C library goes back to clone */
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0) /* names of threads, and asking for what is set; nothing that gives rights */
        for (scmp_datum_t op = 15; rc == 0 && op <= 16; op++) /* PR_SET_NAME, PR_GET_NAME */
            rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, op, 0));
    return rc;
}

bool
sandbox_enter(struct strbuf *errors)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = f == NULL ? -ENOMEM : fill(f);
    if (rc == 0)
        rc = seccomp_load(f);
    if (f != NULL)
        seccomp_release(f);
    if (rc != 0)
        strbuf_printf(errors, "Sandbox: cannot be entered: %s (Sandbox no goes without)\n", strerror(-rc));
    return rc == 0;
}

bool
sandbox_known(void)
{
    return true;
}

#else

bool
sandbox_enter(struct strbuf *errors)
{
    (void)errors;
    return true;
}

bool
sandbox_known(void)
{
    return false;
}

#endif
