/* depot.h - full magazines on their way from threads that free to threads that allocate.
 *
 * The array behind a bin is a magazine. A thread that only frees leaves its whole magazine here when it is
 * full, and goes on with an empty one; a thread whose bin is empty takes a full one from here. So where one
 * thread allocates and another frees, blocks travel by the hundred for the price of one lock that is hardly
 * ever waited for, and no span is looked at. The scheme is that of Bonwick and Adams, "Magazines and Vmem"
 * (2001), but for one thing: a thread that does both keeps its blocks to itself (bin.c says why).
 *
 *     word 0    how many blocks are in it (in the depot: its capacity too)
 *     word 1    NULL: the slot below the bin's base; in the depot: link to the next magazine
 *     word 2 .. the blocks
 *
 * The depot of a class holds at most a quarter of the class's blocks, within bounds; what is above goes back to
 * the spans. Nobody waits at a depot: who finds it locked goes to the spans.
 */
#ifndef FH_HEAP_DEPOT_H
#define FH_HEAP_DEPOT_H

#include "class.h"

enum { FH_MAGAZINE_HEAD = 2 }; /* words before the slots */

/* A magazine of `capacity` slots (2^k - 2), empty; NULL without memory. Returns slot 0, here as everywhere. */
void **fh_magazine_new(unsigned capacity);
void fh_magazine_end(void **base, unsigned capacity);

/* Is there room for a magazine of this capacity? */
bool fh_depot_has_room(unsigned c, unsigned capacity);

/* Leaves a full magazine of class c; false when there is no room for it or the depot is locked. */
bool fh_depot_put(unsigned c, void **base, unsigned capacity);

/* Takes a full magazine of class c; NULL when there is none or the depot is locked. */
void **fh_depot_get(unsigned c, unsigned *capacity);

/* `count` blocks found no room in the depot and went to their spans. Where many more than it holds have done so
 * since anyone took from it, the program is freeing and not allocating: what lies in the depot is of no use,
 * and keeps spans from becoming empty. Then a magazine of it is returned, to be given back too; else NULL. */
void **fh_depot_overflowed(unsigned c, unsigned count, unsigned *capacity);

/* Takes one from a depot that nobody has used for as long as the tidying interval, or (`all`) from any. */
void **fh_depot_get_idle(unsigned c, bool all, unsigned *capacity);

/* Blocks in the depot of class c. */
size_t fh_depot_blocks(unsigned c);

/* Shows each magazine's blocks; the depots are locked (fh_depot_lock_all). */
void fh_depot_show(unsigned c, void (*visit)(void *arg, void *const *blocks, unsigned count), void *arg);

void fh_depot_lock_all(void);
void fh_depot_unlock_all(void);

#endif
