/* check_large.c - checked mode: blocks above 32 KiB.
 *
 *     | 64 canaries | what was asked for | canaries, 2 to 6 KiB | untouched, to the end of the granule |
 *     | ... 64 canaries | what was asked for | canaries, 0 to 15 | a tail: closed, to the end of the granule |
 *
 * A large block that is freed is made inaccessible, so that any use of it faults at the instruction. But what
 * the system does to pages it does one by one: a program that allocates and frees blocks of some hundred KiB
 * would run a hundred times as long if each of them were closed and opened again. So there is an allowance:
 * some MiB at the start of a process, and then so much for each millisecond. The same allowance lets the guard
 * (guard.c) have large blocks that are new.
 *
 * What that does not cover is filled instead, up to 1 MiB: the first and the last bytes, and stripes between,
 * which are looked at when the block leaves the quarantine, and at exit. Longer ones are closed as they are,
 * with their pages, which is a few times cheaper; and has an allowance of time: what that really took is
 * counted. Where none is left the first granule is closed at least, as far as there is time for that. While
 * blocks are in use they have a tail, for time of the same kind.
 *
 * The quarantine has a few places for all threads: for blocks that hold no memory, for blocks up to 1 MiB that
 * do, and one for a longer one that does. That one goes when somebody may want its place; and when nobody does
 * for as long as free pages are kept, its memory is given back.
 */
#include "../base/settings.h"
#include "canary.h"
#include "check.h"
#include "check_large.h"
#include "extent.h"
#include "large.h"

#include <string.h>

enum { KEPT_PLACES = 8, CLOSED_PLACES = 32, HELD = KEPT_PLACES + CLOSED_PLACES, PLACES };
#define KEPT_MOST ((size_t)1 << 20) /* longer ones are closed, or held */

/* ---- allowances ---- */

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

/* What pages cost that are closed with what is in them, and opened again, is measured: nothing where none are,
 * a tenth of a microsecond each, or two; and some for the call. Of the time that goes by so much may be spent,
 * a 400th for whole blocks, and as much where it is for a page or a few; so one that has spent all leaves the
 * other.
 */
struct budget {
    _Atomic int64_t left;    /* nanoseconds */
    _Atomic uint64_t looked; /* ticks; 0: never */
};
enum { TIME_MOST = 500000, TIME_SHARE = 400, TIME_FOR_CALL = 4000, TIME_FOR_PAGE = 200 };
static struct budget for_blocks = {.left = TIME_MOST}, for_pages = {.left = TIME_MOST};

static bool has_time(struct budget *b) {
    int64_t left = atomic_load_explicit(&b->left, memory_order_relaxed);
    if (left > 0) return true;
    uint64_t now = fh_os_ticks(), before = atomic_load_explicit(&b->looked, memory_order_relaxed);
    if (now == before) return false;
    before = atomic_exchange(&b->looked, now);
    if (before == 0 || now <= before) return false;
    enum { IN_A_TICK = 1000000 / TIME_SHARE };
    int64_t earned = now - before < TIME_MOST / IN_A_TICK ? (int64_t)(now - before) * IN_A_TICK : TIME_MOST;
    return atomic_fetch_add(&b->left, earned) + earned > 0;
}

/* Closes or opens the bytes. Who is interrupted meanwhile has not spent more than it can have taken. */
static bool change(struct budget *b, bool close, char *at, size_t size) {
    uint64_t began = fh_os_nanoseconds();
    bool done = close ? fh_os_protect(at, size) : fh_os_commit(at, size);
    uint64_t spent = fh_os_nanoseconds() - began,
             most = TIME_FOR_CALL + size / fh_os_page_size() * TIME_FOR_PAGE;
    atomic_fetch_sub(&b->left, (int64_t)(spent < most ? spent : most));
    return done;
}

/* ---- fills ---- */

enum { EDGE = 512, STRIPE = 64, STRIPES = 16 };

/* What the stripes of a block are spread over, from its last canaries in front on: a small one at a large
 * alignment has the room, too. */
static char *filled_from(const struct fh_found *f) {
    return f->start + f->front - (f->front < FH_LARGE_FRONT ? f->front : FH_LARGE_FRONT);
}
static size_t filled_size(const struct fh_found *f) {
    size_t size = (size_t)(f->start + f->front - filled_from(f)) + f->asked;
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
        fill_stripe(filled_from(f) + at, length, with);
    }
}

const unsigned char *fh_check_large_damage(const struct fh_found *f) {
    size_t size = filled_size(f), length;
    const unsigned char *bad = NULL;
    if (f->mark->state & FH_MARK_CLOSED) return NULL;
    for (unsigned i = 0; i <= STRIPES && bad == NULL; i++) {
        size_t at = stripe_at(size, i, &length);
        bad = fh_first_other(filled_from(f) + at, length, fh_freed_fill);
    }
    return bad;
}

