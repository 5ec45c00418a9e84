/* test_faults.c - faults that are no overflow pass through as if nothing were installed. */
#include "child.h"

#include "os/os_stack.h"
#include "stack/overflow.h"

#include <freehold/stack.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>

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

static void masked(int signal) {
    static int depth;
    static volatile sig_atomic_t inside;
    if (inside) _exit(75);
    inside = 1;
    if (++depth == 1) raise(signal); /* waits, as the mask has it, whatever SA_NODEFER says */
    inside = 0;
    if (depth == 2) _exit(9);
}
static void deferred_by_its_mask(void) {
    struct sigaction action = {.sa_handler = masked, .sa_flags = SA_NODEFER};
    sigaddset(&action.sa_mask, SIGSEGV);
    sigaction(SIGSEGV, &action, NULL);
    install();
    raise(SIGSEGV);
    _exit(76);
}

/* Sent, not raised by a fault: what was sent goes to the process again as it came, to do what it does by
 * default. */
static bool let_it_live;
void __real_fh_os_signal_again(int signal, void *info);
void __wrap_fh_os_signal_again(int signal, void *info);
void __wrap_fh_os_signal_again(int signal, void *info) {
    const siginfo_t *sent = info;
    if (!let_it_live) __real_fh_os_signal_again(signal, info);
    else if (signal != SIGSEGV || sent->si_value.sival_int != 12345 || sent->si_pid != getpid()) _exit(74);
}
static void sent_again_as_it_came(void) {
    install();
    let_it_live = true;
    sigqueue(getpid(), SIGSEGV, (union sigval){12345});
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    _exit(now.sa_handler == SIG_DFL ? 10 : 73);
}

static void later(void) { /* a handler that the program sets afterwards is simply its own */
    install();
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)nowhere = 1;
}

/* ---- faults near stacks that are no overflow of them ---- */

static void above_everything(void) {
    install();
    nowhere =
        ((uintptr_t)1 << 47) - 8192 + 8; /* no mapping lies there or above: the kernel keeps the last pages */
    *(volatile char *)nowhere = 1;
}
#ifdef __x86_64__
static void stack_pointer_above_everything(void) {
    install();
    __asm__ volatile("mov %0, %%rsp\n\tmovb $1, (%1)" : : "r"(((uintptr_t)1 << 47) - 8192), "r"(nowhere));
}
static void no_address(void) { /* one that is none: the kernel tells none either */
    install();
    nowhere = (uintptr_t)1 << 63;
    *(volatile char *)nowhere = 1;
}
#endif
static void runs_data(void) { /* the stack may be written, and not run */
    volatile unsigned char code[16] = {0xc3};
    void (*function)(void);
    volatile void *at = code;
    install();
    memcpy(&function, &at, sizeof function);
    function();
}

static char *thread_low;
static size_t thread_guard;
__attribute__((noinline)) static void *writes_below(void *where) {
    size_t left = fh_stack_left();
    volatile char *room = __builtin_alloca(where == NULL ? 16 : left - 8192);
    room[0] = 1;
    thread_low = (char *)__builtin_frame_address(0) - left;
    *(volatile char *)(thread_low - thread_guard / 2) = 1;
    return NULL;
}
static void in_thread_with_guard(size_t guard, void *where) {
    pthread_t id;
    pthread_attr_t attributes;
    install();
    pthread_attr_init(&attributes);
    pthread_attr_setguardsize(&attributes, guard);
    thread_guard = guard;
    if (pthread_create(&id, &attributes, writes_below, where) == 0) pthread_join(id, NULL);
}
static void own_guard_from_far_above(void) { in_thread_with_guard(8192, NULL); }
static void far_below_the_own_end(void) { in_thread_with_guard(128 << 10, &thread_guard); }

