/* heap.c - heaps and threads: beginning, adopting, parking, forking.
 *
 * The process begins its heap at the first call that misses: before that all tables are zero, so that every
 * call misses. A thread gets a heap at its first miss: a parked one if there is any, since that has spans with
 * free blocks, else a new one. Heaps are never destroyed; there are never more of them than threads lived at
 * once.
 *
 *     (none) --first miss--> new ----.
 *                                    v
 *                      parked --adopt--> in use --thread ends--> parked
 *
 * When a thread ends its bins are flushed and its heap is parked whole, with what is still in use by others.
 * Frees into it go on as remote frees. Nobody collects those for it, unless: a thread adopts it; a thread that
 * wants a new span looks at one parked heap, one that had free blocks of that class if there is such (so that
 * what many threads have left, each in sizes of its own, serves those that are still there, or the child of a
 * fork), else at each in turn; collects, and takes a span from it; or a freeing thread helps (span.c).
 *
 * A thread may still allocate after its heap was parked, in destructors that run later than ours. Such late
 * calls go, one block at a time, to a heap that they all share.
 *
 * Fork. All locks are taken before and given back after, so that the child finds every heap at rest. The other
 * threads do not exist in the child: it flushes their bins, which are still readable, and parks their heaps.
 */
#include "heap.h"

#include "../base/report.h"
#include "../base/settings.h"
#include "check.h"
#include "counters.h"
#include "depot.h"
#include "extent.h"
#include "guard.h"
#include "meta.h"
#include "purger.h"

#include <string.h>

__thread struct fh_bin fh_bins[FH_CLASS_COUNT] __attribute__((tls_model("initial-exec"))) = {
    [0 ... FH_CLASS_COUNT - 1] = {fh_closed.slot, fh_closed.slot},
};

__thread struct fh_heap *fh_heap_of_thread;
static __thread bool ended __attribute__((tls_model("initial-exec"))); /* this thread's heap has been parked */

bool fh_seen;
static struct fh_counters own_counters = {.magic = FH_COUNTERS_MAGIC};
struct fh_counters *fh_counters = &own_counters;

static struct fh_lock begin_lock, list_lock, parked_lock;
static _Atomic bool begun;
static struct fh_heap *all_heaps;
static struct fh_heap *parked_first, *parked_last; /* taken in front */
static _Atomic unsigned parked_count;
static struct fh_heap late_heap; /* static, so that it cannot be missing */
__thread struct fh_heap *fh_heap_quick = &late_heap;

static void before_fork(void);
static void after_fork_in_parent(void);
static void after_fork_in_child(void);
static void at_thread_exit(void *unused);
static void hook_fork(void);

/* ---- beginning ---- */

static void stop_handler(void) {
    fh_fatal("a signal handler called the heap while its own thread was at work in the heap: it would wait for "
             "ever (malloc and free are not for handlers)");
}

static void close_hidden(struct fh_heap *heap) {
    for (unsigned c = 0; c < FH_CLASS_COUNT; c++) fh_bin_close(&heap->hidden[c]);
    heap->quarantine = &fh_quarantine_none;
}

/* What can be refused comes first: as long as the space has no size every request is refused, too. */
static bool begin(void) {
    static bool hooked;
    if (!hooked && !(hooked = fh_os_at_thread_exit(at_thread_exit))) return false;
    fh_settings_init();
    fh_lock_is_own = stop_handler;
    fh_seen = fh_settings.count || fh_mode_checks();
    fh_on_start(); /* before anything is counted */
    if (!fh_space_begin(fh_seen, fh_mode_checks())) return false;
    if (fh_seen) close_hidden(&late_heap);
    if (fh_mode_checks()) fh_checks_begin();
    all_heaps = &late_heap;
    fh_extent_begin();
    fh_class_begin();
    fh_depot_begin(fh_os_processors());
    return true;
}

static bool begin_once(void) {
    if (atomic_load_explicit(&begun, memory_order_acquire)) return true;
    fh_lock(&begin_lock);
    bool done = atomic_load_explicit(&begun, memory_order_relaxed), first = !done;
    if (first) done = begin();
    if (done) atomic_store_explicit(&begun, true, memory_order_release);
    fh_unlock(&begin_lock);
    if (first && done) hook_fork();
    return done;
}

/* When the library is loaded: before that there may be allocations, hardly threads. At the first allocation
 * too, should it be the earlier one after all. Registering may allocate, so no lock is held. */