/* ---- tails ---- */

/* The block ends at the end of a page, or less than 16 bytes before, and what follows is closed, as far as
 * there is time for that: so it faults who reads on. */
enum { TAILS_MOST = 8192 }; /* each costs two memory maps */
static _Atomic int tails;

static bool may_have_tail(size_t align) {
    return align <= 16 && fh_os_page_size() <= FH_GRANULE / 2 &&
           atomic_load_explicit(&tails, memory_order_relaxed) < TAILS_MOST && has_time(&for_pages);
}

static size_t front_before_tail(size_t size) {
    size_t page = fh_os_page_size(), end = FH_LARGE_FRONT + ((size + 15) & ~(size_t)15);
    return FH_LARGE_FRONT + (-end & (page - 1));
}

/* Where it begins; the block has one, or is to have one. */
static char *tail_of(const struct fh_found *f) { return f->start + ((f->front + f->asked + 15) & ~(size_t)15); }

static void close_tail(const struct fh_found *f) {
    char *tail = tail_of(f);
    if (!change(&for_pages, true, tail, (size_t)(f->start + f->size - tail))) return;
    atomic_fetch_add_explicit(&tails, 1, memory_order_relaxed);
    f->mark->state |= FH_MARK_TAIL;
}

/* What is closed as a whole has no tail any more. */
static void forget_tail(const struct fh_found *f) {
    if (!(f->mark->state & FH_MARK_TAIL)) return;
    atomic_fetch_sub_explicit(&tails, 1, memory_order_relaxed);
    f->mark->state &= (uint8_t)~FH_MARK_TAIL;
}

/* False: it cannot be opened any more. */
static bool open_tail(const struct fh_found *f) {
    if (!(f->mark->state & FH_MARK_TAIL)) return true;
    char *tail = tail_of(f);
    if (!change(&for_pages, false, tail, (size_t)(f->start + f->size - tail))) return false;
    forget_tail(f);
    return true;
}

/* The first granule of the large block that the address is in, if it is in one. */
static uint32_t first_of(uintptr_t address) {
    size_t offset = fh_space_offset((const void *)address);
    uint32_t granule = (uint32_t)(offset >> FH_GRANULE_SHIFT), first = granule;
    if (offset >= fh_space.size || granule >= fh_space.mapped) return 0;
    while (first > 1 && fh_space.heads[first].kind == FH_INSIDE) first--;
    const struct fh_head *head = &fh_space.heads[first];
    return head->kind == FH_LARGE && granule - first < head->granules ? first : 0;
}

bool fh_check_tail_at(uintptr_t address, struct fh_found *f) {
    uint32_t first = first_of(address);
    if (first == 0) return false;
    fh_check_find_large(first, f);
    bool live = fh_mark_state(f->mark) == FH_MARK_LIVE && fh_space.heads[first].private == NULL;
    return live && f->mark->state & FH_MARK_TAIL && address >= (uintptr_t)tail_of(f);
}

/* ---- the quarantine ---- */

/* first granule | site << 32; 0 = empty. The first places are for blocks that keep their memory, the last for
 * the one that is held. */
static _Atomic uint64_t waiting[PLACES];
static _Atomic unsigned next_kept, next_closed;
static _Atomic uint64_t held_since; /* ticks */
static _Atomic size_t held_size;    /* of the last one */

static void let_go(uint64_t entry) {
    struct fh_found f;
    if ((uint32_t)entry == 0) return;
    fh_check_find_large((uint32_t)entry, &f);
    bool closed = f.mark->state & FH_MARK_CLOSED, clean = f.mark->state & FH_MARK_EMPTY;
    const unsigned char *bad = closed ? NULL : fh_check_large_damage(&f);
    if (bad)
        fh_check_report_damage(FH_WRITE_AFTER_FREE, "free", 0, &f, bad, fh_freed_fill,
                               "Seen when the block left the quarantine.");
    if (closed && !change(&for_blocks, false, f.start, f.size))
        return; /* it is lost: nobody may use it, but nobody can */
    if (clean || !closed) fh_extent_give(f.first, clean);
    else fh_large_give(f.first);
}

static void put(uint32_t first, bool closed, uint32_t allocated) {
    unsigned turn = atomic_fetch_add_explicit(closed ? &next_closed : &next_kept, 1, memory_order_relaxed);
    unsigned place = closed ? KEPT_PLACES + turn % CLOSED_PLACES : turn % KEPT_PLACES;
    let_go(atomic_exchange(&waiting[place], first | (uint64_t)allocated << 32));
}

/* A long block that is closed with its memory. */
static void hold(const struct fh_found *f, uint32_t allocated) {
    atomic_store_explicit(&held_since, fh_os_ticks(), memory_order_relaxed);
    atomic_store_explicit(&held_size, f->size, memory_order_relaxed);
    let_go(atomic_exchange(&waiting[HELD], f->first | (uint64_t)allocated << 32));
}

