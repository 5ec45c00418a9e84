/* test_stats.c - the heap's numbers: fh_stats on the fh_ names; mallinfo and its kin on the standard's.
 *
 * The identities of heap.h are checked after every kind of work; and that the numbers follow what the program
 * does.
 */
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

#ifdef TEST_FH_NAMES

static struct fh_stats stats;

static const struct fh_stats *stats_now(void) {
    memset(&stats, 0xee, sizeof stats);
    fh_stats_now(&stats);
    const struct fh_stats *s = &stats;
    size_t parts = s->live + s->cached + s->free_in_spans + s->span_tail + s->free_extents + s->metadata;
    CHECKF(s->held == parts,
           "held %zu != live %zu + cached %zu + free_in_spans %zu + span_tail %zu + free_extents %zu + "
           "metadata %zu",
           s->held, s->live, s->cached, s->free_in_spans, s->span_tail, s->free_extents, s->metadata);
    CHECK(s->held <= s->held_peak);
    CHECK(s->large_live <= s->live);
    CHECK(s->classes[0].block_size == 0);
    size_t live = s->large_live, cached = 0, free_bytes = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *k = &s->classes[c];
        CHECK(k->block_size == fh_class_size(c));
        CHECKF(k->blocks == k->live + k->cached + k->free, "class %u: %zu != %zu + %zu + %zu", c, k->blocks,
               k->live, k->cached, k->free);
        CHECK((k->spans == 0) == (k->blocks == 0));
        live += k->live * k->block_size;
        cached += k->cached * k->block_size;
        free_bytes += k->free * k->block_size;
    }
    CHECKF(live == s->live, "live %zu, summed over classes and large %zu", s->live, live);
    CHECKF(cached == s->cached, "cached %zu, summed %zu", s->cached, cached);
    CHECKF(free_bytes == s->free_in_spans, "free in spans %zu, summed %zu", s->free_in_spans, free_bytes);
    return s;
}

static void live_follows_each_small_block(void **state) {
    (void)state;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        size_t live = stats_now()->live, count = stats.classes[c].live;
        void *p = fh_malloc(fh_class_size(c)), *q = fh_malloc(fh_class_size(c) - 1);
        CHECK(p && q);
        CHECK(stats_now()->live == live + 2 * fh_class_size(c));
        CHECK(stats.classes[c].live == count + 2);
        fh_free(p);
        CHECK(stats_now()->live == live + fh_class_size(c));
        fh_free(q);
        CHECK(stats_now()->live == live && stats.classes[c].live == count);
    }
}

/* A thread's bursts of a score of blocks stay at hand, but not much memory does. */
static void bursts_stay_at_hand_up_to_a_bound(void **state) {
    (void)state;
    enum { BURST = 20, MANY = 300 };
    void *p[MANY];
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        size_t size = fh_class_size(c), most = 0;
        for (int round = 0; round < 40; round++) {
            int n = round < 20 ? MANY : BURST;
            for (int i = 0; i < n; i++) CHECK((p[i] = fh_malloc(size)) != NULL);
            for (int i = 0; i < n; i++) fh_free(p[i]);
            size_t cached = stats_now()->classes[c].cached;
            CHECKF(cached <= 2 || cached * size <= 128 * 1024, "%zu blocks of %zu bytes cached", cached, size);
            if (n == BURST && cached > most) most = cached;
        }
        if (size <= 4096)
            CHECKF(most >= BURST, "at most %zu of %d blocks of %zu bytes cached", most, BURST, size);
    }
}

static void allocate_and_free(void **p, int n, size_t size) {
    for (int i = 0; i < n; i++) CHECK((p[i] = fh_malloc(size)) != NULL);
    for (int i = 0; i < n; i++) fh_free(p[i]);
}

static size_t spans_after_a_burst(void **p, int n, size_t size) {
    allocate_and_free(p, n, size);
    return stats_now()->classes[fh_class_of(size)].spans;
}

/* Bursts that follow one another find the spans that the last one emptied; but only bursts do, only a few spans
 * rest, and those of one class make room for another. */
enum { REST_SIZE = 512, REST_OTHER = 320, A_SPAN = 65536 / REST_SIZE, REST_SPANS = 40 };
enum { FEW = 3 }; /* that hold cached blocks, or have just been learned to be of use */
static void *resting[REST_SPANS * A_SPAN];

static struct rests {
    size_t first, six, forty, most, other; /* spans of REST_SIZE after each of these bursts, and their bound */
} rests;

/* False when so much time has gone by meanwhile that the heap may have tidied up again: what was learned is
 * forgotten then. */
