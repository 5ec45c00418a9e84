/* checked.c - the records of all owners' blocks, and the quarantine: see checked.h.
 *
 *     table       open addressing by the block's address, linear probing; grows by doubling, in pages of the system
 *     quarantine  a ring of the blocks dropped last; the oldest makes room
 *
 *     live + forgotten + dropped + grown records = records in the table
 *     dropped + grown <= QUARANTINE
 *     bytes of those without pages of their own <= QUARANTINE_BYTES (of a heap with a limit a 16th of that, if it is
 *     less), or they are of the newest alone
 *
 * Pages of its own: a block stands at the end of its pages, as far as its type's alignment lets it (text: to
 * the byte, so that what is one byte too short is seen), and when dropped the pages become inaccessible, and
 * hold no memory. What is left of the pages beside the block is filled, and looked at then. The first
 * PAGES_FIRST blocks get them, then every PAGES_EACH-th, while no more than PAGES_LIVE are in use: each costs
 * two maps of the kernel, of which a process may have 65 530.
 */
#include "own/checked.h"

#include "base/report.h"
#include "base/settings.h"
#include "heap/canary.h"
#include "os/os.h"
#include "os/os_backtrace.h"
#include "os/os_own.h"

#include <errno.h>
#include <freehold/rc.h>
#include <string.h>

enum { QUARANTINE = 8192, PAGES_FIRST = 16384, PAGES_EACH = 251, PAGES_LIVE = 16384, FILL = 0xdd };
/* In its own pages beside a block. The highest bit is set, so that what is taken for the count before the value
 * of an Rc is one that is looked at, see rc.c. */
enum { BESIDE = 0x9b };
#define QUARANTINE_BYTES ((size_t)8 << 20)

static struct fh_lock lock;
static struct fh_record *table;
static size_t room, used; /* places, records */
static struct {
    struct {
        uintptr_t block;
        size_t bytes; /* 0: it has pages of its own */
    } ring[QUARANTINE];
    size_t first, count, bytes; /* the oldest; how many; of all of them */
} waiting;
static size_t made, paged; /* blocks so far; with pages of their own now */

/* ---- on or off ---- */

static int state; /* 0 not known yet, 1 off, 2 on */

static bool decide(void) {
    fh_settings_init();
    bool on = fh_mode_checks();
    int unknown = 0;
    if (__atomic_compare_exchange_n(&state, &unknown, on ? 2 : 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) &&
        on) {
        fh_faults_begin();
        fh_freed_begin();
        fh_leaks_begin();
    }
    return on;
}

bool fh_checked_on(void) {
    int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);
    return now == 0 ? decide() : now == 2;
}

/* ---- the table ---- */

static size_t place_of(uintptr_t block, size_t size) {
    return (size_t)((block >> 4) * 0x9e3779b97f4a7c15ull >> 20) & (size - 1);
}

struct fh_record *fh_record_of(uintptr_t block) {
    if (table == NULL || block == 0) return NULL;
    for (size_t i = place_of(block, room);; i = (i + 1) & (room - 1)) {
        if (table[i].block == block) return &table[i];
        if (table[i].block == 0) return NULL;
    }
}

struct fh_record *fh_record_around(uintptr_t address) {
    for (size_t i = 0; i < room; i++) {
        struct fh_record *r = &table[i];
        if (r->block == 0) continue;
        if (address >= r->block && address - r->block < (r->size ? r->size : 1)) return r;
        if (r->pages && address >= (uintptr_t)r->pages && address - (uintptr_t)r->pages < r->pages_size)
            return r;
    }
    return NULL;
}

void fh_each_record(void (*look)(struct fh_record *)) {
    for (size_t i = 0; i < room; i++)
        if (table[i].block != 0) look(&table[i]);
}

struct fh_record *fh_record_of_value(uintptr_t value) {
    struct fh_record *record = fh_record_of(value);
    for (size_t head = 8; record == NULL && value > 4096 && head <= 4096; head *= 2)
        record = fh_record_of(value - head);
    return record;
}

struct fh_where fh_born(uintptr_t value) {
    fh_lock(&lock);
    const struct fh_record *record = fh_record_of_value(value);
    struct fh_where born = record ? record->born : (struct fh_where){0};
    fh_unlock(&lock);
    return born;
}

