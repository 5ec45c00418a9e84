/* grow.c - further stacks: a recursion that is bounded by memory, not by the stack's limit.
 *
 * The idea is that of Rust's `stacker`: where little is left, map a stack, call the function on it, give it
 * back when the function returns. The recursion goes on there until little is left of that, and so on. One
 * stack that is no longer needed is kept by the thread, because a recursion that comes and goes across the
 * boundary would otherwise map and unmap each time; but of a large one only the upper part keeps its memory.
 *
 * A further stack can also be left by an exception or longjmp, without anyone's telling us. That is seen later:
 * the stack pointer is on a stack further out, so those inside are dead (fh_grow_forget).
 *
 * A thread may end on a further stack: glibc's pthread_exit goes back to the thread's own first, musl's does
 * not. That stack cannot be given back by who runs on it. It is noted with the thread's number, and given back
 * by the next thread that maps one, or ends, when no thread of that number runs any more.
 */
#include "os/os.h"
#include "os/os_own.h"
#include "stack/callstack.h"
#include "stack/tools.h"

#include <errno.h>

enum { LEAST = 32 << 10, KEEP_WARM = 256 << 10, FRAME_OF_OURS = 1024 };

/* ---------------------------------------------------------------- tools -------------------------------- */

static void tell_valgrind(const struct fh_further_stack *stack) {
#ifdef FH_HAVE_VALGRIND
    VALGRIND_STACK_REGISTER(stack->low, stack->low + stack->size);
#else
    (void)stack;
#endif
}

/* The thread is on its outer stack again without having returned: the sanitizer thinks that it is on the inner
 * one, and still holds the frames that were skipped on the outer one for live. */
FH_UNCHECKED static void tell_asan_back(const struct fh_call_thread *thread, char *left_at) {
    struct fh_os_bounds bounds;
    if (__sanitizer_start_switch_fiber == NULL || __asan_unpoison_memory_region == NULL) return;
    if (!fh_call_stack_of(thread, left_at, &bounds)) return;
    void *fake = NULL;
    __sanitizer_start_switch_fiber(&fake, bounds.low, (size_t)(bounds.high - bounds.low));
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
    char *from = left_at - bounds.low > FRAME_OF_OURS ? left_at - FRAME_OF_OURS : bounds.low;
    __asan_unpoison_memory_region(from,
                                  (size_t)(bounds.high - from)); /* by no function that is checked itself */
}

static void passed_through(void) {
    struct fh_call_thread *thread = fh_call_thread_if_known();
    struct fh_further_stack *stack = thread ? thread->stacks : NULL;
    while (stack != NULL && stack->passed) stack = stack->outer;
    if (stack == NULL) return;
    stack->passed = true;
    tell_asan_back(thread, stack->left_at);
}

/* ---------------------------------------------------------------- a stack's life ----------------------- */

static void unmap(struct fh_further_stack *stack) {
    if (stack == NULL) return;
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(stack->low, stack->size);
    fh_os_stack_unmap(stack->low, stack->size);
}

static struct fh_lock ending_lock;
static struct fh_further_stack *ending; /* on which threads end, or have ended */

/* Gives back those whose thread has ended. Who does not get the lock leaves it to another time. */
static void give_back_ended(void) {
    if (__atomic_load_n(&ending, __ATOMIC_RELAXED) == NULL || !fh_trylock(&ending_lock)) return;
    struct fh_further_stack *first = ending, **at = &first, *stack;
    while ((stack = *at) != NULL) {
        if (fh_os_thread_lives(stack->last_thread)) {
            at = &stack->outer;
        } else {
            *at = stack->outer;
            unmap(stack);
        }
    }
    __atomic_store_n(&ending, first, __ATOMIC_RELAXED);
    fh_unlock(&ending_lock);
}

static void end_on(struct fh_further_stack *stack) {
    bool main;
    stack->last_thread = fh_os_thread_id(&main);
    if (!fh_trylock_for_a_while(&ending_lock)) return; /* after a fork, nobody may be there to let go of it */
    stack->outer = ending;
    __atomic_store_n(&ending, stack, __ATOMIC_RELAXED);
    fh_unlock(&ending_lock);
}