static bool spans_rest_before_the_next_tidying(void) {
    unsigned c = fh_class_of(REST_SIZE);
    fh_trim();
    usleep(1100 * 1000);
    double begin = seconds_now();
    for (int i = 0; i < 40; i++)
        allocate_and_free(resting, A_SPAN, REST_SIZE); /* a tidying: what was learned is forgotten */
    rests.first = spans_after_a_burst(resting, 6 * A_SPAN, REST_SIZE);
    for (int i = 0; i < 6; i++) rests.six = spans_after_a_burst(resting, 6 * A_SPAN, REST_SIZE);
    for (int i = 0; i < 6; i++) rests.forty = spans_after_a_burst(resting, REST_SPANS * A_SPAN, REST_SIZE);
    rests.most = 8 + (stats.held >> 16) / 8 + FEW; /* half a MiB, and an eighth of what the heap has */
    allocate_and_free(resting, REST_SPANS * A_SPAN, REST_OTHER);
    rests.other = stats_now()->classes[c].spans;
    return seconds_now() - begin < 0.9;
}

static void spans_rest_between_bursts(void **state) {
    (void)state;
    unsigned c = fh_class_of(REST_SIZE);
    for (int tries = 0; !spans_rest_before_the_next_tidying() && tries < 20; tries++) {}
    CHECKF(rests.first <= FEW, "%zu spans after a burst that none has followed", rests.first);
    CHECKF(rests.six >= 5, "%zu spans between bursts of six", rests.six);
    CHECKF(rests.forty > rests.six && rests.forty <= rests.most,
           "%zu spans between bursts of forty, and not %zu", rests.forty, rests.most);
    CHECKF(rests.other <= FEW, "%zu are kept from another class", rests.other);
    for (int i = 0; i < 6; i++) spans_after_a_burst(resting, 6 * A_SPAN, REST_SIZE);
    usleep(1100 * 1000);
    for (int i = 0; i < 80; i++)
        allocate_and_free(resting, 100, REST_OTHER); /* a tidying, at most one new span */
    CHECKF(stats_now()->classes[c].spans <= FEW, "%zu rest a second later", stats.classes[c].spans);
    fh_trim();
    CHECKF(stats_now()->classes[c].spans == 0, "%zu rest after a trim", stats.classes[c].spans);
}

static void live_follows_each_large_block(void **state) {
    (void)state;
    for (size_t size = 32769; size < 20 * MIB; size = size * 3 / 2) {
        size_t live = stats_now()->live, large = stats.large_live, count = stats.large_blocks;
        void *p = fh_malloc(size);
        CHECK(p);
        size_t usable = fh_usable_size(p);
        CHECKF(stats_now()->live == live + usable, "%zu: live grew by %zu, usable is %zu", size,
               stats.live - live, usable);
        CHECK(stats.large_live == large + usable && stats.large_blocks == count + 1);
        CHECK(stats.classes[0].live == stats.large_blocks);
        CHECK(stats.held >= stats.live);
        CHECK((p = fh_realloc(p, size * 2)) != NULL);
        CHECK(stats_now()->live == live + fh_usable_size(p));
        fh_free(p);
        CHECK(stats_now()->live == live && stats.large_live == large && stats.large_blocks == count);
    }
}

static void identities_hold_through_bursts_and_trims(void **state) {
    (void)state;
    enum { n = 30000 };
    static void *block[n];
    struct rng rng = {.state = 11};
    size_t live = stats_now()->live;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < n; i++) {
            CHECK((block[i] = fh_malloc(rng_below(&rng, i % 500 == 0 ? 200000 : 900))) != NULL);
            if (i % 3000 == 0) stats_now();
        }
        size_t full = stats_now()->live;
        CHECK(full > live + n * 400);
        for (int i = 0; i < n; i += 2) fh_free(block[i]);
        CHECK(stats_now()->live < full);
        size_t held = stats.held, purged = stats.purged, given = fh_trim();
        CHECK(stats_now()->held <= held);
        CHECKF(stats.purged >= purged + given, "purged %zu, then %zu after fh_trim gave %zu", purged,
               stats.purged, given);
        for (int i = 1; i < n; i += 2) fh_free(block[i]);
        CHECKF(stats_now()->live == live, "live was %zu and is %zu", live, stats.live);
        fh_trim();
        CHECKF(stats_now()->cached < MIB, "cached after trim: %zu", stats.cached);
    }
}

static void held_is_near_what_the_system_sees(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    fh_trim();
    size_t held = stats_now()->held, resident = rss_now();
    char *p = fh_malloc(80 * MIB);
    CHECK(p);
    memset(p, 1, 80 * MIB);
    size_t more_held = stats_now()->held - held, more_resident = rss_now() - resident;
    CHECKF(more_held >= 79 * MIB && more_held < 84 * MIB, "held grew by %zu for 80 MiB", more_held);
    CHECKF(more_resident >= 79 * MIB && more_resident < 84 * MIB, "resident grew by %zu for 80 MiB",
           more_resident);
    fh_free(p);
    fh_trim();
    CHECKF(stats_now()->held < held + 4 * MIB, "held before %zu, after %zu", held, stats.held);
    CHECK(stats.held_peak >= 79 * MIB);
}

