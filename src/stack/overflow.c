/* overflow.c - the handler of faults.
 *
 *     fault -> kernel -> on_fault, on the thread's alternate stack
 *                           |  classify: address, stack pointer and mappings
 *                           |-- overflow: report, on a stack of its own (the alternate one may be small)
 *                           `-- chain: the handler that was there before, or the default
 *
 * What is an overflow? The fault address is below the stack that the stack pointer is on or has just left:
 * between the two lies nothing but guard pages or a hole. (Rust's standard library asks whether the address is
 * in the thread's guard page; but a large frame without probes lands below it, and threads of others' making
 * have guards that nobody told us of. libsigsegv decides from address, stack pointer and mappings, as we do.) A
 * wild pointer that happens to hit such a place is told apart by the stack pointer: it must itself be at the
 * end of the stack.
 *
 * All else is passed on so that nobody can tell that we were here: the default action by restoring it and
 * letting the fault happen again (so a core file shows the true place), a handler with the mask, the stack and
 * the arguments that it asked for.
 */
#include "stack/overflow.h"

#include "base/report.h"
#include "base/settings.h"
#include "heap/guard.h"
#include "os/os.h"
#include "stack/callstack.h"
#include "stack/region_check.h"
#include "stack/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { REPORT_STACK = 128 << 10, SIGNALS = 2 };

/* How far below the stack pointer code may touch: red zone, calls, probes ahead of a frame. */
enum { TOUCH_BELOW = 16 << 10, TOUCH_BELOW_FAR = 64 << 10 };

static const int signals[SIGNALS] = {SIGSEGV, SIGBUS};
static struct sigaction previous[SIGNALS];
static char *report_stack;
static void *report_room;
static _Atomic unsigned reporting; /* the thread that reports, 0 for none */
static char adoption;              /* its address marks our own signals */

static struct sigaction *previous_of(int signal) { return &previous[signal == SIGSEGV ? 0 : 1]; }

/* ---------------------------------------------------------------- what it is --------------------------- */

static bool below_signal_stack(const struct fh_fault *fault, const void *context) {
    char *low;
    size_t size;
    fh_os_signal_stack_of(context, &low, &size);
    uintptr_t bottom = (uintptr_t)low, sp = fault->registers.r[FH_OS_SP];
    return size != 0 && fault->address < bottom && bottom - fault->address < TOUCH_BELOW_FAR &&
           sp < bottom + TOUCH_BELOW && sp < fault->address + TOUCH_BELOW_FAR;
}

static bool at_end_of(const struct fh_fault *fault, uintptr_t low) {
    uintptr_t sp = fault->registers.r[FH_OS_SP], below = sp >= low ? TOUCH_BELOW : TOUCH_BELOW_FAR;
    return fault->address < low && sp < low + TOUCH_BELOW && fault->address + below >= sp;
}

/* Is there a guard page, or a thread that we know, to show that the mapping is a stack? */
static bool is_stack(struct fh_fault *fault) {
    const struct fh_call_thread *thread = fault->thread;
    struct fh_os_bounds known;
    size_t asked = fh_threads_stack_asked(fault->stack.mapped_low);
    if (asked != 0 && asked < (size_t)(fault->stack.high - fault->stack.low))
        fault->stack.high = fault->stack.low + asked;
    if (thread != NULL && fh_call_stack_of(thread, fault->stack.mapped_low, &known)) {
        fault->further = thread->stacks != NULL && known.low != thread->own.low;
        if (!fault->stack.main) fault->stack = known;
        return true;
    }
    if (fault->stack.main) return true;
    struct fh_os_guard guard;
    return fh_os_guard_below(fault->stack.mapped_low, &guard) && (char *)fault->address >= guard.low;
}

static bool explain_heap(const struct fh_fault *fault, struct fh_misuse *misuse) {
    if (fault->by_instruction) return fh_guard_explain_alignment(&fault->registers, misuse);
    return fh_guard_explain_fault(fault->address, &fault->registers, misuse);
}

static bool explain_stray(const struct fh_fault *fault, struct fh_misuse *misuse) {
    return fh_check_explain_fault(fault->address, !fault->by_instruction, &fault->registers, misuse);
}

