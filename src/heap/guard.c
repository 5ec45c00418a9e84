/* guard.c - blocks on pages of their own, against a page that faults.
 *
 *     | guard | ........ block,slack | guard | ..block | guard | (freed: all inaccessible) | guard |
 *                                    ^ an access behind the block faults here, at the instruction
 *
 * The region is reserved once. Blocks are laid one behind the other with a page between; what is freed becomes
 * inaccessible again and its memory is given back. A place is used again only when the whole region has been
 * gone through, so a block that was freed faults for a long time. With guard=start a block stands at the start
 * of its pages instead.
 *
 * How close: a block ends where its alignment lets it. That is 16 as a rule; in mode=guard what its size needs,
 * see alignment_for. Vector instructions that want 16 there fault; those that only move are done for the
 * program, see fh_guard_moves. Up to 15 bytes may lie between; they hold canaries, as what is left of the pages
 * on the other side, and are looked at when the block is freed. guard_align=16 keeps every block at a multiple
 * of 16; guard_align=1 puts each right against its guard page, for programs that can live with odd addresses.
 *
 * A guarded block in use costs two memory maps, of which the kernel allows 65 530 as a rule: so no more than
 * guard_most are in use at once, and further blocks come from the heap proper.
 *
 * Records say what a page belongs to; those of freed blocks are kept until so many newer ones have been made: a
 * million in mode=guard. Elsewhere few blocks are guarded, but a service runs for weeks, and what these tables
 * hold grows until the whole region has been gone through: so both are smaller there.
 * The idea is Electric Fence's (Bruce Perens, 1987); one in many is GWP-ASan's.
 */
#include "guard.h"

#include "extent.h"

#include "../base/settings.h"
#include "canary.h"
#include "check.h"
#include "check_large.h"
#include "count.h"
#include "sites.h"

#include <errno.h>
#include <string.h>

enum { RECORDS = 1 << 20, RECORDS_ELSEWHERE = 1 << 16 };
#define LARGEST_REGION ((size_t)64 << 30)
#define REGION_ELSEWHERE ((size_t)4 << 30)

struct record {
    char *p;
    size_t asked;
    uint32_t page, pages; /* of the data; the guard page follows */
    uint32_t allocated, freed;
    uint8_t state; /* enum fh_mark_state: NONE, LIVE, FREED */
    uint8_t kind;  /* as in a mark */
};

/* Ties the handler of faults to this file, for programs linked with the static library: nobody else asks for
 * it, it installs itself. */
extern const char fh_fault_reports __attribute__((visibility("hidden")));
static const char *const fault_reports __attribute__((used)) = &fh_fault_reports;

uintptr_t fh_guard_base;
size_t fh_guard_size;

static struct fh_lock lock;
static uint32_t *record_of_page; /* 0 = none */
static struct record *records;   /* [0] is never used */
static uint32_t next_record = 1, record_count, next_page = 1, page_count;
static size_t live;
static size_t page_size;
static bool refused; /* there is no region to be had */

/* ---- whether ---- */

static _Atomic size_t first_given; /* the first blocks, and those after them as long as places are noted */

/* After the first blocks: of so many more, the first from each place in the program, up to as many as the first
 * were. What a place does wrong with its blocks it does with the first one, too, as a rule. Later on nobody
 * asks: the quick ways would have to look at each call's place. */
enum { PLACES_FOR = 2000, PLACES = 512, PLACE_PROBES = 8 };
static _Atomic uint32_t places[PLACES];
static _Atomic size_t places_guarded;

/* Notes the place. False: it was there before, or there is no room for it. */
static bool is_new_place(uint32_t place) {
    for (unsigned i = 0, at = place * 0x9e3779b9u >> 16; i < PLACE_PROBES; i++, at++) {
        uint32_t there = 0;
        if (atomic_compare_exchange_strong(&places[at % PLACES], &there, place)) return true;
        if (there == place) return false;
    }
    return false;
}

/* Of these, large ones only as long as all of them together have no more than half a MiB for each first block,
 * 32 MiB as it comes. The pages of a guarded block are new, and given back when it is freed: that takes longer
 * than the program itself needs to fill them. Those beyond have their canaries, as all that come later. */
