/* threads.c - threads that the program starts.
 *
 * A handler of stack overflows needs another stack to run on, and each thread has to set its own. So
 * pthread_create is ours: a thread's start goes through `start`, which sets the alternate stack and then calls
 * the program's function. Nothing is done as long as no report was asked for: then our pthread_create only
 * calls the C library's.
 *
 *     block:  | guard | alternate stack ........................ | struct block |
 *
 * The blocks of ended threads are kept for the next ones, up to a number.
 *
 * The C library's own function is found by dlsym(RTLD_NEXT). In a static program it is __pthread_create, which
 * both glibc and musl have; the reference to thrd_create makes the linker take that part of the C library,
 * because our own pthread_create would satisfy all references of the program's. (The C library's thrd_create
 * does not call pthread_create by its name, so the shared library stands in for it, too: thrd.c.)
 *
 * When the library itself is loaded late (dlopen), the program's pthread_create is bound to the C library's
 * already. Then the bindings are changed when the report is asked for (os_rebind.c), of all modules that are
 * there or will be. A thread that comes to no alternate stack in any of these ways gets one when it first asks
 * for something of either stack.
 */
#include "stack/threads.h"

#include "os/os.h"
#include "os/os_stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <threads.h>

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
extern create_function __pthread_create __attribute__((weak));
extern int (*const fh_threads_pull)(thrd_t *, thrd_start_t, void *);
__attribute__((visibility("hidden"))) int (*const fh_threads_pull)(thrd_t *, thrd_start_t,
                                                                   void *) = thrd_create;

struct block {
    void *low;
    size_t size;
    void *(*function)(void *);
    thrd_start_t c11_function; /* instead, for a thread of C11's */
    void *argument;
    struct block *next;          /* among those kept for later */
    struct block *newer, *older; /* among those of running threads */
    struct fh_thread_place place;
    bool stack_in_use, listed;
};

enum { MOST_KEPT = 16 };

static struct fh_lock lock; /* of the kept */
static struct block *kept;
static unsigned kept_count;
static struct fh_lock list_lock; /* of the running */
static struct block *newest;
static _Atomic bool stacks_wanted;
static void (*_Atomic end_hook)(const struct fh_thread_place *);
static fh_os_key exit_key;
static __thread struct block *mine __attribute__((tls_model("initial-exec")));

/* ---------------------------------------------------------------- blocks ------------------------------- */

static struct block *new_block(void) {
    fh_lock(&lock);
    struct block *block = kept;
    if (block != NULL) {
        kept = block->next;
        kept_count--;
    }
    fh_unlock(&lock);
    if (block != NULL) return block;
    size_t size = fh_os_signal_stack_size();
    char *low = fh_os_stack_map(size, NULL);
    if (low == NULL) return NULL;
    block = (struct block *)(void *)(low + size - ((sizeof *block + 63) & ~(size_t)63));
    *block = (struct block){.low = low, .size = size};
    return block;
}

static void give_back(struct block *block) {
    fh_lock(&lock);
    bool keep = kept_count < MOST_KEPT;
    if (keep) {
        block->next = kept;
        kept = block;
        kept_count++;
    }
    fh_unlock(&lock);
    if (!keep) fh_os_stack_unmap(block->low, block->size);
}

static size_t stack_part(const struct block *block) {
    return (size_t)((const char *)block - (const char *)block->low);
}

/* ---------------------------------------------------------------- the list ----------------------------- */

static void enlist(struct block *block) {
    bool main;
    block->place.id = fh_os_thread_id(&main);
    block->listed = true;
    fh_lock(&list_lock);
    block->older = newest;
    block->newer = NULL;
    if (newest) newest->newer = block;
    newest = block;
    fh_unlock(&list_lock);
}

static void delist(struct block *block) {
    fh_lock(&list_lock);
    if (block->older) block->older->newer = block->newer;
    if (block->newer) block->newer->older = block->older;
    else newest = block->older;
    block->listed = false;
    fh_unlock(&list_lock);
}

void fh_threads_running(void (*visit)(const struct fh_thread_place *, void *), void *context) {
    if (!fh_trylock_for_a_while(&list_lock)) return;
    for (const struct block *block = newest; block != NULL; block = block->older) visit(&block->place, context);
    fh_unlock(&list_lock);
}

/* ---------------------------------------------------------------- a thread's life ---------------------- */

static void thread_ends(void *value) {
    struct block *block = value;
    void (*hook)(const struct fh_thread_place *) = atomic_load_explicit(&end_hook, memory_order_acquire);
    if (block->listed) {
        if (hook != NULL) hook(&block->place);
        delist(block);
    }
    if (block->stack_in_use) fh_os_set_signal_stack(NULL, 0);
    block->stack_in_use = false;
    mine = NULL;
    give_back(block);
}

size_t fh_threads_stack_asked(const char *low) {
    if (mine == NULL || mine->place.first < low) return 0;
    return (size_t)(mine->place.first - low) < mine->place.size ? mine->place.size : 0;
}

/* A thread may have an alternate stack already, from a sanitizer or somebody else between us and the thread. */
static void take_stack(struct block *block) {
    block->stack_in_use = fh_os_set_signal_stack(block->low, stack_part(block));
}

