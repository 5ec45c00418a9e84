/* bench/work/replace.c - random replacement in a large table.
 *
 * A cache that is full: each step picks an entry by chance, frees it and puts a new one of another size in
 * its place. After a while the heap is in the steady state of a long-running program, where free blocks lie
 * scattered among live ones; nearly every free misses the cache. This is the inner loop of Larson's test
 * (Larson and Krishnan, ISMM 1998) without its threads; larson.c has those. */
#include "work.h"

static uint64_t replace(struct rng r, size_t slots, size_t most, size_t steps) {
    void **table = must(calloc(slots, sizeof *table));
    uint64_t sum = 0;
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, slots), size = rng_size(&r, most);
        if (table[at]) sum += marked(table[at]);
        free(table[at]);
        table[at] = must(malloc(size));
        mark(table[at], size, i ^ size);
    }
    for (size_t i = 0; i < slots; i++) {
        if (table[i]) sum += marked(table[i]);
        free(table[i]);
    }
    free(table);
    return sum;
}

static uint64_t replace_1(double scale) {
    return replace((struct rng){3}, 400000, 1024, scaled(16000000, scale, 100));
}

static void *replace_thread(void *argument) {
    struct part *part = argument;
    part->sum = replace((struct rng){part->index}, 25000, 512, scaled(10000000, part->scale, 100));
    return NULL;
}

static uint64_t replace_4(double scale) { return on_threads(4, replace_thread, scale, NULL); }

const struct work works_replace[] = {
    {"replace-1", "random replacement in a table of 400 000 blocks", replace_1},
    {"replace-4", "four threads, each replacing in a table of 25 000 blocks", replace_4},
    {0},
};
