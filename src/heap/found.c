/* found.c - checked mode: which block is at an address, whether its canaries and its fill are whole, and what
 * to say when they are not.
 *
 * A write before a block is seen in the last byte of the block before it, which is always a canary (canary.h).
 * Blocks above 1 KiB have 16 bytes of canaries of their own in front, large ones 64, unless they were asked for
 * at a larger alignment.
 */
#include "../base/report.h"
#include "../base/settings.h"
#include "../os/os_backtrace.h"
#include "canary.h"
#include "check.h"
#include "guard.h"
#include "large.h"

#include <string.h>

enum { PAGE = 4096, TAIL_LEAST = 2048 };

/* ---- finding ---- */

void fh_check_find_small(const void *p, uint32_t first, unsigned c, struct fh_found *f) {
    const struct fh_class *class = &fh_classes[c];
    uint32_t within = (uint32_t)(fh_space_offset(p) - ((size_t)first << FH_GRANULE_SHIFT));
    f->c = c;
    f->first = first;
    f->number = fh_block_number(class, within);
    f->start = fh_granule_address(first) + (size_t)f->number * class->size;
    f->size = class->size;
    f->private = NULL;
    f->mark = fh_space_marks(first) + f->number;
    struct fh_mark mark = fh_mark_read(f->mark);
    f->front = mark.state & FH_MARK_FRONT ? FH_SMALL_FRONT : 0;
    f->asked = f->size - f->front - mark.slack;
}

void fh_check_find_large(uint32_t first, struct fh_found *f) {
    struct fh_head *head = &fh_space.heads[first];
    f->c = 0;
    f->first = first;
    f->number = 0;
    f->start = fh_granule_address(first);
    f->size = fh_large_usable(first);
    f->private = NULL;
    f->mark = &head->mark;
    f->front = head->mark.slack;
    f->asked = head->asked;
}

/* Where the table of classes says 0: a large block, or one of a private heap, or nothing. */
static bool find_by_head(const void *p, struct fh_found *f) {
    uint32_t first = fh_span_first(p);
    const struct fh_head *head = &fh_space.heads[first];
    if (first == 0 || (head->kind != FH_LARGE && fh_space_marks(first) == NULL)) return false;
    if (head->kind == FH_LARGE) fh_check_find_large(first, f);
    else fh_check_find_small(p, first, head->class, f);
    f->private = head->private;
    return f->c == 0 || f->number < head->blocks;
}

bool fh_check_find(const void *p, struct fh_found *f) {
    size_t offset = fh_space_offset(p);
    if (offset >= fh_space.size) return false;
    unsigned c = fh_space.classes[offset >> FH_GRANULE_SHIFT];
    if (c == 0) return find_by_head(p, f);
    uint32_t first = (uint32_t)(offset >> FH_GRANULE_SHIFT);
    if (fh_space_marks(first) == NULL) return false; /* the span is just beginning */
    fh_check_find_small(p, first, c, f);
    return f->number < fh_classes[c].blocks;
}

size_t fh_check_asked(const void *block) {
    struct fh_found f;
    return fh_check_find(block, &f) ? f.asked : 0;
}

/* ---- reports ---- */

static struct fh_misuse about(enum fh_misuse_kind kind, const char *call, const void *address, uintptr_t caller,
                              const struct fh_found *f) {
    struct fh_misuse m = {.kind = kind, .call = call, .address = address, .caller = caller};
    unsigned state = f ? fh_mark_state(f->mark) : FH_MARK_NONE;
    if (state != FH_MARK_LIVE && state != FH_MARK_FREED) return m;
    m.block = f->start + f->front;
    m.asked = f->asked;
    m.usable = f->size - f->front;
    m.offset = (const char *)address - m.block;
    m.freed = state == FH_MARK_FREED;
    m.allocated = f->mark->site;
    if (m.freed) {
        m.freed_at = f->mark->site;
        m.allocated = f->c ? fh_quarantine_site(f->start) : fh_check_large_site(f->first);
    }
    return m;
}

/* A small block in use right beside this one: whoever wrote the bad byte may have meant that. Of a block in use
 * the one on the side of its damaged canary, of others the nearer one first. */
static bool find_beside(const struct fh_found *f, enum fh_misuse_kind kind, const unsigned char *bad,
                        struct fh_found *beside) {
    if (f->c == 0) return false;
    bool live = fh_mark_state(f->mark) == FH_MARK_LIVE,
         nearer_end = (const char *)bad - f->start >= (ptrdiff_t)f->size / 2,
         late = live ? kind == FH_OVERFLOW : nearer_end;
    for (unsigned sides = live ? 1 : 2; sides; sides--, late = !late) {
        if (late ? f->number + 1 >= fh_classes[f->c].blocks : f->number == 0) continue;
        fh_check_find_small(late ? f->start + f->size : f->start - 1, f->first, f->c, beside);
        if (fh_mark_state(beside->mark) == FH_MARK_LIVE) return true;
    }
    return false;
}

