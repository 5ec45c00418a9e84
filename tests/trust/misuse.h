/* misuse.h - what the programs of wrong uses share: misuse.c, misuse_wide.c and
 * misuse_text.c.
 *
 *     misuse NAME      makes the mistake; comes back to "survived" when nobody stopped it
 *     misuse --list    all names
 *
 * Each mistake is made with plain calls that the compiler may not take away. Some allocations before it keep it
 * from being the first block of everything. outcomes.py knows what must come of each in each mode.
 */
#ifndef TRUST_MISUSE_H
#define TRUST_MISUSE_H

#include <freehold/heap.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 24, MEDIUM = 2000, LARGE = 100000 };

/* What the compiler knows about a pointer ends here. */
static inline void *hide(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static volatile unsigned char seen;

static inline unsigned char *block(size_t size) {
    unsigned char *p = hide(malloc(size));
    if (p == NULL) exit(9);
    for (size_t i = 0; i < size; i++) p[i] = (unsigned char)(i | 1);
    return p;
}

static inline void give(void *p) { free(hide(p)); }

static inline void *freed(size_t size) {
    void *p = block(size);
    give(p);
    return hide(p);
}

/* Without a 0. */
static inline char *text_of(size_t size) { return (char *)memset(block(size), 'a', size); }

static inline void put(unsigned char *p, ptrdiff_t at, unsigned char value) {
    ((volatile unsigned char *)hide(p))[at] = value;
}

static inline void get(unsigned char *p, ptrdiff_t at) { seen = ((volatile unsigned char *)hide(p))[at]; }

/* Lets so much pass through the heap that a block freed before would have been used again. */
static inline void pass(size_t size, size_t bytes) {
    for (size_t done = 0; done < bytes; done += size) give(hide(malloc(size)));
}

struct misuse {
    const char *name;
    void (*run)(void);
};
#define CASE(name) \
    { #name, name }

static inline int run_misuse(const struct misuse *cases, size_t count, int argc, char **argv) {
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], "--list") == 0) puts(cases[i].name);
        if (argc < 2 || strcmp(argv[1], cases[i].name) != 0) continue;
        for (size_t size = 8; size < 3000; size = size * 3 / 2) block(size);
        cases[i].run();
        puts("survived");
    }
    return 0;
}

#endif
