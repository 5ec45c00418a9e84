/* freehold/heap.h - the heap: blocks of memory that live until they are freed.
 *
 *     #include <freehold/heap.h>
 *
 *     struct point { double x, y; };
 *
 *     int main(void) {
 *         struct point *p = fh_new(struct point);      // class known at compile time: a few instructions
 *         char *text = fh_malloc(100);                 // class looked up at run time
 *         if (!p || !text) return 1;                   // out of memory is NULL and ENOMEM
 *         p->x = 1.0;
 *         fh_free(text);
 *         fh_delete(p);                                // sizeof(*p) says the class: no look-up
 *         return 0;
 *     }
 *
 * Every function here may be called from any thread, and a block may be freed by a thread other than the
 * one that asked for it. None is async-signal-safe. When the library stands in for malloc (linked or
 * preloaded) the two families are one: what malloc gave, fh_free takes, and the other way round.
 *
 * Blocks are aligned to 16 bytes at least (in mode=guard some to 8 or less, in mode=checked some of 8 bytes to
 * 8: setting guard_align). Sizes are in bytes. A size of zero gives a block of its own, of the smallest class.
 * Sizes above PTRDIFF_MAX, and products that overflow, give NULL and ENOMEM.
 */
#ifndef FREEHOLD_HEAP_H
#define FREEHOLD_HEAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define FH_ALIGNOF(T) alignof(T)
#else
#define FH_ALIGNOF(T) _Alignof(T)
#endif

#define FH_API __attribute__((visibility("default")))
#define FH_LIKELY(x) __builtin_expect(!!(x), 1)
#define FH_INLINE static inline __attribute__((always_inline, unused))

/* ---------------------------------------------------------------- blocks ------------------------------ */

/* A new block of at least `size` bytes, contents undefined. NULL and ENOMEM when there is no memory.
 * The caller owns it and gives it back with fh_free. O(1) but for the rare call that asks the system. */
FH_API void *fh_malloc(size_t size) __attribute__((malloc, alloc_size(1), warn_unused_result));

/* A new block of n * size bytes, all zero; the caller owns it. NULL and ENOMEM when there is no memory or n *
 * size overflows. O(n * size) but for large blocks whose pages are new. */
FH_API void *fh_calloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2), warn_unused_result));

/* The block `p` (or a new one, when p is NULL) with room for `size` bytes; the first min(old, new) bytes
 * keep their values. On success p is given up and the result is owned instead (it may be the same address).
 * On failure NULL and ENOMEM, and p is still owned and unchanged. realloc(p, 0) gives a block of the
 * smallest class, never NULL for a reason other than ENOMEM. Large blocks grow in place or move by
 * remapping their pages where they can; otherwise O(size). */
FH_API void *fh_realloc(void *p, size_t size) __attribute__((alloc_size(2), warn_unused_result));

/* fh_realloc to n * size bytes; NULL and ENOMEM when the product overflows. */
FH_API void *fh_reallocarray(void *p, size_t n, size_t size)
    __attribute__((alloc_size(2, 3), warn_unused_result));

/* A new block whose address is a multiple of `align`, a power of two; `size` need not be a multiple of it. The
 * caller owns it. NULL and EINVAL when align is not a power of two, NULL and ENOMEM when there is no memory. */
FH_API void *fh_aligned_alloc(size_t align, size_t size)
    __attribute__((malloc, alloc_align(1), alloc_size(2), warn_unused_result));

/* Gives the block back, which any thread may do. NULL is allowed and does nothing. errno keeps its value. O(1).
 * A mistake that is noticed (docs/MISUSE.md) ends the process with a report. */
FH_API void fh_free(void *p);

/* The same, for a caller that knows what it asked for: `size` must be the size that malloc, calloc or
 * realloc was asked for (for the aligned form, `align` and `size` those of fh_aligned_alloc). The heap knows
 * the block's class anyway and does not trust the size: a wrong one does no harm, and is not noticed. The path
 * that trusts, and gains by it, is fh_delete below. */
FH_API void fh_free_sized(void *p, size_t size);
FH_API void fh_free_aligned_sized(void *p, size_t align, size_t size);

/* The bytes that may be used in block p: what was asked for, rounded up to the class (in mode=checked and guard
 * not rounded). 0 for NULL. O(1). */
FH_API size_t fh_usable_size(const void *p);

/* The usable size that a request of `size` bytes would get: asking for exactly this wastes nothing. A size that
 * is too large for any block comes back as it is. */
