/* program.h - which file is meant by a program's name, and can it be run on this heap? */
#ifndef FH_TOOL_PROGRAM_H
#define FH_TOOL_PROGRAM_H

#include "tool/library.h"

struct fh_program {
    char path[PATH_MAX]; /* the file to execute */
    char *wrong;         /* why it cannot be run: what is the matter, and what to do; NULL: it can */
    int status;          /* the exit status for that, 126 or 127 */
};

/* Finds `name` as a shell would (PATH when there is no slash) and judges the file, for a library to be
 * preloaded into it. */
void fh_program_find(const char *name, const struct fh_library *library, struct fh_program *program);

#endif
