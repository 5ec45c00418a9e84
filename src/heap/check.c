/* check.c - checked mode: what happens in each call.
 *
 * The heap is the same as in fast mode; only that each call comes here, asks the bins for a block that is a
 * little larger, and keeps a mark for it out of line. Nothing that a check relies on can be reached by an
 * overflow.
 *
 *     alloc   take the next block of the bin -> still filled as its free left it? else: written to after free
 *             -> LIVE, and how much of it belongs to nobody
 *     free    is it a block, its start, LIVE, of this kind and size? -> canaries whole? -> fill -> FREED -> quarantine
 *     resize  as free; in place when the block is as good as a new one, else alloc, copy, free
 *
 * What a block is filled with when it is freed is the canary. So a block that is handed out has its canaries
 * already, and that it is untouched and that they are whole is one look. Blocks that were never handed out are
 * filled when the bin gets them, dozens at a time; the bin's blocks are put into a random order then.
 *
 * These are the general ways, for all blocks and settings. Nearly every call goes the quick ones of
 * check_quick.c, which leave to these what is not as usual.
 *
 * Marks are read and written without locks: a block belongs to one thread at a time, and two threads that free
 * one block in the same instant are a mistake that the span's bitmap still finds later on.
 */
#include "check.h"

#include "../base/settings.h"
#include "../os/os_own.h"
#include "canary.h"
#include "count.h"
#include "guard.h"
#include "large.h"
#include "meta.h"
#include "private.h"
#include "sites.h"

#include <errno.h>
#include <string.h>

unsigned char fh_canary = 0x9d, fh_freed_fill = 0x9d;
unsigned char fh_canaries[32] __attribute__((aligned(32))) = {[0 ... 31] = 0x9d};

uint8_t fh_check_quick_alloc, fh_check_quick_free;
size_t fh_check_quick_most;

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
    fh_freed_fill = fh_settings.zero_free ? 0 : fh_canary;
    memset(fh_canaries, fh_canary, sizeof fh_canaries);
    fh_sites_begin();
    fh_check_quick_free = (uint8_t)fh_check_quick_way();
    if (fh_settings.guard_first == 0) fh_check_open_quick_alloc();
}

unsigned fh_check_quick_way(void) {
    bool quick = fh_settings.mode == FH_MODE_CHECKED && !fh_settings.count && !fh_settings.zero_free &&
                 fh_settings.stacks == 1;
    if (!quick) return FH_QUICK_CLOSED;
    return fh_settings.wide && fh_os_has_wider() ? FH_QUICK_WIDE : FH_QUICK_OPEN;
}

void fh_check_open_quick_alloc(void) {
    bool quick = !fh_settings.fill_alloc && fh_settings.guard_sample == 0 && fh_check_quick_free;
    __atomic_store_n(&fh_check_quick_alloc, quick ? fh_check_quick_free : FH_QUICK_CLOSED, __ATOMIC_RELAXED);
    __atomic_store_n(&fh_check_quick_most, quick ? FH_PLAIN_MOST : 0, __ATOMIC_RELEASE);
}

struct fh_mark *fh_check_new_marks(unsigned blocks) {
    struct fh_mark *marks = fh_meta_take(blocks * sizeof(struct fh_mark));
    /* One more, for the bytes behind the last block: where there are any, a piece has the room, and the
     * smallest has it for eight. */
    size_t rounded = blocks & (blocks - 1) || blocks < 8 ? blocks + 1 : blocks;
    return marks ? memset(marks, 0, rounded * sizeof(struct fh_mark)) : NULL;
}

void fh_check_give_marks(struct fh_mark *marks, unsigned blocks) {
    fh_meta_give(marks, blocks * sizeof(struct fh_mark));
}

