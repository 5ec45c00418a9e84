/* counters.h - what is counted when each call is seen (setting count=on).
 *
 * The counters stand in one block of memory of fixed layout. With the setting report=DIR that block is a
 * shared mapping of the file DIR/PID.N.fh (record/ does that), so that the numbers outlive the process however it
 * ends: exit, _exit, a signal, kill -9, exec. `freehold run` reads the file afterwards.
 *
 * All fields are updated with relaxed atomic adds; each is true by itself, and all agree when the process
 * is quiet.
 *
 *     allocs - frees = live_blocks            sum over classes of the same
 *     asked <= asked_peak
 */
#ifndef FH_HEAP_COUNTERS_H
#define FH_HEAP_COUNTERS_H

#include <freehold/heap.h>
#include <stdint.h>

#define FH_COUNTERS_MAGIC 0x31303048464d454dull /* "MEMFH001", little-endian */

struct fh_class_counters {
    uint64_t allocs, frees;
    uint64_t asked; /* bytes asked for by the live blocks */
    uint64_t peak_blocks; /* most live blocks of this class at once */
};

struct fh_counters {
    uint64_t magic;
    uint64_t pid;
    uint64_t parent;
    uint64_t allocs, frees, reallocs;
    uint64_t asked, asked_peak;
    uint64_t held, held_peak;      /* kept by the extents whether counting is on or not */
    uint64_t live_at_peak;         /* held when asked was at its peak */
    struct fh_class_counters classes[FH_CLASS_COUNT]; /* [0]: large blocks */
    uint64_t finished;             /* 1 once the process came to its end in order and the part below is filled */
    uint64_t exit_rss, peak_rss;   /* bytes, from the kernel */
    struct fh_stats final;         /* fh_stats at the end */
    char command[256];             /* argv[0] and what follows, blanks between, cut to fit */
};

/* The counters of this process: static memory until record/ moves them into a file. Never NULL. */
extern struct fh_counters *fh_counters __attribute__((visibility("hidden")));

#endif
