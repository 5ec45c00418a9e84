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
 * The quick ways are for small blocks without any of the rarer settings: no lock, no atomic operation, no call
 * but the one for the fill of blocks above 128 bytes. What is not as usual is looked at again, and in words, by
 * the general ways below.
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
bool fh_check_quick_alloc, fh_check_quick_free;
uint64_t fh_canaries = 0x9d9d9d9d9d9d9d9d;

#define PLAIN_CLASSES fh_class_of(FH_PLAIN_MOST) /* 1 .. these are plain */

void fh_check_open_quick_alloc(void) {
    bool quick = fh_check_quick_free && !fh_settings.fill_alloc && fh_settings.guard_sample == 0;
    __atomic_store_n(&fh_check_quick_alloc, quick, __ATOMIC_RELAXED);
}

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
    fh_canaries = fh_canary * 0x0101010101010101u;
    fh_sites_begin();
    fh_check_quick_free = fh_settings.mode == FH_MODE_CHECKED && !fh_settings.count && !fh_settings.zero_free &&
                          fh_settings.stacks == 1;
    if (fh_settings.guard_first == 0) fh_check_open_quick_alloc();
}

struct fh_mark *fh_check_new_marks(unsigned blocks) {
    struct fh_mark *marks = fh_meta_take(blocks * sizeof(struct fh_mark));
    /* One more, for the bytes behind the last block: where there are any, a piece has the room. */
    size_t rounded = blocks & (blocks - 1) ? blocks + 1 : blocks;
    return marks ? memset(marks, 0, rounded * sizeof(struct fh_mark)) : NULL;
}

void fh_check_end_marks(struct fh_mark *marks, unsigned blocks) {
    fh_meta_give(marks, blocks * sizeof(struct fh_mark));
}

static void *out_of_memory(void) {
    errno = ENOMEM;
    return NULL;
}

/* ---- blocks for the bin ---- */

/* The block was never handed out: it gets its fill, and so does the last byte before it, unless that belongs to
 * somebody, who has seen to it. */
static void make_fresh(char *start, unsigned c, struct fh_mark *mark, unsigned number) {
    size_t last = fh_classes[c].size - 1;
    if (c <= PLAIN_CLASSES) memset(start, fh_freed_fill, last);
    start[last] = (char)fh_canary;
    if (number && fh_mark_state(mark - 1) == FH_MARK_NONE) start[-1] = (char)fh_canary;
    fh_mark_write(mark, (struct fh_mark){.state = FH_MARK_FRESH});
}

/* Returns whether it is the first of its span. */
FH_INLINE bool prepare(char *start, unsigned c) {
    size_t offset = fh_space_offset(start);
    uint32_t first = (uint32_t)(offset >> FH_GRANULE_SHIFT);
    if (c > PLAIN_CLASSES) first = fh_span_first(start); /* the span may have several granules */
    uint32_t number = fh_block_number(&fh_classes[c], (uint32_t)(offset - ((size_t)first << FH_GRANULE_SHIFT)));
    struct fh_mark *mark = fh_space_marks(first) + number;
    if (FH_UNLIKELY(fh_mark_state(mark) == FH_MARK_NONE)) make_fresh(start, c, mark, number);
    return number == 0;
}

/* All of the bin: filled, and in random order, but that the first block of a span comes last. */
enum { TOGETHER = 64 };
static void prepare_all(void **blocks, unsigned count, unsigned c) {
    unsigned firsts = 0;
    for (unsigned i = 0; i < count; i++) {
        void *block = blocks[i];
        if (!prepare(block, c)) continue;
        blocks[i] = blocks[firsts];
        blocks[firsts++] = block;
    }
    for (unsigned i = firsts; i < count; i += TOGETHER)
        fh_shuffle(blocks + i, count - i < TOGETHER ? count - i : TOGETHER);
}