static void classify(struct fh_fault *fault, const void *context, struct fh_misuse *misuse) {
    if (explain_heap(fault, misuse)) {
        fault->kind = FH_FAULT_HEAP;
        return;
    }
    if (fault->by_instruction) return;
    char text[8];
    if (fh_check_explain((const void *)fault->address, text, sizeof text)) {
        fault->kind = FH_FAULT_FRAME;
        return;
    }
    fault->thread = fh_call_thread_if_known();
    if (below_signal_stack(fault, context)) {
        fault->kind = FH_FAULT_SIGNAL_OVERFLOW;
        return;
    }
    struct fh_os_bounds below; /* the stack pointer must not be on, or near, another mapping further down */
    if (!fh_os_stack_bounds_near((const void *)fault->address, &fault->stack)) return;
    if (!fh_os_stack_bounds_near((const void *)fault->registers.r[FH_OS_SP], &below)) return;
    if (below.mapped_low != fault->stack.mapped_low || !at_end_of(fault, (uintptr_t)fault->stack.mapped_low))
        return;
    if (is_stack(fault)) fault->kind = FH_FAULT_OVERFLOW;
}

/* ---------------------------------------------------------------- report ------------------------------- */

static void report_frame(const struct fh_fault *fault) {
    char text[400];
    fh_check_explain((const void *)fault->address, text, sizeof text);
    fh_say("%s", text);
}

static void report(void *argument) {
    const struct fh_fault *fault = argument;
    if (fault->kind == FH_FAULT_HEAP) {
        fh_misuse_write(fault->misuse);
        return;
    }
    if (fault->kind == FH_FAULT_FRAME) report_frame(fault);
    fh_report_overflow(fault, report_room);
}

/* Is there no handler to chain to? Then the fault ends the process. */
static bool default_follows(int signal) {
    const struct sigaction *before = previous_of(signal);
    return !(before->sa_flags & SA_SIGINFO) && (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN);
}

/* One report at a time. A second thread waits for the first, whose end is the process's as a rule: then it
 * waits for that, too. */
static void report_once(struct fh_fault *fault, int signal) {
    static uintptr_t last_address = UINTPTR_MAX; /* none yet: a fault may be at 0 */
    bool main;
    unsigned self = fh_os_thread_id(&main), nobody = 0;
    for (unsigned tries = 0; !atomic_compare_exchange_strong(&reporting, &nobody, self); tries++) {
        if (nobody == self || tries > 5000) return; /* a fault within the report */
        nobody = 0;
        fh_os_pause();
    }
    if (last_address != fault->address) { /* else the handler before us has returned, and it happens again */
        last_address = fault->address;
        memset(report_room, 0, fh_report_room());
        fh_os_call_on(report_stack + REPORT_STACK, report, fault);
    }
    if (!default_follows(signal)) atomic_store(&reporting, 0);
}

/* ---------------------------------------------------------------- chain -------------------------------- */

struct handler_call {
    struct sigaction action;
    int signal;
    siginfo_t *info;
    void *context;
};

static void call_handler(void *argument) {
    const struct handler_call *call = argument;
    if (call->action.sa_flags & SA_SIGINFO) {
        call->action.sa_sigaction(call->signal, call->info, call->context);
    } else {
        call->action.sa_handler(call->signal);
    }
}

/* The default action. A fault happens again when we return, now without us; a signal that was sent is sent
 * again. */
static void let_default_happen(int signal, siginfo_t *info, bool by_kernel) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, NULL);
    if (!by_kernel) fh_os_signal_again(signal, info);
}

