/* check_large.c - checked mode: blocks above 32 KiB.
 *
 *     | 64 canaries | what was asked for | canaries, 2 to 6 KiB | untouched, to the end of the granule |
 *
 * A large block that is freed is made inaccessible, so that any use of it faults at the instruction. But what
 * the system does to pages it does one by one: a program that allocates and frees blocks of some hundred KiB
 * would run a hundred times as long if each of them were closed and opened again. So there is an allowance:
 * some MiB at the start of a process, and then so much for each millisecond. What it does not cover is filled
 * instead: the first and the last bytes, and stripes between, which are looked at when the block leaves the
 * quarantine, and at exit. The same allowance lets the guard (guard.c) have large blocks that are new.
 *
 * The quarantine has a few places for all threads: for blocks that are closed, which hold no memory, and for
 * blocks that are filled, which do.
 */
#include "canary.h"
#include "check.h"
#include "check_large.h"
#include "extent.h"
#include "large.h"

#include <string.h>

enum { KEPT_PLACES = 8, CLOSED_PLACES = 32, PLACES = KEPT_PLACES + CLOSED_PLACES };
#define KEPT_MOST ((size_t)1 << 20) /* longer ones are closed, or go at once */

/* ---- the allowance ---- */

#define AT_START ((int64_t)4 << 20)
#define A_MILLISECOND ((int64_t)4 << 10)

bool fh_check_allows(size_t size) {
    static _Atomic int64_t allowance = AT_START;
    static _Atomic uint64_t looked;
    int64_t left = atomic_load_explicit(&allowance, memory_order_relaxed);
    if (left <= 0) {
        uint64_t now = fh_os_ticks(), before = atomic_exchange(&looked, now);
        if (before == 0 || now <= before) return false;
        int64_t earned = (int64_t)(now - before) * A_MILLISECOND;
        if (earned > AT_START) earned = AT_START;
        left = atomic_fetch_add(&allowance, earned) + earned;
        if (left <= 0) return false;
    }
    atomic_fetch_sub(&allowance, (int64_t)size);
    return true;
}

/* ---- fills ---- */

enum { EDGE = 512, STRIPE = 64, STRIPES = 16 };

/* What the stripes of a block are spread over: a small one at a large alignment has the room, too. */
static size_t filled_size(const struct fh_found *f) {
    size_t size = f->front + f->asked;
    return size > 2 * EDGE ? size : 2 * EDGE;
}

/* The stripes of a freed block: number 0 its first bytes, 1 its last, the others spread between. */
static size_t stripe_at(size_t size, unsigned i, size_t *length) {
    *length = i < 2 ? EDGE : STRIPE;
    if (i == 0) return 0;
    if (i == 1) return size - EDGE;
    return size / STRIPES * (i - 1) / STRIPE * STRIPE;
}

/* Stores that need not wait for each other: most stripes are not in the cache. Of a memset of either length the
 * compiler would make one instruction that does wait. */
static void fill_stripe(char *at, size_t length, fh_os_sixteen with) {
    typedef fh_os_sixteen anywhere __attribute__((aligned(1)));
    for (char *end = at + length; at < end; at += STRIPE) {
        for (unsigned i = 0; i < STRIPE; i += sizeof with) *(anywhere *)(void *)(at + i) = with;
        __asm__ volatile("" : "+r"(at));
    }
}

static void fill(const struct fh_found *f) {
    size_t size = filled_size(f), length;
    fh_os_sixteen with;
    memset(&with, fh_freed_fill, sizeof with);
    for (unsigned i = 0; i <= STRIPES; i++) {
        size_t at = stripe_at(size, i, &length);
        fill_stripe(f->start + at, length, with);
    }
}

const unsigned char *fh_check_large_damage(const struct fh_found *f) {
    size_t size = filled_size(f), length;
    const unsigned char *bad = NULL;
    if (f->mark->state & FH_MARK_EMPTY) return NULL;
    for (unsigned i = 0; i <= STRIPES && bad == NULL; i++) {
        size_t at = stripe_at(size, i, &length);
        bad = fh_first_other(f->start + at, length, fh_freed_fill);
    }
    return bad;
}

/* ---- taking ---- */

