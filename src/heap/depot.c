/* depot.c - see depot.h. */
#include "depot.h"

#include "../os/os.h"

enum {
    SHARDS = 8,        /* depots of a class, at most */
    HEAPS_A_SHARD = 8, /* for so many threads one lock is enough */
    LOOKS = 4,         /* depots that a thread looks into before it goes to the spans */
    MOST_EMPTIES = 16, /* empty magazines in a depot */
};

static struct depot {
    _Alignas(64) struct fh_lock lock;
    _Atomic uint32_t blocks;         /* in all its full magazines; written under the lock, as all below */
    void **first;                    /* slot 0 of the full magazine that came last */
    void **empties;                  /* the same of the empty ones, which have all the same capacity: */
    _Atomic uint16_t spare_capacity; /* 0 when there is none */
    uint16_t empty_count;
    _Atomic uint32_t overflow;    /* blocks that found no room since somebody wanted one */
    bool used;                    /* since the last look for idle ones */
} depots[SHARDS][FH_CLASS_COUNT]; /* those of one shard side by side: the others stay untouched */

static _Atomic unsigned shards = 1;

/* More than one before the first thread needs it, and never fewer again: so nothing is left behind. */
void fh_depot_begin(unsigned processors) {
    unsigned n = (processors + HEAPS_A_SHARD - 1) / HEAPS_A_SHARD;
    atomic_store_explicit(&shards, n < 1 ? 1 : n < SHARDS ? n : SHARDS, memory_order_relaxed);
}

static unsigned shard_count(void) { return atomic_load_explicit(&shards, memory_order_relaxed); }

uint8_t fh_depot_shard(unsigned number) { return (uint8_t)(number / HEAPS_A_SHARD % SHARDS); }

/* The depot of class c that is `look` behind the shard's own. */
static struct depot *depot_of(unsigned c, unsigned shard, unsigned look) {
    return &depots[(shard + look) % shard_count()][c];
}

static uint32_t blocks_in(const struct depot *depot) {
    return atomic_load_explicit(&depot->blocks, memory_order_relaxed);
}

/* How many blocks of class c a depot may hold: all of them together a quarter of those that there are, so that
 * what lies idle stays in proportion to what is used; within bounds, and room for two magazines in any case. */
static uint32_t most_blocks(unsigned c) {
    enum { LEAST_BYTES = 64 * 1024, MOST_BYTES = 512 * 1024 };
    const struct fh_class *class = &fh_classes[c];
    uint32_t spans = atomic_load_explicit(&fh_class_spans[c], memory_order_relaxed);
    uint32_t most = spans * class->blocks / 4 / shard_count(), least = LEAST_BYTES / class->size;
    if (most > MOST_BYTES / class->size) most = MOST_BYTES / class->size;
    if (least < 2u * class->bin_most) least = 2u * class->bin_most;
    return most > least ? most : least;
}

static void **next_of(void **base) { return base[-1]; }

static void end_empties(struct fh_magazines *at_hand, void **base, unsigned capacity) {
    for (void **next; base; base = next) {
        next = next_of(base);
        fh_magazine_end(at_hand, base, capacity);
    }
}

/* ---- in and out of one depot; its lock is held ---- */

static void put_full(struct depot *depot, void **base, unsigned capacity) {
    base[-2] = (void *)(uintptr_t)capacity;
    base[-1] = depot->first;
    depot->first = base;
    depot->used = true;
    atomic_store_explicit(&depot->blocks, blocks_in(depot) + capacity, memory_order_relaxed);
}

static void **take_full(struct depot *depot, unsigned *capacity) {
    void **base = depot->first;
    if (base == NULL) return NULL;
    depot->first = next_of(base);
    *capacity = (unsigned)(uintptr_t)base[-2];
    base[-1] = NULL;
    atomic_store_explicit(&depot->blocks, blocks_in(depot) - *capacity, memory_order_relaxed);
    return base;
}

