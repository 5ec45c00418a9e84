/* leaks.c - at exit: owners that still hold something and that nobody can reach any more.
 *
 * Reached are the blocks whose address stands in the program's writable data, or in the thread-local data of
 * the thread that ends the process, and those whose address stands in a reached block, and so on (a word counts
 * as an address wherever it points into a block). Statics are never dropped, in Rust as here, so what they hold
 * is no leak. Blocks made by a thread that is still running are that thread's business. The rest was lost: the
 * report lists up to ten places, and the process ends with status 101.
 *
 *     places   every block, by address: a word's is found by bisection
 *     todo     those that were reached and not looked into yet
 *     places = not reached + todo + looked into
 *
 * What other code has from malloc may hold owners, too. There may be many more of such blocks, so they are
 * looked at only when without them something seems lost.
 */
#include <freehold/heaps.h>

#include "own/checked.h"

#include "base/report.h"
#include "heap/guard.h"
#include "os/os.h"
#include "os/os_own.h"

#include <stdlib.h>

enum { LISTED = 10, STATUS = 101 };

struct place {
    uintptr_t from, to;
    struct fh_record *record; /* NULL: it is malloc's */
    bool reached;
};
static struct place *places, **todo;
static size_t count, room, waiting;

/* ---- the places ---- */

static void add_place(const void *from, size_t size, struct fh_record *record) {
    if (count < room)
        places[count] = (struct place){(uintptr_t)from, (uintptr_t)from + (size ? size : 1), record, false};
    count++;
}

/* A forgotten block without pages of its own is malloc's now, and may have been freed since. */
static bool is_an_owners(const struct fh_record *r) {
    return r->state == FH_RECORD_LIVE || (r->state == FH_RECORD_FORGOTTEN && r->pages);
}
static void add_record(struct fh_record *r) {
    if (is_an_owners(r)) add_place((const void *)r->block, r->size, r);
}
static void add_malloc(const void *p, size_t size) {
    struct fh_record *r = fh_record_of((uintptr_t)p);
    if (r == NULL || !is_an_owners(r)) add_place(p, size, r && r->state == FH_RECORD_FORGOTTEN ? r : NULL);
}

static int add_block(const struct fh_block *block, void *unused) {
    (void)unused;
    if (block->state == FH_BLOCK_LIVE) add_malloc(block->address, block->size);
    return 0;
}

static void add_all(bool with_malloc) {
    count = 0;
    fh_each_record(add_record);
    if (!with_malloc) return;
    fh_guard_each(add_malloc);
    fh_heap_walk(NULL, add_block, NULL);
}

static int by_address(const void *a, const void *b) {
    uintptr_t x = ((const struct place *)a)->from, y = ((const struct place *)b)->from;
    return (x > y) - (x < y);
}

/* The second time there may be more of them: those are left out, with others to come. */
static bool find_places(bool with_malloc) {
    size_t page = fh_os_page_size(), each = sizeof *places + sizeof *todo;
    room = 0;
    add_all(with_malloc);
    size_t wanted = count;
    places = fh_os_map((wanted * each + page) & ~(page - 1));
    if (places == NULL) return false;
    todo = (struct place **)(void *)(places + wanted);
    room = wanted;
    add_all(with_malloc);
    if (count > room) count = room;
    qsort(places, count, sizeof *places, by_address);
    return true;
}

static void forget_places(void) {
    size_t page = fh_os_page_size(), each = sizeof *places + sizeof *todo;
    fh_os_unmap(places, (room * each + page) & ~(page - 1));
}

/* ---- what is reached ---- */

static void reach(struct place *place) {
    if (place->reached) return;
    place->reached = true;
    todo[waiting++] = place;
}

static void look_up(uintptr_t address) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places[middle].from <= address) low = middle + 1;
        else high = middle;
    }
    if (low > 0 && address < places[low - 1].to) reach(&places[low - 1]);
}

static void look(const uintptr_t *from, const uintptr_t *to) {
    uintptr_t least = count ? places[0].from : UINTPTR_MAX;
    for (const uintptr_t *word = from; word < to; word++)
        if (*word >= least) look_up(*word);
}

static bool is_spared(const struct fh_record *r) {
    bool busy = !fh_os_thread_is_main(r->thread) && fh_os_thread_lives(r->thread);
    return r->state == FH_RECORD_FORGOTTEN || busy;
}

static void reach_all(void) {
    waiting = 0;
    for (size_t i = 0; i < count; i++)
        if (places[i].record && is_spared(places[i].record)) reach(&places[i]);
    fh_os_each_data(look);
    while (waiting > 0) {
        const struct place *place = todo[--waiting];
        look((const uintptr_t *)((place->from + 7) & ~(uintptr_t)7),
             (const uintptr_t *)(place->to & ~(uintptr_t)7));
    }
}

/* ---- what is lost ---- */

static bool is_lost(const struct place *place) { return place->record && !place->reached; }

static size_t lost_bytes;
static size_t count_lost(void) {
    size_t lost = 0;
    lost_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_lost(&places[i])) continue;
        lost++;
        lost_bytes += places[i].record->size;
    }
    return lost;
}

static void report(size_t lost) {
    fh_report_begin("leak", "%zu owner%s never dropped, %zu bytes", lost, lost == 1 ? " was" : "s were",
                    lost_bytes);
    size_t listed = 0;
    for (size_t i = 0; i < count && listed < LISTED; i++) {
        if (!is_lost(&places[i])) continue;
        fh_report_record(places[i].record);
        listed++;
    }
    if (lost > LISTED) fh_report_note("and %zu more", lost - LISTED);
    fh_report_note(
        "assigned over with `=` (set() drops the old one), not declared with own(), a field that DROP "
        "leaves out, a cycle of Rcs, or exit() from inside a scope");
    fh_report_stopped_by_mode();
    fh_os_exit_now(STATUS);
}

static size_t search(bool with_malloc) {
    if (!find_places(with_malloc)) return 0;
    reach_all();
    size_t lost = count_lost();
    if (lost == 0) forget_places();
    return lost;
}

static void at_exit(void) {
    fh_records_lock();
    size_t lost = search(false);
    if (lost > 0) {
        forget_places();
        lost = search(true);
    }
    if (lost > 0) report(lost);
    fh_records_unlock();
}

void fh_leaks_begin(void) { fh_os_at_exit(at_exit); }
