/* region_frame.c - frames off the fast path: turns to another region, closings that are seen, marks, misuse.
 *
 * A turn (scratch, frame-on, outside) is a frame that also changes the region in use. It is always watched, so
 * that its closing comes here and turns back:
 *
 *     caller's frame     first  |####|
 *     FH_SCRATCH {       second      |..        own[BACK] = first
 *       push                         |..####
 *       FH_OUTSIDE       first  |####|          own[BACK] = second; closing it frees nothing
 *         push                  |########|
 *     }                  second      |..        back on first, where the result now lies
 *
 * A scratch frame goes to the region that is not in use, so what is outside is always the innermost part of its
 * own region: nothing opened since lies above it.
 */
#include "stack/region.h"

#include "base/report.h"
#include "os/os_backtrace.h"
#include "os/os_stack.h"

#include <string.h>

/* ---------------------------------------------------------------- misuse ------------------------------- */

/* A copy of a frame whose memory may be gone. False: it cannot be read. */
static bool peek(const struct fh_frame *frame, struct fh_frame *copy) {
    return fh_os_peek(frame, copy, sizeof *copy);
}

/* Did frames that opened on this region, which may be gone, note their place? Those do whose pushes are seen:
 * when they are checked, and as long as there is no memory to push into. */
static bool notes_places(const struct fh_region *region) {
    struct fh_region copy;
    return region == NULL ||
           (fh_os_peek(region, &copy, sizeof copy) && (copy.check != FH_CHECK_OFF || copy.base == NULL));
}

/* Is `frame` among the open ones? *noted: it has noted its place, as turns always do. */
static bool is_open(const struct fh_frame *frame, bool *noted) {
    const struct fh_thread_regions *thread = fh_frames.thread;
    const struct fh_frame *walk = fh_frame_of(fh_frames.frame), *turn = thread ? thread->turn : NULL;
    const struct fh_region *region = thread ? thread->now : NULL;
    struct fh_frame at;
    *noted = fh_check_wanted(true) != FH_CHECK_OFF; /* on which region was one that is not open? */
    for (unsigned n = 0; walk != NULL && n < 1000000; n++) {
        if (walk == frame) {
            *noted = walk == turn || notes_places(region);
            return true;
        }
        if (!peek(walk, &at)) return false;
        if (walk == turn) {
            region = at.own[FH_OWN_BACK];
            turn = at.own[FH_OWN_TURN];
        }
        walk = fh_frame_of(at.outer);
    }
    return false;
}

/* The function in whose part of the call stack the frame lies, as a local variable does. */
static void name_by_stack(char *buf, size_t size, const struct fh_frame *frame, uintptr_t caller) {
    struct fh_os_code code;
    uintptr_t pc = fh_os_frame_around(frame, caller);
    if (pc != 0) fh_os_code_of(pc, false, &code);
    if (pc == 0) {
        fh_format(
            buf, size,
            "at %p, in no function that is running (left by longjmp or by the end of a thread, or no local "
            "variable),",
            (const void *)frame);
    } else if (code.function != NULL) {
        fh_format(buf, size, "of %s()", code.function);
    } else {
        fh_format(buf, size, "of the function at %s+%p", code.module ? code.module : "?", (void *)code.offset);
    }
}

static void name_frame(char *buf, size_t size, const struct fh_frame *frame, bool noted, uintptr_t caller) {
    struct fh_frame copy;
    struct fh_frame_site site;
    char place[200];
    if (noted && peek(frame, &copy) && fh_os_peek(copy.site, &site, sizeof site) && site.line > 0 &&
        site.line < 10000000 && fh_os_peek(site.file, place, 1) && fh_os_peek(site.function, place, 1)) {
        fh_format(buf, size, "of %s() at %s:%d", site.function, site.file, site.line);
    } else {
        name_by_stack(buf, size, frame, caller);
    }
}

/* What may help, behind the report. */
static const char *advice(bool noted) {
    return noted ? "(After longjmp, fh_frame_unwind closes the frames that were left.)"
                 : "(After longjmp, fh_frame_unwind closes the frames that were left. FREEHOLD=region_check=on "
                   "names "
                   "the places in the source.)";
}

