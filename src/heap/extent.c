/* extent.c - the free extents: best fit, dirty first, neighbours merged, pages given back by time.
 *
 * A free extent is dirty (its pages were written and may still be held) or clean (it holds no memory and reads
 * as zero). Each kind has its own tree by size, and neighbours of one kind are merged at once:
 *
 *     | span | dirty dirty dirty | large block      | clean clean clean clean ... (end of what is mapped)
 *                first .. last: both carry the kind, the last one leads to the first
 *
 * Whoever takes an extent gets a dirty one if any is large enough: memory that is held already costs nothing
 * more. Only then a clean one, only then is the window extended. So the peak of what is held grows only when no
 * held piece is large enough.
 *
 * Dirty extents are also in a list by age. Those that have been free for longer than the decay time are given
 * back to the system: not at once, because what was freed is mostly wanted again soon, and a page fault costs
 * as much as a hundred allocations. Whoever takes or gives an extent looks at a coarse clock; a thread of our
 * own does it only where one was asked for (purger.c). While pages are being given back the lock is open and
 * the extent is of kind PURGING, which nobody merges with.
 *
 * A large block that nothing dirty is long enough for lies in clean memory, and is filled with the pages of
 * dirty extents: they are moved (move.c), which costs a hundredth of page faults, and leaves clean what was
 * dirty. So pieces that were freed here and there serve a longer block, and hold nothing beside it:
 *
 *     | dirty a | span | dirty b | span | clean ...                 wanted: as long as a and b together
 *     | clean   | span | clean   | span | block: pages of a, of b | clean ...
 *
 * Not for calloc, which would have to write zeros; not for spans, which are shorter than what is worth a move.
 *
 * An extent that grows by merging keeps the age of its larger part: otherwise a long dirty extent whose border
 * is in steady use would stay young for ever.
 *
 * Memory that will be filled may come out of huge pages: see there, below.
 */
#include "extent.h"

#include "../base/report.h"
#include "../base/settings.h"
#include "counters.h"
#include "extent_tree.h"
#include "meta.h"
#include "move.h"

#include <string.h>

static struct fh_lock lock;
static uint32_t trees[2];          /* by size: dirty, clean */
static uint32_t oldest, youngest;  /* dirty extents by age: heads[].next leads to younger ones */
static size_t used, dirty, purged; /* granules */
static size_t moving;              /* granules of `used` whose pages are those of others there, or will be */
static unsigned purging;           /* extents of kind PURGING */
static size_t peak;                /* the most that used + dirty was, granules */
static bool unasked;           /* the system gives huge pages of itself; known once the heap is no small one */
static unsigned refused;       /* how often it was told not to                          */
static _Atomic size_t outside; /* bytes of guarded blocks, which are not in the window */
static _Atomic uint64_t next_look; /* the tick at which decay is worth a look again */

enum { DIRTY, CLEAN };

enum { DIRTY_SLACK = 32 }; /* granules: 2 MiB */
enum { FILL_LEAST = 8 };   /* granules of each map, on average, in what is moved: 512 KiB */

static struct fh_head *head_of(uint32_t g) { return &fh_space.heads[g]; }

static bool is_free(uint8_t kind) { return kind == FH_FREE_DIRTY || kind == FH_FREE_CLEAN; }

static uint32_t *tree_of(uint8_t kind) { return &trees[kind == FH_FREE_DIRTY ? DIRTY : CLEAN]; }

/* ---- the list by age ---- */

static void age_unlink(uint32_t g) {
    struct fh_head *head = head_of(g);
    *(head->prev ? &head_of(head->prev)->next : &oldest) = head->next;
    *(head->next ? &head_of(head->next)->prev : &youngest) = head->prev;
}

/* Puts g behind `after`, at the old end when that is 0. */
static void age_link(uint32_t g, uint32_t after) {
    struct fh_head *head = head_of(g);
    head->prev = after;
    head->next = after ? head_of(after)->next : oldest;
    *(head->prev ? &head_of(head->prev)->next : &oldest) = g;
    *(head->next ? &head_of(head->next)->prev : &youngest) = g;
}

/* ---- entering and leaving the set of free extents ---- */

