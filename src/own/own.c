/* own.c - what the inlined owners call when they cannot help themselves: no bin, no memory, no end to a chain.
 *
 * Deferred drops. Glue runs recursively down to FH_DROP_DEPTH; there it comes to fh_drop_later. The first call
 * in a thread becomes the worker: it keeps a stack of what is still to be dropped, and runs one after the
 * other, each again to that depth. Calls from within push onto the worker's stack and return.
 *
 *     depth 0 .. 100     recursion in order, as Rust's drop
 *     at 100             worker:  while (stack not empty) run(pop)          <-- at most one worker a thread
 *     101 .. 200         recursion of what the worker runs; at 200 it pushes
 *
 * A list of ten million nodes keeps the stack at one entry; a tree, at the number of subtrees that hang at
 * depth 200. The stack begins with 32 places in the worker's own frame, and grows on the heap. Should there be
 * no memory for that, the drop goes on recursively: then the call stack is the limit, as it is in Rust always.
 */
#include <freehold/own.h>

#include "base/report.h"
#include "os/os_backtrace.h"
#include "os/os_own.h"
#include "own/buffer.h"
#include "own/checked.h"

#include <stdarg.h>
#include <string.h>

enum { PLACE_FRAMES = 16 };

__thread unsigned fh_drop_depth;
__thread const struct fh_site *fh_here;
__thread const struct fh_site *fh_dropping;
__thread uintptr_t fh_caller;

/* ---- chains ---- */

struct pending {
    void (*run)(void *, size_t, size_t);
    void *p;
    size_t len, cap;
};
struct worker {
    struct pending *stack;
    size_t count, room;
    struct pending first[32];
};
static __thread struct worker *worker;

static bool make_room(struct worker *w) {
    size_t room = w->room * 2;
    struct pending *stack =
        w->stack == w->first ? fh_malloc(room * sizeof *stack) : fh_realloc(w->stack, room * sizeof *stack);
    if (stack == NULL) return false;
    if (w->stack == w->first) memcpy(stack, w->first, sizeof w->first);
    w->stack = stack;
    w->room = room;
    return true;
}

/* Not inlined: its frame is what a worker costs, and only the one that becomes it shall pay. */
static __attribute__((noinline)) void work(struct pending first) {
    struct worker mine; /* not cleared: most of it is never used */
    mine.stack = mine.first;
    mine.count = 1;
    mine.room = sizeof mine.first / sizeof *mine.first;
    unsigned depth = fh_drop_depth;
    mine.first[0] = first;
    worker = &mine;
    while (mine.count > 0) {
        struct pending next = mine.stack[--mine.count];
        fh_drop_depth = 1; /* a level of its own: glue that calls glue counts from here */
        next.run(next.p, next.len, next.cap);
    }
    worker = NULL;
    fh_drop_depth = depth;
    if (mine.stack != mine.first) fh_free(mine.stack);
}

void fh_drop_later(void (*run)(void *, size_t, size_t), void *p, size_t len, size_t cap) {
    struct pending pending = {run, p, len, cap};
    struct worker *w = worker;
    if (w == NULL) work(pending);
    else if (w->count < w->room || make_room(w)) w->stack[w->count++] = pending;
    else run(p, len, cap);
}

void fh_drop_copied(void (*run)(void *, size_t, size_t), void *p, size_t size) {
    unsigned depth = fh_drop_depth;
    void *copy = depth < FH_DROP_DEPTH ? NULL : fh_malloc(size);
    if (copy) {
        fh_drop_later(run, memcpy(copy, p, size), true, 0);
        return;
    }
    fh_drop_depth = depth + 1;
    run(p, false, 0);
    fh_drop_depth = depth;
}

/* ---- failure ---- */

void fh_own_no_memory(const char *what, size_t size) {
    fh_fatal("out of memory: %s of %H (%zu bytes)", what, size, size);
}

/* Where the program asked for what cannot be: in checked mode by the call stack, in any build; else by the site
 * that a program built with -DFH_CHECKED has told; else nothing. */
static void find_place(char *place, size_t size) {
    char code[300] = "";
    uintptr_t pcs[PLACE_FRAMES];
    unsigned count = fh_checked_on() ? fh_os_backtrace(pcs, PLACE_FRAMES, 0) : 0;
    if (count) fh_os_describe_code(fh_os_program_code(pcs, count), code, sizeof code);
    if (strchr(code, ':') != NULL || (code[0] && fh_here == NULL)) fh_format(place, size, "%s: ", code);
    else if (fh_here) fh_format(place, size, "%s:%d: ", fh_here->file, fh_here->line);
    else place[0] = 0;
}

void fh_own_out_of_range(const char *what, size_t index, size_t len) {
    fh_own_stop("index out of range in %s: the index is %zu, the length %zu", what, index, len);
}

void fh_own_stop(const char *format, ...) {
    char text[300], place[400];
    va_list args;
    va_start(args, format);
    fh_vformat(text, sizeof text, format, args);
    va_end(args);
    find_place(place, sizeof place);
    fh_fatal("%s%s", place, text);
}

/* ---- blocks ---- */

void *fh_own_try_slow(size_t size, size_t align, const char *what) {
    if (fh_checked_on()) return fh_checked_new(size, align, what, FH_HERE);
    return fh_alloc_slow(size, align);
}

void *fh_own_new_slow(size_t size, size_t align, const char *what) {
    void *block = fh_checked_on() ? fh_checked_new(size, align, what, FH_HERE) : fh_alloc_slow(size, align);
    if (block == NULL) fh_own_no_memory(what, size);
    return block;
}

void fh_own_free_slow(void *p, size_t size, size_t align) {
    if (fh_checked_on())
        fh_checked_end(p, size, align, false, fh_where_dropped((uintptr_t)__builtin_return_address(0)));
    else fh_free_slow(p, size, align);
}

/* ---- buffers ---- */

enum { TIGHT = 128 };

bool fh_buffer_is_tight(size_t size) { return size <= TIGHT && fh_checked_on(); }

void *fh_buffer_get(size_t size, size_t align, const char *what) {
    if (fh_checked_on()) return fh_checked_new(size, align, what, FH_THERE);
    return align <= 16 ? fh_malloc(size) : fh_aligned_alloc(align, size);
}

void fh_buffer_free(void *p, size_t size, size_t align) {
    if (fh_checked_on()) fh_checked_end(p, size, align, false, fh_where_dropped(fh_caller));
    else if (align <= 16) fh_free_sized(p, size);
    else fh_free_aligned_sized(p, align, size);
}

void fh_buffer_leave(void *p, size_t size, size_t align) {
    if (fh_checked_on()) fh_checked_end(p, size, align, true, FH_THERE);
    else fh_buffer_free(p, size, align);
}

/* Str's inlined drop frees a buffer by the class of its size, so it must be of that class. A buffer that
 * shrinks in the place where it is would be of a larger one: fh_realloc leaves it there when more than half of
 * it is used. */
static bool may_stay(size_t old, size_t size) {
    return size >= old || size > FH_SMALL_MAX || fh_class_of(size) == fh_class_of(old);
}

void *fh_buffer_resize(void *p, size_t old, size_t size, size_t align, const char *what) {
    if (p == NULL) return fh_buffer_get(size, align, what);
    if (!fh_checked_on() && align <= 16 && may_stay(old, size)) return fh_realloc(p, size);
    void *block = fh_buffer_get(size, align, what);
    if (block == NULL) return NULL;
    memcpy(block, p, old < size ? old : size);
    if (fh_checked_on()) fh_checked_end(p, old, align, true, FH_THERE);
    else fh_free(p);
    return block;
}
