/* checked_report.c - reports of the owners' checked mode, in rustc's manner:
 *
 *     error[E0382]: use of moved value: `n`
 *       --> list.c:14: used here: n                         in main
 *       --> list.c:12: moved here: move(n)                  in main
 *       --> list.c:10: created here: box(Node)              Box(Node), 40 bytes
 *        = note: a moved-from owner is empty
 *     freehold: stopped by FREEHOLD=mode=checked
 *
 * and with error_format=json as one line with the same in the same order:
 *
 *     {"freehold":"owner-misuse","code":"E0382","what":"use of moved value: `n`","lines":[
 *      {"label":"used here","file":"list.c","line":14,"text":"n","function":"main"}, ...,
 *      {"note":"a moved-from owner is empty"}],"stopped":"by FREEHOLD=mode=checked"}
 *
 * Without -DFH_CHECKED a place is an address, for which addr2line is asked. A text is written line by line, so
 * that something is told even if the program's memory is too damaged for the next one.
 */
#include "own/checked.h"

#include "base/report.h"
#include "base/reporter.h"
#include "base/settings.h"
#include "os/os.h"
#include "os/os_own.h"

#include <stdarg.h>
#include <string.h>

static bool is_json(void) { return fh_settings.error_format == FH_ERROR_JSON; }

static bool first; /* of the lines, in JSON */

static void put_named(const char *name, const char *text) {
    fh_reporter_put("\"%s\":", name);
    fh_reporter_put_json(text);
}

static void begin_line(const char *name, const char *text) {
    fh_reporter_put(first ? "{" : ",{");
    first = false;
    put_named(name, text);
}

/* A report never returns to the program, so nobody but this thread enters from now on. */
void fh_report_begin(const char *code, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    fh_vformat(text, sizeof text, format, args);
    va_end(args);
    if (!fh_reporter_enter()) fh_os_abort(); /* a mistake while one is told: the first is what counts */
    first = true;
    if (is_json()) {
        fh_reporter_put("{\"freehold\":\"owner-misuse\",\"code\":\"%s\",", code);
        put_named("what", text);
        fh_reporter_put(",\"lines\":[");
        return;
    }
    fh_reporter_put("error[%s]: %s\n", code, text);
    fh_reporter_write();
}

static uintptr_t program_code(const struct fh_where *where) {
    uintptr_t pcs[1 + sizeof where->outer / sizeof *where->outer] = {where->pc};
    unsigned count = 1;
    if (where->outer[0] == 0) return where->pc; /* nothing to choose from */
    for (size_t i = 0; i < sizeof where->outer / sizeof *where->outer && where->outer[i] != 0; i++)
        pcs[count++] = where->outer[i];
    return fh_os_program_code(pcs, count);
}

static void put_line(const char *label, struct fh_where where, const char *code) {
    const struct fh_site *site = where.site;
    if (site == NULL) {
        fh_reporter_put("  --> %s: %s\n", code, label);
    } else if (where.scope_end) {
        fh_reporter_put("  --> %s: %s, at the end of the scope of the owner declared in line %d: %s  (in %s)\n",
                        site->file, label, site->line, site->text, site->function);
    } else {
        fh_reporter_put("  --> %s:%d: %s: %s  (in %s)\n", site->file, site->line, label, site->text,
                        site->function);
    }
    fh_reporter_write();
}

static void put_json_line(const char *label, struct fh_where where, const char *code) {
    const struct fh_site *site = where.site;
    begin_line("label", label);
    fh_reporter_put(",");
    if (site == NULL) {
        put_named("place", code);
    } else {
        put_named("file", site->file);
        fh_reporter_put(",\"%s\":%d,", where.scope_end ? "declared" : "line", site->line);
        put_named("text", site->text);
        fh_reporter_put(",");
        put_named("function", site->function);
    }
    fh_reporter_put("}");
}

/* A site is worth more than an address, but for the end of a scope: of that it tells only the beginning. */
void fh_report_line(const char *label, struct fh_where where) {
    char code[400] = "";
    if (where.site == NULL) {
        if (where.pc == 0) return;
        fh_os_describe_code(program_code(&where), code, sizeof code);
    }
    if (is_json()) put_json_line(label, where, code);
    else put_line(label, where, code);
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
    if (is_json()) {
        begin_line("note", text);
        fh_reporter_put("}");
        return;
    }
    fh_reporter_put("   = note: %s\n", text);
    fh_reporter_write();
}

void fh_report_stopped(const char *why) {
    if (is_json()) {
        fh_reporter_put("],");
        put_named("stopped", why);
        fh_reporter_put("}\n");
    } else {
        fh_reporter_put("freehold: stopped %s\n", why);
    }
    fh_reporter_write();
}

void fh_report_stopped_by_mode(void) {
    fh_report_stopped(fh_settings.mode == FH_MODE_GUARD ? "by FREEHOLD=mode=guard"
                                                        : "by FREEHOLD=mode=checked");
}

void fh_report_end(void) {
    fh_report_stopped_by_mode();
    fh_os_abort();
}