void fh_records_lock(void) { fh_lock(&lock); }
bool fh_records_trylock(void) { return fh_trylock(&lock); }
void fh_records_unlock(void) { fh_unlock(&lock); }

static struct fh_record *insert(struct fh_record record) {
    size_t i = place_of(record.block, room);
    while (table[i].block != 0) i = (i + 1) & (room - 1);
    table[i] = record;
    return &table[i];
}

/* At most half full, so that probes are short and end. */
static bool make_room(void) {
    if (used * 2 < room) return true;
    size_t size = room ? room * 2 : 4096, page = fh_os_page_size();
    size_t bytes = (size * sizeof *table + page - 1) & ~(page - 1);
    struct fh_record *larger = fh_os_map(bytes), *old = table;
    if (larger == NULL) return false;
    size_t old_room = room;
    table = larger;
    room = size;
    for (size_t i = 0; i < old_room; i++)
        if (old[i].block != 0) insert(old[i]);
    if (old) fh_os_unmap(old, (old_room * sizeof *old + page - 1) & ~(page - 1));
    return true;
}

/* Linear probing: what follows in the same run moves up, so that no mark is needed. */
static void erase(struct fh_record *record) {
    size_t hole = (size_t)(record - table);
    used--;
    for (size_t i = (hole + 1) & (room - 1); table[i].block != 0; i = (i + 1) & (room - 1)) {
        size_t home = place_of(table[i].block, room);
        if (((i - home) & (room - 1)) < ((i - hole) & (room - 1))) continue;
        table[hole] = table[i];
        hole = i;
    }
    table[hole] = (struct fh_record){0};
}

/* ---- blocks ---- */

static bool wants_pages(void) { return paged < PAGES_LIVE && (made < PAGES_FIRST || made % PAGES_EACH == 0); }

/* The block at the end of pages of its own, an inaccessible page behind it. */
static void *paged_block(struct fh_record *r) {
    size_t page = fh_os_page_size(), align = r->align;
    if (r->size > PTRDIFF_MAX / 2 || align > page) return NULL;
    size_t size = (r->size + align - 1) & ~(align - 1);
    size_t data = (size + page - 1) & ~(page - 1);
    if (data == 0) data = page;
    char *pages = fh_os_map(data + page);
    if (pages == NULL) return NULL;
    fh_os_protect(pages + data, page);
    r->pages = pages;
    r->pages_size = data + page;
    char *block = pages + data - (size ? size : align);
    memset(pages, BESIDE, (size_t)(block - pages));
    memset(block + r->size, BESIDE, (size_t)(pages + data - block) - r->size);
    return block;
}

/* The first byte of its own pages that somebody has written beside the block; NULL: there is none. */
static const unsigned char *find_damage(const struct fh_record *r) {
    if (r->pages == NULL) return NULL;
    const char *pages = r->pages, *block = (const char *)r->block, *end = block + r->size,
               *last = pages + r->pages_size - fh_os_page_size();
    const unsigned char *bad = fh_first_other(pages, (size_t)(block - pages), BESIDE);
    return bad ? bad : fh_first_other(end, (size_t)(last - end), BESIDE);
}

static bool enter(const struct fh_record *record) {
    fh_lock(&lock);
    bool has_room = make_room();
    if (has_room) {
        struct fh_record *old = fh_record_of(record->block); /* a forgotten one that C code has freed since */
        if (old) *old = *record;
        else insert(*record), used++;
        paged += record->pages != NULL;
    }
    fh_unlock(&lock);
    return has_room;
}

static void release(const struct fh_record *gone) {
    if (gone->pages) fh_os_unmap(gone->pages, gone->pages_size);
    else if (gone->block) fh_free_slow((void *)gone->block, 0, 1);
}

void *fh_checked_new(size_t size, size_t align, const char *what, struct fh_where where) {
    struct fh_record record = {.size = size,
                               .align = align,
                               .what = what,
                               .born = where,
                               .thread = fh_os_thread(),
                               .state = FH_RECORD_LIVE};
    fh_lock(&lock);
    bool own = wants_pages();
    made++;
    fh_unlock(&lock);
    void *block = own ? paged_block(&record) : NULL;
    if (block == NULL) block = fh_alloc_slow(size, align);
    if (block == NULL) return NULL;
    record.block = (uintptr_t)block;
    if (enter(&record)) return block;
    release(&record); /* without a record its drop would be taken for a mistake */
    errno = ENOMEM;
    return NULL;
}