static void *refill(struct fh_heap *heap, unsigned c) {
    void *block = fh_bin_refill(heap, c);
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

static void *take_block(struct fh_heap *heap, unsigned c) {
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
    bool filled = state == FH_MARK_FREED || (state == FH_MARK_FRESH && c <= PLAIN_CLASSES);
    const unsigned char *bad = filled ? fh_check_damage_after_free(f, &expected) : NULL;
    if (bad)
        fh_check_report_damage(FH_WRITE_AFTER_FREE, "malloc", caller, f, bad, expected,
                               state == FH_MARK_FREED ? "Seen when the block was to be used again."
                                                      : "In a block that was never handed out.");
}

static size_t front_for(size_t need, size_t align) {
    return need > FH_PLAIN_MOST && align <= FH_SMALL_FRONT ? FH_SMALL_FRONT : 0;
}

/* A small block from the thread's heap, or of a private one. */
static bool take_small(struct fh_heap *private, size_t need, uintptr_t caller, struct fh_found *f) {
    unsigned c = fh_class_for(need);
    char *start;
    if (private) {
        start = fh_private_take(private, c);
        if (start) prepare(start, c);
    } else {
        start = take_block(fh_heap_mine(), c);
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
                       : fh_check_take_large(size, align, call & FH_CALL_ZERO, f);
    if (!take_small(private, need + front, caller, f)) return false;
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
    if (is_too_much(size, align)) return out_of_memory();
    if (fh_guard_wants(size)) {
        void *block = fh_guard_alloc(size, align, call, caller);
        if (block) return block;
    }
    while (!take(NULL, size, align, call, caller, &f))
        if (!drain()) return out_of_memory();
    return hand_out(&f, call, align, caller);
}

void *fh_check_alloc_in(struct fh_heap *private, size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_found f;
    if (is_too_much(size, align) || !take(private, size, align, call, caller, &f)) return out_of_memory();
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
    uint32_t allocated = mark.site, site = fh_site_here(caller);
    if (fh_settings.count) fh_count_free(f->start, f->c);
    if (f->c) {
        fill_freed(f);
        mark.state = (uint8_t)(FH_MARK_FREED | (mark.state & FH_MARK_FRONT));
        mark.site = site;
        fh_mark_write(f->mark, mark);
        if (f->private) fh_private_give_checked(f->private, f->first, f->number);
        else fh_quarantine_put(fh_heap_mine(), f->c, f->start, allocated);
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
    if (fh_guard_owns(p)) return fh_guard_usable(p, &size, caller) ? size : 0;
    return find_live(p, "malloc_usable_size", caller, &f) ? f.asked : 0;
}

/* ---- the quick ways ---- */

/* A mark as one word: slack | state << 16 | kind << 24 | site << 32. */
enum { SLACK_MASK = 0xffff, STATE_SHIFT = 16, KIND_SHIFT = 24, SITE_SHIFT = 32 };

/* What they look for and write is counted in instructions: so no loop where the usual block needs none, and no
 * call but as the last thing that a function does, since else it would have to keep its registers. */
typedef uint64_t two_words __attribute__((vector_size(16), may_alias));
typedef uint64_t word_anywhere __attribute__((aligned(1), may_alias));

FH_INLINE two_words *words_at(char *at) { return (two_words *)(void *)at; }

/* Is the block, of a multiple of 16 bytes, filled with the canary throughout? (Those above 128 bytes are of a
 * multiple of 32, above 256 of 64.) */
FH_INLINE bool is_filled(char *block, size_t size) {
    enum { SHORT = 256 };
    two_words *at = words_at(block), *last = words_at(block + size - 16);
    two_words fill = {fh_canaries, fh_canaries}, bad = *last ^ fill;
    if (size <= SHORT)
        for (; at < last; at += 2) bad |= (at[0] ^ fill) | (at[1] ^ fill);
    else
        for (; at < last; at += 4) bad |= ((at[0] ^ fill) | (at[1] ^ fill)) | ((at[2] ^ fill) | (at[3] ^ fill));
    return (bad[0] | bad[1]) == 0;
}

FH_INLINE void fill_quickly(char *block, char *end) {
    enum { BY_HAND = 256 };
    if (end - block > BY_HAND) {
        memset(block, fh_canary, (size_t)(end - block));
        return;
    }
    char *at = block + 16, *last = end - 16;
    two_words fill = {fh_canaries, fh_canaries};
    *words_at(block) = fill;
    *words_at(last) = fill;
    for (; at < last; at += 32) {
        *words_at(at) = fill;
        *words_at(at + 16) = fill;
        __asm__ volatile("" : "+r"(at)); /* the compiler would make it a memset again */
    }
}

/* Are the `slack` bytes before `end`, one at least, canaries? */
FH_INLINE bool is_slack_whole(const char *end, size_t slack) {
    static const unsigned char masks[32] = {[16 ... 31] = 0xff};
    two_words fill = {fh_canaries, fh_canaries}, mask, words, bad = {0};
    for (; FH_UNLIKELY(slack > 16); slack -= 16, end -= 16) {
        memcpy(&words, end - 16, sizeof words);
        bad |= words ^ fill;
    }
    memcpy(&mask, masks + slack, sizeof mask);
    memcpy(&words, end - 16, sizeof words);
    bad |= (words ^ fill) & mask;
    return (bad[0] | bad[1]) == 0;
}

/* A block that was taken from the bin though it is not as its free left it: reported; then it is used. */
static void *hand_out_damaged(char *block, unsigned c, size_t size, unsigned kind, bool zero, uintptr_t caller)
    __attribute__((noinline, cold));

/* Makes the block live and gives it out. `kind`: the mark's. */
FH_INLINE void *hand_out_quickly(char *block, unsigned c, size_t size, unsigned kind, bool zero,
                                 uintptr_t caller) {
    const struct fh_class *class = &fh_classes[c];
    size_t offset = fh_space_offset(block);
    uint32_t number = fh_block_number(class, (uint32_t)(offset % FH_GRANULE));
    if (FH_UNLIKELY(!is_filled(block, class->size)))
        return hand_out_damaged(block, c, size, kind, zero, caller);
    fh_mark_word word = (class->size - size) | FH_MARK_LIVE << STATE_SHIFT | (uint64_t)kind << KIND_SHIFT |
                        (uint64_t)caller << SITE_SHIFT;
    struct fh_mark *mark = fh_space_marks((uint32_t)(offset >> FH_GRANULE_SHIFT)) + number;
    __atomic_store_n((fh_mark_word *)mark, word, __ATOMIC_RELAXED);
    return zero ? memset(block, 0, size) : block;
}

static void *hand_out_damaged(char *block, unsigned c, size_t size, unsigned kind, bool zero,
                              uintptr_t caller) {
    struct fh_found f;
    check_taken(block, c, caller, &f);
    memset(block, fh_canary, f.size);
    return hand_out_quickly(block, c, size, kind, zero, caller);
}

/* The bin is empty, or the block is to be aligned; or it is none for the quick ways after all. */
static __attribute__((noinline)) void *alloc_less_quickly(size_t size, size_t align, unsigned call,
                                                          uintptr_t caller) {
    struct fh_heap *heap = fh_heap_here();
    if (size >= FH_PLAIN_MOST || align > FH_PLAIN_MOST || heap == NULL)
        return fh_check_alloc(size, align, call, caller);
    size_t need = fh_aligned_size(size + 1, align);
    if (need > FH_PLAIN_MOST) return fh_check_alloc(size, align, call, caller);
    unsigned c = fh_class_for(need),
             kind = (call & FH_KIND_MASK) | (call & FH_CALL_ALIGNED ? fh_check_log(align) << 2 : 0);
    char *block = take_block(heap, c);
    return block ? hand_out_quickly(block, c, size, kind, call & FH_CALL_ZERO, caller)
                 : fh_check_alloc(size, align, call, caller);
}

void *fh_check_alloc_quickly(size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_heap *heap = fh_heap_here();
    if (FH_UNLIKELY(size >= FH_PLAIN_MOST || align > 16 || heap == NULL))
        return alloc_less_quickly(size, align, call, caller);
    unsigned c = fh_class_table[size / 16 + 1]; /* of size + 1 */
    struct fh_bin *bin = &heap->hidden[c];
    void **top = bin->top;
    if (FH_UNLIKELY(top[-1] == NULL)) return alloc_less_quickly(size, align, call, caller);
    bin->top = top - 1;
    __builtin_prefetch(top[-2], 1); /* the next one: it has been freed a while ago, and will be looked at */
    return hand_out_quickly(top[-1], c, size, call & FH_KIND_MASK, call & FH_CALL_ZERO, caller);
}

/* The batch of the class is full, or there is none, or no heap, in a thread that has ended. */
static __attribute__((noinline)) void put_slowly(char *block, unsigned c, uint32_t site) {
    int saved = errno;
    memset(block, fh_canary, fh_classes[c].size);
    fh_quarantine_put(fh_heap_mine(), c, block, site);
    errno = saved;
}

/* All is found to be in order with the block, which ends at `end`, and its mark. */
FH_INLINE void retire(char *block, char *end, unsigned c, fh_mark_word *mark, uintptr_t caller) {
    fh_mark_word word = __atomic_load_n(mark, __ATOMIC_RELAXED);
    uint32_t allocated = (uint32_t)(word >> SITE_SHIFT);
    __atomic_store_n(mark, (word & 0xff00ffff) | FH_MARK_FREED << STATE_SHIFT | (uint64_t)caller << SITE_SHIFT,
                     __ATOMIC_RELAXED);
    struct fh_heap *heap = fh_heap_here();
    struct fh_quarantine *q = heap ? heap->quarantine : NULL;
    if (FH_UNLIKELY(q == NULL || q->open[c].top == q->open[c].end)) {
        put_slowly(block, c, allocated);
        return;
    }
    struct fh_freed *freed = q->open[c].top++;
    freed->start = block;
    freed->allocated = allocated;
    fill_quickly(block, end);
}

/* The mark of the block at p, if it is a plain one in use, is whole, and those bits of its state and kind that
 * are looked at are as wanted. Else NULL. */
FH_INLINE fh_mark_word *find_quickly(const char *p, uint64_t looked_at, uint64_t wanted, unsigned *class) {
    size_t offset = fh_space_offset(p);
    if (FH_UNLIKELY(offset >= fh_space.size)) return NULL;
    unsigned c = *class = fh_space.classes[offset >> FH_GRANULE_SHIFT];
    if (FH_UNLIKELY(c - 1 >= PLAIN_CLASSES)) return NULL;
    uint32_t within = offset % FH_GRANULE, number = fh_block_number(&fh_classes[c], within);
    struct fh_mark *marks = fh_space_marks((uint32_t)(offset >> FH_GRANULE_SHIFT));
    if (FH_UNLIKELY(marks == NULL || number * fh_classes[c].size != within)) return NULL;
    fh_mark_word *mark = (fh_mark_word *)&marks[number], word = __atomic_load_n(mark, __ATOMIC_RELAXED);
    if (FH_UNLIKELY((word >> STATE_SHIFT & looked_at) != wanted)) return NULL;
    if (FH_UNLIKELY(!is_slack_whole(p + fh_classes[c].size, word & SLACK_MASK))) return NULL;
    if (FH_UNLIKELY(number && (unsigned char)p[-1] != fh_canary)) return NULL;
    return mark;
}

/* Frees the block if all is as it should be; else does nothing and returns false. free takes what is aligned
 * too; delete wants the very kind. */
FH_INLINE bool free_quickly(char *p, size_t size, unsigned call, uintptr_t caller) {
    const uint64_t kind = call & FH_KIND_MASK, any_alignment = 0xff | FH_KIND_MASK << 8;
    unsigned c;
    fh_mark_word *mark =
        find_quickly(p, call == FH_KIND_MALLOC ? any_alignment : 0xffff, FH_MARK_LIVE | kind << 8, &c);
    if (FH_UNLIKELY(mark == NULL)) return false;
    size_t block = fh_classes[c].size;
    if ((call & FH_CALL_SIZED) && FH_UNLIKELY(size + (*mark & SLACK_MASK) != block)) return false;
    retire(p, p + block, c, mark, caller);
    return true;
}

static __attribute__((noinline)) void free_slowly(void *p, size_t size, size_t align, unsigned call,
                                                  uintptr_t caller) {
    int saved = errno;
    if (p) fh_check_free(p, size, align, call, caller);
    errno = saved;
}

void fh_check_free_plain(void *p, uintptr_t caller) {
    if (!free_quickly(p, 0, FH_KIND_MALLOC, caller)) free_slowly(p, 0, 1, FH_KIND_MALLOC, caller);
}

#define IF_CALLED_AS(calls)                               \
    case calls:                                           \
        if (free_quickly(p, size, calls, caller)) return; \
        break

void fh_check_free_as(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    switch (call & ~(unsigned)FH_CALL_TYPED) {
        IF_CALLED_AS(FH_KIND_MALLOC | FH_CALL_SIZED);
        IF_CALLED_AS(FH_KIND_NEW);
        IF_CALLED_AS(FH_KIND_NEW | FH_CALL_SIZED);
        default: break;
    }
    free_slowly(p, size, align, call, caller);
}

/* ---- resize ---- */

static void *resize_large(struct fh_found *f, size_t size, uintptr_t caller) {
    void *p = fh_check_resize_large(f, size, fh_site_here(caller));
    if (p == NULL) return out_of_memory();
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

/* In place, a plain block that is in order; else does nothing and returns false. */
static bool resize_quickly(char *p, size_t size, uintptr_t caller) {
    unsigned c;
    fh_mark_word *mark = find_quickly(p, 0xffff, FH_MARK_LIVE | FH_KIND_MALLOC << 8, &c);
    if (mark == NULL || size >= FH_PLAIN_MOST) return false;
    size_t block = fh_classes[c].size, asked = block - (*mark & SLACK_MASK);
    if (size + 1 > block || (size + 1 <= block / 2 && fh_class_for(size + 1) != c)) return false;
    if (size < asked) memset(p + size, fh_canary, asked - size);
    __atomic_store_n(mark, (block - size) | FH_MARK_LIVE << STATE_SHIFT | (uint64_t)caller << SITE_SHIFT,
                     __ATOMIC_RELAXED);
    return true;
}

/* `private`: the program's own heap that the block is in, where it stays. */
static void *move(void *p, size_t asked, size_t size, struct fh_heap *private, uintptr_t caller) {
    void *block = private            ? fh_check_alloc_in(private, size, 1, FH_KIND_MALLOC, caller)
                  : fh_mode_checks() ? fh_check_alloc(size, 1, FH_KIND_MALLOC, caller)
                                     : fh_alloc_slow(size, 1); /* a sample, in fast mode */
    if (block == NULL) return NULL;
    memcpy(block, p, asked < size ? asked : size);
    fh_check_free(p, 0, 1, FH_KIND_MALLOC, caller);
    return block;
}

void *fh_check_resize(void *p, size_t size, uintptr_t caller) {
    struct fh_found f;
    size_t asked;
    if (FH_READ(fh_check_quick_free) && resize_quickly(p, size, caller)) return p;
    if (fh_settings.count) fh_count_realloc();
    if (size > PTRDIFF_MAX / 2) return out_of_memory();
    if (fh_guard_owns(p)) return fh_guard_usable(p, &asked, caller) ? move(p, asked, size, NULL, caller) : NULL;
    if (!find_live(p, "realloc", caller, &f)) return NULL;
    fh_check_same_kind(p, 0, 1, FH_KIND_MALLOC, caller, &f);
    if (!fh_check_look_at_canaries(&f, "realloc", caller)) fh_check_put_canaries(&f);
    f.mark->kind = FH_KIND_MALLOC; /* its alignment may be lost from here on */
    if (f.c == 0 && f.private == NULL && size > FH_SMALL_MAX) return resize_large(&f, size, caller);
    if (f.c && resize_small(&f, size, caller)) return p;
    return move(p, f.asked, size, f.private, caller);
}
