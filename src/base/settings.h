/* settings.h - the one place where a process is configured.
 *
 *     FREEHOLD="mode=fast,count=on,report=/tmp/r"        read once, before the first allocation
 *     fh_set("limit", "2G")                              the same keys through the API, at run time
 *
 * A setting is a row in the table in settings.c: its key, the kind of its value, where the value is kept, and
 * a line of help. A part reads its values as plain variables. Unknown keys and bad values are said on
 * stderr, once, and ignored. Nothing here allocates, so it may run inside the first malloc of a process.
 */
#ifndef FH_BASE_SETTINGS_H
#define FH_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

enum fh_mode { FH_MODE_FAST, FH_MODE_CHECKED, FH_MODE_GUARD };
enum fh_on_error { FH_ON_ERROR_ABORT, FH_ON_ERROR_REPORT };
enum fh_error_format { FH_ERROR_TEXT, FH_ERROR_JSON };
enum fh_guard_place { FH_GUARD_END, FH_GUARD_START };

struct fh_settings {
    enum fh_mode mode;  /* mode=fast|checked|guard                                                */
    bool count;         /* count=on|off     each call is seen and counted                          */
    bool stack_report;  /* stack_report=on|off   overflows are reported; always in checked and guard  */
    size_t limit;       /* limit=SIZE       most bytes the heap may hold; 0 = none                 */
    size_t decay_ms;    /* decay=MS         how long free pages are kept before they are given back */
    bool huge;          /* huge=on|off      huge pages for the small blocks of a heap that is large     */
    bool purge_thread;  /* purge_thread=on|off   a thread gives free pages back when nobody else looks  */
    size_t region_size; /* region=SIZE      address space of a thread's region stack               */
    bool region_check;  /* region_check=on|off   late pointers are caught; always in checked and guard */
    bool region_abort;  /* region_abort=on|off   a push that does not fit ends the process         */
    char report[512];   /* report=DIR       directory in which each process keeps its numbers      */
    bool report_quiet;  /* report_quiet=on|off   nothing is said where that cannot be done, nor of bad
                         * settings that stand behind it                                           */

    /* What is done about misuse of the heap: docs/SECURITY.md. */
    enum fh_on_error on_error; /* on_error=abort|report       end the process, or go on where that is safe    */
    enum fh_error_format
        error_format;     /* error_format=text|json                                                       */
    char error_file[256]; /* error_file=PATH             reports go to the end of this file, not stderr  */
    size_t quarantine;    /* quarantine=SIZE             freed bytes that each thread holds back         */
    size_t stacks;        /* stacks=N                    calls kept of each allocation and free; 1 is cheap */
    bool check_kinds;     /* check_kinds=on|off          new, new[] and malloc must match their deletes  */
    bool wide;            /* wide=on|off                 use registers that not every processor has     */
    bool fill_alloc;      /* fill_alloc=on|off           new blocks are filled with a pattern            */
    bool zero_free;       /* zero_free=on|off            freed blocks are filled with zeros              */
    bool sweep;           /* sweep=on|off                look over the whole heap at exit                */
    size_t guard_first;   /* guard_first=N               checked: the first N allocations are guarded    */
    size_t guard_sample;  /* guard_sample=N              about one in N allocations is guarded; 0: none  */
    size_t guard_most;    /* guard_most=N                most guarded blocks in use at once              */
    size_t guard_align;   /* guard_align=N               1, 2, 4, 8 or 16: how close to its guard; 0: by size */
    enum fh_guard_place
        guard_place; /* guard=end|start             on which side a block touches its guard page    */
};
extern struct fh_settings fh_settings __attribute__((visibility("hidden")));

/* Each call of the heap is checked. */
static inline bool fh_mode_checks(void) { return fh_settings.mode != FH_MODE_FAST; }

/* Reads the environment. Called once by the heap's first slow path, or by whoever needs a setting before. */
void fh_settings_init(void);

/* Is it a value for the key, which exists? `wanted` says what is. Not while other threads run. */
bool fh_settings_would_take(const char *key, const char *value, char *wanted, size_t size);

/* Prints all keys, their values now, and their help lines: `freehold run --help` shows it too. */
void fh_settings_print(int fd);

#endif
