/* test_large.c - blocks above the small sizes: growth in place and by moving pages, many GiB, churn, and what
 * all this costs in resident memory and in mappings.
 */
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* Does the machine give out so much address space at all? */
static bool machine_has(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return false;
    munmap(p, size);
    return true;
}

static void blocks_of_several_gibibytes_can_be_used_at_both_ends(void **state) {
    (void)state;
    if (!machine_has(6 * GIB)) skip();
    size_t before = rss_now();
    for (size_t size = GIB; size <= 5 * GIB; size += GIB + 12345) {
        char *p = t_malloc(size), *q = t_calloc(size / 8, 8);
        if (p == NULL || q == NULL) { /* two of them may be more than the machine commits to */
            CHECK(errno == ENOMEM);
            t_free(p), t_free(q);
            continue;
        }
        p[0] = p[size - 1] = 1;
        CHECK(q[0] == 0 && q[size / 16] == 0 && q[size / 8 * 8 - 1] == 0);
        if (memory_is_measurable())
            CHECKF(rss_now() < before + 64 * MIB, "%zu untouched bytes are resident", rss_now() - before);
        t_free(q);
        char *moved = t_realloc(p, size + GIB);
        CHECK(moved || errno == ENOMEM);
        if (moved) p = moved;
        CHECK(p[0] == 1 && p[size - 1] == 1);
        CHECK((p = t_realloc(p, 3 * MIB)) != NULL);
        CHECK(p[0] == 1);
        t_free(p);
    }
}

static void realloc_keeps_whole_contents_of_large_blocks(void **state) {
    (void)state;
    struct rng rng = {.state = 99};
    for (int round = 0; round < 40; round++) {
        size_t old = 30000 + rng_below(&rng, 6 * MIB), new = 30000 + rng_below(&rng, 9 * MIB);
        uint32_t *p = t_malloc(old);
        CHECK(p);
        for (size_t i = 0; i < old / 4; i++) p[i] = (uint32_t)i * 2654435761u;
        void *barrier = round % 2 ? t_malloc(70000) : NULL;
        CHECK((p = t_realloc(p, new)) != NULL);
        size_t common = old < new ? old : new;
        for (size_t i = 0; i < common / 4; i++)
            CHECKF(p[i] == (uint32_t)i * 2654435761u, "%zu -> %zu: word %zu lost", old, new, i);
        memset(p, 0x5a, t_usable_size(p));
        t_free(barrier);
        t_free(p);
    }
}

static void growing_a_large_block_does_not_hold_it_twice(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold() || !rss_peak_reset()) skip();
    size_t start = rss_now(), size = 64 * MIB;
    char *p = t_malloc(size);
    CHECK(p);
    memset(p, 1, size);
    for (int i = 0; i < 4; i++) {
        void *barrier = t_malloc(200000); /* so that there may be no room behind */
        CHECK((p = t_realloc(p, size + 48 * MIB)) != NULL);
        memset(p + size, 1, 48 * MIB);
        size += 48 * MIB;
        t_free(barrier);
    }
    size_t most = rss_peak() - start;
    CHECKF(most < size + size / 8, "block of %zu bytes, at most %zu were resident", size, most);
    for (size_t i = 0; i < size; i += 4096) CHECK(p[i] == 1);
    t_free(p);
}

static void shrinking_a_large_block_gives_back_its_tail(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    char *p = t_malloc(200 * MIB);
    CHECK(p);
    memset(p, 1, 200 * MIB);
    size_t full = rss_now();
    CHECK((p = t_realloc(p, 2 * MIB)) != NULL);
#ifdef TEST_FH_NAMES
    fh_trim();
#elif defined(__GLIBC__)
    malloc_trim(0);
#endif
    CHECKF(rss_now() + 150 * MIB < full, "resident were %zu and are %zu", full, rss_now());
    for (size_t i = 0; i < 2 * MIB; i += 4096) CHECK(p[i] == 1);
    t_free(p);
}

/* The k-th byte appended costs O(1): a growing array as programs have it. */
static void growing_by_small_steps_is_not_quadratic(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    double start = cpu_seconds_now();
    size_t size = 100000;
    char *p = t_malloc(size);
    while (size < 64 * MIB) {
        size_t next = size + 20000;
        CHECK((p = t_realloc(p, next)) != NULL);
        memset(p + size, 1, next - size);
        size = next;
    }
    t_free(p);
    CHECKF(cpu_seconds_now() - start < 8, "%.1f s", cpu_seconds_now() - start);
}

