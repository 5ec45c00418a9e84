/* alloc.c - the public functions of the heap, and the slow path behind the fast ones.
 *
 * What comes here: the first call of a process or thread; an empty or a full bin; a size of zero or above
 * FH_SMALL_MAX; a thread that has ended; a pointer that is not a block; and, where each call must be seen, all
 * calls: then the bins that inlined code uses are closed, and the real ones are the heap's `hidden` ones.
 */
#include "fast.h"

#include "../base/report.h"
#include "../base/settings.h"
#include "check.h"
#include "count.h"
#include "guard.h"
#include "heap.h"
#include "large.h"
#include "private.h"

#include <errno.h>
#include <string.h>

#ifndef FH_NO_STANDARD_NAMES
/* Ties malloc.c to this file: whoever links the static library, if only for fh_malloc, gets malloc and free
 * from it too. Else the program's strdup would be libc's and its fh_free ours. Sanitizer builds leave the names
 * to the sanitizer. */
extern const char fh_standard_names __attribute__((visibility("hidden")));
static const char *const standard_names __attribute__((used)) = &fh_standard_names;
#endif

/* ---- small blocks ---- */

static void *late_take(unsigned c) {
    struct fh_heap *heap = fh_heap_late();
    void *block = NULL;
    fh_lock(&heap->lock);
    fh_span_collect(heap);
    fh_span_take(heap, c, &block + 1, 1);
    fh_unlock(&heap->lock);
    return block;
}

static void late_give(unsigned c, void *p) {
    struct fh_heap *heap = fh_heap_late();
    fh_lock(&heap->lock);
    fh_span_give(heap, c, &p, 1);
    fh_unlock(&heap->lock);
}

void *fh_small_take(struct fh_heap *heap, unsigned c) {
    if (heap == NULL) return late_take(c);
    struct fh_bin *bin = &heap->bins[c];
    if (bin->top[-1]) return *--bin->top;
    return fh_bin_refill(heap, c);
}

void fh_small_give(unsigned c, void *p) {
    struct fh_heap *heap = fh_heap_mine();
    if (heap == NULL) {
        late_give(c, p);
        return;
    }
    struct fh_bin *bin = &heap->bins[c];
    if (bin->top != bin->end) *bin->top++ = p;
    else fh_bin_flush(heap, c, p);
}

/* ---- allocation ---- */

static void *out_of_memory(void) {
    errno = ENOMEM;
    return NULL;
}

/* The block itself; zeroed, if asked for, where it is large. *c is its class, 0 = large. */
static void *take(struct fh_heap *heap, size_t size, size_t align, unsigned *c, bool zero) {
    *c = 0;
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX || fh_space.size == 0) return NULL;
    size_t need = fh_aligned_size(size, align);
    if (need > FH_SMALL_MAX) return fh_large_take(size, align, zero);
    *c = fh_class_for(need);
    return fh_small_take(heap, *c);
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

static __attribute__((noinline)) void *alloc_any(size_t size, size_t align, unsigned call, uintptr_t caller) {
    struct fh_heap *heap =
        fh_heap_mine(); /* begins the heap, if need be: before settings and tables are read */
    unsigned c;
    bool zero = call & FH_CALL_ZERO;
    if (fh_mode_checks()) return fh_check_alloc(size, align, call, caller);
    void *block = take(heap, size, align, &c, zero);
    if (block == NULL) return out_of_memory();
    if (zero && c) memset(block, 0, size);
    if (fh_seen) fh_count_alloc(block, c, size);
    return block;
}

FH_INLINE void *alloc(size_t size, size_t align, unsigned call, uintptr_t caller) {
    unsigned quick = FH_READ(fh_check_quick_alloc);
    if (quick) return FH_QUICKLY(quick, alloc, size, align, call, caller);
    return alloc_any(size, align, call, caller);
}

void *fh_alloc_slow(size_t size, size_t align) { return alloc(size, align, FH_KIND_MALLOC, CALLER); }

void *fh_alloc_zero_slow(size_t size, size_t align) { return alloc(size, align, FH_CALL_ZERO, CALLER); }

/* With guard_sample, a call that missed the bin may get a guarded block. Not a typed call: what it frees goes
 * into a bin unseen. */
static __attribute__((noinline)) void *sample_or_alloc(size_t size, size_t align, unsigned call,
                                                       uintptr_t caller) {
    struct fh_heap *heap = fh_heap_mine();
    if (fh_settings.guard_sample && heap && fh_settings.mode == FH_MODE_FAST && size <= FH_SMALL_MAX &&
        align <= FH_SMALL_MAX &&
        fh_guard_samples(heap->books[fh_class_for(fh_aligned_size(size, 1))].capacity / 2u + 1)) {
        void *block = fh_guard_alloc(size, align, call, caller);
        if (block) return block;
    }
    return alloc_any(size, align, call, caller);
}

