/*
 * keyholder_sandbox.c - what the key holder may ask of the kernel: memory, its one socket, locks, the clock, its end.
 * libseccomp is used here for the holder's own list.
 */
#include "autoconf.h"

#include "crypto/keyholder_wire.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

bool
keyholder_close_up(void)
{
    const struct rlimit none = { 0, 0 };
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

#ifdef HAVE_SECCOMP
/* Everything else fails with EPERM; what no library could mean well ends the process, and the daemon's log tells. */
static const int allowed[] = {
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(read), SCMP_SYS(write),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(close), SCMP_SYS(futex), SCMP_SYS(brk), SCMP_SYS(mmap),
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(sched_yield), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
    SCMP_SYS(sigaltstack), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
};
static const int deadly[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(fork), SCMP_SYS(vfork),
};

bool
keyholder_sandbox(void)
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (c == NULL)
        return false;
    /* the threads that sign are there already */
    bool ok = seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
    for (size_t i = 0; ok && i < COUNT(allowed); i++) {
        int r = seccomp_rule_add(c, SCMP_ACT_ALLOW, allowed[i], 0);
        ok = r == 0 || r == -EDOM; /* EDOM: this machine has no such call */
    }
    for (size_t i = 0; ok && i < COUNT(deadly); i++) {
        int r = seccomp_rule_add(c, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
        ok = r == 0 || r == -EDOM;
    }
    ok = ok && seccomp_load(c) == 0;
    seccomp_release(c);
    return ok;
}
#else
bool
keyholder_sandbox(void)
{
    return true; /* built without libseccomp: configure's summary says so */
}
#endif
