/* large.c - large blocks: whole extents, grown in place where that can be, else moved with their pages.
 *
 * A large block has the granules that its size needs and no more: no rounding to powers of two. What lies
 * between the size asked for and the end of the last granule is touched by nobody, so it costs no memory.
 *
 * To resize: the same number of granules is nothing to do; fewer give their end back; more are taken from the
 * free extent behind, if there is one. Else the contents must move. Copying writes each byte and for a moment
 * holds both places, so the pages of a long block are moved (move.c); what cannot be moved is copied.
 */
#include "large.h"

#include "extent.h"
#include "move.h"
#include "zero.h"

#include <string.h>

static uint32_t granules_for(size_t size) {
    return size ? (uint32_t)((size + FH_GRANULE - 1) >> FH_GRANULE_SHIFT) : 1;
}

static void *begin(uint32_t first, size_t size) {
    fh_space.heads[first].asked = size;
    fh_space.heads[first].new_from = UINT32_MAX;
    return fh_granule_address(first);
}

void *fh_large_take(size_t size, size_t align, bool zero) {
    if (size > fh_space.size || align > fh_space.size) return NULL;
    uint32_t granules = granules_for(size),
             step = align > FH_GRANULE ? (uint32_t)(align >> FH_GRANULE_SHIFT) : 1;
    uint32_t written = zero ? fh_zero_written(granules) : granules;
    struct fh_range dirty;
    uint32_t first = step > 1 ? fh_extent_take(granules, step, FH_LARGE, 0, &dirty)
                     : zero   ? fh_extent_take_to_write(granules, written, &dirty)
                              : fh_extent_take_to_fill(granules, 0, &dirty);
    if (first == 0) return NULL;
    void *block = begin(first, size);
    if (zero) fh_zero_make(first, dirty, written, size);
    return block;
}

void *fh_large_take_to_grow(size_t size) {
    if (size > fh_space.size) return NULL;
    uint32_t first = fh_extent_take_to_grow(granules_for(size));
    return first ? begin(first, size) : NULL;
}

/* The extent is given back from granule `from` of it on. */
static void give_from(uint32_t first, uint32_t from) {
    struct fh_untouched untouched;
    fh_zero_end(first, from, &untouched);
    fh_extent_give_in_parts(first, from, untouched.runs, untouched.count);
}

void fh_large_give(uint32_t first) { give_from(first, 0); }

/* May the pages of the extent be moved, and is it worth it? */
static bool is_movable(uint32_t first) {
    uint32_t granules = fh_space.heads[first].granules;
    return granules >= FH_MOVE_LEAST && fh_move_may_go_on() && !fh_space_has_huge(first, granules);
}

/* A longer place for the block, and its contents there: its pages are moved, or what cannot be is copied. */
static void *move(uint32_t first, size_t size) {
    struct fh_range dirty;
    bool movable = is_movable(first);
    uint32_t granules = granules_for(size), had = fh_space.heads[first].granules;
    uint32_t to = fh_extent_take_to_fill(granules, movable ? had : 0, &dirty);
    if (to == 0) return NULL;
    uint32_t moved = movable ? fh_move_pages(first, to, had) : 0;
    memcpy(fh_granule_address(to + moved), fh_granule_address(first + moved),
           (size_t)(had - moved) << FH_GRANULE_SHIFT);
    void *block = begin(to, size);
    if (movable) fh_extent_give_moved(first, moved == had);
    else fh_extent_give(first, false);
    return block;
}

void *fh_large_resize(uint32_t first, size_t size) {
    if (size > fh_space.size) return NULL;
    struct fh_head *head = &fh_space.heads[first];
    uint32_t granules = granules_for(size);
    if (granules > head->granules && !fh_extent_grow(first, granules)) return move(first, size);
    if (granules < head->granules) give_from(first, granules);
    return begin(first, size);
}
