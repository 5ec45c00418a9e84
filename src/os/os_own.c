/* os_own.c - see os_own.h: faults, exit, threads' numbers, names of code, the program's data, random bytes. */
#include "os/os_own.h"

#include "os/os.h"
#include "os/os_backtrace.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- faults ---- */

static void (*on_fault)(uintptr_t, const struct fh_os_registers *);
static struct sigaction before[2]; /* SIGSEGV, SIGBUS */

static void fault(int number, siginfo_t *info, void *context) {
    int saved = errno;
    if (info->si_code > 0) {
        struct fh_os_registers registers;
        fh_os_registers_of(context, &registers);
        on_fault((uintptr_t)info->si_addr, &registers);
    }
    const struct sigaction *next = &before[number == SIGBUS];
    errno = saved;
    if (next->sa_flags & SA_SIGINFO) next->sa_sigaction(number, info, context);
    else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) next->sa_handler(number);
    else sigaction(number, next, NULL); /* the instruction runs again, and the default happens */
}

bool fh_os_on_fault(void (*handler)(uintptr_t, const struct fh_os_registers *)) {
    on_fault = handler;
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    return sigaction(SIGSEGV, &action, &before[0]) == 0 && sigaction(SIGBUS, &action, &before[1]) == 0;
}

/* ---- exit, threads ---- */

bool fh_os_at_exit(void (*hook)(void)) { return atexit(hook) == 0; }

bool fh_os_at_quick_exit(void (*hook)(void)) { return at_quick_exit(hook) == 0; }

void fh_os_exit_now(int status) { _exit(status); }

uint64_t fh_os_thread(void) {
    static __thread uint64_t number __attribute__((tls_model("initial-exec")));
    if (number == 0) number = (uint64_t)syscall(SYS_gettid);
    return number;
}

bool fh_os_thread_lives(uint64_t thread) { return syscall(SYS_tgkill, getpid(), (pid_t)thread, 0) == 0; }
bool fh_os_thread_is_main(uint64_t thread) { return thread == (uint64_t)getpid(); }

/* ---- names of code ---- */

/* Lets addr2line tell the line at `offset` of `module`, innermost first where functions were inlined. The child
 * gets an environment of its own: it shall not be checked. */
static bool ask_addr2line(const char *module, uintptr_t offset, char *text, size_t size) {
    char address[32], path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    snprintf(address, sizeof address, "0x%zx", offset);
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
        char *more = strchr(at + 4, ' ');
        if (more) *more = 0;
        *function = line;
        *place = at + 4;
        return true;
    }
    return false;
}

/* Is the place in this library's own source or in one of its headers? Its sources are where this file is, in
 * the words of the compiler that wrote both. */
static bool is_library(const char *place) {
    size_t sources = sizeof __FILE__ - sizeof "os/os_own.c";
    if (sources > 0 && strncmp(place, __FILE__, sources) == 0) return true;
    return strstr(place, "/freehold/") && strstr(place, ".h:");
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

/* The lines at a return address. */
static bool lines_of(uintptr_t pc, const Dl_info *info, char *lines, size_t size) {
    uintptr_t offset = offset_of(pc, info);
    if (strchr(info->dli_fname, '/')) return ask_addr2line(info->dli_fname, offset, lines, size);
    char self[512]; /* the program, as it was called */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return false;
    self[n] = 0;
    return ask_addr2line(self, offset, lines, size);
}

void fh_os_describe_code(uintptr_t pc, char *text, size_t size) {
    Dl_info info;
    snprintf(text, size, "0x%zx", pc);
    if (pc == 0 || dladdr((void *)(pc - 1), &info) == 0 || info.dli_fname == NULL) return;
    char lines[2000];
    if (lines_of(pc, &info, lines, sizeof lines) && choose_line(lines, text, size)) return;
    const char *base = strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname;
    if (info.dli_sname)
        snprintf(text, size, "%s+0x%zx (%s)", info.dli_sname, pc - (uintptr_t)info.dli_saddr, base);
    else snprintf(text, size, "%s+0x%zx", base, offset_of(pc, &info));
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

/* ---- data ---- */

/* Where a part of an object stands that can be written; 0: it is no such part, or not there yet. */
static uintptr_t data_of(const struct dl_phdr_info *info, const ElfW(Phdr) * part) {
    if (part->p_type == PT_TLS) return (uintptr_t)info->dlpi_tls_data; /* the calling thread's */
    return part->p_type == PT_LOAD && (part->p_flags & PF_W) ? info->dlpi_addr + part->p_vaddr : 0;
}

static int each_object(struct dl_phdr_info *info, size_t size, void *look) {
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = data_of(info, part);
        if (at == 0) continue;
        uintptr_t from = (at + 7) & ~(uintptr_t)7, to = (at + part->p_memsz) & ~(uintptr_t)7;
        ((void (*)(const uintptr_t *, const uintptr_t *))(uintptr_t)look)((const uintptr_t *)from,
                                                                          (const uintptr_t *)to);
    }
    return 0;
}

void fh_os_each_data(void (*look)(const uintptr_t *, const uintptr_t *)) {
    dl_iterate_phdr(each_object, (void *)(uintptr_t)look);
}

/* ---- random bytes ---- */

void fh_os_random(void *to, size_t size) {
    int saved = errno;
    /* Not getrandom(): that is a cancellation point, and the heap asks while it holds a lock. */
    if (syscall(SYS_getrandom, to, size, GRND_NONBLOCK) != (ssize_t)size) {
        struct timespec now; /* early in the boot: the clock and the addresses of this process */
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t word = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15ull ^ (uintptr_t)to ^ (uintptr_t)&now;
        for (size_t i = 0; i < size; i++)
            ((unsigned char *)to)[i] = (unsigned char)((word = word * 6364136223846793005ull + 1) >> 56);
    }
    errno = saved;
}
