/* depot.h - full magazines on their way from threads that free to threads that allocate.
 *
 * The array behind a bin is a magazine (magazine.h). A thread that only frees leaves its whole magazine here
 * when it is full, and takes an empty one along; a thread whose bin is empty leaves that and takes a full one.
 * So where one thread allocates and another frees, blocks travel by the hundred for the price of one lock that
 * is hardly ever waited for, and no span is looked at. The scheme is that of Bonwick and Adams, "Magazines and
 * Vmem" (2001), but for one thing: a thread that does both keeps its blocks to itself (bin.c says why).
 *
 * On a machine of many processors one lock a class would be what all wait for: so a class has several depots
 * there, one for about eight threads. Which one is a heap's is its `shard`; who finds nothing to take in its
 * own looks into the next few.
 *
 * The depots of a class hold at most a quarter of the class's blocks together, within bounds; what is above
 * goes back to the spans. Nobody waits at a depot: who finds it locked goes to the spans.
 */
#ifndef FH_HEAP_DEPOT_H
#define FH_HEAP_DEPOT_H

#include "class.h"
#include "magazine.h"

/* As many depots for each class as so many processors are worth; one until then. */
void fh_depot_begin(unsigned processors);

/* The shard of the heap that is made as the `number`th. */
uint8_t fh_depot_shard(unsigned number);

/* Leaves a full magazine of class c. Returns an empty one of the same capacity instead; NULL, and the full one
 * stays the caller's, when there is no room for it, the depot is locked, or there is no memory. */
void **fh_depot_change_full(unsigned c, unsigned shard, struct fh_magazines *at_hand, void **full,
                            unsigned capacity);

/* Leaves an empty magazine of *capacity slots, and returns a full one of class c for it, whose capacity is in
 * *capacity then. NULL, and the empty one stays the caller's, when there is none or the depots are locked. */
void **fh_depot_change_empty(unsigned c, unsigned shard, struct fh_magazines *at_hand, void **empty,
                             unsigned *capacity);

/* `count` blocks found no room in the depot and went to their spans. Where many more than it holds have done so
 * since anyone took from it, the program is freeing and not allocating: what lies in the depot is of no use,
 * and keeps spans from becoming empty. Then a magazine of it is returned, to be given back too; else NULL. */
void **fh_depot_overflowed(unsigned c, unsigned shard, unsigned count, unsigned *capacity);

/* Takes a full one from a depot that nobody has used for as long as the tidying interval, or (`all`) from any.
 * Where there is none any more, the empty ones go as well. */
void **fh_depot_get_idle(unsigned c, bool all, struct fh_magazines *at_hand, unsigned *capacity);

/* Blocks in the depots of class c. */
size_t fh_depot_blocks(unsigned c);

/* Shows each full magazine's blocks; the depots are locked (fh_depot_lock_all). */
void fh_depot_show(unsigned c, void (*visit)(void *arg, void *const *blocks, unsigned count), void *arg);

/* Do the depots of class c hold what they say? They are locked. */
bool fh_depot_is_valid(unsigned c);

void fh_depot_lock_all(void);
void fh_depot_unlock_all(void);

#endif
