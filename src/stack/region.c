/* region.c - the life of regions: reserved at the first push of a thread, committed step by step, unmapped at
 * its end.
 *
 * Addresses are reserved without access and made accessible from the bottom up, by doubling. (Not one large
 * writable mapping: with strict overcommit accounting, or in a small container, the system would refuse the
 * gigabyte or count it; and a refusal here comes as a clear failure of the push that needed it. It costs one
 * mprotect for each doubling.)
 *
 * Where address space is limited (RLIMIT_AS, 32-bit-like limits in sandboxes) the reservation is halved until
 * it is granted, down to 64 KiB.
 *
 * The idea of a second stack for data of unknown size is GNAT's; two of them that alternate, so that a function
 * can build its result while it uses working memory, is common in arena-style C.
 */
#include "stack/region.h"

#include "base/report.h"
#include "base/settings.h"
#include "os/os.h"
#include "os/os_stack.h"
#include "stack/threads.h"

#include <errno.h>
#include <string.h>

/* Where a thread's chain of frames ends as long as it has no regions: nothing fits. */
static const struct fh_frame no_frame;
#define BEGINNING ((struct fh_frames){(uintptr_t)&no_frame, NULL, NULL})

/* "used": fh_frame_close names it in assembly, which optimisers of whole programs do not read. */
__thread struct fh_frames fh_frames
    __attribute__((used, tls_model("initial-exec"))) = {(uintptr_t)&no_frame, NULL, NULL};

enum { SMALLEST_REGION = 64 << 10, FIRST_STEP = 64 << 10 };

static size_t pages_of(size_t size) {
    size_t mask = fh_os_page_size() - 1;
    return (size + mask) & ~mask;
}

void fh_region_set_limit(const struct fh_region *region) {
    bool seen = region->check != FH_CHECK_OFF || region->cooling || region->base == NULL;
    fh_frames.limit = seen ? *fh_region_top() : region->soft + 1;
}

/* Reserves `size` bytes with a guard page at either end, nothing accessible yet. */
static bool reserve(struct fh_region *region, size_t size, const char *name) {
    size_t guard = fh_os_page_size();
    char *mapping = fh_os_reserve(size + 2 * guard);
    if (mapping == NULL) return false;
    region->mapping = mapping;
    region->mapping_size = size + 2 * guard;
    region->base = region->top = region->soft = region->committed = mapping + guard;
    region->end = region->base + size;
    region->name = name;
    region->check = fh_check_wanted(true);
    if (region->check == FH_CHECK_OFF || fh_check_begin(region)) return true;
    fh_os_unmap(mapping, region->mapping_size);
    memset(region, 0, sizeof *region);
    return false;
}

static void unmap(struct fh_region *region) {
    if (region->mapping == NULL) return;
    if (region->check != FH_CHECK_OFF) fh_check_end(region);
    fh_os_unmap(region->mapping, region->mapping_size);
}

/* ---------------------------------------------------------------- the thread's own regions ------------- */

static fh_os_key exit_key;

static void thread_ends(void *value) {
    struct fh_thread_regions *thread = value;
    fh_frames = BEGINNING;
    unmap(&thread->first);
    unmap(&thread->second);
    fh_os_unmap(thread, pages_of(sizeof *thread));
}

static void prepare_process(void) {
    static struct fh_lock lock;
    static bool prepared;
    fh_lock(&lock);
    if (!prepared) {
        fh_settings_init();
        exit_key = fh_os_key_make(thread_ends);
        prepared = true;
    }
    fh_unlock(&lock);
}

struct fh_thread_regions *fh_thread_regions(void) {
    if (fh_frames.thread != NULL) return fh_frames.thread;
    prepare_process();
    struct fh_thread_regions *thread = fh_os_map(pages_of(sizeof *thread));
    if (thread == NULL) return NULL;
    thread->now = &thread->first;
    fh_frames.thread = thread;
    uintptr_t *word = &fh_frames.frame;
    while (!fh_frame_is_root(fh_frame_of(*word))) word = &fh_frame_of(*word)->outer;
    *word = (uintptr_t)&thread->root;
    fh_os_key_set(exit_key, thread);
    fh_threads_seen();
    return thread;
}

/* Frames that were opened on this region before it had any memory have the top NULL: now they get its base. */
static void give_tops(const struct fh_thread_regions *thread, const struct fh_region *region) {
    const struct fh_region *at = thread->now;
    const struct fh_frame *turn = thread->turn;
    for (uintptr_t word = fh_frames.frame; word != 0; word = fh_frame_of(word)->outer) {
        struct fh_frame *frame = fh_frame_of(word);
        if (at == region) *fh_top_(word) = region->base;
        if (frame != turn) continue;
        if (at == region) frame->mark = region->base;
        at = turn->own[FH_OWN_BACK];
        turn = turn->own[FH_OWN_TURN];
    }
}

/* The memory of one of the thread's own regions, at the first push into it. */
static bool ready(struct fh_thread_regions *thread, struct fh_region *region) {
    if (region->base != NULL) return true;
    size_t size = pages_of(fh_settings.region_size);
    if (size < SMALLEST_REGION) size = SMALLEST_REGION;
    const char *name = region == &thread->first ? "the thread's region" : "the thread's second region";
    while (!reserve(region, size, name)) {
        if (size == SMALLEST_REGION) return false;
        size = size / 2 < SMALLEST_REGION ? SMALLEST_REGION : pages_of(size / 2);
    }
    give_tops(thread, region);
    fh_region_set_limit(region);
    return true;
}

/* ---------------------------------------------------------------- pushes that the inlined path left ---- */

