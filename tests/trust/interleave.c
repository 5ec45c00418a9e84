/* interleave.c - every interleaving of the cross-thread protocol of src/heap, up to a number of preemptions:
 * remote frees and their collection, spans that rest (span.c), parking, adopting and draining of heaps
 * (heap.c), magazines on their way (depot.c). Spans rest by other rules in checked mode: so there are scenarios
 * in both.
 *
 * The real code is compiled here with atomics and locks that first give the scheduler a chance: threads are
 * coroutines, and a switch can happen before each of them. The explorer goes
 * through all schedules in which a thread that could go on is interrupted at most BOUND times (iterative
 * context bounding: Musuvathi and Qadeer, 2007); each schedule is a list of choices, and a failing one is
 * printed.
 *
 *     run with choices [0 0 1 0 2 ...] -> the last choice that has an untried alternative is advanced -> run again
 *
 * After each run the heaps are collected one after the other, and then nothing may be lost: in each span,
 * blocks that are not free in its bitmap are exactly those that the scenario still holds, no remote bit is
 * left, and the lists and all counts of spans agree. The operations are sequentially consistent here, as they
 * are in the code for all that the protocol relies on.
 *
 *     INTERLEAVE_BOUND=4 interleave     more preemptions (3 unless told)
 */
#include "heap/check.h"
#include "heap/extent.h"
#include "heap/fast.h"
#include "heap/heap.h"

#include "base/report.h"
#include "base/settings.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static void yield(void);

#define BEFORE(operation) (yield(), operation)
#ifdef __clang__ /* has builtins of their own for _Atomic */
#define FETCH(what) __c11_atomic_fetch_##what
#define LOAD __c11_atomic_load
#define STORE __c11_atomic_store
#define EXCHANGE __c11_atomic_exchange
#define COMPARE_EXCHANGE(p, e, v, success, failure) \
    __c11_atomic_compare_exchange_strong(p, e, v, success, failure)
#else
#define FETCH(what) __atomic_fetch_##what
#define LOAD __atomic_load_n
#define STORE __atomic_store_n
#define EXCHANGE __atomic_exchange_n
#define COMPARE_EXCHANGE(p, e, v, success, failure) __atomic_compare_exchange_n(p, e, v, 0, success, failure)
#endif
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_or
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_compare_exchange_weak
#define atomic_load(p) BEFORE(LOAD(p, __ATOMIC_SEQ_CST))
#define atomic_load_explicit(p, order) BEFORE(LOAD(p, __ATOMIC_SEQ_CST))
#define atomic_store(p, v) BEFORE(STORE(p, v, __ATOMIC_SEQ_CST))
#define atomic_store_explicit(p, v, order) BEFORE(STORE(p, v, __ATOMIC_SEQ_CST))
#define atomic_exchange(p, v) BEFORE(EXCHANGE(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_or(p, v) BEFORE(FETCH(or)(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_add_explicit(p, v, order) BEFORE(FETCH(add)(p, v, __ATOMIC_SEQ_CST))
#define atomic_fetch_sub_explicit(p, v, order) BEFORE(FETCH(sub)(p, v, __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_weak(p, e, v) \
    BEFORE(COMPARE_EXCHANGE(p, e, v, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))

/* A lock may be waited for: the scheduler lets others go on then. */
static void take_any_lock(struct fh_lock *lock);
static bool try_any_lock(struct fh_lock *lock) { return yield(), fh_trylock(lock); }
static void drop_any_lock(struct fh_lock *lock) { yield(), fh_unlock(lock); }
static bool plain_trylock(struct fh_lock *lock) { return fh_trylock(lock); }
#define fh_lock(lock) take_any_lock(lock)
#define fh_trylock(lock) try_any_lock(lock)
#define fh_unlock(lock) drop_any_lock(lock)

#include "heap/class.c"
#include "heap/depot.c"
#include "heap/heap.c"
#include "heap/span.c"

enum { GRANULES = 40, THREADS = 3, STEPS = 4096, STACK = 64 << 10 };

/* ---------------------------------------------------------------- what span.c stands upon ---- */

