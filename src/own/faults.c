/* faults.c - a fault at an address that belongs to an owner, or at almost zero, is explained before the default
 * happens:
 *
 *     address in the first 64 KiB      an empty owner was used: moved from, or never filled
 *     in the pages of a dropped block  use after drop (the borrow outlived its owner); by the glue of a drop, which
 *                                      looks at what it drops: a double drop
 *     in those of a block left behind  an element pointer used after its Vec grew
 *     behind a live block              an access past the end
 *
 * The place that is told is the innermost in the program's own code: the fault itself may be in strlen.
 */
#include "own/checked.h"

#include "base/report.h"
#include "os/os_backtrace.h"
#include "os/os_own.h"

#include <string.h>

enum { FRAMES = 16 };

static void explain_empty(uintptr_t address, struct fh_where where) {
    const char *name = fh_moved_name();
    if (name) fh_report_begin("E0382", "use of moved value: `%s`", name);
    else fh_report_begin("E0382", "an empty owner was used: access to offset %zu of nothing", (size_t)address);
    fh_report_line("used here", where);
    fh_moves_explain();
    fh_report_note("a moved-from, dropped or never filled owner is empty (NULL)");
    fh_report_end();
}

/* Whether code is what the headers' macros write for drops: fh_Rc_T_drop, fh_Map_K_V_run, fh_rest_T ... Known
 * where addr2line is, and reads the compiler's notes on inlining: not those of Clang. */
static bool is_glue(const char *code) {
    const char *function = strstr(code, "(fh_");
    return function != NULL &&
           (strncmp(function, "(fh_rest_", 9) == 0 || strstr(function, "_drop") || strstr(function, "_run"));
}

/* What is to be done about a block that was used too late, as far as the place of the drop tells. */
static void advise_dropped(const struct fh_record *r) {
    if (r->ended.scope_end)
        fh_report_note("was it returned without move? `return move(x);` hands x out of its scope");
    else if (r->ended.site == NULL)
        fh_report_note("dropped at the end of a scope? If it was to be returned: `return move(x);`");
    fh_report_note("else take what you need before the drop, or let the owner live longer: move() it to where "
                   "it is needed, "
                   "share it by Rc, or clone() it");
}

/* The record says that the block is live. Within it nothing faults but what another thread is dropping just
 * now: the block is gone already, and the record does not tell yet. */
static void begin_live(const struct fh_record *r, uintptr_t address) {
    if (address < r->block)
        fh_report_begin("bounds", "access %zu bytes before the beginning of %s", (size_t)(r->block - address),
                        r->what);
    else if (address - r->block < r->size)
        fh_report_begin("E0505", "use of %s after it was dropped: another thread is just dropping it", r->what);
    else
        fh_report_begin("bounds", "access %zu bytes past the end of %s", (size_t)(address - r->block - r->size),
                        r->what);
}

/* `code` is where the fault was, `where` the place in the program from which that was called. */
static void explain_record(const struct fh_record *r, uintptr_t address, uintptr_t pc, struct fh_where where) {
    char code[400] = "";
    if (r->state == FH_RECORD_GROWN) {
        fh_report_begin("E0502", "%s: an element pointer was used after the %s grew and moved", r->what,
                        r->what);
        fh_report_line("used here", where);
        fh_report_line("grown here", r->ended);
    } else if (r->state == FH_RECORD_DROPPED) {
        fh_os_describe_code(pc, code, sizeof code);
        if (is_glue(code)) fh_checked_stop_double_drop(r, fh_where_dropped(where.pc));
        bool set = r->ended.site && strncmp(r->ended.site->text, "set(", 4) == 0;
        if (set) fh_report_begin("E0506", "use of %s after its owner was assigned to while borrowed", r->what);
        else
            fh_report_begin(
                "E0505", "use of %s after it was dropped: the borrow outlives the owner (E0505, E0515, E0597)",
                r->what);
        fh_report_line("used here", where);
        fh_report_line(set ? "assigned to here" : "dropped here", r->ended);
    } else {
        begin_live(r, address);
        fh_report_line("used here", where);
    }
    fh_report_record(r);
    if (strstr(code, ".h:")) /* inlined from a header of owners, as drops are */
        fh_report_note("or it was dropped twice: two owners held it, as one was copied with `=`");
    if (r->state == FH_RECORD_GROWN) {
        fh_report_note(
            "a pointer or view into it, or a copy of the owner made with `=`, still shows the old place");
        fh_report_note("take the pointer again after what made it grow, or keep an index instead");
    } else if (r->state == FH_RECORD_DROPPED) advise_dropped(r);
    fh_report_end();
}

static void explain(uintptr_t address, const struct fh_os_registers *registers) {
    uintptr_t pcs[FRAMES];
    unsigned count = fh_os_backtrace_from(pcs, FRAMES, registers);
    if (count == 0) pcs[count++] = registers->pc;
    pcs[0]++; /* the describer expects return addresses */
    if (address < 65536) explain_empty(address, (struct fh_where){.pc = fh_os_program_code(pcs, count)});
    bool mine =
        fh_records_trylock(); /* another thread may hold it, or this one: the report is worth the risk */
    const struct fh_record *r = fh_record_around(address);
    struct fh_record copy = r ? *r : (struct fh_record){0};
    if (mine) fh_records_unlock();
    if (copy.pages == NULL) return;
    explain_record(&copy, address, pcs[0], (struct fh_where){.pc = fh_os_program_code(pcs, count)});
}

void fh_faults_begin(void) { fh_os_on_fault(explain); }
