/* region_check.c - pointers past their frame are caught.
 *
 * On in mode=checked, in mode=guard and with region_check=on, and always under AddressSanitizer and Valgrind.
 * Then limit is equal to top, so that each push comes here, and a frame that has been pushed into is watched,
 * so that its closing comes here too.
 *
 * Checked pages. A stack would use the same addresses again at once, and a stale pointer would read the next
 * frame's data without anyone's noticing. So a frame gets *runs* of pages of its own, taken in turn from the
 * whole region, and when it is closed its pages are made inaccessible and come up again only when the region
 * has been gone through: with 1 GiB and small frames, after 130 000 frames. Between runs one page stays
 * inaccessible, so running off the end of a frame's data faults as well.
 *
 *     pages    | a  .| b  b  .| a  .| c  . ...      each run belongs to a frame; '.' is the closed page behind it
 *     runs     [a][b][a][c]                         in order of creation, so closing takes from the end
 *     notes    for each page: the frame that had it last, for the report
 *
 * With a sanitizer the bytes are marked instead of the pages being closed, so that it reports the use in its
 * own words, exact to the byte; it is told the frame's name (Valgrind: a named block; AddressSanitizer: a line
 * in front of its report).
 *
 * Regions in memory of the program's own (FH_CHECK_BYTES) stay plain stacks; their bytes are marked for the
 * sanitizers.
 */
#include "stack/region_check.h"

#include "base/report.h"
#include "base/settings.h"
#include "os/os.h"
#include "stack/overflow.h"
#include "stack/region.h"
#include "stack/tools.h"

#include <string.h>

/* Adjoining pages that belong to one frame. */
struct run {
    struct fh_frame *owner; /* NULL: pushed without a frame */
    const struct fh_frame_site *site;
    uint64_t moment; /* when it was made; rises          */
    char *start, *free, *end;
};

struct note {
    const struct fh_frame_site *site;
    size_t used;    /* in the run's first page: bytes pushed */
    uint32_t first; /* page with which the run began       */
    uint32_t state; /* FREE, LIVE, GUARD, or CLOSED         */
    unsigned name;  /* handle of Valgrind's name            */
};
enum { FREE, LIVE, GUARD, CLOSED };

struct fh_books {
    struct run *runs;
    size_t count;  /* live runs, ordered by moment */
    size_t cursor; /* page from which to look       */
    size_t pages;
    size_t high; /* pages from here on were never used */
    size_t used; /* bytes pushed                  */
    size_t size; /* of this mapping               */
    struct note notes[];
};

enum {
    GAP = 16, /* forbidden bytes between pushes, for the sanitizers                                   */
    LARGEST_RUN =
        4 << 20, /* a frame's runs double up to this                                                     */
    MOST_GUARDED =
        4096, /* with more live runs than this, the next go without a page behind them: each costs two
                              mappings, and the system has 65 530 for a process                                     */
};

static _Atomic uint64_t moments; /* one clock for all regions */
static struct fh_region *all_checked;
static struct fh_lock all_lock;

static bool marked(void) { return fh_tools_asan() || fh_tools_valgrind(); }

enum fh_check fh_check_wanted(bool own_pages) {
    if (marked()) return own_pages ? FH_CHECK_PAGES : FH_CHECK_BYTES;
    bool on = fh_mode_checks() || fh_settings.region_check;
    return on && own_pages ? FH_CHECK_PAGES : FH_CHECK_OFF;
}

/* ---------------------------------------------------------------- books -------------------------------- */

/* AddressSanitizer has reported: say what the address was. */
static void after_asan_report(const char *report) {
    char text[400];
    (void)report;
    if (fh_check_explain(__asan_get_report_address(), text, sizeof text)) fh_say("%s", text);
}

