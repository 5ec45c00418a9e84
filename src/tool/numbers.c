/* numbers.c - reads the numbers files of a run.
 *
 *     DIR/PID.N.fh ──read, checked──> struct fh_counters ──┬─ main pid: the newest is kept whole
 *                                                          └─ others (and older main ones): a struct fh_image
 *
 * A build of a large program makes tens of thousands of processes, at 8 KiB of file each. So files are taken in
 * while the program runs, once there are MANY, and the images that are kept are limited to KEPT, the largest;
 * the others are only summed. Memory and disk are bounded whatever the program does.
 *
 * The directory may hold anything (another user's process may write there when root runs the command), so a
 * file counts only if it is a regular file of the right size that begins as it must. Texts in it are not
 * trusted either: screen.c shows no control characters.
 */
#include "tool/numbers.h"

#include "tool/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 512, KEPT = 4096 };

void fh_numbers_begin(struct fh_numbers *numbers, const char *directory) {
    struct stat space;
    memset(numbers, 0, sizeof *numbers);
    numbers->directory = directory;
    if (stat("/proc/self/ns/pid", &space) == 0) numbers->pid_space = (uint64_t)space.st_ino;
}

/* ---------------------------------------------------------------- one file ------------------------------ */

static bool is_numbers_file(const char *name) {
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, ".fh") == 0;
}

/* False: not a file of ours, or one of another build of Freehold. */
static bool read_file(int directory, const char *name, struct fh_counters *counters) {
    struct stat file;
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return false;
    bool good = fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == (off_t)sizeof *counters &&
                pread(fd, counters, sizeof *counters, 0) == (ssize_t)sizeof *counters &&
                counters->magic == FH_COUNTERS_MAGIC && counters->size == sizeof *counters;
    close(fd);
    counters->command[sizeof counters->command - 1] = '\0';
    counters->name[sizeof counters->name - 1] = '\0';
    return good;
}

/* The file is mapped in the process of this pid: it is the image that runs there now. The name is looked for
 * and not the inode, which some file systems (overlayfs, btrfs) number differently here and there; the
 * directory's name is random. */
static bool runs(const struct fh_numbers *numbers, const char *name, uint64_t pid) {
    const char *slash = strrchr(numbers->directory, '/');
    char *mapped = fh_tool_text("%s/%s", slash ? slash : numbers->directory, name);
    char path[64], *line = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/maps", pid);
    FILE *maps = fopen(path, "re");
    while (maps != NULL && !found && getline(&line, &room, maps) > 0) found = strstr(line, mapped) != NULL;
    if (maps != NULL) fclose(maps);
    free(line);
    free(mapped);
    return found;
}

/* The process is gone. Files come in the order of processes, and one answer holds for all files of a process:
 * were some taken in and some not, because another process got its pid in that moment, a launcher could lose
 * its follower. */
static bool is_over(struct fh_numbers *numbers, const struct fh_counters *counters) {
    if (counters->pid_space != numbers->pid_space || numbers->pid_space == 0) return false;
    if (counters->pid != numbers->asked_pid) {
        numbers->asked_pid = counters->pid;
        numbers->asked_over = kill((pid_t)counters->pid, 0) != 0 && errno == ESRCH;
    }
    return numbers->asked_over;
}

/* ---------------------------------------------------------------- images -------------------------------- */

static bool is_main(const struct fh_numbers *numbers, uint64_t pid, uint64_t pid_space) {
    return pid == numbers->main_pid && pid_space == numbers->pid_space;
}

static struct fh_image image_of(const struct fh_counters *c) {
    struct fh_image image = {
        .pid = c->pid,
        .parent = c->parent,
        .pid_space = c->pid_space,
        .image = c->image,
        .started = c->started,
        .ended = c->ended,
        .end = c->finished ? FH_IMAGE_EXITED : FH_IMAGE_NOT_SEEN,
        .status = c->exit_status != 0 ? (int)(c->exit_status - 1) : -1,
        .forked = c->forked != 0,
        .allocs = c->allocs - c->inherited.allocs,
        .frees = c->frees - c->inherited.frees,
        .reallocs = c->reallocs - c->inherited.reallocs,
        .live_blocks = c->allocs - c->frees,
        .live_asked = c->asked,
        .asked_peak = c->asked_peak,
        .held_peak = c->held_peak,
        .peak_rss = c->peak_rss,
    };
    memcpy(image.command, c->command, sizeof image.command);
    return image;
}

