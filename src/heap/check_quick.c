/* check_quick.c - checked mode: the quick ways, for small blocks without any of the rarer settings.
 *
 * No lock, no atomic operation, no call but the one for the fill of long blocks. What they look for and write
 * is counted in instructions, and in branches that nobody can foretell: sizes that come in any order make each
 * loop over a block such a branch, so blocks up to 256 bytes (the shortest have 32) are compared and filled
 * without one, by pieces that overlap as they must, longer ones in steps of 256, and the canaries of nearly all
 * are compared in one look at the last 32, of longer ones at the last 64. What is asked is the size that is
 * known first, so that a branch that was foretold wrongly does not have to wait for memory to show it. (A jump
 * into a row of pieces, instead of the loops, is one such branch; but processors foretell loops better: pair-32
 * took a third longer.)
 *
 * The file is compiled a second time, for pieces of 32 bytes, by check_quick_wide.c.
 *
 * A quick way does all of a call or nothing of it: what is not as usual is looked at again, and in words, by
 * the general ways of check.c.
 *
 *     plain      up to 1 KiB: no front, in a span of one granule
 *     fronted    above: 16 canaries in front, in a span of one granule or several
 */
#include "check.h"

#include "../base/settings.h"
#include "../os/os_wide.h"
#include "canary.h"
#include "fast.h"

#include <errno.h>
#include <string.h>

#ifndef WAY
#define WAY(call) fh_check_##call##_quickly
#endif

/* ---- marks as words ---- */

/* slack | state << 16 | kind << 24 | site << 32 */
enum { SLACK_MASK = 0xffff, STATE_SHIFT = 16, KIND_SHIFT = 24, SITE_SHIFT = 32 };
enum { ALL_OF_KIND = 0xffff, ANY_ALIGNMENT = 0xff | FH_KIND_MASK << 8 }; /* of state and kind */

static inline fh_mark_word read_word(const fh_mark_word *mark) {
    return __atomic_load_n(mark, __ATOMIC_RELAXED);
}

static inline void write_live(fh_mark_word *mark, size_t slack, unsigned state, unsigned kind,
                              uintptr_t caller) {
    uint64_t rest = (uint64_t)kind << KIND_SHIFT | state << STATE_SHIFT;
    __atomic_store_n(mark, slack + rest + ((uint64_t)caller << SITE_SHIFT),
                     __ATOMIC_RELAXED); /* one addition */
}

/* ---- a block's bytes ---- */

/* What is filled by hand: the C library's way is as wide as the processor allows, but a call. */
enum { SHORT = 64, STEP = 64, MEDIUM = 256, LONG_STEP = 256, BY_HAND = FH_OS_WIDE > 16 ? FH_PLAIN_MOST : 256 };

static inline fh_os_wide canaries(void) { return *fh_os_wide_at(fh_canaries); }

FH_INLINE fh_os_agree agrees_at(const char *at) { return *fh_os_wide_at(at) == canaries(); }

FH_INLINE fh_os_agree sixty_four_agree(const char *at) {
    if (FH_OS_WIDE == 32) return agrees_at(at) & agrees_at(at + 32);
    return (agrees_at(at) & agrees_at(at + 16)) & (agrees_at(at + 32) & agrees_at(at + 48));
}

/* A short block is two pieces of 32 bytes, or four of 16, at its start, here and there, and at its end. */
FH_INLINE fh_os_agree short_one_agrees(const char *block, size_t size) {
    if (FH_OS_WIDE == 32) return agrees_at(block) & agrees_at(block + size - 32);
    return (agrees_at(block) & agrees_at(block + 16)) &
           (agrees_at(block + size - 32) & agrees_at(block + size - 16));
}

/* One of 65 to 256 bytes is two steps from its start, and two up to its end; where it has no more than two, the
 * inner ones fall together with the outer ones. (Without a branch: where
 * sizes come in any order, that is quicker than half of the work. Not so for the fill, as a processor writes
 * half as much at a time as it reads.) */
