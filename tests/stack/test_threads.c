/* test_threads.c - how threads begin and end with us in front of pthread_create: what they are given, who is in
 * the list of those that run, and what is told of their stacks.
 *
 * The C library's function is found by its name, and a static program has it under another
 * (src/stack/threads.c). With FOUND_AT_LINKING this test is linked as such a program is; without, it can hide
 * the name.
 */
#include "mappings.h"
#include "child.h"

#include "os/os_stack.h"
#include "stack/peaks.h"
#include "stack/threads.h"

#include <freehold/stack.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

/* ---- the C library's functions ---- */

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static bool hidden;            /* pthread_create, to whoever asks for the next one */
static create_function *first; /* what is found by that name from the beginning on, if not what is there */
static bool nothing_first;
void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name) {
    void *answer = __real_dlsym(handle, name);
    if (strcmp(name, "pthread_create") != 0) return answer;
    if (handle == RTLD_DEFAULT && nothing_first) return NULL;
    if (handle == RTLD_DEFAULT && first != NULL) memcpy(&answer, &first, sizeof answer);
    return handle == RTLD_NEXT && hidden ? NULL : answer;
}

static create_function *libc_create(void) {
    create_function *found;
    *(void **)&found = __real_dlsym(RTLD_NEXT, "pthread_create");
    return found;
}

/* Somebody between us and the thread, as a sanitizer is: his threads come with an alternate stack. */
static char stack_of_others[65536];
static bool others_in_between;
struct others_start {
    void *(*function)(void *);
    void *argument;
};
static void *others_begin(void *argument) {
    struct others_start start = *(struct others_start *)argument;
    stack_t stack = {.ss_sp = stack_of_others, .ss_size = sizeof stack_of_others};
    sigaltstack(&stack, NULL);
    return start.function(start.argument);
}
create_function __wrap___pthread_create;
int __wrap___pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*function)(void *),
                            void *argument) {
    static struct others_start start;
    start = (struct others_start){function, argument};
    return others_in_between ? libc_create()(id, attributes, others_begin, &start)
                             : libc_create()(id, attributes, function, argument);
}

static bool default_refused;
int __real_pthread_getattr_default_np(pthread_attr_t *attributes);
int __wrap_pthread_getattr_default_np(pthread_attr_t *attributes);
int __wrap_pthread_getattr_default_np(pthread_attr_t *attributes) {
    return default_refused ? ENOMEM : __real_pthread_getattr_default_np(attributes);
}

static bool near_refused, main_refused, may_not_ask;
bool __real_fh_os_stack_bounds_near(const void *address, struct fh_os_bounds *bounds);
bool __wrap_fh_os_stack_bounds_near(const void *address, struct fh_os_bounds *bounds);
bool __wrap_fh_os_stack_bounds_near(const void *address, struct fh_os_bounds *bounds) {
    return !near_refused && __real_fh_os_stack_bounds_near(address, bounds);
}
bool __real_fh_os_main_stack(struct fh_os_bounds *bounds);
bool __wrap_fh_os_main_stack(struct fh_os_bounds *bounds);
bool __wrap_fh_os_main_stack(struct fh_os_bounds *bounds) {
    return !main_refused && __real_fh_os_main_stack(bounds);
}
bool __real_fh_os_may_ask(void);
bool __wrap_fh_os_may_ask(void);
bool __wrap_fh_os_may_ask(void) { return !may_not_ask && __real_fh_os_may_ask(); }

/* ---- beginning ---- */

static char *signal_stack(void) {
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE) ? now.ss_sp : NULL;
}
static void *tells_signal_stack(void *unused) {
    (void)unused;
    return signal_stack();
}
static char *signal_stack_of_a_thread(void) {
    pthread_t id;
    void *stack;
    MUST(pthread_create(&id, NULL, tells_signal_stack, NULL) == 0 && pthread_join(id, &stack) == 0);
    return stack;
}

