/* test_faults.c - faults that are no overflow pass through as if nothing were installed. */
#include "child.h"

#include <freehold/stack.h>

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void install(void) {
    if (fh_stack_install() != 0) _exit(99);
}

static volatile uintptr_t nowhere = 16;

static void null(void) {
    install();
    *(volatile char *)nowhere = 1;
}
static void wild(void) {
    install();
    nowhere = (uintptr_t)0x123456789000;
    *(volatile char *)nowhere = 1;
}
static void read_only(void) {
    install();
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
}
static void below_a_buffer(void) { /* a guard page below a mapping, but the stack pointer is elsewhere */
    install();
    char *pages = mmap(NULL, 8192 * 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 16384, 16384, PROT_READ | PROT_WRITE);
    *(volatile char *)(pages + 16384 - 8) = 1;
}
static void *write_below(void *place) {
    *(volatile char *)place = 1;
    return NULL;
}
static void below_a_buffer_from_a_thread(void) { /* whose stack lies below the buffer */
    install();
    pthread_t id;
    char *pages = mmap(NULL, (size_t)8192 * 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 16384, 16384, PROT_READ | PROT_WRITE);
    if (pthread_create(&id, NULL, write_below, pages + 16384 - 8) == 0) pthread_join(id, NULL);
}
static void bus(void) {
    install();
    char name[] = "/tmp/freehold-bus-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (fd < 0 || ftruncate(fd, 4096) != 0) _exit(98);
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *(volatile char *)(pages + 4096) = 1;
}
static void raised(void) {
    install();
    raise(SIGSEGV);
}
static void killed(void) {
    install();
    kill(getpid(), SIGBUS);
    pause();
}
static void jump(void) { /* a call to nowhere */
    install();
    void (*function)(void) = (void (*)(void))nowhere;
    function();
}
static void ignored(void) {
    signal(SIGSEGV, SIG_IGN);
    install();
    raise(SIGSEGV);
    _exit(7);
}
static void ignored_fault(void) { /* the kernel does not let a real fault be ignored */
    signal(SIGSEGV, SIG_IGN);
    install();
    *(volatile char *)nowhere = 1;
}

/* ---- handlers before ours ---- */

static sigjmp_buf back;
static char *seen_address;
static volatile int wrong;
static char *own_low, *own_high;

static bool on_own_stack(void) {
    char *here = __builtin_frame_address(0);
    return here >= own_low && here < own_high;
}

static void handler(int signal, siginfo_t *info, void *context) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    seen_address = info->si_addr;
    wrong |= signal != SIGSEGV || context == NULL;
    wrong |= !sigismember(&now, SIGUSR2) << 1 | !sigismember(&now, SIGSEGV) << 2 | !on_own_stack() << 3;
    siglongjmp(back, 1);
}

static void know_own_stack(void) {
    own_high = (char *)__builtin_frame_address(0) + 4096;
    own_low = own_high - (1 << 20);
}

static void handled(void) { /* as runtimes do: the handler leaves by siglongjmp, many times */
    know_own_stack();
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGSEGV, &action, NULL);
    install();
    for (volatile int i = 0; i < 100; i++) {
        if (sigsetjmp(back, 1) == 0) {
            *(volatile char *)nowhere = 1;
            _exit(50);
        }
        if (wrong || seen_address != (char *)nowhere) _exit(60 + wrong);
    }
    _exit(5);
}

static void repair(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    if (on_own_stack()) _exit(70);
    mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE);
}
static void repaired(void) { /* on the alternate stack; the instruction is repeated and succeeds */
    know_own_stack();
    struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    install();
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
    _exit(page[0] == 1 ? 6 : 71);
}

static void once(int signal) { (void)signal; }
static void once_only(void) { /* SA_RESETHAND: the second time the default happens */
    struct sigaction action = {.sa_handler = once, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGSEGV, &action, NULL);
    install();
    raise(SIGSEGV);
    raise(SIGSEGV);
    _exit(72);
}

static void nested(int signal) {
    static int depth;
    if (++depth == 2) _exit(8);
    raise(signal); /* SA_NODEFER: comes at once */
    _exit(73);
}
static void not_deferred(void) {
    struct sigaction action = {.sa_handler = nested, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    install();
    raise(SIGSEGV);
}

static void later(void) { /* a handler that the program sets afterwards is simply its own */
    install();
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)nowhere = 1;
}

static void dies_silently(const char *what, void (*function)(void), int signal) {
    run_child(function);
    expect_signal(what, signal);
    expect_silence(what);
}

static void ends_silently(const char *what, void (*function)(void), int status) {
    run_child(function);
    expect_status(what, status);
    expect_silence(what);
}

int main(void) {
    if (SANITIZED) return 77; /* the sanitizer handles faults itself */
    dies_silently("null", null, SIGSEGV);
    dies_silently("wild", wild, SIGSEGV);
    dies_silently("read only", read_only, SIGSEGV);
    dies_silently("below a buffer", below_a_buffer, SIGSEGV);
    dies_silently("below a buffer, from a thread", below_a_buffer_from_a_thread, SIGSEGV);
    dies_silently("bus", bus, SIGBUS);
    dies_silently("raised", raised, SIGSEGV);
    dies_silently("killed", killed, SIGBUS);
    dies_silently("jump to nowhere", jump, SIGSEGV);
    dies_silently("ignored fault", ignored_fault, SIGSEGV);
    dies_silently("once only", once_only, SIGSEGV);
    dies_silently("later", later, SIGSEGV);
    ends_silently("ignored", ignored, 7);
    ends_silently("handled", handled, 5);
    ends_silently("repaired", repaired, 6);
    ends_silently("not deferred", not_deferred, 8);
    return failures != 0;
}
