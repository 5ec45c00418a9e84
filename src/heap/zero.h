/* zero.h - memory that must read as zero, in large blocks. See zero.c. */
#ifndef FH_HEAP_ZERO_H
#define FH_HEAP_ZERO_H

#include "extent.h"
#include "untouched.h"

/* Of a zeroed block of so many granules: how many will probably be touched, from the first on? */
uint32_t fh_zero_written(uint32_t granules);

/* Makes the first `size` bytes of the new large block in extent `first` zero, of which the granules in `dirty`
 * are not known to be: those up to granule `written` of it by writing. */
void fh_zero_make(uint32_t first, struct fh_range dirty, uint32_t written, size_t size);

/* A large block is given back from granule `from` of it on: tells which of these hold nothing, as far as it is
 * from calloc and worth a look, and learns from it. */
void fh_zero_end(uint32_t first, uint32_t from, struct fh_untouched *untouched);

#endif