struct fh_space fh_space;
struct fh_settings fh_settings;
__thread unsigned fh_locks_held;
static struct fh_head heads[GRANULES];
static uint64_t bits[GRANULES][FH_WORDS];
static struct fh_remote remotes[GRANULES];
static uint8_t classes[GRANULES];
static struct fh_marked marked[GRANULES]; /* only that there are some matters here */
static struct fh_heap heaps[THREADS];
static const char *scenario;
static void (*scenarios_begin)(void);
static int choices[STEPS], options[STEPS], steps;
static unsigned long runs;

static void fail(const char *what) {
    fprintf(stderr, "%s: %s after schedule", scenario, what);
    for (int i = 0; i < steps; i++) fprintf(stderr, " %d", choices[i]);
    fprintf(stderr, " (run %lu)\n", runs);
    abort();
}

_Noreturn void fh_fatal(const char *format, ...) {
    fail(format);
    abort();
}
void fh_lock_wait(struct fh_lock *lock) { (void)lock, fail("waits for a lock"); }
void fh_lock_wake(struct fh_lock *lock) { (void)lock; }
void (*fh_lock_is_own)(void);
struct fh_mark *fh_check_new_marks(unsigned blocks) {
    static struct fh_mark marks[1];
    return (void)blocks, marks;
}
void fh_check_give_marks(struct fh_mark *marks, unsigned blocks) { (void)marks, (void)blocks; }
void fh_check_begin_span(uint32_t g, unsigned c, struct fh_mark *marks) { (void)g, (void)c, (void)marks; }
void fh_check_end_span(uint32_t g, unsigned blocks) { (void)g, (void)blocks; }
struct fh_quarantine fh_quarantine_none;
struct fh_closed_bin fh_closed;
void fh_settings_init(void) {}
bool fh_space_begin(bool counting, bool marks) { return (void)counting, (void)marks, false; }
void fh_checks_begin(void) {}
void fh_extent_begin(void) {}
void fh_extent_lock_all(void) {}
void fh_extent_unlock_all(void) {}
void fh_meta_lock(void) {}
void fh_meta_unlock(void) {}
void fh_guard_lock(void) {}
void fh_guard_unlock(void) {}
void fh_on_start(void) {}
void fh_purger_begin(void) {}
void fh_check_lose_thread(struct fh_heap *heap) { (void)heap; }
void fh_extent_after_fork(void) {}
unsigned fh_os_processors(void) { return 1; }
void fh_on_fork_hooks(void) {}
bool fh_os_at_thread_exit(void (*hook)(void *)) { return (void)hook, false; }
void fh_os_at_thread_exit_arm(void) {}
bool fh_os_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    return (void)before, (void)in_parent, (void)in_child, true;
}
void fh_bin_close_all(struct fh_heap *heap) { (void)heap; }  /* the bins are empty here */
void *fh_meta_take(size_t size) { return (void)size, NULL; } /* nothing but magazines, below, is asked for */

uint32_t fh_extent_take(uint32_t granules, uint32_t align, enum fh_kind kind, uint8_t class,
                        struct fh_range *clean) {
    (void)align, (void)clean;
    for (uint32_t g = 1; g + granules <= GRANULES; g++) {
        uint32_t n = 0;
        while (n < granules && heads[g + n].granules == 0 && classes[g + n] == 0) n++;
        if (n < granules) continue;
        heads[g].kind = (uint8_t)kind;
        heads[g].granules = granules;
        memset(classes + g, class, granules);
        return g;
    }
    return 0;
}
void fh_extent_prefer_huge(uint32_t granules) { (void)granules; }

void fh_extent_give(uint32_t first, bool clean) {
    (void)clean;
    uint32_t n = heads[first].granules;
    memset(classes + first, 0, n);
    heads[first].kind = FH_INSIDE;
    heads[first].granules = 0;
}

/* ---------------------------------------------------------------- the scheduler ---- */

static struct thread {
    ucontext_t context;
    void (*run)(void);
    bool done;
    struct fh_lock *wants; /* waits until this lock is free */
    char stack[STACK];
} threads[THREADS];
static ucontext_t explorer;
static int now = -1, preemptions, bound;

static bool can_run(int i) {
    return !threads[i].done &&
           (threads[i].wants == NULL || LOAD(&threads[i].wants->word, __ATOMIC_SEQ_CST) == 0);
}