static void mark_ends(uint32_t g, uint32_t granules, uint8_t kind) {
    struct fh_head *first = head_of(g), *last = head_of(g + granules - 1);
    last->kind = kind;
    last->first = g;
    first->kind = kind;
    first->granules = granules;
}

/* Enters a free extent as it is, without looking at its neighbours. Dirty: behind `after` in the list by age.
 * */
static void enter(uint32_t g, uint32_t granules, uint8_t kind, uint64_t tick, uint32_t after) {
    mark_ends(g, granules, kind);
    fh_tree_insert(tree_of(kind), g);
    if (kind != FH_FREE_DIRTY) return;
    head_of(g)->tick = tick;
    age_link(g, after);
    dirty += granules;
}

/* Takes a free extent out; its ends become INSIDE, so that a larger extent may swallow it. */
static void leave(uint32_t g) {
    struct fh_head *head = head_of(g);
    fh_tree_remove(tree_of(head->kind), g);
    if (head->kind == FH_FREE_DIRTY) {
        age_unlink(g);
        dirty -= head->granules;
    }
    head_of(g + head->granules - 1)->kind = FH_INSIDE;
    head->kind = FH_INSIDE;
}

/* A part of a merge: where it is in the list by age, if it is dirty. */
struct age {
    uint64_t tick;
    uint32_t after; /* the extent before it in the list */
    uint32_t granules;
};

/* Swallows the free neighbour `g`; *age becomes the neighbour's when the neighbour is the largest part so far.
 * */
static void swallow(uint32_t g, struct age *age) {
    struct fh_head *head = head_of(g);
    uint32_t length = head->granules;
    bool larger = head->kind == FH_FREE_DIRTY && length > age->granules;
    struct age own = {head->tick, head->prev, length};
    if (age->after == g) age->after = head->prev;
    leave(g);
    if (larger) *age = own;
}

/* Enters a free extent, merged with free neighbours of its kind. Returns the first granule of the whole. */
static uint32_t enter_merged(uint32_t g, uint32_t granules, uint8_t kind, uint64_t tick) {
    struct age age = {tick, youngest, granules};
    uint32_t behind = g + granules;
    if (behind < fh_space.mapped && head_of(behind)->kind == kind) {
        granules += head_of(behind)->granules;
        swallow(behind, &age);
    }
    if (g > 1 && head_of(g - 1)->kind == kind) {
        uint32_t before = head_of(g - 1)->first;
        granules += head_of(before)->granules;
        swallow(before, &age);
        g = before;
    }
    enter(g, granules, kind, age.tick, age.after);
    return g;
}

/* The same for one that becomes free now. A clean one becomes a single memory map with what is near, where
 * these were several. */
static void enter_given(uint32_t g, uint32_t granules, bool clean) {
    enum { NEAR = 512 };
    uint32_t first = enter_merged(g, granules, clean ? FH_FREE_CLEAN : FH_FREE_DIRTY, fh_os_ticks());
    uint32_t end = first + head_of(first)->granules;
    if (!clean) return;
    if (g - first > NEAR) first = g - NEAR;
    if (end - g > granules + NEAR) end = g + granules + NEAR;
    fh_move_mend(first, end - first);
}

/* Makes the part [at, at + granules) of the free extent `g` used; what is left stays free, with its age. */
static void carve(uint32_t g, uint32_t at, uint32_t granules) {
    struct fh_head *head = head_of(g);
    uint8_t kind = head->kind;
    uint64_t tick = kind == FH_FREE_DIRTY ? head->tick : 0;
    uint32_t after = kind == FH_FREE_DIRTY ? head->prev : 0, end = g + head->granules;
    leave(g);
    if (at > g) enter(g, at - g, kind, tick, after);
    if (at + granules < end) enter(at + granules, end - at - granules, kind, tick, after);
    used += granules;
}

/* ---- what is held ---- */

/* The first granule from g on whose address is a multiple of `align` granules. */
static uint32_t aligned(uint32_t g, uint32_t align) {
    uint64_t base = fh_space.base >> FH_GRANULE_SHIFT, number = base + g;
    return (uint32_t)((number + align - 1) / align * align - base);
}