bool fh_check_begin(struct fh_region *region) {
    size_t page = fh_os_page_size();
    if (region->check == FH_CHECK_BYTES) {
        fh_tools_forbid(region->base, (size_t)(region->end - region->base));
        return true;
    }
    size_t pages = (size_t)(region->end - region->base) / page;
    size_t notes = sizeof(struct fh_books) + pages * sizeof(struct note),
           size = notes + pages * sizeof(struct run);
    size = (size + page - 1) & ~(page - 1);
    struct fh_books *books = fh_os_map(size);
    if (books == NULL) return false;
    books->runs = (struct run *)(void *)((char *)books + ((notes + 15) & ~(size_t)15));
    books->pages = pages;
    books->size = size;
    region->books = books;
    fh_lock(&all_lock);
    bool first = all_checked == NULL;
    region->next = all_checked;
    all_checked = region;
    fh_unlock(&all_lock);
    if (first && __asan_set_error_report_callback) __asan_set_error_report_callback(after_asan_report);
    if (first && !marked()) fh_fault_install();
    return true;
}

void fh_check_end(struct fh_region *region) {
    if (region->check == FH_CHECK_BYTES) {
        fh_tools_release(region->base, (size_t)(region->end - region->base));
        return;
    }
    fh_lock(&all_lock);
    struct fh_region **at = &all_checked;
    while (*at != region) at = &(*at)->next;
    *at = region->next;
    fh_unlock(&all_lock);
    struct fh_books *books = region->books;
    for (size_t i = 0; i < books->high; i++) fh_tools_unname(books->notes[i].name);
    if (marked()) fh_tools_release(region->base, books->high * fh_os_page_size());
    region->books = NULL;
    fh_os_unmap(books, books->size);
}

size_t fh_check_used(const struct fh_region *region) { return region->books->used; }

uint64_t fh_check_moment(void) { return atomic_load_explicit(&moments, memory_order_relaxed); }

static uint64_t next_moment(void) { return atomic_fetch_add_explicit(&moments, 1, memory_order_relaxed) + 1; }

/* ---------------------------------------------------------------- pages -------------------------------- */

static bool available(const struct note *note) { return note->state == FREE || note->state == CLOSED; }

/* The first of `n` available pages, looked for from the cursor on and around. SIZE_MAX: there are none. */
static size_t find_pages(const struct fh_books *books, size_t n) {
    size_t found = 0, seen = 0;
    for (size_t i = books->cursor; seen < books->pages + n; i++, seen++) {
        if (i >= books->pages) {
            i = 0;
            found = 0;
        }
        found = available(&books->notes[i]) ? found + 1 : 0;
        if (found == n) return i + 1 - n;
    }
    return SIZE_MAX;
}

/* Where bytes are marked no page needs to be closed: all up to `end` stay accessible. They become so by and by,
 * because Valgrind takes seconds for a gigabyte. */
static bool reach(struct fh_region *region, const char *end) {
    if (end <= region->committed) return true;
    size_t have = (size_t)(region->committed - region->base), want = 2 * have;
    size_t need = (size_t)(end - region->base), most = (size_t)(region->end - region->base);
    if (want < need) want = need;
    if (want > most) want = most;
    if (!fh_os_commit(region->committed, want - have)) return false;
    region->committed = region->base + want;
    return true;
}

/* A run of at least `size` bytes, of `wanted` if there is room. */
static struct run *new_run(struct fh_region *region, size_t size, size_t wanted, struct fh_frame *owner) {
    struct fh_books *books = region->books;
    size_t page = fh_os_page_size(), n = (wanted + page - 1) / page;
    size_t guard = books->count < MOST_GUARDED;
    size_t first = n < books->pages ? find_pages(books, n + guard) : SIZE_MAX;
    if (first == SIZE_MAX) {
        n = (size + page - 1) / page;
        first = n <= books->pages ? find_pages(books, n) : SIZE_MAX;
        guard = 0;
    }
    if (first == SIZE_MAX) return NULL;
    char *start = region->base + first * page;
    if (!(marked() ? reach(region, start + n * page) : fh_os_commit(start, n * page))) return NULL;
    for (size_t i = first; i < first + n + guard; i++) {
        struct note *note = &books->notes[i];
        fh_tools_unname(note->name);
        *note = (struct note){owner ? owner->site : NULL, 0, (uint32_t)first, i < first + n ? LIVE : GUARD, 0};
    }
    books->cursor = first + n + guard;
    if (books->cursor > books->high) books->high = books->cursor;
    if (marked()) fh_tools_forbid(start, n * page);
    struct run *run = &books->runs[books->count++];
    *run = (struct run){owner, owner ? owner->site : NULL, next_moment(), start, start, start + n * page};
    return run;
}

