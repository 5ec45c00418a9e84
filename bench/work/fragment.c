/* bench/work/fragment.c - holes.
 *
 * fragment: a program loads 60 MB of objects of many sizes, drops nine of ten by chance, then goes on with
 * sizes that the holes do not fit; and again. A compacting collector would not notice. An allocator can only
 * choose well where to put things: the peak of memory says how well it did.
 * phases: a program that does one thing after another, each with its own size of object, 64 MB of each, all
 * freed at the end of the phase. Memory that a size once had must serve the next size. */
#include "work.h"

static uint64_t drop_some(void **block, size_t count, size_t keep_one_in, struct rng *r) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!block[i] || (keep_one_in && rng_below(r, keep_one_in) == 0)) continue;
        sum += marked(block[i]);
        free(block[i]);
        block[i] = NULL;
    }
    return sum;
}

static uint64_t fragment(double scale) {
    enum { BLOCKS = 300000 };
    static const size_t base[] = {0, 48, 16, 112, 32, 80};
    void **block = must(calloc(BLOCKS, sizeof *block));
    struct rng r = {31};
    uint64_t sum = 0;
    size_t rounds = scaled(48, scale, 2);
    for (size_t n = 0; n < rounds; n++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = base[n % 6] + rng_size(&r, 2048);
            if (block[i]) continue; /* one of the tenth that stayed */
            block[i] = must(malloc(size));
            mark(block[i], size, size * n);
        }
        sum += drop_some(block, BLOCKS, 10, &r);
    }
    sum += drop_some(block, BLOCKS, 0, &r);
    free(block);
    return sum;
}

static uint64_t phases(double scale) {
    enum { BYTES = 64 << 20 };
    static const size_t sizes[] = {32, 96, 24, 400, 64, 1500, 48, 160};
    void **block = must(calloc(BYTES / 24, sizeof *block));
    struct rng r = {0};
    uint64_t sum = 0;
    size_t rounds = scaled(48, scale, 2);
    for (size_t n = 0; n < rounds; n++) {
        size_t size = sizes[n % 8], count = BYTES / size;
        for (size_t i = 0; i < count; i++) {
            block[i] = must(malloc(size));
            mark(block[i], size, i + n);
        }
        sum += drop_some(block, count, 0, &r);
    }
    free(block);
    return sum;
}

const struct work works_fragment[] = {
    {"fragment", "300 000 blocks of many sizes; nine in ten freed, then other sizes", fragment},
    {"phases", "64 MB of one size, all freed, then of the next size", phases},
    {0},
};
