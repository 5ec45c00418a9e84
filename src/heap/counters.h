/* counters.h - what is counted when each call is seen (setting count=on).
 *
 * The counters stand in one block of memory of fixed layout. With the setting report=DIR that block is a
 * shared mapping of the file DIR/PID.N.fh (record/ does that), so that the numbers outlive the process however
 * it ends: exit, _exit, a signal, kill -9, exec. `freehold run` reads the file afterwards.
 *
 *     who updates what:   heap/      the counts, each with a relaxed atomic add
 *                         record/    the rest: who the process is, at its start; how it ended, at its end
 *
 * Each count is true by itself, and all agree when the process is quiet:
 *
 *     allocs - frees = live blocks            the sums over the classes are the same
 *     asked <= asked_peak                     held <= held_peak
 *
 * A process that fork made begins with its parent's counts, because the blocks that it got are live in it too.
 * So the equations hold in it as well, and what it did itself is the difference to `inherited`:
 *
 *     its own allocations = allocs - inherited.allocs          its own frees = frees - inherited.frees
 *
 * exec begins anew: another file, all counts zero.
 */
#ifndef FH_HEAP_COUNTERS_H
#define FH_HEAP_COUNTERS_H

#include <freehold/heap.h>
#include <stdint.h>

#define FH_COUNTERS_MAGIC 0x31303048464d454dull /* "MEMFH001", little-endian */

struct fh_class_counters {
    uint64_t allocs, frees;
    uint64_t asked;       /* bytes asked for by the live blocks */
    uint64_t peak_blocks; /* most live blocks of this class at once */
};

/* The call stack of a thread: of the threads that have ended, and of those at the end, the ones with the
 * largest peaks. */
struct fh_stack_use {
    uint64_t id; /* of the thread, as the kernel counts; the pid: the first */
    uint64_t size, peak;
    char name[16];
};
enum { FH_STACKS_KEPT = 32 };

enum fh_ending {
    FH_RUNS = 0,    /* runs, or ended without coming to its end in order: a signal, _exit, exec */
    FH_FINISHED = 1 /* exit was called or main returned; `final` is filled                      */
};

struct fh_counters {
    uint64_t magic;
    uint64_t size; /* sizeof(struct fh_counters): a reader of another build sees that it is one */
    uint64_t pid;  /* as the process itself sees it                                             */
    uint64_t parent;
    uint64_t allocs, frees, reallocs;
    uint64_t asked, asked_peak;
    uint64_t held, held_peak;                         /* kept by the extents whether counting is on or not */
    uint64_t held_at_peak;                            /* held when asked was at its peak */
    struct fh_class_counters classes[FH_CLASS_COUNT]; /* [0]: large blocks */

    uint64_t counting;  /* 1: count=on                                                               */
    uint64_t started;   /* ns on the monotonic clock                                                 */
    uint64_t pid_space; /* inode of the pid namespace: pids of another one mean nothing to a reader  */
    uint64_t image;     /* differs after each exec; but see record.c on two copies in one process    */
    uint64_t forked;    /* 1: begun by fork, 0: by exec                                              */
    struct {
        uint64_t allocs, frees, reallocs, asked;
    } inherited; /* the counts at the fork; all 0 when begun by exec */

    uint64_t finished;           /* enum fh_ending; written after `final`, before the lines below             */
    struct fh_stats final;       /* fh_stats at the end                                                       */
    uint64_t exit_status;        /* what exit was given, plus 1; 0: not known                                 */
    uint64_t exit_rss, peak_rss; /* bytes, from the kernel; 0: not known                                      */
    uint64_t ended;              /* ns on the monotonic clock; the last thing written                         */

    uint64_t threads_measured, stacks_kept; /* stacks_kept <= threads_measured                        */
    struct fh_stack_use stacks[FH_STACKS_KEPT];

    char name[16];     /* the kernel's name of the process at its start (comm)                      */
    char command[256]; /* argv[0] and what follows, blanks between, cut to fit                      */
};

/* The counters of this process: static memory until record/ moves them into a file. Never NULL. */
extern struct fh_counters *fh_counters __attribute__((visibility("hidden")));

/* In record/: moves the counters into their file, if report=DIR says so. The heap calls it once, when it has
 * read its settings and before it counts anything; the library's constructor calls it too, for a process that
 * has not allocated by then. */
void fh_on_start(void) __attribute__((visibility("hidden")));

/* In record/: registers what it does around fork. The heap calls it once, before it registers its own: then the
 * copy of the counters is made when all of the heap is locked, and the child has counters of its own before its
 * heap counts in them. */
void fh_on_fork_hooks(void) __attribute__((visibility("hidden")));

#endif
