/* bench/work/life.c - small objects of mixed life.
 *
 * Most objects die young, a few live long, and nobody knows at birth which is which: that is what leaves
 * holes. Time is a wheel of slots; each step frees what its slot holds and allocates 32 new objects, each
 * hung into the slot of its death.
 *
 *     now ->  [ ] [a->b] [ ] [c] ...  65 536 slots     80 % live < 64 steps, 15 % < 2048, 5 % < 65 536
 *
 * Sizes follow the usual power law up to 1 KiB. About 60 000 objects are alive at a time. life-2 runs two
 * such programs on two threads that share nothing: what is slower then is the allocator. */
#include "work.h"

struct object {
    struct object *next;
    uint64_t value;
};

#define SLOTS 65536u
#define BIRTHS 32

static size_t lifetime(struct rng *r) {
    size_t kind = rng_below(r, 100);
    return 1 + rng_below(r, kind < 80 ? 63 : kind < 95 ? 2047 : SLOTS - 1);
}

static uint64_t free_slot(struct object **slot) {
    uint64_t sum = 0;
    for (struct object *o = *slot, *next; o; o = next) {
        next = o->next;
        sum += o->value;
        free(o);
    }
    *slot = NULL;
    return sum;
}

static uint64_t live(struct rng r, size_t steps) {
    struct object **wheel = must(calloc(SLOTS, sizeof *wheel));
    uint64_t sum = 0;
    for (size_t now = 0; now < steps; now++) {
        sum += free_slot(&wheel[now % SLOTS]);
        for (size_t i = 0; i < BIRTHS; i++) {
            size_t size = rng_size(&r, 1024) + sizeof(struct object);
            struct object *o = must(malloc(size));
            struct object **death = &wheel[(now + lifetime(&r)) % SLOTS];
            *o = (struct object){*death, now * size};
            ((unsigned char *)o)[size - 1] = (unsigned char)i;
            *death = o;
        }
    }
    for (size_t i = 0; i < SLOTS; i++) sum += free_slot(&wheel[i]);
    free(wheel);
    return sum;
}

static uint64_t life_1(double scale) { return live((struct rng){1}, scaled(1200000, scale, 100)); }

static void *life_thread(void *argument) {
    struct part *part = argument;
    part->sum = live((struct rng){part->index + 1}, scaled(600000, part->scale, 100));
    return NULL;
}

static uint64_t life_2(double scale) { return on_threads(2, life_thread, scale, NULL); }

const struct work works_life[] = {
    {"life-1", "small objects with power-law sizes and mixed lifetimes", life_1},
    {"life-2", "the same on two threads that share nothing", life_2},
    {0},
};