static void set_counter(uint64_t *counter, size_t value) { __atomic_store_n(counter, value, __ATOMIC_RELAXED); }

static void show_held(void) {
    size_t held = used - moving + dirty, books = fh_meta_bytes() + fh_space_table_bytes();
    set_counter(&fh_counters->held, (held << FH_GRANULE_SHIFT) + books);
    set_counter(&fh_counters->held_peak, (peak << FH_GRANULE_SHIFT) + books);
}

static void note_held(void) {
    size_t held = used - moving + dirty;
    if (peak < FH_SMALL_HEAP && held >= FH_SMALL_HEAP) unasked = fh_os_gives_huge_unasked();
    if (held > peak) peak = held;
    show_held();
}

/* May the kernel make the memory at `at` a huge page of itself? Not where it was told not to; and it is told so
 * often at most, as each time may cost two memory maps. */
static bool may_come_unasked(uint32_t at) {
    enum { MOST = 8192 };
    if (!unasked || at < FH_SMALL_HEAP || at + FH_HUGE_GRANULES > fh_space.mapped) return false;
    if (fh_space.pages[at] & FH_SMALL || refused == MOST) return false;
    refused++;
    return true;
}

/* Huge pages of which [g, g + granules), or a part of it, was given back become small ones at once. Else the
 * kernel, which goes through memory that may be huge, would sooner or later make a whole page of what is left,
 * and a program that lives long would hold ever more that nobody uses. Whoever is given a part of them later
 * should hold that part, too. For the same reason huge pages are refused where they may come unasked, at both
 * ends of what was given back: inside of it the kernel leaves what is empty alone. */
static void make_small(uint32_t g, uint32_t granules) {
    uint32_t before = g < FH_HUGE_GRANULES ? g - 1 : FH_HUGE_GRANULES - 1;
    for (uint32_t at = aligned(g - before, FH_HUGE_GRANULES); at < g + granules; at += FH_HUGE_GRANULES) {
        bool whole = at >= g && at + FH_HUGE_GRANULES <= g + granules;
        if (!(fh_space.pages[at] & FH_HUGE) && (whole || !may_come_unasked(at))) continue;
        fh_os_use_huge(fh_granule_address(at), FH_HUGE_PAGE, false);
        __atomic_fetch_and(&fh_space.pages[at], (uint8_t)~FH_HUGE, __ATOMIC_RELAXED);
        __atomic_fetch_or(&fh_space.pages[at], FH_SMALL, __ATOMIC_RELAXED);
    }
}

/* Takes at most `most` granules of dirty extent g out of the set of free extents, while something is done to
 * their pages with the lock open. Returns how many they are. */
static uint32_t set_apart(uint32_t g, size_t most) {
    uint32_t granules = head_of(g)->granules;
    if (granules > most) {
        granules = (uint32_t)most;
        carve(g, g, granules);
        used -= granules;
    } else {
        leave(g);
    }
    struct fh_head *head = head_of(g);
    head->kind = FH_PURGING;
    head->granules = granules;
    purging++;
    return granules;
}

/* They are free again. */
static void put_back(uint32_t g, uint32_t granules, bool clean) {
    purging--;
    head_of(g)->kind = FH_INSIDE;
    enter_given(g, granules, clean);
}

/* Gives the oldest dirty pages back: at most `most` granules of the oldest extent. The lock is open meanwhile.
 * Returns the granules given back, 0 when the system would not have them. */
static uint32_t purge_oldest(size_t most) {
    uint32_t g = oldest, granules = set_apart(g, most);
    fh_unlock(&lock);
    bool done = fh_os_purge(fh_granule_address(g), (size_t)granules << FH_GRANULE_SHIFT);
    fh_lock(&lock);
    put_back(g, granules, done);
    if (!done)
        return 0; /* pages that are locked in memory stay; they are young again, so that the next is tried */
    make_small(g, granules);
    purged += granules;
    show_held(); /* no more than before; and what is taken meanwhile is noted when room has been made for it */
    return granules;
}