/* Who goes on: choice 0 is whoever runs now, if he can; the others count as a preemption then. */
static int choose(void) {
    int ready[THREADS], n = 0;
    bool can_stay = now >= 0 && can_run(now);
    if (can_stay) ready[n++] = now;
    for (int i = 0; i < THREADS; i++)
        if (i != now && can_run(i)) ready[n++] = i;
    if (n == 0) return -1;
    if (can_stay && preemptions >= bound) n = 1;
    if (n == 1) return ready[0];
    if (steps >= STEPS) fail("too many steps");
    options[steps] = n;
    int chosen = ready[choices[steps++]];
    if (can_stay && chosen != now) preemptions++;
    return chosen;
}

static void yield(void) {
    if (now < 0) return; /* the explorer itself */
    int me = now, next = choose();
    if (next == me) return;
    if (next < 0) fail("all threads wait");
    now = next;
    swapcontext(&threads[me].context, &threads[next].context);
}

static void body(void) {
    threads[now].run();
    threads[now].done = true;
    int me = now, next = choose();
    now = next;
    if (next < 0) swapcontext(&threads[me].context, &explorer);
    else swapcontext(&threads[me].context, &threads[next].context);
}

static void take_any_lock(struct fh_lock *lock) {
    yield();
    while (!plain_trylock(lock)) {
        if (now < 0) fail("a lock was left locked");
        threads[now].wants = lock;
        yield();
        threads[now].wants = NULL;
    }
}
static void take_lock(struct fh_heap *heap) { fh_lock(&heap->lock); }
static void drop_lock(struct fh_heap *heap) { fh_unlock(&heap->lock); }

/* ---------------------------------------------------------------- steps of the scenarios ---- */

enum { MOST_LIVE = 128 };
static void *live[MOST_LIVE];
static unsigned test_class, other_class; /* blocks that are eight to a granule; or are all of it */
static uint32_t rest_elsewhere; /* spans of which checked mode believes that they rest in other heaps */

static void *take_of(struct fh_heap *heap, unsigned c) {
    void *block = NULL;
    take_lock(heap);
    fh_span_collect(heap);
    if (fh_span_take(heap, c, &block + 1, 1) != 1) fail("no block");
    drop_lock(heap);
    for (int i = 0; i < MOST_LIVE; i++) {
        if (live[i] == block) fail("a block was handed out twice");
        if (live[i]) continue;
        live[i] = block;
        return block;
    }
    return block;
}
static void *take_block(struct fh_heap *heap) { return take_of(heap, test_class); }
static void give_of(struct fh_heap *heap, unsigned c, void **blocks, unsigned n) {
    for (unsigned k = 0; k < n; k++)
        for (int i = 0; i < MOST_LIVE; i++)
            if (live[i] == blocks[k]) live[i] = NULL;
    take_lock(heap);
    fh_span_collect(heap);
    fh_span_give(heap, c, blocks, n);
    drop_lock(heap);
}
static void give_blocks(struct fh_heap *heap, void **blocks, unsigned n) {
    give_of(heap, test_class, blocks, n);
}
static void collect(struct fh_heap *heap) {
    take_lock(heap);
    fh_span_collect(heap);
    drop_lock(heap);
}

static void check_span(uint32_t g) {
    unsigned held = 0, free = 0;
    const struct fh_head *head = &heads[g];
    uintptr_t from = (uintptr_t)fh_granule_address(g), to = from + FH_GRANULE;
    for (int i = 0; i < MOST_LIVE; i++) held += (uintptr_t)live[i] >= from && (uintptr_t)live[i] < to;
    for (int w = 0; w < FH_WORDS; w++) {
        free += fh_count_bits(bits[g][w]);
        if (((head->summary >> w & 1) != 0) != (bits[g][w] != 0)) fail("summary and bitmap disagree");
        if (remotes[g].bits[w]) fail("a remote free was lost");
    }
    if (free != head->free) fail("bitmap and count disagree");
    if (free + held != head->blocks) fail("a block was lost, or is free and held");
    if (head->rests && held) fail("a span rests that is not empty");
    if (head->bucket != (head->free ? 31u - (unsigned)__builtin_clz(head->free) : FH_NO_BUCKET))
        fail("a span is in a wrong list");
}