static bool first_may_be(size_t size) {
    enum { EACH = 512 << 10 };
    static _Atomic size_t large;
    if (size <= FH_SMALL_MAX) return true;
    size_t all = atomic_load_explicit(&large, memory_order_relaxed) + size;
    if (all / EACH > fh_settings.guard_first) return false;
    atomic_fetch_add_explicit(&large, size, memory_order_relaxed);
    return true;
}

/* In mode=checked: is it one of the first blocks, or the first of its place? */
static bool is_first(uintptr_t caller) {
    size_t most = fh_settings.guard_first, until = most + PLACES_FOR;
    if (most == 0 || atomic_load_explicit(&first_given, memory_order_relaxed) >= until) return false;
    size_t given = atomic_fetch_add_explicit(&first_given, 1, memory_order_relaxed) + 1;
    bool is_new = is_new_place((uint32_t)caller);
    if (given == until) fh_check_open_quick_alloc();
    if (given <= most) return true;
    return is_new && atomic_fetch_add_explicit(&places_guarded, 1, memory_order_relaxed) < most;
}

bool fh_guard_samples(unsigned calls) {
    static __thread int64_t left __attribute__((tls_model("initial-exec")));
    static __thread uint64_t random __attribute__((tls_model("initial-exec")));
    static __thread bool chosen
        __attribute__((tls_model("initial-exec"))); /* the last: the bin is empty still */
    uint64_t every = fh_settings.guard_sample;
    if (every == 0) return false;
    left -= chosen ? 1 : calls;
    chosen = false;
    if (left > 0) return false;
    bool begun = random != 0;
    if (!begun) random = ((uintptr_t)&left ^ fh_os_ticks() << 20) | 1;
    random = random * 6364136223846793005u + 1442695040888963407u;
    left = 1 + (int64_t)((random >> 33) % (2 * every - 1)); /* on average every that many */
    return chosen = begun;
}

/* Large blocks that are longer are only closed when they are freed. */
#define LARGE_GUARDED ((size_t)1 << 20)

bool fh_guard_wants(size_t size, uintptr_t caller) {
    if (fh_settings.mode == FH_MODE_GUARD || (is_first(caller) && first_may_be(size))) return true;
    if (size > FH_SMALL_MAX && size <= LARGE_GUARDED && fh_check_allows(size)) return true;
    return fh_guard_samples(1);
}

/* ---- the region ---- */

static bool open_region(void) {
    if (fh_guard_size) return true;
    if (refused) return false;
    page_size = fh_os_page_size();
    bool all = fh_settings.mode == FH_MODE_GUARD;
    size_t size = all ? LARGEST_REGION : REGION_ELSEWHERE;
    record_count = all ? RECORDS : RECORDS_ELSEWHERE;
    while (size > (size_t)1 << 24 && size / 2 >= fh_os_address_limit() / 8) size /= 2;
    char *base = fh_os_reserve(size);
    page_count = (uint32_t)(size / page_size);
    record_of_page = fh_os_map_sparse(page_count * sizeof *record_of_page);
    records = fh_os_map_sparse(record_count * sizeof *records);
    refused = base == NULL || record_of_page == NULL || records == NULL || !fh_sites_begin();
    if (refused) return false;
    fh_guard_base = (uintptr_t)base;
    __atomic_store_n(&fh_guard_size, size, __ATOMIC_RELEASE);
    return true;
}

static char *address_of(uint32_t page) { return (char *)fh_guard_base + (size_t)page * page_size; }

/* The record of the block whose pages, or whose guard page, the address lies in; NULL when it is not known any
 * more. */
static struct record *record_at(uintptr_t address) {
    uint32_t page = (uint32_t)((address - fh_guard_base) / page_size), i = record_of_page[page];
    if (i == 0) return NULL;
    struct record *r = &records[i];
    return page >= r->page && page <= r->page + r->pages ? r : NULL;
}

