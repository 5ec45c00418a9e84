/* record.c - moves the counters of a process into a file, and completes them at its end.
 *
 *     heap's first slow path ──> fh_on_start        static counters ──copy──> DIR/PID.0.fh, mapped shared
 *                                                          fh_counters ───────────^   (every count goes there)
 *     fork    before (parent)    shared counters ──copy──> `aside`
 *             after (child)      `aside` ──copy──> DIR/CHILD.0.fh, mapped; fh_counters moves there
 *     exec    the mapping ends, the file stays; the new program begins DIR/PID.1.fh
 *     exit    `final`, finished = 1, then what has to be asked of the kernel
 *     kill    nothing to do: the file is the memory
 *
 * Why a copy at both ends of a fork: a shared mapping stays shared with the child, so until the child has moved
 * away its counts would be the parent's, and the parent may already be counting on when the child first runs.
 * `aside` is private memory: it is as it was at the moment of the fork. The child's counters stay there if it
 * gets no file.
 *
 * Why not a handler for every ending: a signal handler would change the program, and nothing sees kill -9. The
 * file lacks only what must be asked at the end; the counts are complete at every moment.
 *
 * A program may have the library linked in and get it preloaded as well. Then two copies begin, each with a
 * file of its own; the program calls one of them. Both files have the same `image`, by which `freehold run`
 * knows them.
 *
 * When the directory is gone, cannot be reached (chroot, another user, another mount namespace) or takes no
 * more, the process counts in its own memory and nobody reads it. Under `freehold run` (report_quiet=on) it is
 * never told: it did not ask for any of this. Who names a directory by hand is told when the program begins;
 * its children by fork are not.
 */
#include "record/record.h"

#include "base/report.h"
#include "base/settings.h"
#include "os/os.h"
#include "os/os_record.h"
#include "os/os_stack.h"
#include "stack/peaks.h"

#include <string.h>

enum {
    NAMES_TRIED = 10000, /* a process that runs exec in a loop, ten thousand times: enough */
    PATH_ROOM = 600      /* fh_settings.report, '/', two numbers, ".fh"                     */
};

static struct fh_counters aside;
static bool in_file; /* fh_counters is a mapping of ours */

/* ---------------------------------------------------------------- the file ------------------------------ */

/* Puts `bytes` into a new file of this process and lets fh_counters be that file. False: it stays as it was. */
static bool move_to_file(const struct fh_counters *bytes) {
    char path[PATH_ROOM];
    for (int n = 0; n < NAMES_TRIED; n++) {
        void *memory;
        fh_format(path, sizeof path, "%s/%llu.%d.fh", fh_settings.report, (unsigned long long)bytes->pid, n);
        switch (fh_os_make_shared_file(path, bytes, sizeof *bytes, &memory)) {
            case FH_OS_MADE: __atomic_store_n(&fh_counters, memory, __ATOMIC_RELEASE); return true;
            case FH_OS_EXISTS: continue;
            case FH_OS_REFUSED: return false;
        }
    }
    return false;
}

static void introduce(struct fh_counters *counters) {
    struct fh_os_self self;
    fh_os_self(&self);
    counters->magic = FH_COUNTERS_MAGIC;
    counters->size = sizeof *counters;
    counters->pid = self.pid;
    counters->parent = self.parent;
    counters->pid_space = self.pid_space;
    counters->image = self.image;
    counters->counting = fh_settings.count;
    counters->started = fh_os_now();
    memcpy(counters->name, self.name, sizeof counters->name);
    memcpy(counters->command, self.command, sizeof counters->command);
}

static bool recording(void) { return fh_settings.report[0] != '\0'; }

/* Once. Whoever comes second while the first is at it waits: it must not count into memory that is being
 * copied. */
FH_AT_START void fh_on_start(void) {
    static _Atomic bool done;
    static struct fh_lock lock;
    fh_settings_init();
    if (!recording() || atomic_load_explicit(&done, memory_order_acquire)) return;
    fh_lock(&lock);
    if (!atomic_load_explicit(&done, memory_order_relaxed)) {
        introduce(fh_counters);
        in_file = move_to_file(fh_counters);
        if (!in_file && !fh_settings.report_quiet)
            fh_say("FREEHOLD: report=%s: no file can be made there, so no numbers are kept",
                   fh_settings.report);
        atomic_store_explicit(&done, true, memory_order_release);
    }
    fh_unlock(&lock);
}

/* ---------------------------------------------------------------- call stacks --------------------------- */

static struct fh_lock stacks_lock;

