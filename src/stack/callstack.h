/* callstack.h - the call stacks of a thread, from the inside.
 *
 *     own stack            further stacks, made by fh_stack_grow
 *     [ main ... f, g ] -> [ h, i, j ] -> [ k ... ]
 *       own                  stacks->outer   stacks
 *
 * The thread's record stands in a page of its own, is made when the thread first asks for something, and is
 * found through a thread-local pointer that a signal handler can read as well.
 */
#ifndef FH_STACK_CALLSTACK_H
#define FH_STACK_CALLSTACK_H

#include "os/os_stack.h"

#include <freehold/callstack.h>
#include <stdbool.h>

/* For functions that may run on a stack that the sanitizer has outdated ideas of. */
#define FH_UNCHECKED __attribute__((no_sanitize("address", "thread")))

/* A further stack. This stands at its high end, above the first frame. */
struct fh_further_stack {
    char *low;
    size_t size;                    /* low + size is the end of the mapping's usable part */
    struct fh_further_stack *outer; /* the one that was in use before, NULL: own          */
    char *left_at;                  /* stack pointer on the outer stack                    */
    bool passed;                    /* an exception has passed through: not in use any more */
    unsigned last_thread;           /* that ends on it, when that is so                     */
};

struct fh_call_thread {
    struct fh_os_bounds own;
    struct fh_further_stack *stacks; /* innermost in use                        */
    struct fh_further_stack *spare;  /* kept for the next time                  */
    size_t further, further_peak;    /* bytes of further stacks in use          */
};

/* NULL: no memory, or the bounds are not to be found out. May allocate the first time. */
struct fh_call_thread *fh_call_thread(void);
/* The same, but never makes it. In a handler. */
struct fh_call_thread *fh_call_thread_if_known(void);

/* The bounds of the stack, own or further, that the address is on. False: on none of them. In a handler. */
bool fh_call_stack_of(const struct fh_call_thread *thread, const char *address, struct fh_os_bounds *bounds);

/* Gives up further stacks that were left by longjmp or an exception, seen from the stack pointer `here`. */
void fh_grow_forget(struct fh_call_thread *thread, const char *here);
void fh_grow_end(struct fh_call_thread *thread);

#endif