/* A run of pages and its guard page that no block in use is in; 0 when the region is full. */
static uint32_t find_pages(uint32_t pages) {
    uint32_t at = next_page, free = 0;
    bool wrapped = false;
    while (free <= pages) {
        if (at + (pages - free) + 1 >= page_count) {
            if (wrapped) return 0;
            wrapped = true;
            at = 1;
            free = 0;
        }
        const struct record *r = record_of_page[at + free] ? record_at((uintptr_t)address_of(at + free)) : NULL;
        if (r && r->state == FH_MARK_LIVE) {
            at = r->page + r->pages + 1;
            free = 0;
        } else {
            free++;
        }
    }
    next_page = at + pages + 1;
    return at;
}

static uint32_t find_record(void) {
    for (unsigned tries = 0; tries < record_count; tries++) {
        uint32_t i = next_record;
        next_record = i + 1 == record_count ? 1 : i + 1;
        if (records[i].state != FH_MARK_LIVE) return i;
    }
    return 0;
}

/* ---- alloc ---- */

/* The least alignment that an object of this size can need, or nearly: 24 bytes might be 16 that need 16, and
 * more. */
static size_t needed_by(size_t size, unsigned call) {
    if (size >= 16) return size % 16 == 8 && (call & FH_KIND_MASK) == FH_KIND_MALLOC ? 8 : 16;
    return size > 4 ? 8 : size > 2 ? 4 : size ? size : 1;
}

/* The alignment at which a block stands: 16, as everywhere in the heap, but in mode=checked 8 where no
 * instruction can want more, and in mode=guard as its size needs, so that nothing lies between most blocks and
 * their guard page. What new gives stays at 16 there: compilers rely on that. */
static size_t alignment_for(size_t size, size_t align, unsigned call) {
    size_t wanted = fh_settings.guard_align;
    if (wanted == 0) wanted = fh_settings.mode == FH_MODE_GUARD ? needed_by(size, call) : 16;
    if (fh_settings.guard_align == 0 && fh_settings.mode == FH_MODE_CHECKED && size <= 8) wanted = 8;
    return align > wanted ? align : wanted;
}

/* The bytes of the pages that a block of this size has. */
static size_t held_by(size_t size) {
    size_t page = fh_os_page_size();
    return (size + page - 1) & ~(page - 1);
}

/* Lays a block into the region; the lock is held. */
static struct record *lay(size_t size, size_t align, unsigned call) {
    if (!open_region() || size > fh_guard_size / 16 || align > page_size || live >= fh_settings.guard_most)
        return NULL;
    uint32_t pages = (uint32_t)(held_by(size) / page_size), page = find_pages(pages), i = find_record();
    if (page == 0 || i == 0) return NULL;
    if (pages && !fh_os_commit(address_of(page), pages * page_size)) return NULL;
    struct record *r = &records[i];
    *r = (struct record){.asked = size, .page = page, .pages = pages, .state = FH_MARK_LIVE};
    char *end = address_of(page + pages);
    size_t mask = alignment_for(size, align, call) - 1;
    bool at_start = fh_settings.guard_place == FH_GUARD_START && size;
    r->p = at_start ? address_of(page) : end - ((size + mask) & ~mask);
    for (uint32_t k = 0; k <= pages; k++) record_of_page[page + k] = i;
    live++;
    return r;
}

/* What is left of the block's pages, less than one: all of it holds canaries. The pages are the block's alone,
 * so a write far before it (an index below zero, a field of the element before) hits nothing but them. */
static size_t slack_behind(const struct record *r) {
    return (size_t)(address_of(r->page + r->pages) - r->p) - r->asked;
}

static size_t slack_before(const struct record *r) { return (size_t)(r->p - address_of(r->page)); }

/* What nobody has written to shall not read as zero, which hides mistakes: a pointer that is NULL by chance may
 * be freed. The first page is enough, and leaves the others without memory. */
static void fill_new(void *p, size_t size) {
    enum { FILLED = 4096 };
    if (fh_settings.fill_alloc) memset(p, FH_NEW_FILL, size);
    else if (fh_mode_checks()) memset(p, fh_canary, size < FILLED ? size : FILLED);
}

