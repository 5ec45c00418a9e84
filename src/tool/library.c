/* library.c - finds libfreehold.so.
 *
 * Looked at in this order:
 *
 *     $FREEHOLD_LIB                                  said by the user: this or none
 *     beside the command                             the build tree
 *     the library folder of the installation        as seen from the command, so that all of it can be moved
 *     ../lib, ../lib/<multiarch>, ../lib64           a package that put it elsewhere
 *
 * A file counts only if it is a library for this machine that has Freehold in it.
 */
#include "tool/library.h"

#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined __x86_64__
#define TUPLE "x86_64-linux-"
#else
#define TUPLE "aarch64-linux-"
#endif
#ifdef __GLIBC__
#define LIBC "gnu"
#else
#define LIBC "musl"
#endif

static const char multiarch[] = "../lib/" TUPLE LIBC;
static const char *const folders[] = {"", FREEHOLD_LIBRARY_FROM_COMMAND, "../lib", multiarch, "../lib64"};
static const char *const names[] = {"libfreehold.so", "libfreehold.so.0"};

/* NULL when this is our library, and then *library is filled; else what is wrong with it. */
static const char *try_file(const char *path, struct fh_library *library) {
    if (realpath(path, library->path) == NULL) return strerror(errno);
    int fd = open(library->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return strerror(errno);
    enum fh_elf_read read = fh_elf_read(fd, &library->elf);
    close(fd);
    if (read != FH_ELF_OK) return "not a library";
    if (!library->elf.same_machine) return "built for another machine";
    if (!library->elf.has_freehold) return "not Freehold's library";
    return NULL;
}

static void folder_of_command(char *folder, size_t room) {
    ssize_t length = readlink("/proc/self/exe", folder, room - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        fh_tool_fail(FH_EXIT_OWN, "cannot find out where this command is (is /proc mounted?); say where "
                                  "the library is: FREEHOLD_LIB=/path/to/libfreehold.so");
    *slash = '\0';
}

void fh_library_find(struct fh_library *library) {
    const char *said = getenv("FREEHOLD_LIB");
    if (said != NULL && said[0] != '\0') {
        const char *wrong = try_file(said, library);
        if (wrong != NULL) fh_tool_fail(FH_EXIT_OWN, "FREEHOLD_LIB=%s: %s", said, wrong);
        return;
    }
    char folder[PATH_MAX], path[PATH_MAX * 2];
    folder_of_command(folder, sizeof folder);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            snprintf(path, sizeof path, "%s/%s/%s", folder, folders[i], names[k]);
            if (try_file(path, library) == NULL) return;
        }
    }
    fh_tool_fail(FH_EXIT_OWN,
                 "libfreehold.so is neither in %s nor in %s/%s.\n"
                 "          Build it (make), install it (make install), or say where it is: "
                 "FREEHOLD_LIB=/path/to/libfreehold.so",
                 folder, folder, FREEHOLD_LIBRARY_FROM_COMMAND);
}

char *fh_library_preload_name(const struct fh_library *library, const char *directory) {
    if (strpbrk(library->path, " \t\n:") == NULL) return fh_tool_text("%s", library->path);
    char *link = fh_tool_text("%s/libfreehold.so", directory);
    if (symlink(library->path, link) != 0)
        fh_tool_fail(FH_EXIT_OWN,
                     "the library's path \"%s\" has a blank or a colon in it, which LD_PRELOAD cannot express, "
                     "and no link to it can be made in %s: %s",
                     library->path, directory, strerror(errno));
    return link;
}
