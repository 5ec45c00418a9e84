/* numbers.h - what the processes of a run left in their numbers files.
 *
 * One file is one *image*: one program in one process. exec begins another image in the same process. The
 * images of the process that the command started are its main images; the last one is what the report is about.
 *
 *     sh -c 'make; exec ls'        pid 10:  sh ──exec──> ls                     main images: sh, ls
 *                                  pid 11:  sh (fork) ──exec──> make      forks that went on to exec are
 *                                  pid 12:  sh (fork) ──exec──> cc        launchers: they get no line
 */
#ifndef FH_TOOL_NUMBERS_H
#define FH_TOOL_NUMBERS_H

#include "heap/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum fh_image_end {
    FH_IMAGE_EXITED,   /* in order; status tells, -1: not known                                   */
    FH_IMAGE_REPLACED, /* by exec, and the next program was seen                                  */
    FH_IMAGE_RUNS,     /* still there when the run ended                                          */
    FH_IMAGE_NOT_SEEN  /* _exit, a signal, or exec of a program that was not seen                 */
};

struct fh_image {
    uint64_t pid, parent, pid_space, image, started, ended;
    enum fh_image_end end;
    int status;
    bool forked;
    uint64_t allocs, frees, reallocs; /* its own, without what fork inherited                     */
    uint64_t live_blocks, live_asked; /* at its end, inherited ones included                      */
    uint64_t asked_peak, held_peak, peak_rss;
    char command[sizeof((struct fh_counters *)0)->command];
};

/* Images summed. */
struct fh_images_sum {
    uint64_t images, allocs, frees, reallocs;
    uint64_t largest_asked_peak, largest_held_peak;
};

struct fh_numbers {
    const char *directory;
    uint64_t main_pid;
    uint64_t pid_space;
    bool counting;

    struct fh_counters *main; /* the last main image in full; NULL: none was left              */
    struct fh_image *images;  /* all but that one, oldest first                                */
    size_t count, room;
    uint64_t asked_pid; /* whether this process is over was asked last ... */
    bool asked_over;    /* ... and this was the answer                     */

    struct fh_images_sum dropped; /* images that `images` had no room for: see KEPT in numbers.c */
};

/* Begins with the empty directory; `main_pid` is filled in by the caller when it is known. */
void fh_numbers_begin(struct fh_numbers *numbers, const char *directory);

/* While the program runs: when there are very many files, takes in those whose process is over, and removes
 * them. */
void fh_numbers_gather_some(struct fh_numbers *numbers);

/* At the end: takes in all files, removes them, and says how each image ended. */
void fh_numbers_gather_all(struct fh_numbers *numbers);

/* A fork that went on to exec: not worth a line. */
bool fh_image_is_launcher(const struct fh_image *image);

/* The sum over the images that are in other processes than the main one and are no launchers; and over all
 * images. */
struct fh_images_sum fh_numbers_sum_children(const struct fh_numbers *numbers);
struct fh_images_sum fh_numbers_sum_all(const struct fh_numbers *numbers);

#endif