void *fh_guard_alloc(size_t size, size_t align, unsigned call, uintptr_t caller) {
    uint32_t site = fh_site_here(caller);
    if (size > SIZE_MAX / 2 || !fh_extent_charge(held_by(size))) return NULL;
    fh_lock(&lock);
    struct record *r = lay(size, align, call);
    if (r) {
        if (call & FH_CALL_ALIGNED && align > 16) r->kind = (uint8_t)(__builtin_ctzll(align) << 2);
        r->kind = (uint8_t)(r->kind | (call & FH_KIND_MASK));
        r->allocated = site;
        if (r->pages) {
            memset(r->p + size, fh_canary, slack_behind(r));
            memset(r->p - slack_before(r), fh_canary, slack_before(r));
        }
    }
    void *p = r ? r->p : NULL;
    fh_unlock(&lock);
    if (r == NULL) fh_extent_discharge(held_by(size));
    if (p && !(call & FH_CALL_ZERO)) fill_new(p, size);
    return p;
}

/* ---- what went wrong ---- */

static struct fh_misuse about(enum fh_misuse_kind kind, const char *call, const void *p, uintptr_t caller,
                              const struct record *r) {
    struct fh_misuse m = {.kind = kind, .call = call, .address = p, .caller = caller};
    if (r == NULL) return m;
    m.block = r->p;
    m.asked = m.usable = r->asked;
    m.freed = r->state == FH_MARK_FREED;
    m.offset = (const char *)p - r->p;
    m.allocated = r->allocated;
    m.freed_at = r->freed;
    return m;
}

/* Reports a call with an address in the region that is no block in use. */
static void report_no_block(const void *p, const char *call, uintptr_t caller) {
    fh_lock(&lock);
    const struct record *r = record_at((uintptr_t)p);
    bool start = r && p == r->p; /* of a freed one, then */
    enum fh_misuse_kind kind = r == NULL ? FH_INVALID_FREE : !start ? FH_INTERIOR_FREE : FH_DOUBLE_FREE;
    if (start && strcmp(call, "free") != 0 && strncmp(call, "delete", 6) != 0) kind = FH_USE_AFTER_FREE;
    struct fh_misuse m = about(kind, call, p, caller, r);
    fh_unlock(&lock);
    fh_misuse_report(&m);
}

/* The first damaged byte of the block's canaries. */
static bool find_damage(const struct record *r, struct fh_misuse *m) {
    if (r->pages == 0) return false;
    const unsigned char *bad = fh_first_other(r->p + r->asked, slack_behind(r), fh_canary);
    m->kind = FH_OVERFLOW;
    if (bad == NULL) {
        bad = fh_first_other(r->p - slack_before(r), slack_before(r), fh_canary);
        m->kind = FH_UNDERFLOW;
    }
    if (bad == NULL) return false;
    m->offset = (const char *)bad - r->p;
    m->damaged = true;
    m->found = *bad;
    m->expected = fh_canary;
    return true;
}

/* ---- free ---- */

static struct record *live_at(const void *p) {
    struct record *r = record_at((uintptr_t)p);
    return r && r->p == p && r->state == FH_MARK_LIVE ? r : NULL;
}

void fh_guard_free(void *p, size_t size, size_t align, unsigned call, uintptr_t caller) {
    const char *name = fh_check_free_name(call);
    uint32_t site = fh_site_here(caller);
    fh_lock(&lock);
    struct record *r = live_at(p);
    if (r == NULL) {
        fh_unlock(&lock);
        report_no_block(p, name, caller);
        return;
    }
    struct fh_misuse disagrees = about(FH_KIND_MISMATCH, name, p, caller, r), damage = disagrees;
    bool agrees = fh_check_agrees(r->asked, r->kind, size, align, call, &disagrees),
         damaged = find_damage(r, &damage);
    r->state = FH_MARK_FREED;
    r->freed = site;
    live--;
    size_t held = r->pages * page_size;
    if (held) fh_os_decommit(address_of(r->page), held);
    fh_unlock(&lock);
    fh_extent_discharge(held);
    if (!agrees) fh_misuse_report(&disagrees);
    if (damaged) fh_misuse_report(&damage);
}

bool fh_guard_usable(const void *p, size_t *size, const char *call, uintptr_t caller) {
    fh_lock(&lock);
    const struct record *r = live_at(p);
    if (r) *size = r->asked;
    fh_unlock(&lock);
    if (r == NULL) report_no_block(p, call, caller);
    return r != NULL;
}

/* ---- faults ---- */

