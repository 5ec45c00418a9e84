/* large.c - large blocks: whole extents, grown in place where that can be, else moved by remapping.
 *
 * A large block has the granules that its size needs and no more: no rounding to powers of two. What lies
 * between the size asked for and the end of the last granule is touched by nobody, so it costs no memory.
 *
 * To resize: the same number of granules is nothing to do; fewer give their end back; more are taken from the
 * free extent behind, if there is one. Else the contents must move. Copying writes each byte and for a moment
 * holds both places, so a long block is moved by remapping its pages: the kernel changes the page tables, the
 * old place reads as zero and holds nothing. Each such move may leave one more memory map in the process, of
 * which the kernel allows 65 530; so after many of them we go back to copying. Parts of a huge page are copied
 * too: taking its pages away would split it.
 */
#include "large.h"

#include "extent.h"

#include <string.h>

enum { MOST_MOVES = 16384 };
#define REMAP_FROM ((size_t)256 * 1024)
#define ZERO_BY_WRITING ((size_t)32 << 20)

static uint32_t granules_for(size_t size) {
    return size ? (uint32_t)((size + FH_GRANULE - 1) >> FH_GRANULE_SHIFT) : 1;
}

/* Makes what lies dirty in a new block zero: by writing, or where it is very long by giving its pages back.
 * Writing is half as dear as new pages if all are used afterwards (measured on blocks of 5 to 25 MiB), but it
 * makes all of them resident, and who asks for very much zeroed memory mostly fills little of it. */
static void make_zero(uint32_t first, struct fh_range dirty, size_t size) {
    size_t from = (size_t)dirty.from << FH_GRANULE_SHIFT, to = (size_t)dirty.to << FH_GRANULE_SHIFT;
    char *start = fh_granule_address(first);
    if (to - from > ZERO_BY_WRITING && fh_os_purge(start + from, to - from)) return;
    if (to > size) to = size;
    if (from < to) memset(start + from, 0, to - from);
}

void *fh_large_take(size_t size, size_t align, bool zero) {
    if (size > fh_space.size || align > fh_space.size) return NULL;
    uint32_t granules = granules_for(size),
             step = align > FH_GRANULE ? (uint32_t)(align >> FH_GRANULE_SHIFT) : 1;
    struct fh_range dirty;
    size_t unused = ((size_t)granules << FH_GRANULE_SHIFT) - size;
    if (step == 1) fh_extent_prefer_huge(granules, unused);
    uint32_t first = fh_extent_take(granules, step, FH_LARGE, 0, &dirty);
    if (first == 0) return NULL;
    if (zero) make_zero(first, dirty, size);
    fh_space.heads[first].asked = size;
    return fh_granule_address(first);
}

void fh_large_give(uint32_t first) { fh_extent_give(first, false); }

/* Moves the pages of one block into another; false when that cannot be, and nothing has happened. */
static bool remap(uint32_t from, uint32_t to) {
    static _Atomic unsigned moves;
    size_t size = fh_large_usable(from);
    if (size < (fh_extent_is_huge(from) ? FH_HUGE_PAGE : REMAP_FROM) ||
        atomic_load_explicit(&moves, memory_order_relaxed) >= MOST_MOVES)
        return false;
    if (!fh_os_move(fh_granule_address(from), fh_granule_address(to), size)) return false;
    atomic_fetch_add_explicit(&moves, 1, memory_order_relaxed);
    return true;
}

static void *move(uint32_t first, size_t size) {
    void *block = fh_large_take(size, 1, false);
    if (block == NULL) return NULL;
    uint32_t to = (uint32_t)(fh_space_offset(block) >> FH_GRANULE_SHIFT);
    bool remapped = remap(first, to);
    if (!remapped) memcpy(block, fh_granule_address(first), fh_large_usable(first));
    fh_extent_give(first, remapped);
    return block;
}

void *fh_large_resize(uint32_t first, size_t size) {
    if (size > fh_space.size) return NULL;
    struct fh_head *head = &fh_space.heads[first];
    uint32_t granules = granules_for(size);
    if (granules > head->granules && !fh_extent_grow(first, granules)) return move(first, size);
    if (granules < head->granules) fh_extent_shrink(first, granules);
    head->asked = size;
    return fh_granule_address(first);
}
