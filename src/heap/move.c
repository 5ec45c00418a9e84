/* move.c - pages that change their place in the window.
 *
 * The kernel can hang the pages of one place into another: it changes the page tables and touches no byte.
 * A page so moved costs a hundredth of one that is given back here and asked for anew there:
 *
 *     before   from | A B C D |          to | ? ? ? ? |
 *     after    from | - - - - |          to | A B C D |      `from` holds nothing and reads as zero
 *
 * A block that grows keeps its contents so, and what lies dirty in pieces comes to where it is wanted.
 *
 * Each such move may leave more memory maps in the process, of which the kernel allows 65 530: a map ends where
 * pages from elsewhere begin or end. So the granules at which one may end are marked, and counted; what is
 * moved from one map to a place is one there too, and when there are very many, nothing is moved any more.
 *
 * Parts of a huge page should stay where they are (large.c, extent.c): taking its pages away would split it.
 */
#include "move.h"

#include "../os/os.h"

enum { MOST_BORDERS = 16384 };

static _Atomic uint32_t borders;

static void set_border(uint32_t g) {
    if (g < fh_space.mapped &&
        !(__atomic_fetch_or(&fh_space.pages[g], FH_BORDER, __ATOMIC_RELAXED) & FH_BORDER))
        atomic_fetch_add_explicit(&borders, 1, memory_order_relaxed);
}

static void clear_border(uint32_t g) {
    if (!(__atomic_load_n(&fh_space.pages[g], __ATOMIC_RELAXED) & FH_BORDER)) return;
    __atomic_fetch_and(&fh_space.pages[g], (uint8_t)~FH_BORDER, __ATOMIC_RELAXED);
    atomic_fetch_sub_explicit(&borders, 1, memory_order_relaxed);
}

/* The place has become a map of its own. */
static void note_map(uint32_t g, uint32_t granules) {
    set_border(g);
    for (uint32_t i = 1; i < granules; i++) clear_border(g + i);
    set_border(g + granules);
}

bool fh_move_may_go_on(void) { return atomic_load_explicit(&borders, memory_order_relaxed) < MOST_BORDERS; }

/* The kernel moves only what lies in one map: how many granules from g on do? */
static uint32_t in_one_map(uint32_t g, uint32_t granules) {
    uint32_t n = 1;
    while (n < granules && !(__atomic_load_n(&fh_space.pages[g + n], __ATOMIC_RELAXED) & FH_BORDER)) n++;
    return n;
}

uint32_t fh_move_maps(uint32_t first, uint32_t granules) {
    uint32_t maps = 0;
    for (uint32_t n = 0; n < granules; maps++) n += in_one_map(first + n, granules - n);
    return maps;
}

uint32_t fh_move_pages(uint32_t from, uint32_t to, uint32_t granules) {
    uint32_t moved = 0;
    while (moved < granules && fh_move_may_go_on()) {
        uint32_t n = in_one_map(from + moved, granules - moved);
        if (!fh_os_move(fh_granule_address(from + moved), fh_granule_address(to + moved),
                        (size_t)n << FH_GRANULE_SHIFT))
            break;
        note_map(to + moved, n);
        moved += n;
    }
    if (moved) note_map(from, moved);
    return moved;
}

void fh_move_mend(uint32_t first, uint32_t granules) {
    uint32_t n = in_one_map(first, granules);
    if (n == granules || !fh_os_map_anew(fh_granule_address(first), (size_t)granules << FH_GRANULE_SHIFT))
        return;
    for (; n < granules; n++) clear_border(first + n);
}