void fh_check_begin_span(uint32_t g, unsigned c, struct fh_mark *marks) {
    struct fh_marked *at = &fh_space.marked[g];
    bool plain = c - 1 < FH_PLAIN_CLASSES;
    FH_WRITE(at->marks, marks);
    at->class_times = (uint16_t)(c * FH_TIMES);
    at->size = plain ? (uint16_t)fh_classes[c].size : 0;
    /* Last: a free of a wild address by another thread relies on the rest where it finds this. */
    __atomic_store_n(&at->in_granule, plain ? fh_classes[c].in_granule : 0, __ATOMIC_RELEASE);
}

void fh_check_end_span(uint32_t g, unsigned blocks) {
    struct fh_marked *at = &fh_space.marked[g];
    __atomic_store_n(&at->in_granule, 0, __ATOMIC_RELAXED);
    fh_check_give_marks(at->marks, blocks);
}

/* ---- blocks for the bin ---- */

/* The block was never handed out: it gets its fill, and so does the last byte before it, unless that belongs to
 * somebody, who has seen to it. */
static void make_fresh(char *start, unsigned c, struct fh_mark *mark, unsigned number) {
    size_t last = fh_classes[c].size - 1;
    if (c <= FH_PLAIN_CLASSES) memset(start, fh_freed_fill, last);
    start[last] = (char)fh_canary;
    if (number && fh_mark_state(mark - 1) == FH_MARK_NONE) start[-1] = (char)fh_canary;
    fh_mark_write(mark, (struct fh_mark){.state = FH_MARK_FRESH});
}

/* The mark of the block of class c at `start`, and its number. */
FH_INLINE struct fh_mark *mark_at(const char *start, unsigned c, uint32_t *number) {
    size_t offset = fh_space_offset(start);
    *number = fh_block_number(&fh_classes[c], (uint32_t)(offset % FH_GRANULE));
    return fh_space_marks((uint32_t)(offset >> FH_GRANULE_SHIFT)) + *number;
}

FH_INLINE void prepare(char *start, unsigned c) {
    uint32_t number;
    struct fh_mark *mark = mark_at(start, c, &number);
    if (FH_UNLIKELY(fh_mark_state(mark) == FH_MARK_NONE)) make_fresh(start, c, mark, number);
}

/* Of the blocks, which begin with one that was never handed out, those that lie one below the other in a span
 * and were not either: all filled at once. Plain ones, so the run ends above the span's first block at the
 * latest. Their marks come last: another thread may fork meanwhile, and the child use what lies above and
 * below. Returns how many. */
static unsigned make_run_fresh(void **blocks, unsigned count, unsigned c, struct fh_mark *mark) {
    const struct fh_mark fresh = {.state = FH_MARK_FRESH};
    size_t size = fh_classes[c].size;
    unsigned run = 0;
    char *start = blocks[0];
    for (; run < count && blocks[run] == start && fh_mark_state(mark - run) == FH_MARK_NONE; run++)
        start -= size;
    start += size;
    memset(start, fh_canary, run * size);
    if (fh_mark_state(mark - run) == FH_MARK_NONE) start[-1] = (char)fh_canary;
    for (unsigned i = 0; i < run; i++) fh_mark_write_last(mark - i, fresh);
    return run;
}

/* Of the blocks, which begin with one that was handed out before, those that lie one below the other in a span
 * and were so too. Returns how many. */
static unsigned skip_known(void **blocks, unsigned count, unsigned c, const struct fh_mark *mark,
                           unsigned number) {
    size_t size = fh_classes[c].size;
    unsigned run = 1, most = number < count ? number + 1 : count;
    for (const char *next = (char *)blocks[0] - size; run < most && blocks[run] == next; run++, next -= size)
        if (fh_mark_state(mark - run) == FH_MARK_NONE) break;
    return run;
}

/* All of the bin: filled, and in random order. */
static void prepare_all(void **blocks, unsigned count, unsigned c) {
    bool runs = c <= FH_PLAIN_CLASSES && fh_freed_fill == fh_canary;
    for (unsigned i = 0, number; i < count;) {
        struct fh_mark *mark = mark_at(blocks[i], c, &number);
        if (fh_mark_state(mark) != FH_MARK_NONE) {
            i += skip_known(blocks + i, count - i, c, mark, number);
        } else if (runs) {
            i += make_run_fresh(blocks + i, count - i, c, mark);
        } else {
            make_fresh(blocks[i], c, mark, number);
            i++;
        }
    }
    fh_shuffle(blocks, count);
}