static void large_blocks_of_mixed_life_do_not_grow_the_process(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    enum { n = 64 };
    static char *block[n];
    static size_t size[n];
    struct rng rng = {.state = 5};
    size_t live = 0, most_live = 0, before = rss_now();
    if (!rss_peak_reset()) skip();
    for (int i = 0; i < 12000; i++) {
        unsigned k = (unsigned)rng_below(&rng, n);
        if (block[k]) {
            CHECK(block[k][0] == (char)k && block[k][size[k] - 1] == (char)k);
            t_free(block[k]);
            live -= size[k];
        }
        size[k] = 33000 + rng_below(&rng, i % 50 == 0 ? 4 * MIB : 300000);
        CHECK((block[k] = t_malloc(size[k])) != NULL);
        for (size_t at = 0; at < size[k]; at += 4096) block[k][at] = (char)k;
        block[k][size[k] - 1] = (char)k;
        live += size[k];
        if (live > most_live) most_live = live;
    }
    size_t most = rss_peak() - before;
    CHECKF(most < 2 * most_live + 8 * MIB, "at most %zu bytes were live and %zu resident", most_live, most);
    for (unsigned k = 0; k < n; k++) t_free(block[k]), block[k] = NULL;
}

static void mappings_stay_few_under_many_sizes(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    enum { n = 20000 };
    static void *block[n];
    struct rng rng = {.state = 3};
    unsigned before = map_count(), most = 0;
    for (int i = 0; i < 4 * n; i++) {
        unsigned k = (unsigned)rng_below(&rng, n);
        t_free(block[k]);
        size_t size = rng_below(&rng, 100) == 0  ? rng_below(&rng, 600000)
                      : rng_below(&rng, 40) == 0 ? rng_below(&rng, 40000)
                                                 : rng_below(&rng, 500);
        block[k] =
            rng_below(&rng, 50) == 0 ? t_aligned_alloc((size_t)1 << rng_below(&rng, 18), size) : t_malloc(size);
        CHECK(block[k]);
        if (size) *(char *)block[k] = 1;
        if (i % 4000 == 0) {
            unsigned now = map_count();
            if (now > most) most = now;
        }
        if (heap_is_freehold() && i % 20000 == 0) {
#ifdef TEST_FH_NAMES
            fh_trim();
#elif defined(__GLIBC__)
            malloc_trim(0);
#endif
        }
    }
    for (int k = 0; k < n; k++) t_free(block[k]), block[k] = NULL;
    if (heap_is_freehold()) CHECKF(most < before + 500, "%u mappings, at the start were %u", most, before);
}

static long faults_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

/* Pieces that were freed serve a block that is longer than each of them, without the system being asked for
 * pages. */
static void freed_pieces_become_one_longer_block(void **state) {
    (void)state;
#if !defined(TEST_FH_NAMES) && !defined(__GLIBC__)
    skip();
#else
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    enum { PIECES = 6, ROUNDS = 20 };
    char *piece[PIECES], *wall[PIECES];
    long most = PIECES * 2 * MIB / 4096;
    t_trim(); /* what earlier tests left free */
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PIECES; i++) {
            CHECK((piece[i] = t_malloc(2 * MIB)) && (wall[i] = t_malloc(70000)));
            memset(piece[i], i + 1, 2 * MIB);
        }
        size_t full = rss_now();
        for (int i = 0; i < PIECES; i++) t_free(piece[i]);
        long before = faults_now();
        char *whole = t_malloc(PIECES * 2 * MIB);
        CHECK(whole);
        memset(whole, 9, PIECES * 2 * MIB);
        CHECKF(faults_now() - before < most / 4, "%ld page faults for %ld pages", faults_now() - before, most);
        CHECKF(rss_now() < full + MIB, "resident were %zu and are %zu", full, rss_now());
        for (int i = 0; i < PIECES; i++) { /* what was moved away is zero, and all are places of their own */
            char *zero = t_calloc(2 * MIB, 1);
            CHECK(zero);
            for (size_t k = 0; k < 2 * MIB; k += 512) CHECK(zero[k] == 0);
            memset(zero, i + 10, 2 * MIB);
            piece[i] = zero;
        }
        for (size_t k = 0; k < PIECES * 2 * MIB; k += 4096) CHECK(whole[k] == 9);
        for (int i = 0; i < PIECES; i++) t_free(piece[i]), t_free(wall[i]);
        t_free(whole);
    }
