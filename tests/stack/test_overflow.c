/* test_overflow.c - each kind of stack overflow happens in a child process, whose report is read. */
#include "child.h"

#include <freehold/stack.h>

#include <alloca.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>

#if defined(__clang__)
#define NOINLINE __attribute__((noinline))
#else
#ifdef __clang__ /* makes no clones */
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
#endif

/* The compiler must believe that somebody looks at all of the array, so that it is there as a whole. */
#define SEEN(array) __asm__ volatile("" : : "r"(array) : "memory")

static volatile int one = 1;
static volatile int deepest;
static char one_byte;

NOINLINE static int alone(int n) {
    deepest = n;
    return one ? alone(n + one) + one : n;
}

NOINLINE static int ping(int n);
NOINLINE static int pong(int n) { return one ? ping(n + one) + one : n; }
NOINLINE static int ping(int n) { return one ? pong(n + one) * one : n; }

/* A circle of three, one of which is entered twice as often. */
NOINLINE static int leaf(int n);
NOINLINE static int left(int n) { return one ? leaf(n + one) + one : n; }
NOINLINE static int right(int n) { return one ? leaf(n + one) - one : n; }
NOINLINE static int leaf(int n) {
    return (n * 2654435761u >> 13 & one) ? left(n + one) + one : right(n + one) - one;
}

/* A circle of ten. */
static int (*const circle[10])(int);
#define IN_CIRCLE(i) \
    NOINLINE static int in_circle_##i(int n) { return one ? circle[(i + one) % 10](n + one) + one : n; }
IN_CIRCLE(0)
IN_CIRCLE(1)
IN_CIRCLE(2)
IN_CIRCLE(3)
IN_CIRCLE(4)
IN_CIRCLE(5)
IN_CIRCLE(6)
IN_CIRCLE(7)
IN_CIRCLE(8)
IN_CIRCLE(9)
static int (*const circle[10])(int) = {in_circle_0, in_circle_1, in_circle_2, in_circle_3, in_circle_4,
                                       in_circle_5, in_circle_6, in_circle_7, in_circle_8, in_circle_9};

NOINLINE static int big_alloca(size_t size) {
    char *memory = alloca(size);
    memset(memory, one, size);
    SEEN(memory);
    return memory[one];
}

NOINLINE static int big_array(int n) {
    volatile char array[100000];
    array[0] = (char)n;
    SEEN(array);
    return one ? big_array(n + one) + array[0] : n;
}

/* Saves many registers, so that the fault comes in the middle of that as a rule: its last frame is not whole.
 * */
__attribute__((noinline)) static int saves(int n) {
#ifdef __x86_64__
    __asm__ volatile("" : : : "rbx", "r12", "r13", "r14", "r15");
#endif
    return one ? saves(n + one) + one : n;
}

static void install(void) {
    if (fh_stack_install() != 0) _exit(99);
}

static size_t shift;
static void in_the_prologue(void) {
    install();
    volatile char *room = alloca(16 * shift + 1);
    room[0] = 0;
    saves(1);
}

static void direct(void) {
    install();
    alone(1);
}
static void mutual(void) {
    install();
    ping(1);
}
static void irregular(void) {
    install();
    leaf(1);
}
static void long_circle(void) {
    install();
    in_circle_0(1);
}
#ifdef __x86_64__
static void made_code(void) { /* as a translator at run time makes it: a call to itself, in no file */
    static const unsigned char call_self[] = {0xe8, 0xfb, 0xff, 0xff, 0xff};
    void (*code)(void);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    install();
    memcpy(page, call_self, sizeof call_self);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) _exit(97);
    memcpy(&code, &page, sizeof code);
    code();
}
#endif
static void with_alloca(void) {
    install();
    big_alloca((size_t)20 << 20);
}
static void with_arrays(void) {
    install();
    big_array(1);
}

static void *thread_body(void *argument) {
    ping(1);
    return argument;
}
static void *named_body(void *argument) {
    pthread_setname_np(pthread_self(), "small worker");
    return thread_body(argument);
}
static void in_thread(void) {
    install();
    pthread_t id;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN > 65536 ? (size_t)PTHREAD_STACK_MIN : 65536);
    if (pthread_create(&id, &small, named_body, NULL) != 0) _exit(98);
    pthread_join(id, NULL);
}

