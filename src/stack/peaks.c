/* peaks.c - the peaks of all threads.
 *
 * A thread's peak is found as in fh_stack_peak: the lowest page that was touched, asked of the kernel page by
 * page (mincore), from the thread's first frame downwards. Where the stack ends is known from the size that it
 * was created with, but not to the page: the C library puts its own data at the high end. So the last 64 KiB
 * are asked for only when all above them was touched, and then the mappings say where the end is. (The C
 * library's own answer, pthread_getattr_np, allocates: that would show in the very numbers that are kept.)
 */
#include "stack/peaks.h"

#include "os/os_record.h"
#include "os/os_stack.h"
#include "stack/callstack.h"
#include "stack/threads.h"

#include <string.h>

enum { UNSURE = 64 << 10 };

static void (*on_end)(const struct fh_thread_peak *);

/* The lowest page touched of a stack of about `size` bytes with its first frame at `first`; *end is its high
 * end where known. */
static const char *lowest_of(char *first, size_t size, char **end) {
    struct fh_os_bounds bounds;
    char *sure = size > UNSURE ? first - size + UNSURE : first;
    char *lowest = fh_os_lowest_touched(sure, first);
    *end = first;
    if (lowest - sure >= UNSURE / 16) return lowest;
    if (!fh_os_stack_bounds_near(first, &bounds)) return lowest;
    *end = bounds.high;
    return fh_os_lowest_touched(bounds.mapped_low, first);
}

static void measure(const struct fh_thread_place *place, struct fh_thread_peak *peak) {
    char *end;
    const char *lowest = lowest_of(place->first, place->size, &end);
    memset(peak, 0, sizeof *peak);
    peak->id = place->id;
    peak->size = place->size;
    peak->peak = (uint64_t)(end - lowest);
    if (peak->peak > peak->size) peak->peak = peak->size;
    bool main;
    if (fh_os_thread_id(&main) == place->id) fh_os_thread_name(peak->name); /* ten times as fast */
    else fh_os_name_of_thread(place->id, peak->name);
}

static void thread_ended(const struct fh_thread_place *place) {
    struct fh_thread_peak peak;
    if (!fh_os_may_ask()) return;
    measure(place, &peak);
    on_end(&peak);
}

void fh_peaks_begin(void (*ended)(const struct fh_thread_peak *)) {
    on_end = ended;
    fh_threads_watch(thread_ended);
}

static void visit_running(const struct fh_thread_place *place, void *visit) {
    struct fh_thread_peak peak;
    measure(place, &peak);
    (*(void (**)(const struct fh_thread_peak *))visit)(&peak);
}

void fh_peaks_now(void (*visit)(const struct fh_thread_peak *)) {
    struct fh_os_bounds bounds;
    if (fh_os_main_stack(&bounds)) {
        struct fh_thread_peak peak = {.id = fh_os_process_id(), .size = (uint64_t)(bounds.high - bounds.low)};
        peak.peak = (uint64_t)(bounds.high - fh_os_lowest_touched(bounds.mapped_low, bounds.high));
        fh_os_name_of_thread(peak.id, peak.name);
        visit(&peak);
    }
    fh_threads_running(visit_running, &visit);
}

void fh_peaks_after_fork(void) { fh_threads_after_fork(); }
