/* arena.c - allocators as values, and arenas: see freehold/alloc.h.
 *
 *     arena.kept   -> kept -> kept -> NULL       newest first: place and drop of each thing that owns something
 *     arena.chunks -> chunk -> chunk -> NULL     [ next, size | room ................ ]
 *                                                               top ^         end ^
 *
 * Records of what is kept stand in the arena too, before the thing. Chunks double from 4 KiB to 1 MiB.
 *
 * In checked mode each thing has a chunk of its own, at whose end it stands, and no chunk has room to spare: so
 * a step past the thing is seen, a pointer to it that outlives the arena, and one to what a VecIn has left
 * behind.
 */
#include <freehold/alloc.h>
#include <freehold/frame.h>
#include <freehold/heaps.h>

#include "own/buffer.h"
#include "own/checked.h"

#include <errno.h>
#include <string.h>

struct fh_kept {
    struct fh_kept *next;
    void *thing;
    void (*drop)(void *thing);
};
struct fh_chunk {
    struct fh_chunk *next;
    size_t size;
};
enum { CHUNK_LEAST = 4096, CHUNK_MOST = 1 << 20 };

/* ---- allocators ---- */

static void *heap_get(struct fh_alloc *self, size_t size, size_t align) {
    (void)self;
    return fh_buffer_get(size, align, "block of the heap");
}
static void heap_give(struct fh_alloc *self, void *p, size_t size, size_t align) {
    (void)self;
    fh_buffer_free(p, size, align);
}
struct fh_alloc fh_alloc_heap = {heap_get, heap_give};
static void *arena_get(struct fh_alloc *self, size_t size, size_t align);

void *fh_alloc_get(struct fh_alloc *alloc, size_t size, size_t align) {
    if (alloc == NULL) alloc = &fh_alloc_heap;
    if (alloc->get == NULL) return arena_get(alloc, size, align); /* an arena not used yet is all zero */
    return alloc->get(alloc, size, align);
}

void fh_alloc_give(struct fh_alloc *alloc, void *p, size_t size, size_t align) {
    if (alloc == NULL) alloc = &fh_alloc_heap;
    if (p != NULL && alloc->give != NULL) alloc->give(alloc, p, size, align);
}

/* ---- arenas ---- */

static void *take(fh_arena *arena, size_t size, size_t align);
static void *arena_get(struct fh_alloc *self, size_t size, size_t align) {
    return take((fh_arena *)self, size, align);
}

static void heap_arena_give(struct fh_alloc *self, void *p, size_t size, size_t align) {
    (void)self, (void)size, (void)align;
    fh_free(p);
}

fh_arena fh_arena_in_frame(void) { return (fh_arena){.alloc = {.get = arena_get}, .in_frame = true}; }
fh_arena fh_arena_in_heap(struct fh_heap *heap) {
    return (fh_arena){.alloc = {arena_get, heap_arena_give}, .heap = heap};
}

static bool add_chunk(fh_arena *arena, size_t need) {
    size_t size = arena->chunks ? arena->chunks->size * 2 : CHUNK_LEAST;
    if (size > CHUNK_MOST) size = CHUNK_MOST;
    if (size < need) size = need;
    struct fh_chunk *chunk = fh_buffer_get(size, 16, "arena");
    if (chunk == NULL) return false;
    *chunk = (struct fh_chunk){arena->chunks, size};
    arena->chunks = chunk;
    arena->top = (char *)(chunk + 1);
    arena->end = (char *)chunk + size;
    return true;
}

/* Checked mode: a VecIn has moved out of the chunk that it had for itself. */
static void alone_give(struct fh_alloc *self, void *p, size_t size, size_t align) {
    (void)size, (void)align;
    for (struct fh_chunk **link = &((fh_arena *)self)->chunks, *chunk; (chunk = *link) != NULL;
         link = &chunk->next) {
        if ((uintptr_t)p - (uintptr_t)chunk >= chunk->size) continue;
        *link = chunk->next;
        fh_buffer_leave(chunk, chunk->size, 16);
        return;
    }
}

static void *get_alone(fh_arena *arena, size_t size, size_t align) {
    size_t whole = sizeof(struct fh_chunk) + size + align;
    struct fh_chunk *chunk = fh_buffer_get(whole, 16, "block of an arena");
    if (chunk == NULL) return NULL;
    *chunk = (struct fh_chunk){arena->chunks, whole};
    arena->chunks = chunk;
    arena->alloc.give = alone_give;
    return (void *)(((uintptr_t)chunk + whole - size) & ~(uintptr_t)(align - 1));
}

static void *take(fh_arena *arena, size_t size, size_t align) {
    arena->alloc.get = arena_get;
    if (arena->heap) return fh_heap_aligned_alloc(arena->heap, align, size);
    if (arena->in_frame) return fh_push_aligned(size, align < 16 ? 16 : align);
    if (size > PTRDIFF_MAX / 2 || align > PTRDIFF_MAX / 4) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t at = ((uintptr_t)arena->top + align - 1) & ~(uintptr_t)(align - 1);
    if (arena->top == NULL || at > (uintptr_t)arena->end || size > (uintptr_t)arena->end - at) {
        if (fh_checked_on()) return get_alone(arena, size, align);
        if (!add_chunk(arena, sizeof(struct fh_chunk) + size + align)) return NULL;
        at = ((uintptr_t)arena->top + align - 1) & ~(uintptr_t)(align - 1);
    }
    arena->top = (char *)at + size;
    return (void *)at;
}

void *fh_arena_get(fh_arena *arena, size_t size, size_t align) {
    FH_ENTER;
    return take(arena, size, align);
}

static void *put(fh_arena *arena, void *init, size_t size, size_t align, void (*drop)(void *)) {
    struct fh_kept *kept = drop ? take(arena, sizeof *kept, _Alignof(struct fh_kept)) : NULL;
    void *thing = drop == NULL || kept != NULL ? take(arena, size, align) : NULL;
    if (thing == NULL) {
        if (drop) drop(init);
        return NULL;
    }
    memcpy(thing, init, size);
    if (drop) {
        *kept = (struct fh_kept){arena->kept, thing, drop};
        arena->kept = kept;
    }
    return thing;
}

void *fh_arena_try_put(fh_arena *arena, void *init, size_t size, size_t align, void (*drop)(void *)) {
    FH_ENTER;
    return put(arena, init, size, align, drop);
}

void *fh_arena_put(fh_arena *arena, void *init, size_t size, size_t align, void (*drop)(void *)) {
    FH_ENTER;
    void *thing = put(arena, init, size, align, drop);
    if (thing == NULL) fh_own_no_memory("arena", size);
    return thing;
}

void fh_arena_drop(fh_arena *arena) {
    fh_note_gone(arena, sizeof *arena);
    while (arena->kept != NULL) {
        struct fh_kept *kept = arena->kept;
        arena->kept = kept->next; /* first: a drop that places something new is met too */
        kept->drop(kept->thing);
    }
    FH_ENTER; /* again: the drops have been here in between */
    for (struct fh_chunk *chunk = arena->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        fh_buffer_free(chunk, chunk->size, 16);
    }
    if (arena->heap) fh_heap_drop(arena->heap);
    *arena = (fh_arena){0};
}