static void *refill(struct fh_heap *heap, unsigned c) {
    void *block = fh_bin_refill(heap, c);
    fh_check_decay_large();
    void **base = heap->books[c].base;
    if (block == NULL) return NULL;
    if (base == NULL) { /* there is no memory for a bin */
        prepare(block, c);
        return block;
    }
    /* The bin is empty to others meanwhile: were another thread to fork in the middle of an exchange, the child
     * would find one block twice in it. */
    struct fh_bin *bin = &heap->bins[c];
    void **top = bin->top;
    __atomic_store_n(&bin->top, base, __ATOMIC_SEQ_CST);
    *top = block; /* the room that it was just taken from */
    prepare_all(base, (unsigned)(top + 1 - base), c);
    block = *top;
    __atomic_store_n(&bin->top, top, __ATOMIC_SEQ_CST);
    return block;
}

void *fh_check_take_block(struct fh_heap *heap, unsigned c) {
    if (heap) {
        struct fh_bin *bin = &heap->bins[c];
        return bin->top[-1] ? *--bin->top : refill(heap, c);
    }
    void *block = fh_small_take(NULL, c); /* late, in a thread that has ended */
    if (block) prepare(block, c);
    return block;
}

/* ---- alloc ---- */

/* The block comes from the bin, or the span: found, and reported if it is not as its free left it. */
static void check_taken(char *start, unsigned c, uintptr_t caller, struct fh_found *f) {
    unsigned char expected;
    fh_check_find_small(start, fh_span_first(start), c, f);
    unsigned state = fh_mark_state(f->mark);
    bool filled = state == FH_MARK_FREED || c <= FH_PLAIN_CLASSES; /* what is fresh: those alone */
    const unsigned char *bad = filled ? fh_check_damage_after_free(f, &expected) : NULL;
    if (bad)
        fh_check_report_damage(FH_WRITE_AFTER_FREE, "malloc", caller, f, bad, expected,
                               state == FH_MARK_FREED ? "Seen when the block was to be used again."
                                                      : "In a block that was never handed out.");
}

void fh_check_repair_taken(char *block, unsigned c, uintptr_t caller) {
    struct fh_found f;
    check_taken(block, c, caller, &f);
    memset(block, fh_canary, f.size);
}

static size_t front_for(size_t need, size_t align) {
    return need > FH_PLAIN_MOST && align <= FH_SMALL_FRONT ? FH_SMALL_FRONT : 0;
}

static bool is_first(const char *start) { return fh_space_offset(start) % FH_GRANULE == 0; }

/* Where nothing stands in front of a block and it is the first of its span, a write before it would be seen by
 * nobody: so the bin gives another, if it has one. */
static char *prefer_inner(struct fh_heap *heap, unsigned c, char *start) {
    if (heap == NULL || start == NULL || !is_first(start)) return start;
    for (void **at = heap->bins[c].top; *--at;) {
        char *other = *at;
        if (is_first(other)) continue;
        *at = start;
        return other;
    }
    return start;
}

/* A small block from the thread's heap, or of a private one. */
static bool take_small(struct fh_heap *private, size_t need, bool fronted, uintptr_t caller,
                       struct fh_found *f) {
    unsigned c = fh_class_for(need);
    char *start;
    if (private) {
        start = fh_private_take(private, c);
        if (start) prepare(start, c);
    } else {
        struct fh_heap *heap = fh_heap_mine();
        start = fh_check_take_block(heap, c);
        if (!fronted) start = prefer_inner(heap, c, start);
    }
    if (start == NULL) return false;
    check_taken(start, c, caller, f);
    f->private = private;
    return true;
}

