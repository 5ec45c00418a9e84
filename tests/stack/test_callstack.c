/* test_callstack.c - left, size, peak and grow say and do what is true. */
#include "mappings.h"
#include "child.h"

#include "os/os_stack.h"
#include "stack/callstack.h"

#include <freehold/stack.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>
#ifdef __GLIBC__
#include <ucontext.h>
#endif

#if defined(__clang__)
#define NOINLINE __attribute__((noinline))
#else
#ifdef __clang__ /* makes no clones */
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
#endif

static volatile char sink;

/* The compiler must believe that somebody looks at all of the array, so that it is there as a whole. */
#define SEEN(array) __asm__ volatile("" : : "r"(array) : "memory")

NOINLINE static size_t use(size_t bytes, size_t *left) {
    volatile char array[1024];
    array[0] = array[1023] = 1;
    SEEN(array);
    if (bytes <= sizeof array) {
        *left = fh_stack_left();
        return 1;
    }
    size_t n = use(bytes - sizeof array, left);
    sink = array[0];
    return n + 1;
}

static void falls_with_depth(void) {
    size_t before = fh_stack_left(), inside = 0, size = fh_stack_size();
    use(300000, &inside);
    expect("left is within size", before < size && before > 0);
    expect("left falls by what is used", before - inside >= 300000 && before - inside < 700000);
    expect("left comes back", fh_stack_left() == before);
    if (SANITIZED) return;
    size_t peak = fh_stack_peak();
    expect("peak knows the deepest moment", peak >= 300000 && peak < 1000000);
    expect("peak stays", fh_stack_peak() >= 300000);
}

struct small {
    size_t size, left, peak_before, peak_after;
};
static void *in_thread(void *context) {
    struct small *small = context;
    size_t inside;
    small->size = fh_stack_size();
    small->left = fh_stack_left();
    small->peak_before = fh_stack_peak();
    use(60000, &inside);
    small->peak_after = fh_stack_peak();
    return NULL;
}
static void in_small_thread(void) {
    pthread_t id;
    pthread_attr_t attributes;
    struct small small = {0};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    expect("thread", pthread_create(&id, &attributes, in_thread, &small) == 0);
    pthread_join(id, NULL);
    expect("size of a thread's stack", SANITIZED || (small.size >= (200 << 10) && small.size <= (300 << 10)));
    expect("left of a thread's stack", small.left < small.size && small.left > (100 << 10));
    if (SANITIZED) return;
    expect("peak of a thread",
           small.peak_before < 50000 && small.peak_after >= 60000 && small.peak_after < small.size);
}

/* ---- grow ---- */

struct dig {
    size_t depth, most, red_zone, size;
    unsigned further; /* times that the stack changed */
    char *low, *high; /* of the stack at the last step */
};

NOINLINE static void dig(void *context) {
    struct dig *dig_ = context;
    volatile char array[64];
    char *here = __builtin_frame_address(0);
    array[0] = array[63] = (char)dig_->depth; /* both ends, lest a compiler make it shorter */
    if (here < dig_->low || here > dig_->high) {
        dig_->further++;
        dig_->low = here - fh_stack_left();
        dig_->high = dig_->low + fh_stack_size();
    }
    if (++dig_->depth < dig_->most) fh_stack_grow(dig_->red_zone, dig_->size, dig, dig_);
    if (array[0] != (char)(dig_->depth - 1)) sink = 1;
}

static void grows_by_memory(void) {
    struct dig state = {0, SANITIZED ? 30000 : 1000000, 16 << 10, 1 << 20, 0, NULL, NULL};
    size_t before = fh_stack_left();
    dig(&state);
    expect("grow: all levels", state.depth == state.most);
    expect("grow: on further stacks", SANITIZED || state.further > 50);
    expect("grow: back on the own stack", fh_stack_left() == before);
    expect("grow: counted in the peak", fh_stack_peak() > state.most * 64);
}

static void note(void *context) { *(char **)context = __builtin_frame_address(0); }

static void stays_when_there_is_room(void) {
    char *there = NULL, *here = __builtin_frame_address(0);
    expect("grow: status", fh_stack_grow(1000, 1 << 20, note, &there) == 0);
    expect("grow: same stack", here - there < 4096 && there <= here);
    expect("grow: status", fh_stack_grow(fh_stack_left() + 1, 1 << 20, note, &there) == 0);
    expect("grow: other stack", there > here || here - there > 4096);
}