FH_INLINE void *alloc_or_sample(size_t size, size_t align, unsigned call, uintptr_t caller) {
    unsigned quick = FH_READ(fh_check_quick_alloc);
    if (quick) return FH_QUICKLY(quick, alloc, size, align, call, caller);
    return sample_or_alloc(size, align, call, caller);
}

void *fh_malloc_slow(size_t size) {
    unsigned quick = FH_READ(fh_check_quick_alloc);
    if (quick) return FH_QUICKLY(quick, malloc, size, CALLER);
    return sample_or_alloc(size, 1, FH_KIND_MALLOC, CALLER);
}

void *fh_aligned_slow(size_t size, size_t align, uintptr_t caller) {
    return alloc_or_sample(size, align, FH_CALL_ALIGNED, caller);
}

void *fh_new_slow(size_t size, size_t align, unsigned kind, uintptr_t caller) {
    return alloc_or_sample(size, align, kind | (align > 1 ? FH_CALL_ALIGNED : 0), caller);
}

void *fh_calloc_slow(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) bytes = SIZE_MAX; /* refused, as what is too large is */
    return alloc_or_sample(bytes, 1, FH_CALL_ZERO, CALLER);
}

/* ---- free ---- */

/* Where a block lies. */
struct place {
    uint32_t first;          /* first granule of its extent; looked up only where c == 0 */
    unsigned c;              /* its class, 0 = large, or in a private heap */
    struct fh_heap *private; /* the program's own heap that it is from, or NULL */
};

/* Where the table of classes says 0: a large block, or one of a private heap, or none at all, which is
 * reported. */
static struct place find_by_head(const void *p, const char *call) {
    uint32_t first = fh_span_first(p);
    const struct fh_head *head = &fh_space.heads[first];
    if (first && head->private) return (struct place){first, 0, head->private};
    if (first && head->kind == FH_LARGE && fh_space_offset(p) % FH_GRANULE == 0)
        return (struct place){first, 0, NULL};
    fh_fatal("%s of %p, which is no block in use: freed already, or never allocated", call, p);
}

/* Finds the block at p; ends the process with a report when there is none. */
static struct place find(const void *p, const char *call) {
    size_t offset = fh_space_offset(p);
    if (offset >= fh_space.size) fh_fatal("%s of %p, which is not from this heap", call, p);
    unsigned c = fh_space.classes[offset >> FH_GRANULE_SHIFT];
    return c ? (struct place){.c = c} : find_by_head(p, call);
}

static void give(void *p, struct place place) {
    if (place.private) {
        fh_private_give(place.private, place.first, p);
        return;
    }
    if (fh_seen) fh_count_free(p, place.c);
    if (place.c) fh_small_give(place.c, p);
    else fh_large_give(place.first);
}

static size_t usable_at(struct place place) {
    if (place.c) return fh_classes[place.c].size;
    const struct fh_head *head = &fh_space.heads[place.first];
    return head->kind == FH_SPAN ? fh_classes[head->class].size : fh_large_usable(place.first);
}

/* The caller of a sized free said what the block is; a different block is a mistake that is noticed here. */
static void check_size(const void *p, struct place place, size_t size, size_t align) {
    size_t need = fh_aligned_size(size, align);
    unsigned expected = need > FH_SMALL_MAX ? 0 : fh_class_of(need);
    if (place.private || place.c != expected)
        fh_fatal("sized free of %p as %zu bytes, but it is a block of %zu%s", p, size, usable_at(place),
                 place.private ? " in a heap of the program's own" : "");
}

FH_INLINE void free_block(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    if (p == NULL) return;
    int saved = errno;
    if (fh_mode_checks() || fh_guard_owns(p)) {
        fh_check_free(p, size, align, call, caller);
        errno = saved;
        return;
    }
    struct place place = find(p, "free");
    if (size && (call & FH_CALL_TYPED)) check_size(p, place, size, align);
    give(p, place);
    errno = saved;
}

static __attribute__((noinline)) void free_any(void *p, size_t size, size_t align, unsigned call,
                                               uintptr_t caller) {
    free_block(p, size, align, call, caller);
}

void fh_free_slow(void *p, size_t size, size_t align) {
    unsigned call = size ? FH_CALL_SIZED | FH_CALL_TYPED : 0, quick = FH_READ(fh_check_quick_free);
    if (!quick) free_any(p, size, align, call, CALLER);
    else if (size) FH_QUICKLY(quick, free_as, p, size, align, call, CALLER);
    else FH_QUICKLY(quick, free_plain, p, CALLER);
}

void fh_plain_free_slow(void *p) {
    unsigned quick = FH_READ(fh_check_quick_free);
    if (quick) FH_QUICKLY(quick, free_plain, p, CALLER);
    else free_any(p, 0, 1, 0, CALLER);
}