static void add_to_sum(struct fh_images_sum *sum, const struct fh_image *image) {
    sum->images++;
    sum->allocs += image->allocs;
    sum->frees += image->frees;
    sum->reallocs += image->reallocs;
    if (image->asked_peak > sum->largest_asked_peak) sum->largest_asked_peak = image->asked_peak;
    if (image->held_peak > sum->largest_held_peak) sum->largest_held_peak = image->held_peak;
}

static int larger_first(const void *a, const void *b) {
    const struct fh_image *x = a, *y = b;
    uint64_t nx = x->asked_peak + x->held_peak, ny = y->asked_peak + y->held_peak;
    return (nx < ny) - (nx > ny);
}

static int by_process_and_time(const void *a, const void *b) {
    const struct fh_image *x = a, *y = b;
    if (x->pid_space != y->pid_space) return x->pid_space < y->pid_space ? -1 : 1;
    if (x->pid != y->pid) return x->pid < y->pid ? -1 : 1;
    return (x->started > y->started) - (x->started < y->started);
}

static int older_first(const void *a, const void *b) {
    const struct fh_image *x = a, *y = b;
    return (x->started > y->started) - (x->started < y->started);
}

static void sort(struct fh_numbers *numbers, int (*order)(const void *, const void *)) {
    if (numbers->count > 1) qsort(numbers->images, numbers->count, sizeof numbers->images[0], order);
}

static bool same_process(const struct fh_image *one, const struct fh_image *other) {
    return one->pid == other->pid && one->pid_space == other->pid_space;
}

/* Two copies of the library in one process, one linked in and one preloaded, begin at once and leave a file
 * each; the program uses one of them. */
static bool is_double(const struct fh_image *image, const struct fh_image *before) {
    return same_process(before, image) && before->image == image->image && before->forked == image->forked &&
           image->started - before->started < 1000000000u;
}

/* Of two such files the idle one is forgotten. The images are in the order of processes and time. */
static void forget_doubles(struct fh_numbers *numbers) {
    size_t kept = 0;
    for (size_t i = 0; i < numbers->count; i++) {
        struct fh_image *image = &numbers->images[i], *before = kept > 0 ? &numbers->images[kept - 1] : NULL;
        bool twice = before != NULL && is_double(image, before);
        if (twice && image->allocs > before->allocs) *before = *image;
        if (!twice) numbers->images[kept++] = *image;
    }
    numbers->count = kept;
}

/* An image that did not finish, followed in its process by one that exec began, was replaced by it. */
static void find_replaced(struct fh_numbers *numbers) {
    sort(numbers, by_process_and_time);
    forget_doubles(numbers);
    for (size_t i = 0; i + 1 < numbers->count; i++) {
        struct fh_image *image = &numbers->images[i], *next = image + 1;
        if (image->end == FH_IMAGE_NOT_SEEN && same_process(image, next) && !next->forked)
            image->end = FH_IMAGE_REPLACED;
    }
}

/* Lets go of the smallest beyond KEPT. Launchers go without a trace but for what they allocated. Not in the
 * midst of taking in files: these come in no order, and a launcher is known only beside the image that follows
 * it. */
static void keep_largest(struct fh_numbers *numbers) {
    find_replaced(numbers);
    if (numbers->count <= KEPT) return;
    sort(numbers, larger_first);
    for (size_t i = KEPT; i < numbers->count; i++) {
        bool launcher = fh_image_is_launcher(&numbers->images[i]);
        add_to_sum(&numbers->dropped, &numbers->images[i]);
        numbers->dropped.images -= launcher;
    }
    numbers->count = KEPT;
}

