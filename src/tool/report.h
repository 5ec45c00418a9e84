/* report.h - what there is to report of a run, and the two forms of the report. */
#ifndef FH_TOOL_REPORT_H
#define FH_TOOL_REPORT_H

#include "tool/child.h"
#include "tool/numbers.h"
#include "tool/screen.h"

struct fh_run {
    char **argv; /* the program and its arguments, as given */
    const struct fh_child *child;
    const struct fh_numbers *numbers;
    bool fast;             /* the user asked for no counting             */
    unsigned most_lines;   /* lines for other processes in the text form */
    unsigned most_classes; /* lines for size classes                     */
    const char
        *note; /* what is to be known about the numbers, as a sentence for fh_screen_paragraph; NULL: nothing */
};

/* Sizes in bytes of what the heap held when the process came to its end.
 *
 *     held = asked + rounding + cached + holes + reusable + books         (asked + rounding = live)
 *
 * Not counted (--fast): asked = live, rounding = 0. */
struct fh_held_parts {
    uint64_t held, asked, rounding;
    uint64_t cached;   /* free blocks at hand in threads' bins                 */
    uint64_t holes;    /* free blocks in spans, between live ones              */
    uint64_t reusable; /* free extents: whole pages, kept for the next request */
    uint64_t books;    /* metadata, and the ends of spans                      */
};

/* From the `final` of an image that finished. */
struct fh_held_parts fh_held_parts_of(const struct fh_stats *final);

/* Resident bytes of the main process at its largest; 0: not known. */
uint64_t fh_run_peak_rss(const struct fh_run *run);

/* The most that was held. The heap's own books are known only at an orderly end, and counted in then. */
uint64_t fh_held_peak(const struct fh_counters *main);

void fh_report_text(const struct fh_run *run, struct fh_screen *screen);
void fh_report_json(const struct fh_run *run, FILE *out);

#endif
