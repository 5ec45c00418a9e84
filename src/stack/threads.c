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
 * because our own pthread_create would satisfy all references of the program's.
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
    void *argument;
    struct block *next;
};

enum { MOST_KEPT = 16 };

static struct fh_lock lock;
static struct block *kept;
static unsigned kept_count;
static _Atomic bool prepared;
static void (*_Atomic end_hook)(void);
static fh_os_key exit_key;

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

/* ---------------------------------------------------------------- a thread's life ---------------------- */

static void thread_ends(void *value) {
    struct block *block = value;
    void (*hook)(void) = atomic_load_explicit(&end_hook, memory_order_acquire);
    if (hook != NULL) hook();
    fh_os_set_signal_stack(NULL, 0);
    give_back(block);
}

static void adopt_block(struct block *block) {
    fh_os_set_signal_stack(block->low, stack_part(block));
    fh_os_key_set(exit_key, block);
}

static void *start(void *argument) {
    struct block *block = argument;
    void *(*function)(void *) = block->function;
    void *function_argument = block->argument;
    if (!fh_os_has_signal_stack()) {
        adopt_block(block);
    } else {
        give_back(block); /* a sanitizer, or somebody else between us and the thread, has given it one */
    }
    return function(function_argument);
}

static create_function *next_create(void) {
    static create_function *_Atomic next;
    create_function *found = atomic_load_explicit(&next, memory_order_acquire);
    if (found == NULL) {
        found = __pthread_create;
        if (found == NULL) *(void **)&found = dlsym(RTLD_NEXT, "pthread_create");
        atomic_store_explicit(&next, found, memory_order_release);
    }
    return found;
}

__attribute__((visibility("default"))) int pthread_create(pthread_t *restrict thread,
                                                          const pthread_attr_t *restrict attributes,
                                                          void *(*function)(void *), void *restrict argument) {
    create_function *create = next_create();
    if (create == NULL) return EAGAIN;
    struct block *block = atomic_load_explicit(&prepared, memory_order_acquire) ? new_block() : NULL;
    if (block == NULL) return create(thread, attributes, function, argument);
    block->function = function;
    block->argument = argument;
    int result = create(thread, attributes, start, block);
    if (result != 0) give_back(block);
    return result;
}

/* ---------------------------------------------------------------- for the others ----------------------- */

void fh_threads_prepare(void) {
    static struct fh_lock once;
    fh_lock(&once);
    if (!atomic_load_explicit(&prepared, memory_order_relaxed)) {
        exit_key = fh_os_key_make(thread_ends);
        atomic_store_explicit(&prepared, true, memory_order_release);
    }
    fh_unlock(&once);
}

bool fh_threads_signal_stack(void) {
    if (fh_os_has_signal_stack()) return true;
    struct block *block = new_block();
    if (block == NULL) return false;
    adopt_block(block);
    return true;
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

void fh_threads_at_end(void (*hook)(void)) { atomic_store_explicit(&end_hook, hook, memory_order_release); }