static struct fh_image *add_image(struct fh_numbers *numbers, const struct fh_counters *counters) {
    if (numbers->count == numbers->room) {
        numbers->room = numbers->room ? numbers->room * 2 : 64;
        numbers->images = fh_tool_resize(numbers->images, numbers->room, sizeof numbers->images[0]);
    }
    numbers->images[numbers->count] = image_of(counters);
    return &numbers->images[numbers->count++];
}

/* The newest main image stays whole; the one that it follows becomes one of the others. */
static void add_main(struct fh_numbers *numbers, const struct fh_counters *counters) {
    if (numbers->main == NULL) {
        numbers->main = fh_tool_new(1, sizeof *numbers->main);
        *numbers->main = *counters;
    } else if (counters->image == numbers->main->image) { /* see forget_doubles */
        if (counters->allocs > numbers->main->allocs) *numbers->main = *counters;
    } else if (counters->started < numbers->main->started) {
        add_image(numbers, counters)->end = FH_IMAGE_REPLACED;
    } else {
        add_image(numbers, numbers->main)->end = FH_IMAGE_REPLACED;
        *numbers->main = *counters;
    }
}

/* ---------------------------------------------------------------- all files ----------------------------- */

/* While the program runs (`last` false) the main images stay where they are, and so does what still runs. */
static void take_in(struct fh_numbers *numbers, int directory, const char *name, bool last) {
    struct fh_counters counters;
    bool good = read_file(directory, name, &counters);
    if (!last && (!good || is_main(numbers, counters.pid, counters.pid_space) || !is_over(numbers, &counters)))
        return;
    unlinkat(directory, name, 0);
    if (!good) return;
    numbers->counting |= counters.counting != 0;
    if (is_main(numbers, counters.pid, counters.pid_space)) {
        add_main(numbers, &counters);
    } else {
        struct fh_image *image = add_image(numbers, &counters);
        if (last && image->end == FH_IMAGE_NOT_SEEN && runs(numbers, name, counters.pid))
            image->end = FH_IMAGE_RUNS;
    }
}

static int is_numbers_entry(const struct dirent *entry) { return is_numbers_file(entry->d_name); }

static void gather(struct fh_numbers *numbers, bool last) {
    struct dirent **files;
    int directory = open(numbers->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = scandir(numbers->directory, &files, is_numbers_entry, alphasort);
    numbers->asked_pid = 0;
    for (int i = 0; i < count; i++) {
        if (last || count >= MANY) take_in(numbers, directory, files[i]->d_name, last);
        free(files[i]);
    }
    if (count >= 0) free(files);
    if (directory >= 0) close(directory);
    keep_largest(numbers);
}

void fh_numbers_gather_some(struct fh_numbers *numbers) { gather(numbers, false); }

void fh_numbers_gather_all(struct fh_numbers *numbers) {
    gather(numbers, true);
    sort(numbers, older_first);
}

/* ---------------------------------------------------------------- sums ---------------------------------- */

bool fh_image_is_launcher(const struct fh_image *image) {
    return image->forked && image->end == FH_IMAGE_REPLACED;
}

struct fh_images_sum fh_numbers_sum_children(const struct fh_numbers *numbers) {
    struct fh_images_sum sum = numbers->dropped;
    for (size_t i = 0; i < numbers->count; i++) {
        const struct fh_image *image = &numbers->images[i];
        if (is_main(numbers, image->pid, image->pid_space) || fh_image_is_launcher(image)) continue;
        add_to_sum(&sum, image);
    }
    return sum;
}

struct fh_images_sum fh_numbers_sum_all(const struct fh_numbers *numbers) {
    struct fh_images_sum sum = numbers->dropped;
    for (size_t i = 0; i < numbers->count; i++) {
        add_to_sum(&sum, &numbers->images[i]);
        sum.images -= fh_image_is_launcher(&numbers->images[i]);
    }
    if (numbers->main != NULL) {
        struct fh_image image = image_of(numbers->main);
        add_to_sum(&sum, &image);
    }
    return sum;
}