#endif
}

/* The first of all: what lies free is bounded by the most that the heap has ever held. */
static void mappings_stay_few_where_pages_are_moved(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    enum { n = 200 };
    static char *block[n];
    struct rng rng = {.state = 17};
    unsigned before = map_count(), most = 0;
    for (int i = 0; i < 60 * n; i++) {
        unsigned k = (unsigned)rng_below(&rng, n);
        size_t size = 70000 + rng_below(&rng, 2 * MIB);
        if (rng_below(&rng, 2)) t_free(block[k]), block[k] = t_malloc(size);
        else block[k] = t_realloc(block[k], size);
        CHECK(block[k]);
        block[k][0] = block[k][size - 1] = 1;
        unsigned now = i % 200 == 0 ? map_count() : 0;
        if (now > most) most = now;
    }
    for (int k = 0; k < n; k++) t_free(block[k]), block[k] = NULL;
    if (heap_is_freehold()) CHECKF(most < before + 6 * n, "%u mappings, at the start were %u", most, before);
}

static void calloc_of_large_blocks_does_not_touch_fresh_pages(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold() || !machine_has(2 * GIB)) skip();
    size_t before = rss_now();
    char *p = t_calloc(GIB, 1);
    CHECK(p);
    CHECKF(rss_now() < before + 32 * MIB, "calloc of 1 GiB made %zu bytes resident", rss_now() - before);
    CHECK(p[12345678] == 0);
    t_free(p);
}

static void trim_gives_back_what_was_freed(void **state) {
    (void)state;
#if !defined(TEST_FH_NAMES) && !defined(__GLIBC__)
    skip();
#else
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    t_trim(); /* what earlier tests left free */
    size_t before = rss_now();
    enum { n = 300000 };
    void **block = t_malloc(n * sizeof *block);
    char *large = t_malloc(100 * MIB);
    CHECK(block && large);
    memset(large, 1, 100 * MIB);
    for (int i = 0; i < n; i++) {
        CHECK((block[i] = t_malloc(200)) != NULL);
        memset(block[i], 1, 200);
    }
    size_t full = rss_now();
    CHECK(full > before + 140 * MIB);
    for (int i = 0; i < n; i++) t_free(block[i]);
    t_free(large);
    t_free(block);
    size_t given = t_trim();
    CHECKF(given > 0 || rss_now() < before + 16 * MIB, "trim says %zu", given);
    CHECK(t_trim() < 4 * MIB);
    CHECKF(rss_now() < before + 16 * MIB, "resident at the start %zu, full %zu, after trim %zu", before, full,
           rss_now());
#endif
}

/* Small holes, and one long piece that was in use: what grows belongs into the long one, where it need not
 * move, and where the next one finds the pages that the last one left. */
static void an_array_that_is_grown_and_freed_again_and_again_stays_in_one_place(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    enum { holes = 64 };
    void *hole[holes], *fence[holes];
    for (int i = 0; i < holes; i++) {
        hole[i] = t_malloc(40000);
        fence[i] = t_malloc(40000);
        CHECK(hole[i] && fence[i]);
        memset(hole[i], 1, 40000);
    }
    for (int i = 0; i < holes; i++) t_free(hole[i]);
    char *long_one = t_malloc(100 * MIB);
    CHECK(long_one);
    memset(long_one, 1, 100 * MIB);
    t_free(long_one);
    char *place[8];
    for (int round = 0; round < 8; round++) {
        char *p = t_malloc(1000);
        size_t size = 1000;
        for (; size < 8 * MIB; size *= 2) {
            CHECK((p = t_realloc(p, size * 2)) != NULL);
            memset(p + size, 2, size);
            if (size > 40000) CHECKF(p == place[round], "moved at %zu bytes", size);
            place[round] = p;
        }
        t_free(p);
        CHECKF(place[round] == place[0], "round %d is elsewhere", round);
    }
    for (int i = 0; i < holes; i++) t_free(fence[i]);
}

