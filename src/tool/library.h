/* library.h - where libfreehold.so is, and how to name it in LD_PRELOAD. */
#ifndef FH_TOOL_LIBRARY_H
#define FH_TOOL_LIBRARY_H

#include "tool/elf.h"

struct fh_library {
    char path[PATH_MAX]; /* absolute, without symbolic links */
    struct fh_elf elf;
};

/* Finds the library or ends the command with a message that says where it was looked for. */
void fh_library_find(struct fh_library *library);

/* The name for LD_PRELOAD, a new string. LD_PRELOAD has no way to quote a blank or a colon, so for a path that
 * has one a symbolic link is made in `directory`, which must have neither. */
char *fh_library_preload_name(const struct fh_library *library, const char *directory);

#endif
