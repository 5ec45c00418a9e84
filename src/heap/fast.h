/* fast.h - the fast paths of malloc and free, to be inlined into each public name for them.
 *
 *     malloc   size -> class (a table of bytes) -> bin -> newest block       else: slow
 *     free     address -> class (a table of bytes) -> bin -> put on top      else: slow
 *
 * Neither touches the block, takes a lock, or asks who owns what. Each test that can fail leads to the slow
 * path in alloc.c: size 0 has class 0, and so has all that is not a block of a span; the bin of class 0 is
 * always closed.
 */
#ifndef FH_HEAP_FAST_H
#define FH_HEAP_FAST_H

#include "class.h"
#include "space.h"

/* What the names of malloc's family call when the bin cannot serve. They stand apart from what inlined typed
 * calls use: these blocks may be guarded (guard.c), and where each call is checked, the call's kind is known.
 * The last call of the public function, so that its caller is theirs; else the caller is
 * handed on. */
void *fh_malloc_slow(size_t size);
void *fh_aligned_slow(size_t size, size_t align, uintptr_t caller);
void *fh_calloc_slow(size_t n, size_t size);
void fh_plain_free_slow(void *p);
void fh_sized_slow(void *p, size_t size, size_t align);

/* A block from the bin; NULL when that cannot serve. */
FH_INLINE void *fh_fast_take(size_t size) {
    if (FH_UNLIKELY(size > FH_SMALL_MAX)) return NULL;
    struct fh_bin *bin = &fh_bins[fh_class_for(size)];
    void **top = bin->top;
    void *block = top[-1];
    if (FH_LIKELY(block != NULL)) bin->top = top - 1;
    return block;
}

/* Puts the block, if it is below the bound, into its bin; false when that cannot be. */
FH_INLINE bool fh_fast_put_below(void *p, size_t bound) {
    size_t offset = fh_space_offset(p);
    if (FH_UNLIKELY(offset >= bound)) return false;
    struct fh_bin *bin = &fh_bins[fh_space.classes[offset >> FH_GRANULE_SHIFT]];
    void **top = bin->top;
    if (FH_UNLIKELY(top == bin->end)) return false;
    *top = p;
    bin->top = top + 1;
    return true;
}

FH_INLINE bool fh_fast_put(void *p) { return fh_fast_put_below(p, FH_READ(fh_space.quick_size)); }

FH_INLINE void *fh_fast_malloc(size_t size) {
    void *block = fh_fast_take(size);
    return FH_LIKELY(block != NULL) ? block : fh_malloc_slow(size);
}

FH_INLINE void fh_fast_free(void *p) {
    if (FH_UNLIKELY(!fh_fast_put(p)) && p) fh_plain_free_slow(p);
}

FH_INLINE void fh_fast_free_sized(void *p, size_t size, size_t align) {
    if (FH_UNLIKELY(!fh_fast_put(p))) fh_sized_slow(p, size, align);
}

FH_INLINE void *fh_fast_aligned(size_t align, size_t size, uintptr_t caller) {
    if (FH_LIKELY(align <= FH_SMALL_MAX && size <= FH_SMALL_MAX)) { /* both: then so is what is needed */
        struct fh_bin *bin = &fh_bins[fh_class_for(fh_aligned_size(size, align))];
        void **top = bin->top;
        void *block = top[-1];
        if (FH_LIKELY(block != NULL)) {
            bin->top = top - 1;
            return block;
        }
    }
    return fh_aligned_slow(size, align, caller);
}

FH_INLINE void *fh_fast_calloc(size_t n, size_t size) {
    size_t bytes;
    if (FH_LIKELY(!__builtin_mul_overflow(n, size, &bytes) && bytes <= FH_SMALL_MAX)) {
        void *block = fh_fast_take(bytes);
        if (FH_LIKELY(block != NULL)) return __builtin_memset(block, 0, bytes);
    }
    return fh_calloc_slow(n, size);
}

#endif
