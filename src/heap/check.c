/* check.c - checked mode: what happens in each call.
 *
 * The heap is the same as in fast mode; only that each call comes here, asks the bins for a block that is a
 * little larger, and keeps a mark for it out of line. Nothing that a check relies on can be reached by an
 * overflow.
 *
 *     alloc   take a random block of the bin -> still filled as its free left it? else: written to after free
 *             -> canaries behind what was asked for (before it too: see check.h) -> LIVE
 *     free    is it a block, its start, LIVE, of this kind and size? -> canaries whole? -> fill -> FREED -> quarantine
 *     resize  as free; in place when the block is as good as a new one, else alloc, copy, free
 *
 * A write before a block is seen in the last byte of the block before it, which is always a canary (canary.h).
 * The first block of a span has none before it, so it is handed out only when the bin has no other. Blocks
 * above 1 KiB have 16 bytes of canaries of their own in front, large ones a page, unless they were asked for at
 * a larger alignment.
 *
 * Marks are read and written without locks: a block belongs to one thread at a time, and two threads that free
 * one block in the same instant are a mistake that the span's bitmap still finds later on.
 */
#include "check.h"

#include "../base/report.h"
#include "../base/settings.h"
#include "../os/os_backtrace.h"
#include "../os/os_own.h"
#include "canary.h"
#include "count.h"
#include "extent.h"
#include "guard.h"
#include "large.h"
#include "misuse.h"
#include "private.h"
#include "sites.h"

#include <errno.h>
#include <string.h>

enum { SMALL_FRONT = 16, LARGE_FRONT = 4096, FRONT_ABOVE = 1024, FRONT_SEEN = 64, PURGE_FROM = 1 << 20 };

unsigned char fh_canary = 0x9d, fh_freed_fill = 0xd8;

static void sweep_at_exit(void);

void fh_checks_begin(void) {
    unsigned char random[16];
    fh_os_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        unsigned char c = random[i] | 0x80;
        if (c % 17 == 0 || c == 0xfd || c == 0xcd || c == 0xdb || c == 0xbe || c == 0xfe)
            continue; /* 0x88, 0xff ... */
        fh_canary = c;
        break;
    }
    fh_freed_fill = fh_settings.zero_free ? 0 : fh_canary == 0xd8 ? 0xd9 : 0xd8;
    fh_sites_begin();
}

/* ---- finding a block ---- */

FH_INLINE void find_small(const void *p, uint32_t first, struct fh_found *f) {
    const struct fh_class *class = &fh_classes[f->c];
    uint32_t within = (uint32_t)(fh_space_offset(p) - ((size_t)first << FH_GRANULE_SHIFT));
    f->number = fh_block_number(class, within);
    f->start = fh_granule_address(first) + (size_t)f->number * class->size;
    f->size = class->size;
    f->mark = &fh_space.marks[first][f->number];
    f->front = f->mark->state & FH_MARK_FRONT ? SMALL_FRONT : 0;
    f->asked = f->size - f->front - f->mark->slack;
}

static void find_large(uint32_t first, struct fh_found *f) {
    struct fh_head *head = &fh_space.heads[first];
    f->number = 0;
    f->start = fh_granule_address(first);
    f->size = fh_large_usable(first);
    f->mark = &head->mark;
    f->front = f->mark->state & FH_MARK_FRONT ? LARGE_FRONT : 0;
    f->asked = head->asked;
}

FH_INLINE bool find(const void *p, struct fh_found *f) {
    size_t offset = fh_space_offset(p);
    if (offset >= fh_space.size) return false;
    f->c = fh_space.classes[offset >> FH_GRANULE_SHIFT];
    if (f->c == 0) { /* large, or of a private heap, or nothing */
        f->first = fh_span_first(p);
        if (f->first == 0 || fh_space.heads[f->first].private) return false;
        find_large(f->first, f);
        return true;
    }
    uint32_t granule = (uint32_t)(offset >> FH_GRANULE_SHIFT);
    const struct fh_head *head = &fh_space.heads[granule];
    f->first = head->kind == FH_SPAN ? granule : granule - head->back;
    find_small(p, f->first, f);
    return f->number < fh_classes[f->c].blocks;
}

