/* freehold/callstack.h - the call stack: how much is left, how deep it has been, who overflowed it, and a way
 * to go on.
 *
 *     #include <freehold/callstack.h>
 *     #include <stdio.h>
 *
 *     static void dig(void *depth) {
 *         size_t *n = (size_t *)depth;
 *         if (++*n == 10000000) return;
 *         fh_stack_grow(16384, 16 << 20, dig, n);      // on a further 16 MiB whenever less than 16 KiB are left
 *     }
 *
 *     int main(void) {
 *         size_t depth = 0;
 *         fh_stack_install();                          // an overflow is reported in words from here on
 *         dig(&depth);
 *         printf("%zu calls deep; %zu KiB of this stack were used\n", depth, fh_stack_peak() / 1024);
 *         return 0;
 *     }
 *
 * All of this works in any thread, whoever made it.
 */
#ifndef FREEHOLD_CALLSTACK_H
#define FREEHOLD_CALLSTACK_H

#include <freehold/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on a stack overflow in any thread prints a report on stderr: which thread, how large its stack is
 * and how deep the calls were, the functions that call each other in circles and how often, the largest frames,
 * a backtrace, and what can be done. Then the handler that was there before is called, or the signal does what
 * it would have done. Faults that are no overflow go to the previous handler, or do what they would have done,
 * as if nothing were here.
 *
 * 0; or -1 and ENOMEM, when there is no memory for the alternate stack or the books, or the errno of the system
 * call that was refused. Calling it again does no harm, from any thread. FREEHOLD=stack_report=on does it at
 * the start of a program, preloaded programs included. Threads need an alternate signal stack for the report.
 * Each thread that is started afterwards gets one, and so do those that run already: they are sent a signal for
 * that once, which may interrupt (EINTR) a system call that they sleep in. A thread that has an alternate stack
 * already keeps its own. */
FH_API int fh_stack_install(void);

/* Bytes that are left of the stack in use, from the caller's frame to its end. A few instructions. 0: this is
 * a stack that the library does not know (a coroutine's of the program's own). */
FH_INLINE size_t fh_stack_left(void);

/* Bytes of the stack in use: the calling thread's own, or the further one that fh_stack_grow runs on. For the
 * main thread, what the limit (ulimit -s) allowed when it was first asked for; RLIM_INFINITY counts down to the
 * next mapping. On a stack that the library does not know, the one that the thread asked about last; 0 when
 * there is none. */
FH_API size_t fh_stack_size(void);

/* The most bytes that the calling thread has had in use at any time: of its own stack, and of the further ones
 * that it had at the same time, each counted whole. Found by asking the system which pages were touched: one
 * system call for each 4 MiB below the caller. A thread that was given the stack of one that has ended may show
 * up to 20 KiB too much. 0: not known (no memory for the books, or a stack that the library does not know). */
FH_API size_t fh_stack_peak(void);

/* Calls fn(arg): on the stack in use when at least `red_zone` bytes are left of it, else on a further stack of
 * `size` bytes (at least red_zone + 32 KiB; guard pages around it), which is given back when fn returns, throws
 * (C++) or is left by longjmp. 0; or -1 and ENOMEM when there is no memory for it: then fn was not called.
 *
 * `red_zone` is what the code between two such calls may need, calls into libraries included: 16 KiB is plenty
 * for most, printf and the like included. Debuggers, exceptions, AddressSanitizer and Valgrind see one stack
 * that continues. */
FH_INLINE int fh_stack_grow(size_t red_zone, size_t size, void (*fn)(void *arg), void *arg);

/* ---------------------------------------------------------------- how it is done ----------------------- */

/* The stack in use. Zero until the thread asks for the first time. */
struct fh_call_stack {
    char *low;
    size_t size;
};
extern FH_API __thread struct fh_call_stack fh_call_stack __attribute__((tls_model("initial-exec")));

/* What the inlined paths call. Not for direct use. */
FH_API size_t fh_stack_left_slow(char *here) __attribute__((cold));
FH_API int fh_stack_grow_slow(size_t red_zone, size_t size, void (*fn)(void *arg), void *arg);

/* One comparison says both that the stack is known and that we are on it. */
FH_INLINE size_t fh_stack_left(void) {
    char *here = (char *)__builtin_frame_address(0);
    size_t left = (size_t)((uintptr_t)here - (uintptr_t)fh_call_stack.low);
    return FH_LIKELY(left < fh_call_stack.size) ? left : fh_stack_left_slow(here);
}

FH_INLINE int fh_stack_grow(size_t red_zone, size_t size, void (*fn)(void *arg), void *arg) {
    if (FH_LIKELY(fh_stack_left() >= red_zone)) {
        fn(arg);
        return 0;
    }
    return fh_stack_grow_slow(red_zone, size, fn, arg);
}

#ifdef __cplusplus
}
#endif
#endif
