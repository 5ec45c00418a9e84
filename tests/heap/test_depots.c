/* test_depots.c - blocks that travel between threads by depots (src/heap/depot.h).
 *
 * Between many, on a machine that is told to have 64 processors: there a class has several depots, which the
 * machines at hand with their few processors would not have. Half of the threads allocate, half free; each
 * block's contents are verified where it is freed, and in the end the books must be sound and nothing may be
 * live or kept back.
 *
 * And between two, after one of them has freed for long without anybody's allocating; and that what lies there
 * is had by whoever allocates, stays while the depot is in use, and is given back when it has not been for a
 * while.
 */
#include "heap/magazine.h"
#include "names.h"
#include "runner.h"
#include "support.h"

#include <freehold.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* Of the library's inside. */
void fh_depot_begin(unsigned processors);
bool fh_heap_is_valid(bool quiet);
size_t fh_depot_blocks(unsigned c);
void **fh_depot_get_idle(unsigned c, bool all, struct fh_magazines *at_hand, unsigned *capacity);

/* The library's clock stands, so that nobody but the tests tidies up. */
uint64_t __wrap_fh_os_ticks(void);
uint64_t __wrap_fh_os_ticks(void) { return 1; }

enum { PAIRS = 24, BATCH = 500, SIZES = 4 };

/* Under slow tools a few must do. */
static int batches(void) { return memory_is_measurable() ? 120 : 6; }

struct batch {
    struct batch *next;
    uint64_t seed;
    void *block[BATCH];
};

static _Atomic(struct batch *) waiting; /* a stack that is only ever taken as a whole */
static atomic_int producing;
static _Atomic size_t most_at_depots;

static size_t size_of(uint64_t tag) { return (size_t[SIZES]){16, 64, 200, 1000}[tag % SIZES]; }

static void *produces(void *arg) {
    struct rng rng = {(uintptr_t)arg};
    for (int n = batches(); n > 0; n--) {
        struct batch *batch = t_malloc(sizeof *batch);
        CHECK(batch);
        batch->seed = rng_next(&rng);
        for (unsigned i = 0; i < BATCH; i++) {
            uint64_t tag = batch->seed + i;
            batch->block[i] = t_malloc(size_of(tag));
            CHECK(batch->block[i]);
            pattern_fill(batch->block[i], size_of(tag), tag);
        }
        batch->next = atomic_load(&waiting);
        while (!atomic_compare_exchange_weak(&waiting, &batch->next, batch)) {}
    }
    atomic_fetch_sub(&producing, 1);
    return NULL;
}

static void free_batch(struct batch *batch) {
    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t tag = batch->seed + i;
        pattern_verify(batch->block[i], size_of(tag), size_of(tag), tag);
        t_free(batch->block[i]);
    }
    t_free(batch);
}

static void *consumes(void *arg) {
    (void)arg;
    for (;;) {
        bool last = atomic_load(&producing) == 0; /* asked first: what came before it is seen below */
        struct batch *batch = atomic_exchange(&waiting, NULL);
        if (batch == NULL && last) return NULL;
        if (batch == NULL) sched_yield();
        for (struct batch *next; batch; batch = next) {
            next = batch->next;
            free_batch(batch);
        }
        size_t there = fh_depot_blocks(fh_class_of(64));
        if (there > atomic_load(&most_at_depots)) atomic_store(&most_at_depots, there);
    }
}

static void blocks_of_many_threads_travel_by_several_depots(void **state) {
    (void)state;
    pthread_t t[2 * PAIRS];
    t_free(t_malloc(1)); /* the heap begins, and asks how many processors there are */
    fh_depot_begin(64);
    atomic_store(&producing, PAIRS);
    for (uintptr_t i = 0; i < PAIRS; i++) {
        CHECK(pthread_create(&t[2 * i], NULL, produces, (void *)i) == 0);
        CHECK(pthread_create(&t[2 * i + 1], NULL, consumes, NULL) == 0);
    }
    for (int i = 0; i < 2 * PAIRS; i++) CHECK(pthread_join(t[i], NULL) == 0);
    CHECK(!memory_is_measurable() || atomic_load(&most_at_depots) > 0);
    CHECK(fh_heap_is_valid(false));
    fh_trim();
    struct fh_stats stats;
    fh_stats_now(&stats);
    CHECKF(stats.live < 100000, "%zu bytes are live", stats.live);
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) CHECK(fh_depot_blocks(c) == 0);
    CHECK(fh_heap_is_valid(false));
}

