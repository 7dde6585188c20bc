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

/* What neither the launcher nor a holder that is reading keys has any use for.  Reading the configuration may ask for a
 * host's name, so sockets as such are left. */
static const int never[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
    SCMP_SYS(chroot), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load), SCMP_SYS(bpf), SCMP_SYS(setns),
    SCMP_SYS(unshare), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(chmod),
    SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(mknod), SCMP_SYS(mknodat),
};

static bool
add_rules(scmp_filter_ctx c, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = seccomp_rule_add(c, action, calls[i], 0);
        if (r != 0 && r != -EDOM) /* EDOM: this machine has no such call */
            return false;
    }
    return true;
}

bool
keyholder_sandbox_launcher(void)
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = c != NULL && add_rules(c, SCMP_ACT_ERRNO(EPERM), never, COUNT(never)) && seccomp_load(c) == 0;
    if (c != NULL)
        seccomp_release(c);
    return ok;
}

bool
keyholder_sandbox(void)
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (c == NULL)
        return false;
    /* the threads that sign are there already */
    bool ok = seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
    ok = ok && add_rules(c, SCMP_ACT_ALLOW, allowed, COUNT(allowed)) && add_rules(c, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly)) &&
         seccomp_load(c) == 0;
    seccomp_release(c);
    return ok;
}
#else
bool
keyholder_sandbox_launcher(void)
{
    return true;
}

bool
keyholder_sandbox(void)
{
    return true; /* built without libseccomp: configure's summary says so */
}
#endif