FH_INLINE void free_named(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    unsigned quick = FH_READ(fh_check_quick_free);
    if (quick) FH_QUICKLY(quick, free_as, p, size, align, call, caller);
    else free_any(p, size, align, call, caller);
}

void fh_sized_slow(void *p, size_t size, size_t align) {
    free_named(p, size, align, FH_CALL_SIZED | (align > 1 ? FH_CALL_ALIGNED : 0), CALLER);
}

void fh_delete_slow(void *p, size_t size, size_t align, unsigned kind) {
    free_named(p, size, align, kind | (align > 1 ? FH_CALL_ALIGNED : 0), CALLER);
}

/* ---- resizing ---- */

size_t fh_usable_size(const void *p) {
    if (p == NULL) return 0;
    if (fh_mode_checks() || fh_guard_owns(p)) return fh_check_usable(p, CALLER);
    return usable_at(find(p, "size request"));
}

/* Is the block that the program has as good for `size` bytes as a new one would be? A block less than half used
 * is given up; above that, moving would cost more than it saves. */
static bool still_fits(unsigned c, size_t usable, size_t size) {
    return size <= usable && (size > usable / 2 || fh_class_for(size) == c);
}

static void *move(void *p, size_t usable, size_t size) {
    void *block = size > FH_SMALL_MAX && !fh_seen ? fh_large_take_to_grow(size) : fh_fast_malloc(size);
    if (block == NULL) return out_of_memory();
    memcpy(block, p, usable < size ? usable : size);
    fh_fast_free(p);
    return block;
}

static void *resize_large(void *p, size_t size) {
    void *block = fh_large_resize((uint32_t)(fh_space_offset(p) >> FH_GRANULE_SHIFT), size);
    return block ? block : out_of_memory();
}

/* As `move`, for large blocks whose move is not seen by malloc and free. */
static void *resize_large_counted(void *p, size_t size) {
    size_t asked = fh_count_asked(p, 0);
    void *block = resize_large(p, size);
    if (block == NULL) return NULL;
    fh_space.heads[fh_space_offset(block) >> FH_GRANULE_SHIFT].asked = asked; /* what the counters still hold */
    fh_count_resize(block, 0, size);
    return block;
}

static __attribute__((noinline)) void *resize(void *p, size_t size, uintptr_t caller) {
    if (p == NULL) return fh_fast_malloc(size);
    if (fh_mode_checks() || fh_guard_owns(p)) return fh_check_resize(p, size, caller);
    struct place place = find(p, "realloc");
    unsigned c = place.c;
    if (fh_seen) fh_count_realloc();
    if (size > PTRDIFF_MAX) return out_of_memory();
    if (size == 0) size = 1;
    if (place.private) return fh_private_resize(place.private, place.first, p, size);
    if (c == 0 && size > FH_SMALL_MAX) return fh_seen ? resize_large_counted(p, size) : resize_large(p, size);
    size_t usable = usable_at(place);
    if (c == 0 || !still_fits(c, usable, size)) return move(p, usable, size);
    if (fh_seen) fh_count_resize(p, c, size);
    return p;
}

/* Strings and buffers grow by little as a rule, so that most blocks stay where they are: quickly told. */
void *fh_realloc(void *p, size_t size) {
    size_t offset = fh_space_offset(p);
    if (FH_LIKELY(size <= FH_SMALL_MAX && fh_space_has(offset) && !fh_seen)) {
        unsigned c = fh_space.classes[offset >> FH_GRANULE_SHIFT];
        if (c && c == fh_class_for(size)) return p;
    }
    return resize(p, size, CALLER);
}

void *fh_reallocarray(void *p, size_t n, size_t size) {
    size_t bytes;
    return fh_realloc(p, __builtin_mul_overflow(n, size, &bytes) ? SIZE_MAX : bytes);
}

/* ---- the rest of the public functions ---- */

void *fh_malloc(size_t size) { return fh_fast_malloc(size); }

void *fh_calloc(size_t n, size_t size) { return fh_fast_calloc(n, size); }

void *fh_aligned_alloc(size_t align, size_t size) {
    if (FH_LIKELY(align && (align & (align - 1)) == 0)) return fh_fast_aligned(align, size, CALLER);
    errno = EINVAL;
    return NULL;
}

void fh_free(void *p) { fh_fast_free(p); }

void fh_free_sized(void *p, size_t size) { fh_fast_free_sized(p, size, 1); }

void fh_free_aligned_sized(void *p, size_t align, size_t size) { fh_fast_free_sized(p, size, align); }

size_t fh_good_size(size_t size) {
    if (size > PTRDIFF_MAX || fh_mode_checks()) return size; /* then every byte above would be a canary */
    if (size > FH_SMALL_MAX) return (size + FH_GRANULE - 1) & ~(FH_GRANULE - 1);
    return fh_class_size(fh_class_of(size ? size : 1));
}