/* Behind a large block in use, whose end is closed (check_large.c). */
static bool explain_tail(uintptr_t address, struct fh_misuse *m) {
    struct fh_found f;
    if (!fh_mode_checks() || !fh_check_tail_at(address, &f)) return false;
    *m = (struct fh_misuse){
        .kind = FH_FAULT_BEHIND, .block = f.start + f.front, .asked = f.asked, .usable = f.asked};
    m->allocated = f.mark->site;
    m->offset = (const char *)address - m->block;
    return true;
}

/* A freed large block: its pages wait in the quarantine, inaccessible (check_large.c). */
static bool explain_large(uintptr_t address, struct fh_misuse *m) {
    struct fh_found f;
    if (!fh_mode_checks() || !fh_check_closed_at(address, &f)) return false;
    *m = (struct fh_misuse){
        .kind = FH_FAULT_FREED, .block = f.start + f.front, .asked = f.asked, .usable = f.asked, .freed = true};
    m->freed_at = f.mark->site;
    m->allocated = fh_check_large_site(f.first);
    m->offset = (const char *)address - m->block;
    return true;
}

/* Where no block is, or was lately: the block in use that ends shortly before, if there is one. */
static const struct record *nearest_before(uintptr_t address) {
    enum { NEAR = 256 }; /* pages */
    for (size_t i = 1; i <= NEAR && fh_guard_owns((const void *)(address - i * page_size)); i++) {
        const struct record *r = record_at(address - i * page_size);
        if (r) return r->state == FH_MARK_LIVE ? r : NULL;
    }
    return NULL;
}

static bool explain_guarded(uintptr_t address, struct fh_misuse *m) {
    if (!fh_guard_owns((const void *)address)) return false;
    const struct record *r = record_at(address); /* the guard page behind a block counts as its own */
    const struct record *behind = NULL;
    uintptr_t next = address + page_size;
    if (fh_guard_owns((const void *)next)) behind = record_at(next);
    if (behind && behind->state == FH_MARK_LIVE && behind != r) {
        bool nearer = r == NULL || r->state != FH_MARK_LIVE ||
                      (uintptr_t)behind->p - address < address - (uintptr_t)r->p - r->asked;
        if (nearer) r = behind;
    }
    if (r == NULL) r = nearest_before(address);
    if (r == NULL) {
        *m = (struct fh_misuse){.kind = FH_FAULT_FREED,
                                .detail = "In guarded memory; the block is not known any more."};
        return true;
    }
    enum fh_misuse_kind kind = address < (uintptr_t)r->p ? FH_FAULT_BEFORE : FH_FAULT_BEHIND;
    if (r->state == FH_MARK_FREED) kind = FH_FAULT_FREED;
    *m = about(kind, NULL, (const void *)address, 0, r);
    return true;
}

bool fh_guard_explain_fault(uintptr_t address, const struct fh_os_registers *registers, struct fh_misuse *m) {
    if (!explain_guarded(address, m) && !explain_large(address, m) && !explain_tail(address, m)) return false;
    m->call = NULL;
    m->address = (const void *)address;
    m->registers = registers;
    return true;
}

/* Without the lock: the caller may be a signal handler that has interrupted whoever holds it. A block that is
 * in use stays what it is. */
bool fh_guard_explain_source(const void *from, size_t size, struct fh_misuse *m) {
    const struct record *r = record_at((uintptr_t)from);
    if (r == NULL) return false;
    size_t within = (size_t)((const char *)from - r->p);
    if (r->state == FH_MARK_FREED) *m = about(FH_FAULT_FREED, NULL, from, 0, r);
    else if (within <= r->asked && size > r->asked - within)
        *m = about(FH_FAULT_BEHIND, NULL, r->p + r->asked, 0, r);
    else return false;
    return true;
}

/* May the page at the address be touched, as far as we know? The lock is held. */
static bool is_open(uintptr_t address) {
    struct fh_found f;
    if (!fh_guard_owns((const void *)address))
        return !fh_check_closed_at(address, &f) && !fh_check_tail_at(address, &f);
    const struct record *r = record_at(address);
    return r && r->state == FH_MARK_LIVE && address < (uintptr_t)address_of(r->page + r->pages);
}

