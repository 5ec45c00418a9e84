/* test_heaps.c - heaps of the program's own, and the walk over all blocks.
 */
#include "names.h"
#include "runner.h"
#include "support.h"

#include <freehold/heaps.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static struct fh_heap_stats numbers(struct fh_heap *heap) {
    struct fh_heap_stats stats;
    fh_heap_stats_now(heap, &stats);
    CHECK(stats.allocs - stats.frees == stats.blocks);
    CHECK(stats.live <= stats.held && stats.held <= stats.held_peak);
    CHECK(stats.limit == 0 || stats.held <= stats.limit);
    return stats;
}

/* ---- a heap against a model ---- */

struct model {
    unsigned char *block[400];
    size_t size[400];
    struct rng rng;
    struct fh_heap *heap;
};

static void put(struct model *m, size_t i, unsigned char *block, size_t size) {
    CHECK(block != NULL && fh_usable_size(block) >= size && fh_heap_of(block) == m->heap);
    pattern_fill(block, size, i);
    m->block[i] = block;
    m->size[i] = size;
}

static void step(struct model *m) {
    size_t i = rng_below(&m->rng, 400), size = 1 + rng_below(&m->rng, rng_below(&m->rng, 20) ? 2000 : 300000);
    unsigned char *old = m->block[i];
    if (old == NULL) {
        size_t align = (size_t)1 << rng_below(&m->rng, 13);
        unsigned char *block =
            rng_below(&m->rng, 2) ? fh_heap_malloc(m->heap, size) : fh_heap_aligned_alloc(m->heap, align, size);
        put(m, i, block, size);
        return;
    }
    pattern_verify(old, m->size[i], m->size[i], i);
    if (rng_below(&m->rng, 3) == 0) {
        unsigned char *block = fh_realloc(old, size);
        CHECK(block != NULL);
        pattern_verify(block, m->size[i], size < m->size[i] ? size : m->size[i], i);
        put(m, i, block, size);
    } else {
        fh_free(old);
        m->block[i] = NULL;
    }
}

static void a_heap_keeps_its_blocks_apart_and_counts_them(void **state) {
    (void)state;
    static struct model model;
    model = (struct model){.rng = {7}, .heap = fh_heap_new(0)};
    for (int i = 0; i < 20000; i++) step(&model);
    size_t blocks = 0, usable = 0;
    for (size_t i = 0; i < 400; i++)
        if (model.block[i]) {
            blocks++;
            usable += fh_usable_size(model.block[i]);
            pattern_verify(model.block[i], model.size[i], model.size[i], i);
        }
    struct fh_heap_stats stats = numbers(model.heap);
    CHECK(stats.blocks == blocks && stats.live == usable);
    fh_heap_drop(model.heap);
}

