/* program.c - finds a program and says beforehand why it cannot be run on this heap.
 *
 *     name ──PATH──> file ──┬─ missing, a directory, not executable           no shell could run it
 *                           ├─ "#!" ──> its interpreter, judged in turn       (env is looked through)
 *                           ├─ set-user-ID, set-group-ID, capabilities        the loader ignores LD_PRELOAD
 *                           ├─ ELF: other machine, static, other C library,   LD_PRELOAD cannot work
 *                           │       a sanitizer with a heap of its own
 *                           └─ neither: a text without "#!"
 *
 * A program for which preloading has no effect would run as ever and leave no numbers; a message before it runs
 * is worth more than one after. What cannot be known (a file that may be executed but not read) is let pass.
 *
 * A static program that was linked with libfreehold.a keeps its numbers by itself; the
 * library's ELF note tells, and then nothing needs to be preloaded.
 */
#include "tool/program.h"

#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPTS_NESTED = 4, SCRIPT_LINE = 256 };

static void wrong(struct fh_program *program, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void wrong(struct fh_program *program, int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (vasprintf(&program->wrong, format, args) < 0) program->wrong = NULL;
    va_end(args);
    program->status = status;
}

/* ---------------------------------------------------------------- the file ------------------------------ */

static bool executable_file(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Searches PATH as execvp does. `path` is the first executable file, else the first file of this name, so that
 * the message can say what is wrong with it. False: there is none. */
static bool search_path(const char *name, char *path, size_t room) {
    const char *list = getenv("PATH");
    char candidate[PATH_MAX];
    bool seen = false;
    if (list == NULL) list = "/bin:/usr/bin";
    for (const char *at = list; at != NULL;) {
        const char *colon = strchr(at, ':');
        int length = colon ? (int)(colon - at) : (int)strlen(at);
        int need = snprintf(candidate, sizeof candidate, "%.*s%s%s", length, at, length > 0 ? "/" : "./", name);
        at = colon ? colon + 1 : NULL;
        struct stat file;
        if (need >= (int)sizeof candidate || stat(candidate, &file) != 0 || S_ISDIR(file.st_mode)) continue;
        bool good = executable_file(candidate);
        if (good || !seen) snprintf(path, room, "%s", candidate);
        seen = true;
        if (good) break;
    }
    return seen;
}

/* The file can be executed as far as its kind and permissions go. */
static bool judge_file(const char *name, struct fh_program *program) {
    struct stat file;
    if (stat(program->path, &file) != 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        wrong(program, missing ? FH_EXIT_NOT_FOUND : FH_EXIT_CANNOT_RUN, "%s: %s", name,
              missing ? "there is no such file" : strerror(errno));
    } else if (S_ISDIR(file.st_mode)) {
        wrong(program, FH_EXIT_CANNOT_RUN, "%s is a directory, not a program", name);
    } else if (!S_ISREG(file.st_mode)) {
        wrong(program, FH_EXIT_CANNOT_RUN, "%s is not a regular file, so it cannot be a program", name);
    } else if (!executable_file(program->path)) {
        wrong(program, FH_EXIT_CANNOT_RUN, "%s may not be executed (no permission); to allow it: chmod +x %s",
              name, program->path);
    }
    return program->wrong == NULL;
}

/* ---------------------------------------------------------------- privileges ---------------------------- */

/* The file gives the program rights that its caller lacks; then the loader ignores LD_PRELOAD. */
static const char *gained_rights(int fd, const struct stat *file) {
    struct statvfs system;
    char capabilities[64];
    if (fstatvfs(fd, &system) == 0 && (system.f_flag & ST_NOSUID)) return NULL;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return NULL;
    if ((file->st_mode & S_ISUID) && file->st_uid != getuid()) return "set-user-ID";
    if ((file->st_mode & S_ISGID) && (file->st_mode & S_IXGRP) && file->st_gid != getgid())
        return "set-group-ID";
    if (getuid() != 0 && fgetxattr(fd, "security.capability", capabilities, sizeof capabilities) > 0)
        return "privileged (it has file capabilities)";
    return NULL;
}

static bool judge_rights(int fd, const char *name, struct fh_program *program) {
    struct stat file;
    const char *kind = fstat(fd, &file) == 0 ? gained_rights(fd, &file) : NULL;
    if (kind == NULL) return true;
    wrong(program, FH_EXIT_CANNOT_RUN,
          "%s is %s: the system lets no library be preloaded into it.\n"
          "          Run it as the user or group that it belongs to (as root, say), or run a copy without that "
          "right: cp %s /tmp/",
          name, kind, program->path);
    return false;
}

/* ---------------------------------------------------------------- ELF ----------------------------------- */

static bool for_musl(const char *interpreter) { return strstr(interpreter, "ld-musl") != NULL; }

static void judge_libc(const char *name, const struct fh_elf *elf, const struct fh_library *library,
                       struct fh_program *program) {
    bool musl = for_musl(elf->interpreter);
    if (musl == !library->elf.glibc) return;
    wrong(program, FH_EXIT_CANNOT_RUN,
          "%s uses %s, but %s was built for %s.\n"
          "          Build Freehold with the program's C library and name that build: "
          "FREEHOLD_LIB=/path/to/libfreehold.so",
          name, musl ? "musl" : "glibc", library->path, musl ? "glibc" : "musl");
}

static void judge_elf(const char *name, const struct fh_elf *elf, const struct fh_library *library,
                      struct fh_program *program) {
    if (!elf->same_machine) {
        wrong(program, FH_EXIT_CANNOT_RUN,
              "%s is a program for another machine (%s), for which this library was not built", name,
              elf->machine);
    } else if (elf->has_freehold || elf->is_loader) {
        return;
    } else if (!elf->loads_libraries) {
        wrong(program, FH_EXIT_CANNOT_RUN,
              "%s is statically linked: no library can be preloaded into it.\n"
              "          Link it dynamically, or link it with libfreehold.a: then it has this heap and can be "
              "run like this",
              name);
    } else if (access(elf->interpreter, F_OK) != 0) {
        wrong(program, FH_EXIT_CANNOT_RUN, "%s needs the loader %s, which is not here", name, elf->interpreter);
    } else if (elf->sanitizer[0] != '\0') {
        wrong(program, FH_EXIT_CANNOT_RUN,
              "%s was built with a sanitizer (it needs %s), which has a heap of its own and refuses to run on "
              "another.\n"
              "          Build it without -fsanitize to see its memory here",
              name, elf->sanitizer);
    } else {
        judge_libc(name, elf, library, program);
    }
}

/* ---------------------------------------------------------------- scripts ------------------------------- */

static void judge(const char *name, int depth, const struct fh_library *library, struct fh_program *program);

/* Judges `interpreter`, which runs the script `name`. */
static void judge_interpreter(const char *name, const char *interpreter, int depth,
                              const struct fh_library *library, struct fh_program *program) {
    struct fh_program next = {.status = 0};
    snprintf(next.path, sizeof next.path, "%s", interpreter);
    judge(interpreter, depth + 1, library, &next);
    if (next.wrong == NULL) return;
    wrong(program, next.status == FH_EXIT_NOT_FOUND ? FH_EXIT_CANNOT_RUN : next.status,
          "%s is a script; its interpreter %s", name, next.wrong);
    free(next.wrong);
}

/* What "env" of "#!/usr/bin/env WORD" will run. NULL: not the plain form, or not found; env itself will say so.
 * */
static const char *looked_through_env(const char *interpreter, const char *word, char *path, size_t room) {
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash ? slash + 1 : interpreter, "env") != 0) return NULL;
    if (word[0] == '\0' || word[0] == '-' || strpbrk(word, "= \t") != NULL) return NULL;
    return search_path(word, path, room) ? path : NULL;
}