static void *waiting_body(void *gate) {
    char byte;
    while (read(*(int *)gate, &byte, 1) < 0) {}
    ping(1);
    return NULL;
}
static void in_thread_before(void) { /* the thread runs already when the report is installed */
    int gate[2];
    pthread_t id;
    if (pipe(gate) != 0 || pthread_create(&id, NULL, waiting_body, &gate[0]) != 0) _exit(98);
    usleep(20000);
    install();
    usleep(20000);
    if (write(gate[1], "x", 1) != 1) _exit(97);
    pthread_join(id, NULL);
}

static void in_many_threads(void) { /* two at once: one report, whole */
    pthread_t id[2];
    install();
    for (int i = 0; i < 2; i++)
        if (pthread_create(&id[i], NULL, thread_body, NULL) != 0) _exit(98);
    for (int i = 0; i < 2; i++) pthread_join(id[i], NULL);
}

static void handler_recursion(int signal) { alone(signal); }
static void in_signal_handler(void) {
    install();
    char *memory = mmap(NULL, 2 * 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory + 65536, 65536, PROT_READ | PROT_WRITE);
    stack_t stack = {.ss_sp = memory + 65536, .ss_size = 65536};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = handler_recursion, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}
static void in_plain_handler(void) { /* on the thread's own stack: that is an overflow of it */
    install();
    signal(SIGUSR1, handler_recursion);
    raise(SIGUSR1);
}

static void grow_then_overflow(void *argument) { alone((int)(size_t)argument + 1); }
static void on_further_stack(void) {
    install();
    fh_stack_grow((size_t)-1 / 4, 0, grow_then_overflow, NULL); /* more than there can be: ENOMEM, not called */
    fh_stack_grow(fh_stack_left() + 1, 1 << 20, grow_then_overflow, NULL);
}

static volatile sig_atomic_t calls;
static void last_words(int signal) {
    calls++;
    if (write(2, "handler before us\n", 18) < 0) _exit(96);
    _exit(40 + signal);
}
static void chained(void) {
    struct sigaction action = {.sa_handler = last_words, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    install();
    alone(1);
}

static void returns_once(int signal) {
    if (++calls == 2) _exit(50 + signal);
}
static void twice(void) { /* who handled it before us returns, and it happens again */
    struct sigaction action = {.sa_handler = returns_once, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    install();
    alone(1);
}

/* Few and large frames: no advice on a recursion of so few calls. */
NOINLINE static int huge_array(int n) {
    volatile char array[150000];
    array[0] = (char)n;
    SEEN(array);
    return one ? huge_array(n + one) + array[0] : n;
}
static void few_calls(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 2 << 20;
    setrlimit(RLIMIT_STACK, &limit);
    install();
    huge_array(1);
}

static void *irregular_body(void *argument) {
    leaf(1);
    return argument;
}
static void in_thread_of(size_t size, void *(*body)(void *)) {
    pthread_t id;
    pthread_attr_t attributes;
    install();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size);
    if (pthread_create(&id, &attributes, body, NULL) != 0) _exit(98);
    pthread_join(id, NULL);
}

/* A stack of the program's own, with more of its memory right above it. */
static void *asks_first(void *argument) {
    if (argument != NULL) (void)fh_stack_left();
    alone(1);
    return argument;
}
static void on_memory_of_mine(void *asks) {
    enum { PAGE = 65536, SIZE = 256 << 10 };
    pthread_t id;
    pthread_attr_t attributes;
    install();
    char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, PAGE, PROT_NONE);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory + PAGE, SIZE);
    if (pthread_create(&id, &attributes, asks_first, asks) != 0) _exit(98);
    pthread_join(id, NULL);
}
static void memory_of_mine(void) { on_memory_of_mine(NULL); }
static void memory_of_mine_known(void) { on_memory_of_mine(&one_byte); }

