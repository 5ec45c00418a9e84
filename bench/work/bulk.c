/* bench/work/bulk.c - a thousand blocks are asked for, then all given back.
 *
 * A request, a frame of a game, a pass of a compiler: memory rises, then falls to where it was. Bins that
 * are too small for the burst spend it in their slow path. bulk-1000 frees in the order of allocation (first
 * in, first out: what loops over arrays do); bulk-stack frees backwards, as unwinding does; bulk-sizes mixes
 * sizes to 512 bytes. */
#include "work.h"

#define BURST 1000

static uint64_t bulk_1000(double scale) {
    uint64_t *block[BURST], sum = 0;
    size_t rounds = scaled(100000, scale, 10);
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < BURST; i++) {
            block[i] = must(malloc(32));
            block[i][0] = r + i;
        }
        for (size_t i = 0; i < BURST; i++) {
            sum += block[i][0];
            free(block[i]);
        }
    }
    return sum;
}

static uint64_t bulk_stack(double scale) {
    uint64_t *block[BURST], sum = 0;
    size_t rounds = scaled(100000, scale, 10);
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < BURST; i++) {
            block[i] = must(malloc(64));
            block[i][0] = r ^ i;
        }
        for (size_t i = BURST; i-- > 0;) {
            sum += block[i][0];
            free(block[i]);
        }
    }
    return sum;
}

static uint64_t bulk_sizes(double scale) {
    void *block[BURST];
    uint64_t sum = 0;
    struct rng r = {11};
    size_t rounds = scaled(60000, scale, 10);
    for (size_t n = 0; n < rounds; n++) {
        for (size_t i = 0; i < BURST; i++) {
            size_t size = rng_size(&r, 512);
            block[i] = must(malloc(size));
            mark(block[i], size, size + i);
        }
        for (size_t i = 0; i < BURST; i++) {
            sum += marked(block[i]);
            free(block[i]);
        }
    }
    return sum;
}

const struct work works_bulk[] = {
    {"bulk-1000", "1000 blocks of 32 bytes allocated, then freed in the same order", bulk_1000},
    {"bulk-stack", "1000 blocks of 64 bytes allocated, then freed backwards", bulk_stack},
    {"bulk-sizes", "1000 blocks of 8 to 512 bytes allocated, then freed", bulk_sizes},
    {0},
};