static inline const char *second(const char *block, const char *last) {
    return block + STEP < last ? block + STEP : last;
}
static inline const char *last_but_one(const char *block, const char *last) {
    return last - STEP > block ? last - STEP : block;
}
FH_INLINE fh_os_agree medium_one_agrees(const char *block, size_t size) {
    const char *last = block + size - STEP;
    return (sixty_four_agree(block) & sixty_four_agree(second(block, last))) &
           (sixty_four_agree(last_but_one(block, last)) & sixty_four_agree(last));
}

FH_INLINE fh_os_agree long_step_agrees(const char *at) {
    return (sixty_four_agree(at) & sixty_four_agree(at + STEP)) &
           (sixty_four_agree(at + 2 * STEP) & sixty_four_agree(at + 3 * STEP));
}

/* Is the block, of a multiple of 16 bytes and 32 at least, filled with the canary throughout? `need`: what was
 * asked of its class. It is on the same side of 64 and multiples of 256 as the block's size, and known
 * before that: so where a branch was foretold wrongly, that shows sooner. */
FH_INLINE bool is_filled(const char *block, size_t need, size_t size) {
    fh_os_agree agree;
    if (need <= SHORT) {
        agree = short_one_agrees(block, size);
    } else if (need <= MEDIUM) {
        agree = medium_one_agrees(block, size);
    } else {
        agree = long_step_agrees(block + size - LONG_STEP);
        for (const char *at = block; need > LONG_STEP; need -= LONG_STEP, at += LONG_STEP)
            agree &= long_step_agrees(at);
    }
    return fh_os_mask_of(agree) == FH_OS_ALL_AGREE;
}

/* `size`: 64 or 32. */
FH_INLINE void fill_in_pieces(char *at, unsigned size, fh_os_wide with) {
    for (unsigned i = 0; i < size; i += FH_OS_WIDE) *fh_os_wide_at(at + i) = with;
}

FH_INLINE void fill_long_step(char *at, fh_os_wide with) {
    fill_in_pieces(at, STEP, with);
    fill_in_pieces(at + STEP, STEP, with);
    fill_in_pieces(at + 2 * STEP, STEP, with);
    fill_in_pieces(at + 3 * STEP, STEP, with);
}

FH_INLINE void fill_medium_one(char *block, size_t size, fh_os_wide with) {
    char *last = block + size - STEP;
    fill_in_pieces(block, STEP, with);
    fill_in_pieces(last, STEP, with);
    if (size <= 2 * STEP) return;
    fill_in_pieces(block + STEP, STEP, with);
    fill_in_pieces(last - STEP, STEP, with);
}

/* `most`: no block is longer. */
FH_INLINE void fill(char *block, size_t size, size_t most) {
    fh_os_wide with = canaries();
    if (size <= SHORT) {
        fill_in_pieces(block, 32, with);
        fill_in_pieces(block + size - 32, 32, with);
        return;
    }
    if (most <= MEDIUM || size <= MEDIUM) {
        fill_medium_one(block, size, with);
        return;
    }
    if (most > BY_HAND && size > BY_HAND) {
        memset(block, fh_canary, size);
        return;
    }
    char *last = block + size - LONG_STEP;
    fill_long_step(last, with);
    for (char *at = block; at < last; at += LONG_STEP) {
        fill_long_step(at, with);
        __asm__ volatile("" : "+r"(at)); /* the compiler would make it a memset again */
    }
}

/* How many canaries stand before `end`, TAIL at most. `end` is a multiple of 16. Not more of them: a look at
 * what the program has just written has to wait until that is in the cache. */
enum { TAIL = FH_OS_WIDE };
FH_INLINE unsigned canaries_before(const char *end) {
    return fh_os_last_set(fh_os_mask_of(agrees_at(end - TAIL)));
}

FH_INLINE bool is_piece_whole(const char *at) {
    typedef fh_os_wide anywhere __attribute__((aligned(1)));
    return fh_os_mask_of(*(const anywhere *)(const void *)at == canaries()) == FH_OS_ALL_AGREE;
}

/* More than are looked at together. The last piece reaches into those. */
FH_INLINE bool is_long_slack_whole(const char *at, const char *end) {
    while (at < end && is_piece_whole(at)) at += TAIL;
    return at >= end;
}

