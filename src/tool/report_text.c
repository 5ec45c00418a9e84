/* report_text.c - the report for people.
 *
 *     heading       what ran and how it ended
 *     memory        asked for, held, resident: at the peak and at the end
 *     sentences     how many calls; what was left; what the heap held beyond what was asked for
 *     what was held a line for each kind: in use, lost to rounding, free in each of three ways, the books
 *     classes       a line for each busy size class
 *     call stacks   a line for each of the threads that used the most
 *     processes     a line for each of the largest other processes, the others summed
 *
 * Whatever is not known is not shown as zero: a process that was killed has no `final`, and without counting
 * nothing is known of single calls. Numbers stand in columns, aligned at their right; lines fit the screen, and
 * columns that a narrow one has no room for are left out, the least important first.
 */
#include "tool/report.h"

#include "heap/space.h"
#include "tool/tool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* ---------------------------------------------------------------- what both forms need ------------------ */

struct fh_held_parts fh_held_parts_of(const struct fh_stats *final) {
    struct fh_held_parts parts = {.held = final->held,
                                  .asked = final->live,
                                  .cached = final->cached,
                                  .holes = final->free_in_spans,
                                  .reusable = final->free_extents,
                                  .books = final->metadata + final->span_tail};
    if (final->counting && final->asked <= final->live) {
        parts.asked = final->asked;
        parts.rounding = final->live - final->asked;
    }
    return parts;
}

uint64_t fh_run_peak_rss(const struct fh_run *run) {
    const struct fh_counters *main = run->numbers->main;
    return main != NULL && main->peak_rss != 0 ? main->peak_rss : run->child->peak_rss;
}

uint64_t fh_held_peak(const struct fh_counters *main) {
    return main->finished && main->final.held_peak > main->held_peak ? main->final.held_peak : main->held_peak;
}

/* The blocks' size of a class, "48 B", or "large" for class 0. */
static const char *class_label(unsigned c) { return c == 0 ? "large" : fh_size_text(fh_class_size(c)); }

/* ---------------------------------------------------------------- heading ------------------------------- */

