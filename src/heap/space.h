/* space.h - the heap's address space, and what is known about each piece of it.
 *
 * The heap lives in one window of addresses, chosen at start and mapped from its low end upwards, a stretch at
 * a time, as the heap grows. The window is cut into granules of 64 KiB. Beside it, and never within reach of a
 * block that overflows, stand tables with one entry a granule:
 *
 *     window    | 0 (never used) | 1 | 2 | 3 | ...          granule g stands at base + g * 64 KiB
 *     classes   1 byte           the size class of the blocks in granule g, 0 for "ask the head"
 *     heads     64 bytes         what granule g is: see below
 *     bits      512 bytes        in a span: bit i set = block i is free in the span
 *     remotes   576 bytes        in a span: bit i set = block i was freed by a thread that does not own the span
 *     pages     1 byte           what is known of the pages at granule g: enum fh_pages
 *     slacks    8 KiB            in a span, when calls are counted: bytes of block i that were not asked for
 *     marked    16 bytes         in a span, in checked mode: where its marks stand, what is known of block i
 *
 * All but classes are mapped in step with the window, so that what is not used costs nothing, in address space
 * neither. A table look-up from an address is a subtraction, a shift and an index; an address outside the
 * window is told by one comparison.
 *
 * The idea of a table from page to size class is Sanjay Ghemawat's (tcmalloc's page map); the flat window of
 * one reservation is rpmalloc's and snmalloc's. Here nothing is reserved: programs that limit their own address
 * space keep working.
 */
#ifndef FH_HEAP_SPACE_H
#define FH_HEAP_SPACE_H

#include <freehold/heap.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FH_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define FH_GRANULE_SHIFT 16
#define FH_GRANULE ((size_t)1 << FH_GRANULE_SHIFT)
/* A huge page: 2 MiB. */
enum { FH_HUGE_GRANULES = 32 };
/* A heap that holds less than four of them, 8 MiB, gets none. */
enum { FH_SMALL_HEAP = 4 * FH_HUGE_GRANULES };
#define FH_HUGE_PAGE (FH_HUGE_GRANULES * FH_GRANULE)
#define FH_WORDS 64 /* words in a bitmap: 64 * 64 bits = 64 KiB / 16 bytes, the most blocks in a span */

struct fh_heap;

/* What checked mode knows of a block. See check.h; zero = never handed out since its span began. One word. */
struct fh_mark {
    _Alignas(8) uint16_t slack; /* bytes behind what was asked for, up to the block's end: canaries. Of a large
                                 * block: bytes of its front */
    uint8_t state; /* enum fh_mark_state, and flags                                               */
    uint8_t kind;  /* enum fh_kind_of_call in bits 0-1; above, the power of two of its alignment  */
    uint32_t site; /* where it was allocated (LIVE) or freed (FREED): sites.h                     */
};

/* The marks of the span that begins in a granule, and what its blocks are like if they are plain: check.h. */
struct fh_marked {
    struct fh_mark *marks; /* NULL if no span ever began here                                */
    uint32_t in_granule;   /* 2^32 / size + 1; 0: no plain blocks are here                   */
    uint16_t size;         /* of a block                                                     */
    uint16_t class_times;  /* its class, times FH_TIMES                                      */
};
enum { FH_TIMES = 16 }; /* bytes of an entry in the tables that are asked with it */

/* What a granule is. An extent is a run of granules that is one thing: a span, a large block, or free. Its
 * first granule carries its kind; a free extent's last granule carries the kind too, so that a neighbour finds
 * it. */
enum fh_kind {
    FH_INSIDE,     /* inside or at the end of a longer extent, or never used                       */
    FH_SPAN,       /* a span: a single granule, of blocks of one class                               */
    FH_LARGE,      /* first granule of a large block                                                */
    FH_FREE_DIRTY, /* first or last of a free extent whose pages may be held                        */
    FH_FREE_CLEAN, /* first or last of a free extent whose pages are not held and read as zero      */
    FH_PURGING,    /* first of a free extent whose pages are being given back right now             */
    FH_FOREIGN,    /* first of a stretch that is not ours: something else was mapped in our way     */
};

/* The head of a granule. Which fields mean something follows from the kind. "Link" = granule number, 0 = none.
 * */
struct fh_head {
    _Atomic(struct fh_heap *) owner; /* SPAN: the heap whose lock guards it; else NULL                */
    uint8_t kind;                    /* enum fh_kind                                                  */
    uint8_t class;                   /* SPAN                                                          */
    uint8_t bucket;                  /* SPAN: which of its heap's lists it is in: heap.h            */
    uint32_t granules;               /* first granule: length of the extent                           */
    uint32_t next, prev;             /* SPAN, private LARGE: links in its list. FREE_DIRTY: by age    */
    union {
        struct {              /* SPAN */
            uint64_t summary; /* bit w set = word w of the bitmap is not zero                          */
            uint16_t free;    /* bits set in the bitmap; 0 <= free <= usable                           */
            uint16_t blocks;  /* blocks in the span                                                    */
            uint16_t usable;  /* of these, the last ones, that are ever handed out: span.c             */
            bool rests;       /* all free, and kept as it is for a while: checked mode, span.c         */
        };
        struct {                  /* FREE_*; in the last granule only `first` */
            uint32_t left, right; /* links in the tree by size                                         */
            uint32_t first;       /* last granule: link to the first                                   */
            uint64_t tick;        /* FREE_DIRTY: when it became free                                   */
        };
        struct {               /* LARGE */
            size_t asked;      /* bytes asked for                                                         */
            uint32_t new_from; /* from calloc: its pages from this granule on were new, zero.c; else
                                  UINT32_MAX                                                          */
        };
    };
    struct fh_heap
        *private; /* SPAN, LARGE: the program's own heap that it belongs to (then owner is NULL), or NULL */
    struct fh_mark mark; /* LARGE, in checked mode */
};
_Static_assert(sizeof(struct fh_head) == 64, "a head is one cache line");