static void threads_have_a_signal_stack(void) {
    MUST(signal_stack_of_a_thread() == NULL); /* nobody has asked for anything */
    MUST(fh_stack_install() == 0);
    MUST(signal_stack() != NULL && signal_stack_of_a_thread() != NULL);
#ifdef FOUND_AT_LINKING
    others_in_between = true;
    MUST(signal_stack_of_a_thread() == stack_of_others);
    others_in_between = false;
    MUST(signal_stack_of_a_thread() != stack_of_others);
#endif
}

/* A thread that the system does not start costs nothing, and says why it was not. */
static void threads_that_do_not_start(void) {
    pthread_t id;
    pthread_attr_t large;
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, (size_t)1 << 50);
    MUST(fh_stack_install() == 0);
    size_t before = 0;
    for (int i = 0; i < 50; i++) {
        MUST(pthread_create(&id, &large, tells_signal_stack, NULL) != 0);
        if (i == 0) before = mappings();
    }
    MUST(mappings() <= before);
    MUST(signal_stack_of_a_thread() != NULL);
}

/* Of threads that end at the same time only some blocks are kept for later ones. */
static pthread_barrier_t together;
static void *ends_together(void *unused) {
    pthread_barrier_wait(&together);
    return unused;
}
static void many_end_at_once(void) {
    enum { MANY = 40 };
    pthread_t id[MANY];
    size_t after[2];
    MUST(fh_stack_install() == 0 && signal_stack_of_a_thread() != NULL);
    for (int round = 0; round < 2; round++) {
        pthread_barrier_init(&together, NULL, MANY);
        for (int i = 0; i < MANY; i++) MUST(pthread_create(&id[i], NULL, ends_together, NULL) == 0);
        for (int i = 0; i < MANY; i++) pthread_join(id[i], NULL);
        after[round] = mappings();
    }
    MUST(after[1] <= after[0] + 4 && after[0] < 150);
}

#ifndef FOUND_AT_LINKING
static int c11_function(void *unused) { return unused != NULL; }
static void without_the_libc(void) { /* that has pthread_create at all */
    pthread_t id;
    int error = 0;
    hidden = true;
    MUST(pthread_create(&id, NULL, tells_signal_stack, NULL) == EAGAIN);
    MUST(!fh_threads_create_c11(&id, c11_function, NULL, &error) && error == 0);
    hidden = false;
    MUST(!fh_threads_create_c11(&id, c11_function, NULL, &error)); /* nobody asked for anything */
    MUST(fh_stack_install() == 0 && signal_stack_of_a_thread() != NULL);
    MUST(fh_threads_create_c11(&id, c11_function, &error, &error) && error == 0);
    void *result;
    MUST(pthread_join(id, &result) == 0 && result == (void *)1);
}

/* Whoever is found first by the name, threads are given what they need. */
static void looked_up(void) {
    first = libc_create();
    MUST(fh_stack_install() == 0 && signal_stack_of_a_thread() != NULL);
    nothing_first = true;
    MUST(fh_stack_install() == 0 && signal_stack_of_a_thread() != NULL);
}
#endif

/* ---- the list ---- */

/* A thread that waits, each at a gate of its own: at one for all, another might take what was meant for it. */
struct one {
    pthread_t id;
    int gate[2], ready[2];
};
static void *waits(void *argument) {
    struct one *one = argument;
    char byte;
    MUST(write(one->ready[1], "r", 1) == 1);
    while (read(one->gate[0], &byte, 1) != 1) {}
    return NULL;
}
static void begin_one(struct one *one) {
    char byte;
    MUST(pipe(one->gate) == 0 && pipe(one->ready) == 0);
    MUST(pthread_create(&one->id, NULL, waits, one) == 0 && read(one->ready[0], &byte, 1) == 1);
}
static void end_one(struct one *one) {
    MUST(write(one->gate[1], "g", 1) == 1);
    pthread_join(one->id, NULL);
}