/* Gives dirty pages back, the oldest first, until no more than `budget` granules of them are left. */
static void purge_above(size_t budget) {
    while (oldest && dirty > budget)
        if (purge_oldest(dirty - budget) == 0) break;
}

/* May this many granules more be held? Makes room under the limit where dirty ones going is all it takes. What
 * guarded blocks hold counts, too. */
static bool within_limit(uint32_t granules) {
    size_t limit = fh_settings.limit, elsewhere = atomic_load_explicit(&outside, memory_order_relaxed);
    if (limit == 0) return true;
    if (elsewhere > limit) return false;
    limit = (limit - elsewhere) >> FH_GRANULE_SHIFT;
    if (used + granules > limit) return false;
    purge_above(limit - used - granules);
    return used + dirty + granules <= limit;
}

bool fh_extent_charge(size_t bytes) {
    atomic_fetch_add_explicit(&outside, bytes, memory_order_relaxed);
    if (fh_settings.limit == 0) return true;
    fh_lock(&lock);
    bool fits = within_limit(0);
    fh_unlock(&lock);
    if (!fits) fh_extent_discharge(bytes);
    return fits;
}

void fh_extent_discharge(size_t bytes) { atomic_fetch_sub_explicit(&outside, bytes, memory_order_relaxed); }

/* Clean granules became used. Where that raises the peak, dirty ones that were of no use for the purpose are
 * given back in exchange, but for a slack: so what lies dirty never adds to the peak, and needs no other bound.
 * */
static void exchange_dirty(void) {
    size_t after = used - moving, slack = DIRTY_SLACK + (after >> 4);
    size_t allowed = peak > after + slack ? peak : after + slack;
    if (after + dirty > allowed) purge_above(allowed - after);
}

/* ---- taking ---- */

static void mark_used(uint32_t g, uint32_t granules, enum fh_kind kind, uint8_t class) {
    struct fh_head *head = head_of(g);
    head_of(g + granules - 1)->kind = FH_INSIDE;
    head->kind = (uint8_t)kind;
    head->granules = granules;
    head->private = NULL;
    if (class) fh_space.classes[g] = class; /* of a span, which is one granule */
}

/* The extent of this kind that serves best, 0 when none does. */
static uint32_t best(uint8_t kind, uint32_t granules, uint32_t align) {
    return fh_tree_best(*tree_of(kind), granules + align - 1);
}

/* Granules of clean memory right before and right behind the free extent g. */
static uint32_t clean_before(uint32_t g) {
    return g > 1 && head_of(g - 1)->kind == FH_FREE_CLEAN ? head_of(head_of(g - 1)->first)->granules : 0;
}
static uint32_t clean_behind(uint32_t g) {
    uint32_t behind = g + head_of(g)->granules;
    return behind < fh_space.mapped && head_of(behind)->kind == FH_FREE_CLEAN ? head_of(behind)->granules : 0;
}

/* Makes one dirty extent of at least `granules` out of dirty extent g and what it lacks of clean ones beside
 * it, the one behind first. *dirty_part is where g then lies in it. */
static uint32_t join(uint32_t g, uint32_t granules, struct fh_range *dirty_part) {
    uint64_t tick = head_of(g)->tick;
    uint32_t length = head_of(g)->granules, after = head_of(g)->prev, lacking = granules - length;
    uint32_t behind = clean_behind(g), from_behind = behind < lacking ? behind : lacking;
    uint32_t from_before = lacking - from_behind;
    if (from_behind) carve(g + length, g + length, from_behind);
    if (from_before) carve(head_of(g - 1)->first, g - from_before, from_before);
    used -= lacking;
    leave(g);
    enter(g - from_before, granules, FH_FREE_DIRTY, tick, after);
    *dirty_part = (struct fh_range){from_before, from_before + length};
    return g - from_before;
}

/* Where no dirty extent is long enough, one of the longest with clean memory beside it may be: most of what is
 * taken is then held already. 0 when none of the first few will do. */
static uint32_t best_joined(uint32_t granules) {
    enum { TRIES = 8 };
    uint64_t key = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint32_t g = fh_tree_before(trees[DIRTY], key);
        if (g == 0) return 0;
        if (clean_before(g) + head_of(g)->granules + clean_behind(g) >= granules) return g;
        key = fh_tree_key(g);
    }
    return 0;
}