/* Are the `slack` bytes before `end` canaries? One at least. Up to SLACK of them in one look. */
enum { SLACK = 64 };
FH_INLINE bool is_slack_whole(const char *end, size_t slack) {
    uint64_t agree = 0;
    for (unsigned i = 0; i < SLACK; i += FH_OS_WIDE)
        agree |= (uint64_t)fh_os_mask_of(agrees_at(end - SLACK + i)) << i;
    if (FH_UNLIKELY(slack > SLACK)) return ~agree == 0 && is_long_slack_whole(end - slack, end - SLACK);
    return ~agree >> (-slack & 63) == 0;
}

/* ---- alloc ---- */

/* A plain block that is not as its free left it: reported, put right, and given out. Called last, since the
 * usual way would have to keep its registers for it else. */
static __attribute__((noinline, cold)) void *hand_out_damaged(char *block, size_t size, unsigned kind,
                                                              bool zero, uintptr_t caller) {
    unsigned c = fh_space.classes[fh_space_offset(block) >> FH_GRANULE_SHIFT];
    fh_check_repair_taken(block, c, caller);
    write_live((fh_mark_word *)fh_mark_of(block, c), fh_classes[c].size - size, FH_MARK_LIVE, kind, caller);
    return zero ? memset(block, 0, size) : block;
}

/* A plain block becomes live and is given out. `need`: as for is_filled; `kind`: the mark's. */
FH_INLINE void *hand_out(char *block, size_t need, size_t size, unsigned kind, bool zero, uintptr_t caller) {
    size_t offset = fh_space_offset(block);
    uint32_t number;
    const struct fh_marked *here = &fh_space.marked[offset >> FH_GRANULE_SHIFT];
    size_t whole = here->size;
    if (FH_UNLIKELY(!is_filled(block, need, whole))) return hand_out_damaged(block, size, kind, zero, caller);
    fh_block_in_granule(here->in_granule, offset % FH_GRANULE, &number);
    write_live((fh_mark_word *)&here->marks[number], whole - size, FH_MARK_LIVE, kind, caller);
    return zero ? memset(block, 0, size) : block;
}

/* One above 1 KiB. Those that were never handed out are not filled. */
static void *hand_out_fronted(char *block, unsigned c, size_t size, unsigned kind, bool zero,
                              uintptr_t caller) {
    size_t whole = fh_classes[c].size, slack = whole - FH_SMALL_FRONT - size;
    fh_mark_word *mark = (fh_mark_word *)fh_mark_of(block, c);
    if ((read_word(mark) >> STATE_SHIFT & FH_MARK_STATES) == FH_MARK_FREED) {
        if (!is_filled(block, whole, whole)) fh_check_repair_taken(block, c, caller);
    } else {
        *fh_os_sixteen_at(block) = *fh_os_sixteen_at(fh_canaries);
        memset(block + whole - slack, fh_canary, slack);
    }
    write_live(mark, slack, FH_MARK_LIVE | FH_MARK_FRONT, kind, caller);
    char *p = block + FH_SMALL_FRONT;
    return zero ? memset(p, 0, size) : p;
}

/* The next block of the bin, or NULL. The one after it is asked for: it has been freed a while ago, and will be
 * looked at. */
FH_INLINE char *pop(struct fh_heap *heap, unsigned c) {
    struct fh_bin *bin = &heap->hidden[c];
    void **top = bin->top;
    char *block = top[-1];
    if (FH_UNLIKELY(block == NULL)) return NULL;
    bin->top = top - 1;
    __builtin_prefetch(top[-2], 1);
    return block;
}

/* The bin is empty, or the block is to be aligned, or above 1 KiB; or it is none for the quick ways. */
static __attribute__((noinline)) void *alloc_less_quickly(size_t size, size_t align, unsigned call,
                                                          uintptr_t caller) {
    struct fh_heap *heap = fh_heap_here();
    if (!FH_READ(fh_check_quick_alloc)) return fh_new_slow(size, align, call, caller);
    if (heap == NULL || size >= FH_SMALL_MAX - FH_SMALL_FRONT || align > FH_PLAIN_MOST)
        return fh_check_alloc(size, align, call, caller);
    size_t need = fh_aligned_size(size + 1, align), front = need > FH_PLAIN_MOST ? FH_SMALL_FRONT : 0;
    if (front && align > FH_SMALL_FRONT) return fh_check_alloc(size, align, call, caller);
    unsigned c = fh_class_for(need + front),
             kind = (call & FH_KIND_MASK) | (call & FH_CALL_ALIGNED ? fh_check_log(align) << 2 : 0);
    char *block = pop(heap, c);
    if (block == NULL) block = fh_check_take_block(heap, c);
    if (block == NULL) return fh_check_alloc(size, align, call, caller);
    return front ? hand_out_fronted(block, c, size, kind, call & FH_CALL_ZERO, caller)
                 : hand_out(block, need, size, kind, call & FH_CALL_ZERO, caller);
}

