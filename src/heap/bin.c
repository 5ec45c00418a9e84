/* bin.c - the slow half of the bins: refill, flush, and how large a bin should be.
 *
 *     base[-1]  base[0] ............. top | ........ end
 *     NULL      oldest        newest      | room             one magazine (depot.h)
 *
 * A bin starts closed (no magazine at all), gets room for 14 blocks at first use, and doubles each time that it
 * runs dry or full, up to its class's most: so a thread that does little keeps little. Once it is that large
 *
 *     an empty bin    takes a full magazine from the depot; if there is none, a batch of blocks from spans
 *     a full bin      gives its older blocks to their spans; but one of a thread that only frees leaves its whole
 *                     magazine at the depot, for a thread that allocates, as long as there is room
 *
 * Who only frees is told by a credit: a refill earns two, a flush of what others have allocated costs one. A
 * thread that does both keeps its blocks to itself, because its own processor has them in its cache: sent
 * through the depot they wander between processors (four threads that each allocate and free 4000 blocks: 1.7
 * of the best peer's time with every bin using the depot, 1.15 so). And for one that only frees a larger bin is
 * nothing but memory lying idle: it gets a quarter of the 32 KiB.
 *
 * Tidying, once a second for heaps in use, empties the bins and depots in which nothing happened, and ends what
 * spans rest (span.c).
 */
#include "heap.h"

#include "depot.h"
#include "extent.h"

#include <string.h>

struct fh_closed_bin fh_closed;

enum {
    FIRST_CAPACITY = 14,
    FIRST_BATCH = 4,
    MOST_CREDIT = 128,
    TIDY_EVENTS = 64, /* how many slow paths between two looks at the clock */
    TIDY_MS = 1000,
};

static unsigned count_in(const struct fh_bin *bin, const struct fh_bin_book *book) {
    return (unsigned)(bin->top - book->base);
}

/* Makes the magazine with `count` blocks in it the bin's. */
static void load(struct fh_bin *bin, struct fh_bin_book *book, void **base, unsigned capacity, unsigned count) {
    book->base = base;
    book->capacity = (uint16_t)capacity;
    bin->top = base + count;
    bin->end = base + capacity;
}

static bool open_bin(struct fh_heap *heap, unsigned c) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    unsigned most = fh_classes[c].bin_most, capacity = most < FIRST_CAPACITY ? most : FIRST_CAPACITY;
    void **base = fh_magazine_new(&heap->magazines, capacity);
    if (base == NULL) return false;
    load(bin, book, base, capacity, 0);
    book->batch = most < FIRST_BATCH ? 1 : FIRST_BATCH;
    return true;
}

/* Doubles the bin, with its blocks, unless it is as large as `most` lets it be or there is no memory. */
static bool grow(struct fh_heap *heap, unsigned c, unsigned most) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    unsigned capacity = book->capacity, count = count_in(bin, book);
    if (capacity >= most) return false;
    void **old = book->base;
    void **base = fh_magazine_new(&heap->magazines, capacity * 2u + FH_MAGAZINE_HEAD);
    if (base == NULL) return false;
    memcpy(base, old, count * sizeof(void *));
    load(bin, book, base, capacity * 2u + FH_MAGAZINE_HEAD, count);
    fh_magazine_end(&heap->magazines, old, capacity);
    return true;
}

static void close_bin(struct fh_heap *heap, unsigned c) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    if (book->base == NULL) return;
    fh_span_give(heap, c, book->base, count_in(bin, book));
    fh_magazine_end(&heap->magazines, book->base, book->capacity);
    book->base = NULL;
    fh_bin_close(bin);
}

void fh_bin_close_all(struct fh_heap *heap) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) close_bin(heap, c);
}

void fh_bin_drain_depot(struct fh_heap *heap, unsigned c, bool all) {
    unsigned capacity;
    for (void **base; (base = fh_depot_get_idle(c, all, &heap->magazines, &capacity));) {
        fh_span_give(heap, c, base, capacity);
        fh_magazine_end(&heap->magazines, base, capacity);
    }
}

/* What has not been used for a while goes back. */
static void tidy(struct fh_heap *heap) {
    uint64_t now = fh_os_ticks();
    if (now - heap->tidied < TIDY_MS) return;
    heap->tidied = now;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        struct fh_bin_book *book = &heap->books[c];
        fh_bin_drain_depot(heap, c, false);
        if (!book->stirred) close_bin(heap, c);
        if (heap->filled[c] && (book->resting || !book->stirred)) fh_span_end_empty(heap, c, true);
        book->may_rest = book->ended = 0;
        book->stirred = false;
    }
    fh_extent_decay();
}

static void note_event(struct fh_heap *heap, struct fh_bin_book *book) {
    if (++heap->events % TIDY_EVENTS == 0) tidy(heap);
    book->stirred = true;
}

/* ---- refill ---- */

/* Takes a batch from spans into the empty bin; false when there is no memory. */
static bool fill(struct fh_heap *heap, unsigned c, struct fh_bin *bin, struct fh_bin_book *book) {
    unsigned batch = book->batch < book->capacity ? book->batch
                                                  : book->capacity; /* the depot may have given a smaller one */
    unsigned got = fh_span_take(heap, c, book->base + batch, batch);
    if (got < batch) memmove(book->base, book->base + batch - got, got * sizeof(void *));
    bin->top = book->base + got;
    return got > 0;
}

