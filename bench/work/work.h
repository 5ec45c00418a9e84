/* bench/work/work.h - what the workloads share.
 *
 * A workload is a pure function of its scale: it asks malloc and free for memory in some pattern that real
 * programs show, and returns a checksum of what it stored there and read back. It knows no allocator: the
 * runner preloads one. Rules that each workload keeps:
 *
 *     same scale  =>  same calls per thread, same checksum, whatever the allocator or the schedule
 *     every block is written before it is freed, and read back from where it was written
 *     sums of several threads are added, so the order in which threads end does not matter
 *
 * The compiler may remove a malloc whose block is never seen. seen() shows it one, without costing an
 * instruction, and the build says -fno-builtin-malloc besides. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
    const char *name;              /* the row's name in the tables                                    */
    const char *about;             /* one line: what it does                                          */
    uint64_t (*run)(double scale); /* scale 1 takes about a second; returns the checksum              */
};

/* Each family of workloads is an array that ends with an empty entry. main.c lists the families. */
extern const struct work works_pair[], works_bulk[], works_list[], works_tree[], works_life[], works_replace[];
extern const struct work works_larson[], works_queue[], works_exchange[], works_churn[], works_threadtest[];
extern const struct work works_share[], works_grow[], works_large[], works_fragment[], works_calloc[];
extern const struct work works_aligned[], works_strings[], works_server[];

/* n times the scale, at least `least`. */
static inline size_t scaled(size_t n, double scale, size_t least) {
    double x = (double)n * scale;
    return x < (double)least ? least : (size_t)x;
}

/* The block, which the compiler must now believe somebody looks at. */
static inline void *seen(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

/* The block, or the end of the program: a benchmark that ran out of memory has no result. */
static inline void *must(void *p) {
    if (__builtin_expect(p == NULL, 0)) {
        fputs("bench: out of memory\n", stderr);
        exit(3);
    }
    return seen(p);
}

/* ---------------------------------------------------------------- numbers by chance ------------------- */

/* splitmix64 (Steele, Lea, Flood 2014): one add and a mix, good enough here and the same everywhere. */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r) {
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number in [0, n), n at most 2^32. */
static inline size_t rng_below(struct rng *r, size_t n) { return (size_t)(((rng_next(r) >> 32) * n) >> 32); }

/* A number in [low, high]. */
static inline size_t rng_between(struct rng *r, size_t low, size_t high) {
    return low + rng_below(r, high - low + 1);
}

/* A size with the law that programs show: each doubling is half as frequent as the one below it. Between 8
 * and `most` bytes, most a power of two, at least 16. */
static inline size_t rng_size(struct rng *r, size_t most) {
    uint64_t bits = rng_next(r);
    size_t base = (size_t)8 << __builtin_ctzll(bits | (most >> 4));
    return base + (size_t)((bits >> 32) % base) + 1;
}

/* ---------------------------------------------------------------- marks in blocks ---------------------- */

/* Writes v into the first eight bytes and one byte of it into the last. size >= 8. */
static inline void mark(void *p, size_t size, uint64_t v) {
    memcpy(p, &v, sizeof v);
    ((unsigned char *)p)[size - 1] = (unsigned char)v;
}

/* What mark wrote in front. */
static inline uint64_t marked(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* ---------------------------------------------------------------- threads ------------------------------ */

/* Most threads that one workload starts at a time. */
#define MAX_THREADS 16

static inline pthread_t start_with(const pthread_attr_t *how, void *(*body)(void *), void *argument) {
    pthread_t t;
    if (pthread_create(&t, how, body, argument) != 0) {
        fputs("bench: no thread\n", stderr);
        exit(3);
    }
    return t;
}

static inline pthread_t start(void *(*body)(void *), void *argument) {
    return start_with(NULL, body, argument);
}

/* The `index`-th of the processors that this process may use, counted round and round. */
static inline cpu_set_t processor(size_t index) {
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all) != 0) return one;
    size_t nth = index % (size_t)CPU_COUNT(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && nth-- == 0) CPU_SET(cpu, &one);
    return one;
}

/* A thread that stays on the index-th processor. Left to the scheduler, two threads that wake each other may
 * end up on one processor in one run and on two in the next: the blocks then cross from cache to cache or do
 * not, and the row is several times as dear or not. Equal numbers for each processor starve none. */
static inline pthread_t start_on(size_t index, void *(*body)(void *), void *argument) {
    cpu_set_t where = processor(index);
    pthread_attr_t how;
    pthread_attr_init(&how);
    if (CPU_COUNT(&where)) pthread_attr_setaffinity_np(&how, sizeof where, &where);
    pthread_t t = start_with(&how, body, argument);
    pthread_attr_destroy(&how);
    return t;
}

/* What one of several equal threads is told, and what it answers. */
struct part {
    size_t index;
    double scale;
    void *shared;
    uint64_t sum;
};

/* Runs body on `n` threads, spread over the processors, waits for all, and adds their sums. */
static inline uint64_t on_threads(size_t n, void *(*body)(void *), double scale, void *shared) {
    pthread_t thread[MAX_THREADS];
    struct part part[MAX_THREADS];
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        part[i] = (struct part){.index = i, .scale = scale, .shared = shared};
        thread[i] = start_on(i, body, &part[i]);
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(thread[i], NULL);
        sum += part[i].sum;
    }
    return sum;
}

#endif