/* What each heap counts, and what all count together in checked mode, is what there is. */
static void check_counts(void) {
    uint32_t at_rest_in_all = 0;
    for (int i = 0; i < THREADS; i++) {
        uint32_t spans[FH_CLASS_COUNT] = {0}, at_rest[FH_CLASS_COUNT] = {0}, all = 0, all_at_rest = 0;
        for (uint32_t g = 1; g < GRANULES; g++) {
            const struct fh_head *head = &heads[g];
            if (head->kind != FH_SPAN || head->owner != &heaps[i]) continue;
            spans[head->class]++;
            all++;
            at_rest[head->class] += head->rests;
            all_at_rest += head->rests;
        }
        at_rest_in_all += all_at_rest;
        if (heaps[i].all_spans != all) fail("a heap has miscounted all its spans");
        if (heaps[i].resting != (fh_space.marked ? 0 : all_at_rest)) fail("a heap has miscounted what rests");
        for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
            if (heaps[i].spans[c] != spans[c]) fail("a heap has more or fewer spans than it owns");
            if (heaps[i].books[c].resting != (fh_space.marked ? 0 : at_rest[c]))
                fail("a heap has miscounted what rests of a class");
        }
    }
    if (!fh_space.marked) return;
    if (resting - rest_elsewhere != at_rest_in_all) fail("what rests was miscounted");
    if (resting > rest_elsewhere + 1) fail("more rests than may");
}

/* Where the heaps are in the list of all, what rests can be had back. */
static void check_all_can_be_had_back(void) {
    if (all_heaps == NULL) return;
    fh_span_end_resting();
    for (uint32_t g = 1; g < GRANULES; g++)
        if (heads[g].kind == FH_SPAN && heads[g].rests) fail("a span rests on");
    check_counts();
}

static void check_all(void) {
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < THREADS; i++) collect(&heaps[i]);
    for (int i = 0; i < THREADS; i++)
        if (heaps[i].touched) fail("a touched span was not collected");
    for (uint32_t g = 1; g < GRANULES; g++)
        if (heads[g].kind == FH_SPAN) check_span(g);
    check_counts();
    check_all_can_be_had_back();
}

/* ---------------------------------------------------------------- scenarios ---- */

static void *own[MOST_LIVE];
static unsigned own_count;
static bool checked; /* the scenario takes place in checked mode */

static void begin_with(size_t size, unsigned blocks) {
    test_class = fh_class_of(size);
    fh_space.marked = checked ? marked : NULL;
    resting = rest_elsewhere;
    memset(heads, 0, sizeof heads);
    memset(bits, 0, sizeof bits);
    memset(remotes, 0, sizeof remotes);
    memset(classes, 0, sizeof classes);
    memset(heaps, 0, sizeof heaps);
    memset(live, 0, sizeof live);
    memset(depots, 0, sizeof depots);
    parked_first = parked_last = NULL;
    parked_count = 0;
    all_heaps = NULL;
    other_class = fh_class_of(FH_SMALL_MAX);
    for (int i = 0; i < THREADS; i++) heaps[i].bins = heaps[i].hidden;
    own_count = blocks;
    for (unsigned i = 0; i < blocks; i++) own[i] = take_block(&heaps[0]);
}

static void begin_blocks(unsigned blocks) { begin_with(FH_GRANULE / 8, blocks); }

/* Two threads free blocks of one word of one span, the owner collects meanwhile. */
static void begin_two(void) { begin_blocks(6); }
static void two_owner(void) {
    collect(&heaps[0]);
    give_blocks(&heaps[0], &own[4], 1);
    collect(&heaps[0]);
}
static void two_first(void) { give_blocks(&heaps[1], &own[0], 2); }
static void two_second(void) {
    give_blocks(&heaps[2], &own[2], 1);
    give_blocks(&heaps[2], &own[3], 1);
}

/* A span becomes empty by a remote free, ends, and its granules begin another life with another owner, while
 * the push of the one who freed is late. */
