/* valid.c - is the heap whole? Every invariant of its books, checked: for tests, between the steps of a
 * program.
 *
 *     granules    each belongs to exactly one extent; what is free is merged
 *     extents     trees, list by age and counts agree with the granules (extent.c)
 *     spans       class table, bitmap, summary, count of free blocks and list agree; blocks that wait in the remote bitmap
 *                 are not free as well; whoever has remote frees is on its owner's list of touched spans
 *     marks       in checked mode: no block that is free is the program's
 *     heaps       each list holds spans of this heap, each once; as many spans as the heap counts, and as many that
 *                 rest; what a heap of the program's own counts; a parked one has no thread
 *     all heaps   spans of each class, and in checked mode what rests, are as many as all count together
 *     depots      count what they hold
 *     bins        hold blocks of their class that are free in no bitmap, each once
 *
 * Everything is locked meanwhile. Bins are changed by their threads without a lock, so they are looked at only
 * when the caller says that no other thread is at work. The first thing that is broken is said on stderr.
 */
#include "valid.h"

#include "../base/report.h"
#include "check.h"
#include "depot.h"
#include "extent.h"
#include "heap.h"
#include "large.h"

#include <string.h>

static bool whole;
static uint64_t (*cached)[FH_WORDS]; /* blocks met in bins and depots */

static struct fh_head *head_of(uint32_t g) { return &fh_space.heads[g]; }

static void broken(const char *what, uint32_t g) {
    if (whole) fh_say("the heap is broken: %s; granule %u", what, g);
    whole = false;
}

static void expect(bool holds, const char *what, uint32_t g) {
    if (!holds) broken(what, g);
}

/* ---- spans ---- */

static unsigned count_free(uint32_t g) {
    unsigned n = 0,
             words = (head_of(g)->blocks + 63u) / 64u; /* what is behind them is left over from earlier spans */
    for (unsigned w = 0; w < words; w++) {
        uint64_t word = fh_space.bits[g][w];
        expect((word != 0) == (head_of(g)->summary >> w & 1), "a span's summary does not agree with its bitmap",
               g);
        n += fh_count_bits(word);
    }
    return n;
}

static void check_remote(uint32_t g) {
    const struct fh_remote *remote = &fh_space.remotes[g];
    unsigned words = (head_of(g)->blocks + 63u) / 64u;
    bool any = false;
    for (unsigned w = 0; w < FH_WORDS; w++) {
        uint64_t word = atomic_load(&remote->bits[w]);
        expect(word == 0 || w < words, "a remote free behind a span's last block", g);
        expect(w >= words || (word & fh_space.bits[g][w]) == 0, "a block is free and freed remotely", g);
        if (word) expect(atomic_load(&remote->summary) >> w & 1, "a remote free that no summary tells of", g);
        any |= word != 0;
    }
    if (any) expect(atomic_load(&remote->queued), "a remote free that nobody will collect", g);
}

/* In checked mode, where a block is marked before it is given back. */
static void check_marks(uint32_t g) {
    if (fh_space.marked == NULL) return;
    const struct fh_mark *marks = fh_space_marks(g);
    for (unsigned w = 0; whole && w < (head_of(g)->blocks + 63u) / 64u; w++) {
        uint64_t free = fh_space.bits[g][w] | atomic_load(&fh_space.remotes[g].bits[w]);
        for (; free; free &= free - 1) {
            struct fh_mark mark = fh_mark_read(marks + w * 64 + (unsigned)__builtin_ctzll(free));
            expect(fh_mark_state(&mark) != FH_MARK_LIVE, "a block is free and in use", g);
        }
    }
}

static void check_span(uint32_t g) {
    const struct fh_head *head = head_of(g);
    unsigned c = head->class;
    bool private = head->private != NULL;
    expect(c > 0 && c < FH_CLASS_COUNT, "a span of no class", g);
    if (!whole) return;
    expect(head->granules == 1 && head->blocks == fh_classes[c].blocks, "a span of a wrong length", g);
    expect(private != (atomic_load(&head->owner) != NULL), "a span with no owner, or with two", g);
    expect(count_free(g) == head->free && head->free <= head->usable && head->usable <= head->blocks,
           "a span's count of free blocks is wrong", g);
    if (head->blocks % 64)
        expect(fh_space.bits[g][head->blocks / 64] >> head->blocks % 64 == 0,
               "a free block behind a span's last", g);
    unsigned bucket = head->free ? 31u - (unsigned)__builtin_clz(head->free)
                      : private  ? FH_FULL_BUCKET
                                 : FH_NO_BUCKET;
    expect(head->bucket == bucket, "a span in a wrong list", g);
    expect(fh_space.classes[g] == (private ? 0 : c), "the class table does not agree with a span", g);
    check_remote(g);
    check_marks(g);
}

