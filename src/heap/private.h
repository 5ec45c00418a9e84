/* private.h - heaps of the program's own (public: freehold/heaps.h). See private.c. */
#ifndef FH_HEAP_PRIVATE_H
#define FH_HEAP_PRIVATE_H

#include "heap.h"

struct fh_found;

/* May the heap hold `size` bytes more? */
static inline bool fh_private_may_hold(const struct fh_private *private, size_t size) {
    return private->limit == 0 || (size <= private->limit && private->held <= private->limit - size);
}

static inline void fh_private_hold(struct fh_private *private, size_t size) {
    private->held += size;
    if (private->held > private->held_peak) private->held_peak = private->held;
}

/* Gives block p back, which lies in extent `first` of the private heap; ends the process with a report when p
 * is no block in use. */
void fh_private_give(struct fh_heap *heap, uint32_t first, void *p);

/* Resizes block p in extent `first` of the private heap; NULL with errno when there is no memory. */
void *fh_private_resize(struct fh_heap *heap, uint32_t first, void *p, size_t size);

/* For checked mode (check.c): a block of class c, NULL without memory; a large one; and giving one back that
 * has been found to be in use. `number`: of a small block in its span. */
void *fh_private_take(struct fh_heap *heap, unsigned c);
bool fh_private_take_large(struct fh_heap *heap, size_t size, size_t align, bool zero, struct fh_found *f);
void fh_private_give_checked(struct fh_heap *heap, uint32_t first, unsigned number);

#endif