static void begin_life(void) { begin_blocks(9); } /* a whole span of eight, and one of a second */
static void life_owner(void) {
    give_blocks(&heaps[0], own, 7);
    collect(&heaps[0]);
}
static void life_freer(void) { give_blocks(&heaps[1], &own[7], 1); }
static void life_next(void) {
    void *block = take_block(&heaps[2]), *other = take_block(&heaps[2]);
    give_blocks(&heaps[1], &other, 1); /* remote, into what may be the old place */
    (void)block;
}

/* A span becomes empty and rests, while the pushes of those who freed may be late; its owner takes from it
 * again. */
static void begin_rest(void) {
    begin_blocks(9);
    heaps[0].books[test_class].may_rest = 2;
}
static void rest_owner(void) {
    collect(&heaps[0]);
    collect(&heaps[0]);
    for (int i = 0; i < 8; i++) (void)take_block(&heaps[0]); /* seven of the other span, and one of this */
}
static void rest_first(void) { give_blocks(&heaps[1], &own[0], 4); }
static void rest_second(void) { give_blocks(&heaps[2], &own[4], 4); }

/* The same, but the owner needs a span of another size: what rests ends for it, and begins again as that,
 * perhaps before the others' pushes. */
static void rest_ends_owner(void) {
    collect(&heaps[0]);
    void *block = take_of(&heaps[0], other_class);
    give_of(&heaps[0], other_class, &block, 1);
    (void)take_of(&heaps[0], other_class);
}

/* Or its owner's thread ends. */
static void rest_parks(void) {
    collect(&heaps[0]);
    fh_lock(&heaps[0].lock);
    leave(&heaps[0]);
    fh_unlock(&heaps[0].lock);
    park(&heaps[0]);
}
static void rest_adopts(void) {
    give_blocks(&heaps[2], &own[4], 4);
    (void)take_block(&heaps[2]); /* which looks into what is parked */
}

/* Or somebody else wants back what rests in all heaps. */
static void begin_rest_taken(void) {
    begin_rest();
    for (int i = 0; i < THREADS; i++) fh_heap_enlist(&heaps[i]);
    give_blocks(&heaps[1], &own[0], 4);
}
static void rest_taken_owner(void) {
    collect(&heaps[0]);
    (void)take_block(&heaps[0]);
    (void)take_block(&heaps[0]);
}
static void rest_taken_ends(void) {
    (void)fh_span_end_resting();
    (void)fh_span_end_resting();
}
static void rest_taken_frees(void) { give_blocks(&heaps[1], &own[4], 4); }

/* In checked mode: two spans become empty; one of them may rest, as so much does elsewhere. Each thread has a
 * heap of its own that wants blocks meanwhile. */
static void begin_both_rest(void) { begin_blocks(17); }
static void both_rest_owner(void) {
    collect(&heaps[0]);
    (void)take_block(&heaps[0]);
    collect(&heaps[0]);
}
static void both_rest_first(void) { give_blocks(&heaps[1], &own[0], 8); }
static void both_rest_second(void) { give_blocks(&heaps[2], &own[8], 8); }

/* And one that rests in a parked heap moves to a heap that takes from it. */
static void begin_rest_moves(void) {
    begin_blocks(8);
    heaps[0].bins = NULL;
    park(&heaps[0]);
}
static void rest_moves_first(void) { give_blocks(&heaps[1], &own[0], 7); }
static void rest_moves_second(void) {
    void *block = take_block(&heaps[2]);
    give_blocks(&heaps[2], &block, 1);
}
static void rest_moves_last(void) {
    give_blocks(&heaps[1], &own[7], 1);
    (void)fh_span_end_resting();
}

/* The span moves to another heap while a third thread frees into it. */
static void begin_move(void) {
    begin_blocks(6);
    heaps[0].bins = NULL; /* parked */
}
static void move_adopter(void) {
    take_lock(&heaps[1]);
    take_lock(&heaps[0]);
    fh_span_collect(&heaps[0]);
    fh_span_move(&heaps[0], &heaps[1], test_class);
    drop_lock(&heaps[0]);
    drop_lock(&heaps[1]);
    collect(&heaps[1]);
}
static void move_freer(void) {
    give_blocks(&heaps[2], &own[0], 1);
    give_blocks(&heaps[2], &own[1], 1);
}
static void move_other(void) { collect(&heaps[0]); }

