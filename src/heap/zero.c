/* zero.c - large zeroed blocks: written, or of new pages?
 *
 * What lies dirty in a block from calloc can be made zero in two ways:
 *
 *     write it     all of it is resident then, and warm                     0.1 to 0.4 µs a page
 *     give its     they come again, zero, one by one as they are            3 µs for the call, and 3 µs for
 *     pages back   touched: what is never touched costs nothing             each that is touched
 *
 * (On a virtual machine.) Writing is right for blocks that will be filled; new pages are right for long ones of
 * which little is used, as hash tables and buffers "large enough for anything" are: they take less time and
 * less memory both. Nobody says which it will be; but programs go on as they began. So the heap looks: a block
 * that had its pages from the system is asked, when it is freed, which of them are there (mincore). It is a
 * guess about cost and never about contents, so it does not matter that the answer may be wrong (a page that
 * was swapped out is told as not there).
 *
 *     leaning   from -MOST (they are filled) to +MOST (they are not): +1 for a block of which hardly anything was
 *               touched, -2 for another
 *     calloc    leaning > 0: new pages. Else written, but for one in EXPLORE, from which something can be learnt;
 *               in ever fewer the surer it is that they are filled
 *
 * Above 32 MiB pages are given back in any case: who asks for so much zeroed memory mostly fills little of it.
 */
#include "zero.h"

#include "../os/os.h"

#include <string.h>

enum {
    MOST = 8,          /* how far one leans                                          */
    LOOK_AT = 4,       /* one in so many freed blocks is looked at                    */
    EXPLORE = 64,      /* one in so many is of new pages against the leaning, at most, */
    EXPLORE_LATE = 64, /* and one in so many times as many at least                     */
    USED = 16,         /* 1 / USED of a block touched is much                         */
    PAGES = 256,       /* looked at, at most: they stand for the whole block          */
};

#define LEAST ((size_t)256 << 10) /* below that a call costs more than writing */
#define ALWAYS_NEW ((size_t)32 << 20)

static _Atomic int leaning;
static _Atomic unsigned made, freed;

static int leans(void) { return atomic_load_explicit(&leaning, memory_order_relaxed); }

static bool one_in(_Atomic unsigned *counter, unsigned many) {
    return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) % many == many - 1;
}

static unsigned explore(void) {
    int against = -leans(); /* others may have changed it meanwhile */
    unsigned times = against > 0 ? 1u << (unsigned)against : 1;
    return EXPLORE * (times < EXPLORE_LATE ? times : EXPLORE_LATE);
}

static bool wants_new_pages(size_t size) {
    if (size < LEAST || size > ALWAYS_NEW) return size > ALWAYS_NEW;
    return leans() > 0 || one_in(&made, explore());
}

void fh_zero_make(uint32_t first, struct fh_range dirty, size_t size) {
    size_t from = (size_t)dirty.from << FH_GRANULE_SHIFT, to = (size_t)dirty.to << FH_GRANULE_SHIFT;
    char *start = fh_granule_address(first);
    bool is_new = from >= to || (wants_new_pages(to - from) && fh_os_purge(start + from, to - from));
    fh_space.heads[first].new_pages = is_new;
    if (is_new) return;
    if (to > size) to = size;
    if (from < to) memset(start + from, 0, to - from);
}

void fh_zero_learn(uint32_t first) {
    struct fh_head *head = &fh_space.heads[first];
    if (!head->new_pages || head->asked < LEAST || !one_in(&freed, LOOK_AT)) return;
    size_t page = fh_os_page_size(), pages = (head->asked + page - 1) / page, touched = 0;
    unsigned char there[PAGES];
    if (pages > PAGES) pages = PAGES;
    if (!fh_os_resident(fh_granule_address(first), pages * page, there)) return;
    for (size_t i = 0; i < pages; i++) touched += there[i] & 1;
    int now = leans() + (touched <= pages / USED ? 1 : -2);
    if (now < -MOST) now = -MOST;
    if (now > MOST) now = MOST;
    atomic_store_explicit(&leaning, now, memory_order_relaxed);
}