/* Maps more of the window, so that an extent with this alignment can be had, and enters it as clean. What is
 * there for a very large alignment only will never be used as a rule. */
static bool extend(uint32_t granules, uint32_t align) {
    uint32_t old_end = fh_space.mapped, first;
    bool sparse = align > granules && align > FH_USUAL_STRETCH;
    uint32_t got = fh_space_extend(granules + align - 1, sparse, &first);
    if (got == 0) return false;
    if (old_end && first > old_end) { /* the stretch between is somebody else's */
        head_of(old_end)->kind = FH_FOREIGN;
        head_of(old_end)->granules = first - old_end;
    }
    enter_merged(first, got, FH_FREE_CLEAN, 0);
    return true;
}

void fh_extent_begin(void) { enter_merged(1, fh_space.mapped - 1, FH_FREE_CLEAN, 0); }

/* What is wanted. */
struct want {
    uint32_t granules, align;
    uint32_t coming;  /* granules that get their pages by being moved, from the first on */
    uint32_t written; /* granules that will be written, from the first on: dirty pages are right for these */
    bool filled;      /* and may be moved there                                            */
    bool grows;       /* it has grown and will go on: room behind it is worth more than a tight fit */
};

/* The longest dirty extent whose pages may be moved; 0 when none of the first few is long enough, or may. */
static uint32_t longest_movable(void) {
    enum { TRIES = 8 };
    uint64_t key = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint32_t g = fh_tree_before(trees[DIRTY], key);
        if (g == 0 || head_of(g)->granules < FILL_LEAST) return 0;
        if (!fh_space_has_huge(g, head_of(g)->granules) &&
            fh_move_maps(g, head_of(g)->granules) * FILL_LEAST <= head_of(g)->granules)
            return g;
        key = fh_tree_key(g);
    }
    return 0;
}

/* Moves pages of dirty extents into clean granules that are in use already and will be written: cheaper than to
 * ask the system for pages, and less is held than if the dirty ones stayed what they are. Returns how many of
 * the granules, from the first on, are dirty now. Where very much is asked for, little of it is mostly written.
 * Under a limit nothing is moved: pages that are being moved are neither used nor dirty. The lock is open in
 * between. */
static uint32_t fill_from_dirty(uint32_t to, uint32_t granules) {
    enum { MOST = 512 };
    uint32_t filled = 0;
    if (granules > MOST || fh_settings.limit) return 0;
    while (granules - filled >= FILL_LEAST && fh_move_may_go_on()) {
        uint32_t from = longest_movable();
        if (from == 0) break;
        uint32_t length = set_apart(from, granules - filled);
        fh_unlock(&lock);
        uint32_t moved = fh_move_pages(from, to + filled, length);
        fh_lock(&lock);
        put_back(from, length, moved == length);
        filled += moved;
        if (moved < length) break;
    }
    return filled;
}

/* Fills what is clean of the extent g in use. */
static void fill(uint32_t g, const struct want *want, struct fh_range *dirty_part) {
    uint32_t before = dirty_part->from, behind = dirty_part->to;
    if (behind < want->coming) behind = want->coming;
    if (behind < want->written) behind += fill_from_dirty(g + behind, want->written - behind);
    if (before > want->coming && fill_from_dirty(g + want->coming, before - want->coming))
        before = want->coming;
    *dirty_part = (struct fh_range){before, behind};
}

/* The longest dirty extent, when a block of so many granules could grow in it for a while; else 0. */
static uint32_t longest_with_room(uint32_t granules) {
    enum { ROOM = 8 };
    uint32_t g = fh_tree_before(trees[DIRTY], UINT64_MAX);
    return g && head_of(g)->granules / ROOM >= granules ? g : 0;
}

/* For a block that will be written in part: the shortest dirty extent that is enough for the part and has what
 * else is wanted of clean memory behind it; 0 when none of the first few has. */