FH_AT_START __attribute__((constructor)) static void hook_fork(void) {
    static _Atomic bool hooked;
    if (atomic_exchange(&hooked, true)) return;
    fh_on_fork_hooks(); /* before ours: in the child what is registered first runs first */
    fh_os_at_fork(before_fork, after_fork_in_parent, after_fork_in_child);
    fh_settings_init();
    fh_purger_begin();
}

/* ---- parked heaps ---- */

/* The heap of a thread that ended goes in front: the next thread finds it warm, and few heaps serve many short
 * threads. */
static void park(struct fh_heap *heap) {
    fh_lock(&parked_lock);
    heap->parked = true;
    heap->next_parked = parked_first;
    parked_first = heap;
    if (parked_last == NULL) parked_last = heap;
    atomic_fetch_add_explicit(&parked_count, 1, memory_order_relaxed);
    fh_unlock(&parked_lock);
}

/* A heap that was only looked at goes behind: so each gets its turn. */
static void park_behind(struct fh_heap *heap) {
    fh_lock(&parked_lock);
    heap->parked = true;
    heap->next_parked = NULL;
    *(parked_last ? &parked_last->next_parked : &parked_first) = heap;
    parked_last = heap;
    atomic_fetch_add_explicit(&parked_count, 1, memory_order_relaxed);
    fh_unlock(&parked_lock);
}

/* The one behind `before` leaves the list; NULL: the first. Lock held. */
static struct fh_heap *unpark(struct fh_heap *before) {
    struct fh_heap **link = before ? &before->next_parked : &parked_first, *heap = *link;
    if (heap == NULL) return NULL;
    *link = heap->next_parked;
    if (*link == NULL) parked_last = before;
    heap->parked = false;
    atomic_fetch_sub_explicit(&parked_count, 1, memory_order_relaxed);
    return heap;
}

static struct fh_heap *take_parked(void) {
    if (atomic_load_explicit(&parked_count, memory_order_relaxed) == 0) return NULL;
    fh_lock(&parked_lock);
    struct fh_heap *heap = unpark(NULL);
    fh_unlock(&parked_lock);
    return heap;
}

/* The heap before the first that has free blocks of class c, of so many as may be looked at. NULL: that is the
 * very first, or there is none, and then the first may have some by now, freed since it was parked. */
static struct fh_heap *before_one_with(unsigned c) {
    enum { LOOKED_AT = 64 };
    struct fh_heap *before = NULL, *heap = parked_first;
    for (unsigned i = 0; heap && i < LOOKED_AT; i++) {
        if (heap->holds >> c & 1) return before;
        before = heap;
        heap = heap->next_parked;
    }
    return NULL;
}

static struct fh_heap *take_parked_with(unsigned c) {
    if (atomic_load_explicit(&parked_count, memory_order_relaxed) == 0) return NULL;
    fh_lock(&parked_lock);
    struct fh_heap *heap = unpark(before_one_with(c));
    fh_unlock(&parked_lock);
    return heap;
}

/* Before it is parked, so that who looks for a class need not lock each. Lock held. */
static void note_what_it_holds(struct fh_heap *heap) {
    _Static_assert(FH_CLASS_COUNT <= 64, "a bit for each class");
    heap->holds = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        if (heap->filled[c]) heap->holds |= (uint64_t)1 << c;
}

bool fh_heap_scavenge(struct fh_heap *heap, unsigned c) {
    struct fh_heap *other = take_parked_with(c);
    if (other == NULL) return false;
    bool moved = false;
    if (fh_trylock(&other->lock)) {
        fh_span_collect_for(heap, other);
        moved = fh_span_move(other, heap, c);
        note_what_it_holds(other);
        fh_unlock(&other->lock);
    }
    park_behind(other);
    return moved;
}

/* ---- getting a heap ---- */

static struct fh_heap *new_heap(void) {
    static _Atomic unsigned made;
    size_t size = fh_seen ? sizeof(struct fh_heap) : FH_HEAP_WITHOUT_BINS;
    struct fh_heap *heap = fh_meta_take(size);
    if (heap == NULL) return NULL;
    memset(heap, 0, size);
    heap->shard = fh_depot_shard(atomic_fetch_add_explicit(&made, 1, memory_order_relaxed));
    if (fh_seen) close_hidden(heap);
    fh_heap_enlist(heap);
    return heap;
}

