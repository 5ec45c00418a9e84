/* zero.c - large zeroed blocks: what is written, what is of new pages?
 *
 * What lies dirty in a block from calloc can be made zero in two ways:
 *
 *     write it     all of it is resident then, and warm                     0.1 to 0.4 µs a page
 *     give its     they come again, zero, one by one as they are            0.3 µs for each, and 2 µs for
 *     pages back   touched: what is never touched costs nothing             each that is touched
 *
 * (On a virtual machine.) Writing is right for blocks that will be filled; new pages are right for what is
 * never used: of buffers "large enough for anything" the end, of hash tables nearly all. They take less time
 * and less memory both. Nobody says which it will be; but programs go on as they began. So when a block is
 * freed of which some pages were new, the heap looks at which of them are there (untouched.c), and notes its
 *
 *     reach     in 16ths of the block: the end of its last part of which more than a 16th was touched
 *
 * for blocks of about that size. The next blocks get dirty memory for the largest reach of the last few, and
 * clean memory behind it:
 *
 *     block     | dirty: written      | clean          |
 *               0                   reach              16
 *     freed     | dirty               | clean          |     as it was seen, or as it was foretold
 *
 * One in LOOK_AT is looked at once it is known how blocks of the size are used. Of a block that was written as
 * a whole nothing is learnt: so one in EXPLORE is of new pages all the same, in ever fewer the longer that has
 * shown nothing else. Above 32 MiB a block counts as hardly touched until one shows that it is not: who asks
 * for so much zeroed memory mostly fills little of it. It is a guess about cost and never about contents.
 */
#include "zero.h"

#include "../base/assume.h"
#include "../os/os.h"
#include "untouched.h"

#include <string.h>

enum {
    LOOK_AT = 4,     /* one freed block in so many is looked at        */
    EXPLORE = 64,    /* one block in so many is of new pages, at most, */
    SUREST = 6,      /* and one in so many << SUREST at least          */
    SMALLEST = 18,   /* log2 of LEAST                                  */
    SIZES = 10,      /* powers of two from there on                    */
    BEGIN_SMALL = 7, /* of these, those that begin as filled ones      */
    LATELY = 4,      /* looks that are remembered                      */
    USED = 16,       /* 1 / USED of a part touched is much             */
};

#define LEAST ((size_t)1 << SMALLEST) /* 256 KiB: below that a call costs more than writing */
#define LEAST_GRANULES (uint32_t)(LEAST >> FH_GRANULE_SHIFT)
#define FILLED 0x10101010u /* FH_PARTS in each byte */

/* What is known of blocks of about one size. Guesses: threads may overwrite each other's. */
static struct {
    _Atomic uint32_t reaches; /* the last LATELY that were seen, a byte each */
    _Atomic uint32_t seen;    /* how many, up to LATELY                      */
    _Atomic uint32_t made, freed;
    _Atomic uint32_t sure; /* how often in a row exploring showed that they are filled, up to SUREST */
} sizes[SIZES] = {[0 ... BEGIN_SMALL - 1] = {.reaches = FILLED}};

#define GET(word) atomic_load_explicit(&(word), memory_order_relaxed)
#define SET(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed)

static bool one_in(_Atomic uint32_t *counter, uint32_t many) {
    return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) % many == many - 1;
}

static unsigned size_index(uint32_t granules) {
    unsigned log = 31 - (unsigned)__builtin_clz(granules | LEAST_GRANULES),
             i = log + FH_GRANULE_SHIFT - SMALLEST;
    return i < SIZES ? i : SIZES - 1;
}

static uint32_t largest(uint32_t reaches) {
    uint32_t most = 0;
    for (; reaches; reaches >>= 8)
        if ((reaches & 0xff) > most) most = reaches & 0xff;
    return most;
}

/* Granules of so many up to which blocks of the size were touched lately. */
static uint32_t foretold(uint32_t granules) {
    uint32_t reach = largest(GET(sizes[size_index(granules)].reaches));
    return (uint32_t)(((uint64_t)granules * reach + FH_PARTS - 1) / FH_PARTS);
}

uint32_t fh_zero_written(uint32_t granules) {
    if (granules < LEAST_GRANULES) return granules;
    unsigned i = size_index(granules);
    return one_in(&sizes[i].made, (uint32_t)EXPLORE << GET(sizes[i].sure)) ? 0 : foretold(granules);
}