static unsigned spare_capacity(const struct depot *depot) {
    return atomic_load_explicit(&depot->spare_capacity, memory_order_relaxed);
}

/* Empty magazines of another capacity make room: nobody has asked for them since. Returns the first of those
 * that are not kept, with their capacity in *capacity: they are to be ended when the lock is given back. */
static void **put_empty(struct depot *depot, void **base, unsigned *capacity) {
    unsigned old = spare_capacity(depot);
    if (old == *capacity && depot->empty_count == MOST_EMPTIES) return base;
    void **others = old != *capacity ? depot->empties : NULL;
    base[-1] = others ? NULL : depot->empties;
    depot->empties = base;
    depot->empty_count = (uint16_t)(others ? 1 : depot->empty_count + 1);
    atomic_store_explicit(&depot->spare_capacity, (uint16_t)*capacity, memory_order_relaxed);
    *capacity = old;
    return others;
}

static void **take_empty(struct depot *depot, unsigned capacity) {
    void **base = depot->empties;
    if (base == NULL || spare_capacity(depot) != capacity) return NULL;
    depot->empties = next_of(base);
    base[-1] = NULL;
    if (--depot->empty_count == 0) atomic_store_explicit(&depot->spare_capacity, 0, memory_order_relaxed);
    return base;
}

static uint32_t overflow_of(const struct depot *depot) {
    return atomic_load_explicit(&depot->overflow, memory_order_relaxed);
}

static void set_overflow(struct depot *depot, uint32_t overflow) {
    atomic_store_explicit(&depot->overflow, overflow, memory_order_relaxed);
}

/* Has so much passed the depot by that nobody seems to want what it holds? */
static bool is_unwanted(const struct depot *depot, uint32_t most) {
    enum { TIMES = 4 };
    return overflow_of(depot) > TIMES * most;
}

/* ---- a thread that frees ---- */

/* The change itself; *empty is one that the caller has already, or NULL: then one that lies here is taken. */
static bool change_full(struct depot *depot, uint32_t most, void **full, unsigned capacity, void ***empty) {
    if (blocks_in(depot) + capacity > most || is_unwanted(depot, most)) return false;
    if (*empty == NULL) *empty = take_empty(depot, capacity);
    if (*empty == NULL) return false; /* somebody else took it just now */
    put_full(depot, full, capacity);
    return true;
}

void **fh_depot_change_full(unsigned c, unsigned shard, struct fh_magazines *at_hand, void **full,
                            unsigned capacity) {
    struct depot *depot = depot_of(c, shard, 0);
    uint32_t most = most_blocks(c);
    if (blocks_in(depot) + capacity > most) return NULL;
    void **empty = NULL;
    if (spare_capacity(depot) != capacity && (empty = fh_magazine_new(at_hand, capacity)) == NULL) return NULL;
    bool done = false;
    if (fh_trylock(&depot->lock)) {
        done = change_full(depot, most, full, capacity, &empty);
        fh_unlock(&depot->lock);
    }
    if (done) return empty;
    if (empty) fh_magazine_end(at_hand, empty, capacity);
    return NULL;
}

/* An empty depot is left alone: threads that keep their blocks to themselves come by here all the time, and
 * each write would take the line from the others. */
void **fh_depot_overflowed(unsigned c, unsigned shard, unsigned count, unsigned *capacity) {
    struct depot *depot = depot_of(c, shard, 0);
    if (blocks_in(depot) == 0 || !fh_trylock(&depot->lock)) return NULL;
    if (overflow_of(depot) < UINT32_MAX / 2) set_overflow(depot, overflow_of(depot) + count);
    void **base = is_unwanted(depot, most_blocks(c)) ? take_full(depot, capacity) : NULL;
    fh_unlock(&depot->lock);
    return base;
}

/* ---- a thread that allocates ---- */

