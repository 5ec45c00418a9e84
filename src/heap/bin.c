/* bin.c - the slow half of the bins: refill, flush, and how large a bin should be.
 *
 *     base[-1]  base[0] ............. top | ........ end
 *     NULL      oldest        newest      | room
 *
 * A bin starts closed (no array at all), gets room for 15 blocks at first use, and doubles, up to its class's most, for
 * two reasons:
 *   - it ran dry and ran full in turn: the program frees and allocates in bursts longer than the bin, and a larger one
 *     would have kept the burst away from the spans;
 *   - it ran dry again and again, or full again and again: larger batches make fewer slow paths. Up to STREAK_MOST only,
 *     since beyond that nothing is gained but memory lying idle.
 * A full bin flushes its older half, whose blocks have grown cold; a bin that runs full again and again flushes three
 * quarters. Tidying, once a second for heaps in use, empties the bins in which nothing happened.
 */
#include "heap.h"

#include "extent.h"
#include "meta.h"

#include <string.h>

struct fh_closed_bin fh_closed;

enum {
    FIRST_CAPACITY = 15,
    FIRST_BATCH = 4,
    STREAK_MOST = 255,
    TIDY_EVENTS = 64,  /* how many slow paths between two looks at the clock */
    TIDY_MS = 1000,
};

static unsigned count_in(const struct fh_bin *bin, const struct fh_bin_book *book) {
    return (unsigned)(bin->top - book->base);
}

static size_t array_bytes(unsigned capacity) { return (capacity + 1u) * sizeof(void *); }

/* Gives the bin an array of `capacity` slots and moves its blocks there. False, and nothing changed, without memory. */
static bool resize(struct fh_bin *bin, struct fh_bin_book *book, unsigned capacity) {
    void **array = fh_meta_take(array_bytes(capacity));
    if (array == NULL) return false;
    void **base = array + 1;
    unsigned count = book->base ? count_in(bin, book) : 0;
    array[0] = NULL;
    memcpy(base, book->base ? book->base : base, count * sizeof(void *));
    if (book->base) fh_meta_give(book->base - 1, array_bytes(book->capacity));
    book->base = base;
    book->capacity = (uint16_t)capacity;
    bin->top = base + count;
    bin->end = base + capacity;
    return true;
}

static bool open_bin(struct fh_bin *bin, struct fh_bin_book *book, unsigned c) {
    unsigned most = fh_classes[c].bin_most;
    if (!resize(bin, book, most < FIRST_CAPACITY ? most : FIRST_CAPACITY)) return false;
    book->batch = most < FIRST_BATCH ? 1 : FIRST_BATCH;
    book->ran_full = book->ran_dry = 0;
    return true;
}

/* Doubles the bin when that is due; `turned`: it last ran the other way. */
static bool grow(struct fh_bin *bin, struct fh_bin_book *book, unsigned c, bool turned) {
    unsigned most = fh_classes[c].bin_most;
    if (!turned && most > STREAK_MOST) most = STREAK_MOST;
    if (book->capacity >= most) return false;
    return resize(bin, book, book->capacity * 2u + 1u);
}

static void close_bin(struct fh_heap *heap, unsigned c) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    if (book->base == NULL) return;
    fh_span_give(heap, c, book->base, count_in(bin, book));
    fh_meta_give(book->base - 1, array_bytes(book->capacity));
    book->base = NULL;
    fh_bin_close(bin);
}

void fh_bin_close_all(struct fh_heap *heap) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) close_bin(heap, c);
}

/* What has not been used for a while goes back. */
static void tidy(struct fh_heap *heap) {
    uint64_t now = fh_os_ticks();
    if (now - heap->tidied < TIDY_MS) return;
    heap->tidied = now;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        if (heap->books[c].stirred == 0) {
            close_bin(heap, c);
            if (heap->filled[c]) fh_span_end_empty(heap, c);
        }
        heap->books[c].stirred = 0;
    }
    fh_extent_decay();
}

static void note_event(struct fh_heap *heap, struct fh_bin_book *book) {
    book->stirred |= 1;
    if (++heap->events % TIDY_EVENTS == 0) tidy(heap);
}

/* ---- refill ---- */

/* Takes a batch into the empty bin; false when there is no memory. */
static bool fill(struct fh_heap *heap, unsigned c, struct fh_bin *bin, struct fh_bin_book *book) {
    unsigned batch = book->batch;
    unsigned got = fh_span_take(heap, c, book->base + batch, batch);
    if (got < batch) memmove(book->base, book->base + batch - got, got * sizeof(void *));
    bin->top = book->base + got;
    return got > 0;
}

static void next_batch(struct fh_bin_book *book) {
    unsigned doubled = book->batch * 2u, most = (book->capacity + 1u) / 2u;
    if (most > STREAK_MOST / 2 + 1) most = STREAK_MOST / 2 + 1;
    book->batch = (uint16_t)(doubled < most ? doubled : most);
}

static void *refill(struct fh_heap *heap, unsigned c) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    fh_span_collect(heap);
    note_event(heap, book);
    void *block = NULL;
    if (book->base == NULL && !open_bin(bin, book, c)) { /* no memory for the array: one block without it */
        fh_span_take(heap, c, &block + 1, 1);
        return block;
    }
    if (book->ran_full || book->batch * 2u > book->capacity) grow(bin, book, c, book->ran_full);
    book->ran_full = 0;
    book->ran_dry = 1;
    if (!fill(heap, c, bin, book)) return NULL;
    next_batch(book);
    return *--bin->top;
}

void *fh_bin_refill(struct fh_heap *heap, unsigned c) {
    fh_lock(&heap->lock);
    void *block = refill(heap, c);
    fh_unlock(&heap->lock);
    return block;
}

/* ---- flush ---- */

/* Gives the `count` oldest blocks back. */
static void give_oldest(struct fh_heap *heap, unsigned c, struct fh_bin *bin, struct fh_bin_book *book, unsigned count) {
    unsigned rest = count_in(bin, book) - count;
    fh_span_give(heap, c, book->base, count);
    memmove(book->base, book->base + count, rest * sizeof(void *));
    bin->top = book->base + rest;
}

static void flush(struct fh_heap *heap, unsigned c, void *p) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    fh_span_collect(heap);
    note_event(heap, book);
    if (book->base == NULL && !open_bin(bin, book, c)) {
        fh_span_give(heap, c, &p, 1);
        return;
    }
    if (bin->top == bin->end && !grow(bin, book, c, book->ran_dry)) {
        unsigned half = (book->capacity + 1u) / 2u;
        give_oldest(heap, c, bin, book, book->ran_full ? half + half / 2 : half);
        book->ran_full = 1;
    }
    book->ran_dry = 0;
    *bin->top++ = p;
}

void fh_bin_flush(struct fh_heap *heap, unsigned c, void *p) {
    fh_lock(&heap->lock);
    flush(heap, c, p);
    fh_unlock(&heap->lock);
}