/* What is known of the pages at a granule: flags. */
enum fh_pages {
    FH_HUGE = 1,   /* a huge page begins here: it was asked for (extent.c)                         */
    FH_BORDER = 2, /* a memory map may begin here: pages were moved (move.c)                       */
    FH_SMALL = 4,  /* none begins here: it was refused (extent.c)                                  */
};

/* Frees by threads that do not own the span. On lines of their own, touched only when that happens. */
struct fh_remote {
    _Atomic uint64_t summary; /* bit w set = word w below may be non-zero                              */
    _Atomic uint32_t next;    /* link in the owner's list of touched spans                             */
    _Atomic uint32_t queued;  /* 1 = in such a list, or about to be                                    */
    uint64_t unused[6];
    _Atomic uint64_t bits[FH_WORDS];
};

struct fh_space {
    _Alignas(64) uintptr_t
        base; /* address of granule 0; 1 until the heap has begun, so that NULL is outside. Aligned: the
                                   * struct has cache lines of its own, since every free of every thread reads
                                   * it */
    size_t quick_size;     /* as `size`, for frees that go into bins; 0 where each call must be seen   */
    size_t delete_size;    /* likewise for forms of operator delete that are made of others: 0 where
                            * the program brings one of those (malloc/cxx.c)                     */
    size_t array_most;     /* and for new[], the largest size that bins serve                    */
    size_t size;           /* bytes in the window                                               */
    uint8_t *classes;      /* size / FH_GRANULE entries, all mapped at start                    */
    struct fh_head *heads; /* this and the tables below: `mapped` entries                       */
    uint64_t (*bits)[FH_WORDS];
    struct fh_remote *remotes;
    uint8_t *pages;
    uint16_t (*slacks)[FH_WORDS * 64]; /* NULL unless calls are counted                                */
    struct fh_marked *marked;          /* NULL unless in checked mode                             */
    _Atomic uint32_t mapped;           /* granules that exist so far; written under the extents' lock       */
    bool reserved;                     /* the whole window is ours already and only wants committing        */
};
extern struct fh_space fh_space __attribute__((visibility("hidden")));

/* Does the program bring an operator new, or delete, that other forms are made of? (malloc/cxx.c, which is not
 * there in a C program that is linked with the static library) */
bool fh_new_is_replaced(void) __attribute__((weak, visibility("hidden")));
bool fh_delete_is_replaced(void) __attribute__((weak, visibility("hidden")));

/* Chooses the window and maps the class table. `with_slacks`: calls are counted; `with_marks`: checked mode.
 * False when refused. */
bool fh_space_begin(bool with_slacks, bool with_marks);

/* Granules that are mapped at a time where nothing speaks against it. */
enum { FH_USUAL_STRETCH = (64 << 20) >> FH_GRANULE_SHIFT };

/* Maps further granules, at least `least`, more where that is cheap. `sparse`: most of it will not be used, so
 * the system should not count it as promised (it refuses, a fork of the process for one, what is more than
 * there can be). *first is the first new granule; returns their number, 0 when the system refuses or the window
 * is full. The new granules follow the old ones without a gap where *first was the old `mapped`; something
 * foreign in the way makes a gap. Caller holds the extents' lock. */
uint32_t fh_space_extend(uint32_t least, bool sparse, uint32_t *first);

/* Was a huge page asked for in which any of these granules lies? */
bool fh_space_has_huge(uint32_t first, uint32_t granules);

/* Bytes that the tables hold of the system's memory: an upper bound from what has been mapped and used. */
size_t fh_space_table_bytes(void);

static inline char *fh_granule_address(uint32_t granule) {
    return (char *)(fh_space.base + ((uintptr_t)granule << FH_GRANULE_SHIFT));
}

/* Reads a word that another thread may be writing. One load in any case; said as an atomic one only where a
 * race detector listens, because GCC never folds an atomic load into the instruction that uses it. */
#ifdef FH_SANITIZED
#define FH_READ(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define FH_WRITE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)
#else
#define FH_READ(word) (word)
#define FH_WRITE(word, value) ((word) = (value))
#endif

/* The offset of an address in the window; not less than fh_space.size when it lies outside. */
static inline size_t fh_space_offset(const void *p) { return (uintptr_t)p - FH_READ(fh_space.base); }

/* Does the offset lie in the window? Another thread may just be beginning the heap, so that base and size are
 * old or new, each by itself. Whoever frees a block got it from the heap, which had begun then; and NULL is
 * outside of every mixture. */
static inline bool fh_space_has(size_t offset) { return offset < FH_READ(fh_space.size); }

/* The marks of the span that begins at granule g, in checked mode: NULL if none ever began there. They last as
 * long as the span; who asks for those of one that has ended reads what is of no use, as they serve another. */
static inline struct fh_mark *fh_space_marks(uint32_t g) { return FH_READ(fh_space.marked[g].marks); }

#endif