bool fh_check_find(const void *p, struct fh_found *f) { return find(p, f); }

static unsigned state_of(const struct fh_mark *mark) { return mark->state & FH_MARK_STATES; }

/* ---- reports ---- */

static struct fh_misuse about(enum fh_misuse_kind kind, const char *call, const void *address, uintptr_t caller,
                              const struct fh_found *f) {
    struct fh_misuse m = {.kind = kind, .call = call, .address = address, .caller = caller};
    if (f == NULL || state_of(f->mark) == FH_MARK_NONE) return m;
    m.block = f->start + f->front;
    m.asked = f->asked;
    m.usable = f->size - f->front;
    m.offset = (const char *)address - m.block;
    m.freed = state_of(f->mark) == FH_MARK_FREED;
    if (m.freed) {
        m.freed_at = f->mark->site;
        m.allocated = fh_quarantine_site(fh_heap_mine(), f->start);
    } else {
        m.allocated = f->mark->site;
    }
    return m;
}

static void report_damage(enum fh_misuse_kind kind, const char *call, uintptr_t caller,
                          const struct fh_found *f, const unsigned char *bad, unsigned char expected,
                          const char *detail) {
    struct fh_misuse m = about(kind, call, f->start + f->front, caller, f);
    m.detail = detail;
    m.offset = (const char *)bad - (f->start + f->front);
    m.damaged = true;
    m.found = *bad;
    m.expected = expected;
    m.block = f->start + f->front;
    fh_misuse_report(&m);
}

/* What is at an address that is no block, in words. */
static const char *describe(const void *p, char *room, size_t size) {
    char name[200];
    if (fh_space_offset(p) < fh_space.size) return "It lies in the heap's own window, where no block is.";
    switch (fh_os_memory_of(p, name, sizeof name)) {
        case FH_OS_STACK: return "It is on a stack: a local variable. Those are never freed.";
        case FH_OS_PROGRAM:
            fh_format(room, size, "It is in %s: a global variable, a constant or code. Those are never freed.",
                      name);
            return room;
        case FH_OS_UNMAPPED: return "No memory is there at all: the pointer is wild.";
        default: return "It is memory of somebody else: mapped by the program, or of another allocator.";
    }
}

static void report_no_block(const void *p, const char *call, uintptr_t caller) {
    char room[300];
    struct fh_found f;
    struct fh_misuse m;
    if (fh_guard_explain_pointer(p, call, caller)) return;
    if (!fh_check_find(p, &f) || state_of(f.mark) == FH_MARK_NONE) {
        m = about(FH_INVALID_FREE, call, p, caller, NULL);
        m.detail = describe(p, room, sizeof room);
    } else if (state_of(f.mark) == FH_MARK_FREED) {
        bool start = p == f.start + f.front,
             frees = strcmp(call, "free") == 0 || strncmp(call, "delete", 6) == 0;
        m = about(start ? frees ? FH_DOUBLE_FREE : FH_USE_AFTER_FREE : FH_INTERIOR_FREE, call, p, caller, &f);
    } else {
        m = about(FH_INTERIOR_FREE, call, p, caller, &f);
    }
    fh_misuse_report(&m);
}

/* ---- canaries ---- */

static void put_canaries(const struct fh_found *f) {
    size_t end = f->front + f->asked, size = f->size;
    if (f->c == 0) { /* no further than the page goes: what is behind it stays untouched */
        size_t page_end = (end + LARGE_FRONT) & ~(size_t)(LARGE_FRONT - 1);
        if (page_end < size) size = page_end;
        if (f->front) memset(f->start + f->front - FRONT_SEEN, fh_canary, FRONT_SEEN);
    } else if (f->front) {
        memset(f->start, fh_canary, f->front);
    }
    memset(f->start + end, fh_canary, size - end);
}

