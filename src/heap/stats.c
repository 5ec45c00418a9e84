/* stats.c - the heap in numbers, and giving back what is unused.
 *
 * Nothing is counted while the program runs, except by the extents, which are asked seldom. The numbers are
 * read off the books when someone asks: each heap in turn, under its lock, after its remote frees were
 * collected. A walk over the heads of all granules finds the spans and the large blocks; the threads' bins tell
 * how many blocks they keep. */
#include "../base/settings.h"
#include "../os/os.h"
#include "counters.h"
#include "depot.h"
#include "extent.h"
#include "heap.h"
#include "large.h"
#include "meta.h"

#include <string.h>

/* Another thread's bin, read while that thread may be using it: a number that was true a moment ago. */
__attribute__((no_sanitize("thread"))) static size_t cached_in(const struct fh_bin *bin,
                                                               const struct fh_bin_book *book) {
    void **top = *(void **volatile const *)&bin->top;
    if (book->base == NULL || top < book->base || top > book->base + book->capacity) return 0;
    return (size_t)(top - book->base);
}

/* What the bins of a thread keep. */
static void add_bins(struct fh_stats *out, const struct fh_heap *heap) {
    if (heap->bins == NULL) return;
    out->threads++;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        out->classes[c].cached += cached_in(&heap->bins[c], &heap->books[c]);
}

static void add_span(struct fh_stats *out, const struct fh_head *head) {
    struct fh_class_stats *class = &out->classes[head->class];
    class->spans++;
    class->blocks += head->usable;
    class->free += head->free;
    out->span_tail += FH_GRANULE - (size_t)head->usable * fh_classes[head->class].size;
}

/* One look at every granule that begins something; the heads of all others are skipped over. */
static void add_granules(struct fh_stats *out) {
    for (uint32_t g = 1; g < fh_space.mapped;) {
        const struct fh_head *head = &fh_space.heads[g];
        if (head->kind == FH_SPAN) add_span(out, head);
        if (head->kind == FH_LARGE) {
            out->large_blocks++;
            out->large_live += fh_large_usable(g);
        }
        g += head->granules;
    }
}

static void sum_classes(struct fh_stats *out) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        struct fh_class_stats *class = &out->classes[c];
        class->block_size = fh_class_size(c);
        class->cached += fh_depot_blocks(c);
        size_t not_live = class->cached + class->free;
        class->live = class->blocks > not_live ? class->blocks - not_live : 0;
        out->live += class->live * class->block_size;
        out->cached += class->cached * class->block_size;
        out->free_in_spans += class->free * class->block_size;
    }
    out->classes[0].live = out->classes[0].blocks = out->large_blocks;
    out->live += out->large_live;
}

static uint64_t read_counter(const uint64_t *counter) { return __atomic_load_n(counter, __ATOMIC_RELAXED); }

static void add_counters(struct fh_stats *out) {
    const struct fh_counters *from = fh_counters;
    out->counting = 1;
    out->frees = read_counter(&from->frees); /* before the allocs: so that the difference is never negative */
    out->allocs = read_counter(&from->allocs);
    out->reallocs = read_counter(&from->reallocs);
    out->asked = read_counter(&from->asked);
    out->asked_peak = read_counter(&from->asked_peak);
    out->live_blocks = (size_t)(out->allocs - out->frees);
    for (unsigned c = 0; c < FH_CLASS_COUNT; c++) {
        out->classes[c].frees = read_counter(&from->classes[c].frees);
        out->classes[c].allocs = read_counter(&from->classes[c].allocs);
        out->classes[c].live_asked = read_counter(&from->classes[c].asked);
    }
}

static void collect(struct fh_heap *heap, void *unused) {
    (void)unused;
    fh_span_collect(heap);
}

void fh_stats_now(struct fh_stats *out) {
    struct fh_extent_numbers extents;
    memset(out, 0, sizeof *out);
    fh_heap_each(collect, NULL);
    fh_heap_lock_everything();
    for (const struct fh_heap *heap = fh_heap_first(); heap; heap = heap->next) add_bins(out, heap);
    add_granules(out);
    fh_extent_numbers(&extents);
    fh_heap_unlock_everything();
    sum_classes(out);
    out->metadata = fh_meta_bytes() + fh_space_table_bytes();
    out->free_extents = extents.dirty;
    out->held =
        extents.used + extents.dirty + out->metadata; /* not added up from the rest: the identity is real */
    out->held_peak = extents.peak + out->metadata;
    out->purged = extents.purged + fh_holes_given_back();
    out->largest_hole = extents.largest;
    if (fh_settings.count) add_counters(out);
}

/* ---- giving back ---- */

struct trim {
    struct fh_heap *mine;
    size_t given;
};

static void give_back(struct fh_heap *heap, void *arg) {
    struct trim *trim = arg;
    fh_span_collect(heap);
    if (heap == trim->mine) { /* only a thread itself may touch its bins */
        fh_bin_close_all(heap);
        for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fh_bin_drain_depot(heap, c, true);
    }
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        if (heap->filled[c]) fh_span_end_empty(heap, c, true);
    if (!fh_mode_checks()) trim->given += fh_holes_purge(heap);
}

size_t fh_trim(void) {
    struct trim trim = {.mine = fh_heap_mine()};
    fh_heap_each(give_back, &trim);
    return trim.given + fh_extent_purge_all();
}