static unsigned running, within, ended;
static void count_within(const struct fh_thread_place *place, void *context) {
    (void)place, (void)context;
    within++;
}
static void count_running(const struct fh_thread_place *place, void *context) {
    MUST(place->id != 0 && place->first != NULL && context == &running);
    running++;
    fh_threads_running(count_within,
                       NULL); /* as a handler does that has interrupted such a visit: it comes back */
}
static void count_ended(const struct fh_thread_place *place) {
    MUST(place->id != 0);
    __atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
}
static void those_that_run_are_listed(void) {
    fh_threads_watch(count_ended);
    struct one one, two;
    begin_one(&one);
    begin_one(&two);
    fh_threads_running(count_running, &running);
    MUST(running == 2 && within == 0 && ended == 0);
    end_one(&one);
    MUST(ended == 1);
    fh_threads_watch(NULL); /* nobody wants to know any more */
    end_one(&two);
    MUST(ended == 1);
    running = 0;
    fh_threads_running(count_running, &running);
    MUST(running == 0);
}

/* ---- peaks ---- */

static struct fh_thread_peak last;
static unsigned told;
static void note_peak(const struct fh_thread_peak *peak) {
    last = *peak;
    told++;
}
static size_t use;
static void *uses(void *unused) {
    volatile char *room = __builtin_alloca(use + 1);
    for (size_t i = 0; i < use; i += 512) room[i] = 1;
    __asm__ volatile("" : : "r"(room) : "memory");
    return unused;
}
static void run_one(const pthread_attr_t *attributes, size_t bytes) {
    pthread_t id;
    use = bytes;
    told = 0;
    MUST(pthread_create(&id, attributes, uses, NULL) == 0 && pthread_join(id, NULL) == 0);
}

static void peaks_of_small_stacks(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    fh_peaks_begin(note_peak);
    for (size_t size = 48 << 10; size <= 96 << 10; size += 16 << 10) {
        pthread_attr_setstacksize(&small, size);
        run_one(&small, 20000);
        MUST(told == 1 && last.size == size && last.peak > 20000 && last.peak <= size);
    }
    near_refused = true; /* then only what is sure to be the thread's is looked at: all but 64 KiB */
    run_one(&small, 90000);
    MUST(told == 1 && last.peak > 30000 && last.peak <= last.size);
    near_refused = false;
    default_refused = true; /* nobody tells how large it is */
    run_one(NULL, 20000);
    MUST(told == 1 && last.size == 0 && last.peak == 0);
}

/* A stack in a larger piece of the program's own memory, which is in use all around it. */
static void peak_in_memory_of_mine(void) {
    enum { SIZE = 256 << 10 };
    pthread_attr_t mine;
    char *memory = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, 4 * SIZE);
    pthread_attr_init(&mine);
    pthread_attr_setstack(&mine, memory + SIZE, SIZE);
    fh_peaks_begin(note_peak);
    run_one(&mine, 200000);
    MUST(told == 1 && last.size == SIZE && last.peak == SIZE);
}

static void peaks_that_are_not_told(void) {
    fh_peaks_begin(note_peak);
    may_not_ask = true; /* a filter has come since: a question may be the end of the process */
    run_one(NULL, 1000);
    MUST(told == 0);
    may_not_ask = false;
    run_one(NULL, 1000);
    MUST(told == 1);
    struct one one;
    begin_one(&one);
    told = 0;
    fh_peaks_now(note_peak);
    MUST(told == 2);
    told = 0;
    main_refused = true;
    fh_peaks_now(note_peak);
    MUST(told == 1 && last.id != fh_os_process_id());
    end_one(&one);
}

static void ends_well(const char *what, void (*function)(void)) {
    run_child(function);
    expect_status(what, 0);
    expect_silence(what);
}

int main(void) {
    if (SANITIZED) return 77; /* a sanitizer has a pthread_create and signal stacks of its own */
    ends_well("threads have a signal stack", threads_have_a_signal_stack);
    ends_well("threads that do not start", threads_that_do_not_start);
    ends_well("many end at once", many_end_at_once);
#ifndef FOUND_AT_LINKING
    ends_well("without the libc", without_the_libc);
    ends_well("looked up", looked_up);
#endif
    ends_well("those that run are listed", those_that_run_are_listed);
    ends_well("peaks of small stacks", peaks_of_small_stacks);
    ends_well("peak in memory of mine", peak_in_memory_of_mine);
    ends_well("peaks that are not told", peaks_that_are_not_told);
    return failures != 0;
}
