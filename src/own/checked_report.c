/* checked_report.c - reports of the owners' checked mode, in rustc's manner:
 *
 *     error[E0382]: use of moved value: `n`
 *       --> list.c:14: used here: n                         in main
 *       --> list.c:12: moved here: move(n)                  in main
 *       --> list.c:10: created here: box(Node)              Box(Node), 40 bytes
 *        = note: a moved-from owner is empty
 *     freehold: stopped by FREEHOLD=mode=checked
 *
 * Without -DFH_CHECKED a place is an address, for which addr2line is asked.
 */
#include "own/checked.h"

#include "base/report.h"
#include "base/settings.h"
#include "os/os.h"
#include "os/os_own.h"

#include <stdarg.h>
#include <string.h>

void fh_report_begin(const char *code, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    fh_vformat(text, sizeof text, format, args);
    va_end(args);
    fh_print(2, "error[%s]: %s\n", code, text);
}

static uintptr_t program_code(const struct fh_where *where) {
    uintptr_t pcs[1 + sizeof where->outer / sizeof *where->outer] = {where->pc};
    unsigned count = 1;
    if (where->outer[0] == 0) return where->pc; /* nothing to choose from */
    for (size_t i = 0; i < sizeof where->outer / sizeof *where->outer && where->outer[i] != 0; i++)
        pcs[count++] = where->outer[i];
    return fh_os_program_code(pcs, count);
}

/* A site is worth more than an address, but for the end of a scope: of that it tells only the beginning. */
void fh_report_line(const char *label, struct fh_where where) {
    char code[400];
    const struct fh_site *site = where.site;
    if (site && where.scope_end) {
        fh_print(2, "  --> %s: %s, at the end of the scope of the owner declared in line %d: %s  (in %s)\n",
                 site->file, label, site->line, site->text, site->function);
    } else if (site) {
        fh_print(2, "  --> %s:%d: %s: %s  (in %s)\n", site->file, site->line, label, site->text,
                 site->function);
    } else if (where.pc != 0) {
        fh_os_describe_code(program_code(&where), code, sizeof code);
        fh_print(2, "  --> %s: %s\n", code, label);
    }
}

void fh_report_record(const struct fh_record *r) {
    char label[160];
    fh_format(label, sizeof label, "created here (%s, %zu bytes at 0x%zx)", r->what, r->size, (size_t)r->block);
    fh_report_line(label, r->born);
}

void fh_report_note(const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    fh_vformat(text, sizeof text, format, args);
    va_end(args);
    fh_print(2, "   = note: %s\n", text);
}

void fh_report_who_stops(void) {
    const char *mode = fh_settings.mode == FH_MODE_GUARD ? "guard" : "checked";
    fh_print(2, "freehold: stopped by FREEHOLD=mode=%s\n", mode);
}

void fh_report_end(void) {
    fh_report_who_stops();
    fh_os_abort();
}
