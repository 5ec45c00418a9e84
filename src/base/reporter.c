/* reporter.c - see reporter.h. */
#include "base/reporter.h"

#include "base/report.h"
#include "base/settings.h"
#include "os/os.h"
#include "os/os_stack.h"

#include <stdatomic.h>
#include <stdint.h>

static char text[16 << 10];
static size_t length;
static _Atomic uint64_t reporting; /* the process and the thread that writes a report, 0 = none */

/* A thread that was writing when its process forked is not there in the child, where nobody would ever finish
 * its report. */
bool fh_reporter_enter(void) {
    bool main;
    uint64_t process = (uint64_t)fh_os_process_id() << 32, self = process | fh_os_thread_id(&main), other = 0;
    while (!atomic_compare_exchange_strong(&reporting, &other, self)) {
        if (other == self) return false;
        if ((other ^ process) >> 32 != 0) continue;
        other = 0;
        fh_os_pause();
    }
    length = 0;
    return true;
}

void fh_reporter_leave(void) { atomic_store(&reporting, 0); }

void fh_reporter_write(void) {
    int fd = fh_settings.error_file[0] ? fh_os_append(fh_settings.error_file) : -1;
    fh_os_write(fd >= 0 ? fd : 2, text, length);
    if (fd >= 0) fh_os_close(fd);
    length = 0;
}

void fh_reporter_put(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = sizeof text - length, more = fh_vformat(text + length, room, format, args);
    if (more >= room) {
        fh_reporter_write();
        room = sizeof text;
        more = fh_vformat(text, room, format, again);
    }
    va_end(again);
    va_end(args);
    length += more < room ? more : room - 1;
}

void fh_reporter_put_json(const char *s) {
    fh_reporter_put("\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') fh_reporter_put("\\%c", c);
        else if (c < ' ') fh_reporter_put("\\u%04x", c);
        else fh_reporter_put("%c", c);
    }
    fh_reporter_put("\"");
}