/* True when the canaries of a live block are whole; else reports. Byte for byte, and for large blocks. */
static bool look_at_canaries(const struct fh_found *f, const char *call, uintptr_t caller) {
    size_t end = f->front + f->asked, size = f->size, front = f->front;
    if (f->c == 0) {
        size_t page_end = (end + LARGE_FRONT) & ~(size_t)(LARGE_FRONT - 1);
        if (page_end < size) size = page_end;
        if (front) front = FRONT_SEEN;
    }
    const unsigned char *bad = fh_first_other(f->start + end, size - end, fh_canary);
    if (bad) {
        report_damage(FH_OVERFLOW, call, caller, f, bad, fh_canary, NULL);
        return false;
    }
    if (front == 0 && f->number == 0) return true;
    const unsigned char *before = (const unsigned char *)f->start + f->front - (front ? front : 1);
    bad = fh_first_other(before, front ? front : 1, fh_canary);
    if (bad == NULL) return true;
    report_damage(FH_UNDERFLOW, call, caller, f, bad, fh_canary,
                  front ? NULL : "Or somebody wrote behind the block that lies before this one.");
    *(unsigned char *)(uintptr_t)bad = fh_canary;
    return false;
}

/* The same, with the usual case in a few instructions. */
FH_INLINE bool check_canaries(const struct fh_found *f, const char *call, uintptr_t caller) {
    bool whole = f->c && fh_canaries_whole(f->start + f->size, f->mark->slack) &&
                 (f->front         ? fh_canaries_whole(f->start + f->front, f->front)
                  : f->number == 0 ? true
                                   : (unsigned char)f->start[-1] == fh_canary);
    return FH_LIKELY(whole) || look_at_canaries(f, call, caller);
}

/* ---- fills ---- */

/* A freed block reads as its fill up to its last byte, the canary. */
static void fill_freed(const struct fh_found *f) {
    size_t size = f->size - 1;
    memset(f->start, fh_freed_fill, size);
    f->start[size] = (char)fh_canary;
}

static const unsigned char *find_write_after_free(const struct fh_found *f) {
    return fh_first_other(f->start, f->size - 1, fh_freed_fill);
}

/* ---- taking a small block ---- */