static void check_granules(void) {
    for (uint32_t g = 1; whole && g < fh_space.mapped; g += head_of(g)->granules) {
        const struct fh_head *head = head_of(g);
        if (head->kind == FH_INSIDE || head->granules == 0 || head->granules > fh_space.mapped - g) {
            broken("a granule that belongs to nothing", g);
            return;
        }
        if (head->kind == FH_SPAN) check_span(g);
        if (head->kind != FH_SPAN) expect(fh_space.classes[g] == 0, "a class where no span is", g);
    }
}

/* ---- heaps ---- */

/* Does the span belong to the heap? */
static bool is_of(const struct fh_head *head, const struct fh_heap *heap) {
    return heap->private ? head->private == heap : atomic_load(&head->owner) == heap;
}

/* `c`: of this class, or of any where that is 0. */
static void check_links(const struct fh_heap *heap, uint32_t first, unsigned c, unsigned b) {
    uint32_t before = 0;
    for (uint32_t g = first; whole && g; before = g, g = head_of(g)->next) {
        const struct fh_head *head = head_of(g);
        expect(head->kind == FH_SPAN && (c == 0 || head->class == c) && head->bucket == b,
               "a list holds what does not belong there", g);
        expect(head->prev == before, "a list's links do not agree", g);
        expect(is_of(head, heap), "a list of another heap", g);
    }
}

static void check_list(const struct fh_heap *heap, unsigned c, unsigned b) {
    check_links(heap, heap->lists[c][b], c, b);
    expect((heap->lists[c][b] != 0) == (heap->filled[c] >> b & 1),
           "a heap does not know which lists are filled", c);
}

/* The heap's counts of its spans, and of those that rest. */
static void check_counts(const struct fh_heap *heap) {
    uint32_t spans[FH_CLASS_COUNT] = {0}, resting[FH_CLASS_COUNT] = {0}, all = 0, at_rest = 0;
    for (uint32_t g = 1; g < fh_space.mapped; g += head_of(g)->granules) {
        const struct fh_head *head = head_of(g);
        if (head->kind != FH_SPAN || !is_of(head, heap)) continue;
        spans[head->class]++;
        all++;
        if (fh_space.marked || !head->rests) continue;
        expect(head->free == head->usable, "a span rests that is not empty", g);
        resting[head->class]++;
        at_rest++;
    }
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        expect(spans[c] == heap->spans[c], "a heap's count of spans", c);
        expect(resting[c] == heap->books[c].resting, "a heap's count of spans that rest", c);
    }
    expect(all == heap->all_spans && at_rest == heap->resting, "a heap's count of all its spans", all);
}

/* What a heap of the program's own says of its blocks. */
static void check_private(const struct fh_heap *heap) {
    const struct fh_private *private = heap->private;
    size_t blocks = 0, live = 0, held = 0, full = 0;
    for (uint32_t g = private->larges; g; g = head_of(g)->next) {
        expect(head_of(g)->kind == FH_LARGE && head_of(g)->private == heap, "a large block of another heap", g);
        blocks++;
        live += fh_large_usable(g);
        held += fh_large_usable(g);
    }
    for (uint32_t g = 1; whole && g < fh_space.mapped; g += head_of(g)->granules) {
        const struct fh_head *head = head_of(g);
        if (head->kind != FH_SPAN || head->private != heap) continue;
        blocks += (size_t)(head->usable - head->free);
        live += (size_t)(head->usable - head->free) * fh_classes[head->class].size;
        held += FH_GRANULE;
        full += head->free == 0;
    }
    check_links(heap, private->full, 0, FH_FULL_BUCKET);
    for (uint32_t g = private->full; whole && g; g = head_of(g)->next) full--;
    expect(full == 0, "a heap of the program's own does not know its full spans", (uint32_t)full);
    expect(blocks == private->blocks && live == private->live,
           "a heap of the program's own has miscounted blocks", 0);
    expect(private->allocs - private->frees == blocks, "a heap of the program's own has miscounted calls", 0);
    expect(held == private->held && held <= private->held_peak,
           "a heap of the program's own has miscounted memory", 0);
}

