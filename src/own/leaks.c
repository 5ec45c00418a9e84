/* leaks.c - at exit: owners that still hold something and that nobody can reach any more.
 *
 * Reached are the blocks whose address stands in the program's writable data, and those whose address stands in
 * a reached block, and so on (a word counts as an address wherever it points into a block). Statics are never
 * dropped, in Rust as here, so what they hold is no leak. Blocks made by a thread that is still running are
 * that thread's business. The rest was lost: the report lists up to ten places, and the process ends with
 * status 101.
 */
#include "own/checked.h"

#include "base/report.h"
#include "os/os.h"
#include "os/os_own.h"

enum { LISTED = 10, STATUS = 101 };

static bool more; /* a block was reached in this round */

static void look(const uintptr_t *from, const uintptr_t *to) {
    for (const uintptr_t *word = from; word < to; word++) {
        struct fh_record *r = fh_record_of(*word);
        for (size_t head = 8; r == NULL && *word > 65536 && head <= 16; head *= 2)
            r = fh_record_of(*word - head); /* an Rc's value */
        if (r && !r->reached) r->reached = more = true;
    }
}

static void look_inside(struct fh_record *r) {
    if (!r->reached || (r->state != FH_RECORD_LIVE && r->state != FH_RECORD_FORGOTTEN)) return;
    look((const uintptr_t *)((r->block + 7) & ~(uintptr_t)7),
         (const uintptr_t *)((r->block + r->size) & ~(uintptr_t)7));
}

static void spare_forgotten(struct fh_record *r) {
    bool busy = !fh_os_thread_is_main(r->thread) && fh_os_thread_lives(r->thread);
    if (r->state == FH_RECORD_FORGOTTEN || busy) r->reached = true;
}

static size_t lost, lost_bytes;

static bool is_lost(const struct fh_record *r) { return r->state == FH_RECORD_LIVE && !r->reached; }

static void count(struct fh_record *r) {
    if (!is_lost(r)) return;
    lost++;
    lost_bytes += r->size;
}

static size_t listed;
static void list(struct fh_record *r) {
    if (is_lost(r) && listed++ < LISTED) fh_report_record(r);
}

static void at_exit(void) {
    fh_records_lock();
    fh_each_record(spare_forgotten);
    fh_os_each_data(look);
    do {
        more = false;
        fh_each_record(look_inside);
    } while (more);
    fh_each_record(count);
    if (lost == 0) {
        fh_records_unlock();
        return;
    }
    fh_report_begin("leak", "%zu owner%s never dropped, %zu bytes", lost, lost == 1 ? " was" : "s were",
                    lost_bytes);
    fh_each_record(list);
    if (lost > LISTED) fh_report_note("and %zu more", lost - LISTED);
    fh_report_note(
        "assigned over with `=` (set() drops the old one), not declared with own(), a field that DROP "
        "leaves out, a cycle of Rcs, or exit() from inside a scope");
    fh_report_who_stops();
    fh_os_exit_now(STATUS);
}

void fh_leaks_begin(void) { fh_os_at_exit(at_exit); }