static void **change_empty(struct depot *depot, struct fh_magazines *at_hand, void **empty,
                           unsigned *capacity) {
    bool nothing = blocks_in(depot) == 0 && overflow_of(depot) == 0;
    if (nothing || !fh_trylock(&depot->lock)) return NULL;
    set_overflow(depot, 0); /* here is somebody who wants blocks, though there may be none */
    depot->used = true;
    unsigned emptied = *capacity;
    void **full = take_full(depot, capacity);
    void **unwanted = full ? put_empty(depot, empty, &emptied) : NULL;
    fh_unlock(&depot->lock);
    end_empties(at_hand, unwanted, emptied);
    return full;
}

void **fh_depot_change_empty(unsigned c, unsigned shard, struct fh_magazines *at_hand, void **empty,
                             unsigned *capacity) {
    unsigned looks = shard_count() < LOOKS ? shard_count() : LOOKS;
    for (unsigned look = 0; look < looks; look++) {
        void **full = change_empty(depot_of(c, shard, look), at_hand, empty, capacity);
        if (full) return full;
    }
    return NULL;
}

/* ---- tidying ---- */

static void **get_idle(struct depot *depot, bool all, struct fh_magazines *at_hand, unsigned *capacity) {
    if (blocks_in(depot) == 0 && spare_capacity(depot) == 0) return NULL;
    fh_lock(&depot->lock);
    bool idle = all || !depot->used;
    void **base = idle ? take_full(depot, capacity) : NULL, **empties = NULL;
    unsigned emptied = spare_capacity(depot);
    if (base == NULL) {
        depot->used = false; /* idle from now on, unless somebody comes */
        if (idle) {
            empties = depot->empties;
            depot->empties = NULL;
            depot->empty_count = 0;
            atomic_store_explicit(&depot->spare_capacity, 0, memory_order_relaxed);
        }
    }
    fh_unlock(&depot->lock);
    end_empties(at_hand, empties, emptied);
    return base;
}

void **fh_depot_get_idle(unsigned c, bool all, struct fh_magazines *at_hand, unsigned *capacity) {
    for (unsigned shard = 0; shard < shard_count(); shard++) {
        void **base = get_idle(&depots[shard][c], all, at_hand, capacity);
        if (base) return base;
    }
    return NULL;
}

/* ---- for who looks at all ---- */

size_t fh_depot_blocks(unsigned c) {
    size_t blocks = 0;
    for (unsigned shard = 0; shard < shard_count(); shard++) blocks += blocks_in(&depots[shard][c]);
    return blocks;
}

void fh_depot_show(unsigned c, void (*visit)(void *arg, void *const *blocks, unsigned count), void *arg) {
    for (unsigned shard = 0; shard < shard_count(); shard++)
        for (void **base = depots[shard][c].first; base; base = next_of(base))
            visit(arg, base, (unsigned)(uintptr_t)base[-2]);
}

static bool depot_is_valid(const struct depot *depot) {
    size_t blocks = 0, empties = 0;
    for (void **base = depot->first; base; base = next_of(base)) blocks += (size_t)(uintptr_t)base[-2];
    for (void **base = depot->empties; base; base = next_of(base)) empties++;
    return blocks == blocks_in(depot) && empties == depot->empty_count && empties <= MOST_EMPTIES &&
           (empties == 0) == (spare_capacity(depot) == 0);
}

bool fh_depot_is_valid(unsigned c) {
    bool valid = true;
    for (unsigned shard = 0; shard < SHARDS; shard++) valid = valid && depot_is_valid(&depots[shard][c]);
    return valid;
}

void fh_depot_lock_all(void) {
    for (unsigned shard = 0; shard < shard_count(); shard++)
        for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fh_lock(&depots[shard][c].lock);
}

void fh_depot_unlock_all(void) {
    for (unsigned shard = 0; shard < shard_count(); shard++)
        for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fh_unlock(&depots[shard][c].lock);
}