/* The blocks lie in two words of the span's bitmap. */
static void begin_words(void) { begin_with(512, 70); }
static void words_owner(void) {
    collect(&heaps[0]);
    collect(&heaps[0]);
}
static void words_first(void) { give_blocks(&heaps[1], &own[0], 1); }
static void words_second(void) {
    give_blocks(&heaps[2], &own[66], 1);
    give_blocks(&heaps[2], &own[1], 1);
}

/* A thread ends and parks its heap, another adopts it and goes on, a third looks for spans in what is parked
 * and frees blocks of it. */
static struct fh_heap *adopted;
static void begin_park(void) {
    begin_blocks(10); /* a whole span of eight, and one of which two are in use */
    adopted = NULL;
}
static void park_ends(void) {
    fh_lock(&heaps[0].lock);
    leave(&heaps[0]);
    fh_unlock(&heaps[0].lock);
    park(&heaps[0]);
}
static void park_adopts(void) {
    struct fh_heap *heap = take_parked();
    if (heap == NULL) return;
    adopted = heap;
    take_lock(heap);
    heap->bins = heap->hidden;
    drop_lock(heap);
    (void)take_block(heap);
}
static void park_scavenges(void) {
    give_blocks(&heaps[2], &own[0], 1);
    (void)take_block(&heaps[2]); /* which has no span: it looks into what is parked */
    give_blocks(&heaps[2], &own[8], 1);
}
static void check_parked(void) {
    unsigned seen = 0;
    const struct fh_heap *last = NULL;
    for (const struct fh_heap *heap = parked_first; heap; last = heap, heap = heap->next_parked) {
        if (++seen > THREADS) fail("the parked heaps are a circle");
        if (!heap->parked || heap->bins || heap == adopted) fail("a heap in use is parked");
    }
    if (seen != parked_count || last != parked_last) fail("the list of parked heaps does not agree");
    if (scenarios_begin == begin_park && seen + (adopted != NULL) != 1)
        fail("a parked heap was lost, or is there twice");
}

/* Sixteen spans have remote frees that their owner does not look at: who frees into one more does its work. */
static void begin_help(void) {
    begin_with(FH_SMALL_MAX, 36); /* eighteen spans of two */
    for (unsigned i = 0; i < 30; i += 2) give_blocks(&heaps[1], &own[i], 1);
}
static void help_owner(void) {
    collect(&heaps[0]);
    give_blocks(&heaps[0], &own[33], 1);
}
static void help_first(void) { give_blocks(&heaps[1], &own[30], 1); }
static void help_second(void) { give_blocks(&heaps[2], &own[32], 1); }

/* Magazines of the depots, of which there are two: each full one that was left there is taken once, by whoever
 * comes, and each empty one is in one place. */
enum { FULL = 6, MAGAZINES = 12, SMALL_ONE = MAGAZINES - 1, IN_ONE = 4, IN_SMALL_ONE = 2 };
static void *magazines[MAGAZINES][FH_MAGAZINE_HEAD + IN_ONE];
static enum place { BOOKS, FRESH, THREADS_OWN, DEPOT } place[MAGAZINES];
static unsigned left[FULL], taken[FULL];

