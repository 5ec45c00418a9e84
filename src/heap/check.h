/* check.h - checked mode: each call is seen, and misuse is reported. See check.c for how.
 *
 * Terms:
 *   mark        eight bytes out of line for each small block: its state, what was asked for, where it was allocated
 *   canary      a byte that belongs to nobody, between what was asked for and the next block
 *   front       16 bytes of canaries before a block above 1 KiB, a page before a large one
 *   fill        what a freed block is filled with
 *   quarantine  where a freed block waits before it can be handed out again
 *
 *     small block    | front (> 1 KiB only) | what was asked for | slack: canaries, at least one byte |
 *     mark           state  NONE -> LIVE -> FREED -> LIVE ...    BUSY while a thread is at it
 */
#ifndef FH_HEAP_CHECK_H
#define FH_HEAP_CHECK_H

#include "heap.h"

/* What asked for a block: its free must match. */
enum fh_call_kind {
    FH_KIND_MALLOC,
    FH_KIND_NEW,
    FH_KIND_NEW_ARRAY,
    FH_KIND_MASK = 3,
    FH_CALL_ZERO = 4,     /* the block shall read as zero                                       */
    FH_CALL_SIZED = 8,    /* a free that says the size                                          */
    FH_CALL_ALIGNED = 16, /* a call that names an alignment, which the free must name too      */
    FH_CALL_TYPED = 32    /* fh_delete: fast mode trusts it with the class, so it looks         */
};

enum fh_mark_state {
    FH_MARK_NONE,
    FH_MARK_LIVE,
    FH_MARK_FREED,
    FH_MARK_BUSY,
    FH_MARK_STATES = 3,
    FH_MARK_FRONT = 128
};

/* Once, when the heap begins in a mode that checks. */
void fh_checks_begin(void);

/* The calls. `call`: enum fh_call_kind and flags; `caller`: the return address in the program. */
void *fh_check_alloc(struct fh_heap *heap, size_t size, size_t align, unsigned call, uintptr_t caller);
void fh_check_free(void *p, size_t size, size_t align, unsigned call, uintptr_t caller);
void *fh_check_resize(void *p, size_t size, uintptr_t caller);
size_t fh_check_usable(const void *p, uintptr_t caller);

/* What operator new and delete call past the bins, in every mode. `kind`: of the call, with FH_CALL_SIZED.
 * (alloc.c) */
void *fh_new_slow(size_t size, size_t align, unsigned kind);
void fh_delete_slow(void *p, size_t size, size_t align, unsigned kind);

/* A span begins at granule g: nothing is known of its blocks. */
void fh_check_new_span(uint32_t g, unsigned blocks);

/* Looks at every canary and every freed block; reports the first that is damaged. Returns how many were. */
size_t fh_check_sweep(void);

/* ---- a block, found (check.c) ---- */

struct fh_found {
    struct fh_mark *mark;
    char *start;  /* of the block, its front included                                    */
    size_t size;  /* of the block: a small one's class, a large one's granules           */
    size_t front; /* bytes of canaries before what was asked for                         */
    size_t asked;
    uint32_t first; /* granule                                                           */
    unsigned c;     /* class, 0 = large                                                  */
    unsigned number;
};

/* Finds the small or large block around p, whatever its state; false when p lies in none. */
bool fh_check_find(const void *p, struct fh_found *found);

/* ---- the quarantine (quarantine.c) ---- */

enum { FH_LARGE_PURGED = 1 }; /* in the mark's slack of a freed large block: it holds no memory */

/* Takes a freed small block in; blocks whose time has come go back to the heap. */
void fh_quarantine_put(struct fh_heap *heap, unsigned c, char *start, uint32_t allocated);
/* Takes a freed large block in, whose pages are not accessible any more. */
void fh_quarantine_put_large(uint32_t first, uint32_t allocated);
/* Lets all blocks of this heap and all large ones go. False when there were none. */
bool fh_quarantine_drain(struct fh_heap *heap);
/* Where a block that waits was allocated; 0 when it waits in no quarantine that this thread can see. */
uint32_t fh_quarantine_site(struct fh_heap *heap, const char *start);

/* ---- what alloc.c lends ---- */

void *fh_small_take(struct fh_heap *heap, unsigned c);
void fh_small_give(unsigned c, void *p);

#endif