static void name_beside(struct fh_misuse *m, const struct fh_found *beside) {
    m->beside = beside->start + beside->front;
    m->beside_asked = beside->asked;
    m->beside_allocated = beside->mark->site;
}

void fh_check_report_damage(enum fh_misuse_kind kind, const char *call, uintptr_t caller,
                            const struct fh_found *f, const unsigned char *bad, unsigned char expected,
                            const char *detail) {
    struct fh_found beside;
    const char *end = f->start + f->front + f->asked;
    bool right_behind = kind == FH_OVERFLOW && (const char *)bad == end,
         near = !right_behind && find_beside(f, kind, bad, &beside),
         given = fh_mark_state(f->mark) == FH_MARK_LIVE || fh_mark_state(f->mark) == FH_MARK_FREED;
    if (near && !given) { /* nobody had anything to do with this one */
        kind = beside.start < f->start ? FH_OVERFLOW : FH_UNDERFLOW;
        detail = "Seen in the block beside it, which nobody has been given yet.";
        f = &beside;
    }
    struct fh_misuse m = about(kind, call, f->start + f->front, caller, f);
    if (near && given) name_beside(&m, &beside);
    m.detail = detail;
    m.offset = (const char *)bad - (f->start + f->front);
    m.damaged = true;
    m.found = *bad;
    m.expected = expected;
    fh_misuse_report(&m);
}

/* What is at an address that is no block, in words. */
static const char *describe(const void *p, char *room, size_t size) {
    char name[200];
    if (fh_check_is_fill((uintptr_t)p))
        return "It was read from a block that has been freed, or from a new one that nobody has written to.";
    if (fh_space_offset(p) < fh_space.size) return "It lies in the heap's own window, where no block is.";
    switch (fh_os_memory_of(p, name, sizeof name)) {
        case FH_OS_STACK: return "It is on a stack: a local variable. Those are never freed.";
        case FH_OS_PROGRAM:
            fh_format(room, size, "It is in %s: a global variable, a constant or code. Those are never freed.",
                      name);
            return room;
        case FH_OS_UNMAPPED: return "No memory is there at all: the pointer is wild.";
        default: return "It is memory of somebody else: mapped by the program, or of another allocator.";
    }
}

bool (*fh_check_elsewhere)(const void *p, const char *call, uintptr_t caller);

void fh_check_report_no_block(const void *p, const char *call, uintptr_t caller) {
    char room[300];
    struct fh_found f;
    struct fh_misuse m;
    unsigned state = fh_check_find(p, &f) ? fh_mark_state(f.mark) : FH_MARK_NONE;
    if (state == FH_MARK_FREED) {
        bool start = p == f.start + f.front,
             frees = strcmp(call, "free") == 0 || strncmp(call, "delete", 6) == 0;
        m = about(start ? frees ? FH_DOUBLE_FREE : FH_USE_AFTER_FREE : FH_INTERIOR_FREE, call, p, caller, &f);
    } else if (state == FH_MARK_LIVE) {
        m = about(FH_INTERIOR_FREE, call, p, caller, &f);
    } else {
        if (fh_check_elsewhere && fh_check_elsewhere(p, call, caller)) return;
        m = about(FH_INVALID_FREE, call, p, caller, NULL);
        m.detail = describe(p, room, sizeof room);
    }
    fh_misuse_report(&m);
}

static bool explain_source(const void *from, size_t size, struct fh_misuse *m) {
    struct fh_found f;
    if (!fh_check_find(from, &f)) return false;
    const char *block = f.start + f.front;
    size_t within = (size_t)((const char *)from - block); /* a front is far more than was asked for */
    bool freed = fh_mark_state(f.mark) == FH_MARK_FREED,
         longer = within <= f.asked && size > f.asked - within && fh_mark_state(f.mark) == FH_MARK_LIVE;
    if (freed) *m = about(FH_FAULT_FREED, NULL, from, 0, &f);
    else if (longer) *m = about(FH_FAULT_BEHIND, NULL, block + f.asked, 0, &f);
    return freed || longer;
}

void fh_check_look_at_source(const char *call, const void *from, size_t size, uintptr_t caller) {
    struct fh_misuse m;
    if (size == 0) return;
    if (!(fh_guard_owns(from) ? fh_guard_explain_source(from, size, &m) : explain_source(from, size, &m)))
        return;
    m.call = call;
    m.caller = caller;
    fh_misuse_report(&m);
}

/* How much of the block in use lies there and behind; 0: there is none. A guarded one ends at a page that
 * faults. */
static size_t left_of_block(const void *from) {
    struct fh_found f;
    if (fh_guard_owns(from) || !fh_check_find(from, &f) || fh_mark_state(f.mark) != FH_MARK_LIVE) return 0;
    size_t within = (size_t)((const char *)from - f.start) - f.front; /* a front is far more */
    return within < f.asked ? f.asked - within : 0;
}

void fh_check_look_at_text(const char *call, const char *text, uintptr_t caller) {
    fh_check_look_at_source(call, text, 1, caller);
    size_t left = left_of_block(text);
    if (left && strnlen(text, left) == left) fh_check_look_at_source(call, text, left + 1, caller);
}

