/* sweep.c - checked mode: a look over all blocks at once, when the process ends in order, and when a heap of
 * the program's own is cleared. So damage to blocks that are never freed, or never used again, is seen too.
 */
#include "../base/settings.h"
#include "../os/os_own.h"
#include "canary.h"
#include "check.h"
#include "guard.h"

#include <string.h>

static const char *occasion = "the sweep"; /* as reports name it */

/* The first damaged byte of the block, NULL when it is whole. */
static const unsigned char *damage_of(const struct fh_found *f, enum fh_misuse_kind *kind,
                                      unsigned char *expected) {
    unsigned state = fh_mark_state(f->mark);
    const char *end = f->start + f->front + f->asked;
    size_t front = f->front < FH_LARGE_FRONT ? f->front : FH_LARGE_FRONT;
    *expected = fh_canary;
    *kind = FH_WRITE_AFTER_FREE;
    if (state == FH_MARK_FREED && f->c) return fh_check_damage_after_free(f, expected);
    if (state == FH_MARK_FREED) return fh_check_large_damage(f);
    if (state != FH_MARK_LIVE) return NULL;
    *kind = FH_OVERFLOW;
    const unsigned char *bad = fh_first_other(end, (size_t)(fh_check_canaries_end(f) - end), fh_canary);
    if (bad) return bad;
    *kind = FH_UNDERFLOW;
    return fh_first_other(f->start + f->front - front, front, fh_canary);
}

/* A block that changes hands meanwhile is left alone: its mark is not the same. */
static void sweep_block(const struct fh_found *f, uintptr_t caller) {
    struct fh_mark before = fh_mark_read(f->mark);
    enum fh_misuse_kind kind;
    unsigned char expected;
    const unsigned char *bad = damage_of(f, &kind, &expected);
    if (bad == NULL) return;
    /* An atomic read-modify-write of what is compared, as a fence that ThreadSanitizer understands too. */
    __atomic_fetch_or(&f->mark->state, 0, __ATOMIC_ACQ_REL);
    if (memcmp(&before, f->mark, sizeof before) != 0) return;
    fh_check_report_damage(kind, occasion, caller, f, bad, expected, NULL);
}

/* Of a freed one: the usual, quickly. */
static bool is_whole(const char *start, size_t size) {
    return fh_freed_fill == fh_canary && fh_first_other(start, size, fh_canary) == NULL;
}

static void sweep_granule(uint32_t g, uintptr_t caller) {
    const struct fh_head *head = &fh_space.heads[g];
    struct fh_found f;
    if (head->kind == FH_LARGE) {
        fh_check_find_large(g, &f);
        sweep_block(&f, caller);
        return;
    }
    const char *start = fh_granule_address(g);
    size_t size = fh_classes[head->class].size;
    for (unsigned i = 0; head->kind == FH_SPAN && i < head->blocks; i++, start += size) {
        unsigned state = fh_mark_state(fh_space_marks(g) + i);
        if (state != FH_MARK_LIVE && state != FH_MARK_FREED) continue;
        if (state == FH_MARK_FREED && is_whole(start, size)) continue;
        fh_check_find_small(start, g, head->class, &f);
        sweep_block(&f, caller);
    }
}

/* Those of one private heap, or all. */
static void sweep_granules(const struct fh_heap *private, uintptr_t caller) {
    for (uint32_t g = 1; g < fh_space.mapped;) {
        const struct fh_head *head = &fh_space.heads[g];
        if ((head->kind == FH_SPAN || head->kind == FH_LARGE) && (private == NULL || head->private == private))
            sweep_granule(g, caller);
        g += head->kind != FH_INSIDE && head->granules ? head->granules : 1;
    }
}

static void sweep(uintptr_t caller) {
    fh_guard_sweep(occasion, caller);
    sweep_granules(NULL, caller);
}

void fh_check_sweep_private(const struct fh_heap *private, uintptr_t caller) {
    if (fh_space.marked) sweep_granules(private, caller);
}

static bool thread_lost;

void fh_check_lose_thread(struct fh_heap *heap) {
    heap->quarantine = &fh_quarantine_none; /* what it held stays unused in this process */
    thread_lost = true;
}

static void count_threads(struct fh_heap *heap, void *count) {
    if (heap->bins) ++*(unsigned *)count;
}

static void sweep_at_exit(void);

/* quick_exit runs no destructors. (Before main: registering may allocate.) */
FH_AT_START __attribute__((constructor)) static void hook_quick_exit(void) {
    fh_settings_init();
    if (fh_settings.sweep && fh_mode_checks()) fh_os_at_quick_exit(sweep_at_exit);
}

/* Late, so that what the program does at its exit is seen too. Not while other threads are at work: what they
 * free might vanish under the sweep. */
FH_AT_START __attribute__((destructor(101))) static void sweep_at_exit(void) {
    unsigned threads = 0;
    if (!fh_settings.sweep || fh_space.marked == NULL || thread_lost) return;
    fh_heap_each(count_threads, &threads);
    occasion = "the check at exit";
    if (threads <= 1) sweep((uintptr_t)__builtin_return_address(0));
}

void fh_check_sweep_at_once(void) {
    if (fh_locks_held == 0) sweep_at_exit();
}