static void counts_are_zero_unless_counting_is_on(void **state) {
    (void)state;
    stats_now();
    if (stats.counting) {
        uint64_t allocs = stats.allocs, frees = stats.frees, reallocs = stats.reallocs;
        size_t asked = stats.asked, blocks = stats.live_blocks;
        void *p[100];
        for (int i = 0; i < 100; i++) p[i] = fh_malloc(70);
        stats_now();
        CHECKF(stats.allocs == allocs + 100 && stats.asked == asked + 7000 && stats.live_blocks == blocks + 100,
               "allocs %llu -> %llu, asked %zu -> %zu, blocks %zu -> %zu", (unsigned long long)allocs,
               (unsigned long long)stats.allocs, asked, stats.asked, blocks, stats.live_blocks);
        CHECK(stats.asked_peak >= stats.asked);
        p[0] = fh_realloc(p[0], 50000);
        stats_now();
        CHECKF(stats.reallocs == reallocs + 1 && stats.asked == asked + 7000 - 70 + 50000,
               "reallocs %llu, asked %zu", (unsigned long long)stats.reallocs, stats.asked - asked);
        for (int i = 0; i < 100; i++) fh_free(p[i]);
        stats_now();
        CHECK(stats.frees >= frees + 100 && stats.asked == asked && stats.live_blocks == blocks);
        CHECK(stats.allocs - stats.frees == stats.live_blocks);
    } else {
        CHECK(stats.allocs == 0 && stats.frees == 0 && stats.reallocs == 0 && stats.asked == 0 &&
              stats.live_blocks == 0);
    }
}

#else

static void malloc_trim_tells_whether_it_gave_back(void **state) {
    (void)state;
#ifdef __GLIBC__
    if (!heap_is_freehold()) skip();
    char *p = malloc(30 * MIB);
    CHECK(p);
    memset(p, 1, 30 * MIB);
    free(p);
    int first = malloc_trim(0);
    CHECK(first == 0 || first == 1);
    malloc_trim(0);
    CHECK(malloc_trim(0) == 0); /* nothing was freed since */
#else
    skip();
#endif
}

static void mallinfo_follows_live_memory(void **state) {
    (void)state;
#ifdef __GLIBC__
    struct mallinfo2 a = mallinfo2();
    char *p = malloc(10 * MIB), *small[1000];
    for (int i = 0; i < 1000; i++) CHECK((small[i] = malloc(1000)) != NULL);
    struct mallinfo2 b = mallinfo2();
    CHECK(p);
    size_t grown = b.uordblks + b.hblkhd - a.uordblks - a.hblkhd;
    CHECKF(grown >= 11000000 && grown < 13 * MIB, "in use grew by %zu", grown);
    CHECK(b.arena + b.hblkhd >= b.uordblks);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo old = mallinfo();
#pragma GCC diagnostic pop
    CHECKF((size_t)old.uordblks + (size_t)old.hblkhd + MIB >= b.uordblks + b.hblkhd, "mallinfo: %d + %d",
           old.uordblks, old.hblkhd);
    free(p);
    for (int i = 0; i < 1000; i++) free(small[i]);
    struct mallinfo2 c = mallinfo2();
    CHECKF(c.uordblks + c.hblkhd <= a.uordblks + a.hblkhd + MIB, "in use %zu, then %zu", a.uordblks + a.hblkhd,
           c.uordblks + c.hblkhd);
#else
    skip();
#endif
}

#ifdef __GLIBC__
/* Redirects stderr into a pipe while malloc_stats writes. */
static void malloc_stats_writes_to_stderr(void **state) {
    (void)state;
    int ends[2], kept = dup(2);
    char text[4096];
    CHECK(kept >= 0 && pipe(ends) == 0 && dup2(ends[1], 2) == 2);
    malloc_stats();
    fflush(stderr);
    CHECK(dup2(kept, 2) == 2);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    close(kept);
    CHECK(n > 20);
}

static void malloc_info_writes_xml(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    CHECK(f);
    CHECK(malloc_info(0, f) == 0);
    fclose(f);
    CHECKF(strstr(text, "<malloc") && strstr(text, "</malloc>"), "%s", text);
    free(text);
    f = fopen("/dev/null", "w");
    CHECK(f);
    errno = 0;
    int result = malloc_info(1, f); /* options must be 0: glibc gives EINVAL as its result */
    CHECKF(result == EINVAL || (result == -1 && errno == EINVAL), "malloc_info(1) = %d, errno %d", result,
           errno);
    fclose(f);
}
#endif
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef TEST_FH_NAMES
        cmocka_unit_test(live_follows_each_small_block),
        cmocka_unit_test(live_follows_each_large_block),
        cmocka_unit_test(bursts_stay_at_hand_up_to_a_bound),
        cmocka_unit_test(spans_rest_between_bursts),
        cmocka_unit_test(identities_hold_through_bursts_and_trims),
        cmocka_unit_test(held_is_near_what_the_system_sees),
        cmocka_unit_test(counts_are_zero_unless_counting_is_on),
#else
        cmocka_unit_test(malloc_trim_tells_whether_it_gave_back),
        cmocka_unit_test(mallinfo_follows_live_memory),
#ifdef __GLIBC__
        cmocka_unit_test(malloc_stats_writes_to_stderr),
        cmocka_unit_test(malloc_info_writes_xml),
#endif
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