static void refuses_the_impossible(void) {
    char *there = NULL;
    errno = 0;
    expect("grow: no memory",
           fh_stack_grow((size_t)1 << 62, 0, note, &there) == -1 && errno == ENOMEM && there == NULL);
    errno = 0;
    expect("grow: overflow",
           fh_stack_grow(SIZE_MAX, SIZE_MAX, note, &there) == -1 && errno == ENOMEM && there == NULL);
    errno = 0;
    expect("grow: no such red zone", fh_stack_grow(PTRDIFF_MAX, 0, note, &there) == -1 && errno == ENOMEM);
    errno = 0;
    expect("grow: no such size",
           fh_stack_grow(fh_stack_left() + 1, SIZE_MAX, note, &there) == -1 && errno == ENOMEM);
    expect("grow: not called", there == NULL);
}

static jmp_buf back;
static void leave(void *context) {
    size_t *depth = context;
    volatile char array[200];
    array[0] = 1;
    if (++*depth == 5000) longjmp(back, 1);
    fh_stack_grow(16 << 10, 256 << 10, leave, context);
    sink = array[0];
}
static void try_once(size_t *depth) {
    if (setjmp(back) == 0) fh_stack_grow_slow(1 << 16, 256 << 10, leave, depth);
}
static void left_by_longjmp(void) {
    size_t before = fh_stack_left();
    for (int i = 0; i < 20; i++) {
        size_t depth = 0;
        try_once(&depth);
        expect("longjmp: all levels", depth == 5000);
        expect("longjmp: left is right again", fh_stack_left() == before);
    }
}

static void nested_frames(void *context) {
    size_t *depth = context;
    FH_FRAME {
        char *text = fh_push_format("%zu", *depth);
        if (++*depth < 20000) fh_stack_grow(16 << 10, 256 << 10, nested_frames, context);
        if (text == NULL || strtoul(text, NULL, 10) >= 20000) _exit(90);
    }
}
static void frames_across_stacks(void) {
    size_t depth = 0;
    struct fh_region_info stats;
    nested_frames(&depth);
    fh_region_stats(NULL, &stats);
    expect("frames across stacks are closed", stats.used == 0 && depth == 20000);
}

static size_t left_in_handler;
static void handler(int signal) {
    (void)signal;
    left_in_handler = fh_stack_left();
}
static void on_signal_stack(void) {
    static char memory[64 << 10];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, old;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    size_t before = fh_stack_left();
    sigaltstack(&stack, &old);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sigaltstack(&old, NULL);
    expect("left on a signal stack", left_in_handler > 0 && left_in_handler < sizeof memory);
    expect("left after it", fh_stack_left() == before);
}

/* On a stack that is none of ours nothing is known of what is left: grow takes a further one each time. */
#ifdef __GLIBC__
static ucontext_t outside, inside;
static size_t left_there, peak_there;
static char *grown_to;
static char coroutine_stack[256 << 10];
static void coroutine(void) {
    left_there = fh_stack_left();
    peak_there = fh_stack_peak();
    fh_stack_grow(1, 64 << 10, note, &grown_to);
}
NOINLINE static void run_coroutine(void) {
    getcontext(&inside);
    inside.uc_stack.ss_sp = coroutine_stack;
    inside.uc_stack.ss_size = sizeof coroutine_stack;
    inside.uc_link = &outside;
    makecontext(&inside, coroutine, 0);
    swapcontext(&outside, &inside);
}
static void on_a_coroutine(void) {
    size_t before = fh_stack_left();
    run_coroutine();
    expect("left on a coroutine", left_there == 0 && peak_there == 0);
    expect("grow on a coroutine", grown_to != NULL && (grown_to < coroutine_stack ||
                                                       grown_to >= coroutine_stack + sizeof coroutine_stack));
    expect("left after it", fh_stack_left() == before);
}
#else
static void on_a_coroutine(void) {}
#endif

/* ---- stacks anywhere ---- */

/* On two further stacks one behind the other, the peak is of all three. */
static size_t peak_here, peak_before;
static void asks_for_peak(void *deeper) {
    if (deeper != NULL) fh_stack_grow_slow(0, 192 << 10, asks_for_peak, NULL);
    else peak_here = fh_stack_peak();
}
static void *peak_on_further_stacks(void *unused) {
    peak_before = fh_stack_peak();
    fh_stack_grow_slow(0, 128 << 10, asks_for_peak, &peak_here);
    size_t both = (192 + 128) << 10;
    expect("peak seen from a further stack",
           peak_here >= peak_before + both && peak_here < peak_before + both + 65536);
    expect("and afterwards", fh_stack_peak() >= peak_here);
    return unused;
}

