/* threads.h - what threads get from us when they start: an alternate signal stack, a place in the list of
 * threads. */
#ifndef FH_STACK_THREADS_H
#define FH_STACK_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <threads.h>

/* ---- alternate signal stacks ---- */

/* Threads that start from now on get one. */
void fh_threads_prepare(void);
/* The calling thread gets one now, unless it has one. */
bool fh_threads_signal_stack(void);
/* A thread asks for something for the first time: when threads should have one and this one has come to none,
 * it gets one now. */
void fh_threads_seen(void);
/* In a handler, for the interrupted thread. */
void fh_threads_signal_stack_in(void *context);

/* Starts a thread of C11's in the same way, with pthread_create's error (0: none). False: nothing was done,
 * because threads that start need nothing from us. */
bool fh_threads_create_c11(pthread_t *thread, thrd_start_t function, void *argument, int *error);
/* What stands in for thrd_create, and the function that it stands in for; only the shared library has them
 * (thrd.c). */
typedef int fh_threads_c11(thrd_t *thread, thrd_start_t function, void *argument);
fh_threads_c11 *fh_threads_next_c11(void) __attribute__((weak, visibility("hidden")));
int fh_threads_our_c11(thrd_t *thread, thrd_start_t function, void *argument)
    __attribute__((weak, visibility("hidden")));

/* What the calling thread's stack was asked to be, if it lies from `low` on and its size is known; else 0. The
 * mapping may be larger: the stack's memory is the program's own, or other memory follows. In a handler. */
size_t fh_threads_stack_asked(const char *low);

/* ---- the list of threads ---- */

/* A thread that was started by pthread_create or thrd_create. */
struct fh_thread_place {
    uint64_t id;
    char *first; /* an address in its first frame                       */
    size_t size; /* of its stack, as it was asked for at its creation   */
};

/* Threads that start from now on are in the list, and call the hook when they end. */
void fh_threads_watch(void (*ended)(const struct fh_thread_place *place));
/* Those in the list that run now. None of them ends during the visit. */
void fh_threads_running(void (*visit)(const struct fh_thread_place *place, void *context), void *context);
/* In the child of a fork. */
void fh_threads_after_fork(void);

#endif