static void *failed(const struct fh_region *region, size_t size) {
    if (fh_settings.region_abort) {
        fh_fatal("a push of %zu bytes (%H) does not fit into %s: %H of %H are in use. A larger one: "
                 "FREEHOLD=region=SIZE",
                 size, size, region ? region->name : "a region that could not be made",
                 region ? (size_t)(*fh_region_top() - region->base) : 0,
                 region ? (size_t)(region->end - region->base) : 0);
    }
    errno = ENOMEM;
    return NULL;
}

/* Makes addresses usable so that the top can be at `top`; raises soft. False: it does not fit, or the system
 * refuses. */
static bool make_usable(struct fh_region *region, char *top) {
    size_t need = (size_t)(top - region->base), most = (size_t)(region->end - region->base);
    size_t want = 2 * (size_t)(region->soft - region->base);
    if (want < FIRST_STEP) want = FIRST_STEP;
    if (want < need) want = need;
    want = pages_of(want);
    if (want > most) want = most;
    if (region->base + want > region->committed) {
        size_t have = (size_t)(region->committed - region->base);
        if (!fh_os_commit(region->committed, want - have)) {
            want = pages_of(need); /* the doubling may be more than the system gives */
            if (want > have && !fh_os_commit(region->committed, want - have)) return false;
        }
        if (want > have) region->committed = region->base + want;
    }
    region->soft = region->base + want;
    return true;
}

void *fh_push_slow(size_t size, size_t align) {
    if (align == 0 || (align & (align - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    struct fh_thread_regions *thread = fh_thread_regions();
    if (thread == NULL || !ready(thread, thread->now)) return failed(NULL, size);
    struct fh_region *region = thread->now;
    uintptr_t *owner = fh_frame_owner(thread);
    if (size > (size_t)(region->end - region->base)) return failed(region, size);
    if (align < 16) align = 16;
    if (region->check != FH_CHECK_OFF) {
        void *checked = fh_check_push(region, size, align, owner);
        fh_region_set_limit(region);
        return checked ? checked : failed(region, size);
    }

    char *old = *fh_region_top();
    size_t to_boundary = (size_t)(-(uintptr_t)old & (align - 1)), room = (size_t)(region->end - old);
    size_t rounded = (size + 15) & ~(size_t)15;
    if (to_boundary > room || rounded > room - to_boundary) return failed(region, size);
    char *place = old + to_boundary, *top = place + rounded;
    if (top > region->soft) {
        if (!make_usable(region, top)) return failed(region, size);
        fh_deep_push(region, owner);
    }
    if (region->cooling) fh_deep_cool(region, top, owner);
    *fh_region_top() = top;
    fh_region_set_limit(region);
    return place;
}

/* ---------------------------------------------------------------- regions of the program's own --------- */

struct fh_region *fh_region_new(size_t size) {
    fh_settings_init();
    if (size == 0) size = 1;
    struct fh_region *region = NULL;
    if (size <= PTRDIFF_MAX / 2) region = fh_os_map(pages_of(sizeof *region));
    if (region != NULL && reserve(region, pages_of(size), "a region of the program's own")) return region;
    if (region != NULL) fh_os_unmap(region, pages_of(sizeof *region));
    errno = ENOMEM;
    return NULL;
}

struct fh_region *fh_region_in(void *memory, size_t size) {
    uintptr_t start = ((uintptr_t)memory + 15) & ~(uintptr_t)15,
              end = ((uintptr_t)memory + size) & ~(uintptr_t)15;
    if (memory == NULL || end < start || end - start <= FH_REGION_BOOKS) {
        errno = EINVAL;
        return NULL;
    }
    fh_settings_init();
    struct fh_region *region = (struct fh_region *)start;
    memset(region, 0, sizeof *region);
    region->base = region->top = (char *)start + FH_REGION_BOOKS;
    region->end = region->soft = region->committed = (char *)end;
    region->name = "a region in memory of the program's own";
    region->check = fh_check_wanted(false);
    if (region->check != FH_CHECK_OFF) fh_check_begin(region);
    return region;
}

void fh_region_delete(struct fh_region *region) {
    if (region == NULL) return;
    if (region->user != NULL) fh_fatal("fh_region_delete: a frame is still open on this region");
    if (region->mapping == NULL) {
        if (region->check != FH_CHECK_OFF) fh_check_end(region);
        return;
    }
    unmap(region);
    fh_os_unmap(region, pages_of(sizeof *region));
}

/* ---------------------------------------------------------------- trim, numbers ------------------------ */

static char *top_of(const struct fh_region *region) {
    const struct fh_thread_regions *thread = fh_frames.thread;
    return thread != NULL && thread->now == region ? *fh_region_top() : region->top;
}

static void trim(struct fh_region *region) {
    if (region->mapping == NULL || region->check != FH_CHECK_OFF) return;
    region->cooling = false;
    region->streak = 0;
    fh_deep_trim(region, top_of(region), 0);
}

void fh_region_trim(struct fh_region *region) {
    struct fh_thread_regions *thread = fh_frames.thread;
    if (region != NULL) {
        trim(region);
    } else if (thread != NULL) {
        trim(&thread->first);
        trim(&thread->second);
    }
    if (thread != NULL) fh_region_set_limit(thread->now);
}

void fh_region_stats(const struct fh_region *region, struct fh_region_info *out) {
    struct fh_thread_regions *thread = region ? fh_frames.thread : fh_thread_regions();
    memset(out, 0, sizeof *out);
    if (region == NULL) {
        if (thread == NULL || !ready(thread, thread->now)) return;
        region = thread->now;
    }
    out->size = (size_t)(region->end - region->base);
    if (region->check == FH_CHECK_PAGES) {
        out->used = out->held = fh_check_used(region);
        return;
    }
    out->used = (size_t)(top_of(region) - region->base);
    out->held = (size_t)(region->soft - region->base);
}
