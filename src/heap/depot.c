/* depot.c - see depot.h. */
#include "depot.h"

#include "../os/os.h"
#include "meta.h"

static struct depot {
    _Alignas(64) struct fh_lock lock;
    _Atomic uint32_t blocks; /* in all its magazines; written under the lock */
    void **first;            /* slot 0 of the magazine that came last */
    uint32_t overflow;       /* blocks that found no room since somebody took a magazine */
    bool used;               /* since the last look for idle ones */
} depots[FH_CLASS_COUNT];

/* How many blocks of class c a depot may hold: a quarter of those that there are, so that what lies idle stays
 * in proportion to what is used; within bounds, and room for two magazines in any case. */
static uint32_t most_blocks(unsigned c) {
    enum { LEAST_BYTES = 64 * 1024, MOST_BYTES = 512 * 1024 };
    const struct fh_class *class = &fh_classes[c];
    uint32_t spans = atomic_load_explicit(&fh_classes[c].spans, memory_order_relaxed);
    uint32_t most = spans * class->blocks / 4, least = LEAST_BYTES / class->size;
    if (most > MOST_BYTES / class->size) most = MOST_BYTES / class->size;
    if (least < 2u * class->bin_most) least = 2u * class->bin_most;
    return most > least ? most : least;
}

static void **next_of(void **base) { return base[-1]; }

void **fh_magazine_new(unsigned capacity) {
    void **words = fh_meta_take((capacity + FH_MAGAZINE_HEAD) * sizeof(void *));
    if (words == NULL) return NULL;
    words[1] = NULL;
    return words + FH_MAGAZINE_HEAD;
}

void fh_magazine_end(void **base, unsigned capacity) {
    fh_meta_give(base - FH_MAGAZINE_HEAD, (capacity + FH_MAGAZINE_HEAD) * sizeof(void *));
}

bool fh_depot_has_room(unsigned c, unsigned capacity) {
    return atomic_load_explicit(&depots[c].blocks, memory_order_relaxed) + capacity <= most_blocks(c);
}

/* Has so much passed the depot by that nobody seems to want what it holds? */
static bool is_unwanted(const struct depot *depot, uint32_t most) {
    enum { TIMES = 4 };
    return depot->overflow > TIMES * most;
}

bool fh_depot_put(unsigned c, void **base, unsigned capacity) {
    struct depot *depot = &depots[c];
    uint32_t most = most_blocks(c);
    if (!fh_trylock(&depot->lock)) return false;
    uint32_t blocks = atomic_load_explicit(&depot->blocks, memory_order_relaxed);
    bool room = blocks + capacity <= most && !is_unwanted(depot, most);
    if (room) {
        base[-2] = (void *)(uintptr_t)capacity;
        base[-1] = depot->first;
        depot->first = base;
        depot->used = true;
        atomic_store_explicit(&depot->blocks, blocks + capacity, memory_order_relaxed);
    }
    fh_unlock(&depot->lock);
    return room;
}

/* Takes the first magazine; the lock is held. */
static void **take_first(struct depot *depot, unsigned *capacity) {
    void **base = depot->first;
    if (base == NULL) return NULL;
    depot->first = next_of(base);
    *capacity = (unsigned)(uintptr_t)base[-2];
    base[-1] = NULL;
    uint32_t blocks = atomic_load_explicit(&depot->blocks, memory_order_relaxed);
    atomic_store_explicit(&depot->blocks, blocks - *capacity, memory_order_relaxed);
    return base;
}

void **fh_depot_overflowed(unsigned c, unsigned count, unsigned *capacity) {
    struct depot *depot = &depots[c];
    if (!fh_trylock(&depot->lock)) return NULL;
    if (depot->overflow < UINT32_MAX / 2) depot->overflow += count;
    void **base = is_unwanted(depot, most_blocks(c)) ? take_first(depot, capacity) : NULL;
    fh_unlock(&depot->lock);
    return base;
}

void **fh_depot_get(unsigned c, unsigned *capacity) {
    struct depot *depot = &depots[c];
    if (atomic_load_explicit(&depot->blocks, memory_order_relaxed) == 0) return NULL;
    if (!fh_trylock(&depot->lock)) return NULL;
    depot->overflow = 0;
    void **base = take_first(depot, capacity);
    depot->used = true;
    fh_unlock(&depot->lock);
    return base;
}

void **fh_depot_get_idle(unsigned c, bool all, unsigned *capacity) {
    struct depot *depot = &depots[c];
    if (atomic_load_explicit(&depot->blocks, memory_order_relaxed) == 0) return NULL;
    fh_lock(&depot->lock);
    void **base = all || !depot->used ? take_first(depot, capacity) : NULL;
    if (base == NULL) depot->used = false; /* idle from now on, unless somebody comes */
    fh_unlock(&depot->lock);
    return base;
}

size_t fh_depot_blocks(unsigned c) { return atomic_load_explicit(&depots[c].blocks, memory_order_relaxed); }

void fh_depot_show(unsigned c, void (*visit)(void *arg, void *const *blocks, unsigned count), void *arg) {
    for (void **base = depots[c].first; base; base = next_of(base))
        visit(arg, base, (unsigned)(uintptr_t)base[-2]);
}

void fh_depot_lock_all(void) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fh_lock(&depots[c].lock);
}

void fh_depot_unlock_all(void) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fh_unlock(&depots[c].lock);
}
