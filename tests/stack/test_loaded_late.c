/* test_loaded_late.c - the library itself is loaded late, by dlopen: threads that begin after fh_stack_install
 * are covered, whoever calls pthread_create, and whoever brought that caller in. */
#include "child.h"

#include <dlfcn.h>
#include <pthread.h>
#include <threads.h>

static volatile int one = 1;

__attribute__((noinline)) static int falls(int n) {
    volatile char room[64];
    room[0] = (char)n;
    return one ? falls(n + one) + room[0] : n;
}

static void *thread_falls(void *nothing) {
    falls(1);
    return nothing;
}

static void *library;

static void install(void) {
    int (*installs)(void);
    library = dlopen(FREEHOLD, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) _exit(99);
    *(void **)&installs = dlsym(library, "fh_stack_install");
    if (installs() != 0) _exit(98);
}

static void own_thread(void) {
    pthread_t id;
    install();
    if (pthread_create(&id, NULL, thread_falls, NULL) == 0) pthread_join(id, NULL);
}

/* A module that was not there when the report was asked for, and itself starts the very next thread. */
static void later_module(const char *begins) {
    int (*begin)(void);
    install();
    void *late = dlopen(LATE_LIBRARY, RTLD_NOW);
    if (late == NULL) _exit(97);
    *(void **)&begin = dlsym(late, begins);
    begin();
}

static void later_module_thread(void) { later_module("late_begin_in_thread"); }
static void later_module_c11_thread(void) { later_module("late_begin_in_c11_thread"); }

static void later_module_at_once(void) {
    setenv("LATE_AT_ONCE", "1", 1);
    later_module("late_begin"); /* which is never called: the module's constructor does it all */
}

/* Two who hand a thread's start on to each other would do so until the stack is at its end. */
static void *nothing_happens(void *argument) { return argument; }
static int nothing_happens_c11(void *argument) { return argument != NULL; }

static void looked_up_afterwards(void) {
    static const char *const names[] = {"pthread_create", "thrd_create"};
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int (*create_c11)(thrd_t *, thrd_start_t, void *);
    pthread_t id;
    thrd_t c11;
    install();
    install();
    *(void **)&create = dlsym(RTLD_DEFAULT, names[0]);
    *(void **)&create_c11 = dlsym(RTLD_DEFAULT, names[1]);
    bool both = create(&id, NULL, nothing_happens, NULL) == 0 && pthread_join(id, NULL) == 0 &&
                create_c11(&c11, nothing_happens_c11, NULL) == thrd_success &&
                thrd_join(c11, NULL) == thrd_success;
    exit(both ? 42 : 43);
}

/* A thread of C11's, which the C library does not start by the name of pthread_create. */
static int c11_thread_falls(void *unused) {
    (void)unused;
    return falls(1);
}

static void c11_thread(void) {
    thrd_t id;
    install();
    if (thrd_create(&id, c11_thread_falls, NULL) == thrd_success) thrd_join(id, NULL);
}

/* A thread that nobody's call has made whom we could have stood in for: it has asked how much is left. */
static void *asks_and_falls(void *unused) {
    size_t (*peak)(void);
    *(void **)&peak = dlsym(library, "fh_stack_peak");
    if (peak() > 0) falls(1);
    return unused;
}

static void asks(void) {
    pthread_t id;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    install();
    *(void **)&create = dlsym(RTLD_DEFAULT, "pthread_create");
    if (create(&id, NULL, asks_and_falls, NULL) == 0) pthread_join(id, NULL);
}

static void overflows(const char *what, void (*function)(void), const char *text) {
    run_child(function);
    expect_signal(what, SIGSEGV);
    expect_text(what, "freehold: stack overflow in thread ");
    expect_text(what, text);
}

int main(void) {
    if (SANITIZED) return 77;
    overflows("own thread", own_thread, "  recursion    falls, ");
    overflows("thread of C11's", c11_thread, "  recursion    falls, ");
    overflows("module that came later", later_module_thread, "  recursion    late_recursion, ");
    overflows("module that came later, C11", later_module_c11_thread, "  recursion    late_recursion, ");
    overflows("module that came later, at once", later_module_at_once, "  recursion    late_recursion, ");
    run_child(looked_up_afterwards);
    if (outcome.status != 42) show("looked up afterwards", "both threads were expected to run");
    overflows("thread that asks", asks, "  recursion    falls, ");
    return failures != 0;
}
