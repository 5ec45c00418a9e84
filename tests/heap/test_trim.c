/* test_trim.c - what fh_trim gives back of spans in which some blocks are still in use: the pages beside them,
 * and nothing of the blocks.
 */
#include <freehold.h>

#include "runner.h"
#include "support.h"

#include <pthread.h>
#include <string.h>

/* Of the library's inside. */
bool fh_heap_is_valid(bool quiet);

#define MIB ((size_t)1 << 20)
enum { MOST = 400000 };

static unsigned char *block[MOST];
static struct fh_heap *own; /* NULL: the thread's */

static void *get(size_t size) { return own ? fh_heap_malloc(own, size) : fh_malloc(size); }

/* 32 MiB of blocks of one size are filled, and freed but for one in `step`. */
static unsigned leave_holes(size_t size, unsigned step) {
    unsigned count = (unsigned)(32 * MIB / size);
    CHECK(count <= MOST);
    for (unsigned i = 0; i < count; i++) {
        CHECK((block[i] = get(size)) != NULL);
        pattern_fill(block[i], size, i);
    }
    for (unsigned i = 0; i < count; i++) {
        if (i % step == step / 2) continue;
        fh_free(block[i]);
        block[i] = NULL;
    }
    return count;
}

static void verify_those_left(size_t size, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (block[i]) pattern_verify(block[i], size, SIZE_MAX, i);
}

/* What was given back is as free as before: all of it can be had and used again. */
static void fill_holes(size_t size, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (block[i]) continue;
        CHECK((block[i] = get(size)) != NULL);
        pattern_fill(block[i], size, i);
    }
    verify_those_left(size, count);
    CHECK(fh_heap_is_valid(false));
}

static void free_all(unsigned count) {
    for (unsigned i = 0; i < count; i++) fh_free(block[i]);
}

static void check_one_size(size_t size) {
    unsigned step = size <= 4096 ? (unsigned)(64 * 1024 / size) : 16, count = leave_holes(size, step);
    size_t before = rss_now(), given = fh_trim(), after = rss_now();
    verify_those_left(size, count);
    if (memory_is_measurable() && !heap_is_checked()) {
        CHECKF(given >= 20 * MIB, "blocks of %zu bytes: only %zu bytes were given back", size, given);
        CHECKF(after + 19 * MIB < before, "blocks of %zu bytes: %zu KiB were resident, and %zu after it", size,
               before / 1024, after / 1024);
        size_t again = fh_trim();
        CHECKF(again < MIB, "a second time %zu bytes were given back", again);
    }
    fill_holes(size, count);
    free_all(count);
    fh_trim();
}

static void pages_beside_blocks_in_use_go_back(void **state) {
    (void)state;
    static const size_t sizes[] = {96, 112, 128, 200, 1000, 1024, 2500, 4096, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_one_size(sizes[i]);
}

static void those_of_a_heap_of_the_programs_own_too(void **state) {
    (void)state;
    CHECK((own = fh_heap_new(0)) != NULL);
    check_one_size(112);
    check_one_size(2500);
    fh_heap_drop(own);
    own = NULL;
}

static void *leave_and_end(void *count) {
    *(unsigned *)count = leave_holes(224, 300);
    return NULL;
}

static void those_that_a_thread_has_left_too(void **state) {
    (void)state;
    pthread_t thread;
    unsigned count;
    CHECK(pthread_create(&thread, NULL, leave_and_end, &count) == 0 && pthread_join(thread, NULL) == 0);
    size_t given = fh_trim();
    if (memory_is_measurable() && !heap_is_checked())
        CHECKF(given >= 20 * MIB, "only %zu bytes were given back", given);
    verify_those_left(224, count);
    fill_holes(224, count);
    free_all(count);
}

/* While others allocate and free, and look at what they have. */
static _Atomic bool enough;

static void *churn(void *seed) {
    enum { SLOTS = 2000 };
    struct {
        unsigned char *p;
        size_t size;
    } slot[SLOTS] = {0};
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t turn = 0; !enough; turn++) {
        size_t at = rng_below(&rng, SLOTS);
        if (slot[at].p) pattern_verify(slot[at].p, slot[at].size, SIZE_MAX, at);
        fh_free(slot[at].p);
        slot[at].size = rng_below(&rng, turn % 8 ? 300 : 9000);
        CHECK((slot[at].p = fh_malloc(slot[at].size)) != NULL);
        pattern_fill(slot[at].p, slot[at].size, at);
    }
    for (size_t i = 0; i < SLOTS; i++) fh_free(slot[i].p);
    return NULL;
}

static void it_takes_nothing_from_those_at_work(void **state) {
    (void)state;
    enum { THREADS = 3 };
    pthread_t thread[THREADS];
    enough = false;
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, churn, (void *)(i + 1)) == 0);
    double end = seconds_now() + 1;
    while (seconds_now() < end) fh_trim();
    enough = true;
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    CHECK(fh_heap_is_valid(false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_beside_blocks_in_use_go_back),
        cmocka_unit_test(those_of_a_heap_of_the_programs_own_too),
        cmocka_unit_test(those_that_a_thread_has_left_too),
        cmocka_unit_test(it_takes_nothing_from_those_at_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
