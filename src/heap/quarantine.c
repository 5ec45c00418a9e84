/* quarantine.c - freed blocks wait here, so that a late use of them is seen, and so that what an attacker freed
 * is not what he gets next.
 *
 * Each heap has a ring of its own, used by its thread alone; it stays with the heap when that is parked. A
 * block waits until the bytes behind it in the ring are more than the setting quarantine, or the ring is full.
 * Then it goes to its bin, from which blocks are taken in random order (check.c).
 *
 *     oldest                                newest
 *     | start, site | start, site | ...         |      count entries, `bytes` in all
 *
 * Large blocks wait in one ring of few places for all threads. Those from 1 MiB on give their memory back at
 * once and are inaccessible as a whole; of smaller ones, which keep their memory, only the first 64 KiB are:
 * what the system does to pages it does one by one, and a program that allocates and frees blocks of some
 * hundred KiB would run 40 times (protected as a whole) or 150 times (given back) as long as in fast mode.
 */
#include "check.h"

#include "../base/settings.h"
#include "extent.h"
#include "large.h"

struct waiting {
    char *start;
    uint32_t allocated; /* site */
    uint32_t c;
};

struct fh_quarantine {
    uint32_t places, oldest, count;
    size_t bytes;
    struct waiting ring[];
};

enum { BYTES_A_PLACE = 64, KEPT_PLACES = 8, PURGED_PLACES = 32, LARGE_PLACES = KEPT_PLACES + PURGED_PLACES };

/* first granule | site << 32; 0 = empty. The first places are for blocks that keep their memory. */
static _Atomic uint64_t large_ring[LARGE_PLACES];
static _Atomic unsigned next_kept, next_purged;

/* The heap's ring, made at first use. NULL without memory, or when nothing shall wait. */
static struct fh_quarantine *ring_of(struct fh_heap *heap) {
    if (heap == NULL || fh_settings.quarantine == 0) return NULL;
    if (heap->quarantine) return heap->quarantine;
    size_t places = fh_settings.quarantine / BYTES_A_PLACE + 1, page = fh_os_page_size();
    if (places > 1u << 24) places = 1u << 24;
    size_t size = sizeof(struct fh_quarantine) + places * sizeof(struct waiting);
    struct fh_quarantine *ring = fh_os_map_sparse((size + page - 1) & ~(page - 1));
    if (ring == NULL) return NULL;
    ring->places = (uint32_t)places;
    return heap->quarantine = ring;
}

static void let_oldest_go(struct fh_quarantine *ring) {
    struct waiting gone = ring->ring[ring->oldest];
    ring->oldest = ring->oldest + 1 == ring->places ? 0 : ring->oldest + 1;
    ring->count--;
    ring->bytes -= fh_classes[gone.c].size;
    fh_small_give(gone.c, gone.start);
}

void fh_quarantine_put(struct fh_heap *heap, unsigned c, char *start, uint32_t allocated) {
    struct fh_quarantine *ring = ring_of(heap);
    if (ring == NULL || fh_classes[c].size > fh_settings.quarantine) {
        fh_small_give(c, start);
        return;
    }
    while (ring->count &&
           (ring->count == ring->places || ring->bytes + fh_classes[c].size > fh_settings.quarantine))
        let_oldest_go(ring);
    uint32_t place = ring->oldest + ring->count;
    if (place >= ring->places) place -= ring->places;
    ring->ring[place] = (struct waiting){start, allocated, c};
    ring->bytes += fh_classes[c].size;
    ring->count++; /* last: a child of fork finds a ring that holds what it says */
}

static void let_large_go(uint64_t entry) {
    uint32_t first = (uint32_t)entry;
    if (first == 0) return;
    bool clean = fh_space.heads[first].mark.slack == FH_LARGE_PURGED;
    bool open = fh_os_commit(fh_granule_address(first), clean ? fh_large_usable(first) : FH_GRANULE);
    if (open) fh_extent_give(first, clean); /* else it is lost: nobody may use it, but nobody can */
}

void fh_quarantine_put_large(uint32_t first, uint32_t allocated) {
    bool kept = fh_space.heads[first].mark.slack != FH_LARGE_PURGED;
    unsigned turn = atomic_fetch_add_explicit(kept ? &next_kept : &next_purged, 1, memory_order_relaxed);
    unsigned place = kept ? turn % KEPT_PLACES : KEPT_PLACES + turn % PURGED_PLACES;
    let_large_go(atomic_exchange(&large_ring[place], first | (uint64_t)allocated << 32));
}

bool fh_quarantine_drain(struct fh_heap *heap) {
    bool any = false;
    for (unsigned i = 0; i < LARGE_PLACES; i++) {
        uint64_t entry = atomic_exchange(&large_ring[i], 0);
        any |= entry != 0;
        let_large_go(entry);
    }
    struct fh_quarantine *ring = heap ? heap->quarantine : NULL;
    for (; ring && ring->count; any = true) let_oldest_go(ring);
    return any;
}

uint32_t fh_quarantine_site(struct fh_heap *heap, const char *start) {
    uint32_t first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    for (unsigned i = 0; i < LARGE_PLACES; i++) {
        uint64_t entry = atomic_load(&large_ring[i]);
        if ((uint32_t)entry == first) return (uint32_t)(entry >> 32);
    }
    const struct fh_quarantine *ring = heap ? heap->quarantine : NULL;
    for (uint32_t i = 0; ring && i < ring->count; i++) {
        const struct waiting *at = &ring->ring[(ring->oldest + i) % ring->places];
        if (at->start == start) return at->allocated;
    }
    return 0;
}