static void calloc_of_a_heap_is_zero_after_reuse(void **state) {
    (void)state;
    struct fh_heap *heap = fh_heap_new(0);
    for (size_t size = 1; size < 400000; size = size * 3 / 2 + 1) {
        void *dirty = fh_heap_malloc(heap, size);
        memset(dirty, 0xff, size);
        fh_free(dirty);
        void *clean = fh_heap_calloc(heap, 1, size);
        zero_verify(clean, size);
        fh_free(clean);
    }
    CHECK(numbers(heap).blocks == 0 && numbers(heap).held == 0);
    errno = 0;
    CHECK(fh_heap_calloc(heap, hidden(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_aligned_alloc(heap, hidden(24), 8) == NULL && errno == EINVAL);
    fh_heap_drop(heap);
}

/* ---- limits ---- */

static void a_limit_yields_null_and_enomem_and_the_heap_goes_on(void **state) {
    (void)state;
    struct fh_heap *heap = fh_heap_new(MIB);
    void *blocks[20000];
    size_t n = 0;
    errno = 0;
    while (n < 20000 && (blocks[n] = fh_heap_malloc(heap, 100))) n++;
    CHECK(errno == ENOMEM);
    CHECKF(n * 112 > MIB / 10 * 9 && n * 112 <= MIB, "%zu blocks of 100 bytes in 1 MiB", n);
    CHECK(fh_heap_malloc(heap, 40000) == NULL);
    fh_free(blocks[--n]);
    CHECK((blocks[n++] = fh_heap_malloc(heap, 100)) != NULL);
    fh_heap_clear(heap);
    CHECK(numbers(heap).held == 0 && numbers(heap).blocks == 0);
    errno = 0;
    CHECK(fh_heap_malloc(heap, MIB + 1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_calloc(heap, MIB + 1, 1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_aligned_alloc(heap, 64, MIB + 1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_realloc(heap, NULL, MIB + 1) == NULL && errno == ENOMEM);
    char *stays = fh_heap_malloc(heap, 1000);
    CHECK(stays != NULL);
    pattern_fill(stays, 1000, 7);
    errno = 0;
    CHECK(fh_heap_realloc(heap, stays, MIB + 1) == NULL && errno == ENOMEM);
    pattern_verify(stays, 1000, SIZE_MAX, 7);
    fh_free(stays);
    fh_heap_clear(heap);
    void *all = fh_heap_malloc(heap, MIB);
    CHECK(all != NULL && fh_heap_malloc(heap, 1) == NULL);
    fh_free(all);
    CHECK(fh_heap_malloc(heap, 1) != NULL);
    fh_heap_drop(heap);
    struct fh_heap *nothing = fh_heap_new(1);
    CHECK(fh_heap_malloc(nothing, 1) == NULL);
    fh_heap_drop(nothing);
    fh_heap_drop(NULL);
}

/* ---- threads ---- */

static void *free_half(void *arg) {
    void **blocks = arg;
    for (size_t i = 0; i < 2000; i += 2) fh_free(blocks[i]);
    return NULL;
}

static void any_thread_may_free_into_any_heap(void **state) {
    (void)state;
    struct fh_heap *heap = fh_heap_new(0);
    static void *blocks[4][2000];
    pthread_t threads[4];
    for (int t = 0; t < 4; t++) {
        for (size_t i = 0; i < 2000; i++) CHECK((blocks[t][i] = fh_heap_malloc(heap, 1 + i)) != NULL);
        CHECK(pthread_create(&threads[t], NULL, free_half, blocks[t]) == 0);
    }
    for (int t = 0; t < 4; t++) pthread_join(threads[t], NULL);
    CHECK(numbers(heap).blocks == 4000 && numbers(heap).frees == 4000);
    fh_heap_drop(heap);
}

static void a_thousand_heaps_leave_nothing_behind(void **state) {
    (void)state;
    struct fh_stats before, after;
    fh_stats_now(&before);
    for (int i = 0; i < 1000; i++) {
        struct fh_heap *heap = fh_heap_new(0);
        for (size_t size = 16; size < 200000; size *= 2) CHECK(fh_heap_malloc(heap, size) != NULL);
        fh_heap_drop(heap);
    }
    fh_stats_now(&after);
    CHECKF(after.live <= before.live, "live %zu, was %zu", after.live, before.live);
    CHECK(after.metadata <= before.metadata + 64 * 1024);
}

/* ---- the walk ---- */

struct seen {
    const void *wanted[64];
    enum fh_block_state state[64];
    size_t wanted_count, found, live, blocks;
    const char *last_end;
};

static int look(const struct fh_block *block, void *arg) {
    struct seen *seen = arg;
    CHECK((const char *)block->address >= seen->last_end); /* in order, and no two overlap */
    seen->last_end = (const char *)block->address + block->size;
    seen->blocks++;
    if (block->state == FH_BLOCK_LIVE) seen->live += block->size;
    for (size_t i = 0; i < seen->wanted_count; i++)
        if (seen->wanted[i] == block->address) {
            seen->state[i] = block->state;
            seen->found++;
            CHECK(fh_heap_of(block->address) == block->heap || block->state != FH_BLOCK_LIVE);
        }
    void *p = fh_malloc(100); /* the visitor may use the heap */
    CHECK(p != NULL);
    fh_free(p);
    return 0;
}

static void the_walk_sees_each_block_once_with_its_state(void **state) {
    (void)state;
    static struct seen seen;
    memset(&seen, 0, sizeof seen);
    struct fh_heap *heap = fh_heap_new(0);
    for (size_t i = 0; i < 60; i++) {
        size_t size = (size_t)16 << i % 14;
        seen.wanted[i] = i % 3 == 0 ? fh_heap_malloc(heap, size) : fh_malloc(size);
        CHECK(seen.wanted[i] != NULL);
    }
    seen.wanted_count = 60;
    struct fh_stats stats;
    fh_stats_now(&stats);
    CHECK(fh_heap_walk(NULL, look, &seen) == 0);
    CHECK(seen.found == 60);
    for (size_t i = 0; i < 60; i++) CHECK(seen.state[i] == FH_BLOCK_LIVE);
    CHECKF(seen.live == stats.live, "walk %zu, stats %zu", seen.live, stats.live);

    static struct seen own;
    memset(&own, 0, sizeof own);
    CHECK(fh_heap_walk(heap, look, &own) == 0);
    CHECK(own.live == numbers(heap).live);

    for (size_t i = 0; i < 60; i++) fh_free((void *)(uintptr_t)seen.wanted[i]);
    memset(&own, 0, sizeof own);
    memcpy(own.wanted, seen.wanted, sizeof own.wanted);
    own.wanted_count = 60;
    for (size_t i = 0; i < 60; i++)
        own.state[i] = FH_BLOCK_FREE; /* where the whole extent is gone, nothing is shown */
    CHECK(fh_heap_walk(NULL, look, &own) == 0);
    for (size_t i = 0; i < 60; i++) CHECK(own.state[i] != FH_BLOCK_LIVE);
    fh_heap_drop(heap);
}

static int stop_at_third(const struct fh_block *block, void *arg) {
    (void)block;
    return ++*(int *)arg == 3 ? 42 : 0;
}

static void the_walk_stops_when_told(void **state) {
    (void)state;
    int count = 0;
    CHECK(fh_heap_walk(NULL, stop_at_third, &count) == 42 && count == 3);
}

/* ---- checked mode ---- */

struct watched {
    const void *live, *waits;
    unsigned found;
};

static int watch(const struct fh_block *block, void *arg) {
    struct watched *watched = arg;
    if (block->address == watched->live) {
        CHECK(block->state == FH_BLOCK_LIVE && block->asked == 24);
        watched->found++;
    } else if (block->address == watched->waits) {
        CHECK(block->state == FH_BLOCK_QUARANTINED && block->asked == 0);
        watched->found++;
    }
    return 0;
}

static void the_walk_tells_what_waits_from_what_is_live(void **state) {
    (void)state;
    void *waits = fh_malloc(24);
    struct watched watched = {.live = fh_malloc(24), .waits = waits};
    fh_free(waits);
    CHECK(fh_heap_walk(NULL, watch, &watched) == 0 && watched.found == 2);
    fh_free((void *)(uintptr_t)watched.live);
}

/* A block of each kind of place: with canaries behind it, with some in front too, and large. */
struct shown {
    void *block;
    size_t asked;
    unsigned times;
};

static int is_shown(const struct fh_block *block, void *arg) {
    for (struct shown *shown = arg; shown->block; shown++) {
        if (block->address != shown->block) continue;
        CHECK(block->state == FH_BLOCK_LIVE && block->heap == fh_heap_of(shown->block));
        CHECKF(block->size == fh_usable_size(shown->block) && block->asked == shown->asked,
               "%zu bytes and %zu asked for, of %zu", block->size, block->asked, shown->asked);
        shown->times++;
    }
    return 0;
}

static int add_live(const struct fh_block *block, void *sum) {
    if (block->state == FH_BLOCK_LIVE) *(size_t *)sum += block->size;
    return 0;
}

static void the_walk_shows_a_checked_block_as_the_program_has_it(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 24, 1024, 1025, 5000, 32768, 32769, 100000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    struct shown shown[2 * SIZES + 1] = {{NULL, 0, 0}};
    struct fh_heap *heap = fh_heap_new(0);
    for (size_t i = 0; i < SIZES; i++) {
        shown[2 * i] = (struct shown){fh_heap_malloc(heap, sizes[i]), sizes[i], 0};
        shown[2 * i + 1] = (struct shown){fh_malloc(sizes[i]), sizes[i], 0};
    }
    CHECK(fh_heap_walk(NULL, is_shown, shown) == 0);
    for (size_t i = 0; i < 2 * SIZES; i++) {
        bool guarded = i % 2 && shown[i].asked > FH_SMALL_MAX; /* beside the heap: no walk comes by */
        CHECKF(shown[i].times == !guarded, "block %zu was shown %u times", i, shown[i].times);
        if (i % 2) fh_free(shown[i].block);
    }
    size_t live = 0;
    CHECK(fh_heap_walk(heap, add_live, &live) == 0);
    CHECKF(live == numbers(heap).live, "the walk has %zu live bytes, the heap %zu", live, numbers(heap).live);
    fh_heap_drop(heap);
}

/* Of a block that is checked no more is usable than was asked for; realloc changes that, and a free ends it. */
static void a_checked_heap_counts_what_was_asked_for(void **state) {
    (void)state;
    struct fh_heap *heap = fh_heap_new(0);
    void *small = fh_heap_malloc(heap, 24), *medium = fh_heap_malloc(heap, 5000),
         *large = fh_heap_malloc(heap, 100000);
    CHECK(numbers(heap).live == 105024);
    CHECK((small = fh_realloc(small, 20)) && (large = fh_realloc(large, 110000)));
    CHECKF(numbers(heap).live == 115020, "%zu", numbers(heap).live);
    fh_free(medium);
    CHECK(numbers(heap).live == 110020 && numbers(heap).blocks == 2);
    fh_heap_clear(heap);
    CHECK(numbers(heap).live == 0 && numbers(heap).blocks == 0);
    fh_heap_drop(heap);
}

/* ---- at the edges ---- */

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    struct fh_heap *heap = fh_heap_new(4 * MIB);
    errno = 0;
    CHECK(fh_heap_aligned_alloc(heap, hidden(0), 10) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(fh_heap_aligned_alloc(heap, hidden(48), 10) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(fh_heap_aligned_alloc(heap, hidden((size_t)1 << 63), 10) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_malloc(heap, hidden(SIZE_MAX - 10)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_calloc(heap, hidden(SIZE_MAX / 2), 4) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_malloc(heap, 5 * MIB) == NULL && errno == ENOMEM); /* its limit */
    void *p = fh_heap_malloc(heap, 100000);
    CHECK(p && fh_realloc(p, 5 * MIB) == NULL && fh_heap_of(p) == heap);
    fh_free(p);
    CHECK(numbers(heap).blocks == 0);
    fh_heap_drop(heap);
    fh_heap_drop(NULL);
}

/* Of an address it is told whose heap it is in by what lies there now, not by what did. */
static void nobody_owns_what_is_no_block(void **state) {
    enum { BLOCKS = 64, STEP = 4096 };
    (void)state;
    int local = 0;
    char *blocks[BLOCKS];
    CHECK(fh_heap_of(&local) == NULL && fh_heap_of(NULL) == NULL);
    for (unsigned round = 0; round < 8; round++) {
        struct fh_heap *heap = fh_heap_new(0);
        static const size_t sizes[] = {28000, 24000, 100, 10000, 400000, 14000, 3000, 12000};
        for (unsigned i = 0; i < BLOCKS; i++) CHECK((blocks[i] = fh_heap_malloc(heap, sizes[round])) != NULL);
        for (unsigned i = 0; i < BLOCKS; i++) CHECK(fh_heap_of(blocks[i]) == heap);
        fh_heap_drop(heap);
        for (unsigned i = 0; i < BLOCKS; i++)
            for (size_t at = 0; at < sizes[round]; at += STEP) CHECK(fh_heap_of(blocks[i] + at) != heap);
    }
}

static int count_live(const struct fh_block *block, void *count) {
    *(unsigned *)count += block->state == FH_BLOCK_LIVE;
    return 0;
}

struct freer {
    void *blocks[2000];
    unsigned seen;
    bool freed;
};

static int free_all(const struct fh_block *block, void *arg) {
    struct freer *freer = arg;
    freer->seen += block->address != NULL;
    if (!freer->freed) {
        for (unsigned i = 0; i < 2000; i++) fh_free(freer->blocks[i]);
        fh_trim();
    }
    freer->freed = true;
    return 0;
}

static void the_visitor_of_a_walk_may_free_what_is_to_come(void **state) {
    (void)state;
    static struct freer freer;
    for (unsigned i = 0; i < 2000; i++) CHECK((freer.blocks[i] = fh_malloc(i % 7 ? 1 + i : 50000)) != NULL);
    CHECK(fh_heap_walk(NULL, free_all, &freer) == 0 && freer.seen >= 2000);
}

/* ---- wrong pointers, and blocks that travel ---- */

struct small {
    char at[48]; /* of which a span has a tail */
};

static void walk_past_wrong_pointers(void *unused) {
    char room[64];
    void *volatile p;
    unsigned live = 0;
    (void)unused;
    struct small *kept = fh_new(struct small);
    fh_delete(fh_new(struct small)); /* the bin is open */
    p = room;
    fh_delete((struct small *)p);
    p = (void *)(((uintptr_t)kept | 65535) - 15);
    fh_delete((struct small *)p);
    CHECK(fh_heap_walk(NULL, count_live, &live) == 0 && live > 0);
}

static void a_walk_passes_by_what_was_wrongly_deleted(void **state) {
    (void)state;
    static struct outcome out;
    struct fh_stats stats;
    fh_stats_now(&stats);
    if (stats.counting) skip(); /* then each call is seen, and this one told */
    run_child(&out, walk_past_wrong_pointers, NULL, 60);
    check_clean(&out, "a walk with wrong pointers in a bin");
}

enum { TRAVELLING = 40000 };
static void *travelling[TRAVELLING];

static void *only_frees(void *unused) {
    for (unsigned i = 0; i < TRAVELLING; i++) fh_free(travelling[i]);
    return unused;
}

/* A thread that only frees leaves its blocks at the depot: cached, not live. */
static void a_walk_finds_blocks_at_a_depot_cached(void **state) {
    pthread_t t;
    unsigned before = 0, after = 0;
    (void)state;
    CHECK(fh_heap_walk(NULL, count_live, &before) == 0);
    for (unsigned i = 0; i < TRAVELLING; i++) CHECK((travelling[i] = fh_malloc(64)) != NULL);
    CHECK(pthread_create(&t, NULL, only_frees, NULL) == 0 && pthread_join(t, NULL) == 0);
    struct fh_stats stats;
    fh_stats_now(&stats);
    CHECK(stats.counting || stats.classes[fh_class_of(64)].cached > 0);
    CHECK(fh_heap_walk(NULL, count_live, &after) == 0);
    CHECKF(after <= before + 8, "%u blocks were live, then %u", before, after);
}

static void own_heap_in_a_child(void *arg) {
    struct fh_heap *heap = arg;
    CHECK(numbers(heap).blocks == 1);
    void *p = fh_heap_malloc(heap, 3000);
    CHECK(p && fh_heap_of(p) == heap && numbers(heap).blocks == 2);
    fh_heap_drop(heap);
}

static void a_child_of_fork_has_its_parents_heaps(void **state) {
    (void)state;
    static struct outcome out;
    struct fh_heap *heap = fh_heap_new(0);
    CHECK(fh_heap_malloc(heap, 300));
    run_child(&out, own_heap_in_a_child, heap, 60);
    check_clean(&out, "a child with a heap of its parent");
    CHECK(numbers(heap).blocks == 1);
    fh_heap_drop(heap);
}

int main(void) {
    const struct CMUnitTest checked[] = {
        cmocka_unit_test(a_heap_keeps_its_blocks_apart_and_counts_them),
        cmocka_unit_test(calloc_of_a_heap_is_zero_after_reuse),
        cmocka_unit_test(any_thread_may_free_into_any_heap),
        cmocka_unit_test(the_walk_tells_what_waits_from_what_is_live),
        cmocka_unit_test(the_walk_shows_a_checked_block_as_the_program_has_it),
        cmocka_unit_test(a_checked_heap_counts_what_was_asked_for),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(nobody_owns_what_is_no_block),
        cmocka_unit_test(the_visitor_of_a_walk_may_free_what_is_to_come),
        cmocka_unit_test(a_child_of_fork_has_its_parents_heaps),
        cmocka_unit_test(the_walk_stops_when_told),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_keeps_its_blocks_apart_and_counts_them),
        cmocka_unit_test(calloc_of_a_heap_is_zero_after_reuse),
        cmocka_unit_test(a_limit_yields_null_and_enomem_and_the_heap_goes_on),
        cmocka_unit_test(any_thread_may_free_into_any_heap),
        cmocka_unit_test(a_thousand_heaps_leave_nothing_behind),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(nobody_owns_what_is_no_block),
        cmocka_unit_test(the_visitor_of_a_walk_may_free_what_is_to_come),
        cmocka_unit_test(a_walk_passes_by_what_was_wrongly_deleted),
        cmocka_unit_test(a_walk_finds_blocks_at_a_depot_cached),
        cmocka_unit_test(a_child_of_fork_has_its_parents_heaps),
        cmocka_unit_test(the_walk_sees_each_block_once_with_its_state),
        cmocka_unit_test(the_walk_stops_when_told),
    };
    return heap_is_checked() ? cmocka_run_group_tests(checked, NULL, NULL)
                             : cmocka_run_group_tests(tests, NULL, NULL);
}
