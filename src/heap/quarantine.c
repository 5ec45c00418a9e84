/* quarantine.c - freed blocks wait here, so that a late use of them is seen, and so that what an attacker freed
 * is not what he gets next.
 *
 * Each heap has a quarantine of its own, used by its thread alone; it stays with the heap when that is parked.
 * A free puts its block into the batch of its class; that is two stores. A full batch goes to the end of a
 * queue, and the oldest batches leave it while there is more in it than the setting quarantine says: their
 * blocks go to the bin, in random order, or straight to their spans when the bin is full.
 *
 *     open[c]   | block, mark | block, mark | ... top      end |        4 to 16 KiB of each class that is used
 *     queue     oldest batch -> batch -> ... -> newest batch            `bytes` in all, of any class
 *
 * The last few batches that have been emptied are kept as they are: a block whose fill is found damaged when it
 * is used again has mostly just left one of them, and the report can say where it was allocated.
 *
 * So everything that is not two stores is done once for dozens of blocks. The mark is the one that the block
 * had before: it says where the block was allocated, for reports; the one it has says where it was freed.
 */
#include "check.h"

#include "../base/settings.h"
#include "../os/os_own.h"
#include "meta.h"

#include <string.h>

enum { HISTORY = 16, BATCH_MOST = 63, BATCH_BYTES = 4096, BATCH_BYTES_OF_FEW = 16384, BATCH_FEWEST = 2 };

struct fh_batch {
    struct fh_batch *next;
    uint32_t c, count;
    struct fh_freed blocks[BATCH_MOST];
};
_Static_assert(sizeof(struct fh_batch) == 1024, "a batch is a piece of the books' memory");

/* What is done once for a batch costs as much for four blocks as for sixteen: so of blocks above 256 bytes it
 * holds more than its usual bytes. */
static unsigned batch_size(unsigned c) {
    unsigned size = fh_classes[c].size, fit = BATCH_BYTES / size;
    if (fit > BATCH_MOST) fit = BATCH_MOST;
    if (fit >= FH_TOGETHER) return fit - fit % FH_TOGETHER;
    fit = BATCH_BYTES_OF_FEW / size;
    return fit > FH_TOGETHER ? FH_TOGETHER : fit < BATCH_FEWEST ? BATCH_FEWEST : fit;
}

/* ---- random order ---- */

static __thread uint64_t random_state __attribute__((tls_model("initial-exec")));

static uint64_t begin_random(void) {
    if (random_state == 0) fh_os_random(&random_state, sizeof random_state);
    return random_state;
}

/* 32 bits. */
FH_INLINE uint64_t next_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's; the high half is good */
    return *state >> 32;
}

/* Below `limit`, which is small. */
FH_INLINE unsigned next_random(uint64_t *state, unsigned limit) {
    return (unsigned)(next_bits(state) * limit >> 32);
}

/* An order of FH_TOGETHER things: a digit of four bits for each. A thread has one for all that it shuffles,
 * thrown at its start, and changes it a little before each use, by three exchanges and four turns: that is one
 * random number for sixteen blocks. */
static __thread uint64_t order __attribute__((tls_model("initial-exec")));
_Static_assert(FH_TOGETHER == 16, "an order is a word");

FH_INLINE uint64_t turn(uint64_t digits, uint64_t by) {
    unsigned bits = (unsigned)by & 60;
    return digits << bits | digits >> (-bits & 63);
}

/* Of the first digit with any. */
FH_INLINE uint64_t exchange(uint64_t digits, uint64_t with) {
    unsigned to = (unsigned)with & 60;
    uint64_t differ = (digits ^ digits >> to) & 15;
    return digits ^ differ ^ differ << to;
}

/* (A digit that is turned to the front and exchanged is any with any other.) */
FH_INLINE uint64_t change(uint64_t digits, uint64_t *state) {
    uint64_t chance = next_bits(state);
    digits = exchange(turn(digits, chance), chance >> 4);
    digits = exchange(turn(digits, chance >> 8), chance >> 12);
    digits = exchange(turn(digits, chance >> 16), chance >> 20);
    return turn(digits, chance >> 24);
}

static uint64_t begin_order(uint64_t *state) {
    if (FH_LIKELY(order)) return order;
    uint64_t digits = 0xfedcba9876543210u;
    for (unsigned i = 0; i < 2 * FH_TOGETHER; i++) digits = change(digits, state);
    return digits;
}

