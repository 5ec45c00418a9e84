/* test_guard_region.c - the region of guarded blocks when it is small, full, or has been gone through.
 *
 *     comes round     places are used again once the region has been gone through, never one of a block in use
 *     full            what finds no place comes from the heap proper, and guarding goes on when there is one again
 *     most            no more than guard_most are in use at once
 *     records         no more than there are records of them
 *     forgotten       an access long after the free, when nothing is known of the block any more, is stopped still
 *     large first     of the first blocks in mode=checked large ones no more than 32 MiB in all
 *     one in so many  blocks are guarded with guard_sample, on average; in fast mode no more
 *     no region       where the system gives none, the heap goes on without
 *
 * The region is as large as the address space of the process allows, when the heap begins: so the program runs
 * itself again with the limit that each part needs. What is run is the static library, whose region it looks
 * at.
 */
#include "../heap/support.h"
#include "heap/guard.h"

#include <freehold/heap.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* ---- comes round ---- */

enum { KEPT = 100, ROUNDS = 20000 };

static void places_come_again_but_not_those_in_use(void) {
    static unsigned char *kept[KEPT];
    static size_t size[KEPT];
    struct rng rng = {.state = 1};
    uintptr_t last = 0;
    unsigned turns = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned k = (unsigned)rng_below(&rng, KEPT);
        if (kept[k]) pattern_verify(kept[k], size[k], size[k], k);
        if (rng_below(&rng, 3) == 0 || kept[k] == NULL) {
            fh_free(kept[k]);
            size[k] = (size_t)rng_below(&rng, i % 7 == 0 ? 30000 : 300);
            kept[k] = fh_malloc(size[k]);
            CHECK(kept[k] && fh_guard_owns(kept[k]));
            pattern_fill(kept[k], size[k], k);
        }
        unsigned char *p = fh_malloc(24);
        CHECK(p && fh_guard_owns(p));
        turns += (uintptr_t)p < last;
        last = (uintptr_t)p;
        memset(p, 1, 24);
        fh_free(p);
    }
    CHECKF(fh_guard_size < (size_t)ROUNDS * 8192, "the region is of %zu bytes", fh_guard_size);
    CHECKF(turns > 1, "came back to the start %u times", turns);
    for (unsigned k = 0; k < KEPT; k++) {
        if (kept[k]) pattern_verify(kept[k], size[k], size[k], k);
        fh_free(kept[k]);
    }
}

/* ---- full ---- */

enum { MANY = 16384 };

static void what_finds_no_place_is_not_guarded(void) {
    static unsigned char *block[MANY];
    unsigned guarded = 0, n = 0;
    for (; n < MANY && (n == 0 || fh_guard_owns(block[n - 1])); n++) {
        block[n] = fh_malloc(5000);
        CHECK(block[n] != NULL);
        pattern_fill(block[n], 5000, n);
        guarded += fh_guard_owns(block[n]);
    }
    CHECKF(guarded > 100 && guarded < n, "%u of %u are guarded", guarded, n);
    CHECK(!fh_guard_owns(block[n - 1]));
    for (unsigned i = 0; i < n; i++) {
        pattern_verify(block[i], 5000, 5000, i);
        fh_free(block[i]);
    }
    unsigned char *again = fh_malloc(5000);
    CHECK(again && fh_guard_owns(again));
    fh_free(again);
}

static void no_more_than_the_setting_allows(void) {
    enum { MOST = 50 }; /* as in the environment, below */
    unsigned char *block[MOST * 2];
    unsigned guarded = 0;
    for (unsigned i = 0; i < MOST * 2; i++) {
        block[i] = fh_malloc(100);
        CHECK(block[i] != NULL);
        guarded += fh_guard_owns(block[i]);
    }
    CHECKF(guarded <= MOST && guarded > MOST / 2, "%u are guarded", guarded);
    for (unsigned i = 0; i < MOST * 2; i++) fh_free(block[i]);
}

/* ---- forgotten ---- */

static void an_old_place(void) {
    enum { NEWER = 70000 }; /* more than there are records outside mode=guard */
    volatile unsigned char *p = fh_malloc(32);
    CHECK(fh_guard_owns((void *)(uintptr_t)p));
    fh_free((void *)(uintptr_t)p);
    for (unsigned i = 0; i < NEWER; i++) fh_free(fh_malloc(0)); /* a guard page alone */
    p[3] = 1;
}

/* ---- records ---- */

/* A block without a byte takes a guard page and no memory, so there can be as many as there are records. */
static void no_more_than_there_are_records(void) {
    enum { MANY_RECORDS = (1 << 16) + 4 };
    static void *block[MANY_RECORDS];
    unsigned guarded = 0;
    for (unsigned i = 0; i < MANY_RECORDS; i++) {
        CHECK((block[i] = fh_malloc(0)) != NULL);
        guarded += fh_guard_owns(block[i]);
    }
    CHECKF(guarded == (1 << 16) - 1 && !fh_guard_owns(block[MANY_RECORDS - 1]), "%u are guarded", guarded);
    for (unsigned i = 0; i < MANY_RECORDS; i++) fh_free(block[i]);
    unsigned char *again = fh_malloc(50);
    CHECK(fh_guard_owns(again));
    fh_free(again);
}

