/* heap.h - a heap: the spans that one thread cuts its blocks from.
 *
 *     thread                    heap (one lock)                              extents (one lock, all heaps)
 *     fh_bins[c] <-- refill --  lists[c][bucket]: spans with free blocks  <-- take --  free extents, dirty first
 *         |  ^   --- flush -->                                            --- give -->
 *         v  |
 *       depot[c]: full magazines, from threads that only free
 *
 * Terms:
 *   bin      a thread's array of pointers to free blocks of one class (public header). No lock, no atomics.
 *   refill   an empty bin gets a batch of blocks from spans of its heap.
 *   flush    a full bin gives a batch back to the spans the blocks are from, whoever owns them.
 *   owner    the heap to which a span belongs. Only who holds that heap's lock changes the span's bitmap.
 *   remote   a block that is flushed by a thread whose heap is not the owner: its bit is set, atomically, in the
 *            span's second bitmap, and the span is put on the owner's list of touched spans.
 *   collect  the owner moves the remote bits into the first bitmap.
 *   park     a thread has ended: its heap waits, whole, for the next thread to adopt it. Meanwhile others may
 *            take spans from it.
 *
 * Locks, in the order in which they may be nested: heap list -> a heap -> parked list -> depots -> extents |
 * meta. A thread takes its own heap's lock for each refill and flush: it is free nearly always, so this costs
 * two atomic operations for dozens of blocks; and it lets others look into a heap whose thread sleeps, to
 * collect, to give memory back, to count, and to fork.
 */
#ifndef FH_HEAP_HEAP_H
#define FH_HEAP_HEAP_H

#include "class.h"
#include "magazine.h"
#include "space.h"

#include "../os/os.h"

enum { FH_BUCKETS = 13, FH_FULL_BUCKET = 254, FH_NO_BUCKET = 255 };

/* What belongs to a bin and is not needed on the fast path. Invariant while the owner is outside a slow path:
 *     base <= bins[c].top <= bins[c].end == base + capacity,  base[-1] == NULL
 * or the bin is closed: bins[c].top == bins[c].end == the closed bin's slot, base == NULL. */
struct fh_bin_book {
    void **base;       /* slot 0 of the magazine; NULL = closed                        */
    uint16_t capacity; /* slots in it                                                  */
    uint16_t batch;    /* how many blocks the next refill from spans asks for          */
    bool stirred;      /* refilled or flushed since the last tidying                   */
    uint8_t strays;    /* blocks of others sent home while the bin was closed          */
    uint8_t credit;    /* refills lately, less flushes: above 0 the thread does both    */
    /* span.c, not in checked mode; resting <= may_rest when a span has just gone to rest */
    uint8_t resting;  /* spans that are empty and rest                                  */
    uint8_t may_rest; /* how many may                                                   */
    uint8_t ended;    /* that became empty and ended since the last tidying, and for which none began again */
};

struct fh_private {
    uint32_t larges;        /* its large blocks: first of a list                              */
    uint32_t full;          /* its spans without a free block: the same                       */
    size_t held, held_peak; /* bytes in its spans and large blocks                            */
    size_t limit;           /* held <= limit, unless 0                                        */
    size_t live, blocks;    /* usable bytes and number of its live blocks                     */
    uint64_t allocs, frees; /* allocs - frees = blocks                                        */
};

struct fh_heap {
    struct fh_lock lock;
    uint32_t events;     /* slow paths taken; now and then one of them tidies up            */
    struct fh_bin *bins; /* where the owner's bins are: its thread's fh_bins, or `hidden`; NULL = parked */
    struct fh_bin_book books[FH_CLASS_COUNT];
    uint16_t filled[FH_CLASS_COUNT]; /* bit b set = lists[c][b] is not empty                            */
    uint32_t lists[FH_CLASS_COUNT]
                  [FH_BUCKETS];     /* spans with 2^b <= free < 2^(b+1); full ones: in none, or private->full */
    uint32_t spans[FH_CLASS_COUNT]; /* spans owned, by class                                           */
    uint32_t all_spans;             /* the sum of these                                                */
    uint32_t resting;               /* of those that rest, 0 in checked mode: span.c                   */
    struct fh_magazines magazines;  /* that no bin uses at the moment                                  */
    struct fh_quarantine *quarantine; /* in checked mode: quarantine.c; used by the owner's thread alone  */
    struct fh_heap *next;             /* in the list of all heaps; threads' heaps stay for ever          */
    struct fh_heap *next_parked;
    uint64_t holds; /* bit c: it had free blocks of class c when it was parked         */
    bool parked;
    uint8_t shard;              /* which depots are its own: depot.h                               */
    uint64_t tidied;            /* tick of the last tidying                                        */
    struct fh_private *private; /* what only a heap of the program's own has; NULL = a thread's heap */
    struct fh_heap *visitor;    /* holds its own lock and this one, to collect here; NULL = nobody  */
    _Alignas(64) _Atomic uint32_t touched; /* spans with remote frees: first of a list; others push         */
    _Atomic uint32_t touched_count;        /* how many were pushed since the last collection                */
    /* The bins in use where each call must be seen. A heap that does not use them ends before them. */
    _Alignas(64) struct fh_bin hidden[FH_CLASS_COUNT];
};

/* The bytes of such a heap: with what comes behind a heap of the program's own still a page. */
#define FH_HEAP_WITHOUT_BINS offsetof(struct fh_heap, hidden)
_Static_assert(FH_HEAP_WITHOUT_BINS + sizeof(struct fh_private) <= 4096, "a heap is a page");

/* ---- heap.c: heaps and threads ---- */