static void print_ending(const struct fh_run *run, struct fh_screen *screen) {
    int status = run->child->status;
    if (WIFSIGNALED(status)) {
        fh_screen_print(screen, FH_WARN, "killed by %s (%s%s)", fh_signal_name(WTERMSIG(status)),
                        strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
    } else {
        fh_screen_print(screen, WEXITSTATUS(status) ? FH_WARN : FH_PLAIN, "exit %d", WEXITSTATUS(status));
    }
}

static void print_heading(const struct fh_run *run, struct fh_screen *screen) {
    char *words = fh_tool_text("%s", run->argv[0]);
    for (char **word = run->argv + 1; *word != NULL && strlen(words) < 200; word++) {
        char *longer = fh_tool_text("%s %s", words, *word);
        free(words);
        words = longer;
    }
    fh_screen_print(screen, FH_PLAIN, "\n");
    fh_screen_print(screen, FH_DIM, "freehold  ");
    if (screen->colour) fputs("\033[1m", screen->out);
    fh_screen_foreign(screen, words, screen->width - 10);
    if (screen->colour) fputs("\033[0m", screen->out);
    fputs("\n  ", screen->out);
    print_ending(run, screen);
    fh_screen_print(screen, FH_PLAIN, ", %.2f s, pid %d\n", run->child->seconds, (int)run->child->pid);
    free(words);
}

/* ---------------------------------------------------------------- memory -------------------------------- */

enum { MEMORY_LABEL = 12, AT_PEAK = 12, AT_END = 14, MEANING = 34 };

/* What the number means stands behind it where there is room. */
static void print_sizes(struct fh_screen *screen, const char *label, bool known, uint64_t peak, bool end_known,
                        uint64_t end, const char *meaning) {
    fh_screen_print(screen, FH_PLAIN, "  %-*s%*s%*s", MEMORY_LABEL, label, AT_PEAK,
                    known ? fh_size_text(peak) : "-", AT_END, end_known ? fh_size_text(end) : "-");
    if (screen->width >= 2 + MEMORY_LABEL + AT_PEAK + AT_END + 3 + MEANING)
        fh_screen_print(screen, FH_DIM, "   %s", meaning);
    fputc('\n', screen->out);
}

static void print_memory(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_counters *main = run->numbers->main;
    uint64_t peak_rss = fh_run_peak_rss(run);
    fputc('\n', screen->out);
    fh_screen_print(screen, FH_BOLD, "  %-*s%*s%*s", MEMORY_LABEL, "memory", AT_PEAK, "peak", AT_END,
                    main && main->finished ? "at exit" : "at the end");
    fputc('\n', screen->out);
    if (main != NULL) {
        print_sizes(screen, "asked for", main->counting, main->asked_peak, main->counting, main->asked,
                    "by the program, and not yet freed");
        print_sizes(screen, "held", true, fh_held_peak(main), true,
                    main->finished ? main->final.held : main->held, "by the heap, touched or not");
    }
    print_sizes(screen, "resident", peak_rss != 0, peak_rss, main && main->exit_rss != 0,
                main ? main->exit_rss : 0, "in RAM, of the whole process");
    fputc('\n', screen->out);
}

/* ---------------------------------------------------------------- sentences ----------------------------- */

/* Sentences are put together in memory and then broken into lines. */
struct sentence {
    char *text;
    size_t length;
    FILE *out;
};

static FILE *begin_sentence(struct sentence *sentence) {
    sentence->out = open_memstream(&sentence->text, &sentence->length);
    if (sentence->out == NULL) fh_tool_fail(FH_EXIT_OWN, "out of memory");
    return sentence->out;
}

static void end_sentence(struct sentence *sentence, struct fh_screen *screen) {
    fclose(sentence->out);
    fh_screen_paragraph(screen, FH_PLAIN, sentence->text);
    free(sentence->text);
}

static const char *plural(uint64_t n) { return n == 1 ? "" : "s"; }

static void say_calls(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_counters *main = run->numbers->main;
    struct sentence sentence;
    FILE *out = begin_sentence(&sentence);
    uint64_t allocs = main->allocs - main->inherited.allocs, frees = main->frees - main->inherited.frees;
    uint64_t live = main->allocs - main->frees;
    fprintf(out, "%s" FH_JOIN "allocation%s, %s" FH_JOIN "free%s, %s" FH_JOIN "resize%s. ",
            fh_count_text(allocs), plural(allocs), fh_count_text(frees), plural(frees),
            fh_count_text(main->reallocs), plural(main->reallocs));
    if (allocs == 0) {
        if (run->note == NULL)
            fprintf(out, "The program did not use this heap: it has an allocator of its own, or needs none.");
    } else if (live == 0) {
        fprintf(out, "Every block was freed.");
    } else {
        fprintf(out, "At the end %s" FH_JOIN "block%s with %s %s not freed; the system took %s back.",
                fh_count_text(live), plural(live), fh_size_text_joined(main->asked), live == 1 ? "was" : "were",
                live == 1 ? "it" : "them");
    }
    end_sentence(&sentence, screen);
}

/* Up to three times as much is said as a percentage, more as a factor; but that a small program's heap holds
 * many times as much says nothing, because each size class begins with a whole granule. */
static void say_peak(const struct fh_counters *main, struct fh_screen *screen) {
    struct sentence sentence;
    uint64_t asked = main->asked_peak, held = main->held_at_peak;
    if (asked == 0 || held < asked) return;
    FILE *out = begin_sentence(&sentence);
    fprintf(out, "At its peak the program had asked for %s and the heap held %s", fh_size_text_joined(asked),
            fh_size_text_joined(held));
    if (held / asked < 3) fprintf(out, ", %s more.", fh_percent_text_joined(held - asked, asked));
    else if (held >= (size_t)FH_CLASS_COUNT * FH_GRANULE)
        fprintf(out, ", %s" FH_JOIN "times as much.", fh_count_text(held / asked));
    else
        fprintf(out, ": it takes at least %s for each size class that is used.",
                fh_size_text_joined(FH_GRANULE));
    end_sentence(&sentence, screen);
}

/* ---------------------------------------------------------------- what was held ------------------------- */

enum { PART = 12, SHARE = 7, PART_NARROW = 64 };

/* A line of the list: so much, that share of all, and what it is. Where the screen is narrow the words begin in
 * the line of the numbers and go on below them. */
static void print_part(struct fh_screen *screen, uint64_t part, uint64_t held, const char *what) {
    if (part == 0) return;
    bool narrow = screen->width < PART_NARROW;
    int indent = narrow ? 6 : 2 + PART + SHARE + 3;
    fprintf(screen->out, "  %*s%*s%s", PART, fh_size_text(part), SHARE, fh_percent_text(part, held),
            narrow ? ":\n      " : "   ");
    fh_screen_wrap(screen, FH_PLAIN, what, indent, indent);
}

/* The class that has most of the holes; 0: there are none. */
static unsigned holiest_class(const struct fh_stats *final) {
    unsigned most = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++)
        if (final->classes[c].free * fh_class_size(c) >
            (most ? final->classes[most].free * fh_class_size(most) : 0))
            most = c;
    return most;
}