/* What was written before it is seen by who reads it. On x86-64 that is so of each load, and a plain one can be
 * a part of the comparison. */
FH_INLINE size_t quick_most(void) {
#if defined(__x86_64__) && !defined(FH_SANITIZED)
    return fh_check_quick_most;
#else
    return __atomic_load_n(&fh_check_quick_most, __ATOMIC_ACQUIRE);
#endif
}

FH_INLINE void *alloc_quickly(size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_heap *heap = fh_heap_quick; /* where it is none, all bins are empty */
    if (FH_UNLIKELY(size >= quick_most() || align > 16)) return alloc_less_quickly(size, align, call, caller);
    unsigned c = fh_class_table[size / 16 + 1]; /* of size + 1 */
    char *block = pop(heap, c);
    if (FH_UNLIKELY(block == NULL)) return alloc_less_quickly(size, align, call, caller);
    return hand_out(block, size + 1, size, call & FH_KIND_MASK, call & FH_CALL_ZERO, caller);
}

void *WAY(alloc)(size_t size, size_t align, unsigned call, uintptr_t caller) {
    return alloc_quickly(size, align, call, caller);
}

void *WAY(malloc)(size_t size, uintptr_t caller) { return alloc_quickly(size, 1, FH_KIND_MALLOC, caller); }

/* ---- a live block, found ---- */

struct quick {
    fh_mark_word *mark, word;
    char *block;
    size_t size; /* its class's */
    size_t c;    /* times FH_TIMES */
};

static inline size_t slack_of(const struct quick *b) { return b->word & SLACK_MASK; }

static inline bool is_live(fh_mark_word word, uint64_t looked_at, uint64_t kind) {
    return FH_LIKELY((word & looked_at << STATE_SHIFT) == (FH_MARK_LIVE | kind << 8) << STATE_SHIFT);
}

/* Finds the plain block at p, in use or not. */
FH_INLINE bool find_any_plain(char *p, struct quick *found) {
    size_t offset = fh_space_offset(p), g = offset >> FH_GRANULE_SHIFT;
    if (FH_UNLIKELY(g >= atomic_load_explicit(&fh_space.mapped, memory_order_acquire))) return false;
    const struct fh_marked *here = &fh_space.marked[g];
    uint32_t number, in_granule = __atomic_load_n(&here->in_granule, __ATOMIC_ACQUIRE);
    if (FH_UNLIKELY(!fh_block_in_granule(in_granule, offset % FH_GRANULE, &number))) return false;
    fh_mark_word *mark = (fh_mark_word *)&here->marks[number], word = read_word(mark);
    *found = (struct quick){mark, word, p, here->size, here->class_times};
    return true;
}

/* The same, if it is in use, and those bits of its state and kind that are looked at are as wanted. */
FH_INLINE bool find_plain(char *p, uint64_t looked_at, uint64_t kind, struct quick *found) {
    return find_any_plain(p, found) && is_live(found->word, looked_at, kind);
}

FH_INLINE bool is_byte_before_whole(const char *block) {
    return FH_LIKELY((unsigned char)block[-1] == fh_canary);
}

FH_INLINE bool is_plain_whole(const struct quick *b) {
    return FH_LIKELY(is_slack_whole(b->block + b->size, slack_of(b))) && is_byte_before_whole(b->block);
}

/* The same for one above 1 KiB. */
static bool find_fronted(char *p, uint64_t looked_at, uint64_t kind, struct quick *found) {
    char *block = p - FH_SMALL_FRONT;
    size_t offset = fh_space_offset(block);
    if (offset >= fh_space.size) return false;
    unsigned c = fh_space.classes[offset >> FH_GRANULE_SHIFT];
    fh_mark_word *mark = c > FH_PLAIN_CLASSES ? (fh_mark_word *)fh_mark_of(block, c) : NULL;
    if (mark == NULL) return false;
    *found = (struct quick){mark, read_word(mark), block, fh_classes[c].size, c * FH_TIMES};
    return (found->word >> STATE_SHIFT & looked_at) == (FH_MARK_LIVE | FH_MARK_FRONT | kind << 8);
}

