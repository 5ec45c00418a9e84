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

enum fh_mode { FH_MODE_FAST, FH_MODE_CHECKED };

struct fh_settings {
    enum fh_mode mode;  /* mode=fast|checked                                                      */
    bool count;         /* count=on|off     each call is seen and counted                          */
    bool stack_report;  /* stack_report=on|off   install the stack overflow report at start        */
    size_t limit;       /* limit=SIZE       most bytes the heap may hold; 0 = none                 */
    size_t decay_ms;    /* decay=MS         how long free pages are kept before they are given back */
    size_t region_size; /* region=SIZE      address space of a thread's region stack               */
    bool region_check;  /* region_check=on|off   pointers past their frame are caught; so in mode=checked */
    bool region_abort;  /* region_abort=on|off   a push that does not fit ends the process         */
    char report[512];   /* report=DIR       directory in which each process keeps its numbers      */
};
extern struct fh_settings fh_settings __attribute__((visibility("hidden")));

/* Reads the environment. Called once by the heap's first slow path, or by whoever needs a setting before. */
void fh_settings_init(void);

/* Prints all keys, their values now, and their help lines: `freehold run --help` shows it too. */
void fh_settings_print(int fd);

#endif
