/* region.h - region stacks from the inside.
 *
 * Glossary
 *   region    a range of addresses used as a stack that grows upwards
 *   frame     a mark on it; struct fh_frame in <freehold/frame.h>, a local variable of the program
 *   thread    the calling thread's regions: `first`, on which frames open, and `second`, on which scratch frames
 *             alternate with it; made by the first push or turn
 *   turn      a frame that changed the region in use: scratch, frame-on, outside
 *   root      the frame at the bottom of a thread's chain, for pushes without a frame; it is never closed
 *   word      what leads to a frame: its address, + 8 when it is watched
 *   watched   the closing of this frame is to be seen
 *
 *   mapping                                                                      mapping + mapping_size
 *   | guard |  base ....... top ....... soft ........... committed ........... end  | guard |
 *   |       |  pushed       free, may be  readable and      reserved, not          |       |
 *   |       |               used at once  writable          accessible             |       |
 *
 *   base <= top <= soft <= committed <= end        all multiples of 16; committed and end of pages (but for regions in
 *                                                  the caller's memory)
 *   limit of the region in use = soft + 1, or top when each push is to be seen; then every frame that was
 *   pushed into is
 *                                watched, so that each change of top comes by here and limit can follow
 *
 * `soft` rises by doubling in the slow path, so a region costs a few slow calls in its life, and it falls again
 * when a deep moment is over (region_deep.c).
 *
 * The top of the region in use stands in the innermost frame; region->top is then stale, and so are the tops of
 * the frames around it from the moment that a turn came back to their region (FH_OUTSIDE) until it is closed.
 */
#ifndef FH_STACK_REGION_H
#define FH_STACK_REGION_H

#include <freehold/frame.h>
#include <stdbool.h>

/* How pointers past their frame are caught. */
enum fh_check {
    FH_CHECK_OFF,
    FH_CHECK_PAGES, /* each frame gets pages of its own, which are made inaccessible afterwards      */
    FH_CHECK_BYTES, /* caller's memory under AddressSanitizer or Valgrind: bytes are marked          */
};

struct fh_thread_regions;
struct fh_books; /* of checked pages; region_check.c */

struct fh_region {
    char *base, *end;
    char *top;
    char *soft, *committed;
    char *mapping; /* NULL: memory of the caller's */
    size_t mapping_size;
    const char *name;
    struct fh_thread_regions *user; /* in whose use a region of the program's own is, else NULL */
    struct fh_region *next_open;    /* further such regions of that thread's                     */
    char *top_at_open;
    unsigned opens; /* frames of that thread's that turned to it                                      */
    enum fh_check check;
    struct fh_books *books;

    /* region_deep.c */
    uint64_t deep_ended; /* ticks                                                     */
    unsigned streak;     /* deep moments that followed upon one another closely       */
    unsigned shallow;    /* pushes seen while cooling                                 */
    bool cooling;        /* memory above is kept for the next deep moment, for a while */
    bool ended;          /* a deep moment has ended and no other has begun             */

    struct fh_region *next; /* all regions with pages that are checked; region_check.c */
};
_Static_assert(sizeof(struct fh_region) <= FH_REGION_BOOKS,
               "fh_region_in keeps the books in FH_REGION_BOOKS bytes");

struct fh_thread_regions {
    struct fh_frame root;
    struct fh_region first, second;
    struct fh_region *now;  /* the region in use                                     */
    struct fh_frame *turn;  /* the innermost turn that is open                       */
    struct fh_region *open; /* regions of the program's own that this thread has open */
};

#define FH_WATCHED ((uintptr_t)8)
_Static_assert(_Alignof(struct fh_frame) > FH_WATCHED, "the bit is free in the address of a frame");
_Static_assert(offsetof(struct fh_frame, outer) == 0, "the address of the first field is the frame's");
_Static_assert(offsetof(struct fh_frame_head_, top) == offsetof(struct fh_frame, top),
               "a frame begins like this");
_Static_assert(offsetof(struct fh_frame, top_while_watched) == offsetof(struct fh_frame, top) + FH_WATCHED,
               "a word that is FH_WATCHED further on leads to the top in use then");

/* own[] of a turn; its mark is the top that it found on its region. */
enum { FH_OWN_BACK, FH_OWN_TURN, FH_OWN_KIND };
/* own[] of a watched frame on checked pages. */
enum { FH_OWN_FIRST_RUN = 3 };

enum fh_turn_kind { FH_TURN_SCRATCH, FH_TURN_ON, FH_TURN_OUTSIDE };

static inline struct fh_frame *fh_frame_of(uintptr_t word) { return (struct fh_frame *)(word & ~FH_WATCHED); }

/* Is this the end of the chain: a frame that is never closed? */
static inline bool fh_frame_is_root(const struct fh_frame *frame) { return frame->outer == 0; }

/* The top of the region in use. */
static inline char **fh_region_top(void) { return fh_top_(fh_frames.frame); }

/* The closing of the frame that the word leads to will be seen. */
static inline void fh_frame_watch(uintptr_t *word) {
    if ((*word & FH_WATCHED) || fh_frame_is_root(fh_frame_of(*word))) return;
    char *top = *fh_top_(*word);
    *word |= FH_WATCHED;
    *fh_top_(*word) = top;
}

/* The calling thread's regions, made if need be. NULL: no memory. */
struct fh_thread_regions *fh_thread_regions(void);

/* Sets the limit for the region in use. */
void fh_region_set_limit(const struct fh_region *region);

/* The word that leads to the frame to which pushes belong now: fh_frames.frame, unless pushes go outside. */
uintptr_t *fh_frame_owner(const struct fh_thread_regions *thread);

/* region_deep.c: memory goes back to the system after a deep moment. */
#define FH_REGION_KEEP ((size_t)1 << 20) /* of a region, this much is never given back while its thread lives */
void fh_deep_push(struct fh_region *region, uintptr_t *owner);
void fh_deep_cool(struct fh_region *region, const char *top, uintptr_t *owner);
void fh_deep_close(struct fh_region *region, char *top);
void fh_deep_trim(struct fh_region *region, char *top, size_t keep);

/* region_check.c: pushes and closings that are seen. */
enum fh_check fh_check_wanted(bool own_pages);
bool fh_check_begin(struct fh_region *region);
void fh_check_end(struct fh_region *region);
void *fh_check_push(struct fh_region *region, size_t size, size_t align, uintptr_t *owner);
void fh_check_close(struct fh_region *region, struct fh_frame *frame, char *mark, char *old_top);
uint64_t fh_check_moment(void);
void fh_check_unwind(struct fh_region *region, uint64_t moment, char *from, char *to);
size_t fh_check_used(const struct fh_region *region);

#endif