FH_API size_t fh_good_size(size_t size);

/* ---------------------------------------------------------------- size classes ------------------------- */

/* Requests up to FH_SMALL_MAX bytes are rounded up to one of FH_CLASS_COUNT - 1 size classes: every 16
 * bytes up to 128, then four to each doubling (160, 192, 224, 256, 320 ... 32768), so that at most a fifth
 * of a block above 128 bytes is rounding. Class 0 is no class: "ask the slow path". Every class size is a
 * multiple of each power of two that a size rounded to that power would need, so one function of
 * (size, alignment) serves allocation and sized free alike. */
#define FH_SMALL_MAX 32768u
#define FH_CLASS_COUNT 41u

/* The size class of a request of `size` bytes, 1 <= size <= FH_SMALL_MAX. A constant when size is one. */
FH_INLINE unsigned fh_class_of(size_t size) {
    if (size <= 128) return (unsigned)((size + 15) / 16);
    unsigned k = 63u - (unsigned)__builtin_clzll((unsigned long long)(size - 1)); /* 2^k < size <= 2^(k+1) */
    return 4u * (k - 6u) + 1u + (unsigned)((size - 1) >> (k - 2));
}

/* The bytes in a block of class c, 1 <= c < FH_CLASS_COUNT. Inverse of fh_class_of. */
FH_INLINE size_t fh_class_size(unsigned c) {
    if (c <= 8) return (size_t)c * 16;
    unsigned k = 7u + (c - 9u) / 4u;
    return ((size_t)1 << k) + (((size_t)(c - 9u) % 4u + 1u) << (k - 2));
}

/* The size whose class serves a request of `size` bytes at `align`: size rounded up to the alignment, at
 * least 1. (Zero-sized types exist in GNU C.) */
FH_INLINE size_t fh_aligned_size(size_t size, size_t align) {
    if (size == 0) size = 1;
    return align <= 16 ? size : (size + align - 1) & ~(align - 1);
}

/* ---------------------------------------------------------------- the typed, inlined path --------------- */

/* Each thread keeps, for each class, a bin: an array of pointers to free blocks that this thread may hand
 * out without asking anyone.
 *
 *     base[-1]   base[0]   ...   top[-1] | top[0]   ...   end[-1] | end
 *     NULL       block           block   | (room)                 |
 *
 *     empty:  top[-1] == NULL  (the slot below the array is always NULL, so the pop needs no other test)
 *     full:   top == end
 *
 * An empty bin on allocation, or a full one on free, is the only way into the rest of the library. A mode
 * that must see each call gives every bin no room at all: then both tests fail every time. These are the
 * library's own; programs use them only through the functions below. */
struct fh_bin {
    void **top;
    void **end;
};
extern FH_API __thread struct fh_bin fh_bins[FH_CLASS_COUNT] __attribute__((tls_model("initial-exec")));

/* What the inlined paths call when the bin cannot serve. Not for direct use. `size` and `align` are what the
 * program asked for. */
FH_API void *fh_alloc_slow(size_t size, size_t align) __attribute__((malloc, cold));
FH_API void *fh_alloc_zero_slow(size_t size, size_t align) __attribute__((malloc, cold));
FH_API void fh_free_slow(void *p, size_t size, size_t align) __attribute__((cold));

/* A block for constant size and alignment: a load, a test, a load, a store when the bin has one. */
FH_INLINE void *fh_alloc_const(size_t size, size_t align) {
    size_t need = fh_aligned_size(size, align);
    if (need > FH_SMALL_MAX) return fh_alloc_slow(size, align);
    struct fh_bin *bin = &fh_bins[fh_class_of(need)];
    void **top = bin->top;
    void *block = top[-1];
    if (FH_LIKELY(block != NULL)) {
        bin->top = top - 1;
        return block;
    }
    return fh_alloc_slow(size, align);
}

/* Gives back a block that fh_alloc_const gave for the same constants. NULL does nothing. */
FH_INLINE void fh_free_const(void *p, size_t size, size_t align) {
    if (p == NULL) return;
    size_t need = fh_aligned_size(size, align);
    if (need <= FH_SMALL_MAX) {
        struct fh_bin *bin = &fh_bins[fh_class_of(need)];
        void **top = bin->top;
        if (FH_LIKELY(top != bin->end)) {
            *top = p;
            bin->top = top + 1;
            return;
        }
    }
    fh_free_slow(p, size, align);
}