static unsigned magazine_at(void **base) {
    for (unsigned i = 0; i < MAGAZINES; i++)
        if (base == magazines[i] + FH_MAGAZINE_HEAD) return i;
    fail("this is no magazine");
    return 0;
}
static unsigned slots_of(unsigned i) { return i == SMALL_ONE ? IN_SMALL_ONE : IN_ONE; }
void **fh_magazine_new(struct fh_magazines *at_hand, unsigned capacity) {
    (void)at_hand;
    for (unsigned i = FULL; i < MAGAZINES; i++) {
        if (capacity != slots_of(i) || place[i] != BOOKS) continue;
        place[i] = FRESH;
        void **base = magazines[i] + FH_MAGAZINE_HEAD;
        base[-1] = NULL;
        return base;
    }
    return NULL;
}
void fh_magazine_end(struct fh_magazines *at_hand, void **base, unsigned capacity) {
    (void)at_hand;
    unsigned i = magazine_at(base);
    if (place[i] == BOOKS || place[i] == THREADS_OWN || capacity != slots_of(i))
        fail("a magazine was given up that is not to be");
    place[i] = BOOKS;
}
static void note_taken_from_depot(void **base, unsigned capacity) {
    if (base == NULL) return;
    unsigned i = magazine_at(base);
    if (i >= FULL || taken[i]++ || !left[i]) fail("a magazine was taken twice, or before it was there");
    if (capacity != IN_ONE || base[-1] != NULL) fail("a magazine is not as it was left");
    place[i] = THREADS_OWN;
}
/* A full one for an empty one, which is returned; NULL if it did not work. */
static void **leave_at_depot(unsigned shard, unsigned i) {
    left[i] = 1;
    place[i] = DEPOT;
    void **empty = fh_depot_change_full(test_class, shard, NULL, magazines[i] + FH_MAGAZINE_HEAD, IN_ONE);
    if (empty == NULL) {
        left[i] = 0;
        place[i] = THREADS_OWN;
        return NULL;
    }
    unsigned e = magazine_at(empty);
    if (place[e] == BOOKS || place[e] == THREADS_OWN) fail("an empty magazine is in two places");
    if (empty[-1] != NULL) fail("an empty magazine is still linked");
    place[e] = THREADS_OWN;
    return empty;
}
/* An empty one for a full one. */
static void take_from_depot(unsigned shard, void **empty) {
    unsigned e = magazine_at(empty), capacity = slots_of(e);
    place[e] = DEPOT;
    void **full = fh_depot_change_empty(test_class, shard, NULL, empty, &capacity);
    if (full) note_taken_from_depot(full, capacity);
    else place[e] = THREADS_OWN;
}
static void **new_empty(void) {
    void **empty = fh_magazine_new(NULL, IN_ONE);
    if (empty) place[magazine_at(empty)] = THREADS_OWN;
    return empty;
}
static void begin_depot(void) {
    begin_with(FH_GRANULE / 8, 0);
    fh_depot_begin(2 * HEAPS_A_SHARD);
    memset(magazines, 0, sizeof magazines);
    memset(place, 0, sizeof place);
    memset(left, 0, sizeof left);
    memset(taken, 0, sizeof taken);
    for (unsigned i = 0; i < FULL; i++) place[i] = THREADS_OWN;
    void **first = leave_at_depot(0, 3), **second = leave_at_depot(0, 4);
    leave_at_depot(0, 5);
    place[SMALL_ONE] = THREADS_OWN;
    take_from_depot(0, magazines[SMALL_ONE] + FH_MAGAZINE_HEAD);
    take_from_depot(0, first); /* instead of the small one, which goes */
    take_from_depot(0, second);
    if (place[SMALL_ONE] != BOOKS) fail("an empty magazine of another size is in the way");
}
static void depot_frees(void) {
    unsigned capacity = 0;
    leave_at_depot(0, 0);
    leave_at_depot(0, 1);
    void **unwanted = fh_depot_overflowed(test_class, 0, 1000, &capacity);
    note_taken_from_depot(unwanted, capacity);
}
static void depot_takes(void) {
    for (unsigned i = 0; i < 2; i++) {
        void **empty = new_empty();
        if (empty) take_from_depot(1, empty);
    }
}
static void depot_drains(void) {
    unsigned capacity = 0;
    void **empty = leave_at_depot(1, 2);
    if (empty) take_from_depot(0, empty);
    void **idle = fh_depot_get_idle(test_class, false, NULL, &capacity);
    note_taken_from_depot(idle, capacity);
    void **any = fh_depot_get_idle(test_class, true, NULL, &capacity);
    note_taken_from_depot(any, capacity);
}
static void check_depot(void) {
    unsigned capacity = 0, inside = 0;
    size_t blocks = fh_depot_blocks(test_class);
    for (void **base; (base = fh_depot_get_idle(test_class, true, NULL, &capacity)); inside++)
        note_taken_from_depot(base, capacity);
    if (blocks != (size_t)inside * IN_ONE || fh_depot_blocks(test_class)) fail("a depot has miscounted");
    for (unsigned i = 0; i < FULL; i++)
        if (left[i] != taken[i]) fail("a magazine was lost");
    for (unsigned i = FULL; i < MAGAZINES; i++)
        if (place[i] == DEPOT || place[i] == FRESH) fail("an empty magazine was lost");
}

