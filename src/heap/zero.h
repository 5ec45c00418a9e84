/* zero.h - memory that must read as zero, in large blocks. See zero.c. */
#ifndef FH_HEAP_ZERO_H
#define FH_HEAP_ZERO_H

#include "extent.h"

/* Makes the first `size` bytes of the new large block in extent `first` zero, of which the granules in `dirty`
 * are not known to be. */
void fh_zero_make(uint32_t first, struct fh_range dirty, size_t size);

/* Looks, now and then, at how much of a zeroed block was used; to be called before the block is given back. */
void fh_zero_learn(uint32_t first);

#endif
