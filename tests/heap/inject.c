/* inject.c - see inject.h. */
#include "inject.h"
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* ---------------------------------------------------------------- the one call that passes ---- */

long kernel_call(long number, long a, long b, long c, long d, long e, long f);
extern const char kernel_call_passed[];

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl kernel_call, kernel_call_passed\n"
        "kernel_call:\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        "    mov %r9, %r8\n"
        "    mov 8(%rsp), %r9\n"
        "    syscall\n"
        "kernel_call_passed:\n"
        "    ret\n");
#define REG(context, n) \
    ((context)->uc_mcontext.gregs[(const int[]){REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9}[n]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl kernel_call, kernel_call_passed\n"
        "kernel_call:\n"
        "    mov x8, x0\n"
        "    mov x0, x1\n"
        "    mov x1, x2\n"
        "    mov x2, x3\n"
        "    mov x3, x4\n"
        "    mov x4, x5\n"
        "    mov x5, x6\n"
        "    svc #0\n"
        "kernel_call_passed:\n"
        "    ret\n");
#define REG(context, n) ((long)(context)->uc_mcontext.regs[n])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

/* ---------------------------------------------------------------- which call fails ---- */

/* Not: what cannot fail (getpid, gettid), and what the C library calls with all signals blocked, where a
 * trapped call ends the process (rt_sigprocmask, clone). */
const long inject_calls[] = {SYS_mmap,
                             SYS_munmap,
                             SYS_mremap,
                             SYS_madvise,
                             SYS_mprotect,
                             SYS_getrandom,
                             SYS_openat,
                             SYS_pipe2,
                             SYS_sigaltstack,
                             SYS_prlimit64,
                             SYS_readlinkat,
                             SYS_futex,
                             SYS_read,
                             SYS_write,
                             SYS_close,
                             SYS_newfstatat,
                             SYS_getdents64,
                             SYS_mincore,
                             SYS_tgkill,
                             SYS_sched_getaffinity,
                             SYS_rt_sigaction,
                             SYS_process_vm_readv,
                             -1};

volatile bool inject_armed, inject_no_pipes;
volatile unsigned inject_seen, inject_failed;
static struct inject_plan plan;

static bool falls(long number, unsigned long address, unsigned long protection) {
    if (!inject_armed) return false;
    if (number == SYS_pipe2 && inject_no_pipes) return true;
    if (plan.only >= 0 && plan.only != number) return false;
    bool commits = (number == SYS_mmap || number == SYS_mprotect) && protection & PROT_WRITE;
    if (plan.when == INJECT_COMMITS && !commits) return false;
    if (plan.when == INJECT_PLACED && (number != SYS_mmap || address == 0)) return false;
    unsigned i = ++inject_seen;
    switch (plan.when) {
        case INJECT_NTH: return i == plan.n;
        case INJECT_FROM_NTH:
        case INJECT_COMMITS:
        case INJECT_PLACED: return i >= plan.n;
        case INJECT_EVERY_THIRD: return i % 3 == plan.n % 3;
        default: return false;
    }
}

static int error_of(long number) {
    switch (number) {
        case SYS_openat: return EMFILE;
        case SYS_pipe2: return ENFILE;
        case SYS_getrandom: return ENOSYS;
        case SYS_futex: return EINTR;
        case SYS_read:
        case SYS_close: return EIO;
        case SYS_write: return ENOSPC;
        case SYS_prlimit64:
        case SYS_tgkill:
        case SYS_process_vm_readv:
        case SYS_sched_getaffinity:
        case SYS_readlinkat: return EPERM;
        case SYS_newfstatat: return EACCES;
        case SYS_getdents64: return ENOENT;
        case SYS_rt_sigaction: return EINVAL;
        default: return ENOMEM;
    }
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    ucontext_t *u = context;
    long number = info->si_syscall;
    if (falls(number, (unsigned long)REG(u, 0), (unsigned long)REG(u, 2))) {
        inject_failed++;
        RESULT(u) = -error_of(number);
        return;
    }
    RESULT(u) = kernel_call(number, REG(u, 0), REG(u, 1), REG(u, 2), REG(u, 3), REG(u, 4), REG(u, 5));
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), then, otherwise)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)

void inject_change(const struct inject_plan *p) { plan = *p; }

bool inject_install(const struct inject_plan *p, bool others) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER};
    uintptr_t pass = (uintptr_t)kernel_call_passed;
    struct sock_filter code[48] = {LOAD(nr)};
    unsigned char count = 0, n = 1;
    while (inject_calls[count] >= 0 && (others || count < INJECT_MEMORY)) count++;
    for (unsigned char i = 0; i < count; i++)
        code[n++] = (struct sock_filter)IF_EQUAL(inject_calls[i], (unsigned char)(count - i), 0);
    const struct sock_filter rest[] = {
        ANSWER(SECCOMP_RET_ALLOW),
        LOAD(instruction_pointer),
        IF_EQUAL(pass & 0xffffffffu, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        IF_EQUAL(pass >> 32, 1, 0),
        ANSWER(SECCOMP_RET_TRAP),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    for (unsigned i = 0; i < sizeof rest / sizeof *rest; i++) code[n++] = rest[i];
    plan = *p;
    struct sock_fprog program = {n, code};
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
