/* bench/work/large.c - blocks of many pages.
 *
 * large-mid: a table of 64 blocks of 64 KiB to 1 MiB, replaced by chance, one word written in every page:
 * images, buffers of I/O, matrices. An allocator that returns each to the system pays a page fault for each
 * page each time; one that keeps all of them pays in memory.
 * large-zero: 16 blocks of 5 to 25 MiB, zero-filled by their user, replaced by chance: the kind of churn that
 * a new[] of big vectors makes, where it is decided by whether pages are used again while they are warm.
 * large-calloc: the same sizes by calloc, of which the program then writes only a part: memory that is known
 * to be zero need neither be cleared nor be touched. */
#include "work.h"

#define PAGE 4096

static void touch_pages(unsigned char *p, size_t size, uint64_t v) {
    for (size_t i = 0; i + sizeof v <= size; i += PAGE) memcpy(p + i, &v, sizeof v);
}

static uint64_t large_mid(double scale) {
    enum { SLOTS = 64 };
    void *table[SLOTS] = {0};
    struct rng r = {21};
    uint64_t sum = 0;
    size_t steps = scaled(400000, scale, 100);
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, SLOTS), size = rng_between(&r, 64 << 10, 1 << 20);
        if (table[at]) sum += marked(table[at]);
        free(table[at]);
        table[at] = must(malloc(size));
        touch_pages(table[at], size, i);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (table[i]) sum += marked(table[i]);
        free(table[i]);
    }
    return sum;
}

enum { BIG_SLOTS = 16, MIB = 1 << 20 };

static uint64_t large_zero(double scale) {
    unsigned char *table[BIG_SLOTS] = {0};
    struct rng r = {22};
    uint64_t sum = 0;
    size_t steps = scaled(350, scale, 20);
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, BIG_SLOTS), size = rng_between(&r, 5 * MIB, 25 * MIB);
        if (table[at]) sum += table[at][size / 5] + 1u;
        free(table[at]);
        table[at] = must(malloc(size));
        memset(table[at], 0, size);
        seen(table[at]);
    }
    for (size_t i = 0; i < BIG_SLOTS; i++) free(table[i]);
    return sum;
}

static uint64_t large_calloc(double scale) {
    unsigned char *table[BIG_SLOTS] = {0};
    struct rng r = {23};
    uint64_t sum = 0;
    size_t steps = scaled(500, scale, 20);
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, BIG_SLOTS), size = rng_between(&r, 5 * MIB, 25 * MIB);
        if (table[at]) sum += marked(table[at]);
        free(table[at]);
        table[at] = must(calloc(1, size));
        sum += table[at][size / 2] + 1u;
        touch_pages(table[at], size / 2, i);
    }
    for (size_t i = 0; i < BIG_SLOTS; i++) free(table[i]);
    return sum;
}

const struct work works_large[] = {
    {"large-mid", "64 blocks of 64 KiB to 1 MiB, replaced, each page touched", large_mid},
    {"large-zero", "16 blocks of 5 to 25 MiB, replaced, zero-filled by memset", large_zero},
    {"large-calloc", "16 blocks of 5 to 25 MiB by calloc, half of each touched", large_calloc},
    {0},
};
