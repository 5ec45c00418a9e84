/* space.c - choosing the window and growing it. See space.h for the layout.
 *
 * Where it lies. The kernel is asked for a small mapping; the window is laid a terabyte below the place it
 * chose, so that the address is as random as the kernel's and the mappings of the program, which grow downwards
 * from there, meet the heap, which grows upwards, only when both together have used the terabyte:
 *
 *     ... tables | guard gap | window: granules 0, 1, 2 ... ->            <- mappings of the program | stack
 *
 * Where that region is not to be had (little address space, a tool that arranges memory its own way) the place
 * above the mapping is tried, then a smaller window, and last a true reservation of whatever size is granted.
 *
 * Each stretch is mapped exactly where the last one ended. If something else has been mapped there meanwhile
 * the window goes on behind it.
 *
 * Where the system gives huge pages to whoever does not object (transparent_hugepage=always), the beginnings
 * of the tables and of the window do: a process that uses a hundred KiB would else hold four MiB.
 */
#include "space.h"

#include "../os/os.h"

#include <errno.h>
#include <string.h>

struct fh_space fh_space = {.base = 1};

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

#ifdef FH_SANITIZED
#define LARGEST_WINDOW (64 * GIB) /* ThreadSanitizer leaves programs little more address space */
#else
#define LARGEST_WINDOW (1024 * GIB)
#endif
#define SMALLEST_WINDOW (64 * MIB)
#define GAP (16 * MIB)  /* between tables and window: no overflow is that long before it faults */
#define MOST_FOREIGN 64 /* how many foreign mappings are stepped over before giving up */

/* The tables that are mapped in step with the window. */
enum { HEADS, BITS, REMOTES, PAGES, SLACKS, MARKS, TABLES };
static struct table {
    size_t entry;  /* bytes a granule */
    char *at;      /* address of entry 0 */
    size_t mapped; /* bytes mapped */
} tables[TABLES] = {
    [HEADS] = {.entry = sizeof(struct fh_head)},           [BITS] = {.entry = sizeof(uint64_t[FH_WORDS])},
    [REMOTES] = {.entry = sizeof(struct fh_remote)},       [PAGES] = {.entry = 1},
    [SLACKS] = {.entry = sizeof(uint16_t[FH_WORDS * 64])}, [MARKS] = {.entry = sizeof(struct fh_marked)},
};
static unsigned tables_used;

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static bool map_piece(char *at, size_t size) {
    return fh_space.reserved ? fh_os_commit(at, size) : fh_os_map_table_at(at, size);
}

static bool map_data(char *at, size_t size, bool sparse) {
    if (sparse) return map_piece(at, size);
    return fh_space.reserved ? fh_os_commit(at, size) : fh_os_map_at(at, size);
}

/* The size of window that makes sense under the limit: four times as much as can be used, so that gaps do no
 * harm. */
static size_t first_window_size(void) {
    size_t limit = fh_os_address_limit(), size = LARGEST_WINDOW;
    while (size > SMALLEST_WINDOW && size / 8 >= limit) size /= 2;
    return size;
}

/* Bytes of all tables for a window of this size, the class table and gaps around included. */
static size_t tables_size(size_t window) {
    size_t granules = window >> FH_GRANULE_SHIFT, size = 0;
    for (unsigned i = 0; i < tables_used; i++) size += round_up(granules * tables[i].entry, MIB);
    return size + round_up(granules, MIB) + 2 * GAP;
}

/* What the fast paths serve: frees of addresses in a window of this size, and with it arrays' new; nothing when
 * it is 0. (Not where the program has a hand in it.) */
static void open_fast_paths(size_t window) {
    bool news = window > 0 && !(fh_new_is_replaced && fh_new_is_replaced());
    bool deletes = !(fh_delete_is_replaced && fh_delete_is_replaced());
    __atomic_store_n(&fh_space.quick_size, window, __ATOMIC_RELAXED);
    __atomic_store_n(&fh_space.delete_size, deletes ? window : 0, __ATOMIC_RELAXED);
    __atomic_store_n(&fh_space.array_most, news ? FH_SMALL_MAX : 0, __ATOMIC_RELAXED);
}