/* The pages become inaccessible and their memory goes back. */
static void end_run(struct fh_region *region, const struct run *run) {
    struct fh_books *books = region->books;
    size_t page = fh_os_page_size(), first = (size_t)(run->start - region->base) / page;
    size_t n = (size_t)(run->end - run->start) / page;
    if (marked()) fh_tools_forbid(run->start, n * page);
    fh_os_purge(run->start, n * page);
    if (!marked()) fh_os_protect(run->start, n * page);
    for (size_t i = first;
         i < books->pages && books->notes[i].first == first && books->notes[i].state != CLOSED; i++)
        books->notes[i].state = CLOSED;
    books->used -= books->notes[first].used;
    if (fh_tools_valgrind()) {
        char name[120];
        const struct fh_frame_site *site = run->site;
        fh_format(name, sizeof name, "closed frame of %s() at %s:%d", site ? site->function : "?",
                  site ? site->file : "?", site ? site->line : 0);
        books->notes[first].name = fh_tools_name(run->start, n * page, name);
    }
}

/* ---------------------------------------------------------------- pushes -------------------------------- */

static char *place_in(const struct run *run, size_t size, size_t align) {
    uintptr_t place = ((uintptr_t)run->free + align - 1) & ~(uintptr_t)(align - 1);
    return place <= (uintptr_t)run->end && size <= (uintptr_t)run->end - place ? (char *)place : NULL;
}

/* The newest run of the owner: only runs of inner frames, which are closed, or of frames further out can be
 * behind it. */
static struct run *newest_run(struct fh_books *books, const struct fh_frame *owner) {
    for (size_t i = books->count; i > 0 && books->count - i < 16; i--)
        if (books->runs[i - 1].owner == owner) return &books->runs[i - 1];
    return NULL;
}

static void *push_in_pages(struct fh_region *region, size_t size, size_t align, uintptr_t *word) {
    struct fh_books *books = region->books;
    struct fh_frame *owner = fh_frame_is_root(fh_frame_of(*word)) ? NULL : fh_frame_of(*word);
    bool first = owner != NULL && (!(*word & FH_WATCHED) || owner->own[FH_OWN_FIRST_RUN] == NULL);
    size_t need = ((size + 15) & ~(size_t)15) + (marked() ? GAP : 0);
    struct run *run = first ? NULL : newest_run(books, owner);
    char *place = run ? place_in(run, need, align) : NULL;
    if (place == NULL) {
        size_t more = align > fh_os_page_size() ? align : 0; /* runs begin at pages */
        size_t double_last = run ? 2 * (size_t)(run->end - run->start) : 0;
        if (double_last > LARGEST_RUN) double_last = LARGEST_RUN;
        run = new_run(region, need + more, double_last > need + more ? double_last : need + more, owner);
        if (run == NULL) return NULL;
        place = place_in(run, need, align);
    }
    if (first) {
        owner->own[FH_OWN_FIRST_RUN] = (void *)(uintptr_t)run->moment;
        fh_frame_watch(word);
    }
    struct note *note = &books->notes[(size_t)(run->start - region->base) / fh_os_page_size()];
    note->used += (size_t)(place + need - run->free);
    books->used += (size_t)(place + need - run->free);
    run->free = place + need;
    if (marked()) fh_tools_allow(place, size);
    return place;
}