/* ---- canaries ---- */

/* Of a large block no more than a page or two behind its end is written to: what lies further stays untouched,
 * or is closed. */
char *fh_check_canaries_end(const struct fh_found *f) {
    if (f->c) return f->start + f->size;
    if (f->mark->state & FH_MARK_TAIL) return f->start + ((f->front + f->asked + 15) & ~(size_t)15);
    size_t end = (f->front + f->asked + TAIL_LEAST + PAGE) & ~(size_t)(PAGE - 1);
    return f->start + (end < f->size ? end : f->size);
}

void fh_check_put_canaries(const struct fh_found *f) {
    char *end = f->start + f->front + f->asked;
    size_t front = f->front < FH_LARGE_FRONT ? f->front : FH_LARGE_FRONT;
    memset(f->start + f->front - front, fh_canary, front);
    memset(end, fh_canary, (size_t)(fh_check_canaries_end(f) - end));
}

/* The first damaged canary before the block; NULL when all are whole. */
static const unsigned char *damage_before(const struct fh_found *f) {
    size_t front = f->front < FH_LARGE_FRONT ? f->front : FH_LARGE_FRONT;
    if (front == 0) {
        if (f->number == 0) return NULL; /* what lies before it is not ours */
        front = 1;
    }
    return fh_first_other(f->start + f->front - front, front, fh_canary);
}

static const unsigned char *damage_behind(const struct fh_found *f) {
    char *end = f->start + f->front + f->asked;
    return fh_first_other(end, (size_t)(fh_check_canaries_end(f) - end), fh_canary);
}

bool fh_check_look_at_canaries(const struct fh_found *f, const char *call, uintptr_t caller) {
    const unsigned char *bad = damage_behind(f);
    if (bad) {
        fh_check_report_damage(FH_OVERFLOW, call, caller, f, bad, fh_canary, NULL);
        return false;
    }
    bad = damage_before(f);
    if (bad == NULL) return true;
    fh_check_report_damage(FH_UNDERFLOW, call, caller, f, bad, fh_canary, NULL);
    *(unsigned char *)(uintptr_t)bad = fh_canary;
    return false;
}

const unsigned char *fh_check_damage_after_free(const struct fh_found *f, unsigned char *expected) {
    const unsigned char *bad = fh_first_other(f->start, f->size - 1, fh_freed_fill),
                        *last = (const unsigned char *)f->start + f->size - 1;
    *expected = fh_freed_fill;
    if (bad || *last == fh_canary) return bad;
    *expected = fh_canary;
    return last;
}

/* ---- what was asked for ---- */

static const char *const kind_names[] = {"malloc", "new", "new[]", ""};
static const char *const free_names[] = {"free", "delete", "delete[]", ""};

const char *fh_check_free_name(unsigned call) {
    return call & FH_CALL_RESIZE ? "realloc" : free_names[call & FH_KIND_MASK];
}

bool fh_check_agrees(size_t asked, unsigned kind, size_t size, size_t align, unsigned call,
                     struct fh_misuse *m) {
    unsigned family = kind & FH_KIND_MASK, freed_as = call & FH_KIND_MASK;
    if (family != freed_as && fh_settings.check_kinds) {
        if (fh_check_passes_runtimes(family, freed_as, m->allocated, m->caller)) return true;
        m->kind = FH_KIND_MISMATCH;
        fh_format(m->note, sizeof m->note, "It is from %s, and %s was called.", kind_names[family],
                  fh_check_free_name(call));
    } else if ((call & FH_CALL_SIZED) && size != asked &&
               size + asked != 1) { /* realloc to 0 bytes may have asked for 1 */
        m->kind = FH_SIZE_MISMATCH;
        fh_format(m->note, sizeof m->note, "%zu bytes were asked for, and it is freed as %zu.", asked, size);
    } else if ((call & FH_CALL_ALIGNED || kind >> 2) && (family || call & FH_CALL_SIZED) &&
               fh_settings.check_kinds && (call & FH_CALL_ALIGNED ? fh_check_log(align) : 0) != kind >> 2) {
        m->kind = FH_ALIGN_MISMATCH;
        fh_format(m->note, sizeof m->note, "It was asked for at alignment %zu, and is freed as one of %zu.",
                  kind >> 2 ? (size_t)1 << (kind >> 2) : 16, call & FH_CALL_ALIGNED ? align : 16);
    } else {
        return true;
    }
    m->detail = m->note;
    return false;
}

bool fh_check_same_kind(const void *p, size_t size, size_t align, unsigned call, uintptr_t caller,
                        const struct fh_found *f) {
    unsigned kind = f->mark->kind;
    if (kind == (call & (unsigned)FH_KIND_MASK) && (call & (unsigned)~(FH_KIND_MASK | FH_CALL_RESIZE)) == 0)
        return true; /* the usual */
    struct fh_misuse m = about(FH_KIND_MISMATCH, fh_check_free_name(call), p, caller, f);
    if (fh_check_agrees(f->asked, kind, size, align, call, &m)) return true;
    fh_misuse_report(&m);
    return false;
}