static uint32_t best_in_part(const struct want *want) {
    enum { TRIES = 8 };
    uint32_t g = want->written ? best(FH_FREE_DIRTY, want->written, 1) : 0;
    for (int i = 0; g && i < TRIES; i++) {
        if (head_of(g)->granules + clean_behind(g) >= want->granules) return g;
        g = fh_tree_from(trees[DIRTY], fh_tree_key(g) + 1);
    }
    return 0;
}

/* A dirty extent that serves, perhaps joined with clean ones beside it; 0 when there is none. Under a limit
 * nothing is joined: making room could purge what was found. */
static uint32_t find_dirty(const struct want *want, struct fh_range *dirty_part) {
    bool in_part = want->written < want->granules && !fh_settings.limit;
    uint32_t g = in_part ? best_in_part(want) : want->grows ? longest_with_room(want->granules) : 0;
    if (g == 0 && !in_part) g = best(FH_FREE_DIRTY, want->granules, want->align);
    *dirty_part = (struct fh_range){0, want->granules};
    if (g ? head_of(g)->granules >= want->granules : want->align > 1 || fh_settings.limit) return g;
    if (g == 0 && !in_part) g = best_joined(want->granules);
    return g ? join(g, want->granules, dirty_part) : 0;
}

static uint32_t find_clean(const struct want *want) {
    uint32_t granules = want->granules, align = want->align;
    if (!within_limit(granules)) return 0;
    uint32_t g = best(FH_FREE_CLEAN, granules, align);
    if (g == 0 && extend(granules, align)) g = best(FH_FREE_CLEAN, granules, align);
    if (g == 0 &&
        dirty > 0) { /* the last resort: dirty pieces, made clean, may merge into one that is enough */
        purge_above(0);
        g = best(FH_FREE_CLEAN, granules, align);
    }
    return g;
}

static uint32_t take(const struct want *want, enum fh_kind kind, uint8_t class, struct fh_range *dirty_part) {
    fh_lock(&lock);
    uint32_t g = want->coming ? 0 : find_dirty(want, dirty_part);
    bool clean = g == 0;
    if (clean) {
        g = find_clean(want);
        *dirty_part = (struct fh_range){0, 0};
    }
    if (g) {
        uint32_t at = aligned(g, want->align);
        carve(g, at, want->granules);
        mark_used(at, want->granules, kind, class);
        moving += want->coming;
        if (want->filled) fill(at, want, dirty_part);
        if (clean) exchange_dirty();
        note_held();
        g = at;
    }
    fh_unlock(&lock);
    return g;
}

uint32_t fh_extent_take(uint32_t granules, uint32_t align, enum fh_kind kind, uint8_t class,
                        struct fh_range *dirty_part) {
    struct want want = {.granules = granules, .align = align, .written = granules};
    return take(&want, kind, class, dirty_part);
}

uint32_t fh_extent_take_to_fill(uint32_t granules, uint32_t coming, struct fh_range *dirty_part) {
    struct want want = {
        .granules = granules, .align = 1, .coming = coming, .written = granules, .filled = true};
    return take(&want, FH_LARGE, 0, dirty_part);
}

uint32_t fh_extent_take_to_write(uint32_t granules, uint32_t written, struct fh_range *dirty_part) {
    struct want want = {.granules = granules, .align = 1, .written = written, .filled = written < granules};
    return take(&want, FH_LARGE, 0, dirty_part);
}

uint32_t fh_extent_take_to_grow(uint32_t granules) {
    struct want want = {.granules = granules, .align = 1, .written = granules, .filled = true, .grows = true};
    struct fh_range dirty_part;
    return take(&want, FH_LARGE, 0, &dirty_part);
}

bool fh_extent_grow(uint32_t first, uint32_t granules) {
    struct fh_head *head = head_of(first);
    fh_lock(&lock);
    uint32_t end = first + head->granules, more = granules - head->granules;
    if (end == fh_space.mapped) extend(more, 1);
    bool fits = end < fh_space.mapped && is_free(head_of(end)->kind) && head_of(end)->granules >= more;
    if (fits && head_of(end)->kind == FH_FREE_CLEAN &&
        fh_settings.limit) { /* making room may merge what follows */
        fits = within_limit(more) && is_free(head_of(end)->kind) && head_of(end)->granules >= more;
    }
    if (fits) {
        bool clean = head_of(end)->kind == FH_FREE_CLEAN;
        carve(end, end, more);
        head_of(end + more - 1)->kind = FH_INSIDE;
        head->granules = granules;
        if (clean) {
            fill_from_dirty(end, more);
            exchange_dirty();
        }
        note_held();
    }
    fh_unlock(&lock);
    return fits;
}