static bool take(struct fh_heap *private, size_t size, size_t align, unsigned call, uintptr_t caller,
                 struct fh_found *f) {
    size_t need = fh_aligned_size(size + 1, align), front = front_for(need, align);
    if (need + front > FH_SMALL_MAX)
        return private ? fh_private_take_large(private, size, align, call & FH_CALL_ZERO, f)
                       : fh_check_take_large(size, align, call & FH_CALL_ZERO, true, f);
    if (!take_small(private, need + front, front > 0, caller, f)) return false;
    f->front = front;
    f->asked = size;
    return true;
}

/* Makes a block that was found live. */
static void *hand_out(struct fh_found *f, unsigned call, size_t align, uintptr_t caller) {
    struct fh_mark mark = {.state = FH_MARK_LIVE, .site = fh_site_here(caller)};
    mark.kind = (uint8_t)((call & FH_KIND_MASK) | (call & FH_CALL_ALIGNED ? fh_check_log(align) << 2 : 0));
    mark.slack = (uint16_t)(f->c ? f->size - f->front - f->asked : f->front);
    if (f->c && f->front) mark.state |= FH_MARK_FRONT;
    if (f->c == 0 && f->private == NULL) mark.state |= f->mark->state & FH_MARK_TAIL;
    fh_check_put_canaries(f);
    fh_mark_write(f->mark, mark);
    if (fh_settings.count) fh_count_alloc(f->start, f->c, f->asked);
    char *p = f->start + f->front;
    if (!(call & FH_CALL_ZERO)) {
        if (fh_settings.fill_alloc) memset(p, FH_NEW_FILL, f->asked);
    } else if (f->c) {
        memset(p, 0, f->asked);
    }
    return p;
}

static bool is_too_much(size_t size, size_t align) {
    return size > PTRDIFF_MAX / 2 || align > PTRDIFF_MAX / 2 || fh_space.size == 0;
}

static bool drain(void) {
    bool small = fh_quarantine_drain(fh_heap_mine()), large = fh_check_drain_large();
    return fh_span_end_resting() || small || large;
}

void *fh_check_alloc(size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_found f;
    if (is_too_much(size, align)) return fh_check_refuse(size, caller);
    if (fh_guard_wants(size, caller)) {
        void *block = fh_guard_alloc(size, align, call, caller);
        if (block) return block;
    }
    while (!take(NULL, size, align, call, caller, &f))
        if (!drain()) return fh_check_refuse(size, caller);
    return hand_out(&f, call, align, caller);
}

void *fh_check_alloc_in(struct fh_heap *private, size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_found f;
    if (is_too_much(size, align) || !take(private, size, align, call, caller, &f))
        return fh_check_refuse(size, caller);
    return hand_out(&f, call, align, caller);
}

/* ---- free ---- */

/* Is p the start of a live block? Else reports. */
static bool find_live(const void *p, const char *call, uintptr_t caller, struct fh_found *f) {
    if (fh_check_find(p, f) && fh_mark_state(f->mark) == FH_MARK_LIVE && p == f->start + f->front) return true;
    fh_check_report_no_block(p, call, caller);
    return false;
}

static void fill_freed(const struct fh_found *f) {
    memset(f->start, fh_freed_fill, f->size - 1);
    f->start[f->size - 1] = (char)fh_canary;
}

static void give(struct fh_found *f, uintptr_t caller) {
    struct fh_mark mark = fh_mark_read(f->mark);
    uint64_t live = fh_mark_word_of(mark);
    uint32_t site = fh_site_here(caller);
    if (fh_settings.count) fh_count_free(f->start, f->c);
    if (f->c) {
        fill_freed(f);
        mark.state = (uint8_t)(FH_MARK_FREED | (mark.state & FH_MARK_FRONT));
        mark.site = site;
        fh_mark_write(f->mark, mark);
        if (f->private) fh_private_give_checked(f->private, f->first, f->number);
        else fh_quarantine_put(fh_heap_mine(), f->c, f->start, live);
    } else if (f->private) {
        fh_private_give_checked(f->private, f->first, 0);
    } else {
        fh_check_give_large(f, site);
    }
}