/* Lays tables and window out from `start` (a multiple of 1 MiB) and maps the class table, which must be there
 * whole: a free of any address in the window reads it. */
static bool lay_out(uintptr_t start, size_t window) {
    size_t granules = window >> FH_GRANULE_SHIFT;
    uintptr_t at = start;
    char *classes = (char *)at;
    size_t classes_size = round_up(granules, fh_os_page_size());
    if (!map_piece(classes, classes_size)) return false;
    fh_os_use_huge(classes, classes_size, false);
    at += round_up(granules, MIB);
    for (unsigned i = 0; i < tables_used; i++) {
        tables[i].at = (char *)at;
        tables[i].mapped = 0;
        at += round_up(granules * tables[i].entry, MIB);
    }
    at += GAP;
    fh_space.classes = (uint8_t *)classes;
    fh_space.heads = (struct fh_head *)(void *)tables[HEADS].at;
    fh_space.bits = (uint64_t(*)[FH_WORDS])(void *)tables[BITS].at;
    fh_space.remotes = (struct fh_remote *)(void *)tables[REMOTES].at;
    fh_space.pages = (uint8_t *)tables[PAGES].at;
    fh_space.slacks = tables_used > SLACKS ? (uint16_t(*)[FH_WORDS * 64])(void *)tables[SLACKS].at : NULL;
    fh_space.marked = tables_used > MARKS ? (struct fh_marked *)(void *)tables[MARKS].at : NULL;
    fh_space.mapped = 0;
    __atomic_store_n(&fh_space.base, at, __ATOMIC_RELAXED);
    __atomic_store_n(&fh_space.size, window, __ATOMIC_RELAXED);
    open_fast_paths(tables_used > SLACKS ? 0 : window);
    return true;
}

/* Is the place at `start` good? It is when the first stretch can be had there. */
static bool try_at(uintptr_t start, size_t window) {
    uint32_t first;
    if (!lay_out(start, window)) return false;
    if (fh_space_extend(1, false, &first) > 0 && first <= 1) return true;
    fh_os_unmap(fh_space.classes, round_up(window >> FH_GRANULE_SHIFT, fh_os_page_size()));
    for (unsigned i = 0; i < tables_used; i++)
        if (tables[i].mapped > 0) fh_os_unmap(tables[i].at, tables[i].mapped);
    __atomic_store_n(&fh_space.size, 0, __ATOMIC_RELAXED);
    open_fast_paths(0);
    __atomic_store_n(&fh_space.base, 1, __ATOMIC_RELAXED);
    fh_space.mapped = 0;
    return false;
}

static bool try_beside(uintptr_t probe, size_t window) {
    size_t whole = tables_size(window) + window;
    uintptr_t mask = ~((uintptr_t)MIB - 1);
    if (probe > whole + 4 * GIB && try_at((probe - whole) & mask, window)) return true;
    return try_at((probe + 4 * GIB) & mask, window);
}

static bool try_reservation(size_t window) {
    size_t whole = tables_size(window) + window + MIB;
    char *start = fh_os_reserve(whole);
    if (start == NULL) return false;
    fh_space.reserved = true;
    if (try_at(round_up((uintptr_t)start, MIB), window)) return true;
    fh_space.reserved = false;
    fh_os_unmap(start, whole);
    return false;
}

bool fh_space_begin(bool with_slacks, bool with_marks) {
    tables_used = with_marks ? TABLES : with_slacks ? MARKS : SLACKS;
    size_t largest = first_window_size();
    void *probe = fh_os_map(fh_os_page_size());
    if (probe == NULL) return false;
    fh_os_unmap(probe, fh_os_page_size());
    for (size_t window = largest; window >= SMALLEST_WINDOW; window /= 8)
        if (try_beside((uintptr_t)probe, window)) return true;
    for (size_t window = largest; window >= SMALLEST_WINDOW; window /= 2)
        if (try_reservation(window)) return true;
    return false;
}

