/* freed.c - free(), realloc() and their like of the block of an owner, in checked mode: such a block has pages
 * of its own, of which the heap knows nothing and asks.
 *
 *     live        a mistake: its owner frees it
 *     forgotten   right: free() is what it was forgotten for
 *     dropped     a mistake: the owner has freed it
 */
#include "own/checked.h"

#include "heap/check.h"

#include <string.h>

static bool is_free(const char *call) {
    return strncmp(call, "free", 4) == 0 || strncmp(call, "delete", 6) == 0;
}

static _Noreturn void stop(const struct fh_record *r, const char *call, uintptr_t caller) {
    bool gone = r->state == FH_RECORD_DROPPED || r->state == FH_RECORD_GROWN;
    fh_report_begin("free", gone ? "%s of the block of a %s that is gone" : "%s of the block of a %s", call,
                    r->what);
    fh_report_line("called here", (struct fh_where){.pc = caller});
    if (gone) fh_report_line("gone since here", r->ended);
    fh_report_record(r);
    if (r->state == FH_RECORD_FORGOTTEN)
        fh_report_note("in this mode the block of an owner that was forgotten can be freed, and not resized");
    else if (gone)
        fh_report_note("its owner has freed it: the pointer that was given to %s is an old copy", call);
    else
        fh_report_note(
            "its owner frees it; or forget() the owner first, when other code is to free what it held");
    fh_report_end();
}

static bool freed(const void *p, const char *call, uintptr_t caller) {
    fh_records_lock();
    const struct fh_record *r = fh_record_of_value((uintptr_t)p);
    struct fh_record copy = r ? *r : (struct fh_record){0};
    fh_records_unlock();
    if (r == NULL) return false;
    if (copy.state != FH_RECORD_FORGOTTEN || copy.block != (uintptr_t)p || !is_free(call))
        stop(&copy, call, caller);
    fh_checked_end((void *)copy.block, copy.size, copy.align, false, (struct fh_where){.pc = caller});
    return true;
}

void fh_freed_begin(void) { fh_check_elsewhere = freed; }