/* Blocks from calloc, a few at a time: in each, one page in `one_in` is written. */
static void use_zeroed_blocks(size_t rounds, size_t size, size_t one_in) {
    enum { AT_ONCE = 20 };
    char *block[AT_ONCE] = {0};
    for (size_t i = 0; i < rounds; i++) {
        char **at = &block[i % AT_ONCE];
        t_free(*at);
        CHECK((*at = t_calloc(1, size)) != NULL);
        for (size_t b = 0; b < size; b += 4096 * one_in) {
            CHECK((*at)[b] == 0 && (*at)[b + 1] == 0);
            (*at)[b] = (*at)[b + 1] = 1;
        }
    }
    for (size_t i = 0; i < AT_ONCE; i++) t_free(block[i]);
}

/* Also where memory lies free that was full of something else. */
static void zeroed_blocks_that_are_hardly_touched_hold_little(void **state) {
    (void)state;
    enum { BLOCKS = 15 };
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    use_zeroed_blocks(200, 2 * MIB, 256); /* which the heap notices */
    t_trim();
    size_t before = rss_now();
    char *block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK((block[i] = t_malloc(2 * MIB)) != NULL);
        memset(block[i], 1, 2 * MIB);
    }
    for (size_t i = 0; i < BLOCKS; i++) t_free(block[i]);
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK((block[i] = t_calloc(1, 2 * MIB)) != NULL);
        CHECK(block[i][0] == 0 && block[i][MIB] == 0);
    }
    t_trim();
    CHECKF(rss_now() < before + 8 * MIB, "30 MiB of which nothing is used hold %zu bytes", rss_now() - before);
    for (size_t i = 0; i < BLOCKS; i++) t_free(block[i]);
}

/* Sixteen blocks of 5 to 25 MiB from calloc, replaced by chance; of each the first half is used. The peak of
 * what is held is near the peak of what is used, and pages are used again rather than asked for anew. */
static void zeroed_blocks_hold_what_is_used_of_them(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    enum { BLOCKS = 16, ROUNDS = 250, SETTLED = 100 };
    struct rng rng = {.state = 5};
    char *block[BLOCKS] = {0};
    size_t half[BLOCKS] = {0}, used = 0, most_used = 0, most_held = 0, written = 0;
    t_trim();
    size_t before = rss_now();
    long faults = 0;
    for (int i = 0; i < ROUNDS; i++) {
        size_t k = rng_below(&rng, BLOCKS), size = 5 * MIB + rng_below(&rng, 20 * MIB);
        if (i == SETTLED) faults = faults_now();
        t_free(block[k]);
        CHECK((block[k] = t_calloc(1, size)) != NULL);
        used = used - half[k] + size / 2;
        half[k] = size / 2;
        for (size_t b = 0; b < size / 2; b += 1000) CHECKF(block[k][b] == 0, "byte %zu of %zu", b, size);
        CHECK(block[k][size / 4 * 3] == 0); /* what is read counts as used: no more of the other half */
        memset(block[k], i + 1, size / 2);
        if (i < SETTLED) continue;
        written += size / 2;
        if (used > most_used) most_used = used;
        if (rss_now() - before > most_held) most_held = rss_now() - before;
    }
    long pages = (long)(written / 4096);
    faults = faults_now() - faults;
    CHECKF(most_held < most_used + most_used / 4, "%zu MiB used, held %zu", most_used / MIB, most_held / MIB);
    CHECKF(faults < pages / 2, "%ld page faults for %ld pages", faults, pages);
    for (int k = 0; k < BLOCKS; k++) t_free(block[k]);
}

/* Blocks above 32 MiB are taken for hardly used ones, until they show that they are not. */
static void very_long_zeroed_blocks_that_are_filled_keep_their_pages(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    enum { SIZE = 40 * MIB, ROUNDS = 12, SETTLED = 4 };
    long before = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i == SETTLED) before = faults_now();
        char *block = t_calloc(SIZE, 1);
        CHECK(block);
        for (size_t b = 0; b < SIZE; b += 4096) CHECK(block[b] == 0);
        memset(block, 1, SIZE);
        t_free(block);
    }
    long faults = faults_now() - before, pages = (ROUNDS - SETTLED) * SIZE / 4096;
    CHECKF(faults < pages / 4, "%ld page faults for %ld pages", faults, pages);
}