/* FH_TOGETHER blocks. */
static void shuffle_by(uint64_t digits, void **blocks) {
    typedef uint64_t two __attribute__((vector_size(16), may_alias, aligned(8)));
    void *before[FH_TOGETHER];
    for (unsigned i = 0; i < FH_TOGETHER; i += 2) /* not the C library's memcpy, which is a call */
        *(two *)(void *)(before + i) = *(const two *)(const void *)(blocks + i);
    for (unsigned i = 0; i < FH_TOGETHER; i += 4, digits >>= 16) {
        blocks[i] = before[digits & 15];
        blocks[i + 1] = before[digits >> 4 & 15];
        blocks[i + 2] = before[digits >> 8 & 15];
        blocks[i + 3] = before[digits >> 12 & 15];
    }
}

static void shuffle_few(void **blocks, unsigned count) {
    uint64_t state = begin_random();
    for (unsigned left = count; left > 1; left--) { /* Fisher and Yates */
        unsigned chosen = next_random(&state, left);
        void *block = blocks[chosen];
        blocks[chosen] = blocks[left - 1];
        blocks[left - 1] = block;
    }
    random_state = state;
}

void fh_shuffle(void **blocks, unsigned count) {
    uint64_t state = begin_random(), digits = begin_order(&state);
    for (; count >= FH_TOGETHER; count -= FH_TOGETHER, blocks += FH_TOGETHER)
        shuffle_by(digits = change(digits, &state), blocks);
    order = digits;
    random_state = state;
    shuffle_few(blocks, count);
}

/* ---- batches ---- */

/* The blocks in random order, from `to` on. */
static void put_shuffled(void **to, const struct fh_freed *blocks, unsigned count) {
    uint64_t state = begin_random(), digits = begin_order(&state);
    for (; count >= FH_TOGETHER; count -= FH_TOGETHER, blocks += FH_TOGETHER, to += FH_TOGETHER) {
        uint64_t left = digits = change(digits, &state);
        for (unsigned i = 0; i < FH_TOGETHER; i += 4, left >>= 16) {
            to[i] = blocks[left & 15].start;
            to[i + 1] = blocks[left >> 4 & 15].start;
            to[i + 2] = blocks[left >> 8 & 15].start;
            to[i + 3] = blocks[left >> 12 & 15].start;
        }
    }
    for (unsigned i = 0; i < count; i++) { /* each changes places with one of those before it, or itself */
        void **chosen = to + next_random(&state, i + 1);
        to[i] = *chosen;
        *chosen = blocks[i].start;
    }
    order = digits;
    random_state = state;
}

/* As many of the blocks go into the bin as have room. Returns how many. */
static unsigned put_into_bin(struct fh_bin *bin, const struct fh_freed *blocks, unsigned count) {
    void **from = bin->top;
    unsigned room = (unsigned)(bin->end - from), n = room < count ? room : count;
    put_shuffled(from, blocks, n);
    __atomic_store_n(&bin->top, from + n,
                     __ATOMIC_RELEASE); /* what is above is nobody's until now, in a child too */
    return n;
}

/* The bin is full: what goes past it, or makes it have room. Returns how many blocks were taken. */
static unsigned put_past_bin(struct fh_heap *heap, unsigned c, const struct fh_freed *blocks, unsigned count) {
    void *starts[BATCH_MOST];
    for (unsigned i = 0; i < count; i++) starts[i] = blocks[i].start;
    return fh_bin_overflow(heap, c, starts, count);
}

static void release(struct fh_heap *heap, const struct fh_batch *batch) {
    struct fh_bin *bin = &heap->bins[batch->c];
    const struct fh_freed *at = batch->blocks, *end = at + batch->count;
    for (at += put_into_bin(bin, at, batch->count); at < end;) {
        at += put_past_bin(heap, batch->c, at, (unsigned)(end - at));
        at += put_into_bin(bin, at, (unsigned)(end - at));
    }
}

static void release_oldest(struct fh_heap *heap, struct fh_quarantine *q) {
    struct fh_batch *batch = q->oldest;
    q->oldest = batch->next;
    if (q->oldest == NULL) q->newest = NULL;
    q->bytes -= (size_t)batch->count * fh_classes[batch->c].size;
    release(heap, batch);
    batch->next = NULL;
    *(q->last_spare ? &q->last_spare->next : &q->spare) = batch;
    q->last_spare = batch;
    q->spares++;
}