/* Gives back what is dirty behind the granules to be written. Returns the end of what then still is dirty. */
static uint32_t give_back_end(uint32_t first, struct fh_range dirty, uint32_t written) {
    uint32_t from = dirty.from > written ? dirty.from : written;
    if (dirty.to < from + LEAST_GRANULES) return dirty.to;
    size_t length = (size_t)(dirty.to - from) << FH_GRANULE_SHIFT;
    return fh_os_purge(fh_granule_address(first + from), length) ? from : dirty.to;
}

void fh_zero_make(uint32_t first, struct fh_range dirty, uint32_t written, size_t size) {
    uint32_t end = give_back_end(first, dirty, written);
    fh_space.heads[first].new_from = end > dirty.from ? end : 0;
    size_t from = (size_t)dirty.from << FH_GRANULE_SHIFT, to = (size_t)end << FH_GRANULE_SHIFT;
    if (to > size) to = size;
    if (from < to) memset(fh_granule_address(first) + from, 0, to - from);
}

/* ---- what is learnt ---- */

/* In 16ths: the end of the last part of which more than hardly anything is there. */
static uint32_t reach_of(const struct fh_touched *touched) {
    uint32_t reach = touched->parts;
    FH_ASSUME(reach > 0);
    while (reach && touched->pages[reach - 1] * USED * touched->parts <= touched->looked_at) reach--;
    return (reach * FH_PARTS + touched->parts - 1) / touched->parts;
}

/* Of a block that was written up to new_from no more is known than that it needs no more. One of which all
 * pages were new counts for two, and the first of a size for all. */
static void learn(uint32_t granules, uint32_t new_from, uint32_t reach) {
    unsigned i = size_index(granules);
    uint32_t reaches = GET(sizes[i].reaches), seen = GET(sizes[i].seen), sure = GET(sizes[i].sure),
             times = seen == 0  ? LATELY
                     : new_from ? 1
                                : 2,
             written = (uint32_t)(((uint64_t)new_from * FH_PARTS + granules - 1) / granules);
    if (reach <= written) {
        if (written >= largest(reaches)) return;
        reach = written;
    }
    for (uint32_t k = 0; k < times; k++) reaches = reaches << 8 | reach;
    SET(sizes[i].reaches, reaches);
    SET(sizes[i].seen, seen + times < LATELY ? seen + times : LATELY);
    SET(sizes[i].sure, reach < FH_PARTS ? 0 : sure < SUREST ? sure + 1 : sure);
}

/* All pages of a block were new though more was foretold: that happens seldom, and tells most. */
static bool looks(uint32_t granules, uint32_t new_from) {
    unsigned i = size_index(granules);
    return GET(sizes[i].seen) < LATELY || (new_from == 0 && foretold(granules)) ||
           one_in(&sizes[i].freed, LOOK_AT);
}

/* The parts of the block, from granule `from` on, that hold nothing. */
static void add_untouched(struct fh_untouched *untouched, uint32_t first, uint32_t from, uint32_t granules,
                          const struct fh_touched *touched) {
    for (uint32_t i = 0, begin; i < touched->parts; i++) {
        for (begin = i; i < touched->parts && touched->pages[i] == 0;) i++;
        if (i > begin)
            fh_untouched_add(untouched, first, from + fh_part_start(granules, begin, touched->parts),
                             from + fh_part_start(granules, i, touched->parts));
    }
}

void fh_zero_end(uint32_t first, uint32_t from, struct fh_untouched *untouched) {
    const struct fh_head *head = &fh_space.heads[first];
    uint32_t granules = head->granules - from;
    struct fh_touched touched;
    untouched->count = 0;
    if (head->new_from >= head->granules || granules < LEAST_GRANULES) return;
    if (from == 0 && !looks(granules, head->new_from)) {
        uint32_t reach = foretold(granules);
        fh_untouched_add(untouched, first, reach > head->new_from ? reach : head->new_from, granules);
    } else if (fh_untouched_look(first + from, granules, &touched)) {
        if (from == 0) learn(granules, head->new_from, reach_of(&touched));
        add_untouched(untouched, first, from, granules, &touched);
    }
}
