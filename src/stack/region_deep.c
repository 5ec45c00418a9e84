/* region_deep.c - giving memory back after a deep moment.
 *
 * A deep moment begins with a push above the first FH_REGION_KEEP bytes that needs the slow path, and it ends
 * when the frames that reached up there are closed. Neither has a hook in the fast path, so:
 *
 *     slow push above KEEP          the frame that it belongs to becomes watched
 *     closing of a watched frame    top has fallen far enough?  no: its outer frame becomes watched instead
 *                                                               yes: the deep moment is over
 *
 * so that each open frame is looked at once at most while a deep recursion returns. What then happens to the
 * pages depends on what has been seen of this region. Giving them back and taking them again costs about 0.25
 * us a page, so a program that goes deep again and again must not pay for it each time; one that went deep once
 * must not keep it.
 *
 *     streak = deep moments that began within 100 ms of the last one's end, one after another
 *
 *     streak < 3      give back at once
 *     streak < 200    cooling: keep the pages, and see each push (limit = top) until either a deep one comes, or 100 ms have
 *                     passed at a shallow one: give back. Seen pushes cost some nanoseconds, for those 100 ms only.
 *     streak >= 200   hot: two thousand and more deep moments a second. They are too short to touch much, and
 *                     seeing them would cost more than they do. The pages stay until an enclosing frame is closed or the
 *                     next slow push after a pause; fh_region_trim gives them back at once, and so does the thread's end.
 */
#include "stack/region.h"

#include "os/os.h"

enum { PAUSE_MS = 100, STREAK_COOL = 3, STREAK_HOT = 200, LOOK_AT_CLOCK_EVERY = 16 };

static char *max_of(char *a, char *b) { return a > b ? a : b; }

void fh_deep_trim(struct fh_region *region, char *top, size_t keep) {
    size_t mask = fh_os_page_size() - 1, most = (size_t)(region->committed - region->base);
    char *floor = max_of(top, region->base + (keep < most ? keep : most));
    floor = (char *)(((uintptr_t)floor + mask) & ~(uintptr_t)mask);
    if (floor >= region->soft) return;
    if (fh_os_purge(floor, (size_t)(region->soft - floor))) region->soft = floor;
}

/* A push has raised soft. */
void fh_deep_push(struct fh_region *region, uintptr_t *owner) {
    if ((size_t)(region->soft - region->base) <= FH_REGION_KEEP) return;
    if (region->ended) {
        bool soon = fh_os_ticks() - region->deep_ended <= PAUSE_MS;
        region->streak = soon ? region->streak + 1 : 0;
        region->ended = false;
    }
    region->cooling = false;
    fh_frame_watch(owner);
}

/* A push while cooling. */
void fh_deep_cool(struct fh_region *region, const char *top, uintptr_t *owner) {
    if ((size_t)(top - region->base) > FH_REGION_KEEP) {
        fh_deep_push(region, owner);
    } else if (++region->shallow % LOOK_AT_CLOCK_EVERY == 0 && fh_os_ticks() - region->deep_ended > PAUSE_MS) {
        region->cooling = false;
        region->streak = 0;
        fh_deep_trim(region, region->base, FH_REGION_KEEP);
    } else {
        fh_frame_watch(owner);
    }
}

/* A watched frame was closed and the top is now `top`. */
void fh_deep_close(struct fh_region *region, char *top) {
    if (region->mapping == NULL || (size_t)(region->soft - region->base) <= FH_REGION_KEEP) return;
    size_t used = (size_t)(top - region->base), unused = (size_t)(region->soft - top);
    if (!region->cooling && unused >= FH_REGION_KEEP / 2 && unused >= used / 2) {
        region->deep_ended = fh_os_ticks();
        region->ended = true;
        if (region->streak < STREAK_COOL) {
            fh_deep_trim(region, top, FH_REGION_KEEP);
        } else if (region->streak < STREAK_HOT) {
            region->cooling = true;
        }
    }
    if ((size_t)(region->soft - region->base) > FH_REGION_KEEP) fh_frame_watch(&fh_frames.frame);
}