static uint64_t next_random(void) {
    static __thread uint64_t state __attribute__((tls_model("initial-exec")));
    if (state == 0) fh_os_random(&state, sizeof state);
    state ^= state << 13; /* xorshift: Marsaglia 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static bool is_first_of_span(const void *block) {
    uint32_t granule = (uint32_t)(fh_space_offset(block) >> FH_GRANULE_SHIFT);
    return fh_space_offset(block) % FH_GRANULE == 0 && fh_space.heads[granule].kind == FH_SPAN;
}

/* Moves a random block of the bin to its top. */
static void shuffle(struct fh_bin *bin, const struct fh_bin_book *book) {
    unsigned count = book->base ? (unsigned)(bin->top - book->base) : 0;
    if (count < 2) return;
    void **chosen = &book->base[(uint32_t)next_random() % count], *block = *chosen;
    if (is_first_of_span(block)) {
        chosen = chosen == book->base ? &book->base[1] : &book->base[0];
        block = *chosen;
    }
    *chosen = bin->top[-1];
    bin->top[-1] = block;
}

static void *take_random(struct fh_heap *heap, unsigned c) {
    if (heap) shuffle(&heap->bins[c], &heap->books[c]);
    void *block = fh_small_take(heap, c);
    if (block == NULL || heap == NULL || !is_first_of_span(block)) return block;
    void *other = fh_small_take(heap, c); /* the bin's last, or the span's first just now */
    if (other == NULL) return block;
    fh_small_give(c, block);
    return other;
}

/* What the last byte before the block says. It is made a canary where nobody has used the block before yet. */
static void check_neighbour(const struct fh_found *f, uintptr_t caller) {
    struct fh_found before;
    unsigned char *last = (unsigned char *)f->start - 1;
    if (f->number == 0 || *last == fh_canary) return;
    /* Its owner may be putting its canaries at this moment: what counts is the byte after the mark says that he
     * has. */
    bool known = fh_check_find(last, &before);
    uint8_t state =
        known ? __atomic_load_n(&before.mark->state, __ATOMIC_ACQUIRE) & FH_MARK_STATES : FH_MARK_NONE;
    if ((state == FH_MARK_LIVE || state == FH_MARK_FREED) && *(volatile unsigned char *)last != fh_canary)
        report_damage(state == FH_MARK_FREED ? FH_WRITE_AFTER_FREE : FH_OVERFLOW, "malloc", caller, &before,
                      last, fh_canary, "Seen while the block behind it was handed out.");
    *last = fh_canary;
}

FH_INLINE bool take_small(struct fh_heap *heap, unsigned c, uintptr_t caller, struct fh_found *f) {
    char *start = take_random(heap, c);
    if (start == NULL) return false;
    f->c = c;
    f->first = fh_span_first(start);
    find_small(start, f->first, f);
    const unsigned char *bad = state_of(f->mark) == FH_MARK_FREED ? find_write_after_free(f) : NULL;
    if (bad)
        report_damage(FH_WRITE_AFTER_FREE, "malloc", caller, f, bad, fh_freed_fill,
                      "Seen when the block was to be used again.");
    __atomic_store_n(&f->mark->state, (uint8_t)FH_MARK_BUSY, __ATOMIC_RELAXED);
    check_neighbour(f, caller);
    return true;
}

/* ---- alloc ---- */

static void *out_of_memory(void) {
    errno = ENOMEM;
    return NULL;
}

static unsigned log_of(size_t align) { return align > 16 ? (unsigned)__builtin_ctzll(align) : 0; }

static bool take_large(size_t size, size_t align, bool zero, struct fh_found *f) {
    size_t front = align <= LARGE_FRONT ? LARGE_FRONT : 0;
    char *start = fh_large_take(front + size + 1, align, zero);
    if (start == NULL) return false;
    f->c = 0;
    f->first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    fh_space.heads[f->first].mark =
        (struct fh_mark){.state = (uint8_t)(FH_MARK_BUSY | (front ? FH_MARK_FRONT : 0))};
    fh_space.heads[f->first].asked = size;
    find_large(f->first, f);
    return true;
}

FH_INLINE bool take(struct fh_heap *heap, size_t size, size_t align, unsigned call, uintptr_t caller,
                    struct fh_found *f) {
    size_t need = fh_aligned_size(size + 1, align),
           front = need > FRONT_ABOVE && align <= SMALL_FRONT ? SMALL_FRONT : 0;
    need += front;
    if (need > FH_SMALL_MAX) return take_large(size, align, call & FH_CALL_ZERO, f);
    if (!take_small(heap, fh_class_table[(need + 15) / 16], caller, f)) return false;
    f->front = front;
    f->asked = size;
    f->mark->slack = (uint16_t)(f->size - front - size);
    return true;
}

/* Makes a block that was found live, for `asked` bytes. */
FH_INLINE void *hand_out(struct fh_found *f, unsigned call, size_t align, uintptr_t caller) {
    put_canaries(f);
    f->mark->kind = (uint8_t)((call & FH_KIND_MASK) | (call & FH_CALL_ALIGNED ? log_of(align) << 2 : 0));
    f->mark->site = fh_site_here(caller);
    __atomic_store_n(&f->mark->state, (uint8_t)(FH_MARK_LIVE | (f->front ? FH_MARK_FRONT : 0)),
                     __ATOMIC_RELEASE);
    if (fh_settings.count) fh_count_alloc(f->start, f->c, f->asked);
    return f->start + f->front;
}

void *fh_check_alloc(struct fh_heap *heap, size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_found f;
    if (size > PTRDIFF_MAX / 2 || align > PTRDIFF_MAX / 2 || fh_space.size == 0) return out_of_memory();
    if (fh_guard_wants()) {
        void *block = fh_guard_alloc(size, align, call, caller);
        if (block) return block;
    }
    while (!take(heap, size, align, call, caller, &f))
        if (!fh_quarantine_drain(heap)) return out_of_memory();
    char *p = hand_out(&f, call, align, caller);
    if (call & FH_CALL_ZERO) {
        if (f.c) memset(p, 0, size);
    } else if (fh_settings.fill_alloc) {
        memset(p, FH_NEW_FILL, size);
    }
    return p;
}

/* ---- free ---- */

/* Is p the start of a live block? Else reports. */
FH_INLINE bool find_live(const void *p, const char *call, uintptr_t caller, struct fh_found *f) {
    if (FH_LIKELY(find(p, f) && state_of(f->mark) == FH_MARK_LIVE && p == f->start + f->front)) return true;
    report_no_block(p, call, caller);
    return false;
}

static const char *const kind_names[] = {"malloc", "new", "new[]", ""};
static const char *const free_names[] = {"free", "delete", "delete[]", ""};

bool fh_check_agrees(const void *p, size_t asked, unsigned kind, size_t size, size_t align, unsigned call,
                     struct fh_misuse *m) {
    unsigned family = kind & FH_KIND_MASK, freed_as = call & FH_KIND_MASK;
    (void)p;
    if (family != freed_as && fh_settings.check_kinds) {
        m->kind = FH_KIND_MISMATCH;
        fh_format(m->note, sizeof m->note, "It is from %s, and %s was called.", kind_names[family],
                  free_names[freed_as]);
    } else if ((call & FH_CALL_SIZED) && size != asked &&
               size + asked != 1) { /* realloc to 0 bytes may have asked for 1 */
        m->kind = FH_SIZE_MISMATCH;
        fh_format(m->note, sizeof m->note, "%zu bytes were asked for, and it is freed as %zu.", asked, size);
    } else if ((call & FH_CALL_ALIGNED || kind >> 2) && (family || call & FH_CALL_SIZED) &&
               fh_settings.check_kinds && (call & FH_CALL_ALIGNED ? log_of(align) : 0) != kind >> 2) {
        m->kind = FH_ALIGN_MISMATCH;
        fh_format(m->note, sizeof m->note, "It was asked for at alignment %zu, and is freed as one of %zu.",
                  kind >> 2 ? (size_t)1 << (kind >> 2) : 16, call & FH_CALL_ALIGNED ? align : 16);
    } else {
        return true;
    }
    m->detail = m->note;
    return false;
}

static bool check_agrees(const void *p, size_t size, size_t align, unsigned call, uintptr_t caller,
                         const struct fh_found *f) {
    unsigned kind = f->mark->kind;
    if (kind == (call & (unsigned)FH_KIND_MASK) && (call & (unsigned)~FH_KIND_MASK) == 0)
        return true; /* the usual */
    struct fh_misuse m = about(FH_KIND_MISMATCH, free_names[call & FH_KIND_MASK], p, caller, f);
    if (fh_check_agrees(p, f->asked, kind, size, align, call, &m)) return true;
    fh_misuse_report(&m);
    return false;
}

FH_INLINE void give_small(struct fh_found *f, uintptr_t caller) {
    uint32_t allocated = f->mark->site;
    __atomic_store_n(&f->mark->state, (uint8_t)(FH_MARK_BUSY | (f->front ? FH_MARK_FRONT : 0)),
                     __ATOMIC_RELAXED);
    fill_freed(f);
    f->mark->site = fh_site_here(caller);
    __atomic_store_n(&f->mark->state, (uint8_t)(FH_MARK_FREED | (f->front ? FH_MARK_FRONT : 0)),
                     __ATOMIC_RELEASE);
    fh_quarantine_put(fh_heap_mine(), f->c, f->start, allocated);
}

static void give_large(struct fh_found *f, uintptr_t caller) {
    uint32_t allocated = f->mark->site;
    f->mark->site = fh_site_here(caller);
    f->mark->state = (uint8_t)(FH_MARK_FREED | (f->front ? FH_MARK_FRONT : 0));
    bool purged = (f->size >= PURGE_FROM || fh_settings.zero_free) && fh_os_purge(f->start, f->size);
    f->mark->slack = purged ? FH_LARGE_PURGED : 0;
    if (fh_os_protect(f->start, purged ? f->size : FH_GRANULE)) fh_quarantine_put_large(f->first, allocated);
    else fh_large_give(f->first);
}

static void give(struct fh_found *f, uintptr_t caller) {
    if (fh_settings.count) fh_count_free(f->start, f->c);
    if (f->c) give_small(f, caller);
    else give_large(f, caller);
}

/* The program's own heap that p is from, which does its own checks; NULL as a rule. */
static struct fh_heap *private_heap(const void *p, uint32_t *first) {
    size_t offset = fh_space_offset(p);
    if (offset >= fh_space.size || fh_space.classes[offset >> FH_GRANULE_SHIFT]) return NULL;
    *first = fh_span_first(p);
    return *first ? fh_space.heads[*first].private : NULL;
}

void fh_check_free(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_found f;
    uint32_t first;
    struct fh_heap *private = private_heap(p, &first);
    if (private) {
        fh_private_give(private, first, p);
        return;
    }
    const char *name = free_names[call & FH_KIND_MASK];
    if (fh_guard_owns(p)) {
        fh_guard_free(p, size, align, call, caller);
        return;
    }
    if (!find_live(p, name, caller, &f)) return;
    if (!check_agrees(p, size, align, call, caller,
                      &f)) { /* reported; it is a live block, and its owner gives it up */
    }
    if (!check_canaries(&f, name, caller)) put_canaries(&f);
    give(&f, caller);
}

size_t fh_check_usable(const void *p, uintptr_t caller) {
    struct fh_found f;
    size_t size;
    uint32_t first;
    if (private_heap(p, &first)) {
        const struct fh_head *head = &fh_space.heads[first];
        return head->kind == FH_LARGE ? fh_large_usable(first) : fh_classes[head->class].size;
    }
    if (fh_guard_owns(p)) return fh_guard_usable(p, &size, caller) ? size : 0;
    return find_live(p, "malloc_usable_size", caller, &f) ? f.asked : 0;
}

/* ---- resize ---- */

static void *resize_large(struct fh_found *f, size_t size, uintptr_t caller) {
    struct fh_mark mark = *f->mark;
    size_t front = f->front, old = f->asked;
    char *start = fh_large_resize(f->first, front + size + 1);
    if (start == NULL) return out_of_memory();
    uint32_t first = (uint32_t)(fh_space_offset(start) >> FH_GRANULE_SHIFT);
    fh_space.heads[first].mark = mark;
    fh_space.heads[first].asked = old; /* what the counters hold */
    find_large(first, f);
    if (fh_settings.count) fh_count_resize(f->start, 0, size);
    f->first = first;
    fh_space.heads[first].asked = f->asked = size;
    put_canaries(f);
    f->mark->site = fh_site_here(caller);
    return f->start + front;
}

/* In place, when a new block would be of the same class. */
static bool resize_small(struct fh_found *f, size_t size, uintptr_t caller) {
    size_t need = f->front + size + 1;
    if (need > f->size || (need <= f->size / 2 && fh_class_table[(need + 15) / 16] != f->c)) return false;
    if (fh_settings.count) fh_count_resize(f->start, f->c, size);
    f->mark->state ^= FH_MARK_LIVE ^ FH_MARK_BUSY;
    f->asked = size;
    f->mark->slack = (uint16_t)(f->size - f->front - size);
    put_canaries(f);
    f->mark->site = fh_site_here(caller);
    __atomic_store_n(&f->mark->state, (uint8_t)(f->mark->state ^ FH_MARK_LIVE ^ FH_MARK_BUSY),
                     __ATOMIC_RELEASE);
    return true;
}

static void *move(void *p, size_t asked, size_t size, uintptr_t caller) {
    void *block = fh_mode_checks() ? fh_check_alloc(fh_heap_mine(), size, 1, FH_KIND_MALLOC, caller)
                                   : fh_alloc_slow(size, 1); /* a sample, in fast mode */
    if (block == NULL) return NULL;
    memcpy(block, p, asked < size ? asked : size);
    fh_check_free(p, 0, 1, FH_KIND_MALLOC, caller);
    return block;
}

void *fh_check_resize(void *p, size_t size, uintptr_t caller) {
    struct fh_found f;
    size_t asked;
    if (fh_settings.count) fh_count_realloc();
    if (size > PTRDIFF_MAX / 2) return out_of_memory();
    uint32_t first;
    struct fh_heap *private = private_heap(p, &first);
    if (private) return fh_private_resize(private, first, p, size ? size : 1);
    if (fh_guard_owns(p)) return fh_guard_usable(p, &asked, caller) ? move(p, asked, size, caller) : NULL;
    if (!find_live(p, "realloc", caller, &f)) return NULL;
    if (!check_agrees(p, 0, 1, FH_KIND_MALLOC, caller, &f)) f.mark->kind = FH_KIND_MALLOC;
    if (!check_canaries(&f, "realloc", caller)) put_canaries(&f);
    f.mark->kind = FH_KIND_MALLOC; /* its alignment may be lost from here on */
    if (f.c == 0 && size > FH_SMALL_MAX) return resize_large(&f, size, caller);
    if (f.c && resize_small(&f, size, caller)) return p;
    return move(p, f.asked, size, caller);
}

void fh_check_new_span(uint32_t g, unsigned blocks) {
    memset(fh_space.marks[g], 0, blocks * sizeof(struct fh_mark));
}

/* ---- the sweep ---- */

/* A block that nobody touches while it is looked at: its mark is the same before and after. */
static bool sweep_block(struct fh_found *f) {
    struct fh_mark before = *f->mark;
    const unsigned char *bad = NULL;
    enum fh_misuse_kind kind = FH_OVERFLOW;
    unsigned char expected = fh_canary;
    if (state_of(&before) == FH_MARK_LIVE) {
        size_t end = f->front + f->asked, size = f->size;
        if (f->c == 0 && ((end + LARGE_FRONT) & ~(size_t)(LARGE_FRONT - 1)) < size)
            size = (end + LARGE_FRONT) & ~(size_t)(LARGE_FRONT - 1);
        bad = fh_first_other(f->start + end, size - end, fh_canary);
        if (bad == NULL && f->front) {
            size_t front = f->c ? f->front : FRONT_SEEN;
            bad = fh_first_other(f->start + f->front - front, front, fh_canary);
            kind = FH_UNDERFLOW;
        }
    } else if (state_of(&before) == FH_MARK_FREED && f->c) {
        bad = find_write_after_free(f);
        kind = FH_WRITE_AFTER_FREE;
        expected = fh_freed_fill;
        if (bad == NULL && (unsigned char)f->start[f->size - 1] != fh_canary) {
            bad = (const unsigned char *)f->start + f->size - 1;
            expected = fh_canary;
        }
    }
    if (bad == NULL) return true;
    /* An atomic read-modify-write of what is compared, as a fence that ThreadSanitizer understands too. */
    __atomic_fetch_or(&f->mark->state, 0, __ATOMIC_ACQ_REL);
    if (memcmp(&before, f->mark, sizeof before) != 0) return true;
    report_damage(kind, "the sweep", 0, f, bad, expected, NULL);
    return false;
}

static size_t sweep_granule(uint32_t g) {
    const struct fh_head *head = &fh_space.heads[g];
    struct fh_found f = {.first = g};
    size_t bad = 0;
    if (head->private) return 0;
    if (head->kind == FH_LARGE) {
        find_large(g, &f);
        return !sweep_block(&f);
    }
    f.c = head->class;
    for (unsigned i = 0; head->kind == FH_SPAN && i < head->blocks; i++) {
        if (state_of(&fh_space.marks[g][i]) == FH_MARK_NONE) continue;
        find_small(fh_granule_address(g) + (size_t)i * fh_classes[f.c].size, g, &f);
        bad += !sweep_block(&f);
    }
    return bad;
}

size_t fh_check_sweep(void) {
    size_t bad = 0;
    if (!fh_mode_checks() || fh_space.marks == NULL) return 0;
    bad += fh_guard_sweep();
    for (uint32_t g = 1; g < fh_space.mapped;) {
        const struct fh_head *head = &fh_space.heads[g];
        if (head->kind == FH_SPAN || head->kind == FH_LARGE) bad += sweep_granule(g);
        g += head->kind != FH_INSIDE && head->granules ? head->granules : 1;
    }
    return bad;
}

static void count_threads(struct fh_heap *heap, void *count) {
    if (heap->bins) ++*(unsigned *)count;
}

/* Late, so that what the program does at its exit is seen too. Not while other threads are at work: what they
 * free might vanish under the sweep. */
static __attribute__((destructor(101))) void sweep_at_exit(void) {
    unsigned threads = 0;
    if (!fh_settings.sweep || !fh_mode_checks() || fh_space.marks == NULL) return;
    fh_heap_each(count_threads, &threads);
    if (threads <= 1) fh_check_sweep();
}