size_t fh_check_large_front(size_t align) {
    return align <= FH_LARGE_FRONT ? FH_LARGE_FRONT : align <= 4096 ? align : 0;
}

bool fh_check_take_large(size_t size, size_t align, bool zero, struct fh_found *f) {
    size_t front = fh_check_large_front(align);
    char *start = fh_large_take(front + size + 1, align, zero);
    if (start == NULL) return false;
    uint32_t first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    fh_mark_write(&fh_space.heads[first].mark, (struct fh_mark){.slack = (uint16_t)front});
    fh_space.heads[first].asked = size;
    fh_check_find_large(first, f);
    return true;
}

/* ---- the quarantine ---- */

/* first granule | site << 32; 0 = empty. The first places are for blocks that keep their memory. */
static _Atomic uint64_t waiting[PLACES];
static _Atomic unsigned next_kept, next_closed;

static void let_go(uint64_t entry) {
    struct fh_found f;
    if ((uint32_t)entry == 0) return;
    fh_check_find_large((uint32_t)entry, &f);
    bool clean = f.mark->state & FH_MARK_EMPTY;
    const unsigned char *bad = clean ? NULL : fh_check_large_damage(&f);
    if (bad)
        fh_check_report_damage(FH_WRITE_AFTER_FREE, "free", 0, &f, bad, fh_freed_fill,
                               "Seen when the block left the quarantine.");
    bool open = !clean || fh_os_commit(f.start, f.size);
    if (open) fh_extent_give(f.first, clean); /* else it is lost: nobody may use it, but nobody can */
}

static void put(uint32_t first, bool closed, uint32_t allocated) {
    unsigned turn = atomic_fetch_add_explicit(closed ? &next_closed : &next_kept, 1, memory_order_relaxed);
    unsigned place = closed ? KEPT_PLACES + turn % CLOSED_PLACES : turn % KEPT_PLACES;
    let_go(atomic_exchange(&waiting[place], first | (uint64_t)allocated << 32));
}

void fh_check_give_large(struct fh_found *f, uint32_t site) {
    uint32_t allocated = f->mark->site;
    bool closed =
        fh_check_allows(f->size) && fh_os_purge(f->start, f->size) && fh_os_protect(f->start, f->size);
    if (!closed && f->size <= KEPT_MOST) fill(f);
    uint8_t state = closed ? FH_MARK_FREED | FH_MARK_EMPTY : FH_MARK_FREED;
    fh_mark_write(f->mark, (struct fh_mark){.slack = (uint16_t)f->front, .state = state, .site = site});
    if (closed || f->size <= KEPT_MOST) put(f->first, closed, allocated);
    else fh_large_give(f->first);
}

bool fh_check_drain_large(void) {
    bool any = false;
    for (unsigned i = 0; i < PLACES; i++) {
        uint64_t entry = atomic_exchange(&waiting[i], 0);
        any |= entry != 0;
        let_go(entry);
    }
    return any;
}

uint32_t fh_check_large_site(uint32_t first) {
    for (unsigned i = 0; i < PLACES; i++) {
        uint64_t entry = atomic_load(&waiting[i]);
        if ((uint32_t)entry == first) return (uint32_t)(entry >> 32);
    }
    return 0;
}

bool fh_check_closed_at(uintptr_t address, struct fh_found *f) {
    for (unsigned i = KEPT_PLACES; i < PLACES; i++) {
        uint32_t first = (uint32_t)atomic_load(&waiting[i]);
        if (first == 0) continue;
        fh_check_find_large(first, f);
        if (address - (uintptr_t)f->start < f->size) return true;
    }
    return false;
}

/* ---- resizing ---- */

void *fh_check_resize_large(struct fh_found *f, size_t size, uint32_t site) {
    struct fh_mark mark = *f->mark;
    size_t front = f->front, old = f->asked;
    char *start = fh_large_resize(f->first, front + size + 1);
    if (start == NULL) return NULL;
    uint32_t first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    mark.site = site;
    fh_mark_write(&fh_space.heads[first].mark, mark);
    fh_space.heads[first].asked = old; /* what the counters hold */
    fh_check_find_large(first, f);
    return start + front;
}