/* `line` is what follows "#!": blanks, a path, blanks, at most one argument. */
static void judge_script(const char *name, char *line, int depth, const struct fh_library *library,
                         struct fh_program *program) {
    char path[PATH_MAX];
    line[strcspn(line, "\n")] = '\0';
    char *interpreter = line + strspn(line, " \t");
    char *word = interpreter + strcspn(interpreter, " \t");
    if (*word != '\0') *word++ = '\0';
    word += strspn(word, " \t");
    size_t length = strlen(interpreter);
    if (length > 0 && interpreter[length - 1] == '\r') {
        wrong(program, FH_EXIT_CANNOT_RUN,
              "%s is a script with Windows line ends: its first line ends in a carriage return, "
              "which the system takes for a part of the interpreter's name",
              name);
        return;
    }
    judge_interpreter(name, interpreter, depth, library, program);
    const char *behind = program->wrong ? NULL : looked_through_env(interpreter, word, path, sizeof path);
    if (behind != NULL) judge_interpreter(name, behind, depth, library, program);
}

/* ---------------------------------------------------------------- all of it ----------------------------- */

static void judge_contents(int fd, const char *name, int depth, const struct fh_library *library,
                           struct fh_program *program) {
    char start[SCRIPT_LINE];
    struct fh_elf elf;
    ssize_t got = pread(fd, start, sizeof start - 1, 0);
    start[got > 0 ? got : 0] = '\0';
    if (start[0] == '#' && start[1] == '!') {
        if (depth < SCRIPTS_NESTED) judge_script(name, start + 2, depth, library, program);
        return;
    }
    if (!judge_rights(fd, name, program)) return;
    switch (fh_elf_read(fd, &elf)) {
        case FH_ELF_OK: judge_elf(name, &elf, library, program); break;
        case FH_ELF_DAMAGED:
            wrong(program, FH_EXIT_CANNOT_RUN, "%s is a damaged ELF file, or one that is not a program", name);
            break;
        case FH_ELF_NOT_ELF:
            wrong(program, FH_EXIT_CANNOT_RUN,
                  "%s is neither an ELF program nor a script with a \"#!\" line%s%s", name,
                  got == 0 ? " (it is empty)" : "; if it is a shell script: freehold run sh ",
                  got == 0 ? "" : program->path);
            break;
    }
}

static void judge(const char *name, int depth, const struct fh_library *library, struct fh_program *program) {
    if (!judge_file(name, program)) return;
    int fd = open(program->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return; /* may be executed but not read */
    judge_contents(fd, name, depth, library, program);
    close(fd);
}

void fh_program_find(const char *name, const struct fh_library *library, struct fh_program *program) {
    memset(program, 0, sizeof *program);
    if (name[0] == '\0') {
        wrong(program, FH_EXIT_NOT_FOUND, "the program's name is empty");
    } else if (strlen(name) >= sizeof program->path) {
        wrong(program, FH_EXIT_NOT_FOUND, "the program's name is too long for a path");
    } else if (strchr(name, '/') != NULL) {
        snprintf(program->path, sizeof program->path, "%s", name);
    } else if (!search_path(name, program->path, sizeof program->path)) {
        wrong(program, FH_EXIT_NOT_FOUND, "%s: not found in PATH%s%s", name,
              access(name, F_OK) == 0 ? "; the one in this folder is ./" : "",
              access(name, F_OK) == 0 ? name : "");
    }
    if (program->wrong == NULL) judge(name, 0, library, program);
}