/* `caller`: the return address of the closing, below which the call stack is the library's own. */
_Noreturn static void out_of_order(const struct fh_frame *frame, uintptr_t caller) {
    const struct fh_frame *inside = fh_frame_of(fh_frames.frame);
    char closed[300], innermost[300];
    bool noted, inside_noted;
    bool open = is_open(frame, &noted);
    name_frame(closed, sizeof closed, frame, noted, caller);
    if (!open) {
        fh_fatal("frame %s is closed but not open: closed twice, already left by an outer frame, "
                 "fh_frame_unwind or longjmp, or opened in another thread. %s",
                 closed, advice(noted));
    }
    (void)is_open(inside, &inside_noted);
    name_frame(innermost, sizeof innermost, inside, inside_noted, caller);
    fh_fatal(
        "frames are closed out of order: the frame %s is closed while, inside it, the frame %s is still open. "
        "%s",
        closed, innermost, advice(noted && inside_noted));
}

/* ---------------------------------------------------------------- turns -------------------------------- */

uintptr_t *fh_frame_owner(const struct fh_thread_regions *thread) {
    uintptr_t *word = &fh_frames.frame;
    const struct fh_frame *turn = thread->turn;
    while (turn != NULL && fh_frame_of(*word) == turn && (uintptr_t)turn->own[FH_OWN_KIND] == FH_TURN_OUTSIDE) {
        struct fh_frame *left = turn->own[FH_OWN_TURN]; /* the scratch frame outside of which we are */
        word = &left->outer;
        turn = left->own[FH_OWN_TURN];
    }
    return word;
}

static struct fh_frame *turn_to(struct fh_thread_regions *thread, struct fh_frame *frame,
                                const struct fh_frame_site *site, struct fh_region *region,
                                enum fh_turn_kind kind) {
    thread->now->top = *fh_region_top();
    frame->outer = fh_frames.frame;
    frame->site = site;
    frame->mark = frame->top_while_watched = region->top;
    frame->own[FH_OWN_BACK] = thread->now;
    frame->own[FH_OWN_TURN] = thread->turn;
    frame->own[FH_OWN_KIND] = (void *)(uintptr_t)kind;
    frame->own[FH_OWN_FIRST_RUN] = NULL;
    thread->now = region;
    thread->turn = frame;
    fh_frames.frame = (uintptr_t)frame | FH_WATCHED;
    fh_region_set_limit(region);
    return frame;
}

struct fh_frame *fh_scratch_open(struct fh_frame *frame, const struct fh_frame_site *site) {
    struct fh_thread_regions *thread = fh_thread_regions();
    if (thread == NULL) return fh_frame_open(frame, site); /* no memory: each push in it will fail */
    struct fh_region *other = thread->now == &thread->first ? &thread->second : &thread->first;
    return turn_to(thread, frame, site, other, FH_TURN_SCRATCH);
}

struct fh_frame *fh_outside_open(struct fh_frame *frame, const struct fh_frame_site *site) {
    struct fh_thread_regions *thread = fh_thread_regions();
    if (thread == NULL) return fh_frame_open(frame, site);
    const struct fh_frame *turn = thread->turn;
    if (turn == NULL || (uintptr_t)turn->own[FH_OWN_KIND] == FH_TURN_OUTSIDE) {
        fh_fatal("FH_OUTSIDE in %s() at %s:%d: there is no scratch frame here to be outside of", site->function,
                 site->file, site->line);
    }
    if (turn->own[FH_OWN_BACK] ==
        thread->now) { /* the inner frame's closing would free what was pushed outside */
        fh_fatal("FH_OUTSIDE in %s() at %s:%d: the frame around it is on the same region", site->function,
                 site->file, site->line);
    }
    return turn_to(thread, frame, site, turn->own[FH_OWN_BACK], FH_TURN_OUTSIDE);
}

struct fh_frame *fh_frame_open_on(struct fh_frame *frame, const struct fh_frame_site *site,
                                  struct fh_region *region) {
    struct fh_thread_regions *thread = fh_thread_regions();
    if (thread == NULL || region == NULL) {
        fh_fatal("FH_FRAME_ON in %s() at %s:%d: %s", site->function, site->file, site->line,
                 region ? "no memory for the thread's books" : "the region is NULL");
    }
    struct fh_thread_regions *user = NULL;
    if (!__atomic_compare_exchange_n(&region->user, &user, thread, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) &&
        user != thread) {
        fh_fatal("FH_FRAME_ON in %s() at %s:%d: another thread has a frame open on this region", site->function,
                 site->file, site->line);
    }
    if (region->opens++ == 0) {
        region->top_at_open = region->top;
        region->next_open = thread->open;
        thread->open = region;
    }
    return turn_to(thread, frame, site, region, FH_TURN_ON);
}

static void let_go(struct fh_thread_regions *thread, struct fh_region *region) {
    region->opens = 0;
    thread->open = region->next_open;
    __atomic_store_n(&region->user, NULL, __ATOMIC_RELEASE);
}

