/* loops.h - what the owners' loops in C and C++ share: how many, the same random numbers, and how they are
 * timed.
 *
 *     PROGRAM REPETITIONS       prints for each loop: its name, nanoseconds per operation, a checksum
 *
 * The least of all repetitions counts: what disturbs a loop only ever adds. keep() makes the compiler believe
 * that the thing is looked at, as Rust's black_box does, so nothing is optimised away; nothing else is held
 * back. owners.rs has the same for Rust.
 */
#ifndef OWN_LOOPS_H
#define OWN_LOOPS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PAIRS = 1000000, BULK = 1000, LIST = 1000000, PUSHES = 1000000, KEYS = 200000 };

static inline void keep(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

/* The same numbers in each language: splitmix64. */
static uint64_t random_state;
static inline uint64_t next_random(void) {
    uint64_t z = (random_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct loop {
    const char *name;
    uint64_t (*run)(void);
    int operations;
};

static inline int time_loops(const struct loop *loops, size_t count, int argc, char **argv) {
    int repetitions = argc > 1 ? atoi(argv[1]) : 5;
    for (size_t l = 0; l < count; l++) {
        double best = 1e30;
        uint64_t sum = 0;
        for (int i = 0; i < repetitions; i++) {
            double began = now();
            sum = loops[l].run();
            double took = now() - began;
            if (took < best) best = took;
        }
        printf("%s %.3f %llu\n", loops[l].name, best / loops[l].operations, (unsigned long long)sum);
    }
    return 0;
}

#endif