static struct fh_further_stack *new_stack(struct fh_call_thread *thread, size_t size, const char *here) {
    struct fh_further_stack *spare = thread->spare;
    if (spare != NULL && spare->size >= size && spare->size / 2 <= size) {
        thread->spare = NULL;
        return spare;
    }
    give_back_ended();
    char *low = fh_os_stack_map(size, here);
    if (low == NULL) return NULL;
    struct fh_further_stack *stack = (struct fh_further_stack *)(void *)(low + size - sizeof *stack);
    stack->low = low;
    stack->size = size;
    tell_valgrind(stack);
    return stack;
}

static void keep_or_unmap(struct fh_call_thread *thread, struct fh_further_stack *stack) {
    unmap(thread->spare);
    thread->spare = stack;
    if (stack->size > KEEP_WARM) fh_os_purge(stack->low, (stack->size - KEEP_WARM) & ~(fh_os_page_size() - 1));
}

static void leave(struct fh_call_thread *thread, struct fh_further_stack *stack) {
    thread->stacks = stack->outer;
    thread->further -= stack->size;
    keep_or_unmap(thread, stack);
}

FH_UNCHECKED void fh_grow_forget(struct fh_call_thread *thread, const char *here) {
    while (thread->stacks != NULL) {
        struct fh_further_stack *stack = thread->stacks;
        if (here >= stack->low && here < stack->low + stack->size) break;
        if (!stack->passed) tell_asan_back(thread, stack->left_at);
        leave(thread, stack);
    }
}

void fh_grow_end(struct fh_call_thread *thread) {
    const char *here = __builtin_frame_address(0);
    give_back_ended();
    while (thread->stacks != NULL) {
        struct fh_further_stack *stack = thread->stacks;
        thread->stacks = stack->outer;
        if (here >= stack->low && here < stack->low + stack->size) end_on(stack);
        else unmap(stack);
    }
    unmap(thread->spare);
    thread->spare = NULL;
}

/* ---------------------------------------------------------------- the call ------------------------------ */

struct call {
    void (*fn)(void *);
    void *arg;
    const void *outer_low; /* as the sanitizer tells it */
    size_t outer_size;
};

static void on_new_stack(void *context) {
    struct call *call = context;
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(NULL, &call->outer_low, &call->outer_size);
    call->fn(call->arg);
    if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(NULL, call->outer_low, call->outer_size);
}

int fh_stack_grow_slow(size_t red_zone, size_t size, void (*fn)(void *), void *arg) {
    char *here = __builtin_frame_address(0);
    struct fh_call_thread *thread = fh_call_thread();
    size_t page = fh_os_page_size(), least = LEAST;
    struct fh_further_stack *stack = NULL;
    if (thread != NULL) fh_grow_forget(thread, here);
    if (!__builtin_add_overflow(red_zone, least, &least) && size <= PTRDIFF_MAX && least <= PTRDIFF_MAX) {
        if (size < least) size = least;
        size = (size + page - 1) & ~(page - 1);
        if (thread != NULL) stack = new_stack(thread, size, here);
    }
    if (stack == NULL) {
        errno = ENOMEM;
        return -1;
    }
    fh_os_when_passed_through(passed_through);
    stack->outer = thread->stacks;
    stack->left_at = here;
    stack->passed = false;
    thread->stacks = stack;
    thread->further += stack->size;
    if (thread->further > thread->further_peak) thread->further_peak = thread->further;

    struct call call = {fn, arg, NULL, 0};
    struct fh_call_stack outer = fh_call_stack;
    void *fake = NULL;
    if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&fake, stack->low, stack->size);
    fh_call_stack = (struct fh_call_stack){stack->low, stack->size};
    fh_os_call_on((void *)((uintptr_t)stack & ~(uintptr_t)15), on_new_stack, &call);
    fh_call_stack = outer;
    if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(fake, NULL, NULL);

    leave(thread, stack);
    return 0;
}
