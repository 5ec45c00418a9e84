/* rc.c - the rare paths of Rc and Arc: counts that overflow, the last owner while Weaks are about, and the
 * checked mode, in which every Rc has the sign bit of its strong count set and so comes here each time. */
#include <freehold/arc.h>
#include <freehold/rc.h>

#include "own/checked.h"

/* In the word: the sign bit of the strong count. */
#define WATCHED ((uint64_t)0x80000000)

uint64_t fh_rc_one_slow(void *value, const char *what) {
    (void)value, (void)what;
    return fh_checked_on() ? FH_RC_ONE | WATCHED : FH_RC_ONE;
}

#define RC "an Rc"
#define DROPPED_HERE fh_where_dropped((uintptr_t)__builtin_return_address(0))

/* The block is found by any address in it. */
static bool watched(const void *value) { return (*fh_counts(value) & WATCHED) != 0; }

void fh_note_unwatched(const void *value, bool dropped) {
    if (fh_checked_on()) fh_checked_rc_touch(value, RC, dropped ? DROPPED_HERE : FH_HERE);
}

void fh_rc_more_slow(void *value) {
    uint64_t *word = fh_counts(value);
    uint32_t strong = (uint32_t)*word & INT32_MAX;
    if (watched(value)) fh_checked_rc_touch(value, RC, FH_HERE);
    if (strong == 0) fh_checked_no_count(value, FH_HERE);
    if (strong == 0) fh_own_stop("an Rc whose value is gone has been cloned");
    if (strong == INT32_MAX) fh_own_stop("an Rc has too many owners (2^31)");
    ++*word;
}

void fh_rc_weak_slow(const void *value, size_t size, size_t head) {
    (void)size, (void)head;
    fh_checked_rc_touch(value, RC, FH_HERE); /* it is watched, else it would not come here */
}

/* A drop has a place only in drop() and set(), and none at the end of a scope. */
static _Noreturn void stop_at_drop(const char *what) {
    fh_here = fh_dropping;
    fh_own_stop("%s", what);
}

void fh_rc_drop_slow(void *value, void (*run_value)(void *, size_t, size_t), size_t size, size_t head) {
    (void)size, (void)head;
    uint64_t *word = fh_counts(value);
    if (watched(value)) fh_checked_rc_touch(value, RC, DROPPED_HERE);
    if (((uint32_t)*word & INT32_MAX) == 0) {
        fh_checked_no_count(value, DROPPED_HERE);
        stop_at_drop("an Rc has been dropped more often than it was cloned");
    }
    --*word;
    if (((uint32_t)*word & INT32_MAX) != 0) return;
    /* The weak count still holds one for all owners, so a Weak to itself that the value drops cannot free the
     * block. */
    fh_drop_guarded(run_value, value, 0, 0);
}

void fh_arc_overflow(const void *value) {
    if (fh_checked_on()) fh_checked_rc_touch(value, "an Arc", FH_HERE);
    stop_at_drop("an Arc has been dropped more often than it was cloned, or has too many owners (2^31)");
}
