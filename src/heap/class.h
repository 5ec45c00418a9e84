/* class.h - the size classes in numbers.
 *
 * The public header says which sizes are classes (fh_class_of, fh_class_size). Here is what the heap derives
 * from that, in tables filled when the heap begins:
 *
 *     fh_class_table[(size + 15) / 16]   the class of a size up to FH_SMALL_MAX; entry 0 is class 0. All zero until
 *                                        the heap begins: so the first call of a process finds class 0, whose bin
 *                                        is never open, and takes the slow path, which begins the heap.
 *     fh_classes[c]                      what a span of class c looks like
 *
 * A span is one granule, whatever its blocks: the largest stand there two by two, and what is left behind the
 * last one is touched by nobody. Longer spans would be filled to the last byte, and a new one be wanted more
 * seldom. But of a long span some block is nearly always in use, and while it is, the others serve no other
 * class; a short one becomes empty, and with it its pages everybody's.
 *
 *     block    8K 10K 12K 14K 16K 20K 24K 28K 32K
 *     blocks    8   6   5   4   4   3   2   2   2
 */
#ifndef FH_HEAP_CLASS_H
#define FH_HEAP_CLASS_H

#include "space.h"

struct fh_class {
    uint32_t size;        /* bytes in a block                                                 */
    uint32_t in_granule;  /* 2^32 / size + 1: see fh_block_number                             */
    uint16_t blocks;      /* blocks in a span, at most 4096                                   */
    uint8_t worth;        /* a span with at least 2^worth free blocks is worth going to       */
    uint16_t bin_most;    /* the largest capacity that a bin may grow to                      */
    uint16_t bin_one_way; /* the same for a bin that only ever runs full                   */
};

/* Whole cache lines, so that nothing that is written lies on the last: every malloc of every thread reads it.
 * */
enum { FH_CLASS_TABLE_SIZE = (FH_SMALL_MAX / 16 + 1 + 63) / 64 * 64 };
extern _Alignas(64) uint8_t fh_class_table[FH_CLASS_TABLE_SIZE] __attribute__((visibility("hidden")));
/* The class of a size up to FH_SMALL_MAX. Other threads may be here while the first one fills the table: they
 * see 0, and take the slow path, where they wait. */
static inline unsigned fh_class_for(size_t size) { return FH_READ(fh_class_table[(size + 15) / 16]); }

/* Written when the heap begins, and read in every slow path after that. */
extern _Alignas(64) struct fh_class fh_classes[FH_CLASS_COUNT] __attribute__((visibility("hidden")));

/* How many spans of class c there are now, in all heaps. On lines of their own, as spans begin and end all the
 * time. */
enum { FH_CLASS_SPANS_SIZE = (FH_CLASS_COUNT + 15) / 16 * 16 };
extern _Alignas(64) _Atomic uint32_t fh_class_spans[FH_CLASS_SPANS_SIZE] __attribute__((visibility("hidden")));

void fh_class_begin(void);

/* The number of the block of class c in which the byte at `offset` of the span lies. A division by
 * multiplication: the product of an offset below 64 KiB and 2^32 / size + 1 is too large by less than 2^16,
 * which is less than what one byte makes: never enough to reach the next block. */
static inline uint32_t fh_block_number(const struct fh_class *class, uint32_t offset) {
    return (uint32_t)((uint64_t)offset * class->in_granule >> 32);
}

/* The same; and for the same reason the product's low half tells whether a block begins there, which is
 * returned. */
static inline bool fh_block_in_granule(uint32_t in_granule, uint32_t offset, uint32_t *number) {
    uint64_t product = (uint64_t)offset * in_granule;
    __asm__("" : "+r"(product)); /* one multiplication: the compiler would make it three */
    *number = (uint32_t)(product >> 32);
    return (uint32_t)product < in_granule;
}

/* Set bits in x. Not the builtin: without the processor's instruction, which the oldest x86-64 lacks, that is a
 * call. */
static inline unsigned fh_count_bits(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(x * 0x0101010101010101u >> 56);
}

#endif
