/* extent.h - runs of granules: who wants some, who gives some back. See extent.c for how.
 *
 * One lock, the extents' lock, guards all free extents and everything in their heads. It is the last lock to be
 * taken: nothing is locked while it is held. Each function takes it itself unless it says otherwise.
 */
#ifndef FH_HEAP_EXTENT_H
#define FH_HEAP_EXTENT_H

#include "space.h"

#include "../os/os.h"

/* A part of an extent, in granules from its first on: from <= granule < to; empty when from == to. */
struct fh_range {
    uint32_t from, to;
};

/* Makes the stretch that fh_space_begin has mapped free. Once, before all else. */
void fh_extent_begin(void);

/* Takes an extent of `granules` whose first granule number is a multiple of `align` (a power of two, 1 = any).
 * The head of its first granule gets `kind`, its class table entries `class`. *dirty tells which part may have
 * been written; the rest reads as zero. Returns the first granule, 0 when there is no memory (or the limit
 * forbids it; errno is not set). */
uint32_t fh_extent_take(uint32_t granules, uint32_t align, enum fh_kind kind, uint8_t class,
                        struct fh_range *dirty);

/* The same for a large block that will be written: dirty pages are moved into what is clean of it. But the
 * pages of its first `coming` granules will be moved there from an extent of that length, which is then given
 * back by fh_extent_give_moved. */
uint32_t fh_extent_take_to_fill(uint32_t granules, uint32_t coming, struct fh_range *dirty);

/* The same for a zeroed block of which the first `written` granules will be written. Only where that is not all
 * of it are pages moved to it: those. */
uint32_t fh_extent_take_to_write(uint32_t granules, uint32_t written, struct fh_range *dirty);

/* The same for a block that has grown and will go on: at the beginning of the longest dirty extent, if that is
 * much longer, so that it can grow in place and no pages have to be moved to it. */
uint32_t fh_extent_take_to_grow(uint32_t granules);

/* Gives an extent back. `clean`: its pages hold no memory and read as zero. Its owner field must be NULL
 * already. */
void fh_extent_give(uint32_t first, bool clean);
void fh_extent_give_moved(uint32_t first, bool clean);

/* Gives a large block's extent back from granule `from` of it on, all of it where that is 0. These parts of it,
 * one behind the other, hold no memory and read as zero. */
void fh_extent_give_in_parts(uint32_t first, uint32_t from, const struct fh_range *clean, unsigned count);

/* Said before fh_extent_take by who will soon use all of what it takes, to the last page: it may then come out
 * of a huge page. */
void fh_extent_prefer_huge(uint32_t granules);

/* Makes the extent of a large block longer without moving it; false when what follows is not free or too short.
 * */
bool fh_extent_grow(uint32_t first, uint32_t granules);

/* Gives pages of extents that have been free for longer than the decay time back to the system. Cheap when
 * nothing is due. */
void fh_extent_decay(void);

/* Gives all free pages back now; returns the bytes. */
size_t fh_extent_purge_all(void);

/* Numbers, in bytes, of one moment; the lock is held. */
struct fh_extent_numbers {
    size_t used;    /* in spans and large blocks        */
    size_t dirty;   /* free, pages held                 */
    size_t purged;  /* given back so far                */
    size_t largest; /* longest dirty extent             */
    size_t peak;    /* the most that used + dirty was   */
};
void fh_extent_numbers(struct fh_extent_numbers *out);

/* In the child after a fork: what another thread was giving back at that moment is free again. */
void fh_extent_after_fork(void);

/* For fork: the lock is held across it. */
void fh_extent_lock_all(void);
void fh_extent_unlock_all(void);

/* Checks every invariant of the free extents, all locks held; says and returns false when one is broken. */
bool fh_extent_is_valid(void);

/* Under the setting limit count also bytes that are held elsewhere, for guarded blocks. False: so many more are
 * not within it, and are not counted. No lock of the guard's is held. */
bool fh_extent_charge(size_t bytes);
void fh_extent_discharge(size_t bytes);

#endif