/* Whatever the heap believes of how zeroed blocks are used, they are zero, and each is a place of its own. */
static void zeroed_blocks_used_in_every_way_are_zero(void **state) {
    (void)state;
    enum { BLOCKS = 40, ROUNDS = 4000, MOST = 6 * MIB };
    struct rng rng = {.state = 11};
    static char *block[BLOCKS];
    static size_t size[BLOCKS];
    static unsigned char mark[BLOCKS];
    for (int i = 0; i < ROUNDS; i++) {
        size_t k = rng_below(&rng, BLOCKS), way = rng_below(&rng, 8);
        for (size_t b = 0; b < size[k]; b += 4096)
            CHECK(block[k][b] == 0 || (unsigned char)block[k][b] == mark[k]);
        if (way == 0 && size[k] > 2 * MIB) { /* made shorter or longer */
            size_t wanted = 300000 + rng_below(&rng, MOST);
            CHECK((block[k] = t_realloc(block[k], wanted)) != NULL);
            for (size_t b = size[k]; b < wanted; b++) block[k][b] = 0;
            size[k] = wanted;
            continue;
        }
        t_free(block[k]);
        size[k] = 300000 + rng_below(&rng, MOST);
        bool zeroed = way > 2;
        CHECK((block[k] = zeroed ? t_calloc(size[k], 1) : t_malloc(size[k])) != NULL);
        for (size_t b = 0; zeroed && b < size[k]; b += 512)
            CHECKF(block[k][b] == 0, "byte %zu of %zu", b, size[k]);
        if (!zeroed) memset(block[k], 0, size[k]);
        mark[k] = (unsigned char)(i | 1);
        size_t part = way == 3 ? size[k] : way == 4 ? size[k] / 2 : way == 5 ? 4096 : 0;
        memset(block[k], mark[k], part);
        if (way < 6) continue;
        for (size_t b = 0; b < size[k]; b += 4096 + rng_below(&rng, MIB))
            block[k][b & ~(size_t)4095] = (char)mark[k];
        block[k][(size[k] - 1) & ~(size_t)4095] = (char)mark[k];
    }
    for (int k = 0; k < BLOCKS; k++) t_free(block[k]), block[k] = NULL, size[k] = 0;
}

static void zeroed_blocks_that_are_filled_keep_their_pages(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    use_zeroed_blocks(200, MIB, 1);
    long before = faults_now();
    use_zeroed_blocks(2000, MIB, 1);
    long faults = faults_now() - before;
    CHECKF(faults < 2000 * 256 / 10, "%ld page faults for 2000 blocks of 256 pages", faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mappings_stay_few_where_pages_are_moved),
        cmocka_unit_test(blocks_of_several_gibibytes_can_be_used_at_both_ends),
        cmocka_unit_test(realloc_keeps_whole_contents_of_large_blocks),
        cmocka_unit_test(growing_a_large_block_does_not_hold_it_twice),
        cmocka_unit_test(shrinking_a_large_block_gives_back_its_tail),
        cmocka_unit_test(an_array_that_is_grown_and_freed_again_and_again_stays_in_one_place),
        cmocka_unit_test(growing_by_small_steps_is_not_quadratic),
        cmocka_unit_test(large_blocks_of_mixed_life_do_not_grow_the_process),
        cmocka_unit_test(mappings_stay_few_under_many_sizes),
        cmocka_unit_test(freed_pieces_become_one_longer_block),
        cmocka_unit_test(calloc_of_large_blocks_does_not_touch_fresh_pages),
        cmocka_unit_test(trim_gives_back_what_was_freed),
        cmocka_unit_test(zeroed_blocks_that_are_hardly_touched_hold_little),
        cmocka_unit_test(zeroed_blocks_that_are_filled_keep_their_pages),
        cmocka_unit_test(zeroed_blocks_hold_what_is_used_of_them),
        cmocka_unit_test(very_long_zeroed_blocks_that_are_filled_keep_their_pages),
        cmocka_unit_test(zeroed_blocks_used_in_every_way_are_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
