/* test_region_model.c - random frames and pushes against a model: nothing overlaps, nothing changes, all is
 * freed.
 *
 * The model keeps each live push with a byte pattern of its own. After every few steps all patterns are
 * checked: two pushes that overlapped, or a push that was freed too early and given out again, would show.
 * Frames open as plain, scratch, outside and on a region of their own, nested at random by recursion; some are
 * left by longjmp and unwound. With -DCHECKED the pushes are checked ones.
 */
#include <freehold/stack.h>

#include "base/settings.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct push {
    unsigned char *place;
    size_t size;
    unsigned char pattern;
};

enum { MOST = 20000, DEPTH = 40, STEPS = 60000 };
static struct push live[MOST]; /* those of outer frames first, as far as pushes go inwards */
static size_t count;
static uint64_t seed = 88172645463325252u;
static long steps;

static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void die(const char *what) {
    fprintf(stderr, "FAILED after %ld steps: %s\n", steps, what);
    exit(1);
}

static void check_all(void) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k<live[i].size; k += live[i].size> 64 ? 37 : 1)
            if (live[i].place[k] != live[i].pattern) die("a push has changed");
}

static size_t random_size(void) {
    switch (next() % 8) {
        case 0: return 0;
        case 1: return next() % 20000;
        case 2: return next() % 300000;
        default: return next() % 200;
    }
}

static void push_one(void) {
    size_t size = random_size(), align = (size_t)1 << next() % 8;
    if (count == MOST) return;
    unsigned char *place = next() % 2 ? fh_push_bytes(size) : fh_push_aligned(size, align);
    if (place == NULL) return; /* a small region of our own is full */
    for (size_t i = 0; i < count; i += 7)
        if (size && live[i].size && place < live[i].place + live[i].size && live[i].place < place + size)
            die("pushes overlap");
    live[count] = (struct push){place, size, (unsigned char)(next() | 1)};
    memset(place, live[count].pattern, size);
    count++;
}

static void play(int depth);
static jmp_buf back;
static int back_depth = -1;

static void in_plain(int depth) {
    size_t before = count;
    FH_FRAME { play(depth); }
    count = before;
}
static void in_region(int depth) {
    size_t before = count;
    struct fh_region *region = fh_region_new(100000 + next() % 1000000);
    if (region == NULL) die("no region");
    FH_FRAME_ON(region) { play(depth); }
    fh_region_delete(region);
    count = before;
}
/* What is pushed outside stays; what is pushed inside goes. */
static void in_scratch(int depth) {
    struct push results[8];
    size_t before = count, n = 0;
    FH_SCRATCH {
        play(depth);
        for (; n < next() % 8 && count < MOST; n++) {
            FH_OUTSIDE push_one();
            if (n < 8 && count > before) results[n] = live[count - 1];
            if (next() % 2) play(depth);
        }
    }
    (void)results;
    count = before; /* the results live on, but the model forgets them: they are checked until here */
}
static void with_mark(int depth) {
    if (back_depth >= 0) return;
    size_t before = count;
    struct fh_frames_mark mark;
    fh_frame_mark(&mark);
    back_depth = depth;
    if (setjmp(back) == 0) play(depth);
    back_depth = -1;
    fh_frame_unwind(&mark);
    count = before;
}

static void play(int depth) {
    unsigned turns = (unsigned)(next() % 6);
    for (unsigned i = 0; i < turns && steps < STEPS; i++) {
        steps++;
        if (steps % 16 == 0) check_all();
        switch (depth < DEPTH ? next() % 12 : 0) {
            case 1: in_plain(depth + 1); break;
            case 2: in_scratch(depth + 1); break;
            case 3:
                if (back_depth < 0) in_region(depth + 1); /* else longjmp would lose it */
                break;
            case 4: with_mark(depth + 1); break;
            case 5:
                if (back_depth >= 0 && depth > back_depth + 2) {
                    longjmp(back, 1);
                }
                break;
            default: push_one();
        }
    }
}

int main(void) {
#ifdef CHECKED
    fh_settings_init();
    fh_settings.region_check = true;
#endif
    while (steps < STEPS) {
        size_t before = count;
        FH_FRAME { play(0); }
        count = before;
        struct fh_region_info stats;
        fh_region_stats(NULL, &stats);
        if (stats.used != 0) die("something was left over");
    }
    return 0;
}
