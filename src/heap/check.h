/* check.h - checked mode: each call is seen, and misuse is reported. See check.c for how.
 *
 * Terms:
 *   mark        eight bytes out of line for each small block: its state, what was asked for, where it was allocated
 *   canary      a byte that belongs to nobody, between what was asked for and the next block
 *   front       canaries before a block: 16 bytes above 1 KiB, 64 bytes before large ones
 *   fill        what a freed block is filled with: the canary too, unless a setting asks for zeros
 *   quarantine  where a freed block waits before it can be handed out again
 *   plain class one whose blocks, up to 1 KiB, have no front and lie in spans of one granule
 *
 *     small block    | front (> 1 KiB only) | what was asked for | slack: canaries, at least one byte |
 *     mark           state  NONE -> FRESH -> LIVE -> FREED -> LIVE ...
 *
 * Who knows what:
 *   check.c        the calls: small blocks, and who passes on what
 *   check_quick.c  the usual calls of small blocks
 *   check_large.c  large blocks: fronts, tails, and what happens when they are freed
 *   found.c        which block is at an address, and the reports about it
 *   quarantine.c   freed small blocks in waiting; blocks in random order
 *   sweep.c        all blocks at once
 */
#ifndef FH_HEAP_CHECK_H
#define FH_HEAP_CHECK_H

#include "../os/os_wide.h"
#include "heap.h"
#include "misuse.h"

/* What asked for a block: its free must match. */
enum fh_call_kind {
    FH_KIND_MALLOC,
    FH_KIND_NEW,
    FH_KIND_NEW_ARRAY,
    FH_KIND_MASK = 3,
    FH_CALL_ZERO = 4,     /* the block shall read as zero                                       */
    FH_CALL_SIZED = 8,    /* a free that says the size                                          */
    FH_CALL_ALIGNED = 16, /* a call that names an alignment, which the free must name too      */
    FH_CALL_TYPED = 32,   /* fh_delete: fast mode trusts it with the class, so it looks         */
    FH_CALL_RESIZE = 64   /* a realloc that gives the block up, or takes it over                 */
};

enum fh_mark_state {
    FH_MARK_NONE,  /* never handed out since its span began                                      */
    FH_MARK_LIVE,  /* the program's                                                              */
    FH_MARK_FREED, /* filled                                                                     */
    FH_MARK_FRESH, /* at hand, never handed out; filled where the class is plain                 */
    FH_MARK_STATES = 3,
    FH_MARK_TAIL = 16,   /* of a large block: its end is closed, see check_large.c                */
    FH_MARK_CLOSED = 32, /* of a freed large block: it is inaccessible as a whole                 */
    FH_MARK_EMPTY = 64,  /* and it holds no memory                                                */
    FH_MARK_FRONT = 128
};

enum { FH_SMALL_FRONT = 16, FH_LARGE_FRONT = 64, FH_PLAIN_MOST = 1024 };
#define FH_PLAIN_CLASSES fh_class_of(FH_PLAIN_MOST) /* 1 .. these are plain */

/* Once, when the heap begins in a mode that checks. */
void fh_checks_begin(void);

/* The calls. `call`: enum fh_call_kind and flags; `caller`: the return address in the program. */
void *fh_check_alloc(size_t size, size_t align, unsigned call, uintptr_t caller);
void fh_check_free(void *p, size_t size, size_t align, unsigned call, uintptr_t caller);
void *fh_check_resize(void *p, size_t size, uintptr_t caller);

/* No memory for `size` bytes: NULL and ENOMEM, and a note for the case that the program follows the NULL. */
void *fh_check_refuse(size_t size, uintptr_t caller);
size_t fh_check_usable(const void *p, uintptr_t caller);
/* A block from the program's own heap. */
void *fh_check_alloc_in(struct fh_heap *private, size_t size, size_t align, unsigned call, uintptr_t caller);

/* The same for the usual case, when the quick ways are open (check_quick.c). To be called by FH_QUICKLY.
 *     free_plain   by free and its like
 *     as_malloc    malloc and free themselves, past the bins: malloc whether the quick ways are open or not
 *     resize       false: it is none for the quick ways, and nothing was done. Else *result is the block, NULL
 *                  without memory */