static bool is_fronted_whole(const struct quick *b) {
    return is_slack_whole(b->block + b->size, slack_of(b)) &&
           fh_os_mask_of(fh_os_widened(b->block) == canaries()) == FH_OS_ALL_AGREE;
}

/* ---- free ---- */

/* The batch of the class is full, or there is none, or no heap, in a thread that has ended. */
static __attribute__((noinline)) void put_slowly(char *block, size_t c_times, fh_mark_word live) {
    int saved = errno;
    unsigned c = (unsigned)(c_times / FH_TIMES);
    memset(block, fh_canary, fh_classes[c].size);
    fh_quarantine_put(fh_heap_mine(), c, block, live);
    errno = saved;
}

/* All was found to be in order with the block. */
FH_INLINE void retire(const struct quick *b, size_t most, uintptr_t caller) {
    uint32_t freed = (uint32_t)b->word + ((FH_MARK_FREED - FH_MARK_LIVE) << STATE_SHIFT);
    __atomic_store_n(b->mark, freed + ((uint64_t)caller << SITE_SHIFT), __ATOMIC_RELAXED);
    struct fh_batch_room *open = fh_batch_room_of(fh_heap_quick->quarantine, b->c);
    struct fh_freed *at = open->top;
    if (FH_UNLIKELY(at == open->end)) {
        put_slowly(b->block, b->c, b->word);
        return;
    }
    open->top = at + 1;
    at->start = b->block;
    at->live = b->word;
    fill(b->block, b->size, most);
}

/* free takes what is aligned too; delete wants the very kind. */
static inline uint64_t looked_at_by(unsigned call) {
    return call == FH_KIND_MALLOC ? ANY_ALIGNMENT : ALL_OF_KIND;
}

FH_INLINE bool is_of_size(const struct quick *b, size_t front, size_t size, unsigned call) {
    return !(call & FH_CALL_SIZED) || size + slack_of(b) + front == b->size;
}

/* A block above 1 KiB; or none for the quick ways. */
static __attribute__((noinline)) void free_less_quickly(void *p, size_t size, size_t align, unsigned call,
                                                        uintptr_t caller) {
    struct quick b;
    if (p == NULL) return;
    if (!(call & FH_CALL_ALIGNED) && find_fronted(p, looked_at_by(call), call & FH_KIND_MASK, &b) &&
        is_of_size(&b, FH_SMALL_FRONT, size, call) && is_fronted_whole(&b)) {
        retire(&b, FH_SMALL_MAX, caller);
        return;
    }
    int saved = errno;
    fh_check_free(p, size, align, call, caller);
    errno = saved;
}

/* A plain block that is longer than most, or has more slack, or is not as usual, or not as it should be. Called
 * last, with all that was found in registers; the size tells the class again, and the slack what was asked for:
 * where the call says a size, that was found to be right. */
FH_INLINE void free_long_one(char *p, uintptr_t caller, fh_mark_word *mark, fh_mark_word word, size_t size,
                             unsigned call) {
    struct quick b = {mark, word, p, size, fh_class_for(size) * FH_TIMES};
    if (FH_LIKELY(is_live(word, looked_at_by(call), call & FH_KIND_MASK) && is_plain_whole(&b)))
        retire(&b, FH_PLAIN_MOST, caller);
    else free_less_quickly(p, size - slack_of(&b), 1, call, caller);
}

static __attribute__((noinline)) void free_long_plain(char *p, uintptr_t caller, fh_mark_word *mark,
                                                      fh_mark_word word, size_t size) {
    free_long_one(p, caller, mark, word, size, FH_KIND_MALLOC);
}

static __attribute__((noinline)) void free_long_as(char *p, uintptr_t caller, fh_mark_word *mark,
                                                   fh_mark_word word, size_t size, unsigned call) {
    free_long_one(p, caller, mark, word, size, call);
}