/* The batch of class c, if there is one, goes to the end of the queue. */
static void close_batch(struct fh_quarantine *q, unsigned c) {
    struct fh_batch *batch = q->filling[c];
    if (batch == NULL) return;
    batch->count = (uint32_t)(q->open[c].top - batch->blocks);
    batch->next = NULL;
    q->bytes += (size_t)batch->count * fh_classes[c].size;
    q->filling[c] = NULL;
    q->open[c].top = q->open[c].end = NULL;
    *(q->newest ? &q->newest->next : &q->oldest) = batch;
    q->newest = batch;
}

/* An empty batch for class c; false without memory. */
static bool open_batch(struct fh_quarantine *q, unsigned c) {
    struct fh_batch *batch = q->spares > HISTORY ? q->spare : NULL;
    if (batch) {
        q->spare = batch->next;
        q->spares--;
    } else {
        batch = fh_meta_take(sizeof *batch);
    }
    if (batch == NULL) return false;
    batch->c = c;
    batch->count = 0;
    batch->next = NULL;
    q->filling[c] = batch;
    q->open[c].end = batch->blocks + batch_size(c);
    q->open[c].top = batch->blocks; /* last: a child of fork finds a batch that holds what it says */
    return true;
}

struct fh_quarantine fh_quarantine_none;

/* The heap's quarantine, made at first use; NULL without memory. */
static struct fh_quarantine *quarantine_of(struct fh_heap *heap) {
    if (heap->quarantine != &fh_quarantine_none) return heap->quarantine;
    struct fh_quarantine *q = fh_meta_take(sizeof *q);
    if (q == NULL) return NULL;
    memset(q, 0, sizeof *q);
    return heap->quarantine = q;
}

void fh_quarantine_put(struct fh_heap *heap, unsigned c, char *start, uint64_t live) {
    struct fh_quarantine *q = heap ? quarantine_of(heap) : NULL;
    if (q == NULL) {
        fh_small_give(c, start);
        return;
    }
    if (q->open[c].top == q->open[c].end) {
        close_batch(q, c);
        while (q->oldest && q->bytes > fh_settings.quarantine) release_oldest(heap, q);
        if (!open_batch(q, c)) {
            fh_small_give(c, start);
            return;
        }
    }
    *q->open[c].top = (struct fh_freed){start, live};
    q->open[c].top++;
}

bool fh_quarantine_drain(struct fh_heap *heap) {
    struct fh_quarantine *q = heap ? heap->quarantine : NULL;
    if (q == NULL) return false;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) close_batch(q, c);
    bool any = q->oldest != NULL;
    while (q->oldest) release_oldest(heap, q);
    return any;
}

/* ---- for reports ---- */

static uint32_t site_in(const struct fh_freed *from, const struct fh_freed *end, const char *start) {
    for (; from < end; from++)
        if (from->start == start) return fh_mark_of_word(from->live).site;
    return 0;
}

/* Other threads may be at theirs: what is read was true a moment ago, and a site that is wrong misleads at
 * worst. */
__attribute__((no_sanitize("thread"))) static uint32_t look_in(const struct fh_quarantine *q,
                                                               const char *start) {
    uint32_t site = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT && site == 0; c++)
        if (q->filling[c]) site = site_in(q->filling[c]->blocks, q->open[c].top, start);
    for (const struct fh_batch *batch = q->oldest; batch && site == 0; batch = batch->next)
        site = site_in(batch->blocks, batch->blocks + batch->count, start);
    bool waits = site != 0;
    for (const struct fh_batch *batch = q->spare; batch; batch = batch->next) {
        uint32_t later = site_in(batch->blocks, batch->blocks + batch->count, start);
        if (later && !waits) site = later; /* the last batch that had it */
    }
    return site;
}

uint32_t fh_quarantine_site(const char *start) {
    uint32_t site = 0;
    const struct fh_heap *mine = fh_heap_mine();
    if (mine) site = look_in(mine->quarantine, start);
    for (const struct fh_heap *heap = fh_heap_first(); heap && site == 0; heap = heap->next)
        if (heap != mine && heap->quarantine) site = look_in(heap->quarantine, start);
    return site;
}
