/* private.c - heaps of the program's own.
 *
 * A private heap is a heap as a thread has one, without a thread and without bins: each call takes its lock,
 * and takes one block from a span or gives one back. Two things set its extents apart:
 *   - the table of classes says 0 for them, so that free, which looks there, never puts a block into a thread's
 *     bin but comes
 *     to the slow path, which finds the heap in the head of the extent;
 *   - the head's owner is NULL, so that nobody frees into them remotely; the field `private` says whose they
 *     are.
 * Therefore each block goes back to its heap at once, and the heap can be counted, limited and dropped as a
 * whole.
 *
 * Dropping goes over the heap's lists of spans and large blocks. Spans without a free block are in no list, so
 * all spans are found by a walk over the heads of the window instead: rare, and a cache line for each 64 KiB.
 */
#include "private.h"

#include "../base/report.h"
#include "../base/settings.h"
#include "check.h"
#include "count.h"
#include "extent.h"
#include "large.h"
#include "meta.h"

#include <freehold/heaps.h>

#include <errno.h>
#include <string.h>

static struct fh_head *head_of(uint32_t g) { return &fh_space.heads[g]; }

static uint32_t granule_of(const void *p) { return (uint32_t)(fh_space_offset(p) >> FH_GRANULE_SHIFT); }

/* ---- making ---- */

#define SIZE (FH_HEAP_WITHOUT_BINS + sizeof(struct fh_private))

