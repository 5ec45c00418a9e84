/* callstack.c - how large the stack is, how much of it is left, how deep it has been.
 *
 * The inlined test in fh_stack_left holds while the thread runs on the stack whose bounds stand in
 * fh_call_stack. All else comes here: the first question of a thread, a stack pointer that has left a further
 * stack by longjmp or an exception, a signal handler on its alternate stack, a coroutine.
 *
 * The peak is found without painting: the kernel knows which pages of the stack were touched (mincore), and
 * within the lowest of them the first word that is not zero is the place. Main stack pages below the lowest
 * touched one are not even mapped.
 */
#include "stack/callstack.h"

#include "os/os.h"
#include "stack/threads.h"
#include "stack/tools.h"

#include <errno.h>

__thread struct fh_call_stack fh_call_stack __attribute__((tls_model("initial-exec")));
static __thread struct fh_call_thread *this_thread __attribute__((tls_model("initial-exec")));

static fh_os_key exit_key;

static size_t record_size(void) { return fh_os_page_size(); }

static void thread_ends(void *value) {
    struct fh_call_thread *thread = value;
    fh_grow_end(thread);
    this_thread = NULL;
    fh_call_stack = (struct fh_call_stack){NULL, 0};
    fh_os_unmap(thread, record_size());
}

static void prepare_process(void) {
    static struct fh_lock lock;
    static bool prepared;
    fh_lock(&lock);
    if (!prepared) exit_key = fh_os_key_make(thread_ends);
    prepared = true;
    fh_unlock(&lock);
}

struct fh_call_thread *fh_call_thread_if_known(void) {
    return this_thread;
}

FH_UNCHECKED struct fh_call_thread *fh_call_thread(void) {
    if (this_thread != NULL) return this_thread;
    struct fh_os_bounds own;
    int saved = errno;
    bool found = fh_os_stack_bounds(&own);
    errno = saved;
    if (!found) return NULL;
    prepare_process();
    struct fh_call_thread *thread = fh_os_map(record_size());
    if (thread == NULL) return NULL;
    thread->own = own;
    this_thread = thread;
    fh_os_key_set(exit_key, thread);
    fh_threads_seen();
    return thread;
}

FH_UNCHECKED bool fh_call_stack_of(const struct fh_call_thread *thread, const char *address,
                                   struct fh_os_bounds *bounds) {
    for (const struct fh_further_stack *stack = thread->stacks; stack != NULL; stack = stack->outer) {
        if (address < stack->low || address >= stack->low + stack->size) continue;
        *bounds = (struct fh_os_bounds){stack->low, stack->low + stack->size, false, stack->low};
        return true;
    }
    *bounds = thread->own;
    return address >= thread->own.low && address < thread->own.high;
}

FH_UNCHECKED size_t fh_stack_left_slow(char *here) {
    struct fh_call_thread *thread = fh_call_thread();
    struct fh_os_bounds bounds;
    size_t left;
    if (thread == NULL) return 0;
    if (!fh_call_stack_of(thread, here, &bounds)) return fh_os_on_signal_stack(here, &left) ? left : 0;
    fh_grow_forget(thread, here);
    fh_call_stack = (struct fh_call_stack){bounds.low, (size_t)(bounds.high - bounds.low)};
    return (size_t)(here - bounds.low);
}

size_t fh_stack_size(void) {
    fh_stack_left();
    return fh_call_stack.size;
}

/* Reads below the stack pointer, on purpose: the checkers must look away. */
FH_UNCHECKED static const char *first_word_written(const char *from, const char *to) {
#ifdef FH_HAVE_VALGRIND
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
    while (from < to && *(const volatile uintptr_t *)(const void *)from == 0) from += sizeof(uintptr_t);
#ifdef FH_HAVE_VALGRIND
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
    return from;
}

size_t fh_stack_peak(void) {
    struct fh_call_thread *thread = fh_call_thread();
    if (thread == NULL) return 0;
    char *here = __builtin_frame_address(0);
    struct fh_os_bounds bounds;
    if (fh_call_stack_of(thread, here, &bounds)) fh_grow_forget(thread, here);
    const struct fh_further_stack *outermost = thread->stacks;
    while (outermost != NULL && outermost->outer != NULL) outermost = outermost->outer;
    if (outermost != NULL) here = outermost->left_at;
    if (here < thread->own.low || here >= thread->own.high) return 0; /* a coroutine */
    const char *lowest = first_word_written(fh_os_lowest_touched(thread->own.low, here), here);
    return (size_t)(thread->own.high - lowest) + thread->further_peak;
}