/* ---- large first ---- */

static void of_the_first_ones_not_too_many_are_large(void) {
    enum { BLOCKS = 20 };
    unsigned guarded = 0;
    for (unsigned i = 0; i < BLOCKS; i++) {
        void *p = fh_malloc(3 * MIB);
        CHECK(p);
        guarded += fh_guard_owns(p);
        fh_free(p);
    }
    CHECKF(guarded == 10, "%u of 3 MiB are guarded", guarded);
    void *small = fh_malloc(100), *huge = fh_malloc(100 * MIB);
    CHECK(small && fh_guard_owns(small));
    CHECK(huge && !fh_guard_owns(huge));
    fh_free(small);
    fh_free(huge);
}

/* ---- one in so many ---- */

enum { ALL = 20000, ONE_IN = 50 };

/* Each in turn waits for 1 to 100 others. The bounds are seven times as far from the mean as it may stray by
 * itself. */
static unsigned count_sampled(void) {
    static unsigned char *block[ALL];
    unsigned guarded = 0;
    for (unsigned i = 0; i < ALL; i++) {
        block[i] = fh_malloc(40);
        CHECK(block[i]);
        guarded += fh_guard_owns(block[i]);
    }
    for (unsigned i = 0; i < ALL; i++) fh_free(block[i]);
    CHECKF(guarded < ALL / ONE_IN * 6 / 5, "%u of %u are guarded", guarded, ALL);
    return guarded;
}

static void one_in_so_many_is_guarded(void) {
    unsigned guarded = count_sampled();
    CHECKF(guarded > ALL / ONE_IN * 4 / 5, "%u of %u are guarded", guarded, ALL);
}

static void some_are_guarded(void) { CHECK(count_sampled() > 0); }

/* ---- no region ---- */

static void goes_on_without(void) {
    for (unsigned i = 0; i < 1000; i++) {
        unsigned char *p = fh_malloc(i);
        CHECK(p && !fh_guard_owns(p));
        memset(p, 1, i);
        fh_free(p);
    }
}

/* ---- each in a process of its own ---- */

static struct part {
    char name[40];
    void (*body)(void);
    char settings[64];
    size_t address_space; /* 0 = no limit */
} parts[] = {
    {"comes round", places_come_again_but_not_those_in_use, "FREEHOLD=mode=guard,guard_align=64", 512 * MIB},
    {"comes round at the start of pages", places_come_again_but_not_those_in_use,
     "FREEHOLD=mode=guard,guard=start", 512 * MIB},
    {"full", what_finds_no_place_is_not_guarded, "FREEHOLD=mode=guard,guard_most=60000", 512 * MIB},
    {"most", no_more_than_the_setting_allows, "FREEHOLD=mode=guard,guard_most=50", 0},
    {"forgotten", an_old_place, "FREEHOLD=mode=checked,guard_first=200000", 0},
    {"records", no_more_than_there_are_records, "FREEHOLD=guard_most=1M,guard_first=1M,mode=checked", 0},
    {"large first", of_the_first_ones_not_too_many_are_large, "FREEHOLD=mode=checked", 0},
    {"one in so many", one_in_so_many_is_guarded, "FREEHOLD=mode=checked,guard_first=0,guard_sample=50", 0},
    {"one in so many at most", some_are_guarded, "FREEHOLD=guard_sample=50", 0},
    {"no region", goes_on_without, "FREEHOLD=mode=guard", 100 * MIB},
};

static int run_part(struct part *part) {
    struct rlimit limit = {part->address_space, part->address_space};
    if (part->address_space) CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    char program[] = "/proc/self/exe", limited[] = "limited";
    char *const argv[] = {program, part->name, limited, NULL}, *const env[] = {part->settings, NULL};
    execve(program, argv, env);
    return 3;
}

int main(int argc, char **argv) {
    for (struct part *part = parts; part < parts + sizeof parts / sizeof *parts; part++) {
        if (argc == 1) {
            struct outcome out;
            char program[] = "/proc/self/exe";
            char *const again[] = {program, part->name, NULL};
            run_program(&out, again, NULL, 100);
            if (part->body != an_old_place) check_clean(&out, part->name);
            else CHECKF(!out.exited && strstr(out.text, "not known any more"), "%d: %s", out.code, out.text);
        } else if (strcmp(part->name, argv[1]) == 0) {
            if (argc == 2) return run_part(part);
            part->body();
        }
    }
    return 0;
}
