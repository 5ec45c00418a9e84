/* meta.h - memory for the heap's own books: heaps, the arrays of bins, in checked mode the marks of spans.
 *
 * Pieces are powers of two from 64 bytes to 64 KiB, cut from stretches of pages of their own, far from any
 * block. A piece given back goes to a list of its size and is used again, or halved where a smaller one is
 * wanted; halves are not joined again, and pages are never returned. So what is held is bounded by the most
 * pieces of each size that were ever in use at once: by the most threads and spans. Guarded by a lock of its
 * own, under which nothing is locked.
 */
#ifndef FH_HEAP_META_H
#define FH_HEAP_META_H

#include <stddef.h>

/* A piece of at least `size` bytes aligned to 64, contents undefined; NULL when the system refuses. */
void *fh_meta_take(size_t size);
void fh_meta_give(void *piece, size_t size);

/* The same for several of one size, under the lock once. Takes one, and up to `most` if there are some that
 * nobody uses; returns how many, 0 when the system refuses. */
unsigned fh_meta_take_some(size_t size, void **taken, unsigned most);
void fh_meta_give_some(void *const *given, unsigned count, size_t size);

/* Bytes in all pieces so far. No lock. */
size_t fh_meta_bytes(void);

void fh_meta_lock(void);
void fh_meta_unlock(void);

#endif
