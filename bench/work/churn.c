/* bench/work/churn.c - threads by the ten thousand.
 *
 * One thread for each connection, each task, each test: 50 000 threads live for some microseconds, at most
 * two at a time. Each allocates 48 blocks, frees 40, and leaves 8 for the thread that started it to free.
 * What an allocator keeps for a thread (cache, arena, heap) must be cheap to make, and must not stay behind
 * when the thread is gone: the peak of memory is the point here as much as the time.
 *
 * All of it runs on one processor. On two, the kernel starts a thread here or there as it likes, which doubles
 * the time of starting it and has nothing to do with the allocator. */
#include "work.h"

#define BLOCKS 48
#define LEFT 8

struct visit {
    uint64_t seed, sum;
    void *left[LEFT];
};

static void *visit(void *argument) {
    struct visit *v = argument;
    struct rng r = {v->seed};
    void *block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = rng_size(&r, 2048);
        block[i] = must(malloc(size));
        mark(block[i], size, size + v->seed);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i < LEFT) {
            v->left[i] = block[i];
            continue;
        }
        v->sum += marked(block[i]);
        free(block[i]);
    }
    return NULL;
}

static uint64_t thread_churn(double scale) {
    size_t rounds = scaled(25000, scale, 20);
    uint64_t sum = 0;
    cpu_set_t here = processor(0);
    sched_setaffinity(0, sizeof here, &here); /* which the threads inherit */
    for (size_t n = 0; n < rounds; n++) {
        struct visit v[2] = {{.seed = 2 * n}, {.seed = 2 * n + 1}};
        pthread_t t[2] = {start(visit, &v[0]), start(visit, &v[1])};
        for (size_t k = 0; k < 2; k++) {
            pthread_join(t[k], NULL);
            sum += v[k].sum;
            for (size_t i = 0; i < LEFT; i++) {
                sum += marked(v[k].left[i]);
                free(v[k].left[i]);
            }
        }
    }
    return sum;
}

const struct work works_churn[] = {
    {"thread-churn", "50 000 short threads, each leaving a few blocks behind", thread_churn},
    {0},
};