void fh_heap_enlist(struct fh_heap *heap) {
    fh_lock(&list_lock);
    heap->next = all_heaps;
    all_heaps = heap;
    fh_unlock(&list_lock);
}

void fh_heap_delist(struct fh_heap *heap) {
    fh_lock(&list_lock);
    struct fh_heap **link = &all_heaps;
    while (*link != heap) link = &(*link)->next;
    *link = heap->next;
    fh_unlock(&list_lock);
}

static struct fh_heap *attach(void) {
    struct fh_heap *heap = take_parked();
    if (heap == NULL) heap = new_heap();
    if (heap == NULL) return NULL;
    fh_lock(&heap->lock);
    heap->bins = fh_seen ? heap->hidden : fh_bins;
    fh_unlock(&heap->lock);
    fh_heap_of_thread = heap;
    if (fh_seen) fh_heap_quick = heap;
    fh_os_at_thread_exit_arm(); /* may allocate, which finds the heap in place */
    return heap;
}

struct fh_heap *fh_heap_mine(void) {
    if (fh_heap_of_thread) return fh_heap_of_thread;
    if (ended || !begin_once()) return NULL;
    return fh_heap_of_thread ? fh_heap_of_thread
                             : attach(); /* there is one if what begin_once hooks allocated */
}

struct fh_heap *fh_heap_late(void) {
    return &late_heap;
}

struct fh_heap *fh_heap_first(void) {
    return all_heaps;
}

static void let_go(struct fh_lock *lock) {
    if (fh_lock_held_here(lock)) fh_unlock(lock);
}

void fh_heap_let_go(struct fh_heap *heap) {
    if (heap->visitor) let_go(&heap->visitor->lock);
    let_go(&heap->lock);
    let_go(&list_lock);
}

void fh_heap_each(void (*visit)(struct fh_heap *, void *), void *arg) {
    fh_lock(&list_lock);
    for (struct fh_heap *heap = all_heaps; heap; heap = heap->next) {
        fh_lock(&heap->lock);
        visit(heap, arg);
        fh_unlock(&heap->lock);
    }
    fh_unlock(&list_lock);
}

/* ---- leaving ---- */

/* The heap's thread is gone or going: what its bins hold goes back to the spans. Lock held. */
static void leave(struct fh_heap *heap) {
    fh_span_collect(heap);
    fh_bin_close_all(heap);
    heap->bins = NULL;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        if (heap->filled[c]) fh_span_end_empty(heap, c, false);
    note_what_it_holds(heap);
}

static void at_thread_exit(void *unused) {
    (void)unused;
    struct fh_heap *heap = fh_heap_of_thread;
    ended = true;
    fh_heap_of_thread = NULL;
    fh_heap_quick = &late_heap;
    if (heap == NULL) return;
    fh_lock(&heap->lock);
    leave(heap);
    fh_unlock(&heap->lock);
    park(heap);
}

void fh_heap_lock_everything(void) {
    fh_lock(&begin_lock);
    fh_lock(&list_lock);
    for (struct fh_heap *heap = all_heaps; heap; heap = heap->next) fh_lock(&heap->lock);
    fh_lock(&parked_lock);
    fh_depot_lock_all();
    fh_meta_lock();
    fh_extent_lock_all();
}

void fh_heap_unlock_everything(void) {
    fh_extent_unlock_all();
    fh_meta_unlock();
    fh_depot_unlock_all();
    fh_unlock(&parked_lock);
    for (struct fh_heap *heap = all_heaps; heap; heap = heap->next) fh_unlock(&heap->lock);
    fh_unlock(&list_lock);
    fh_unlock(&begin_lock);
}

/* The guard's lock is the innermost; a walk, which locks everything too, may ask the guard. */
static void before_fork(void) {
    fh_heap_lock_everything();
    fh_guard_lock();
}

static void after_fork_in_parent(void) {
    fh_guard_unlock();
    fh_heap_unlock_everything();
}

static void after_fork_in_child(void) {
    after_fork_in_parent();
    for (struct fh_heap *heap = all_heaps; heap; heap = heap->next) {
        if (heap == fh_heap_of_thread || heap == &late_heap || heap->parked || heap->private) continue;
        if (heap->bins && fh_mode_checks()) fh_check_lose_thread(heap);
        if (heap->bins) leave(heap);
        park(heap); /* also one that some thread had just taken from the parked */
    }
    fh_extent_after_fork();
    fh_purger_begin();
}