static void *push_bytes(struct fh_region *region, size_t size, size_t align, uintptr_t *word) {
    uintptr_t place = ((uintptr_t)*fh_region_top() + align - 1) & ~(uintptr_t)(align - 1),
              end = (uintptr_t)region->end;
    size_t need = ((size + 15) & ~(size_t)15) + GAP;
    if (place > end || need > end - place) return NULL;
    fh_frame_watch(word);
    *fh_region_top() = (char *)place + need;
    fh_tools_allow((char *)place, size);
    return (char *)place;
}

void *fh_check_push(struct fh_region *region, size_t size, size_t align, uintptr_t *owner) {
    if (size == 0) size = 1;
    return region->check == FH_CHECK_PAGES ? push_in_pages(region, size, align, owner)
                                           : push_bytes(region, size, align, owner);
}

/* ---------------------------------------------------------------- closing ------------------------------ */

/* Frames nest, also those that push outside of a scratch frame: so what was begun since the first run of a
 * frame is its own, and all of it the newest. */
static void end_runs(struct fh_region *region, uint64_t since) {
    struct fh_books *books = region->books;
    while (books->count > 0 && books->runs[books->count - 1].moment >= since) {
        end_run(region, &books->runs[--books->count]);
    }
}

void fh_check_close(struct fh_region *region, struct fh_frame *frame, char *mark, char *old_top) {
    if (region->check == FH_CHECK_BYTES) {
        fh_tools_forbid(mark, (size_t)(old_top - mark));
        return;
    }
    uint64_t since = (uintptr_t)frame->own[FH_OWN_FIRST_RUN];
    if (since == 0) return;
    end_runs(region, since);
}

void fh_check_unwind(struct fh_region *region, uint64_t moment, char *from, char *to) {
    if (region->check == FH_CHECK_BYTES) {
        if (to > from) fh_tools_forbid(from, (size_t)(to - from));
        return;
    }
    end_runs(region, moment + 1);
}

/* ---------------------------------------------------------------- reports ------------------------------ */

static void explain(const struct fh_region *region, const char *address, char *buf, size_t size) {
    const struct fh_books *books = region->books;
    size_t page = fh_os_page_size(), i = (size_t)(address - region->base) / page;
    const struct note *note = &books->notes[i];
    const struct fh_frame_site *site = note->site;
    const char *start = region->base + note->first * page;
    const char *function = site ? site->function : "no", *file = site ? site->file : "-";
    int line = site ? site->line : 0;
    size_t offset = (size_t)(address - start);
    if (note->state == CLOSED) {
        fh_format(buf, size,
                  "use of memory after its frame was closed: %p is byte %zu of what was pushed in the frame of "
                  "%s() at %s:%d\n"
                  "  what next    push what is to outlive a frame before that opens, or in outside { } of a "
                  "scratch frame",
                  (const void *)address, offset, function, file, line);
    } else if (note->state == FREE) {
        fh_format(buf, size, "use of memory in %s that was never pushed: %p", region->name,
                  (const void *)address);
    } else {
        fh_format(
            buf, size,
            "use of memory past the end of what was pushed: %p is %zu bytes behind the start of the frame of "
            "%s() at %s:%d, which has %zu bytes",
            (const void *)address, offset, function, file, line, books->notes[note->first].used);
    }
}

bool fh_check_explain(const void *address, char *buf, size_t size) {
    const char *at = address;
    for (const struct fh_region *region = all_checked; region != NULL; region = region->next) {
        if (at >= region->base && at < region->end) {
            explain(region, at, buf, size);
            return true;
        }
        if (at >= region->mapping && at < region->mapping + region->mapping_size) {
            fh_format(buf, size, "use of memory outside of %s: %p is in its guard page", region->name, address);
            return true;
        }
    }
    return false;
}
