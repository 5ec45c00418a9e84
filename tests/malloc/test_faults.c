/* test_faults.c - every system call of the heap fails once: the n-th, for each n; all from the n-th on; every
 * third.
 *
 * The heap's system calls are instructions in its own code, so no symbol can be put in front of them. A seccomp
 * filter turns mmap, munmap, mremap, madvise and mprotect into SIGSYS, and the handler counts and decides: it
 * either makes the call itself (at the one address that the filter lets pass) or answers with an error.
 *
 *     heap: mmap ──filter──> SIGSYS ──> handler ──> n-th? ── yes ──> -ENOMEM
 *                                                         └─ no ───> kernel_call (let through)
 *
 * While faults fall, each request may fail with NULL and ENOMEM but nothing else may change: the model of
 * model.h watches. Afterwards the heap must serve as if nothing had been. Needs Linux on x86-64 or aarch64, not
 * emulated.
 */
#include "model.h"
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

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

enum when { NEVER, ONLY_NTH, FROM_NTH, EVERY_THIRD };

struct plan {
    enum when when;
    unsigned n;
    long only; /* this system call alone, or -1 */
    bool in_thread;
};

static struct plan plan;
static volatile unsigned calls, faults;
static volatile bool armed;

static bool falls(long number) {
    if (!armed || (plan.only >= 0 && plan.only != number)) return false;
    unsigned i = ++calls;
    switch (plan.when) {
        case ONLY_NTH: return i == plan.n;
        case FROM_NTH: return i >= plan.n;
        case EVERY_THIRD: return i % 3 == plan.n % 3;
        default: return false;
    }
}

static void on_sigsys(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    ucontext_t *u = context;
    long number = info->si_syscall;
    if (falls(number)) {
        faults++;
        RESULT(u) = -ENOMEM;
        return;
    }
    RESULT(u) = kernel_call(number, REG(u, 0), REG(u, 1), REG(u, 2), REG(u, 3), REG(u, 4), REG(u, 5));
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), then, otherwise)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)

static bool install_filter(void) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER};
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    uintptr_t pass = (uintptr_t)kernel_call_passed;
    struct sock_filter code[] = {
        LOAD(nr),
        IF_EQUAL(SYS_mmap, 5, 0),
        IF_EQUAL(SYS_munmap, 4, 0),
        IF_EQUAL(SYS_mremap, 3, 0),
        IF_EQUAL(SYS_madvise, 2, 0),
        IF_EQUAL(SYS_mprotect, 1, 0),
        ANSWER(SECCOMP_RET_ALLOW),
        LOAD(instruction_pointer),
        IF_EQUAL(pass & 0xffffffffu, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        IF_EQUAL(pass >> 32, 1, 0),
        ANSWER(SECCOMP_RET_TRAP),
        ANSWER(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ---------------------------------------------------------------- what is done under faults ---- */

static struct model model;

/* Large blocks, so that extents are taken, split, grown, moved and given back. */
static void large_work(void) {
    enum { n = 24 };
    char *block[n] = {0};
    size_t size[n] = {0};
    struct rng rng = {.state = 42};
    for (unsigned i = 0; i < 150; i++) {
        unsigned k = (unsigned)rng_below(&rng, n);
        size_t want = (size_t)40000 << rng_below(&rng, 10);
        want += rng_below(&rng, want);
        if (block[k] && i % 3) {
            errno = 0;
            char *p = t_realloc(block[k], want);
            CHECK(p || errno == ENOMEM);
            model.failed_calls += p == NULL;
            size_t known = want < size[k] ? want : size[k];
            char *now = p ? p : block[k];
            pattern_verify(now, size[k], p ? known : size[k], k);
            if (p) block[k] = p, size[k] = want;
        } else {
            if (block[k]) pattern_verify(block[k], size[k], size[k], k);
            t_free(block[k]);
            errno = 0;
            block[k] = i % 5 == 0   ? t_calloc(1, want)
                       : i % 7 == 0 ? t_aligned_alloc((size_t)1 << (12 + k % 12), want)
                                    : t_malloc(want);
            CHECK(block[k] || errno == ENOMEM);
            model.failed_calls += block[k] == NULL;
            size[k] = want;
            if (block[k] && i % 5 == 0)
                CHECK(block[k][0] == 0 && block[k][want / 2] == 0 && block[k][want - 1] == 0);
        }
        if (block[k]) pattern_fill(block[k], size[k], k);
#ifdef TEST_FH_NAMES
        if (i % 50 == 49) fh_trim();
#endif
    }
    for (unsigned k = 0; k < n; k++) t_free(block[k]);
}

static void *under_faults(void *arg) {
    (void)arg;
    model_begin(&model, 1, NULL);
    model_run_seed(&model, 5, 500); /* some blocks from before */
    if (!install_filter()) _exit(77);
    armed = true;
    model.may_fail = true;
    model_run_seed(&model, plan.n + 100, 1500);
    large_work();
    armed = false;
    model.may_fail = false;
    model_verify(&model);
    model_run_seed(&model, 6, 1500);
    model_end(&model);
    model_check_stats(&model, false);
    char text[100];
    int n = snprintf(text, sizeof text, "calls %u faults %u failed %llu\n", calls, faults,
                     (unsigned long long)model.failed_calls);
    if (write(1, text, (size_t)n) != n) _exit(9);
    _exit(0); /* at once: a thread may not end under the filter, as libc blocks all signals then */
}

static void child(void *arg) {
    (void)arg;
    if (plan.in_thread) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, under_faults, NULL) == 0);
        pthread_join(t, NULL);
    }
    under_faults(NULL);
}

