/* model.h - a model of the heap, driven beside the real one by a stream of bytes.
 *
 * A stream is a sequence of steps of STEP_BYTES bytes: what to do, to which slot, with which size and
 * alignment. Every stream is a valid program: a step that makes no sense in the present state does something
 * near it or nothing. So a random generator, a fuzzer and a shrinker can all drive the same model.
 *
 * For each live block the model keeps what was asked for and a tag, and after each call it checks
 *   - NULL exactly when the request cannot be met, with errno ENOMEM (or when `may_fail` is set: then any
 *     request may fail, but must leave everything as it was),
 *   - alignment, usable size >= size, and that [p, p + usable) overlaps no other live block,
 *   - zeros from calloc, the old contents after realloc, the tag's pattern over the whole usable size before a
 *     free,
 *   - on the fh_ names: that fh_stats_now counts exactly the blocks of the model as live (model_check_stats).
 *
 * Several models may run in several threads. They exchange blocks through mailboxes: a block posted there with
 * its tag is taken, verified and freed by another thread.
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include "support.h"

#define STEP_BYTES 8
#define SLOT_COUNT 1024
#define MAILBOX_COUNT 64

enum block_kind { BLOCK_NONE, BLOCK_PLAIN, BLOCK_ALIGNED, BLOCK_MEMALIGN, BLOCK_TYPED };

struct block {
    char *p; /* NULL: the slot is empty */
    size_t size, align, usable;
    uint64_t tag;
    enum block_kind kind;
    unsigned type; /* BLOCK_TYPED: which */
};

struct interval {
    uintptr_t begin, end;
};

struct mailbox {
    _Atomic int busy;
    struct block block;
};

struct model {
    struct block slots[SLOT_COUNT];
    struct interval live[SLOT_COUNT]; /* sorted by begin, live_count of them */
    size_t live_count;
    size_t asked, asked_limit;
    uint64_t next_tag;
    struct mailbox *mailboxes; /* MAILBOX_COUNT, or NULL: alone */
    bool may_fail;
    bool trace;      /* say each step on stderr before it is done */
    size_t baseline; /* fh_stats' live before the first step */
    uint64_t steps, failed_calls;
};

/* Models are large: keep them in static memory or map them. tag_base keeps the tags of several models apart. */
void model_begin(struct model *m, uint64_t tag_base, struct mailbox *mailboxes);
void model_step(struct model *m, const unsigned char step[STEP_BYTES]);
void model_run(struct model *m, const unsigned char *bytes, size_t size);
/* The same from a seed, without keeping the stream. */
void model_run_seed(struct model *m, uint64_t seed, uint64_t steps);
/* Makes the i-th step of a seed's stream. Streams have phases of growth, of churn and of shrinking. */
void model_make_step(unsigned char step[STEP_BYTES], struct rng *rng, uint64_t i);
/* Verifies every block that the model owns. */
void model_verify(struct model *m);
/* Verifies and frees all blocks. */
void model_end(struct model *m);
void mailboxes_empty(struct mailbox *mailboxes);
/* Says the step in words, for a replay. */
void model_describe(char *buf, size_t size, const unsigned char step[STEP_BYTES]);
/* Only on the fh_ names, and only when nothing else in the process allocates meanwhile: exact; any other time
 * use exact = false, which checks the identities alone. */
void model_check_stats(struct model *m, bool exact);

#endif