/* ---------------------------------------------------------------- closing ------------------------------ */

/* Frees what was pushed on the region in use since the frame was opened: from `mark` to `top`. */
static void close_region(struct fh_region *region, struct fh_frame *frame, char *mark, char *top) {
    if (region->check != FH_CHECK_OFF) {
        fh_check_close(region, frame, mark, top);
    } else {
        fh_deep_close(region, mark);
    }
}

/* Closes a turn; the frame around it is the innermost again. */
static void turn_back(struct fh_thread_regions *thread, struct fh_frame *frame, char *top) {
    struct fh_region *region = thread->now;
    enum fh_turn_kind kind = (enum fh_turn_kind)(uintptr_t)frame->own[FH_OWN_KIND];
    thread->turn = frame->own[FH_OWN_TURN];
    thread->now = frame->own[FH_OWN_BACK];
    if (kind == FH_TURN_OUTSIDE) { /* what was pushed belongs to the frame outside of the scratch frame */
        region->top = *fh_top_(thread->turn->outer) = top;
    } else {
        region->top = frame->mark;
        close_region(region, frame, frame->mark, top);
    }
    if (kind == FH_TURN_ON && --region->opens == 0) let_go(thread, region);
}

void fh_frame_close_slow(struct fh_frame *frame) {
    if (fh_frame_of(fh_frames.frame) != frame) out_of_order(frame, (uintptr_t)__builtin_return_address(0));
    struct fh_thread_regions *thread = fh_frames.thread;
    char *top = *fh_region_top();
    fh_frames.frame = frame->outer;
    if (thread->turn == frame) {
        turn_back(thread, frame, top);
    } else {
        close_region(thread->now, frame, *fh_region_top(), top);
    }
    fh_region_set_limit(thread->now);
}

/* ---------------------------------------------------------------- marks -------------------------------- */

enum { MARK_NOW, MARK_TURN, MARK_FIRST, MARK_SECOND, MARK_OPEN, MARK_MOMENT, MARK_TOP };

void fh_frame_mark(struct fh_frames_mark *mark) {
    struct fh_thread_regions *thread = fh_frames.thread;
    memset(mark, 0, sizeof *mark);
    if (thread != NULL) {
        thread->now->top = *fh_region_top();
        mark->own[MARK_TOP] = thread->now->top;
        mark->own[MARK_NOW] = thread->now;
        mark->own[MARK_TURN] = thread->turn;
        mark->own[MARK_FIRST] = thread->first.top;
        mark->own[MARK_SECOND] = thread->second.top;
        mark->own[MARK_OPEN] = thread->open;
        mark->own[MARK_MOMENT] = (void *)(uintptr_t)fh_check_moment();
    }
    mark->frames = fh_frames;
}

/* The region's top goes to `top` (NULL: its base). */
static void unwind_region(struct fh_region *region, char *top, uint64_t moment) {
    if (region->base == NULL) return;
    char *old = region->top;
    region->top = top ? top : region->base;
    if (region->check != FH_CHECK_OFF) {
        fh_check_unwind(region, moment, region->top, old);
    } else {
        fh_deep_close(region, region->top);
    }
}

void fh_frame_unwind(const struct fh_frames_mark *mark) {
    struct fh_thread_regions *thread = fh_frames.thread;
    if (thread == NULL) { /* nothing was ever pushed */
        fh_frames.frame = mark->frames.frame;
        return;
    }
    struct fh_region *now = mark->own[MARK_NOW] ? mark->own[MARK_NOW] : &thread->first;
    uint64_t moment = (uintptr_t)mark->own[MARK_MOMENT];
    thread->now->top = *fh_region_top();
    fh_frames.frame = mark->frames.frame;
    if (mark->frames.thread == NULL && fh_frame_is_root(fh_frame_of(fh_frames.frame)))
        fh_frames.frame = (uintptr_t)&thread->root; /* which it had not at that time */
    while (thread->open != mark->own[MARK_OPEN]) {
        struct fh_region *left = thread->open;
        unwind_region(left, left->top_at_open, moment);
        let_go(thread, left);
    }
    unwind_region(&thread->first, mark->own[MARK_FIRST], moment);
    unwind_region(&thread->second, mark->own[MARK_SECOND], moment);
    if (now != &thread->first && now != &thread->second) unwind_region(now, mark->own[MARK_TOP], moment);
    thread->now = now;
    thread->turn = mark->own[MARK_TURN];
    *fh_region_top() = now->top;
    fh_region_set_limit(now);
}
