/* program.h - one thread of a program that uses everything, made of bytes, beside a model of all that it holds.
 *
 * A stream is a sequence of steps of STEP_BYTES bytes, as in tests/heap/model.h. A step's second byte chooses a
 * part:
 *
 *     malloc family   tests/heap/model.c: overlap, alignment, contents, zeros, usable sizes, exchange between threads
 *     heaps           heaps.c: the program's own heaps; counts, limits, whose a block is, the walk
 *     frames          frames.c: pushes onto regions; overlap, alignment, contents until the frame is closed
 *     owners          owners.c: Vec, Str, Map, Rc and Box against plain arrays
 *     ... and more    with an even number in the upper half of the second byte one of
 *                       texts.c     Str and views: all that can be asked and done
 *                       vectors.c   Vecs of owners: what is handed over, what is dropped, in which order
 *                       maps.c      Maps of owners, likewise
 *                       rcs.c       Rc and Weak: counts, the drop, upgrades after it
 *                       arcs.c      Arc and ArcWeak, likewise, between threads
 *                       arenas.c    arenas of all kinds: overlap, contents, drops newest first
 *                       trees.c     Boxes in Vecs in Boxes, tagged unions, cells, options
 *                       calls.c     further stacks, marks, regions; or the setting `limit`
 *
 * Every stream is a valid program. With `may_fail` any request may be refused, and must then change nothing: so
 * the same programs run while system calls fail (tests/trust/test_injected.c). A program belongs to the thread
 * that began it.
 */
#ifndef TEST_FUZZ_PROGRAM_H
#define TEST_FUZZ_PROGRAM_H

#include "../heap/model.h"

#include <freehold/frame.h>
#include <freehold/heaps.h>

enum {
    OWN_HEAPS = 2,
    OWN_SLOTS = 48,
    OPEN_FRAMES = 12,
    PUSHES = 256,
    NUMBERS = 600,
    LETTERS = 3000,
    KEYS = 96,
    SHARES = 8
};

/* A step in the parts that are not the malloc family's: its numbers. */
struct step {
    unsigned what, slot;
    size_t size, align;
    uint32_t value;
};

struct heaps_model {
    struct own_heap {
        struct fh_heap *heap;
        size_t limit;
        struct block slots[OWN_SLOTS];
    } heaps[OWN_HEAPS];
    uint64_t next_tag;
    bool may_fail;
};

struct frames_model {
    struct fh_frame frames[OPEN_FRAMES];
    enum frame_kind { FRAME_PLAIN, FRAME_SCRATCH, FRAME_ON } kinds[OPEN_FRAMES];
    unsigned depth;
    struct push {
        char *p;
        size_t size;
        uint64_t tag;
        unsigned frame; /* index of the frame that it belongs to */
    } pushes[PUSHES];
    unsigned count;
    uint64_t next_tag;
    struct fh_region *region;
    bool may_fail;
};

struct owners; /* owners.c */

/* One of the other parts: begin gives the model of a thread, which the others take. */
struct part {
    void *(*begin)(unsigned number, bool alone);
    void (*step)(void *model, const struct step *s, bool may_fail);
    void (*verify)(void *model);
    void (*end)(void *model);
};
extern const struct part texts, vectors, maps, rcs, arcs, arenas, trees, calls;
enum { PARTS = 8 };

/* What all threads see of Rcs and Arcs: all was dropped once; it begins anew. */
void rcs_over(void);
void arcs_over(void);

struct program {
    struct model blocks;
    struct heaps_model heaps;
    struct frames_model frames;
    struct owners *owners;
    void *parts[PARTS];
    bool alone;
    bool may_fail;  /* the system may refuse                                            */
    bool may_limit; /* steps may set the limit of the heap: nobody else uses it         */
    bool limited;   /* they have                                                        */
};

/* Large: keep it in static memory. `number` is one for each thread, from 0 (at most 4). */
void program_begin(struct program *p, unsigned number, struct mailbox *mailboxes);
void program_run(struct program *p, const unsigned char *bytes, size_t size);
void program_run_seed(struct program *p, uint64_t seed, unsigned steps);
/* From here on requests may be refused, or not any more. */
void program_may_fail(struct program *p, bool may);
/* Verifies all that it holds, and that it can go on. */
void program_verify(struct program *p);
void program_end(struct program *p);
/* After the ends of programs of several threads. */
void programs_over(void);

void heaps_step(struct heaps_model *m, const struct step *s);
void heaps_verify(struct heaps_model *m);
void heaps_end(struct heaps_model *m);

void frames_step(struct frames_model *m, const struct step *s);
void frames_verify(const struct frames_model *m);
void frames_end(struct frames_model *m);

struct owners *owners_begin(unsigned number);
void owners_step(struct owners *m, const struct step *s, bool may_fail);
void owners_verify(struct owners *m);
void owners_end(struct owners *m);

/* A refusal that the state allows: NULL comes with ENOMEM. */
void refused(bool may, const char *what, size_t size);

#endif