/* A coroutine's stack above or below all that is known is as unknown as one in between. */
static size_t left_on_it = 1, peak_on_it = 1;
static void on_unknown_stack(void *unused) {
    (void)unused;
    left_on_it = fh_stack_left();
    peak_on_it = fh_stack_peak();
}
static char *above, *below; /* the high ends of two pieces of memory */
static void calls_below(void *unused) {
    (void)unused;
    left_on_it = 1;
    fh_os_call_on(below, on_unknown_stack, NULL);
    expect("below a further stack", left_on_it == 0);
}
static void *between(void *unused) {
    fh_os_call_on(above, on_unknown_stack, NULL);
    expect("above the own stack", left_on_it == 0 && peak_on_it == 0);
    fh_stack_grow_slow(0, 128 << 10, calls_below, NULL);
    return unused;
}

/* Where there is no place below the stack in use, a further one is above it, and left by longjmp all the same.
 * */
static char *further_at;
static void leaves_at_once(void *unused) {
    (void)unused;
    further_at = __builtin_frame_address(0);
    longjmp(back, 1);
}
NOINLINE static void grow_and_come_back(void) {
    if (setjmp(back) == 0) fh_stack_grow_slow(0, 128 << 10, leaves_at_once, NULL);
}
static void *grows_upwards(void *unused) {
    size_t before = fh_stack_left();
    grow_and_come_back();
    expect("above", further_at > (char *)__builtin_frame_address(0));
    expect("left is right again", fh_stack_left() == before);
    return unused;
}

static void run_on(void *stack, size_t size, void *(*function)(void *)) {
    pthread_t id;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (stack != NULL) pthread_attr_setstack(&attributes, stack, size);
    expect("thread", pthread_create(&id, &attributes, function, NULL) == 0 && pthread_join(id, NULL) == 0);
}

static void stacks_anywhere(void) {
    enum { PART = 1 << 20 };
    run_on(NULL, 0, peak_on_further_stacks);
    /* a low address, as a wish: there is room as a rule. Nothing can come between these three parts. */
    char *low = mmap((void *)0x10000000, 3 * PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    below = low + PART;
    above = low + 3 * PART;
    run_on(low + PART, PART, between);
    run_on(low + PART, PART, grows_upwards);
}

/* A thread may end where it is: its further stacks go with it. */
static void ends_here(void *unused) {
    (void)unused;
    pthread_exit(NULL);
}
static void *ends_on_a_further_stack(void *unused) {
    fh_stack_grow_slow(0, 128 << 10, ends_here, NULL);
    return unused;
}
/* glibc leaves the further stack first. With musl the thread's destructors are called on it: so they are here.
 * */
static void ends_here_beneath_its_destructors(void *unused) {
    (void)unused;
    fh_grow_end(fh_call_thread());
    pthread_exit(NULL);
}
static void *ends_beneath_its_destructors(void *unused) {
    fh_stack_grow_slow(0, 128 << 10, ends_here_beneath_its_destructors, NULL);
    return unused;
}
static size_t mappings(void);
static void threads_end(void *(*so)(void *)) {
    size_t before = 0;
    for (int i = 0; i < 40; i++) {
        run_on(NULL, 0, so);
        if (i == 10) before = mappings();
    }
    expect("they leave no mappings", mappings() <= before + 4);
}
static void threads_end_on_further_stacks(void) {
    threads_end(ends_on_a_further_stack);
    threads_end(ends_beneath_its_destructors);
}

static void *many(void *unused) {
    size_t depth = 0;
    struct dig state = {0, 5000, 16 << 10, 64 << 10, 0, NULL, NULL};
    (void)depth, (void)unused;
    dig(&state);
    return NULL;
}
static void threads_leave_nothing(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    size_t before = 0;
    for (int i = 0; i < 60; i++) {
        pthread_t id;
        if (pthread_create(&id, &attributes, many, NULL) != 0) return;
        pthread_join(id, NULL);
        if (i == 20) before = mappings();
    }
    expect("ended threads leave no mappings", mappings() <= before + 8);
}

int main(void) {
    falls_with_depth();
    in_small_thread();
    grows_by_memory();
    stays_when_there_is_room();
    refuses_the_impossible();
    left_by_longjmp();
    frames_across_stacks();
    on_signal_stack();
    if (!SANITIZED) on_a_coroutine();
    if (!SANITIZED) stacks_anywhere();
    if (!SANITIZED) threads_end_on_further_stacks();
    threads_leave_nothing();
    return failures != 0;
}