struct fh_heap *fh_heap_new(size_t limit) {
    fh_heap_mine(); /* begins the process's heap, if need be */
    struct fh_heap *heap = fh_space.size ? fh_meta_take(SIZE) : NULL;
    if (heap == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memset(heap, 0, SIZE);
    heap->private = (struct fh_private *)(void *)((char *)heap + FH_HEAP_WITHOUT_BINS);
    heap->private->limit = limit;
    fh_heap_enlist(heap);
    return heap;
}

/* ---- taking ---- */

static void note_taken(struct fh_heap *heap, size_t usable) {
    heap->private->live += usable;
    heap->private->blocks++;
    heap->private->allocs++;
}

static void *take_small(struct fh_heap *heap, unsigned c) {
    void *block = NULL;
    if (fh_span_take(heap, c, &block + 1, 1)) note_taken(heap, fh_classes[c].size);
    return block;
}

static void link_large(struct fh_heap *heap, uint32_t g) {
    struct fh_head *head = head_of(g);
    head->private = heap;
    head->prev = 0;
    head->next = heap->private->larges;
    if (head->next) head_of(head->next)->prev = g;
    heap->private->larges = g;
}

static void unlink_large(struct fh_heap *heap, uint32_t g) {
    const struct fh_head *head = head_of(g);
    *(head->prev ? &head_of(head->prev)->next : &heap->private->larges) = head->next;
    if (head->next) head_of(head->next)->prev = head->prev;
}

static void *take_large(struct fh_heap *heap, size_t size, size_t align, bool zero) {
    size_t rounded = size > FH_GRANULE ? (size + FH_GRANULE - 1) & ~(FH_GRANULE - 1) : FH_GRANULE;
    if (!fh_private_may_hold(heap->private, rounded)) return NULL;
    void *block = fh_large_take(size, align, zero);
    if (block == NULL) return NULL;
    fh_private_hold(heap->private, rounded);
    link_large(heap, granule_of(block));
    note_taken(heap, rounded);
    return block;
}

static void *take(struct fh_heap *heap, size_t size, size_t align, bool zero) {
    void *block = NULL;
    size_t need = size <= PTRDIFF_MAX && align <= PTRDIFF_MAX ? fh_aligned_size(size, align) : 0;
    unsigned c = need <= FH_SMALL_MAX ? fh_class_for(need) : 0;
    fh_lock(&heap->lock);
    if (c) block = take_small(heap, c);
    else if (need) block = take_large(heap, size, align, zero);
    fh_unlock(&heap->lock);
    if (block == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    if (zero && c) memset(block, 0, size);
    if (fh_settings.count) fh_count_alloc(block, c, size);
    return block;
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

FH_INLINE void *alloc(struct fh_heap *heap, size_t size, size_t align, unsigned call, uintptr_t caller) {
    if (fh_mode_checks()) return fh_check_alloc_in(heap, size, align, call, caller);
    return take(heap, size, align, call & FH_CALL_ZERO);
}

void *fh_heap_malloc(struct fh_heap *heap, size_t size) { return alloc(heap, size, 1, FH_KIND_MALLOC, CALLER); }

void *fh_heap_calloc(struct fh_heap *heap, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) bytes = SIZE_MAX;
    return alloc(heap, bytes, 1, FH_CALL_ZERO, CALLER);
}

void *fh_heap_aligned_alloc(struct fh_heap *heap, size_t align, size_t size) {
    if (align && (align & (align - 1)) == 0) return alloc(heap, size, align, FH_CALL_ALIGNED, CALLER);
    errno = EINVAL;
    return NULL;
}

/* ---- the same for checked mode, which looks at the blocks itself ---- */

void *fh_private_take(struct fh_heap *heap, unsigned c) {
    fh_lock(&heap->lock);
    void *block = take_small(heap, c);
    fh_unlock(&heap->lock);
    return block;
}

bool fh_private_take_large(struct fh_heap *heap, size_t size, size_t align, bool zero, struct fh_found *f) {
    size_t whole = fh_check_large_front(align) + size + 1,
           rounded = (whole + FH_GRANULE - 1) & ~(FH_GRANULE - 1);
    fh_lock(&heap->lock);
    bool taken =
        fh_private_may_hold(heap->private, rounded) && fh_check_take_large(size, align, zero, false, f);
    if (taken) {
        fh_private_hold(heap->private, rounded);
        link_large(heap, f->first);
        note_taken(heap, rounded);
        f->private = heap;
    }
    fh_unlock(&heap->lock);
    return taken;
}

/* ---- giving ---- */

static void note_given(struct fh_heap *heap, size_t usable) {
    heap->private->live -= usable;
    heap->private->blocks--;
    heap->private->frees++;
}

static void give_small(struct fh_heap *heap, uint32_t first, const void *p) {
    const struct fh_head *head = head_of(first);
    const struct fh_class *class = &fh_classes[head->class];
    uint32_t within = (uint32_t)(fh_space_offset(p) % FH_GRANULE);
    uint32_t block = fh_block_number(class, within);
    if (block * class->size != within || block >= head->blocks) {
        fh_heap_let_go(heap);
        fh_fatal("free of a pointer into the middle of a block: %p", p);
    }
    fh_span_give_private(heap, first, block); /* reports a block that is free already */
    note_given(heap, class->size);
}

static void give_large(struct fh_heap *heap, uint32_t first) {
    size_t usable = fh_large_usable(first);
    unlink_large(heap, first);
    heap->private->held -= usable;
    note_given(heap, usable);
    fh_large_give(first);
}

void fh_private_give(struct fh_heap *heap, uint32_t first, void *p) {
    bool large = head_of(first)->kind == FH_LARGE;
    if (large && p != fh_granule_address(first))
        fh_fatal("free of a pointer into the middle of a block: %p", p);
    if (fh_settings.count) fh_count_free(p, large ? 0 : head_of(first)->class);
    fh_lock(&heap->lock);
    if (large) give_large(heap, first);
    else give_small(heap, first, p);
    fh_unlock(&heap->lock);
}

void fh_private_give_checked(struct fh_heap *heap, uint32_t first, unsigned number) {
    const struct fh_head *head = head_of(first);
    fh_lock(&heap->lock);
    if (head->kind == FH_LARGE) {
        give_large(heap, first);
    } else {
        size_t size = fh_classes[head->class].size;
        fh_span_give_private(heap, first, number);
        note_given(heap, size);
    }
    fh_unlock(&heap->lock);
}

/* ---- resizing ---- */

void *fh_private_resize(struct fh_heap *heap, uint32_t first, void *p, size_t size) {
    const struct fh_head *head = head_of(first);
    size_t usable = head->kind == FH_LARGE ? fh_large_usable(first) : fh_classes[head->class].size;
    unsigned c = head->kind == FH_LARGE ? 0 : head->class;
    if (size <= usable && size > usable / 2) {
        if (fh_settings.count) fh_count_resize(p, c, size);
        return p;
    }
    void *block = take(heap, size, 1, false);
    if (block == NULL) return NULL;
    memcpy(block, p, usable < size ? usable : size);
    fh_private_give(heap, first, p);
    return block;
}

void *fh_heap_realloc(struct fh_heap *heap, void *p, size_t size) {
    return p ? fh_realloc(p, size) : alloc(heap, size, 1, FH_KIND_MALLOC, CALLER);
}

struct fh_heap *fh_heap_of(const void *p) {
    uint32_t first = fh_span_first(p);
    return first ? head_of(first)->private : NULL;
}

/* ---- all at once ---- */

/* With counting, the live blocks of the span leave the counters one by one. */
static void count_live_as_freed(uint32_t g) {
    const struct fh_head *head = head_of(g);
    for (unsigned block = head->blocks - head->usable; block < head->blocks; block++)
        if ((fh_space.bits[g][block / 64] >> block % 64 & 1) == 0)
            fh_count_free(fh_granule_address(g) + (size_t)block * fh_classes[head->class].size, head->class);
}

/* Frees what is live in the span, which thereby ends. */
static void clear_span(struct fh_heap *heap, uint32_t g) {
    struct fh_head *head = head_of(g);
    unsigned live = head->usable - head->free;
    if (fh_settings.count) count_live_as_freed(g);
    heap->private->live -= (size_t)live * fh_classes[head->class].size;
    heap->private->blocks -= live;
    heap->private->frees += live;
    fh_span_end(heap, g);
}

static void clear_spans(struct fh_heap *heap) {
    while (heap->private->full) clear_span(heap, heap->private->full);
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        while (heap->filled[c]) clear_span(heap, heap->lists[c][__builtin_ctz(heap->filled[c])]);
}

static void clear(struct fh_heap *heap) {
    while (heap->private->larges) {
        uint32_t g = heap->private->larges;
        if (fh_settings.count) fh_count_free(fh_granule_address(g), 0);
        give_large(heap, g);
    }
    clear_spans(heap);
}

FH_INLINE void clear_checked(struct fh_heap *heap, uintptr_t caller) {
    fh_check_sweep_private(heap, caller); /* what is damaged is said before it is gone */
    fh_lock(&heap->lock);
    clear(heap);
    fh_unlock(&heap->lock);
}

void fh_heap_clear(struct fh_heap *heap) { clear_checked(heap, CALLER); }

void fh_heap_drop(struct fh_heap *heap) {
    if (heap == NULL) return;
    clear_checked(heap, CALLER);
    fh_heap_delist(heap);
    fh_meta_give(heap, SIZE);
}

static size_t live_in_span(uint32_t g) {
    const struct fh_head *head = head_of(g);
    size_t live = 0;
    for (unsigned i = 0; i < head->blocks; i++) {
        struct fh_mark mark = fh_mark_read(fh_space_marks(g) + i);
        if (fh_mark_state(&mark) == FH_MARK_LIVE) live += fh_mark_asked(&mark, fh_classes[head->class].size);
    }
    return live;
}

/* In checked mode what was asked for is all that is usable of a block, and its mark alone knows. */
static size_t checked_live(struct fh_heap *heap) {
    size_t live = 0;
    for (uint32_t g = heap->private->larges; g; g = head_of(g)->next) live += head_of(g)->asked;
    for (uint32_t g = 1; g < fh_space.mapped; g++)
        if (head_of(g)->kind == FH_SPAN && head_of(g)->private == heap) live += live_in_span(g);
    return live;
}

void fh_heap_stats_now(struct fh_heap *heap, struct fh_heap_stats *out) {
    fh_lock(&heap->lock);
    const struct fh_private *private = heap->private;
    *out = (struct fh_heap_stats){
        .held = private->held,
        .held_peak = private->held_peak,
        .limit = private->limit,
        .live = fh_mode_checks() ? checked_live(heap) : private->live,
        .blocks = private->blocks,
        .allocs = private->allocs,
        .frees = private->frees,
    };
    fh_unlock(&heap->lock);
}