static void print_holes(const struct fh_stats *final, uint64_t holes, uint64_t held, struct fh_screen *screen) {
    static const char what[] = "holes: free blocks beside blocks in use. They wait for requests of their size";
    unsigned c = holiest_class(final);
    char *where = c == 0 ? fh_tool_text("%s", what)
                         : fh_tool_text("%s (the most, %s, in blocks of %s)", what,
                                        fh_size_text_joined(final->classes[c].free * fh_class_size(c)),
                                        fh_size_text_joined(fh_class_size(c)));
    print_part(screen, holes, held, where);
    free(where);
}

static void print_free_pages(const struct fh_stats *final, uint64_t pages, uint64_t held,
                             struct fh_screen *screen) {
    char *what = fh_tool_text("free pages: for requests of any size. They go back to the system after a while "
                              "(the largest piece, %s)",
                              fh_size_text_joined(final->largest_hole < pages ? final->largest_hole : pages));
    print_part(screen, pages, held, what);
    free(what);
}

static const char live_words[] = "live: in blocks that the program had not freed";
static const char rounding_words[] =
    "rounding: blocks are as large as their size class, not as what was asked for";

static void say_held(const struct fh_counters *main, struct fh_screen *screen) {
    const struct fh_stats *final = &main->final;
    struct fh_held_parts parts = fh_held_parts_of(final);
    struct sentence sentence;
    FILE *out = begin_sentence(&sentence);
    fprintf(out, "Of the %s that the heap held at exit,", fh_size_text_joined(parts.held));
    end_sentence(&sentence, screen);
    print_part(screen, parts.asked, parts.held, live_words);
    print_part(screen, parts.rounding, parts.held, rounding_words);
    print_holes(final, parts.holes, parts.held, screen);
    print_part(screen, parts.cached, parts.held,
               final->threads > 1 ? "at hand: free blocks that each thread has set aside for its next requests"
                                  : "at hand: free blocks set aside for the next requests");
    print_free_pages(final, parts.reusable, parts.held, screen);
    print_part(screen, parts.books, parts.held, "books: what the heap must know about its blocks");
    if (final->purged > 0) {
        out = begin_sentence(&sentence);
        fprintf(out, "Before that, %s had gone back to the system.", fh_size_text_joined(final->purged));
        end_sentence(&sentence, screen);
    }
}

/* Of a process that did not come to its end in order only the counts are known: what small blocks were rounded
 * to. */