/* In a thread that ends, or at the end for those that run. The least of those kept makes room for a larger one.
 * */
static void keep_stack(const struct fh_thread_peak *peak) {
    struct fh_counters *counters = fh_counters;
    struct fh_stack_use *slot = counters->stacks;
    if (!fh_trylock_for_a_while(&stacks_lock)) return;
    counters->threads_measured++;
    if (counters->stacks_kept < FH_STACKS_KEPT) {
        slot = &counters->stacks[counters->stacks_kept++];
    } else {
        for (size_t i = 1; i < FH_STACKS_KEPT; i++)
            if (counters->stacks[i].peak < slot->peak) slot = &counters->stacks[i];
        if (slot->peak >= peak->peak) slot = NULL;
    }
    if (slot != NULL) {
        slot->id = peak->id;
        slot->size = peak->size;
        slot->peak = peak->peak;
        memcpy(slot->name, peak->name, sizeof slot->name);
    }
    fh_unlock(&stacks_lock);
}

/* ---------------------------------------------------------------- fork ---------------------------------- */

static void before_fork(void) {
    if (fh_counters != &aside) memcpy(&aside, fh_counters, sizeof aside);
}

/* The blocks are inherited, the peaks are not. */
static void begin_as_child(struct fh_counters *child) {
    fh_os_self_after_fork(&child->pid, &child->parent);
    child->started = fh_os_now();
    child->forked = 1;
    child->inherited.allocs = child->allocs;
    child->inherited.frees = child->frees;
    child->inherited.reallocs = child->reallocs;
    child->inherited.asked = child->asked;
    child->asked_peak = child->asked;
    child->held_peak = child->held_at_peak = child->held;
    for (unsigned c = 0; c < FH_CLASS_COUNT; c++)
        child->classes[c].peak_blocks = child->classes[c].allocs - child->classes[c].frees;
    child->threads_measured = child->stacks_kept = 0;
    child->finished = child->ended = child->exit_status = child->exit_rss = child->peak_rss = 0;
}

static void after_fork_in_child(void) {
    struct fh_counters *parents = fh_counters;
    stacks_lock = (struct fh_lock){0};
    fh_peaks_after_fork();
    begin_as_child(&aside);
    if (!move_to_file(&aside)) fh_counters = &aside;
    if (in_file) fh_os_unmap(parents, sizeof *parents);
    in_file = fh_counters != &aside;
}

FH_AT_START void fh_on_fork_hooks(void) {
    fh_settings_init();
    if (recording()) fh_os_at_fork(before_fork, NULL, after_fork_in_child);
}

/* ---------------------------------------------------------------- the end ------------------------------- */

/* First all that needs no system call: should a filter of the program's kill us for the rest, the numbers
 * stand.
 *
 * exit may be called by a signal handler that interrupted malloc. It must not be, and it often is; such a
 * program must not hang because fh_stats waits for a lock that its own thread holds. It ends without `final`.
 * */
static void at_end(int status) {
    struct fh_counters *counters = fh_counters;
    if (fh_locks_held > 0) return;
    fh_stats_now(&counters->final);
    counters->final.counting = (int)counters->counting; /* a heap that never began does not know */
    counters->exit_status = (uint64_t)status + 1;
    counters->ended = fh_os_now();
    __atomic_store_n(&counters->finished, FH_FINISHED, __ATOMIC_RELEASE);
    if (!fh_os_may_ask()) return;
    size_t now, peak;
    fh_os_rss(&now, &peak);
    counters->exit_rss = now;
    counters->peak_rss = peak;
    fh_peaks_now(keep_stack);
}

/* fh_os_at_end is called here and not in fh_on_start, which may run inside the first malloc: to register a
 * handler may take the C library's locks and allocate. */
FH_AT_START __attribute__((constructor)) static void begin(void) {
    fh_settings_init();
    if (!recording()) return;
    fh_on_start();
    fh_peaks_begin(keep_stack);
    fh_os_at_end(at_end);
}

/* ---------------------------------------------------------------- the note ------------------------------ */

/* Laid out as <elf.h> says of Elf64_Nhdr: sizes of name and contents, type, name padded to four bytes. */
static const struct {
    uint32_t name_size, desc_size, type;
    char name[(sizeof FH_NOTE_NAME + 3) / 4 * 4];
} note __attribute__((section(".note.freehold"), used, aligned(4))) = {
    .name_size = sizeof FH_NOTE_NAME, .type = FH_NOTE_TYPE, .name = FH_NOTE_NAME};
