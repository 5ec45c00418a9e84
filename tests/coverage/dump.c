/* dump.c - a coverage build keeps its counts however a process ends.
 *
 * gcov writes its counts in a handler of exit(). The tests end many processes otherwise, because that is what
 * they test: by abort() after a report, by _exit() in a child, by a fault that a handler has reported and then
 * leaves to the default action. So in a coverage build (only there) these functions stand in front of libc's
 * and write the counts first.
 *
 * What the library does at the end of a process comes after gcov's handler: so the counts are written once more
 * by a handler that is registered before the library's, and so runs after it.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OVER_LIBC __attribute__((visibility("default")))

void __gcov_dump(void);
void __gcov_reset(void);
extern int __sigaction(int number, const struct sigaction *action, struct sigaction *before);

/* Writing takes memory and a descriptor, of which a test may have left none. And what it meets in a damaged
 * heap may be reported and end the process: then once is enough, and it ends by the fault that it was about to
 * end by. */
static __thread int dumping, fault;

static void lift_limit(int of) {
    struct rlimit limit;
    getrlimit(of, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(of, &limit);
}

static void dump(void) {
    if (dumping++ == 0) {
        lift_limit(RLIMIT_AS);
        lift_limit(RLIMIT_NOFILE);
        __gcov_dump();
        __gcov_reset();
    }
    dumping--;
}

static void write_the_last(int status, void *nothing) {
    (void)status, (void)nothing;
    dump();
}

OVER_LIBC int on_exit(void (*handler)(int, void *), void *argument) {
    static int (*real)(void (*)(int, void *), void *);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "on_exit");
        real(write_the_last, NULL);
    }
    return real(handler, argument);
}

/* In place of gcov's handler (the linker's --wrap), which would take this library off the list of what is
 * counted. */
void __wrap___gcov_exit(void);
void __wrap___gcov_exit(void) { dump(); }

/* The shared library takes _exit over in checked mode (malloc/system.c), but leaves it to whoever stands in
 * front of libc's: that is this one, so it does what stands there. */
#ifdef FREEHOLD_SHARED
void fh_check_sweep_at_once(void);
#else
static void fh_check_sweep_at_once(void) {}
#endif

OVER_LIBC void _exit(int status) {
    fh_check_sweep_at_once();
    dump();
    for (;;) syscall(SYS_exit_group, status);
}

static void end_by_fault(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t set;
    __sigaction(fault, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, fault);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(fault);
}

OVER_LIBC void abort(void) {
    dump();
    if (dumping && fault) end_by_fault();
    for (int round = 0;; round++) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGABRT);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        raise(SIGABRT); /* a handler of the program may return, as with libc's */
        struct sigaction action = {.sa_handler = SIG_DFL};
        __sigaction(SIGABRT, &action, NULL);
    }
}

/* The handlers of faults put the default back and let the instruction run again. */
OVER_LIBC int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
    if (action != NULL && action->sa_handler == SIG_DFL && (number == SIGSEGV || number == SIGBUS)) {
        fault = number;
        dump();
        fault = 0;
    }
    return __sigaction(number, action, before);
}