#define FH_QUICK_WAYS(way)                                                                            \
    void *fh_check_malloc_##way(size_t size, uintptr_t caller);                                       \
    void *fh_check_alloc_##way(size_t size, size_t align, unsigned call, uintptr_t caller);           \
    void fh_check_free_plain_##way(void *p, uintptr_t caller);                                        \
    void fh_check_free_as_##way(void *p, size_t size, size_t align, unsigned call, uintptr_t caller); \
    bool fh_check_resize_##way(void *p, size_t size, uintptr_t caller, void **result);                \
    void *fh_check_as_malloc_##way(size_t size);                                                      \
    void fh_check_as_free_##way(void *p)
FH_QUICK_WAYS(quickly);
FH_QUICK_WAYS(widely);

/* Are the quick ways open, as they are in mode=checked unless a setting asks for more? And which: those that
 * any processor can go, or those of check_quick_wide.c. */
enum { FH_QUICK_CLOSED, FH_QUICK_OPEN, FH_QUICK_WIDE };
extern uint8_t fh_check_quick_alloc __attribute__((visibility("hidden")));
extern uint8_t fh_check_quick_free __attribute__((visibility("hidden")));
/* Sizes below this are for the quick ways, if these are open for malloc; else 0. */
extern size_t fh_check_quick_most __attribute__((visibility("hidden")));
/* What fh_check_quick_free is, or will be when the heap has begun. */
unsigned fh_check_quick_way(void);