static void say_held_unfinished(const struct fh_counters *main, struct fh_screen *screen) {
    struct sentence sentence;
    uint64_t usable = 0, asked = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        usable += (main->classes[c].allocs - main->classes[c].frees) * fh_class_size(c);
        asked += main->classes[c].asked;
    }
    uint64_t rounding = usable > asked ? usable - asked : 0;
    if (main->held == 0 || main->held < main->asked + rounding) return;
    FILE *out = begin_sentence(&sentence);
    fprintf(out, "Of the %s that the heap held at the end,", fh_size_text_joined(main->held));
    end_sentence(&sentence, screen);
    print_part(screen, main->asked, main->held, live_words);
    print_part(screen, rounding, main->held, rounding_words);
    print_part(screen, main->held - main->asked - rounding, main->held,
               "free memory of all kinds, and the heap's own books. How much of each is known only of a "
               "program that ends by exit");
}

static void say_fast(struct fh_screen *screen) {
    fh_screen_paragraph(screen, FH_PLAIN,
                        "Calls were not counted (--fast), so what the program asked for, its peak of that, and "
                        "rounding are not known. Without --fast they are.");
}

/* What the process was before exec made it the program that the report is about. */
static void say_before(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_numbers *numbers = run->numbers;
    struct sentence sentence;
    size_t earlier = 0;
    uint64_t allocs = 0;
    for (size_t i = 0; i < numbers->count; i++) {
        const struct fh_image *image = &numbers->images[i];
        if (image->pid != numbers->main_pid || image->pid_space != numbers->pid_space) continue;
        earlier++;
        allocs += image->allocs;
    }
    if (earlier == 0) return;
    fh_screen_print(screen, FH_PLAIN, "  These are the numbers of ");
    fh_screen_foreign(screen, numbers->main->command, screen->width - 28);
    fputc('\n', screen->out);
    FILE *out = begin_sentence(&sentence);
    fprintf(out,
            "which the process became by exec (its program no." FH_JOIN "%zu); %s" FH_JOIN
            "allocation%s before that.",
            earlier + 1, fh_count_text(allocs), plural(allocs));
    end_sentence(&sentence, screen);
}

static void print_sentences(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_counters *main = run->numbers->main;
    if (run->note != NULL) fh_screen_paragraph(screen, FH_WARN, run->note);
    if (main == NULL) return;
    say_before(run, screen);
    if (main->counting) {
        say_calls(run, screen);
        say_peak(main, screen);
    } else {
        say_fast(screen);
    }
    if (main->finished && main->final.held > 0) say_held(main, screen);
    else if (!main->finished && main->counting) say_held_unfinished(main, screen);
}

/* ---------------------------------------------------------------- classes ------------------------------- */

/* A line of the table. Counted: allocations, and live blocks, bytes asked for, most blocks at once. Not
 * counted: `many` is the bytes in spans of the class, and `peak` the free blocks. */
struct class_line {
    unsigned c;
    uint64_t many, live, asked, peak;
    double weight; /* how busy, to choose by */
};

enum { LABEL = 10, MANY_WIDTH = 13, LIVE = 11, ASKED = 12, PEAK = 12, LEAST_BAR = 6, MOST_BAR = 24 };

static int busier_first(const void *a, const void *b) {
    const struct class_line *x = a, *y = b;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

static int smaller_first(const void *a, const void *b) {
    const struct class_line *x = a, *y = b;
    return (int)(x->c ? x->c : FH_CLASS_COUNT) - (int)(y->c ? y->c : FH_CLASS_COUNT);
}

static size_t counted_lines(const struct fh_counters *main, struct class_line *lines) {
    size_t count = 0;
    double allocs = 0, peak = 0;
    for (unsigned c = 0; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_counters *k = &main->classes[c];
        if (k->allocs == 0) continue;
        double peak_bytes = (double)k->peak_blocks * (double)(c ? fh_class_size(c) : 2 * FH_SMALL_MAX);
        lines[count++] =
            (struct class_line){c, k->allocs, k->allocs - k->frees, k->asked, k->peak_blocks, peak_bytes};
        allocs += (double)k->allocs;
        peak += peak_bytes;
    }
    for (size_t i = 0; i < count; i++)
        lines[i].weight = (double)lines[i].many / allocs + (peak > 0 ? lines[i].weight / peak : 0);
    return count;
}

static size_t uncounted_lines(const struct fh_stats *final, struct class_line *lines) {
    size_t count = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *k = &final->classes[c];
        uint64_t bytes = (uint64_t)k->blocks * k->block_size;
        if (k->blocks == 0) continue;
        lines[count++] = (struct class_line){
            c, bytes, k->live, (uint64_t)k->live * k->block_size, k->cached + k->free, (double)bytes};
    }
    return count;
}

