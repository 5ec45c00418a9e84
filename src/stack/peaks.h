/* peaks.h - how much of its stack each thread has used, for `freehold run`.
 *
 * record/ begins it when it keeps the numbers of a process. From then on each thread that starts is known; when
 * it ends, its peak is found and handed over. Those that still run, and the first thread, are asked for at the
 * end.
 */
#ifndef FH_STACK_PEAKS_H
#define FH_STACK_PEAKS_H

#include <stdint.h>

struct fh_thread_peak {
    uint64_t id;   /* as the kernel counts threads */
    uint64_t size; /* of its stack in bytes        */
    uint64_t peak; /* the most that was used of it */
    char name[16];
};

/* `ended` is called by each thread that ends, and takes no lock of the heap. */
void fh_peaks_begin(void (*ended)(const struct fh_thread_peak *peak));

/* The first thread and those that run now. */
void fh_peaks_now(void (*visit)(const struct fh_thread_peak *peak));

/* In a child of fork, before it starts threads: only the calling thread is left. */
void fh_peaks_after_fork(void);

#endif