/* The clock that a report looks at leaps, so that the walk has taken too long when it first looks. */
static bool leaps;
uint64_t __real_fh_os_ticks(void);
uint64_t __wrap_fh_os_ticks(void);
uint64_t __wrap_fh_os_ticks(void) {
    static uint64_t more;
    if (leaps) more += 10000;
    return __real_fh_os_ticks() + more;
}
static void takes_too_long(void) {
    leaps = true;
    in_thread_of(64 << 20, irregular_body);
}

#ifdef __x86_64__
/* A file of machine code that is mapped to run: an ELF header alone, then what `code` says. */
static void *run_from_file(const unsigned char *code, size_t size) {
    int fd = memfd_create("made", 0);
    if (fd < 0 || ftruncate(fd, 65536) != 0 || pwrite(fd, "\177ELF", 4, 0) != 4 ||
        pwrite(fd, code, size, 4096) != (ssize_t)size)
        _exit(97);
    char *at = mmap(NULL, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    return at == MAP_FAILED ? NULL : at + 4096;
}
/* Two thousand functions, each of which calls the next, without names and without unwind information. */
static void *many_functions_body(void *argument) {
    enum { FUNCTIONS = 2000, SIZE = 9 };
    static const unsigned char one_of_them[SIZE] = {0x55, 0x48, 0x89, 0xe5,
                                                    0xe8}; /* push, mov, call to what follows */
    static unsigned char code[FUNCTIONS * SIZE];
    for (size_t i = 0; i < FUNCTIONS; i++) memcpy(code + i * SIZE, one_of_them, SIZE);
    int back = -FUNCTIONS * SIZE;
    memcpy(code + (FUNCTIONS - 1) * SIZE + 5, &back, 4);
    void *at = run_from_file(code, sizeof code);
    void (*function)(void);
    memcpy(&function, &at, sizeof function);
    function();
    return argument;
}
static void many_functions(void) { in_thread_of(1 << 20, many_functions_body); }

/* Made code in no file that touches far below the stack pointer, and returns. */
static void (*touches)(void);
NOINLINE static int calls_made_code(int n) {
    touches();
    return one ? calls_made_code(n + one) + one : n;
}
static void *made_leaf_body(void *argument) {
    static const unsigned char code[] = {0xc6, 0x84, 0x24, 0x00, 0xd0,
                                         0xff, 0xff, 0x01, 0xc3}; /* movb $1, -12288(%rsp) */
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) _exit(97);
    memcpy(&touches, &page, sizeof touches);
    calls_made_code(1);
    return argument;
}
static void made_leaf(void) { in_thread_of(1 << 20, made_leaf_body); }
#endif

static void deep_million(void) { /* a stack of 256 MiB */
    install();
    pthread_t id;
    pthread_attr_t large;
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, (size_t)256 << 20);
    if (pthread_create(&id, &large, thread_body, NULL) != 0) _exit(98);
    pthread_join(id, NULL);
}

static long depth_said(void) {
    const char *at = strstr(outcome.text, "depth");
    long depth = 0;
    for (; at && *at && *at != 'c'; at++)
        if (*at >= '0' && *at <= '9') depth = depth * 10 + (*at - '0');
    return depth;
}

/* Of "alone, 1 234 times, 48 B each time round" the product. */
static long bytes_of_turns_said(void) {
    const char *at = strstr(outcome.text, "  recursion    ");
    long times = 0;
    at = at ? strchr(at, ',') : NULL;
    for (; at && *at && *at != 't'; at++)
        if (*at >= '0' && *at <= '9') times = times * 10 + (*at - '0');
    return at && strncmp(at, "times, ", 7) == 0 ? times * atol(at + 7) : 0;
}

static void check_report(const char *what, const char *recursion) {
    expect_signal(what, SIGSEGV);
    expect_text(what, "freehold: stack overflow in thread \"");
    expect_text(what, "  depth        ");
    expect_text(what, "  backtrace, innermost first\n    #0 ");
    expect_text(what, "  what to do\n");
    if (recursion) expect_text(what, recursion);
}

static void check_text_once(const char *what, const char *text) {
    const char *at = strstr(outcome.text, text);
    if (at == NULL || strstr(at + 1, text) != NULL) show(what, "one report was expected");
}

