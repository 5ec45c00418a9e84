/* ledger.c - checks the heap's books from inside a program that runs, and against the kernel's.
 *
 * Preloaded together with libfreehold.so into a program that knows nothing of it. Its malloc stands before the
 * library's, asks the library, and at some calls (the 1024th, and each time as many again, but at least every
 * 100 000) and at the end looks at the numbers:
 *
 *     held = live + cached + free_in_spans + span_tail + free_extents + metadata      the equation of <freehold/heap.h>
 *     live = asked + rounding        asked = the sum over the live blocks of a walk; rounding >= 0 in each class
 *     live, cached, free_in_spans    the same three, added up block by block from a walk
 *     held >= resident               what the kernel says of the pages in which the blocks lie
 *
 * While the process has one thread, all of them hold exactly. With more, blocks move while they are counted, so
 * that one may be seen in a bin and in its span: then the equation must hold but for these, which must be no
 * more than fits into the bins; the others are not asked. At its end each process adds a line to LEDGER_FILE:
 *
 *     PROGRAM CHECKS THREADED WORST       how often it was checked, how often with threads, most bytes seen twice then
 *     false: ...                          an equation that does not hold, with its numbers
 */
#include <errno.h>
#include <fcntl.h>
#include <freehold/heaps.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 1024, LONGEST_STEP = 100000, BIN_BYTES = 32 * 1024 };

static _Atomic size_t calls, next_check = FIRST;
static _Atomic int checking;
static size_t checks, threaded, worst;

static void add_line(const char *text) {
    const char *file = getenv("LEDGER_FILE");
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd < 0) return;
    if (write(fd, text, strlen(text)) < 0) abort();
    close(fd);
}

static void expect(int holds, const char *what, size_t left, size_t right) {
    char text[256];
    if (holds) return;
    snprintf(text, sizeof text, "false: %s: %zu and %zu (%s)\n", what, left, right,
             program_invocation_short_name);
    add_line(text);
}

static void expect_equal(const char *what, size_t left, size_t right) {
    expect(left == right, what, left, right);
}

/* Calls take(line, arg) for each line of the file. Without stdio, which would allocate. */
static void each_line(const char *path, void (*take)(const char *, void *), void *arg) {
    char text[4096];
    size_t have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; fd >= 0 && (got = read(fd, text + have, sizeof text - 1 - have)) > 0;) {
        char *line = text, *end;
        have += (size_t)got;
        text[have] = '\0';
        for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            *end = '\0';
            take(line, arg);
        }
        have -= (size_t)(line - text);
        memmove(text, line, have);
    }
    if (fd >= 0) close(fd);
}

static void take_threads(const char *line, void *arg) {
    if (strncmp(line, "Threads:", 8) == 0) *(size_t *)arg = strtoul(line + 8, NULL, 10);
}

struct resident {
    size_t low, high; /* where the blocks lie */
    int inside;       /* the last mapping does too */
    size_t bytes;
};

static void take_resident(const char *line, void *arg) {
    struct resident *r = arg;
    size_t low, high;
    if (sscanf(line, "%zx-%zx ", &low, &high) == 2) r->inside = low < r->high && high > r->low;
    if (r->inside && strncmp(line, "Rss:", 4) == 0) r->bytes += strtoul(line + 4, NULL, 10) * 1024;
}

/* The blocks, added up one by one. */
struct sums {
    size_t by_state[3], asked, live_blocks;
    struct resident where;
};

static int add_block(const struct fh_block *block, void *arg) {
    struct sums *sums = arg;
    size_t at = (size_t)block->address;
    sums->by_state[block->state] += block->size;
    sums->asked += block->asked;
    sums->live_blocks += block->state == FH_BLOCK_LIVE;
    if (sums->where.low == 0 || at < sums->where.low) sums->where.low = at;
    if (at + block->size > sums->where.high) sums->where.high = at + block->size;
    return 0;
}

static size_t right_side(const struct fh_stats *s) {
    return s->live + s->cached + s->free_in_spans + s->span_tail + s->free_extents + s->metadata;
}

/* Bytes that were seen in a bin and in their span. */
static size_t seen_twice(const struct fh_stats *s) {
    size_t bytes = 0;
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *class = &s->classes[c];
        size_t not_live = class->cached + class->free;
        if (not_live > class->blocks) bytes += (not_live - class->blocks) * class->block_size;
    }
    return bytes;
}

static void check_alone(const struct fh_stats *s, int at_end) {
    struct sums sums = {0};
    expect_equal("held = live + cached + free_in_spans + span_tail + free_extents + metadata", s->held,
                 right_side(s));
    if (fh_heap_walk(NULL, add_block, &sums) != 0) {
        add_line("false: the walk found no memory\n");
        return;
    }
    expect_equal("live = the walk's live blocks", s->live, sums.by_state[FH_BLOCK_LIVE]);
    expect_equal("cached = the walk's cached blocks", s->cached, sums.by_state[FH_BLOCK_CACHED]);
    expect_equal("free_in_spans = the walk's free blocks", s->free_in_spans, sums.by_state[FH_BLOCK_FREE]);
    expect(s->counting == 1, "calls are counted", (size_t)s->counting, 1);
    expect_equal("asked = the sum over the walk's live blocks", s->asked, sums.asked);
    expect_equal("live blocks", s->live_blocks, sums.live_blocks);
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) {
        const struct fh_class_stats *class = &s->classes[c];
        size_t live = class->live * class->block_size;
        expect(class->live_asked <= live, "asked <= live in a class", class->live_asked, live);
    }
    if (!at_end) return; /* the kernel takes long to add up */
    each_line("/proc/self/smaps", take_resident, &sums.where);
    expect(sums.where.bytes <= s->held, "resident <= held", sums.where.bytes, s->held);
    expect(sums.where.bytes > 0, "something is resident", sums.where.bytes, 1);
}

static void check(int at_end) {
    static struct fh_stats s;
    size_t threads = 0;
    int kept = errno;
    if (atomic_exchange(&checking, 1)) return;
    each_line("/proc/self/status", take_threads, &threads);
    fh_stats_now(&s);
    checks++;
    if (threads == 1) {
        check_alone(&s, at_end);
    } else {
        size_t twice = seen_twice(&s);
        threaded++;
        if (twice > worst) worst = twice;
        expect_equal("held = the sum, with threads", s.held + twice, right_side(&s));
        expect(twice <= threads * FH_CLASS_COUNT * BIN_BYTES, "blocks seen twice fit into bins", twice,
               threads);
    }
    atomic_store(&checking, 0);
    errno = kept;
}

extern void *malloc(size_t size);

void *malloc(size_t size) {
    void *block = fh_malloc(size);
    size_t now = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    size_t due = atomic_load_explicit(&next_check, memory_order_relaxed);
    if (now >= due &&
        atomic_compare_exchange_strong(&next_check, &due, now + (now < LONGEST_STEP ? now : LONGEST_STEP)))
        check(0);
    return block;
}

__attribute__((destructor)) static void ended(void) {
    char text[256];
    check(1);
    snprintf(text, sizeof text, "%s %zu %zu %zu\n", program_invocation_short_name, checks, threaded, worst);
    add_line(text);
}