/* ---- huge pages ---- */

/* A huge page costs one page fault instead of 512, and one entry of the processor's address cache. But all of
 * it is held as soon as any of it is touched. So only those ask for it whose memory will be used up to the last
 * page, or nearly; and it is given only where the heap holds so much already that one in part unused does not
 * matter. */

/* Takes a clean stretch that can be one huge page. It is dirty from now on, and goes piece by piece. */
static void add_huge_page(void) {
    uint32_t g = best(FH_FREE_CLEAN, FH_HUGE_GRANULES, FH_HUGE_GRANULES);
    if (g == 0 && extend(FH_HUGE_GRANULES, FH_HUGE_GRANULES))
        g = best(FH_FREE_CLEAN, FH_HUGE_GRANULES, FH_HUGE_GRANULES);
    if (g == 0) return;
    uint32_t at = aligned(g, FH_HUGE_GRANULES);
    if (!fh_os_use_huge(fh_granule_address(at), FH_HUGE_PAGE, true)) return;
    __atomic_fetch_or(&fh_space.pages[at], FH_HUGE, __ATOMIC_RELAXED);
    carve(g, at, FH_HUGE_GRANULES);
    used -= FH_HUGE_GRANULES;
    enter_merged(at, FH_HUGE_GRANULES, FH_FREE_DIRTY, fh_os_ticks());
    note_held();
}

void fh_extent_prefer_huge(uint32_t granules) {
    if (!fh_settings.huge || fh_settings.limit || granules > FH_HUGE_GRANULES / 2) return;
    fh_lock(&lock);
    if (used + dirty >= FH_SMALL_HEAP && best(FH_FREE_DIRTY, granules, 1) == 0) add_huge_page();
    fh_unlock(&lock);
}

/* ---- giving ---- */

static void give(uint32_t g, uint32_t granules, bool clean) {
    used -= granules;
    enter_given(g, granules, clean);
    if (clean) make_small(g, granules);
    note_held();
}

static void give_extent(uint32_t first, bool clean, bool moved) {
    struct fh_head *head = head_of(first);
    fh_lock(&lock);
    if (moved) moving -= head->granules;
    uint32_t granules = head->granules;
    fh_space.classes[first] = 0;
    head->kind = FH_INSIDE;
    give(first, granules, clean);
    fh_unlock(&lock);
    fh_extent_decay();
}

void fh_extent_give(uint32_t first, bool clean) { give_extent(first, clean, false); }

void fh_extent_give_moved(uint32_t first, bool clean) { give_extent(first, clean, true); }

void fh_extent_give_in_parts(uint32_t first, uint32_t from, const struct fh_range *clean, unsigned count) {
    struct fh_head *head = head_of(first);
    fh_lock(&lock);
    uint32_t at = from, end = head->granules;
    if (from == 0) head->kind = FH_INSIDE;
    else head->granules = from;
    for (unsigned i = 0; i < count; at = clean[i++].to) {
        if (clean[i].from > at) give(first + at, clean[i].from - at, false);
        give(first + clean[i].from, clean[i].to - clean[i].from, true);
    }
    if (at < end) give(first + at, end - at, false);
    fh_unlock(&lock);
    fh_extent_decay();
}

/* ---- giving back to the system ---- */

void fh_extent_decay(void) {
    uint64_t now = fh_os_ticks();
    if (now < atomic_load_explicit(&next_look, memory_order_relaxed)) return;
    uint64_t decay = fh_settings.decay_ms;
    atomic_store_explicit(&next_look, now + decay / 8, memory_order_relaxed);
    fh_lock(&lock);
    while (oldest && head_of(oldest)->tick + decay <= now)
        if (purge_oldest(SIZE_MAX) == 0) break;
    fh_unlock(&lock);
}