/* fh_new(T): a T * to a new, uninitialised T, aligned as T asks. NULL and ENOMEM when there is no memory.
 * fh_new_zero(T): the same, all bytes zero.
 * fh_delete(p): gives back a block that fh_new or fh_new_zero gave, p still having its type T *. NULL is
 * allowed. p is evaluated once. */
#define fh_new(T) ((T *)fh_alloc_const(sizeof(T), FH_ALIGNOF(T)))
#define fh_new_zero(T) ((T *)fh_alloc_zero_const(sizeof(T), FH_ALIGNOF(T)))
#define fh_delete(p) fh_free_const((p), sizeof *(p), FH_ALIGNOF(__typeof__(*(p))))

FH_INLINE void *fh_alloc_zero_const(size_t size, size_t align) {
    if (fh_aligned_size(size, align) > FH_SMALL_MAX) return fh_alloc_zero_slow(size, align);
    void *p = fh_alloc_const(size, align);
    return p ? __builtin_memset(p, 0, size) : p;
}

/* ---------------------------------------------------------------- the whole heap ------------------------ */

/* Gives back to the system what is free, at once: whole free extents, and inside spans the pages on which only
 * free blocks lie; of all threads' spans, after the calling thread's bins were emptied. Returns the bytes given
 * back; does not fail. From any thread at any time. Takes a system call or two for each run of such pages: for
 * a program that has just freed much. */
FH_API size_t fh_trim(void);

/* One size class in numbers. */
struct fh_class_stats {
    size_t block_size; /* bytes in a block of this class                                       */
    size_t spans;      /* spans cut into this class                                            */
    size_t blocks;     /* blocks in them: = live + cached + free                               */
    size_t live;       /* blocks that the program owns                                         */
    size_t cached;     /* blocks in threads' bins                                              */
    size_t free;       /* blocks in spans                                                      */
    uint64_t allocs;   /* allocations so far; exact only when counting is on, else 0           */
    uint64_t frees;    /* frees so far; likewise                                               */
    size_t live_asked; /* bytes asked for by the live blocks; likewise                         */
};

/* The heap in numbers, bytes unless said otherwise. Always true of one moment seen from the calling thread;
 * other threads may be at work meanwhile. Blocks that are guarded (all in mode=guard, some in mode=checked and
 * with guard_sample) stand on pages beside the heap and are in none of them. The identity that ties them
 * together:
 *
 *     held = live + cached + free_in_spans + span_tail + free_extents + metadata
 *     live = asked + rounding                              (asked is known when counting is on)
 */
struct fh_stats {
    size_t held;          /* taken from the system and not given back                            */
    size_t held_peak;     /* the most that held has been                                         */
    size_t live;          /* usable sizes of the blocks that the program owns                    */
    size_t cached;        /* blocks kept at hand in threads' bins                                */
    size_t free_in_spans; /* free blocks in spans: the holes                                     */
    size_t span_tail;     /* ends of spans too short for another block                           */
    size_t free_extents;  /* whole free extents whose pages are still held                       */
    size_t metadata;      /* the heap's own books                                                */
    size_t large_live;    /* the part of live in blocks above FH_SMALL_MAX                        */
    size_t large_blocks;  /* how many such blocks                                                */
    size_t purged;        /* bytes given back to the system so far                               */
    size_t largest_hole;  /* the longest part of free_extents                                    */
    size_t threads;       /* threads that have a heap now                                        */

    int counting;       /* 1 when each call is counted (setting count=on), else 0: then the numbers */
                        /* below, and the counts by class, are 0                                    */
    uint64_t allocs;    /* allocations so far                                                  */
    uint64_t frees;     /* frees so far                                                        */
    uint64_t reallocs;  /* calls that resized a block (each that moved is also an alloc and a free) */
    size_t asked;       /* bytes asked for by the live blocks                                  */
    size_t asked_peak;  /* the most that asked has been                                        */
    size_t live_blocks; /* blocks that the program owns                                        */

    struct fh_class_stats classes[FH_CLASS_COUNT]; /* [0]: blocks above FH_SMALL_MAX, block_size 0 */
};

/* Fills *out, from any thread; does not fail. Cost: proportional to the number of spans and large blocks,
 * during which the slow paths of all threads are held up. */
FH_API void fh_stats_now(struct fh_stats *out);

#ifdef __cplusplus
}
#endif
#endif
