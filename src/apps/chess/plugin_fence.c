/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/chess/plugin_fence.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/str.h"

#if defined(__x86_64__)
#define FENCE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FENCE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the fence knows the system calls of x86-64 and arm64; add this machine's audit architecture"
#endif

enum {
    MEMORY_MAX_MIB = 1024, /* address space: libraries are mapped, not used */
    CPU_MAX_S = 600,       /* of one child; a batch is far shorter */
    FILES_MAX = 16,
};

/* What a computation, malloc, stdio on open descriptors and abort() need. */
static const uint32_t working_calls[] = {
    SYS_read,         SYS_write,        SYS_readv,          SYS_writev,       SYS_exit,
    SYS_exit_group,   SYS_brk,          SYS_mmap,           SYS_munmap,       SYS_mremap,
    SYS_madvise,      SYS_futex,        SYS_clock_gettime,  SYS_gettimeofday, SYS_getrandom,
    SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_getpid,       SYS_gettid,
    SYS_tgkill,       SYS_sched_yield,  SYS_fstat,          SYS_newfstatat,   SYS_lseek,
#ifdef SYS_time
    SYS_time,
#endif
};

/* What the dynamic loader needs besides; openat for reading only, which the filter checks. */
static const uint32_t loading_calls[] = {
    SYS_close,    SYS_pread64, SYS_mprotect, SYS_readlinkat, SYS_faccessat,
    SYS_prctl,    SYS_seccomp, SYS_getcwd,   SYS_statfs,
#ifdef SYS_access
    SYS_access,
#endif
#ifdef SYS_readlink
    SYS_readlink,
#endif
#ifdef SYS_stat
    SYS_stat,
#endif
};

enum { PROGRAM_MAX = 160 };

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short count;
};

static void add(struct program *p, struct sock_filter instruction)
{
    p->code[p->count++] = instruction;
}

static void allow(struct program *p, uint32_t call)
{
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

/* openat(_, _, flags): allowed when nothing is written or created; the low word of flags says so.
 */
static void allow_open_for_reading(struct program *p)
{
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 4));
    add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                        offsetof(struct seccomp_data, args[2])));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
                                        O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 1, 0));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

static void build(struct program *p, enum fence_stage stage)
{
    p->count = 0;
    /* A 32-bit system call on a 64-bit kernel has other numbers: refused before numbers are looked
     * at. */
    add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                        offsetof(struct seccomp_data, arch)));
    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FENCE_ARCH, 1, 0));
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    add(p,
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (size_t i = 0; i < COUNT_OF(working_calls); i++)
        allow(p, working_calls[i]);
    if (stage == FENCE_LOADING) {
        for (size_t i = 0; i < COUNT_OF(loading_calls); i++)
            allow(p, loading_calls[i]);
        allow_open_for_reading(p);
    }
    add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

err fence_limit(int resource, uint64_t value, const char *what)
{
    struct rlimit r = { (rlim_t)value, (rlim_t)value };
    return setrlimit(resource, &r) == 0 ? OK : ERR_SYS("limiting a child's %s", what);
}

static err set_limits(void)
{
#ifndef __SANITIZE_THREAD__ /* which keeps notes of all memory elsewhere in the address space */
    TRY(fence_limit(RLIMIT_AS, (uint64_t)MEMORY_MAX_MIB << 20, "memory"));
#endif
    TRY(fence_limit(RLIMIT_CPU, CPU_MAX_S, "CPU time"));
    TRY(fence_limit(RLIMIT_NOFILE, FILES_MAX, "open files"));
    TRY(fence_limit(RLIMIT_FSIZE, 0, "file size"));
    return fence_limit(RLIMIT_CORE, 0, "core dumps");
}

err fence_enter(enum fence_stage stage)
{
    if (stage == FENCE_LOADING) {
        TRY(set_limits());
        /* The parent's death must not leave a child behind. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            return ERR_SYS("giving up a child's privileges");
    }
    struct program p;
    build(&p, stage);
    struct sock_fprog filter = { .len = p.count, .filter = p.code };
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return ERR_SYS("fencing a child in (does this kernel have seccomp filters?)");
    return OK;
}
