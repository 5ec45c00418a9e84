/* screen.h - where a report is written: how wide, with colour or without, and text and numbers laid out for it.
 * */
#ifndef FH_TOOL_SCREEN_H
#define FH_TOOL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum fh_style { FH_PLAIN, FH_BOLD, FH_DIM, FH_BAR, FH_WARN };

struct fh_screen {
    FILE *out;
    int width;   /* columns, 40 ... 100          */
    bool colour; /* escape sequences are allowed */
    bool utf8;   /* so are characters beyond ASCII */
};

/* For a report that goes to the file behind `fd`, written to `out`. Colour: on a terminal, unless NO_COLOR is
 * set or TERM is "dumb". Width: the terminal's; 80 elsewhere. */
void fh_screen_begin(struct fh_screen *screen, FILE *out, int fd);

/* printf in this style. */
void fh_screen_print(struct fh_screen *screen, enum fh_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A paragraph: the text, indented by two and broken at blanks so that it fits. A blank that must not be broken
 * at (between a number and its unit) is written as FH_JOIN. */
#define FH_JOIN "\x1f"
void fh_screen_paragraph(struct fh_screen *screen, enum fh_style style, const char *text);

/* The same for a text that begins in column `at` of a line; its further lines are indented by `indent`. */
void fh_screen_wrap(struct fh_screen *screen, enum fh_style style, const char *text, int at, int indent);

/* A bar of `room` columns of which share (0 ... 1) is filled, in eighths of a column where UTF-8 is; a share
 * that is not zero shows. */
void fh_screen_bar(struct fh_screen *screen, double share, int room);

/* A text of others (a command line), without control characters, cut to `room` columns with "..." at its end.
 * */
void fh_screen_foreign(struct fh_screen *screen, const char *text, int room);

/* Numbers as text, in one of a few buffers that are used in turn: good for one print. "12.3 MiB"; "1,234,567";
 * "7 %", "<1 %". The _joined forms have FH_JOIN for the blank, for text that is broken into lines. */
const char *fh_size_text(uint64_t bytes);
const char *fh_size_text_joined(uint64_t bytes);
const char *fh_count_text(uint64_t n);
const char *fh_percent_text(uint64_t part, uint64_t whole);
const char *fh_percent_text_joined(uint64_t part, uint64_t whole);

#endif
