/* heaps.c - heaps of the program's own beside a model: see program.h. */
#include "program.h"

#include <errno.h>
#include <string.h>

static void verify(const struct own_heap *h, const struct block *b) {
    CHECKF(fh_usable_size(b->p) == b->usable, "usable size of %p was %zu and is %zu", (void *)b->p, b->usable,
           fh_usable_size(b->p));
    CHECK(fh_heap_of(b->p) == h->heap);
    pattern_verify(b->p, b->usable, SIZE_MAX, b->tag);
}

static void check_apart(const struct heaps_model *m, const struct block *b) {
    for (unsigned i = 0; i < OWN_HEAPS; i++)
        for (unsigned k = 0; k < OWN_SLOTS; k++) {
            const struct block *other = &m->heaps[i].slots[k];
            if (other->p == NULL || other == b) continue;
            CHECKF(b->p + b->usable <= other->p || other->p + other->usable <= b->p, "blocks %p and %p overlap",
                   (void *)b->p, (void *)other->p);
        }
}

static void keep(struct heaps_model *m, struct own_heap *h, struct block *slot, struct block b) {
    CHECKF(((uintptr_t)b.p & (b.align - 1)) == 0, "%p is not aligned to %zu", (void *)b.p, b.align);
    b.usable = fh_usable_size(b.p);
    CHECK(b.usable >= b.size && fh_heap_of(b.p) == h->heap);
    b.tag = m->next_tag++;
    *slot = b;
    check_apart(m, slot);
    pattern_fill(b.p, b.usable, b.tag);
}

static void release(struct own_heap *h, struct block *b, bool sized) {
    if (b->p == NULL) return;
    verify(h, b);
    if (sized && b->align == 1) fh_free_sized(b->p, b->size);
    else fh_free(b->p);
    b->p = NULL;
}

static void check_numbers(const struct own_heap *h) {
    struct fh_heap_stats stats;
    size_t blocks = 0, live = 0;
    for (unsigned k = 0; k < OWN_SLOTS; k++) {
        blocks += h->slots[k].p != NULL;
        live += h->slots[k].p ? h->slots[k].usable : 0;
    }
    fh_heap_stats_now(h->heap, &stats);
    bool live_agrees =
        heap_is_checked() ? stats.live >= live : stats.live == live; /* there canaries are not usable */
    CHECKF(stats.blocks == blocks && live_agrees,
           "the heap counts %zu blocks of %zu bytes, there are %zu of %zu", stats.blocks, stats.live, blocks,
           live);
    CHECK(stats.allocs - stats.frees == blocks && stats.held >= live && stats.held_peak >= stats.held);
    CHECKF(h->limit == 0 || stats.held <= h->limit, "held %zu, the limit is %zu", stats.held, h->limit);
}

static int count_live(const struct fh_block *block, void *count) {
    *(size_t *)count += block->state == FH_BLOCK_LIVE;
    return 0;
}

static void check_walk(const struct own_heap *h, bool may_fail) {
    size_t seen = 0, blocks = 0;
    for (unsigned k = 0; k < OWN_SLOTS; k++) blocks += h->slots[k].p != NULL;
    errno = 0;
    int result = fh_heap_walk(h->heap, count_live, &seen);
    if (result == -1) {
        refused(may_fail, "a walk", 0);
        return;
    }
    CHECKF(seen == blocks, "the walk shows %zu live blocks, there are %zu", seen, blocks);
}

static void drop_all(struct own_heap *h, bool heap_too) {
    for (unsigned k = 0; k < OWN_SLOTS; k++)
        if (h->slots[k].p) verify(h, &h->slots[k]);
    memset(h->slots, 0, sizeof h->slots);
    if (!heap_too) {
        fh_heap_clear(h->heap);
        check_numbers(h);
        return;
    }
    fh_heap_drop(h->heap);
    h->heap = NULL;
}

static void allocate(struct heaps_model *m, struct own_heap *h, struct block *slot, const struct step *s) {
    struct block b = {.size = s->size, .align = 1};
    bool zero = s->what % 3 == 1;
    release(h, slot, s->value & 1);
    errno = 0;
    if (zero) {
        b.p = fh_heap_calloc(h->heap, 1, b.size);
    } else if (s->what % 3 == 2) {
        b.align = s->align;
        b.p = fh_heap_aligned_alloc(h->heap, b.align, b.size);
    } else {
        b.p = fh_heap_malloc(h->heap, b.size);
    }
    if (b.p == NULL) {
        refused(h->limit || m->may_fail, "an allocation from an own heap", b.size);
        return;
    }
    if (zero) zero_verify(b.p, b.size);
    keep(m, h, slot, b);
}

static void resize(struct heaps_model *m, struct own_heap *h, struct block *slot, const struct step *s) {
    struct block old = *slot;
    if (old.p) verify(h, &old);
    errno = 0;
    char *p = s->value & 2 && old.p ? fh_realloc(old.p, s->size) : fh_heap_realloc(h->heap, old.p, s->size);
    if (p == NULL) {
        refused(h->limit || m->may_fail, "a resize in an own heap", s->size);
        if (old.p) verify(h, &old);
        return;
    }
    if (old.p) pattern_verify(p, old.usable, old.usable < s->size ? old.usable : s->size, old.tag);
    slot->p = NULL;
    keep(m, h, slot, (struct block){.p = p, .size = s->size, .align = 1});
}

void heaps_step(struct heaps_model *m, const struct step *s) {
    struct own_heap *h = &m->heaps[s->slot % OWN_HEAPS];
    struct block *slot = &h->slots[s->slot / OWN_HEAPS % OWN_SLOTS];
    if (h->heap == NULL) {
        h->limit = s->value & 1 ? ((size_t)1 << 20) + s->value % (4u << 20) : 0;
        errno = 0;
        h->heap = fh_heap_new(h->limit);
        if (h->heap == NULL) refused(m->may_fail, "a heap", 0);
        return;
    }
    switch (s->what % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
        case 5: allocate(m, h, slot, s); break;
        case 6:
        case 7:
        case 8: resize(m, h, slot, s); break;
        case 9:
        case 10:
        case 11:
        case 12: release(h, slot, s->value & 1); break;
        case 13: check_numbers(h); break;
        case 14: check_walk(h, m->may_fail); break;
        default:
            if (s->value % 4 == 0) drop_all(h, s->value & 8);
    }
}

void heaps_verify(struct heaps_model *m) {
    for (unsigned i = 0; i < OWN_HEAPS; i++) {
        struct own_heap *h = &m->heaps[i];
        if (h->heap == NULL) continue;
        for (unsigned k = 0; k < OWN_SLOTS; k++)
            if (h->slots[k].p) verify(h, &h->slots[k]);
        check_numbers(h);
    }
}

void heaps_end(struct heaps_model *m) {
    for (unsigned i = 0; i < OWN_HEAPS; i++)
        if (m->heaps[i].heap) drop_all(&m->heaps[i], true);
}
