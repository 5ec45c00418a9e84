/* bench/work/threadtest.c - threads that share nothing.
 *
 * Each of four threads allocates 4000 objects and frees them, over and over. From the tests of Hoard (Berger,
 * McKinley, Blumofe, Wilson, ASPLOS 2000). A perfect allocator does here what it does with one thread: any
 * lock, any shared cache line shows. threadtest uses one size; threadtest-sizes mixes them. */
#include "work.h"

#define THREADS 4
#define OBJECTS 4000

static void *one_size(void *argument) {
    struct part *part = argument;
    uint64_t *object[OBJECTS];
    size_t rounds = scaled(6000, part->scale, 5);
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < OBJECTS; i++) {
            object[i] = must(malloc(64));
            object[i][0] = i + r;
        }
        for (size_t i = 0; i < OBJECTS; i++) {
            part->sum += object[i][0];
            free(object[i]);
        }
    }
    return NULL;
}

static void *sizes(void *argument) {
    struct part *part = argument;
    struct rng r = {part->index};
    void *object[OBJECTS];
    size_t rounds = scaled(4000, part->scale, 5);
    for (size_t n = 0; n < rounds; n++) {
        for (size_t i = 0; i < OBJECTS; i++) {
            size_t size = rng_size(&r, 1024);
            object[i] = must(malloc(size));
            mark(object[i], size, i * size);
        }
        for (size_t i = 0; i < OBJECTS; i++) {
            part->sum += marked(object[i]);
            free(object[i]);
        }
    }
    return NULL;
}

static uint64_t threadtest(double scale) { return on_threads(THREADS, one_size, scale, NULL); }
static uint64_t threadtest_sizes(double scale) { return on_threads(THREADS, sizes, scale, NULL); }

const struct work works_threadtest[] = {
    {"threadtest", "four threads allocate and free 4000 objects of 64 bytes", threadtest},
    {"threadtest-sizes", "the same with sizes to 1 KiB", threadtest_sizes},
    {0},
};
