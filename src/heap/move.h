/* move.h - pages that change their place in the window. See move.c. */
#ifndef FH_HEAP_MOVE_H
#define FH_HEAP_MOVE_H

#include "space.h"

/* Fewer granules than this are cheaper to copy, or to ask the system for anew. */
enum { FH_MOVE_LEAST = 4 };

/* Moves the pages of `granules` granules, from the first on: afterwards those at `from` hold nothing and read
 * as zero, and what the ones at `to` held is gone. Returns how many were moved before the system refused. Needs
 * no lock: both places are the caller's. */
uint32_t fh_move_pages(uint32_t from, uint32_t to, uint32_t granules);

/* In how many maps the granules lie, at most. */
uint32_t fh_move_maps(uint32_t first, uint32_t granules);

/* Makes one map of granules that hold nothing, where they may be several. They are the caller's. */
void fh_move_mend(uint32_t first, uint32_t granules);

/* May pages still be moved, as far as the number of memory maps goes? */
bool fh_move_may_go_on(void);

#endif
