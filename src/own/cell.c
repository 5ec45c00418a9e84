/* cell.c - a borrow of a RefCell that was refused. The flags are checked in every mode; where the other borrow
 * was taken is known in programs built with -DFH_CHECKED, in checked mode. */
#include <freehold/cell.h>

#include "own/checked.h"

enum { NOTED = 64 };

struct borrow {
    uintptr_t flag; /* its address inverted: the search for leaks shall not find the RefCell here */
    const struct fh_site *site;
};

/* The latest borrows of this thread: a RefCell is for one thread. Made at the first one. */
static __thread struct borrow *noted;
static __thread unsigned noted_next;

void fh_note_borrow(const int32_t *flag, const struct fh_site *site) {
    if (!fh_checked_on()) return;
    if (noted == NULL) noted = fh_calloc(NOTED, sizeof *noted);
    if (noted == NULL) return;
    unsigned i = noted_next++ % NOTED;
    noted[i].flag = ~(uintptr_t)flag;
    noted[i].site = site;
}

static const struct fh_site *place_of(const int32_t *flag) {
    for (unsigned n = 1; noted != NULL && n <= NOTED; n++) {
        unsigned i = (noted_next - n) % NOTED;
        if (noted[i].flag == ~(uintptr_t)flag) return noted[i].site;
    }
    return NULL;
}

void fh_borrow_refused(const int32_t *flag, char wanted) {
    const char *now = *flag < 0 ? "already mutably borrowed" : "already borrowed";
    const char *code = wanted == 'd'                ? "E0505"
                       : wanted == 'r'              ? "E0506"
                       : wanted == 'm' && *flag < 0 ? "E0499"
                                                    : "E0502";
    const char *what = wanted == 'd'   ? "dropped while it is borrowed"
                       : wanted == 'r' ? "assigned to while it is borrowed"
                       : wanted == 'm' ? "cannot be borrowed mutably"
                                       : "cannot be borrowed";
    fh_report_begin(code, "RefCell %s: it is %s", what, now);
    fh_report_line(wanted == 'd' ? "dropped here" : "refused here", FH_HERE);
    const struct fh_site *other = place_of(flag);
    if (other && other != fh_here)
        fh_report_line("borrowed here, and not given back", (struct fh_where){.site = other});
    fh_report_note("a borrow ends with the scope of its Ref, or with drop()");
    fh_report_stopped("as a RefCell's borrow rule is broken");
    __builtin_abort();
}