void fh_check_free(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_found f;
    const char *name = fh_check_free_name(call);
    if (fh_guard_owns(p)) {
        fh_guard_free(p, size, align, call, caller);
        return;
    }
    if (!find_live(p, name, caller, &f)) return;
    fh_check_same_kind(p, size, align, call, caller, &f); /* if not, its owner gives it up all the same */
    if (!fh_check_look_at_canaries(&f, name, caller)) fh_check_put_canaries(&f);
    give(&f, caller);
}

size_t fh_check_usable(const void *p, uintptr_t caller) {
    struct fh_found f;
    size_t size;
    if (fh_guard_owns(p)) return fh_guard_usable(p, &size, "malloc_usable_size", caller) ? size : 0;
    return find_live(p, "malloc_usable_size", caller, &f) ? f.asked : 0;
}

/* ---- resize ---- */

static void *resize_large(struct fh_found *f, size_t size, uintptr_t caller) {
    void *p = fh_check_resize_large(f, size, fh_site_here(caller));
    if (p == NULL) return fh_check_refuse(size, caller);
    if (fh_settings.count) fh_count_resize(f->start, 0, size);
    fh_space.heads[f->first].asked = f->asked = size;
    fh_check_put_canaries(f);
    return p;
}

/* In place, when a new block would be of the same class. */
static bool resize_small(struct fh_found *f, size_t size, uintptr_t caller) {
    size_t need = f->front + size + 1;
    if (need > f->size || (need <= f->size / 2 && fh_class_for(need) != f->c)) return false;
    if (fh_settings.count) fh_count_resize(f->start, f->c, size);
    struct fh_mark mark = fh_mark_read(f->mark);
    f->asked = size;
    mark.slack = (uint16_t)(f->size - f->front - size);
    mark.site = fh_site_here(caller);
    fh_check_put_canaries(f);
    fh_mark_write(f->mark, mark);
    return true;
}

/* `private`: the program's own heap that the block is in, where it stays. */
static void *move(void *p, size_t asked, size_t size, struct fh_heap *private, uintptr_t caller) {
    void *block = private            ? fh_check_alloc_in(private, size, 1, FH_KIND_MALLOC, caller)
                  : fh_mode_checks() ? fh_check_alloc(size, 1, FH_KIND_MALLOC, caller)
                                     : fh_alloc_slow(size, 1); /* a sample, in fast mode */
    if (block == NULL) return NULL;
    memcpy(block, p, asked < size ? asked : size);
    fh_check_free(p, 0, 1, FH_KIND_MALLOC | FH_CALL_RESIZE, caller);
    return block;
}

static void *resize(struct fh_found *f, void *p, size_t size, uintptr_t caller) {
    if (f->c == 0 && f->private == NULL && size > FH_SMALL_MAX) return resize_large(f, size, caller);
    if (f->c && resize_small(f, size, caller)) return p;
    return move(p, f->asked, size, f->private, caller);
}

void *fh_check_resize(void *p, size_t size, uintptr_t caller) {
    struct fh_found f;
    size_t asked;
    void *block;
    unsigned quick = FH_READ(fh_check_quick_free);
    if (quick && FH_QUICKLY(quick, resize, p, size, caller, &block)) return block;
    if (fh_settings.count) fh_count_realloc();
    if (size > PTRDIFF_MAX / 2) return fh_check_refuse(size, caller);
    if (fh_guard_owns(p))
        return fh_guard_usable(p, &asked, "realloc", caller) ? move(p, asked, size, NULL, caller) : NULL;
    if (!find_live(p, "realloc", caller, &f)) return NULL;
    fh_check_same_kind(p, 0, 1, FH_KIND_MALLOC | FH_CALL_RESIZE, caller, &f);
    if (!fh_check_look_at_canaries(&f, "realloc", caller)) fh_check_put_canaries(&f);
    uint8_t kind = f.mark->kind;
    f.mark->kind = FH_KIND_MALLOC; /* its alignment may be lost from here on */
    block = resize(&f, p, size, caller);
    if (block == NULL) f.mark->kind = kind; /* nothing has happened */
    return block;
}