int main(void) {
    if (SANITIZED) return 77; /* the sanitizer has a report of its own */

    run_child(direct);
    check_report("direct", "  recursion    alone, ");
    expect_text("direct", ", the main thread)");
    expect_text("direct", "main+");
    expect("direct: depth", depth_said() > 50000);

    struct rlimit most;
    getrlimit(RLIMIT_STACK, &most);
    for (shift = 0; shift < 4 && most.rlim_cur != RLIM_INFINITY; shift++) {
        run_child(in_the_prologue);
        check_report("prologue", "  recursion    saves"); /* or saves.isra.0 */
        expect("prologue: the turns fill the stack", bytes_of_turns_said() > (long)most.rlim_cur / 4 * 3);
    }

    run_child(mutual);
    check_report("mutual", "  recursion    p");
    expect("mutual: circle", strstr(outcome.text, "ping -> pong, ") || strstr(outcome.text, "pong -> ping, "));

    run_child(irregular);
    check_report("irregular", "leaf");
    expect_text("irregular", "not in a regular circle");

    run_child(long_circle);
    check_report("long circle", "in_circle_");
    expect_text("long circle", " -> (2 more), ");
#ifdef __x86_64__
    run_child(made_code);
    check_report("made code", NULL);
    expect_text("made code", "(in no file)");
#endif

    run_child(with_alloca);
    check_report("alloca", NULL);
    expect_text("alloca", "A frame of big_alloca takes 20.0 MiB");

    run_child(with_arrays);
    check_report("arrays", "big_array, ");
    expect_text("arrays", " KiB  big_array, called ");

    run_child(in_thread);
    check_report("thread", " times, ");
    expect_text("thread", "\"small worker\"");
    expect_text("thread", "pthread_attr_setstacksize");
    expect_no_text("thread", "main thread");
    expect("thread: depth", depth_said() > 100 && depth_said() < 20000);

    run_child(memory_of_mine);
    check_report("memory of mine", "  stack        256.0 KiB, ");
    run_child(memory_of_mine_known);
    check_report("memory of mine, known", "  stack        256.0 KiB, ");

    if (!emulated()) { /* qemu's own threads are among the process's, so running threads are not signalled there */
        run_child(in_thread_before);
        check_report("thread before", " times, ");
    }

    run_child(in_many_threads);
    check_report("many threads", " times, ");
    check_text_once("many threads", "stack overflow");

    run_child(in_signal_handler);
    expect_signal("alternate stack", SIGSEGV);
    expect_no_text("alternate stack", "stack overflow in thread");

    run_child(in_plain_handler);
    check_report("plain handler", "alone, ");
#ifdef __GLIBC__ /* musl has no unwind information for raise() */
    expect_text("plain handler", "main+");
#endif

    run_child(on_further_stack);
    check_report("further stack", "alone, ");
    expect_text("further stack", "a further stack of fh_stack_grow");
    expect_text("further stack", "main+");

    run_child(chained);
    expect_status("chained", 40 + SIGSEGV);
    expect_text("chained", "what to do\n");
    expect_text("chained", "handler before us\n");

    run_child(twice);
    expect_status("twice", 50 + SIGSEGV);
    check_text_once("twice", "stack overflow");

    run_child(few_calls);
    check_report("few calls", "huge_array, ");
    if (!emulated()) expect_no_text("few calls", "Does the recursion end?"); /* qemu keeps to its own limit */

    run_child(takes_too_long);
    check_report("takes too long", "not in a regular circle");
    expect_text("takes too long", "  depth        more than ");
#ifdef __x86_64__
    run_child(many_functions);
    check_report("many functions", "not in a regular circle");
    expect_text("many functions", "x  memfd:made (deleted)+0x");
    run_child(made_leaf);
    check_report("made leaf", "calls_made_code, ");
    expect_text("made leaf", "8 B  0x");
#endif

    run_child(deep_million);
    check_report("a million", " times, ");
    expect("a million: depth", depth_said() > 1000000);
    return failures != 0;
}