size_t fh_extent_purge_all(void) {
    fh_lock(&lock);
    size_t before = purged;
    purge_above(0);
    size_t given = (purged - before) << FH_GRANULE_SHIFT;
    fh_unlock(&lock);
    return given;
}

void fh_extent_numbers(struct fh_extent_numbers *out) {
    out->used = used << FH_GRANULE_SHIFT;
    out->dirty = dirty << FH_GRANULE_SHIFT;
    out->peak = peak << FH_GRANULE_SHIFT;
    out->purged = purged << FH_GRANULE_SHIFT;
    out->largest = (size_t)fh_tree_longest(trees[DIRTY]) << FH_GRANULE_SHIFT;
}

void fh_extent_after_fork(void) {
    fh_lock(&lock);
    moving = 0; /* what another thread was moving stays where it is, in use by nobody */
    for (uint32_t g = 1; purging && g < fh_space.mapped; g += head_of(g)->granules) {
        if (head_of(g)->kind != FH_PURGING) continue;
        head_of(g)->kind = FH_INSIDE;
        g = enter_merged(g, head_of(g)->granules, FH_FREE_DIRTY, fh_os_ticks());
        purging--;
    }
    fh_unlock(&lock);
}

void fh_extent_lock_all(void) { fh_lock(&lock); }
void fh_extent_unlock_all(void) { fh_unlock(&lock); }

/* ---- checking ---- */

/* Checks the subtree and counts it in *n; the granules in it have keys in (above, below). */
static bool tree_is_valid(uint32_t g, uint8_t kind, uint64_t above, uint64_t below, size_t *n) {
    if (g == 0) return true;
    const struct fh_head *head = head_of(g);
    uint64_t key = fh_tree_key(g);
    if (head->kind != kind || key <= above || key >= below) return false;
    if (head->left && fh_tree_priority(head->left) > fh_tree_priority(g)) return false;
    if (head->right && fh_tree_priority(head->right) > fh_tree_priority(g)) return false;
    ++*n;
    return tree_is_valid(head->left, kind, above, key, n) && tree_is_valid(head->right, kind, key, below, n);
}

static bool age_is_valid(size_t extents) {
    size_t n = 0;
    uint32_t before = 0;
    for (uint32_t g = oldest; g && n <= extents; before = g, g = head_of(g)->next, n++)
        if (head_of(g)->kind != FH_FREE_DIRTY || head_of(g)->prev != before) return false;
    return n == extents && before == youngest;
}

bool fh_extent_is_valid(void) {
    size_t in_use = 0, dirty_found = 0, extents[2] = {0, 0}, in_tree[2] = {0, 0};
    uint8_t last = FH_INSIDE;
    bool valid = true;
    for (uint32_t g = 1; g < fh_space.mapped; g += head_of(g)->granules) {
        const struct fh_head *head = head_of(g);
        if (head->kind == FH_SPAN || head->kind == FH_LARGE) in_use += head->granules;
        if (head->kind == FH_FREE_DIRTY) dirty_found += head->granules;
        if (is_free(head->kind)) {
            const struct fh_head *end = head_of(g + head->granules - 1);
            valid = valid && head->kind != last && end->kind == head->kind && end->first == g;
            extents[head->kind == FH_FREE_DIRTY ? DIRTY : CLEAN]++;
        }
        last = head->kind;
    }
    valid = valid && in_use == used && dirty_found == dirty;
    valid = valid && tree_is_valid(trees[DIRTY], FH_FREE_DIRTY, 0, UINT64_MAX, &in_tree[DIRTY]);
    valid = valid && tree_is_valid(trees[CLEAN], FH_FREE_CLEAN, 0, UINT64_MAX, &in_tree[CLEAN]);
    valid = valid && in_tree[DIRTY] == extents[DIRTY] && in_tree[CLEAN] == extents[CLEAN] &&
            age_is_valid(extents[DIRTY]);
    if (!valid)
        fh_say("the heap is broken: free extents, used %zu of %zu, dirty %zu of %zu", in_use, used, dirty_found,
               dirty);
    return valid;
}