static void chain(int signal, siginfo_t *info, void *context, bool by_kernel, const struct fh_fault *fault) {
    struct sigaction *before = previous_of(signal);
    struct handler_call call = {*before, signal, info, context};
    bool plain = !(call.action.sa_flags & SA_SIGINFO);
    if (plain && call.action.sa_handler == SIG_IGN && !by_kernel) return;
    if (default_follows(signal)) {
        let_default_happen(signal, info, by_kernel);
        return;
    }
    if (call.action.sa_flags & (int)SA_RESETHAND) {
        memset(before, 0, sizeof *before);
        before->sa_handler = SIG_DFL;
    }
    sigset_t mask = call.action.sa_mask;
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    if (call.action.sa_flags & SA_NODEFER) {
        sigemptyset(&mask);
        sigaddset(&mask, signal);
        if (!sigismember(&call.action.sa_mask, signal)) pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    }
    /* A handler that did not ask for the alternate stack gets the thread's own, if that has room. */
    char *low;
    size_t size;
    fh_os_signal_stack_of(context, &low, &size);
    uintptr_t sp = fault->registers.r[FH_OS_SP];
    bool was_there = size != 0 && sp - (uintptr_t)low < size;
    if ((call.action.sa_flags & SA_ONSTACK) || size == 0 || was_there || fault->kind != FH_FAULT_OTHER) {
        call_handler(&call);
    } else {
        fh_os_call_on((void *)((sp - 256) & ~(uintptr_t)15), call_handler, &call);
    }
}

/* ---------------------------------------------------------------- the handler -------------------------- */

static void on_fault(int signal, siginfo_t *info, void *context) {
    int saved = errno;
    if (fh_os_signal_is_own(info, &adoption)) {
        fh_threads_signal_stack_in(context);
        errno = saved;
        return;
    }
    struct fh_fault fault;
    memset(&fault, 0, sizeof fault);
    bool by_kernel = info->si_code > 0;
    fh_os_registers_of(context, &fault.registers);
    fault.by_instruction = info->si_code == SI_KERNEL;
    fault.address = fault.by_instruction ? fault.registers.pc : (uintptr_t)info->si_addr;
    if (fault.by_instruction && fh_guard_moves(context, &fault.registers)) {
        errno = saved;
        return;
    }
    struct fh_misuse misuse;
    fault.misuse = &misuse;
    fault.kind = FH_FAULT_OTHER;
    if (by_kernel) classify(&fault, context, &misuse);
    /* Last: stacks and frames may lie in the heap, too. */
    if (by_kernel && fault.kind == FH_FAULT_OTHER && explain_stray(&fault, &misuse)) fault.kind = FH_FAULT_HEAP;
    if (fault.kind != FH_FAULT_OTHER) report_once(&fault, signal);
    errno = saved;
    chain(signal, info, context, by_kernel, &fault);
    errno = saved;
}

bool fh_fault_install(void) {
    static struct fh_lock lock;
    static bool installed;
    static size_t placed; /* handlers; what is refused between them is asked for again the next time */
    fh_lock(&lock);
    if (!installed) {
        if (report_stack == NULL) report_stack = fh_os_stack_map(REPORT_STACK, NULL);
        if (report_room == NULL) report_room = fh_os_map((fh_report_room() + 4095) & ~(size_t)4095);
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        sigemptyset(&action.sa_mask);
        while (report_stack != NULL && report_room != NULL && placed < SIGNALS &&
               sigaction(signals[placed], &action, &previous[placed]) == 0)
            placed++;
        installed = placed == SIGNALS;
    }
    fh_unlock(&lock);
    return installed;
}

int fh_stack_install(void) {
    int saved = errno;
    errno = 0;
    bool installed = fh_fault_install();
    if (installed) {
        fh_threads_prepare();
        installed = fh_threads_signal_stack();
        fh_call_thread();
        fh_os_signal_threads(SIGSEGV, &adoption);
    }
    if (installed) errno = saved;
    else if (errno == 0) errno = ENOMEM;
    return installed ? 0 : -1;
}

extern const char fh_fault_reports;
const char fh_fault_reports __attribute__((visibility("hidden"))) = 1; /* heap/guard.c says why */

/* FREEHOLD=stack_report=on, and in the modes that check. */
FH_AT_START __attribute__((constructor)) static void install_by_setting(void) {
    fh_settings_init();
    if (fh_settings.stack_report || fh_mode_checks()) fh_stack_install();
    else if (fh_settings.guard_sample) fh_fault_install(); /* faults of guarded blocks */
}