/* What no heap counts by itself. */
static void check_sums(void) {
    uint32_t spans[FH_CLASS_COUNT] = {0}, at_rest = 0;
    for (uint32_t g = 1; g < fh_space.mapped; g += head_of(g)->granules) {
        if (head_of(g)->kind != FH_SPAN) continue;
        spans[head_of(g)->class]++;
        at_rest += head_of(g)->rests;
    }
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        expect(spans[c] == atomic_load(&fh_class_spans[c]), "the count of all spans of a class", c);
        expect(fh_depot_is_valid(c), "a depot has miscounted", c);
    }
    expect(fh_space.marked == NULL || at_rest == fh_span_resting(), "the count of what rests", at_rest);
}

static void check_touched(const struct fh_heap *heap) {
    unsigned n = 0;
    for (uint32_t g = atomic_load(&heap->touched); whole && g; g = atomic_load(&fh_space.remotes[g].next)) {
        expect(atomic_load(&fh_space.remotes[g].queued), "a touched span that does not know it", g);
        expect(++n < fh_space.mapped, "a circle in the list of touched spans", g);
    }
}

static void check_bin(const struct fh_heap *heap, unsigned c) {
    const struct fh_bin *bin = &heap->bins[c];
    const struct fh_bin_book *book = &heap->books[c];
    if (book->base == NULL) {
        expect(bin->top == fh_closed.slot && bin->end == fh_closed.slot, "a closed bin that is open", c);
        return;
    }
    expect(book->base[-1] == NULL && bin->end == book->base + book->capacity, "a bin's bounds", c);
    expect(bin->top >= book->base && bin->top <= bin->end, "a bin's top", c);
}

static void check_heap(const struct fh_heap *heap, bool quiet) {
    for (unsigned c = 1; whole && c < FH_CLASS_COUNT; c++) {
        for (unsigned b = 0; b < FH_BUCKETS; b++) check_list(heap, c, b);
        if (quiet && heap->bins) check_bin(heap, c);
    }
    if (whole) check_counts(heap);
    if (whole && heap->private) check_private(heap);
    expect(!heap->parked || heap->bins == NULL, "a parked heap with a thread", 0);
    check_touched(heap);
}

/* ---- cached blocks ---- */

static void note_cached(void *class, void *const *blocks, unsigned count) {
    unsigned c = *(unsigned *)class;
    for (unsigned i = 0; whole && i < count; i++) {
        uint32_t g = fh_span_first(blocks[i]);
        if (g == 0 || head_of(g)->kind != FH_SPAN || head_of(g)->class != c) {
            broken("a bin or depot holds what is no block of its class", g);
            return;
        }
        size_t within = fh_space_offset(blocks[i]) - ((size_t)g << FH_GRANULE_SHIFT),
               n = within / fh_classes[c].size;
        uint64_t bit = (uint64_t)1 << n % 64;
        expect(within % fh_classes[c].size == 0 && n < head_of(g)->blocks, "a bin holds the middle of a block",
               g);
        expect((fh_space.bits[g][n / 64] & bit) == 0, "a block is in a bin and free in its span", g);
        expect((cached[g][n / 64] & bit) == 0, "a block is in two bins", g);
        cached[g][n / 64] |= bit;
    }
}

static void check_cached(void) {
    size_t page = fh_os_page_size(), size = (fh_space.mapped * sizeof *cached + page - 1) & ~(page - 1);
    cached = fh_os_map_sparse(size);
    if (cached == NULL) return;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        fh_depot_show(c, note_cached, &c);
        for (const struct fh_heap *heap = fh_heap_first(); heap; heap = heap->next)
            if (heap->bins && heap->books[c].base)
                note_cached(&c, heap->books[c].base, (unsigned)(heap->bins[c].top - heap->books[c].base));
    }
    fh_os_unmap(cached, size);
}

bool fh_heap_is_valid(bool quiet) {
    if (fh_space.size == 0) return true;
    fh_heap_lock_everything();
    whole = true;
    check_granules();
    if (whole) whole = fh_extent_is_valid();
    for (const struct fh_heap *heap = fh_heap_first(); whole && heap; heap = heap->next)
        check_heap(heap, quiet);
    if (whole) check_sums();
    if (whole && quiet) check_cached();
    bool result = whole;
    fh_heap_unlock_everything();
    return result;
}
