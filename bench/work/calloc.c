/* bench/work/calloc.c - zeroed blocks of all sizes.
 *
 * Interpreters and libraries that always call calloc. Small ones are cleared by hand, so what counts there is
 * that the clearing is inlined well; middle ones (4 to 128 KiB) cost more to clear than to find. Every block is
 * dirtied before it is freed, and a word in the middle is checked to be zero. */
#include "work.h"

static uint64_t calloc_mix(double scale) {
    enum { SLOTS = 4000 };
    static unsigned char *table[SLOTS];
    struct rng r = {41};
    uint64_t sum = 0;
    size_t steps = scaled(10000000, scale, 1000);
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, SLOTS),
               size = i % 32 ? rng_size(&r, 4096) : rng_between(&r, 4 << 10, 128 << 10);
        if (table[at]) sum += marked(table[at]);
        free(table[at]);
        unsigned char *p = table[at] = must(calloc(1, size));
        sum += p[size / 2] ? 1000003u : 1u;
        memset(p, (int)(i | 1), size < 256 ? size : 256);
        p[size / 2] = 1;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (table[i]) sum += marked(table[i]);
        free(table[i]);
        table[i] = NULL;
    }
    return sum;
}

const struct work works_calloc[] = {
    {"calloc-mix", "zeroed blocks of 8 bytes to 128 KiB, replaced by chance", calloc_mix},
    {0},
};
