/* counts.c - the counts of a coverage build lie in a file from the beginning.
 *
 * gcov writes its counts in a handler of exit(), a file for each source: it reads what is there, adds, and
 * writes. The tests here end processes in all ways, because that is what they test: by abort() in the middle of
 * a report, by _exit() in a child, by a fault, by SIGKILL, by two threads at once, and while system calls are
 * made to fail. Then counts are missing, or half a file is written, and whatever comes later cannot be added to
 * it.
 *
 * So nothing is written at an end. counts.ld puts the counters of a program (or of the shared library) side by
 * side, and before main the pages that they lie in become a shared mapping of a file. The counters are atomic,
 * so all processes count into the same file, children of fork too, and it does not matter how they end:
 *
 *     libfreehold.so             ── mapped by each process ──>  libfreehold.so.counts
 *     tests/heap/heap.x.static   ── mapped by each run of it ─>  tests/heap/heap.x.static.counts
 *
 * When all is done, `run` calls each program once more with FREEHOLD_COVERAGE=write in its environment: it
 * takes the counts of its file and has gcov write them, alone and in peace, and ends before main.
 *
 * A program that somebody else's commands have linked, without counts.ld, counts by gcov's own means.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* From counts.ld. */
extern int64_t fh_counts[] __attribute__((weak, visibility("hidden")));
extern int64_t fh_counts_end[] __attribute__((weak, visibility("hidden")));

void __gcov_dump(void);
void __real___gcov_exit(void);
void __wrap___gcov_exit(void);

static size_t size_of_counts(void) { return (size_t)((char *)fh_counts_end - (char *)fh_counts); }

/* The library's file has its name when it is compiled; a program's stands beside the program. */
static int open_file(int flags) {
    char name[PATH_MAX + 8] = "";
#ifdef FREEHOLD_COUNTS
    strcpy(name, FREEHOLD_COUNTS);
#else
    if (readlink("/proc/self/exe", name, PATH_MAX) < 0) return -1;
    strcat(name, ".counts");
#endif
    return open(name, flags | O_CLOEXEC, 0666);
}

static int64_t *map_file(int file, int how) {
    if (ftruncate(file, (off_t)size_of_counts()) != 0) return MAP_FAILED;
    return mmap(NULL, size_of_counts(), PROT_READ | PROT_WRITE, how, file, 0);
}

/* Those who were called before this function have counted already. */
static void count_there(int64_t *there) {
    for (size_t i = 0; i < size_of_counts() / sizeof *there; i++)
        if (fh_counts[i] != 0) __atomic_fetch_add(&there[i], fh_counts[i], __ATOMIC_RELAXED);
    mremap(there, size_of_counts(), size_of_counts(), MREMAP_MAYMOVE | MREMAP_FIXED, fh_counts);
}

static void write_for_gcov(void) {
    int file = open_file(O_RDWR);
    int64_t *there = file < 0 ? MAP_FAILED : map_file(file, MAP_PRIVATE);
    if (there != MAP_FAILED) {
        memcpy(fh_counts, there, size_of_counts());
        __gcov_dump();
    }
    _exit(there == MAP_FAILED);
}

__attribute__((constructor(101))) static void begin(void) {
    if (fh_counts == NULL) return;
    const char *wanted = getenv("FREEHOLD_COVERAGE");
    if (wanted != NULL && strcmp(wanted, "write") == 0) write_for_gcov();
    int file = open_file(O_RDWR | O_CREAT);
    if (file < 0) return;
    int64_t *there = map_file(file, MAP_SHARED);
    if (there != MAP_FAILED) count_there(there);
    close(file);
}

/* In place of gcov's handler (the linker's --wrap): what was counted is in the file. */
void __wrap___gcov_exit(void) {
    if (fh_counts == NULL) __real___gcov_exit();
}
