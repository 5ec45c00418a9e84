/* os_lines.c - names of code: which line of which file an address belongs to (see os_own.h).
 *
 * addr2line reads the program's debugging information and tells; it is a process of its own, so that nothing
 * which it does can harm the program. Where it is not installed, or knows nothing, the dynamic symbols tell at
 * least the function.
 *
 *     return address ──> module and offset ──> answers (what was told last) ──> addr2line ──> dladdr
 */
#include "os/os_own.h"

#include "os/os.h"
#include "os/os_backtrace.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Lets addr2line tell the line at `offset` of `module`, innermost first where functions were inlined. The child
 * gets an environment of its own: it shall not be checked. */
static bool ask_addr2line(const char *module, uintptr_t offset, char *text, size_t size) {
    char address[32], path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    snprintf(address, sizeof address, "0x%" PRIxPTR, offset);
    char *arguments[] = {(char *)(uintptr_t) "addr2line", (char *)(uintptr_t) "-pfiCe",
                         (char *)(uintptr_t)module, address, NULL};
    char *environment[] = {path, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child;
    bool started = posix_spawnp(&child, "addr2line", &actions, NULL, arguments, environment) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t length = 0;
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    while (started && length < size - 1 && poll(&ready, 1, 5000) == 1) {
        ssize_t got = read(ends[0], text + length, size - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
    }
    close(ends[0]);
    if (started) {
        if (length == 0) kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    text[length] = 0;
    return length > 0;
}

/* The next of the lines "function at /path/file.c:12 (discriminator 3)" and " (inlined by) function at ...",
 * which tells where it is; cut out of the text. */
static bool next_line(char **lines, char **function, char **place) {
    for (char *line = *lines; line && *line; line = *lines) {
        *lines = strchr(line, '\n');
        if (*lines) *(*lines)++ = 0;
        const char inlined[] = " (inlined by) ";
        if (strncmp(line, inlined, sizeof inlined - 1) == 0) line += sizeof inlined - 1;
        char *at = strstr(line, " at ");
        if (at == NULL || strchr(at, '?') != NULL) continue;
        *at = 0;
        char *more = strstr(at + 4, " (discriminator "); /* a path may have blanks */
        if (more) *more = 0;
        *function = line;
        *place = at + 4;
        return true;
    }
    return false;
}

/* Is the place in this library's own source or in one of its headers? Its sources are where this file is, in
 * the words of the compiler that wrote both. Its headers lie right in include/freehold: a folder that is called
 * freehold may be anybody's, and is ours where the library was cloned, with the tests in it. */
static bool is_library(const char *place) {
    size_t sources = sizeof __FILE__ - sizeof "os/os_lines.c";
    if (sources > 0 && strncmp(place, __FILE__, sources) == 0) return true;
    const char folder[] = "/include/freehold/", *header = strstr(place, folder);
    if (header) header += sizeof folder - 1;
    return header && strchr(header, '/') == NULL && strstr(header, ".h:");
}

/* The first line that is not in a header of this library, else the last, as "file.c:12 (function)". */
static bool choose_line(char *lines, char *text, size_t size) {
    char *function, *place;
    while (next_line(&lines, &function, &place)) {
        if (is_library(place) && lines && *lines) continue;
        snprintf(text, size, "%s (%s)", strrchr(place, '/') ? strrchr(place, '/') + 1 : place, function);
        return true;
    }
    return false;
}

/* The address of the call in its module's file. */
static uintptr_t offset_of(uintptr_t pc, const Dl_info *info) {
    const ElfW(Ehdr) *head = info->dli_fbase;
    return head->e_type == ET_EXEC ? pc - 1 : pc - 1 - (uintptr_t)info->dli_fbase;
}

static bool ask_for_lines(uintptr_t offset, const Dl_info *info, char *lines, size_t size) {
    if (strchr(info->dli_fname, '/')) return ask_addr2line(info->dli_fname, offset, lines, size);
    char self[512]; /* the program, as it was called */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return false;
    self[n] = 0;
    return ask_addr2line(self, offset, lines, size);
}

/* What addr2line told last, since the same mistake is often met again and a question takes it some
 * hundredths of a second.
 *
 *     answers[offset mod ANSWERS] = the lines at `offset` of `module` (a hash of its name), if they fit
 */
enum { ANSWERS = 64, ANSWER = 504 };

static struct fh_lock answers_lock;
static struct answer {
    uintptr_t offset; /* 0: nothing is here */
    uint64_t module;
    char lines[ANSWER];
} answers[ANSWERS];

static uint64_t hash_of(const char *name) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a, Fowler, Noll and Vo */
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}

static bool remembered(uintptr_t offset, uint64_t module, char *lines, size_t size) {
    const struct answer *there = &answers[offset % ANSWERS];
    if (!fh_trylock(&answers_lock)) return false;
    bool found = there->offset == offset && there->module == module;
    if (found) snprintf(lines, size, "%s", there->lines);
    fh_unlock(&answers_lock);
    return found;
}

static void remember(uintptr_t offset, uint64_t module, const char *lines) {
    struct answer *there = &answers[offset % ANSWERS];
    if (strlen(lines) >= sizeof there->lines || !fh_trylock(&answers_lock)) return;
    there->offset = offset;
    there->module = module;
    snprintf(there->lines, sizeof there->lines, "%s", lines);
    fh_unlock(&answers_lock);
}

/* The lines at a return address. */
static bool lines_of(uintptr_t pc, const Dl_info *info, char *lines, size_t size) {
    uintptr_t offset = offset_of(pc, info);
    uint64_t module = hash_of(info->dli_fname);
    if (remembered(offset, module, lines, size)) return true;
    if (!ask_for_lines(offset, info, lines, size)) return false; /* another time it may have an answer */
    remember(offset, module, lines);
    return true;
}

void fh_os_describe_code(uintptr_t pc, char *text, size_t size) {
    Dl_info info;
    snprintf(text, size, "0x%" PRIxPTR, pc);
    if (pc == 0 || dladdr((void *)(pc - 1), &info) == 0 || info.dli_fname == NULL) return;
    char lines[2000];
    if (lines_of(pc, &info, lines, sizeof lines) && choose_line(lines, text, size)) return;
    const char *base = strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname;
    if (info.dli_sname)
        snprintf(text, size, "%s+0x%" PRIxPTR " (%s)", info.dli_sname, pc - (uintptr_t)info.dli_saddr, base);
    else snprintf(text, size, "%s+0x%" PRIxPTR, base, offset_of(pc, &info));
}

/* Whether the module is one of the C library or this library, loaded. */
static bool is_system(const char *module) {
    static const char *const names[] = {"libc.", "libc-", "ld-", "libm.", "libm-", "libpthread", "libfreehold"};
    const char *base = strrchr(module, '/') ? strrchr(module, '/') + 1 : module;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(base, names[i], strlen(names[i])) == 0) return true;
    return false;
}

enum whose { OURS, PERHAPS, PROGRAM };

/* Told by addr2line, else guessed by the names of module and function. (Clang says of what a header's macro
 * writes that it is where the macro is used: such functions begin with fh_.) */
static enum whose whose_code(uintptr_t pc) {
    Dl_info info;
    if (dladdr((void *)(pc - 1), &info) == 0 || info.dli_fname == NULL || is_system(info.dli_fname))
        return OURS;
    char lines[2000], *rest = lines, *function, *place;
    if (lines_of(pc, &info, lines, sizeof lines) && next_line(&rest, &function, &place)) {
        do
            if (!is_library(place) && strncmp(function, "fh_", 3) != 0) return PROGRAM;
        while (next_line(&rest, &function, &place));
        return OURS;
    }
    struct fh_os_code code;
    fh_os_code_of(pc, false, &code);
    return code.function && strncmp(code.function, "fh_", 3) == 0 ? OURS : PERHAPS;
}

uintptr_t fh_os_program_code(const uintptr_t *pcs, unsigned count) {
    uintptr_t perhaps = 0;
    for (unsigned i = 0; i < count; i++) {
        enum whose whose = whose_code(pcs[i]);
        if (whose == PROGRAM) return pcs[i];
        if (whose == PERHAPS && perhaps == 0) perhaps = pcs[i];
    }
    if (perhaps) return perhaps;
    return count ? pcs[0] : 0;
}