struct columns {
    int bar;
    bool peak, live;
    bool sizes; /* `many` is a size */
};

static struct columns columns_for(const struct fh_screen *screen, bool counted) {
    struct columns columns = {.peak = true, .live = true, .sizes = !counted};
    int room = screen->width - 2 - LABEL - MANY_WIDTH - 2 - LIVE - ASKED - PEAK;
    if (room < LEAST_BAR) {
        columns.peak = false;
        room += PEAK;
    }
    if (room < 0) {
        columns.live = false;
        room += LIVE;
    }
    columns.bar = room < LEAST_BAR ? 0 : room > MOST_BAR ? MOST_BAR : room;
    return columns;
}

static void print_class_head(struct fh_screen *screen, const struct columns *columns) {
    fputc('\n', screen->out);
    fh_screen_print(screen, FH_BOLD, "  %*s%*s", LABEL, "size class", MANY_WIDTH,
                    columns->sizes ? "held" : "allocations");
    if (columns->bar) fprintf(screen->out, "  %*s", columns->bar, "");
    if (columns->live) fh_screen_print(screen, FH_BOLD, "%*s", LIVE, "live");
    fh_screen_print(screen, FH_BOLD, "%*s", ASKED, columns->sizes ? "in use" : "live bytes");
    if (columns->peak)
        fh_screen_print(screen, FH_BOLD, "%*s", PEAK, columns->sizes ? "free blocks" : "most live");
    fputc('\n', screen->out);
}

/* `most` is what a full bar stands for; 0: no bar. `peak` false: not shown (a sum of peaks means nothing). */
static void print_class_line(struct fh_screen *screen, const struct columns *columns, const char *label,
                             const struct class_line *line, uint64_t most, bool peak) {
    fprintf(screen->out, "  %*s%*s", LABEL, label, MANY_WIDTH,
            columns->sizes ? fh_size_text(line->many) : fh_count_text(line->many));
    if (columns->bar) {
        fputs("  ", screen->out);
        fh_screen_bar(screen, most ? (double)line->many / (double)most : 0, columns->bar);
    }
    if (columns->live) fprintf(screen->out, "%*s", LIVE, fh_count_text(line->live));
    fprintf(screen->out, "%*s", ASKED, fh_size_text(line->asked));
    if (columns->peak && peak) fprintf(screen->out, "%*s", PEAK, fh_count_text(line->peak));
    fputc('\n', screen->out);
}

static void print_classes(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_counters *main = run->numbers->main;
    struct class_line lines[FH_CLASS_COUNT], rest = {.c = 0};
    if (main == NULL || run->most_classes == 0 || (!main->counting && !main->finished)) return;
    size_t count = main->counting ? counted_lines(main, lines) : uncounted_lines(&main->final, lines);
    if (count == 0) return;
    qsort(lines, count, sizeof lines[0], busier_first);
    size_t shown = count <= run->most_classes + 1u ? count : run->most_classes;
    for (size_t i = shown; i < count; i++) {
        rest.many += lines[i].many;
        rest.live += lines[i].live;
        rest.asked += lines[i].asked;
        rest.peak += lines[i].peak;
    }
    qsort(lines, shown, sizeof lines[0], smaller_first);
    uint64_t most = 0;
    for (size_t i = 0; i < shown; i++)
        if (lines[i].many > most) most = lines[i].many;
    struct columns columns = columns_for(screen, main->counting);
    print_class_head(screen, &columns);
    for (size_t i = 0; i < shown; i++)
        print_class_line(screen, &columns, class_label(lines[i].c), &lines[i], most, true);
    if (shown < count) {
        char *label = fh_tool_text("%zu others", count - shown);
        print_class_line(screen, &columns, label, &rest, 0, !main->counting);
        free(label);
    }
    fh_screen_paragraph(screen, FH_DIM,
                        "size class: the size of a block; a request gets the next larger one. live: not freed "
                        "at the end. large: above 32" FH_JOIN "KiB.");
}

