/* bench/work/pair.c - a block is asked for and given back at once.
 *
 * The shortest life there is: a temporary, a closure, a boxed number. It measures the fast path alone, with
 * everything in the first cache. Every allocator paper opens with this loop. pair-32 stays in one class;
 * pair-mixed walks through sizes from 8 to 1024, so that the look-up of the class and the bins of many
 * classes count too. */
#include "work.h"

static uint64_t pair_32(double scale) {
    size_t n = scaled(100000000, scale, 1000);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t *p = must(malloc(32));
        p[0] = i;
        sum += *(uint64_t *)seen(p);
        free(p);
    }
    return sum;
}

static uint64_t pair_mixed(double scale) {
    size_t n = scaled(80000000, scale, 1000);
    uint64_t sum = 0;
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        size = (size + 392) & 1023; /* 128 sizes in a fixed order, a multiple of 8 each */
        uint64_t *p = must(malloc(size + 8));
        p[0] = i + size;
        sum += *(uint64_t *)seen(p);
        free(p);
    }
    return sum;
}

const struct work works_pair[] = {
    {"pair-32", "malloc and free of 32 bytes, one after the other", pair_32},
    {"pair-mixed", "malloc and free at once, sizes 8 to 1024 in turn", pair_mixed},
    {0},
};
