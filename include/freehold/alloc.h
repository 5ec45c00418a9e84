/* alloc.h - where owners live: other allocators, and arenas whose owners are dropped with them.
 *
 *     #include <freehold/type.h>
 *     #include <freehold/str.h>
 *
 *     FH_TYPE(Word);
 *     struct Word { fh_str text; };
 *     FH_DROP(Word, (fh_str, text))
 *
 *     int main(void) {
 *         fh_own(fh_arena) arena = {0};                                        // or fh_arena_in_frame()
 *         Word *w = fh_place(Word, &arena, .text = fh_str_from("lives as long as the arena"));
 *         fh_own(fh_VecIn(int)) squares = {.alloc = &arena.alloc};             // a Vec whose buffer is in the arena
 *         for (int i = 0; i < 10; i++) fh_vec_push(&squares, i * i);
 *         return w->text.len == 26 && squares.len == 10 ? 0 : 1;
 *     }                                                                        // w->text is dropped, then the memory
 *
 * Rust's Box<T, A> and Vec<T, A>: fh_BoxIn(T) and fh_VecIn(T) remember the allocator in one more word; all
 * fh_vec_ operations take either kind of Vec. An allocator is a struct whose first member is a struct fh_alloc.
 *
 * An arena owns what is placed in it (fh_place): it keeps a list of what must be dropped, newest first, and
 * drops it before its memory goes. Its memory comes from the heap in chunks, or from the innermost frame of the
 * region stack.
 */
#ifndef FREEHOLD_ALLOC_H
#define FREEHOLD_ALLOC_H

#include <freehold/own.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fh_heap;

/* An allocator of your own. Who uses it from several threads locks in these functions. */
struct fh_alloc {
    /* Room for size bytes at that alignment, a power of two; or NULL and ENOMEM. */
    void *(*get)(struct fh_alloc *self, size_t size, size_t align);
    /* Takes the room back, p with the size and alignment that it was got with. NULL: it goes with the whole. */
    void (*give)(struct fh_alloc *self, void *p, size_t size, size_t align);
};

/* The heap itself as an allocator; what a NULL allocator means. */
FH_API extern struct fh_alloc fh_alloc_heap;

/* By these an owner asks its allocator, NULL being the heap: room, or NULL and ENOMEM; and back. Of a p that is
 * NULL nothing is given back. */
FH_API void *fh_alloc_get(struct fh_alloc *alloc, size_t size, size_t align);
FH_API void fh_alloc_give(struct fh_alloc *alloc, void *p, size_t size, size_t align);

/* An owner of owners. Zero is an empty arena on the heap. Not to be moved once something is placed in it whose
 * allocator it is. For one thread at a time. */
typedef struct fh_arena {
    struct fh_alloc alloc;   /* set by the first use                                         */
    struct fh_kept *kept;    /* what must be dropped, newest first                           */
    struct fh_chunk *chunks; /* memory from the general heap, newest first                   */
    char *top, *end;         /* the free rest of the newest chunk                            */
    struct fh_heap *heap;    /* memory comes from this heap instead, which the arena owns    */
    bool in_frame;           /* memory comes from the region stack instead                   */
} fh_arena FH_NOTE("fh:arena");

/* An arena in the innermost open frame of the region stack. Declare it inside that frame's block: it is dropped
 * before the frame closes. */
FH_API fh_arena fh_arena_in_frame(void);

/* An arena that takes over a heap of fh_heap_new (freehold/heaps.h), of which each thing in it is a block:
 * limited, counted and walked as such. Dropping the arena drops its owners, then the heap. NULL: as {0}. */
FH_API fh_arena fh_arena_in_heap(struct fh_heap *heap);

/* Drops everything in the arena, newest first, and gives back its memory. It is empty afterwards. O(what owns
 * something in it, and its chunks), not its bytes. */
FH_API void fh_arena_drop(fh_arena *arena);

/* Room in the arena, uninitialised, at a power of two: NULL and ENOMEM when there is none. Mostly an addition;
 * each chunk is twice as large as the last one, from 4 KiB to 1 MiB. */
FH_API void *fh_arena_get(fh_arena *arena, size_t size, size_t align);

/* fh_place(T, arena, initialiser...)    a T * in the arena, which owns it. Out of memory is reported, then abort
 * fh_try_place(T, arena, ...)           NULL and ENOMEM; the value has been dropped */
#define fh_place(T, arena, ...) FH_PLACE_IN(T, fh_arena_put, arena, FH_UNIQUE(fh_init_), {__VA_ARGS__})
#define fh_try_place(T, arena, ...) FH_PLACE_IN(T, fh_arena_try_put, arena, FH_UNIQUE(fh_init_), {__VA_ARGS__})
#define FH_PLACE_IN(T, put, arena, init, ...)                                             \
    __extension__({                                                                       \
        T init = __VA_ARGS__;                                                             \
        (T *)put(arena, &init, sizeof(T), FH_ALIGNOF(T),                                  \
                 FH_CAT(fh_plain_, T) ? (void (*)(void *))NULL : FH_CAT(fh_drop_in_, T)); \
    })
FH_API void *fh_arena_put(fh_arena *arena, void *init, size_t size, size_t align, void (*drop)(void *));
FH_API void *fh_arena_try_put(fh_arena *arena, void *init, size_t size, size_t align, void (*drop)(void *));

#ifdef __cplusplus
}
#endif
#endif