/* ---------------------------------------------------------------- call stacks --------------------------- */

enum { STACKS_SHOWN = 6 };

static int deeper_first(const void *a, const void *b) {
    const struct fh_stack_use *x = a, *y = b;
    return (x->peak < y->peak) - (x->peak > y->peak);
}

/* A line for each of the threads that used the most. */
static void print_stacks(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_counters *main = run->numbers->main;
    if (main == NULL || main->stacks_kept == 0 || main->stacks_kept > FH_STACKS_KEPT) return;
    struct fh_stack_use stacks[FH_STACKS_KEPT];
    size_t count = (size_t)main->stacks_kept, shown = count <= STACKS_SHOWN + 1 ? count : STACKS_SHOWN;
    memcpy(stacks, main->stacks, count * sizeof stacks[0]);
    qsort(stacks, count, sizeof stacks[0], deeper_first);
    fputc('\n', screen->out);
    bool narrow = screen->width < 66; /* no room for how large the stack is, and for long names */
    int of = narrow ? 0 : 14, name = narrow ? screen->width - 35 : 16;
    fh_screen_print(screen, FH_BOLD, "  %-12s%12s%*s  %s", "call stacks", "peak", of, narrow ? "" : "of",
                    "thread");
    fputc('\n', screen->out);
    for (size_t i = 0; i < shown; i++) {
        fprintf(screen->out, "  %-12s%12s%*s  ", "", fh_size_text(stacks[i].peak), of,
                narrow ? "" : fh_size_text(stacks[i].size));
        fh_screen_foreign(screen, stacks[i].name, name < 16 ? name : 16);
        fprintf(screen->out, "%s\n", stacks[i].id == main->pid ? " (main)" : "");
    }
    if (main->threads_measured > shown)
        fh_screen_print(screen, FH_PLAIN,
                        narrow ? "  %-12s%12s%*s  %s more\n"
                               : "  %-12s%12s%*s  %s more, each with a peak of at most that\n",
                        "", fh_size_text(shown < count ? stacks[shown].peak : stacks[count - 1].peak), of, "",
                        fh_count_text(main->threads_measured - shown));
}

/* ---------------------------------------------------------------- other processes ----------------------- */

enum { PID_WIDTH = 7, ENDED = 9, PEAK_ASKED = 12, ALLOCS = 13, LEAST_COMMAND = 12 };

/* The columns left for the command, and whether the column of allocations stands before it. */
static int room_for_command(const struct fh_screen *screen, bool counting, bool *allocations) {
    int room = screen->width - 2 - PID_WIDTH - 2 - ENDED - PEAK_ASKED - 2;
    *allocations = counting && room >= ALLOCS + LEAST_COMMAND;
    return *allocations ? room - ALLOCS : room;
}

static int larger_first(const void *a, const void *b) {
    const struct fh_image *x = *(const struct fh_image *const *)a, *y = *(const struct fh_image *const *)b;
    uint64_t nx = x->asked_peak ? x->asked_peak : x->held_peak,
             ny = y->asked_peak ? y->asked_peak : y->held_peak;
    return nx != ny ? (nx < ny) - (nx > ny) : (x->started > y->started) - (x->started < y->started);
}

