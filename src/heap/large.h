/* large.h - blocks above FH_SMALL_MAX: an extent each. See large.c. */
#ifndef FH_HEAP_LARGE_H
#define FH_HEAP_LARGE_H

#include "space.h"

/* A block of at least `size` bytes at a multiple of `align` (a power of two); its first `size` bytes are zero
 * if `zero` asks for that. NULL when there is no memory. */
void *fh_large_take(size_t size, size_t align, bool zero);

/* The same, unaligned, for a block whose contents were in a smaller one: it will mostly grow on. */
void *fh_large_take_to_grow(size_t size);

/* Gives the block in extent `first` back. */
void fh_large_give(uint32_t first);

/* Makes the block in extent `first` fit `size` bytes, size > FH_SMALL_MAX: where it is or elsewhere. The new
 * address; NULL when there is no memory, with the block unchanged. */
void *fh_large_resize(uint32_t first, size_t size);

/* Bytes that may be used in the block. */
static inline size_t fh_large_usable(uint32_t first) {
    return (size_t)fh_space.heads[first].granules << FH_GRANULE_SHIFT;
}

#endif