#if FH_OS_MAY_HAVE_WIDER
#define FH_QUICKLY(open, call, ...) \
    ((open) == FH_QUICK_WIDE ? fh_check_##call##_widely(__VA_ARGS__) : fh_check_##call##_quickly(__VA_ARGS__))
#else
#define FH_QUICKLY(open, call, ...) fh_check_##call##_quickly(__VA_ARGS__)
#endif
/* From the guard: it wants no more of the first blocks. */
void fh_check_open_quick_alloc(void);

/* What operator new and delete call past the bins, in every mode. `kind`: of the call, with FH_CALL_SIZED.
 * (alloc.c) */
void *fh_new_slow(size_t size, size_t align, unsigned kind, uintptr_t caller);
void fh_delete_slow(void *p, size_t size, size_t align, unsigned kind);

/* Marks for the blocks of a span that is to begin, all NONE; NULL without memory. They are the span's until it
 * ends. */
struct fh_mark *fh_check_new_marks(unsigned blocks);
void fh_check_give_marks(struct fh_mark *marks, unsigned blocks);
/* They belong to the span at granule g, of class c; 0: of a private heap. */
void fh_check_begin_span(uint32_t g, unsigned c, struct fh_mark *marks);
/* The span ends, and has its marks no more. */
void fh_check_end_span(uint32_t g, unsigned blocks);

/* In the child after a fork: the heap's thread is not there. It may have been in the middle of a call, with a
 * block half written and a quarantine half changed; so the child does not look at either. */
void fh_check_lose_thread(struct fh_heap *heap);

/* The sweep of a process that exits, if it is to be and can be: looks at every canary and every freed block,
 * and reports what is damaged. Does nothing where a signal handler has
 * interrupted the heap. For ends at which no destructor runs. */
void fh_check_sweep_at_once(void);
/* The same for the blocks of one heap of the program's own. `caller`: who is shown as the one who looked. */
void fh_check_sweep_private(const struct fh_heap *private, uintptr_t caller);

/* A block for the quick ways, from the heap's bin or its spans; NULL without memory. */
void *fh_check_take_block(struct fh_heap *heap, unsigned c);
/* The block was taken though it is not as its free left it: reported, and filled anew. */
void fh_check_repair_taken(char *block, unsigned c, uintptr_t caller);

/* ---- marks ---- */

/* Read and written as one word: a free may meet another one of the same block. */
typedef uint64_t fh_mark_word __attribute__((may_alias));

static inline struct fh_mark fh_mark_of_word(uint64_t word) {
    union {
        uint64_t word;
        struct fh_mark mark;
    } value = {.word = word};
    return value.mark;
}

static inline struct fh_mark fh_mark_read(const struct fh_mark *mark) {
    return fh_mark_of_word(__atomic_load_n((const fh_mark_word *)mark, __ATOMIC_RELAXED));
}

static inline uint64_t fh_mark_word_of(struct fh_mark mark) {
    union {
        struct fh_mark mark;
        uint64_t word;
    } value = {.mark = mark};
    return value.word;
}

static inline void fh_mark_write(struct fh_mark *mark, struct fh_mark to) {
    __atomic_store_n((fh_mark_word *)mark, fh_mark_word_of(to), __ATOMIC_RELAXED);
}

/* After all that was written to the block. */
static inline void fh_mark_write_last(struct fh_mark *mark, struct fh_mark to) {
    __atomic_store_n((fh_mark_word *)mark, fh_mark_word_of(to), __ATOMIC_RELEASE);
}

/* The mark of the block of class c that begins at `start`; NULL when none does. Not in private heaps. */
static inline struct fh_mark *fh_mark_of(const char *start, unsigned c) {
    const struct fh_class *class = &fh_classes[c];
    size_t offset = fh_space_offset(start);
    uint32_t g = (uint32_t)(offset >> FH_GRANULE_SHIFT);
    uint32_t within = (uint32_t)(offset % FH_GRANULE), number = fh_block_number(class, within);
    struct fh_mark *marks = fh_space_marks(g);
    return marks && number * class->size == within ? marks + number : NULL;
}

/* What was asked for in a live block of `size` bytes with this mark. */
static inline size_t fh_mark_asked(const struct fh_mark *mark, size_t size) {
    return size - mark->slack - (mark->state & FH_MARK_FRONT ? FH_SMALL_FRONT : 0);
}

/* ---- a block, found (found.c) ---- */

struct fh_found {
    struct fh_mark *mark;
    char *start;  /* of the block, its front included                                    */
    size_t size;  /* of the block: a small one's class, a large one's granules           */
    size_t front; /* bytes of canaries before what was asked for                         */
    size_t asked;
    uint32_t first;          /* granule                                                  */
    unsigned c;              /* class, 0 = large                                         */
    unsigned number;         /* of a small block in its span                             */
    struct fh_heap *private; /* the program's own heap that it is in, or NULL            */
};

/* Finds the small or large block around p, whatever its state; false when p lies in none. */
bool fh_check_find(const void *p, struct fh_found *found);
/* The same, knowing the extent's first granule. */
void fh_check_find_small(const void *p, uint32_t first, unsigned c, struct fh_found *f);
void fh_check_find_large(uint32_t first, struct fh_found *f);

/* Is the address what fills freed and new blocks, read as a pointer, or a little beside it? (fault.c) */
bool fh_check_is_fill(uintptr_t address);

static inline unsigned fh_mark_state(const struct fh_mark *mark) { return mark->state & FH_MARK_STATES; }

/* What was asked for in the live block at `block`, its front included. */
size_t fh_check_asked(const void *block);

/* The end of what is looked at behind a live block: a small one's end; a large one's next page but one. */
char *fh_check_canaries_end(const struct fh_found *f);

/* Puts all canaries of a block. */
void fh_check_put_canaries(const struct fh_found *f);

/* True when the canaries of a live block are whole; else reports. Byte for byte. */
bool fh_check_look_at_canaries(const struct fh_found *f, const char *call, uintptr_t caller);

/* The first byte of a freed small block that is not as the free left it. *expected: what should be there. */
const unsigned char *fh_check_damage_after_free(const struct fh_found *f, unsigned char *expected);

/* Reports. */
void fh_check_report_damage(enum fh_misuse_kind kind, const char *call, uintptr_t caller,
                            const struct fh_found *f, const unsigned char *bad, unsigned char expected,
                            const char *detail);
void fh_check_report_no_block(const void *p, const char *call, uintptr_t caller);
/* The system is about to be given `size` bytes from `from` on: reported if that is a freed block, or one in use
 * that is not so long. Safe in a signal handler. */
void fh_check_look_at_source(const char *call, const void *from, size_t size, uintptr_t caller);
/* The same for text, whose 0 must be in the block that it begins in. */
void fh_check_look_at_text(const char *call, const char *text, uintptr_t caller);
/* Asked before "no block of the heap" is reported, when it is set: by the owners, whose blocks lie elsewhere in
 * this mode. True: it was one, and is dealt with. */
extern bool (*fh_check_elsewhere)(const void *p, const char *call, uintptr_t caller);
/* True when the free agrees with what was asked for; else reports. */
bool fh_check_same_kind(const void *p, size_t size, size_t align, unsigned call, uintptr_t caller,
                        const struct fh_found *f);
const char *fh_check_free_name(unsigned call);

static inline unsigned fh_check_log(size_t align) { return align > 16 ? (unsigned)__builtin_ctzll(align) : 0; }

/* ---- large blocks (check_large.c) ---- */

size_t fh_check_large_front(size_t align);
/* `with_tail`: it may have one. */
bool fh_check_take_large(size_t size, size_t align, bool zero, bool with_tail, struct fh_found *f);
void fh_check_give_large(struct fh_found *f, uint32_t site);
/* Resizes; NULL without memory. */
void *fh_check_resize_large(struct fh_found *f, size_t size, uint32_t site);
/* Lets all freed large blocks go; false when there were none. */
bool fh_check_drain_large(void);
/* Gives the memory back that a freed one still holds, if it has for as long as free pages may be kept. Cheap
 * when nothing is due. */
void fh_check_decay_large(void);
/* Where a freed one was allocated; 0 = not known. */
uint32_t fh_check_large_site(uint32_t first);
/* The block whose closed end is at the address; for a handler. */
bool fh_check_tail_at(uintptr_t address, struct fh_found *f);
/* The freed block, inaccessible as a whole, around the address; for a handler. */
bool fh_check_closed_at(uintptr_t address, struct fh_found *f);
/* The first byte of a freed one that somebody wrote to, of those that are looked at. */
const unsigned char *fh_check_large_damage(const struct fh_found *f);

/* A block of this family is freed as another's, at `caller`: because one of both modules has a C++ runtime of
 * its own? `allocated`: site. (foreign.c) */
bool fh_check_passes_runtimes(unsigned family, unsigned freed_as, uint32_t allocated, uintptr_t caller);

/* ---- the quarantine of small blocks (quarantine.c) ---- */

struct fh_freed {
    char *start;
    uint64_t live; /* its mark before it was freed: the upper half says where it was allocated */
};

/* The batch that is being filled; top == end: it is full, or there is none yet. */
struct fh_batch_room {
    struct fh_freed *top, *end;
};

/* For each class a batch that the thread is filling. Full ones wait in a queue: quarantine.c. */
struct fh_quarantine {
    struct fh_batch_room open[FH_CLASS_COUNT];
    struct fh_batch *filling[FH_CLASS_COUNT];
    struct fh_batch *oldest, *newest;    /* the queue                                         */
    struct fh_batch *spare, *last_spare; /* emptied ones, the oldest first                     */
    unsigned spares;
    size_t bytes; /* in the queue */
};

/* Of the class, times FH_TIMES. */
static inline struct fh_batch_room *fh_batch_room_of(struct fh_quarantine *q, size_t c_times) {
    _Static_assert(sizeof(struct fh_batch_room) == FH_TIMES, "a class's offset is at hand");
    return (struct fh_batch_room *)(void *)((char *)q->open + c_times);
}

/* Of a heap that has no quarantine yet: every batch is full. */
extern struct fh_quarantine fh_quarantine_none __attribute__((visibility("hidden")));
/* Takes a freed small block in; blocks whose time has come go back to the heap. `live`: its mark before. */
void fh_quarantine_put(struct fh_heap *heap, unsigned c, char *start, uint64_t live);
/* Lets all blocks of this heap go. False when there were none. */
bool fh_quarantine_drain(struct fh_heap *heap);
/* Where a block that waits was allocated; 0 when it waits in no quarantine. */
uint32_t fh_quarantine_site(const char *start);
/* Blocks are put into random order so many at a time: what is allocated in one go is mostly used in one go, and
 * comes into the cache line by line, which the processor foretells as long as these lie close together. */
enum { FH_TOGETHER = 16 };
/* Puts the blocks into a random order. */
void fh_shuffle(void **blocks, unsigned count);

/* ---- what alloc.c lends ---- */

void *fh_small_take(struct fh_heap *heap, unsigned c);
void fh_small_give(unsigned c, void *p);

#endif