static void print_image(const struct fh_run *run, struct fh_screen *screen, const struct fh_image *image) {
    bool counting = run->numbers->counting;
    char ended[24];
    switch (image->end) {
        case FH_IMAGE_EXITED:
            if (image->status < 0) snprintf(ended, sizeof ended, "exit");
            else snprintf(ended, sizeof ended, "exit %d", image->status);
            break;
        case FH_IMAGE_REPLACED: snprintf(ended, sizeof ended, "exec"); break;
        case FH_IMAGE_RUNS: snprintf(ended, sizeof ended, "running"); break;
        case FH_IMAGE_NOT_SEEN: snprintf(ended, sizeof ended, "not seen"); break;
    }
    bool allocations;
    int room = room_for_command(screen, counting, &allocations);
    fprintf(screen->out, "  %*" PRIu64 "  %-*s%*s", PID_WIDTH, image->pid, ENDED, ended, PEAK_ASKED,
            fh_size_text(counting ? image->asked_peak : image->held_peak));
    if (allocations) fprintf(screen->out, "%*s", ALLOCS, fh_count_text(image->allocs));
    fputs("  ", screen->out);
    fh_screen_foreign(screen, image->command, room);
    fputc('\n', screen->out);
}

static void print_images_head(const struct fh_run *run, struct fh_screen *screen,
                              const struct fh_images_sum *sum) {
    bool counting = run->numbers->counting, allocations;
    int room = room_for_command(screen, counting, &allocations);
    char *calls = fh_tool_text(", with %s allocation%s and %s free%s", fh_count_text(sum->allocs),
                               plural(sum->allocs), fh_count_text(sum->frees), plural(sum->frees));
    char *others =
        fh_tool_text("  %s other process%s", fh_count_text(sum->images), sum->images == 1 ? "" : "es");
    fputc('\n', screen->out);
    fh_screen_print(screen, FH_BOLD, "%s", others);
    if (counting && strlen(others) + strlen(calls) <= (size_t)screen->width) fputs(calls, screen->out);
    fputc('\n', screen->out);
    free(others);
    free(calls);
    fh_screen_print(screen, FH_DIM, "  %*s  %-*s%*s", PID_WIDTH, "pid", ENDED, "ended", PEAK_ASKED,
                    counting ? "peak asked" : "peak held");
    if (allocations) fh_screen_print(screen, FH_DIM, "%*s", ALLOCS, "allocations");
    fh_screen_print(screen, FH_DIM, "  %.*s", room, "command");
    fputc('\n', screen->out);
}

static void print_images(const struct fh_run *run, struct fh_screen *screen) {
    const struct fh_numbers *numbers = run->numbers;
    struct fh_images_sum sum = fh_numbers_sum_children(numbers);
    if (sum.images == 0 || run->most_lines == 0) return;
    const struct fh_image **list = fh_tool_new(numbers->count + 1, sizeof *list);
    size_t count = 0;
    bool not_seen = false;
    for (size_t i = 0; i < numbers->count; i++) {
        const struct fh_image *image = &numbers->images[i];
        bool main = image->pid == numbers->main_pid && image->pid_space == numbers->pid_space;
        if (!main && !fh_image_is_launcher(image)) list[count++] = image;
    }
    if (count > 1) qsort(list, count, sizeof *list, larger_first);
    print_images_head(run, screen, &sum);
    size_t shown = count <= run->most_lines + 1u ? count : run->most_lines;
    for (size_t i = 0; i < shown; i++) {
        print_image(run, screen, list[i]);
        not_seen |= list[i]->end == FH_IMAGE_NOT_SEEN;
    }
    if (sum.images > shown)
        fh_screen_print(
            screen, FH_PLAIN, "  %*s  more, each with a peak of at most %s\n", PID_WIDTH,
            fh_count_text(sum.images - shown),
            fh_size_text(shown < count ? (numbers->counting ? list[shown]->asked_peak : list[shown]->held_peak)
                                       : sum.largest_asked_peak));
    if (not_seen)
        fh_screen_paragraph(screen, FH_PLAIN,
                            "(not seen: it ended by a signal or by _exit, or went on, by exec, as a "
                            "program that could not be watched)");
    free(list);
}

void fh_report_text(const struct fh_run *run, struct fh_screen *screen) {
    print_heading(run, screen);
    print_memory(run, screen);
    print_sentences(run, screen);
    print_classes(run, screen);
    print_stacks(run, screen);
    print_images(run, screen);
    fputc('\n', screen->out);
}
