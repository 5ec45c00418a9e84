/* threads.h - what threads get from us when they start: an alternate signal stack, a record of their peak. */
#ifndef FH_STACK_THREADS_H
#define FH_STACK_THREADS_H

#include <stdbool.h>

/* Threads that start from now on get an alternate signal stack. */
void fh_threads_prepare(void);

/* The calling thread gets one now, unless it has one. */
bool fh_threads_signal_stack(void);

/* In a handler, for the interrupted thread. */
void fh_threads_signal_stack_in(void *context);

/* Threads that start from now on call the hook when they end; see peaks.h. */
void fh_threads_at_end(void (*hook)(void));

#endif