/* Exchanges the empty magazine for a full one, if the depot has one. */
static bool exchange(struct fh_heap *heap, unsigned c, struct fh_bin *bin, struct fh_bin_book *book) {
    unsigned capacity = book->capacity;
    void **full = fh_depot_change_empty(c, heap->shard, &heap->magazines, book->base, &capacity);
    if (full == NULL) return false;
    load(bin, book, full, capacity, capacity);
    return true;
}

static void next_batch(struct fh_bin_book *book) {
    unsigned doubled = book->batch * 2u, most = book->capacity / 2u;
    if (most > doubled) most = doubled;
    if (most > book->batch) book->batch = (uint16_t)most;
}

static void *refill(struct fh_heap *heap, unsigned c) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    fh_span_collect(heap);
    note_event(heap, book);
    void *block = NULL;
    if (book->base == NULL && !open_bin(heap, c)) { /* no memory for a magazine: one block without it */
        fh_span_take(heap, c, &block + 1, 1);
        return block;
    }
    if (book->credit < MOST_CREDIT) book->credit += 2;
    if (!exchange(heap, c, bin, book)) {
        if (book->batch * 2u >= book->capacity) grow(heap, c, fh_classes[c].bin_most);
        if (!fill(heap, c, bin, book)) return NULL;
        next_batch(book);
    }
    return *--bin->top;
}

void *fh_bin_refill(struct fh_heap *heap, unsigned c) {
    fh_lock(&heap->lock);
    void *block = refill(heap, c);
    fh_unlock(&heap->lock);
    return block;
}

/* ---- flush ---- */

/* Leaves the full magazine at the depot and goes on with an empty one. */
static bool hand_over(struct fh_heap *heap, unsigned c, struct fh_bin *bin, struct fh_bin_book *book) {
    void **empty = fh_depot_change_full(c, heap->shard, &heap->magazines, book->base, book->capacity);
    if (empty == NULL) return false;
    load(bin, book, empty, book->capacity, 0);
    return true;
}

/* Gives the older three quarters back to their spans; the newest are still warm. */
static void give_oldest(struct fh_heap *heap, unsigned c, struct fh_bin *bin, struct fh_bin_book *book) {
    unsigned keep = book->capacity / 4u, count = book->capacity - keep;
    fh_span_give(heap, c, book->base, count);
    memmove(book->base, book->base + count, keep * sizeof(void *));
    bin->top = book->base + keep;
    unsigned capacity;
    void **unwanted = fh_depot_overflowed(c, heap->shard, count, &capacity);
    if (unwanted == NULL) return;
    fh_span_give(heap, c, unwanted, capacity);
    fh_magazine_end(&heap->magazines, unwanted, capacity);
}

/* The first few blocks of a class that a thread frees without having allocated any, and that are another's, go
 * home instead of opening the bin. Else the thread's next block would be one that shares a cache line with the
 * other thread's blocks ("passive false sharing", Berger et al. 2000), and so would all that follow in its
 * place. */
static bool is_stray(const struct fh_heap *heap, struct fh_bin_book *book, const void *p) {
    enum { FEW = 8 };
    return book->strays < FEW && !fh_span_is_own(heap, p) && ++book->strays;
}

static void flush(struct fh_heap *heap, unsigned c, void *p) {
    struct fh_bin *bin = &heap->bins[c];
    struct fh_bin_book *book = &heap->books[c];
    fh_span_collect(heap);
    note_event(heap, book);
    if (book->base == NULL && (is_stray(heap, book, p) || !open_bin(heap, c))) {
        fh_span_give(heap, c, &p, 1);
        return;
    }
    bool only_frees = book->credit == 0;
    unsigned most = only_frees ? fh_classes[c].bin_one_way : fh_classes[c].bin_most;
    if (bin->top == bin->end && !grow(heap, c, most) && !(only_frees && hand_over(heap, c, bin, book)))
        give_oldest(heap, c, bin, book);
    if (!only_frees && !fh_span_is_own(heap, p)) book->credit--;
    *bin->top++ = p;
}

void fh_bin_flush(struct fh_heap *heap, unsigned c, void *p) {
    fh_lock(&heap->lock);
    flush(heap, c, p);
    fh_unlock(&heap->lock);
}

/* Is the bin as large as it may be, and of a thread that allocates, too? Then what comes from the quarantine is
 * not warmer than what the bin holds, and need not go through it. */
static bool has_all_it_may(const struct fh_bin_book *book, unsigned c) {
    return book->base && book->credit && book->capacity >= fh_classes[c].bin_most;
}

static unsigned overflow(struct fh_heap *heap, unsigned c, void **blocks, unsigned count) {
    struct fh_bin_book *book = &heap->books[c];
    if (count == 1 || !has_all_it_may(book, c)) {
        flush(heap, c, blocks[0]);
        return 1;
    }
    fh_span_collect(heap);
    note_event(heap, book);
    if (!fh_span_is_own(heap, blocks[0])) book->credit--;
    fh_span_give(heap, c, blocks, count);
    return count;
}

unsigned fh_bin_overflow(struct fh_heap *heap, unsigned c, void **blocks, unsigned count) {
    fh_lock(&heap->lock);
    unsigned taken = overflow(heap, c, blocks, count);
    fh_unlock(&heap->lock);
    return taken;
}