/* ---------------------------------------------------------------- sweeps ---- */

static unsigned total_faults, total_failed;

/* Runs the plan; the number of calls that were seen. */
static unsigned run_plan(struct plan p) {
    static struct outcome out;
    plan = p;
    run_child(&out, child, NULL, 60);
    if (out.exited && out.code == 77) skip();
    char what[100];
    snprintf(what, sizeof what, "faults: when %d, n %u, call %ld%s", (int)p.when, p.n, p.only,
             p.in_thread ? ", in a thread" : "");
    check_clean(&out, what);
    unsigned seen = 0, fell = 0, failed = 0;
    CHECKF(sscanf(out.text, "calls %u faults %u failed %u", &seen, &fell, &failed) == 3, "%s", out.text);
    total_faults += fell;
    total_failed += failed;
    return seen;
}

static void sweep(enum when when, long only, bool in_thread, double seconds) {
    double end = seconds_now() + seconds;
    unsigned seen = run_plan((struct plan){NEVER, 0, only, in_thread});
    CHECKF(seen > 0 || only >= 0, "the filter saw no call");
    for (unsigned n = 1; n <= seen && (n == 1 || seconds_now() < end); n += n < 40 ? 1 : n / 10)
        run_plan((struct plan){when, n, only, in_thread});
}

static double share(void) { return (double)env_number("TEST_SECONDS", 10) / 10; }

static void the_nth_call_fails(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    sweep(ONLY_NTH, -1, false, 2.5 * share());
    CHECK(total_faults > 0 || !heap_is_freehold());
}

static void the_nth_call_fails_in_another_thread(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    sweep(ONLY_NTH, -1, true, 1.5 * share());
}

static void all_calls_fail_from_the_nth_on(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    sweep(FROM_NTH, -1, false, 2 * share());
    CHECK(total_failed > 0 || !heap_is_freehold()); /* else the faults did not reach the heap */
}

static void every_third_call_fails(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    for (unsigned n = 0; n < 3; n++) run_plan((struct plan){EVERY_THIRD, n, -1, n == 1});
}

static void each_kind_of_call_always_fails(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    static const long kinds[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect};
    for (int i = 0; i < 5; i++) {
        run_plan((struct plan){FROM_NTH, 1, kinds[i], false});
        sweep(ONLY_NTH, kinds[i], false, 0.4 * share());
    }
}

int main(void) {
    heap_is_freehold();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_call_fails),
        cmocka_unit_test(the_nth_call_fails_in_another_thread),
        cmocka_unit_test(all_calls_fail_from_the_nth_on),
        cmocka_unit_test(every_third_call_fails),
        cmocka_unit_test(each_kind_of_call_always_fails),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    fprintf(stderr, "%u faults fell, %u requests failed for them\n", total_faults, total_failed);
    return result;
}