/* Who wants `size` bytes may well take the place of the block that is held, or that and what lies beside it:
 * then it goes, or a heap with one long block that comes and goes would hold two. */
static void let_held_go_for(size_t size) {
    enum { SHARE = 4 };
    if (atomic_load_explicit(&waiting[HELD], memory_order_relaxed) == 0) return;
    if (size > atomic_load_explicit(&held_size, memory_order_relaxed) / SHARE)
        let_go(atomic_exchange(&waiting[HELD], 0));
}

void fh_check_decay_large(void) {
    struct fh_found f;
    if (atomic_load_explicit(&waiting[HELD], memory_order_relaxed) == 0) return;
    if (fh_os_ticks() - atomic_load_explicit(&held_since, memory_order_relaxed) < fh_settings.decay_ms) return;
    uint64_t entry = atomic_exchange(&waiting[HELD], 0);
    if (entry == 0) return;
    fh_check_find_large((uint32_t)entry, &f);
    if (fh_os_purge(f.start, f.size)) f.mark->state |= FH_MARK_EMPTY;
    if (f.mark->state & FH_MARK_EMPTY) put(f.first, true, (uint32_t)(entry >> 32));
    else let_go(entry);
}

/* Closes a freed block, if that is allowed. What it is now: flags of its mark. */
static unsigned close_freed(const struct fh_found *f) {
    if (fh_check_allows(f->size) && fh_os_purge(f->start, f->size) && fh_os_protect(f->start, f->size))
        return FH_MARK_CLOSED | FH_MARK_EMPTY;
    if (f->size <= KEPT_MOST) return 0;
    if (has_time(&for_blocks)) return change(&for_blocks, true, f->start, f->size) ? FH_MARK_CLOSED : 0;
    return has_time(&for_pages) && change(&for_pages, true, f->start, FH_GRANULE) ? FH_MARK_CLOSED : 0;
}

void fh_check_give_large(struct fh_found *f, uint32_t site) {
    uint32_t allocated = f->mark->site;
    unsigned closed = close_freed(f);
    if (closed) forget_tail(f);
    else if (!open_tail(f)) return; /* it stays in use, by nobody */
    bool is_long = f->size > KEPT_MOST && !(closed & FH_MARK_EMPTY);
    if (!closed && !is_long) fill(f);
    uint8_t state = (uint8_t)(FH_MARK_FREED | closed);
    fh_mark_write(f->mark, (struct fh_mark){.slack = (uint16_t)f->front, .state = state, .site = site});
    if (!is_long) put(f->first, closed & FH_MARK_EMPTY, allocated);
    else if (closed) hold(f, allocated);
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
    for (unsigned i = 0; i < PLACES; i++) {
        uint32_t first = (uint32_t)atomic_load(&waiting[i]);
        if (first == 0) continue;
        fh_check_find_large(first, f);
        if (f->mark->state & FH_MARK_CLOSED && address - (uintptr_t)f->start < f->size) return true;
    }
    return false;
}

/* ---- taking ---- */

size_t fh_check_large_front(size_t align) {
    return align <= FH_LARGE_FRONT ? FH_LARGE_FRONT : align <= 4096 ? align : 0;
}

static bool begin(const char *start, size_t front, size_t size, struct fh_found *f) {
    if (start == NULL) return false;
    uint32_t first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    fh_mark_write(&fh_space.heads[first].mark, (struct fh_mark){.slack = (uint16_t)front});
    fh_space.heads[first].asked = size;
    fh_check_find_large(first, f);
    return true;
}

bool fh_check_take_large(size_t size, size_t align, bool zero, bool with_tail, struct fh_found *f) {
    size_t front = fh_check_large_front(align);
    let_held_go_for(front + size + 1);
    if (with_tail && may_have_tail(align)) {
        front = front_before_tail(size);
        if (!begin(fh_large_take(front + size + fh_os_page_size() + 15, align, zero), front, size, f))
            return false;
        close_tail(f);
        return true;
    }
    return begin(fh_large_take(front + size + 1, align, zero), front, size, f);
}

/* ---- resizing ---- */

void *fh_check_resize_large(struct fh_found *f, size_t size, uint32_t site) {
    if (f->mark->state & FH_MARK_TAIL) {
        if (!open_tail(f)) return NULL;
        fh_check_put_canaries(f);
    }
    struct fh_mark mark = *f->mark;
    size_t front = f->front, old = f->asked;
    if (front + size >= f->size) let_held_go_for(SIZE_MAX);
    char *start = fh_large_resize(f->first, front + size + 1);
    if (start == NULL) return NULL;
    uint32_t first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    mark.site = site;
    fh_mark_write(&fh_space.heads[first].mark, mark);
    fh_space.heads[first].asked = old; /* what the counters hold */
    fh_check_find_large(first, f);
    return start + front;
}