void fh_guard_look(const char *call, const void *from, size_t size, uintptr_t caller) {
    enum { MOST = 1 << 16 };
    struct fh_misuse m;
    int saved = errno;
    uintptr_t page = fh_os_page_size(), at = (uintptr_t)from;
    if (!fh_guard_owns(from) && fh_space_offset(from) >= fh_space.size) return;
    fh_lock(&lock);
    uintptr_t left = size;
    for (unsigned i = 0; i < MOST && is_open(at); i++) {
        uintptr_t step = page - at % page;
        if (left <= step) break;
        left -= step;
        at += step;
    }
    bool told = left && !is_open(at) && fh_guard_explain_fault(at, NULL, &m);
    fh_unlock(&lock);
    if (told) {
        m.call = call;
        m.caller = caller;
        fh_misuse_report(&m);
    }
    errno = saved;
}

/* The block that a move wants at a multiple of 16, and that is in use and at none; NULL: there is no such one.
 * */
static const struct record *moved_in(const struct fh_os_registers *registers, struct fh_os_move *move) {
    if (!fh_os_find_move(registers, move) || !fh_guard_owns((const void *)move->address)) return NULL;
    const struct record *r = record_at(move->address);
    return r && r->state == FH_MARK_LIVE && (uintptr_t)r->p % 16 != 0 ? r : NULL;
}

/* Whoever asked for the block may rely on 16. So what the instruction does must be right there: at a multiple
 * of 16 from the block's start on, and not beyond its pages. */
bool fh_guard_moves(void *context, const struct fh_os_registers *registers) {
    struct fh_os_move move;
    const struct record *r = fh_guard_size ? moved_in(registers, &move) : NULL;
    if (r == NULL) return false;
    size_t within = move.address - (uintptr_t)r->p, pages = (size_t)(address_of(r->page + r->pages) - r->p);
    if (within % 16 != 0 || within >= pages || pages - within < 16) return false;
    fh_os_do_move(context, &move);
    return true;
}

bool fh_guard_explain_alignment(const struct fh_os_registers *registers, struct fh_misuse *m) {
    if (!fh_guard_size || !fh_os_wants_alignment(registers)) return false;
    struct fh_os_move move;
    const struct record *moved = moved_in(registers, &move);
    if (moved) { /* and could not be done: at an odd place, as it would be anywhere; else it goes too far */
        *m = about(FH_FAULT_BEHIND, NULL, moved->p + moved->asked, 0, moved);
        m->registers = registers;
        return (move.address - (uintptr_t)moved->p) % 16 == 0;
    }
    for (unsigned i = 0; i < FH_OS_REGISTERS; i++) {
        uintptr_t address = registers->r[i];
        const struct record *r = fh_guard_owns((const void *)address) ? record_at(address) : NULL;
        if (r == NULL || r->state != FH_MARK_LIVE || (uintptr_t)r->p % 16 == 0) continue;
        *m = about(FH_FAULT_ALIGNMENT, NULL, (const void *)address, 0, r);
        m->registers = registers;
        return true;
    }
    return false;
}

void fh_guard_sweep(const char *call, uintptr_t caller) {
    for (uint32_t i = 1; fh_guard_size && i < record_count && records[i].state != FH_MARK_NONE; i++) {
        struct fh_misuse m;
        fh_lock(&lock);
        bool damaged = false;
        if (records[i].state == FH_MARK_LIVE) {
            m = about(FH_OVERFLOW, call, records[i].p, caller, &records[i]);
            damaged = find_damage(&records[i], &m);
        }
        fh_unlock(&lock);
        if (damaged) fh_misuse_report(&m);
    }
}

void fh_guard_each(void (*look)(const void *p, size_t asked)) {
    fh_lock(&lock);
    for (uint32_t i = 1; fh_guard_size && i < record_count && records[i].state != FH_MARK_NONE; i++)
        if (records[i].state == FH_MARK_LIVE) look(records[i].p, records[i].asked);
    fh_unlock(&lock);
}

FH_AT_START void fh_guard_lock(void) { fh_lock(&lock); }
FH_AT_START void fh_guard_unlock(void) { fh_unlock(&lock); }