static const struct {
    const char *name;
    void (*begin)(void);
    void (*run[THREADS])(void);
    bool checked;
} scenarios[] = {
    {"two threads free, the owner collects", begin_two, {two_owner, two_first, two_second}, false},
    {"the blocks lie in two words", begin_words, {words_owner, words_first, words_second}, false},
    {"a span ends and begins again", begin_life, {life_owner, life_freer, life_next}, false},
    {"a span rests", begin_rest, {rest_owner, rest_first, rest_second}, false},
    {"what rests ends for another size", begin_rest, {rest_ends_owner, rest_first, rest_second}, false},
    {"a heap is parked in which a span rests", begin_rest, {rest_parks, rest_first, rest_adopts}, false},
    {"what rests is wanted back",
     begin_rest_taken,
     {rest_taken_owner, rest_taken_ends, rest_taken_frees},
     false},
    {"a span rests, checked", begin_rest, {rest_owner, rest_first, rest_second}, true},
    {"two spans rest, checked", begin_both_rest, {both_rest_owner, both_rest_first, both_rest_second}, true},
    {"a heap is parked in which a span rests, checked",
     begin_rest,
     {rest_parks, rest_first, rest_adopts},
     true},
    {"what rests is wanted back, checked",
     begin_rest_taken,
     {rest_taken_owner, rest_taken_ends, rest_taken_frees},
     true},
    {"what rests moves, checked",
     begin_rest_moves,
     {rest_moves_first, rest_moves_second, rest_moves_last},
     true},
    {"a span moves to another heap", begin_move, {move_other, move_adopter, move_freer}, false},
    {"a heap is parked, adopted, scavenged", begin_park, {park_ends, park_adopts, park_scavenges}, false},
    {"who frees does the owner's work", begin_help, {help_owner, help_first, help_second}, false},
    {"magazines come and go", begin_depot, {depot_frees, depot_takes, depot_drains}, false},
};

static void run_once(int s) {
    now = -1;
    scenarios_begin = scenarios[s].begin;
    checked = scenarios[s].checked;
    scenarios_begin();
    steps = preemptions = 0;
    for (int i = 0; i < THREADS; i++) {
        getcontext(&threads[i].context);
        threads[i].context.uc_stack.ss_sp = threads[i].stack;
        threads[i].context.uc_stack.ss_size = STACK;
        threads[i].context.uc_link = NULL;
        threads[i].run = scenarios[s].run[i];
        threads[i].done = false;
        threads[i].wants = NULL;
        makecontext(&threads[i].context, body, 0);
    }
    int first = choose();
    now = first;
    swapcontext(&explorer, &threads[first].context);
    now = -1;
    check_parked();
    check_depot();
    check_all();
}

/* The next schedule in the tree of choices; false when all have been run. */
static bool advance(void) {
    while (steps > 0 && choices[steps - 1] + 1 >= options[steps - 1]) choices[--steps] = 0;
    if (steps == 0) return false;
    choices[steps - 1]++;
    for (int i = steps; i < STEPS; i++) choices[i] = 0;
    return true;
}

int main(void) {
    fh_class_begin();
    fh_space = (struct fh_space){.base = 0x100000000000,
                                 .size = GRANULES * FH_GRANULE,
                                 .classes = classes,
                                 .heads = heads,
                                 .bits = bits,
                                 .remotes = remotes,
                                 .mapped = GRANULES};
    rest_elsewhere = 64 + GRANULES / 16 - 1; /* in checked mode, one more may rest: too_many_rest */
    bound = getenv("INTERLEAVE_BOUND") ? atoi(getenv("INTERLEAVE_BOUND")) : 3;
    for (size_t s = 0; s < sizeof scenarios / sizeof *scenarios; s++) {
        scenario = scenarios[s].name;
        memset(choices, 0, sizeof choices);
        runs = 0;
        do {
            run_once((int)s);
            runs++;
        } while (advance());
        printf("%s: %lu schedules with at most %d preemptions\n", scenario, runs, bound);
    }
    return 0;
}