/* The calling thread's heap, made or adopted at first use. NULL when there is no memory, or when the thread has
 * ended already and this is a late call of some destructor. */
struct fh_heap *fh_heap_mine(void);

/* The same where it has one; NULL else. */
extern __thread struct fh_heap *fh_heap_of_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
static inline struct fh_heap *fh_heap_here(void) { return fh_heap_of_thread; }

/* The same, for who takes from and puts into `hidden` bins and batches: where the thread has no heap it is one
 * whose bins are all empty, and full. Not before the heap has begun. */
extern __thread struct fh_heap *fh_heap_quick __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* A heap without a thread and without bins, shared under its lock by all calls for which fh_heap_mine is NULL.
 * */
struct fh_heap *fh_heap_late(void);

/* Enters a heap into the list of all, or takes it out. */
void fh_heap_enlist(struct fh_heap *heap);
void fh_heap_delist(struct fh_heap *heap);

/* The first in the list of all heaps, which leads on by `next`; everything is locked. */
struct fh_heap *fh_heap_first(void);

/* Takes every lock of the heap in order, and gives them back: for who needs all of it to stand still. */
void fh_heap_lock_everything(void);
void fh_heap_unlock_everything(void);

/* Gives back what of these locks the thread holds: the heap's, its visitor's, the list's. For who has found a
 * mistake of the program under them and ends the process: what runs at abort may use the heap, or fork. */
void fh_heap_let_go(struct fh_heap *heap);

/* Calls visit(heap, arg) for each heap there is, with its lock held. */
void fh_heap_each(void (*visit)(struct fh_heap *, void *), void *arg);

/* Moves a span of class c with free blocks from some parked heap to this one (whose lock is held). */
bool fh_heap_scavenge(struct fh_heap *heap, unsigned c);

/* True when each call must be seen: the bins that inlined code uses stay closed. Fixed once the heap has begun.
 * */
extern bool fh_seen __attribute__((visibility("hidden")));

/* ---- span.c: blocks out of spans and into them. The heap's lock is held ---- */

/* Puts up to `want` free blocks of class c below `end`: the first of them, which has the lowest address of its
 * span, at end[-1], the next at end[-2] and so on. Returns how many. */
unsigned fh_span_take(struct fh_heap *heap, unsigned c, void **end, unsigned want);

/* Gives `count` blocks, each from any span of any heap, back to their spans. Blocks of class c are expected;
 * others are a mistake of the program that is reported. */
void fh_span_give(struct fh_heap *heap, unsigned c, void **blocks, unsigned count);

/* Does the block lie in a span of this heap? */
bool fh_span_is_own(const struct fh_heap *heap, const void *block);

/* Gives one block, in span g of a private heap, back. `block` is its number. */
void fh_span_give_private(struct fh_heap *heap, uint32_t g, unsigned block);

/* Collects the remote frees of all touched spans. */
void fh_span_collect(struct fh_heap *heap);

/* The same of another heap, whose lock is held as well as the own one's. */
void fh_span_collect_for(struct fh_heap *heap, struct fh_heap *other);

/* Ends a span whose blocks are all given up, free or not. */
void fh_span_end(struct fh_heap *heap, uint32_t g);

/* Ends all spans of class c whose blocks are all free; those that rest in checked mode only if wished. */
void fh_span_end_empty(struct fh_heap *heap, unsigned c, bool resting_too);

/* Ends the spans that rest, of all heaps; false when there are none (in checked mode). No lock is held. */
bool fh_span_end_resting(void);

/* Spans that rest in all heaps, in checked mode: for who looks whether the books are whole. */
uint32_t fh_span_resting(void);

/* Moves one span of class c from a heap to another; both locks are held. False when there is none with free
 * blocks. */
bool fh_span_move(struct fh_heap *from, struct fh_heap *to, unsigned c);

/* The granule of the span in which p lies, or of the large block in whose first granule; 0 when in neither. */
uint32_t fh_span_first(const void *p);

/* ---- holes.c: pages inside spans in use ---- */

/* Gives back the pages in which only free blocks lie. Not in checked or guard mode. The heap's lock is held.
 * Returns the bytes that were resident. */
size_t fh_holes_purge(struct fh_heap *heap);

/* All that were so far. */
size_t fh_holes_given_back(void);

/* ---- bin.c: the slow half of the bins. Each takes the heap's lock ---- */

/* A block of class c when the bin is empty; NULL when there is no memory. */
void *fh_bin_refill(struct fh_heap *heap, unsigned c);

/* Takes block p of class c into the bin when that is full. */
void fh_bin_flush(struct fh_heap *heap, unsigned c, void *p);

/* The same for several blocks, of which it takes one, and makes room for others, or all, past the bin. Returns
 * how many. */
unsigned fh_bin_overflow(struct fh_heap *heap, unsigned c, void **blocks, unsigned count);

/* Gives the blocks of magazines in the depot of class c back to their spans: of an idle depot, or of any. Lock
 * held. */
void fh_bin_drain_depot(struct fh_heap *heap, unsigned c, bool all);

/* Empties and closes all bins of the heap. Lock held. */
void fh_bin_close_all(struct fh_heap *heap);

/* The closed bin: what an unused bin points to. */
struct fh_closed_bin {
    void *null;    /* stays NULL: the bin is empty */
    void *slot[1]; /* top == end == slot: the bin is full */
};
extern struct fh_closed_bin fh_closed __attribute__((visibility("hidden")));

static inline void fh_bin_close(struct fh_bin *bin) { bin->top = bin->end = fh_closed.slot; }

#endif