/* ---- the quarantine; the lock is held ---- */

static bool waits_too_much(void) {
    size_t most = QUARANTINE_BYTES, limit = fh_settings.limit;
    if (limit && limit / 16 < most) most = limit / 16;
    return waiting.bytes > most && waiting.count > 1;
}

/* The oldest block leaves, and its record: what is returned is to be released. */
static struct fh_record evict(void) {
    struct fh_record gone = {0}, *oldest = fh_record_of(waiting.ring[waiting.first].block);
    waiting.bytes -= waiting.ring[waiting.first].bytes;
    waiting.first = (waiting.first + 1) % QUARANTINE;
    waiting.count--;
    if (oldest && (oldest->state == FH_RECORD_DROPPED || oldest->state == FH_RECORD_GROWN)) {
        gone = *oldest;
        erase(oldest);
        paged -= gone.pages != NULL;
    }
    return gone;
}

/* The new one enters; of a full ring the oldest leaves for it. Records move: what points to one is stale. */
static struct fh_record quarantine(const struct fh_record *dropped) {
    uintptr_t block = dropped->block;
    size_t bytes = dropped->pages ? 0 : dropped->size;
    struct fh_record gone = {0};
    if (waiting.count == QUARANTINE) gone = evict();
    size_t last = (waiting.first + waiting.count++) % QUARANTINE;
    waiting.ring[last].block = block;
    waiting.ring[last].bytes = bytes;
    waiting.bytes += bytes;
    return gone;
}

/* ---- dropping ---- */

void fh_checked_stop_double_drop(const struct fh_record *r, struct fh_where where) {
    fh_report_begin("E0382", "%s dropped twice", r->what);
    fh_report_line("dropped again here", where);
    fh_report_line(r->state == FH_RECORD_GROWN ? "left behind here, when it grew" : "first dropped here",
                   r->ended);
    fh_report_record(r);
    fh_report_note("two owners held the same block: one was copied with `=` where move() or clone() was meant");
    fh_report_end();
}

static _Noreturn void stop_never_owner(const void *block, struct fh_where where) {
    fh_report_begin("E0381", "dropped an owner that holds no block of an owner: %p", block);
    fh_report_line("dropped here", where);
    fh_report_note(
        "it was probably never initialised (`own(X) x = {0};` is the empty owner), or was freed by other code");
    fh_report_end();
}

static _Noreturn void stop_damaged(const struct fh_record *r, uintptr_t bad, bool grown,
                                   struct fh_where where) {
    bool before = bad < r->block;
    size_t away = before ? r->block - bad : bad - r->block - r->size;
    fh_report_begin("bounds", "somebody wrote %zu bytes %s of %s", away,
                    before ? "before the beginning" : "past the end", r->what);
    fh_report_line(grown ? "seen when it grew, here" : "seen when it was dropped, here", where);
    fh_report_record(r);
    fh_report_note(before ? "an index below zero, or a pointer that was moved back too far?"
                          : "an index or a length that is too large?");
    fh_report_end();
}

/* For the compiler a Box, an Rc and an Arc of one type are the same pointer. */
static _Noreturn void stop_mixed(const struct fh_record *r, const char *wanted, struct fh_where where) {
    fh_report_begin("E0308", "mismatched types: expected %s, found the value of %s", wanted, r->what);
    fh_report_line("taken for one here", where);
    fh_report_record(r);
    fh_report_note("to C both are a pointer to the value: declare its owners as what made it, `own(%s)`",
                   r->what);
    fh_report_end();
}

void fh_checked_no_count(const void *value, struct fh_where where) {
    if (!fh_checked_on()) return;
    fh_lock(&lock);
    const struct fh_record *r = fh_record_of((uintptr_t)value);
    struct fh_record copy = r ? *r : (struct fh_record){0};
    fh_unlock(&lock);
    if (copy.state == FH_RECORD_LIVE) stop_mixed(&copy, "an Rc", where);
}