/* Frees the plain block if all is as it should be; else does nothing and returns false. Of a block that is in
 * use, of the call's kind, and not aligned, the mark's lower half is its slack and a number that is the same
 * for all of them. So that a block is such a one, and that its canaries are whole, is one comparison: of
 * anything else the difference is more than there can be canaries. */
FH_INLINE bool free_quickly(char *p, size_t size, unsigned call, uintptr_t caller) {
    struct quick b;
    const uint32_t usual = FH_MARK_LIVE << STATE_SHIFT | (call & FH_KIND_MASK) << KIND_SHIFT;
    if (FH_UNLIKELY(!find_any_plain(p, &b))) return false;
    if (FH_UNLIKELY(!is_of_size(&b, 0, size, call))) return false;
    if (FH_UNLIKELY(b.size > MEDIUM) || FH_UNLIKELY(canaries_before(p + b.size) < (uint32_t)b.word - usual)) {
        if (call == FH_KIND_MALLOC) free_long_plain(p, caller, b.mark, b.word, b.size);
        else free_long_as(p, caller, b.mark, b.word, b.size, call);
        return true;
    }
    if (FH_UNLIKELY(!is_byte_before_whole(p))) return false;
    retire(&b, MEDIUM, caller);
    return true;
}

FH_INLINE void free_plain(void *p, uintptr_t caller) {
    if (!free_quickly(p, 0, FH_KIND_MALLOC, caller)) free_less_quickly(p, 0, 1, FH_KIND_MALLOC, caller);
}

void WAY(free_plain)(void *p, uintptr_t caller) { free_plain(p, caller); }

#define IF_CALLED_AS(calls)                               \
    case calls:                                           \
        if (free_quickly(p, size, calls, caller)) return; \
        break

void WAY(free_as)(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    switch (call & ~(unsigned)FH_CALL_TYPED) {
        IF_CALLED_AS(FH_KIND_MALLOC | FH_CALL_SIZED);
        IF_CALLED_AS(FH_KIND_NEW);
        IF_CALLED_AS(FH_KIND_NEW | FH_CALL_SIZED);
        default: break;
    }
    free_less_quickly(p, size, align, call, caller);
}

/* ---- resize ---- */

/* In place, when a new block would be of the same class, or nearly. */
static bool resize_in_place(const struct quick *b, size_t front, size_t size, uintptr_t caller) {
    size_t need = front + size + 1, asked = b->size - front - slack_of(b);
    if (need > b->size || (need <= b->size / 2 && fh_class_for(need) * FH_TIMES != b->c)) return false;
    char *p = b->block + front;
    if (size < asked) memset(p + size, fh_canary, asked - size);
    write_live(b->mark, b->size - front - size, (b->word >> STATE_SHIFT) & 0xff, FH_KIND_MALLOC, caller);
    return true;
}

bool WAY(resize)(void *p, size_t size, uintptr_t caller, void **result) {
    struct quick b;
    size_t front = 0;
    *result = p;
    if (size >= FH_SMALL_MAX) return false;
    if (!find_plain(p, ALL_OF_KIND, FH_KIND_MALLOC, &b)) {
        if (!find_fronted(p, ALL_OF_KIND, FH_KIND_MALLOC, &b)) return false;
        front = FH_SMALL_FRONT;
    }
    if (!(front ? is_fronted_whole(&b) : is_plain_whole(&b))) return false;
    if (resize_in_place(&b, front, size, caller)) return true;
    if (!FH_READ(fh_check_quick_alloc)) return false;
    size_t asked = b.size - front - slack_of(&b);
    void *block = *result = WAY(malloc)(size, caller);
    if (block == NULL) return true;
    memcpy(block, p, asked < size ? asked : size);
    WAY(free_plain)(p, caller);
    return true;
}

/* ---- malloc and free themselves ---- */

#ifdef FH_OS_WIDER
FH_OS_WIDER_END /* where a vector may be put on the stack, who asks for his caller keeps a frame */
#endif

void *WAY(as_malloc)(size_t size) { return WAY(malloc)(size, (uintptr_t)__builtin_return_address(0)); }

void WAY(as_free)(void *p) { WAY(free_plain)(p, (uintptr_t)__builtin_return_address(0)); }
