/* untouched.h - what of a large block nobody ever touched. See untouched.c. */
#ifndef FH_HEAP_UNTOUCHED_H
#define FH_HEAP_UNTOUCHED_H

#include "extent.h"

/* A block is looked at in so many parts of the same length, or granule by granule if it has fewer. */
enum { FH_PARTS = 16 };

struct fh_touched {
    uint32_t parts;
    uint32_t looked_at;       /* pages                               */
    uint32_t pages[FH_PARTS]; /* of these in each part: that are there */
};

/* Part i of an extent of so many granules begins at this one of them. */
static inline uint32_t fh_part_start(uint32_t granules, uint32_t i, uint32_t parts) {
    return (uint32_t)((uint64_t)granules * i / parts);
}

/* Looks at so many granules from `first` on. False where the system does not tell. */
bool fh_untouched_look(uint32_t first, uint32_t granules, struct fh_touched *touched);

/* Stretches of an extent that hold nothing, one behind the other. */
struct fh_untouched {
    unsigned count;
    struct fh_range runs[FH_PARTS];
};

/* Adds the granules [from, to) of the extent at `first`, which is the caller's, and sees to it that they hold
 * nothing and read as zero; leaves it where the system refuses. */
void fh_untouched_add(struct fh_untouched *untouched, uint32_t first, uint32_t from, uint32_t to);

#endif
