/* freehold/heaps.h - heaps of the program's own, and a walk over every block of every heap.
 *
 *     #include <freehold/heaps.h>
 *
 *     int main(void) {
 *         struct fh_heap *request = fh_heap_new(1 << 20);      // never more than 1 MiB
 *         if (!request) return 1;
 *         char *name = fh_heap_malloc(request, 100);           // NULL and ENOMEM when the limit is reached
 *         char *more = fh_heap_malloc(request, 200);
 *         if (!name || !more) return 1;
 *         fh_free(name);                                       // as any block, by any thread
 *         fh_heap_drop(request);                               // frees `more` and all else in it, at once
 *         return 0;
 *     }
 *
 * A heap is a set of blocks that can be counted, limited, looked at and freed together: one for a request, a
 * document, a plug-in. Its blocks are ordinary ones: fh_free and free, fh_realloc and realloc (which stay
 * within the heap) and fh_usable_size take them. (fh_delete does not: its inlined path keeps blocks for reuse
 * outside of their heap.)
 *
 * Any thread may use any heap; a lock in each heap keeps them apart. A call costs a few dozen nanoseconds: more
 * than fh_malloc, which has no lock.
 */
#ifndef FREEHOLD_HEAPS_H
#define FREEHOLD_HEAPS_H

#include <freehold/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fh_heap; /* opaque */

/* A new, empty heap that may hold at most `limit` bytes of the system's memory, counted in spans of 64 KiB and
 * up (0 = no limit; a limit below 64 KiB lets nothing in). NULL and ENOMEM when there is no memory. The caller
 * owns it: fh_heap_drop. */
FH_API struct fh_heap *fh_heap_new(size_t limit);

/* Frees all blocks of the heap, and the heap. Pointers to them are dead from then on. NULL does nothing. No
 * other thread may use the heap or its blocks meanwhile. In mode=checked what is damaged is reported before it
 * is gone. Proportional to its spans and large blocks, not to its blocks (but where calls are counted; in
 * mode=checked to all that the process has). */
FH_API void fh_heap_drop(struct fh_heap *heap);

/* Frees all blocks of the heap; the heap stays, empty. As for fh_heap_drop: pointers to its blocks are dead, no
 * other thread may be at them meanwhile, and the cost is the same. */
FH_API void fh_heap_clear(struct fh_heap *heap);

/* As fh_malloc, fh_calloc and fh_aligned_alloc, from this heap, which is not NULL. ENOMEM also when the block
 * would take the heap beyond its limit. From any thread. */
FH_API void *fh_heap_malloc(struct fh_heap *heap, size_t size)
    __attribute__((malloc, alloc_size(2), warn_unused_result));
FH_API void *fh_heap_calloc(struct fh_heap *heap, size_t n, size_t size)
    __attribute__((malloc, alloc_size(2, 3), warn_unused_result));
FH_API void *fh_heap_aligned_alloc(struct fh_heap *heap, size_t align, size_t size)
    __attribute__((malloc, alloc_align(2), alloc_size(3), warn_unused_result));

/* As fh_realloc: a block of whichever heap stays in that heap; p == NULL gives a new block from `heap`. */
FH_API void *fh_heap_realloc(struct fh_heap *heap, void *p, size_t size)
    __attribute__((alloc_size(3), warn_unused_result));

/* The heap that block p, which is in use, was allocated from with the functions above; NULL for a block of
 * fh_malloc and malloc, and for NULL. O(1), without a lock. */
FH_API struct fh_heap *fh_heap_of(const void *p);

/* The heap in numbers. live = usable bytes of the live blocks; held = live + free, the ends of spans included.
 * */
struct fh_heap_stats {
    size_t held;      /* bytes of the system's memory in this heap's spans and large blocks */
    size_t held_peak; /* the most that held has been                                        */
    size_t limit;     /* what held may not exceed; 0 = no limit                             */
    size_t live;      /* usable bytes of its live blocks                                    */
    size_t blocks;    /* live blocks                                                        */
    uint64_t allocs;  /* allocations so far                                                 */
    uint64_t frees;   /* frees so far, those by clearing included                           */
};
/* Fills *out, from any thread; does not fail. O(1); in mode=checked it goes through the marks of the blocks. */
FH_API void fh_heap_stats_now(struct fh_heap *heap, struct fh_heap_stats *out);

/* ---------------------------------------------------------------- the walk ----------------------------- */

enum fh_block_state {
    FH_BLOCK_LIVE,        /* in the program's hands                                  */
    FH_BLOCK_FREE,        /* a hole in a span                                        */
    FH_BLOCK_CACHED,      /* kept at hand in a thread's bin, or on its way to one    */
    FH_BLOCK_QUARANTINED, /* freed, and held back (mode=checked)                 */
};

/* In mode=checked a live block is shown as the program has it, without the canaries around it: between two
 * blocks there is room that belongs to neither. */
struct fh_block {
    void *address;
    size_t size;  /* usable bytes */
    size_t asked; /* bytes asked for, when live and calls are counted (count=on) or checked; else 0 */
    enum fh_block_state state;
    unsigned size_class;  /* 0 = large */
    struct fh_heap *heap; /* NULL: allocated with fh_malloc or malloc */
};

/* Shows every block, in order of address, to `visit`, until that returns something other than 0, which is then
 * the result; 0 after the last block, -1 and ENOMEM when there is no memory for the books of the walk. Only
 * blocks of `heap`, or all when that is NULL. The picture is of one moment, for which all threads' slow paths
 * are held up; `visit` runs afterwards and may allocate and free. Blocks that other threads took from or put
 * into their bins during that moment may show in the state before or after. Blocks that are guarded (all in
 * mode=guard, some in mode=checked and with guard_sample) stand on pages beside the heap and are not shown.
 * Costs about 2 % of the heap in memory for its time. */
FH_API int fh_heap_walk(struct fh_heap *heap, int (*visit)(const struct fh_block *block, void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
