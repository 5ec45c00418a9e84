/* witness.c - says, from inside a process, whose malloc it runs on.
 *
 * A test that preloads a library and compares output would also pass if the library were silently not loaded.
 * So the runner preloads this second library beside it. In each process that starts it adds a line to the file
 * named by WITNESS_FILE:
 *
 *     start PID TAB file that malloc comes from TAB program
 *
 * The answer is the loader's own. It looks for the name "malloc" in the program, then in the preloaded
 * libraries in their order, then in the rest. A program that is not position independent may have an entry for
 * malloc without defining it (the address that it takes for &malloc), so the entry is looked at too; and the
 * witness stands first among the preloaded libraries, so that RTLD_NEXT is all but the program. The reference
 * run preloads the witness alone, so that both runs list their processes and the lists can be compared: a child
 * that could not be started shows as a missing line.
 *
 * Where the library under test is Freehold, the process's books are checked as well when it ends and is down to
 * one thread, against the equations in <freehold/heap.h>. A false equation is a line
 *
 *     books PID TAB which one, with its numbers TAB program
 *
 * Nothing here allocates, and errno and the descriptors of the process are left as they were.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <freehold/heap.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void fh_stats_now(struct fh_stats *out) __attribute__((weak)); /* NULL on any other allocator */

static void add_line(const char *kind, const char *what) {
    int kept = errno;
    const char *file = getenv("WITNESS_FILE");
    char program[1024], line[2400];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = '\0';
    int size = snprintf(line, sizeof line, "%s %d\t%s\t%s\n", kind, (int)getpid(), what, program);
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        if (write(fd, line, (size_t)size) < 0) errno = 0; /* a full disk fails the test soon enough */
        close(fd);
    }
    errno = kept;
}

__attribute__((constructor)) static void started(void) {
    Dl_info info;
    void *entry = NULL;
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    if (!address || !dladdr1(address, &info, &entry, RTLD_DL_SYMENT) || !entry ||
        ((const ElfW(Sym) *)entry)->st_shndx == SHN_UNDEF)
        address = dlsym(RTLD_NEXT, "malloc");
    add_line("start", address && dladdr(address, &info) ? info.dli_fname : "nowhere");
}

/* Other threads may allocate between two reads, so the equations are asked for only when there are none. */
static int alone(void) {
    char text[1024];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    size_t have = 0;
    for (ssize_t got; have < sizeof text - 1 && (got = read(fd, text + have, sizeof text - 1 - have)) > 0;)
        have += (size_t)got;
    close(fd);
    text[have] = '\0';
    const char *at = strstr(text, "\nThreads:");
    return at && atoi(at + 9) == 1;
}

static void expect_equal(const char *equation, size_t left, size_t right) {
    char text[512];
    if (left == right) return;
    snprintf(text, sizeof text, "%s: %zu and %zu", equation, left, right);
    add_line("books", text);
}

static void expect_most(const char *relation, size_t less, size_t more) {
    char text[512];
    if (less <= more) return;
    snprintf(text, sizeof text, "%s: %zu and %zu", relation, less, more);
    add_line("books", text);
}

__attribute__((destructor)) static void ended(void) {
    static struct fh_stats s; /* too large for the small stack that a thread calling exit may have */
    if (!fh_stats_now || !alone()) return;
    int kept = errno;
    fh_stats_now(&s);
    expect_equal("held = live + cached + free_in_spans + span_tail + free_extents + metadata", s.held,
                 s.live + s.cached + s.free_in_spans + s.span_tail + s.free_extents + s.metadata);
    expect_most("held <= held_peak", s.held, s.held_peak);
    expect_most("large_live <= live", s.large_live, s.live);
    size_t live = s.large_live, blocks = s.large_blocks, asked = s.classes[0].live_asked;
    uint64_t allocs = s.classes[0].allocs, frees = s.classes[0].frees;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *k = &s.classes[c];
        expect_equal("blocks = live + cached + free in a class", k->blocks, k->live + k->cached + k->free);
        live += k->live * k->block_size;
        blocks += k->live;
        asked += k->live_asked;
        allocs += k->allocs;
        frees += k->frees;
    }
    expect_equal("live = the classes' live blocks", s.live, live);
    if (s.counting) {
        expect_equal("allocs - frees = live blocks", (size_t)(s.allocs - s.frees), s.live_blocks);
        expect_equal("live blocks = the classes' live blocks", s.live_blocks, blocks);
        expect_equal("allocs = the classes' allocs", (size_t)s.allocs, (size_t)allocs);
        expect_equal("frees = the classes' frees", (size_t)s.frees, (size_t)frees);
        expect_equal("asked = asked for in the classes", s.asked, asked);
        expect_most("asked <= live", s.asked, s.live);
        expect_most("asked <= asked_peak", s.asked, s.asked_peak);
    }
    errno = kept;
}