/* Makes the tables reach up to `granules` entries. */
static bool extend_tables(uint32_t granules) {
    for (unsigned i = 0; i < tables_used; i++) {
        struct table *table = &tables[i];
        size_t needed = round_up(granules * table->entry, fh_os_page_size());
        if (needed <= table->mapped) continue;
        if (!map_piece(table->at + table->mapped, needed - table->mapped)) return false;
        if (table->mapped == 0 && needed >= FH_HUGE_PAGE) fh_os_use_huge(table->at, needed, false);
        table->mapped = needed;
    }
    return true;
}

/* Maps `granules` from granule `at` on. */
static bool extend_to(uint32_t at, uint32_t granules, bool sparse) {
    size_t size = (size_t)granules << FH_GRANULE_SHIFT;
    if (!map_data(fh_granule_address(at), size, sparse)) return false;
    if (!extend_tables(at + granules)) {
        if (!fh_space.reserved) fh_os_unmap(fh_granule_address(at), size);
        return false;
    }
    fh_space.mapped = at + granules;
    return true;
}

/* Maps as much from `at` on as the system gives, at least `least`. Returns how much; 0 with errno EEXIST when
 * something else is mapped in the way, and with another errno when the system refuses. */
static uint32_t extend_at(uint32_t at, uint32_t least, uint32_t most, bool sparse) {
    for (uint32_t wanted = most;; wanted = wanted / 2 > least ? wanted / 2 : least) {
        if (extend_to(at, wanted, sparse)) return wanted;
        if (wanted == least) return 0;
    }
}

/* No huge pages as long as one of them, in part unused, would be much of what the heap holds. */
static void keep_small(uint32_t at, uint32_t granules) {
    if (at >= FH_SMALL_HEAP) return;
    if (granules > FH_SMALL_HEAP - at) granules = FH_SMALL_HEAP - at;
    fh_os_use_huge(fh_granule_address(at), (size_t)granules << FH_GRANULE_SHIFT, false);
}

uint32_t fh_space_extend(uint32_t least, bool sparse, uint32_t *first) {
    uint32_t all = (uint32_t)(fh_space.size >> FH_GRANULE_SHIFT), usual = FH_USUAL_STRETCH;
    uint32_t at = fh_space.mapped ? fh_space.mapped : 1; /* granule 0 is never used: 0 means "none" */
    for (int foreign = 0; foreign < MOST_FOREIGN && least <= all - at; foreign++) {
        uint32_t most = least > usual ? least : usual, got;
        if (most > all - at) most = all - at;
        got = extend_at(at, least, most, sparse);
        if (got > 0) {
            keep_small(at, got);
            *first = at;
            return got;
        }
        if (errno != EEXIST) return 0;
        at = usual < all - at ? at + usual : all;
    }
    return 0;
}

size_t fh_space_table_bytes(void) {
    size_t used = round_up(fh_space.mapped, fh_os_page_size());
    return used + round_up((size_t)fh_space.mapped * sizeof(struct fh_head), fh_os_page_size());
}

/* The pages of a huge page stand together: the first granule of each tells. */
bool fh_space_has_huge(uint32_t first, uint32_t granules) {
    uint32_t within = (uint32_t)(((fh_space.base >> FH_GRANULE_SHIFT) + first) % FH_HUGE_GRANULES);
    uint32_t at = first > within ? first - within : first - within + FH_HUGE_GRANULES;
    for (; at < first + granules; at += FH_HUGE_GRANULES)
        if (__atomic_load_n(&fh_space.pages[at], __ATOMIC_RELAXED) & FH_HUGE) return true;
    return false;
}