/* On stacks of the program's own making, as coroutines have: a guard page shows that it is a stack. */
static void *made_stack(size_t size, size_t guard) {
    char *pages = mmap(NULL, size + (1 << 20), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *low = pages + (1 << 20);
    mprotect(low, size, PROT_READ | PROT_WRITE);
    munmap(pages, (1 << 20) - guard);
    return low + size;
}
__attribute__((noinline)) static void falls(void *frame) {
    volatile char *room = __builtin_alloca((size_t)frame);
    room[0] = 1;
    if (nowhere) falls(frame);
    room[0] = 2;
}
static void on_a_made_stack(size_t guard, size_t frame) {
    install();
    fh_os_call_on(made_stack(65536, guard), falls, (void *)frame);
}
static void made_stack_with_guard(void) { on_a_made_stack(4096, 1000); }
static void made_stack_without(void) { on_a_made_stack(0, 1000); }
static void made_stack_past_its_guard(void) { on_a_made_stack(4096, 20000); }

/* ---- on the alternate stack ---- */

static char *signal_low;
enum { SIGNAL_SIZE = 128 << 10 };
static size_t keep_free, reach;
static void reaches_below(int signal) {
    (void)signal;
    char *here = __builtin_frame_address(0);
    volatile char *room = __builtin_alloca((size_t)(here - signal_low) - keep_free);
    room[0] = 1;
    *(volatile char *)(signal_low - reach) = 1;
}
static void on_signal_stack(void (*function)(int)) {
    install();
    char *memory = mmap(NULL, 3 * SIGNAL_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal_low = memory + SIGNAL_SIZE;
    mprotect(signal_low, SIGNAL_SIZE, PROT_READ | PROT_WRITE);
    stack_t stack = {.ss_sp = signal_low, .ss_size = SIGNAL_SIZE};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = function, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}
static void reach_below(size_t kept, size_t far) {
    keep_free = kept;
    reach = far;
    on_signal_stack(reaches_below);
}
static void just_below_from_its_middle(void) { reach_below(64 << 10, 8); }
static void far_below_from_its_end(void) { reach_below(12 << 10, 60 << 10); }
static void far_below_at_all(void) { reach_below(12 << 10, 100 << 10); }
static void just_below_from_its_end(void) { reach_below(12 << 10, 8); }

static void ends_there(int signal) {
    char *here = __builtin_frame_address(0);
    _exit(here >= signal_low && here < signal_low + SIGNAL_SIZE ? 20 + signal : 77);
}
static void faults(int signal) {
    (void)signal;
    *(volatile char *)nowhere = 1;
}
static void handled_where_it_was(void) { /* on the alternate stack already: the handler goes on there */
    signal(SIGSEGV, ends_there);
    on_signal_stack(faults);
}
static void ends_well(int signal) { _exit(30 + signal); }
static void handled_without_one(void) {
    stack_t none = {.ss_flags = SS_DISABLE};
    signal(SIGSEGV, ends_well);
    install();
    sigaltstack(&none, NULL);
    *(volatile char *)nowhere = 1;
}

/* ---- an overflow where less is known ---- */

static void on_a_stack_of_mine(void) {
    static char memory[65536];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    sigaltstack(&stack, NULL);
}
static void
thread_not_known(void) { /* the handler is there for other faults; this thread never asked for anything */
    on_a_stack_of_mine();
    if (!fh_fault_install()) _exit(78);
    falls((void *)1000);
}

static jmp_buf left;
static void leaves(void *unused) {
    (void)unused;
    longjmp(left, 1);
}
static void *falls_after_longjmp(void *unused) { /* off a further stack, which nobody has noticed yet */
    if (setjmp(left) == 0) fh_stack_grow(fh_stack_left() + 1, 1 << 20, leaves, NULL);
    falls((void *)1000);
    return unused;
}
static void back_on_the_own_stack(void) {
    pthread_t id;
    install();
    if (pthread_create(&id, NULL, falls_after_longjmp, NULL) == 0) pthread_join(id, NULL);
}

/* ---- faults in the heap, which are told in a mode that checks ---- */

struct node {
    struct node *next;
    char text[56];
};
static struct node *volatile node;
static void uses_what_was_freed(void) {
    node = malloc(sizeof *node);
    memset(node, 0, sizeof *node);
    free(node);
    node->text[5] = 1;
}
static void follows_what_was_freed(void) {
    node = malloc(sizeof *node);
    free(node);
    node->next->text[0] = 1;
}
static void wants_sixteen(void) {
#ifdef __x86_64__
    __asm__ volatile("paddd (%0), %%xmm0" : : "r"(malloc(24 + 1)) : "xmm0", "memory");
#endif
}
static const struct again {
    const char *name, *settings;
    void (*function)(void);
    const char *text;
} again[] = {
    {"freed", "mode=guard", uses_what_was_freed, "freed"},
    {"followed", "mode=checked,guard_first=0", follows_what_was_freed, "freed"},
    {"sixteen", "mode=guard,guard_align=1", wants_sixteen, "guard_align=16"},
    {"sampled", "guard_sample=1", null, NULL},
};
static const struct again *now_again;
static void begin_again(void) {
    setenv("FREEHOLD", now_again->settings, 1);
    execl("/proc/self/exe", "test_faults", now_again->name, (char *)NULL);
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

static void reports(const char *what, void (*function)(void), const char *text) {
    run_child(function);
    expect_signal(what, SIGSEGV);
    expect_text(what, text);
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof again / sizeof *again; i++)
        if (argc > 1 && strcmp(argv[1], again[i].name) == 0) again[i].function();
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
    ends_silently("deferred by its mask", deferred_by_its_mask, 9);
    ends_silently("sent again as it came", sent_again_as_it_came, 10);
    dies_silently("above everything", above_everything, SIGSEGV);
#ifdef __x86_64__
    dies_silently("stack pointer above everything", stack_pointer_above_everything, SIGSEGV);
    dies_silently("no address", no_address, SIGSEGV);
#endif
    dies_silently("runs data", runs_data, SIGSEGV);
    dies_silently("own guard from far above", own_guard_from_far_above, SIGSEGV);
    dies_silently("far below the own end", far_below_the_own_end, SIGSEGV);
    reports("made stack", made_stack_with_guard, "stack overflow in thread");
    dies_silently("made stack without a guard", made_stack_without, SIGSEGV);
    dies_silently("made stack, past its guard", made_stack_past_its_guard, SIGSEGV);
    dies_silently("just below the signal stack", just_below_from_its_middle, SIGSEGV);
    dies_silently("far below the signal stack", far_below_from_its_end, SIGSEGV);
    dies_silently("farther below the signal stack", far_below_at_all, SIGSEGV);
    reports("below the signal stack", just_below_from_its_end, "overflowed the alternate signal stack");
    ends_silently("handled where it was", handled_where_it_was, 20 + SIGSEGV);
    ends_silently("handled without a signal stack", handled_without_one, 30 + SIGSEGV);
    reports("thread not known", thread_not_known, "the main thread)\n  stack ");
    reports("back on the own stack", back_on_the_own_stack, "pthread_attr_setstacksize()");
    expect_no_text("back on the own stack", "a further stack");
    for (size_t i = 0; i < sizeof again / sizeof *again && FREEHOLD_REPLACES_MALLOC && !emulated(); i++) {
        now_again = &again[i];
        if (again[i].text) reports(again[i].name, begin_again, again[i].text);
        else dies_silently(again[i].name, begin_again, SIGSEGV);
    }
    return failures != 0;
}
