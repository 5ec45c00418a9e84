/* magazine.h - the arrays behind bins, and the few that each heap keeps at hand.
 *
 *     word 0    how many blocks are in it (in the depot: its capacity too)
 *     word 1    NULL: the slot below the bin's base; in the depot: link to the next magazine
 *     word 2 .. the blocks
 *
 * They come from the books (meta.h), whose lock all threads share. A thread that ends closes all its bins, and
 * the next one opens them again; bins grow; of threads where one frees what the other allocates, one makes
 * magazines and the other ends them. Each of these would take that lock once a magazine. So a heap keeps a few
 * of each size for itself, and asks for several, or gives several back, where these do not do:
 *
 *     new  <── spare[size] <── half of it at a time ── books
 *     end  ──> spare[size] ─── half of it at a time ──> books
 *
 * The idea is that of the depot and its bins once more (Bonwick and Adams 2001), for the bins' own memory.
 */
#ifndef FH_HEAP_MAGAZINE_H
#define FH_HEAP_MAGAZINE_H

#include <stdint.h>

enum {
    FH_MAGAZINE_HEAD = 2,   /* words before the slots                   */
    FH_MAGAZINE_SIZES = 12, /* 4 words ... 8192, the books' largest piece */
    FH_MAGAZINES_SPARE = 4, /* of one size, at most                     */
};

/* What a heap has at hand, under its lock; all zero = nothing. 0 <= count[i] <= FH_MAGAZINES_SPARE, and no more
 * than fit into 4 KiB; so all together are 16 KiB at most. */
struct fh_magazines {
    void **spare[FH_MAGAZINE_SIZES][FH_MAGAZINES_SPARE]; /* slot 0 of each */
    uint8_t count[FH_MAGAZINE_SIZES];
};

/* A magazine of `capacity` slots (2^k - 2, of 2 to 8190), empty; NULL without memory. Returns slot 0, here as
 * everywhere. */
void **fh_magazine_new(struct fh_magazines *at_hand, unsigned capacity);
void fh_magazine_end(struct fh_magazines *at_hand, void **base, unsigned capacity);

#endif
