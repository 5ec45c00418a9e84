/* bench/work/aligned.c - blocks with an alignment.
 *
 * Vectors for SIMD (32 and 64 bytes), lock words on cache lines of their own, pages for direct I/O (4096).
 * Some allocators serve them by asking for more and cutting, which wastes both time and room. The checksum
 * counts blocks that are not aligned as asked. (256 is left out on purpose: mimalloc 2.0.9 gives some such
 * blocks at 128 only, and a row with a wrong answer has no ratio.) */
#include "work.h"

static uint64_t aligned(double scale) {
    enum { SLOTS = 20000 };
    static const size_t aligns[] = {16, 32, 32, 64, 64, 64, 128, 128, 32, 64};
    void **table = must(calloc(SLOTS, sizeof *table));
    struct rng r = {51};
    uint64_t sum = 0;
    size_t steps = scaled(24000000, scale, 1000);
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, SLOTS), size = rng_size(&r, 2048);
        size_t align = i % 500 == 0 ? 4096 : aligns[rng_below(&r, 10)];
        void *p = NULL;
        if (posix_memalign(&p, align, size) != 0) p = NULL;
        sum += (uintptr_t)must(p) % align; /* never adds */
        if (table[at]) sum += marked(table[at]);
        free(table[at]);
        table[at] = p;
        mark(p, size, size ^ align);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (table[i]) sum += marked(table[i]);
        free(table[i]);
    }
    free(table);
    return sum;
}

const struct work works_aligned[] = {
    {"aligned", "blocks aligned to 16 to 4096 bytes, replaced by chance", aligned},
    {0},
};
