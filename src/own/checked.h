/* checked.h - the checked mode of the owners: what is kept about each of them, and the checks that use it.
 *
 * On with FREEHOLD=mode=checked. Then the heap closes all bins, so that each Box, Rc, Arc, and each buffer of a
 * Vec, Str or Map passes through these functions, even in programs whose inlined code was compiled long before:
 *
 *     born        a record: address, size, what it is, where and in which thread it was made
 *     dropped     the record stays, with the place; the block waits in a quarantine, inaccessible when it has pages of
 *                 its own (the first few thousand have, then a sample), else filled with 0xdd
 *     evicted     the quarantine is full, or holds too many bytes: the oldest block goes back to the heap, its record away
 *
 *     record states     live -> dropped -> (gone)        live -> forgotten
 *
 * What each report is about (codes as rustc's): E0382 use after move, double drop; E0381 an owner that never
 * was one; E0502 element pointers after growth; E0505/E0597 use after drop; E0277 an Rc in two threads; leaks
 * at exit. RefCell's borrow rules are checked in every mode (cell.c).
 *
 * With -DFH_CHECKED places are sites of the source; without, return addresses, which the report turns into
 * lines with addr2line where that is installed.
 */
#ifndef FH_OWN_CHECKED_H
#define FH_OWN_CHECKED_H

#include <freehold/own.h>

/* A place: a site when the program has told one, and the address of the code. */
struct fh_where {
    const struct fh_site *site;
    uintptr_t pc;
    bool scope_end; /* at the end of the scope that the site declares an owner in */
    uintptr_t
        outer[3]; /* of a drop without a site: the callers, as pc may be in a drop function of the headers */
};

/* The address of the program's code that called into the library. Functions that programs call say FH_ENTER
 * before they call the buffers, which cannot see it. */
extern __thread uintptr_t fh_caller __attribute__((visibility("hidden")));
#define FH_ENTER ((void)(fh_caller = (uintptr_t)__builtin_return_address(0)))
#define FH_HERE ((struct fh_where){.site = fh_here, .pc = (uintptr_t)__builtin_return_address(0)})
#define FH_THERE ((struct fh_where){.site = fh_here, .pc = fh_caller})

/* Where a drop happens: in drop() or set(), or at the end of the innermost scope. */
struct fh_where fh_where_dropped(uintptr_t pc);

enum fh_record_state {
    FH_RECORD_NONE,
    FH_RECORD_LIVE,
    FH_RECORD_FORGOTTEN,
    FH_RECORD_DROPPED,
    FH_RECORD_GROWN
};

struct fh_record {
    uintptr_t block; /* 0: this place of the table is free                              */
    size_t size, align;
    const char *what; /* "Box(Node)", "Vec" ...                                           */
    struct fh_where born;
    struct fh_where ended; /* dropped, or left behind when the owner grew                      */
    uint64_t thread;       /* that made it                                                     */
    void *pages;           /* its own pages, NULL when it is the heap's                         */
    size_t pages_size;
    enum fh_record_state state;
    bool reached; /* by the search for leaks                                          */
};

/* Whether the mode is on. Reads the settings the first time. */
bool fh_checked_on(void);

/* ---- blocks (checked.c) ---- */

void *fh_checked_new(size_t size, size_t align, const char *what, struct fh_where where);
/* The block is dropped; `grown` when its contents have moved to a larger one. Stops on a double drop. */
void fh_checked_end(void *block, size_t size, size_t align, bool grown, struct fh_where where);
/* Two owners held the block of that record, and the second drops it. */
_Noreturn void fh_checked_stop_double_drop(const struct fh_record *record, struct fh_where where);
/* The calling thread touches the count of what is taken for `wanted` ("an Rc"); stops when it is not the thread
 * that made the Rc, or when it is something else: a Box, which has none, or the other kind of handle. */
void fh_checked_rc_touch(const void *value, const char *wanted, struct fh_where where);
/* What is taken for an Rc has no owners by its count: stops when that is because it is the value of a Box. */
void fh_checked_no_count(const void *value, struct fh_where where);
/* The record of a block that begins at or (inside) contains the address; NULL when there is none. The lock is
 * held by the caller, or everything is at its end. */
struct fh_record *fh_record_of(uintptr_t address);
struct fh_record *fh_record_around(uintptr_t address);
void fh_each_record(void (*look)(struct fh_record *record));
/* The record of an owner by what it points to: a block, or the value of an Rc or Arc, which begins 8 bytes
 * after its block or, with a larger alignment, that many. */
struct fh_record *fh_record_of_value(uintptr_t value);
/* Where what the owner points to was made; nothing known: all zero. Takes the lock. */
struct fh_where fh_born(uintptr_t value);
/* Holds up all threads that make or drop owners: for the search at exit, and (false: it is held) in a fault. */
void fh_records_lock(void);
bool fh_records_trylock(void);
void fh_records_unlock(void);

/* ---- reports (checked_report.c) ---- */

/* One report, put together line by line, as text or JSON, on stderr or in the file of error_file:
 *     begin("E0382", "use of moved value: `%s`", name)   line("moved here", where)   note("...")   end()  */
void fh_report_begin(const char *code, const char *format, ...);
void fh_report_line(const char *label, struct fh_where where);
void fh_report_record(const struct fh_record *record);
void fh_report_note(const char *format, ...);
void fh_report_stopped(const char *why); /* its last line: "by ..." */
void fh_report_stopped_by_mode(void);
_Noreturn void fh_report_end(void);

/* ---- moves, leaks, faults ---- */

/* The owner that was moved from last in this thread and is still empty, NULL when there is none; lines about
 * all of these (moves.c). */
const char *fh_moved_name(void);
void fh_moves_explain(void);

void fh_leaks_begin(void);  /* arms the search at exit (leaks.c)           */
void fh_faults_begin(void); /* arms the explanation of faults (faults.c)   */
void fh_freed_begin(void);  /* tells the heap whose blocks these are (freed.c) */

#endif