/* Without optimisation a drop is called by a drop function of the headers: who called that is what a report is
 * to name. Only for blocks whose late use is noticed: looking costs more than a drop. */
static void add_callers(struct fh_where *where) {
    enum { ALL = 1 + sizeof where->outer / sizeof *where->outer };
    uintptr_t pcs[ALL] = {0};
    fh_os_backtrace(pcs, ALL, where->pc);
    memcpy(where->outer, pcs + 1, sizeof where->outer);
}

/* One after the other, as nothing may be released under the lock. */
static bool take_excess(struct fh_record *gone) {
    fh_lock(&lock);
    bool much = waits_too_much();
    if (much) *gone = evict();
    fh_unlock(&lock);
    return much;
}

void fh_checked_end(void *block, size_t size, size_t align, bool grown, struct fh_where where) {
    (void)align;
    fh_lock(&lock);
    struct fh_record *r = fh_record_of((uintptr_t)block);
    if (r == NULL || r->state == FH_RECORD_DROPPED || r->state == FH_RECORD_GROWN) {
        const struct fh_record *counted = r ? NULL : fh_record_of_value((uintptr_t)block);
        struct fh_record copy = r ? *r : counted ? *counted : (struct fh_record){0};
        fh_unlock(&lock);
        if (counted && copy.state == FH_RECORD_LIVE) stop_mixed(&copy, "a Box", where);
        if (r == NULL) stop_never_owner(block, where);
        fh_checked_stop_double_drop(&copy, where);
    }
    uintptr_t bad = (uintptr_t)find_damage(r);
    if (bad) {
        struct fh_record copy = *r;
        fh_unlock(&lock);
        stop_damaged(&copy, bad, grown, where);
    }
    if (r->pages && !fh_os_decommit(r->pages, r->pages_size)) fh_os_protect(r->pages, r->pages_size);
    if (!r->pages) memset(block, FILL, size < r->size ? size : r->size);
    r->ended = where;
    if (r->pages && where.site == NULL) add_callers(&r->ended);
    r->state = grown ? FH_RECORD_GROWN : FH_RECORD_DROPPED;
    struct fh_record gone = quarantine(r);
    fh_unlock(&lock);
    release(&gone);
    while (take_excess(&gone)) release(&gone);
}

/* ---- Rc ---- */

/* Not strncmp(text, with, strlen(with)): clang-tidy takes that for a mistake with a 0. */
static bool begins(const char *text, const char *with) {
    while (*with && *text == *with) text++, with++;
    return *with == 0;
}

void fh_checked_rc_touch(const void *value, const char *wanted, struct fh_where where) {
    fh_lock(&lock);
    struct fh_record *r = fh_record_of_value((uintptr_t)value);
    struct fh_record copy = r ? *r : (struct fh_record){0};
    fh_unlock(&lock);
    if (copy.state == FH_RECORD_DROPPED) fh_checked_stop_double_drop(&copy, where);
    bool is_one = copy.what && begins(copy.what, wanted + 3); /* after "an " */
    if (copy.state == FH_RECORD_LIVE && !is_one) stop_mixed(&copy, wanted, where);
    uint64_t here = fh_os_thread();
    if (copy.what == NULL || copy.thread == here || strncmp(copy.what, "Rc", 2) != 0) return;
    fh_report_begin("E0277", "%s cannot be shared between threads", copy.what);
    fh_report_line("touched here, in another thread", where);
    fh_report_record(&copy);
    fh_report_note(
        "made by thread %zu, touched by thread %zu: its counts are not atomic. Arc is the one for threads",
        (size_t)copy.thread, (size_t)here);
    fh_report_end();
}

/* ---- forgetting ---- */

void fh_note_forget(const void *owner) {
    if (!fh_checked_on()) return;
    uintptr_t block;
    memcpy(&block, owner, sizeof block); /* the first word of each owner */
    fh_lock(&lock);
    struct fh_record *r = fh_record_of_value(block);
    if (r && r->state == FH_RECORD_LIVE) r->state = FH_RECORD_FORGOTTEN;
    fh_unlock(&lock);
}
