/* untouched.c - what of a large block nobody ever touched.
 *
 * A block whose pages are to come from the system has them only where the program has touched it. Of a buffer
 * "large enough for anything" that is the beginning. The system can be asked which pages are there (mincore:
 * 0.6 µs for each MiB, where a page costs 2 µs to get), so that what holds nothing is clean when the block is
 * freed, and only the rest is dirty:
 *
 *     block     | touched     | nothing there                  |
 *     freed     | dirty       | clean                          |
 *
 * Else the next block in the place would find all of it dirty: calloc would write it all, and so make it
 * resident; and others' memory would be given back to the system in exchange for what was never held.
 *
 * The answer may be wrong: a page that was swapped out is told as not there; of parts above 4 MiB only the
 * beginning is looked at; and a page that was only read counts as touched. So it is taken for what it is, a
 * guess: what is told to hold nothing is given back to the system all the same, which costs next to nothing
 * where it is true.
 */
#include "untouched.h"

#include "../os/os.h"

enum { AT_ONCE = 4096, MOST_OF_PART = 1024 }; /* pages */

static uint32_t count_there(const unsigned char *there, uint32_t pages) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < pages; i++) count += there[i] & 1;
    return count;
}

bool fh_untouched_look(uint32_t first, uint32_t granules, struct fh_touched *touched) {
    uint32_t in_granule = (uint32_t)(FH_GRANULE / fh_os_page_size()),
             parts = granules < FH_PARTS ? granules : FH_PARTS;
    unsigned char there[AT_ONCE], *at = there;
    bool whole = granules <= AT_ONCE / in_granule;
    *touched = (struct fh_touched){.parts = parts};
    if (whole && !fh_os_resident(fh_granule_address(first), (size_t)granules << FH_GRANULE_SHIFT, there))
        return false;
    for (uint32_t i = 0; i < parts; i++) {
        uint32_t from = fh_part_start(granules, i, parts), to = fh_part_start(granules, i + 1, parts),
                 pages = (to - from) * in_granule;
        if (!whole && pages > MOST_OF_PART) pages = MOST_OF_PART;
        if (!whole && !fh_os_resident(fh_granule_address(first + from), pages * fh_os_page_size(), there))
            return false;
        touched->pages[i] = count_there(at, pages);
        touched->looked_at += pages;
        if (whole) at += pages;
    }
    return true;
}

void fh_untouched_add(struct fh_untouched *untouched, uint32_t first, uint32_t from, uint32_t to) {
    if (from >= to) return;
    if (!fh_os_purge(fh_granule_address(first + from), (size_t)(to - from) << FH_GRANULE_SHIFT)) return;
    untouched->runs[untouched->count++] = (struct fh_range){from, to};
}
