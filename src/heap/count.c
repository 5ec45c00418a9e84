/* count.c - see count.h. Relaxed atomic adds on one set of counters: exact, and dear where many threads
 * allocate at once, which is the price of seeing each call. */
#include "count.h"

#include "check.h"
#include "counters.h"
#include "heap.h"

static void add(uint64_t *counter, uint64_t n) { __atomic_fetch_add(counter, n, __ATOMIC_RELAXED); }

/* Adds n and keeps the highest value that the counter ever had. Returns true when this is a new peak. */
static int add_with_peak(uint64_t *counter, uint64_t *peak, uint64_t n) {
    uint64_t now = __atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
    uint64_t most = __atomic_load_n(peak, __ATOMIC_RELAXED);
    while (now > most)
        if (__atomic_compare_exchange_n(peak, &most, now, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return 1;
    return 0;
}

/* Where the slack of a small block is kept. */
static uint16_t *slack_of(const void *block, unsigned c) {
    size_t offset = fh_space_offset(block);
    uint32_t within = (uint32_t)(offset % FH_GRANULE);
    return &fh_space.slacks[offset >> FH_GRANULE_SHIFT][fh_block_number(&fh_classes[c], within)];
}

static struct fh_head *head_of_large(const void *block) {
    return &fh_space.heads[fh_space_offset(block) >> FH_GRANULE_SHIFT];
}

size_t fh_count_asked(const void *block, unsigned c) {
    if (c && fh_span_first(block) == 0) return 0; /* a walk's picture may show a block that is gone */
    if (c && fh_space.marked) return fh_check_asked(block);
    return c ? fh_classes[c].size - *slack_of(block, c) : head_of_large(block)->asked;
}

static void remember(void *block, unsigned c, size_t asked) {
    if (c && fh_space.marked) return; /* the mark knows */
    if (c) *slack_of(block, c) = (uint16_t)(fh_classes[c].size - asked);
    else head_of_large(block)->asked = asked;
}

static void add_asked(unsigned c, size_t asked) {
    struct fh_counters *all = fh_counters;
    add(&all->classes[c].asked, asked);
    if (add_with_peak(&all->asked, &all->asked_peak, asked))
        __atomic_store_n(&all->held_at_peak, __atomic_load_n(&all->held, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

static void subtract_asked(unsigned c, size_t asked) {
    add(&fh_counters->classes[c].asked, -(uint64_t)asked);
    add(&fh_counters->asked, -(uint64_t)asked);
}

void fh_count_alloc(void *block, unsigned c, size_t asked) {
    struct fh_class_counters *class = &fh_counters->classes[c];
    remember(block, c, asked);
    add(&fh_counters->allocs, 1);
    uint64_t allocs = __atomic_add_fetch(&class->allocs, 1, __ATOMIC_RELAXED);
    /* Less than nothing, where other threads allocated and freed between the two loads. */
    int64_t live = (int64_t)(allocs - __atomic_load_n(&class->frees, __ATOMIC_RELAXED));
    if (live > (int64_t)__atomic_load_n(&class->peak_blocks, __ATOMIC_RELAXED))
        __atomic_store_n(&class->peak_blocks, (uint64_t)live,
                         __ATOMIC_RELAXED); /* off by a thread's step at worst */
    add_asked(c, asked);
}

void fh_count_free(const void *block, unsigned c) {
    subtract_asked(c, fh_count_asked(block, c));
    add(&fh_counters->frees, 1);
    add(&fh_counters->classes[c].frees, 1);
}

void fh_count_resize(void *block, unsigned c, size_t asked) {
    subtract_asked(c, fh_count_asked(block, c));
    remember(block, c, asked);
    add_asked(c, asked);
}

void fh_count_realloc(void) { add(&fh_counters->reallocs, 1); }
