/* bench/work/share.c - false sharing.
 *
 * Two small blocks in one cache line, each written by another thread, cost a transfer of the line per write.
 * An allocator can cause that in two ways (both tests from Hoard's, ASPLOS 2000):
 *
 *     cache-thrash     actively: two threads ask at the same time and get neighbours
 *     cache-scratch    passively: one thread asks for neighbours, hands them out; the others free theirs, and
 *                      the next malloc gives the shared line right back
 *
 * Each block is written a few hundred times between its malloc and its free. */
#include "work.h"

#define THREADS 2
#define SIZE 8
#define WRITES 300

static uint64_t write_and_free(volatile unsigned char *p) {
    uint64_t sum = 0;
    for (size_t w = 0; w < WRITES; w++) {
        for (size_t b = 0; b < SIZE; b++) p[b] = (unsigned char)(w + b);
        sum += p[w % SIZE];
    }
    free((void *)p);
    return sum;
}

static void *work_on_it(void *argument) {
    struct part *part = argument;
    unsigned char **given = part->shared;
    if (given) part->sum += write_and_free(given[part->index]);
    size_t n = scaled(400000, part->scale, 10);
    for (size_t i = 0; i < n; i++) part->sum += write_and_free(must(malloc(SIZE)));
    return NULL;
}

static uint64_t cache_thrash(double scale) { return on_threads(THREADS, work_on_it, scale, NULL); }

static uint64_t cache_scratch(double scale) {
    unsigned char *given[THREADS];
    for (size_t i = 0; i < THREADS; i++) given[i] = must(malloc(SIZE));
    return on_threads(THREADS, work_on_it, scale, given);
}

const struct work works_share[] = {
    {"cache-thrash", "two threads write small blocks of their own", cache_thrash},
    {"cache-scratch", "the same after one thread has handed out neighbours", cache_scratch},
    {0},
};