static void *start(void *argument) {
    struct block *block = mine = argument;
    void *(*function)(void *) = block->function, *function_argument = block->argument;
    thrd_start_t c11_function = block->c11_function;
    block->place.first = __builtin_frame_address(0);
    if (atomic_load_explicit(&stacks_wanted, memory_order_relaxed) && !fh_os_has_signal_stack())
        take_stack(block);
    if (atomic_load_explicit(&end_hook, memory_order_relaxed) != NULL) enlist(block);
    fh_os_key_set(exit_key, block);
    if (c11_function != NULL) return (void *)(intptr_t)c11_function(function_argument);
    return function(function_argument);
}

static size_t size_wanted(const pthread_attr_t *attributes) {
    pthread_attr_t by_default;
    size_t size = 0;
    if (attributes != NULL) {
        pthread_attr_getstacksize(attributes, &size);
    } else if (pthread_getattr_default_np(&by_default) == 0) {
        pthread_attr_getstacksize(&by_default, &size);
        pthread_attr_destroy(&by_default);
    }
    return size;
}

static create_function *next_create(void) {
    static char name[] = "pthread_create"; /* not a constant: see fh_os_gives_huge_unasked */
    static create_function *_Atomic next;
    create_function *found = atomic_load_explicit(&next, memory_order_acquire);
    if (found == NULL) {
        found = __pthread_create;
        if (found == NULL) *(void **)&found = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(&next, found, memory_order_release);
    }
    return found;
}

/* A block for a thread that is about to be started, if it is to be seen. */
static struct block *block_for(const pthread_attr_t *attributes, void *argument) {
    bool wanted = atomic_load_explicit(&stacks_wanted, memory_order_acquire) ||
                  atomic_load_explicit(&end_hook, memory_order_acquire) != NULL;
    struct block *block = wanted ? new_block() : NULL;
    if (block == NULL) return NULL;
    block->function = NULL;
    block->c11_function = NULL;
    block->argument = argument;
    block->place.size = size_wanted(attributes);
    return block;
}

static int create_seen(pthread_t *thread, const pthread_attr_t *attributes, struct block *block) {
    int error = next_create()(thread, attributes, start, block);
    if (error != 0) give_back(block);
    return error;
}

static int our_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
                      void *argument) {
    create_function *create = next_create();
    if (create == NULL) return EAGAIN;
    struct block *block = block_for(attributes, argument);
    if (block == NULL) return create(thread, attributes, function, argument);
    block->function = function;
    return create_seen(thread, attributes, block);
}

bool fh_threads_create_c11(pthread_t *thread, thrd_start_t function, void *argument, int *error) {
    struct block *block = next_create() != NULL ? block_for(NULL, argument) : NULL;
    if (block == NULL) return false;
    block->c11_function = function;
    *error = create_seen(thread, NULL, block);
    return true;
}

__attribute__((visibility("default"))) int pthread_create(pthread_t *restrict thread,
                                                          const pthread_attr_t *restrict attributes,
                                                          void *(*function)(void *), void *restrict argument) {
    return our_create(thread, attributes, function, argument);
}

/* ---------------------------------------------------------------- for the others ----------------------- */

static void make_key(void) {
    static struct fh_lock once;
    static bool made;
    fh_lock(&once);
    if (!made) exit_key = fh_os_key_make(thread_ends);
    made = true;
    fh_unlock(&once);
}

/* When the program's calls are bound to the C library's functions we came late. Where somebody else stands in
 * front of those, a sanitizer say, who calls us as a rule, nothing is taken over. */
static void take_over(void) {
    if (__pthread_create != NULL) return; /* a static program */
    create_function *seen, *next = next_create();
    *(void **)&seen = dlsym(RTLD_DEFAULT, "pthread_create");
    if (seen == NULL || seen != next) return;
    fh_os_rebind("pthread_create", (uintptr_t)next, (uintptr_t)our_create);
    if (fh_threads_next_c11 != NULL && fh_threads_next_c11() != NULL)
        fh_os_rebind("thrd_create", (uintptr_t)fh_threads_next_c11(), (uintptr_t)fh_threads_our_c11);
}

void fh_threads_prepare(void) {
    make_key();
    atomic_store_explicit(&stacks_wanted, true, memory_order_release);
    take_over();
}

void fh_threads_watch(void (*ended)(const struct fh_thread_place *)) {
    make_key();
    atomic_store_explicit(&end_hook, ended, memory_order_release);
}

void fh_threads_after_fork(void) {
    list_lock = lock = (struct fh_lock){0};
    newest = NULL;
}

bool fh_threads_signal_stack(void) {
    if (fh_os_has_signal_stack()) return true;
    if (mine == NULL) mine = new_block();
    if (mine == NULL) return false;
    take_stack(mine);
    fh_os_key_set(exit_key, mine);
    return mine->stack_in_use;
}

void fh_threads_seen(void) {
    if (atomic_load_explicit(&stacks_wanted, memory_order_acquire)) fh_threads_signal_stack();
}

/* The thread is interrupted at some point, so no lock may be taken: its block is a new one, and it is not given
 * back at the thread's end. There are at most as many as threads were running when the report was asked for. */
void fh_threads_signal_stack_in(void *context) {
    char *low;
    size_t size;
    fh_os_signal_stack_of(context, &low, &size);
    if (size != 0) return;
    size = fh_os_signal_stack_size();
    low = fh_os_stack_map(size, NULL);
    if (low != NULL) fh_os_give_signal_stack(context, low, size);
}