/* ---- two threads ---- */

enum { SIZE = 64, MANY = 200000, FEW = 20000 };
static void *blocks[MANY];

static void allocate(unsigned count) {
    for (unsigned i = 0; i < count; i++) CHECK((blocks[i] = t_malloc(SIZE)) != NULL);
}

static void *frees(void *count) {
    for (uintptr_t i = 0; i < (uintptr_t)count; i++) t_free(blocks[i]);
    return NULL;
}

/* What a thread that only frees leaves at the depot is of no use while nobody allocates, and goes back to its
 * spans. Once somebody allocates again it is of use again. */
static void a_depot_is_used_again_after_a_thread_that_only_freed(void **state) {
    (void)state;
    pthread_t thread;
    unsigned c = fh_class_of(SIZE);
    allocate(MANY);
    CHECK(pthread_create(&thread, NULL, frees, (void *)(uintptr_t)MANY) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECKF(fh_depot_blocks(c) == 0, "%zu blocks lie at the depot and nobody wants them", fh_depot_blocks(c));
    allocate(FEW);
    CHECK(pthread_create(&thread, NULL, frees, (void *)(uintptr_t)FEW) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(!memory_is_measurable() || fh_depot_blocks(c) > 0);
}

enum { LITTLE = 1000 }; /* all of them find room at the depot */

/* A thread frees some blocks; then a good part of them lies at the depot. */
static void leave_some(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, frees, (void *)(uintptr_t)LITTLE) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(fh_depot_blocks(fh_class_of(SIZE)) >= LITTLE / 2);
}

static bool take_idle(bool all) {
    static struct fh_magazines at_hand;
    unsigned capacity;
    void **base = fh_depot_get_idle(fh_class_of(SIZE), all, &at_hand, &capacity);
    if (base == NULL) return false;
    for (unsigned i = 0; i < capacity; i++) t_free(base[i]);
    fh_magazine_end(&at_hand, base, capacity);
    return true;
}

/* Nothing lies there, and it has not been used since the last look. */
static void empty_the_depot(void) {
    while (take_idle(true)) {}
    CHECK(!take_idle(false));
}

static void free_all(unsigned count) {
    for (unsigned i = 0; i < count; i++) t_free(blocks[i]);
}

static void what_lies_at_a_depot_is_had_by_whoever_allocates(void **state) {
    (void)state;
    if (!memory_is_measurable()) return; /* slow tools have locks and bins of their own */
    allocate(LITTLE);
    empty_the_depot();
    leave_some();
    allocate(4 * LITTLE);
    CHECKF(fh_depot_blocks(fh_class_of(SIZE)) == 0, "%zu blocks lie there still",
           fh_depot_blocks(fh_class_of(SIZE)));
    free_all(4 * LITTLE);
}

/* Two looks by who tidies up, without use between them, make a depot idle. */
static void an_idle_depot_is_emptied_and_one_in_use_is_not(void **state) {
    (void)state;
    if (!memory_is_measurable()) return;
    allocate(LITTLE);
    empty_the_depot();
    leave_some();
    CHECK(!take_idle(false));
    CHECK(take_idle(false)); /* and nobody came by */
    while (take_idle(false)) {}
    CHECK(fh_depot_blocks(fh_class_of(SIZE)) == 0);

    allocate(LITTLE);
    empty_the_depot();
    leave_some();
    CHECK(!take_idle(false));
    size_t before = fh_depot_blocks(fh_class_of(SIZE)), taken = 0;
    while (fh_depot_blocks(fh_class_of(SIZE)) == before)
        CHECK(taken < LITTLE && (blocks[taken++] = t_malloc(SIZE)));
    CHECK(!take_idle(false)); /* one was taken, so it is in use */
    CHECK(take_idle(false));
    free_all((unsigned)taken);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_depot_is_used_again_after_a_thread_that_only_freed),
        cmocka_unit_test(what_lies_at_a_depot_is_had_by_whoever_allocates),
        cmocka_unit_test(an_idle_depot_is_emptied_and_one_in_use_is_not),
        cmocka_unit_test(blocks_of_many_threads_travel_by_several_depots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
