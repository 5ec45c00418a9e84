/* fault.c - checked mode: faults outside of guarded memory that tell of a mistake all the same.
 *
 *     p = freed->next;      reads the fill, 0x9e9e9e9e9e9e9e9e
 *     p->count++;           faults: no address of a program looks like that, see fh_checks_begin
 *
 * The processor does not say which address it was, so of the registers those that the instruction makes one
 * from are looked through for the fill, or a little more: an index, a field's offset. (Others may hold it for
 * other reasons, as our own code has just filled a block.) Of a call, what is called counts as well. A new
 * block holds the fill too, until it is written to.
 *
 * And whoever faults within the heap's window, where no memory is: a copy with a wrong length that ran on and
 * on, an index far out. If a large block ends or begins near there, it is named.
 *
 * And whoever follows NULL after memory was refused to the same thread. Nobody knows whether it is that NULL,
 * so the report says no more than that.
 *
 * All of it runs in the handler of faults: nothing is locked, and what is read was true a moment ago.
 */
#include "../base/report.h"
#include "../base/settings.h"
#include "canary.h"
#include "check.h"
#include "guard.h"
#include "sites.h"

#include <errno.h>

#define NEAR ((uintptr_t)1 << 20)

bool fh_check_is_fill(uintptr_t address) {
    uintptr_t fill = fh_canary * (UINTPTR_MAX / 0xff); /* the byte, repeated */
    return address - fill < NEAR || fill - address < NEAR;
}

static bool explain_fill(uintptr_t address, struct fh_misuse *m) {
    if (!fh_check_is_fill(address)) return false;
    *m = (struct fh_misuse){.kind = FH_FAULT_THROUGH, .address = (const void *)address};
    return true;
}

static bool explain_instruction(const struct fh_os_registers *registers, struct fh_misuse *m) {
    uint32_t used = fh_os_address_registers(registers);
    for (unsigned i = 0; i < FH_OS_REGISTERS; i++)
        if (used >> i & 1 && explain_fill(registers->r[i], m)) return true;
    uintptr_t callee;
    return fh_os_callee(registers, &callee) && explain_fill(callee, m);
}

/* The large block in use that begins in granule `first`. */
static bool find_live(uint32_t first, struct fh_found *f) {
    if (first == 0 || first >= fh_space.mapped || fh_space.heads[first].kind != FH_LARGE) return false;
    fh_check_find_large(first, f);
    return fh_mark_state(f->mark) == FH_MARK_LIVE;
}

/* The large block in use that begins in the granule after this one, or ends in the one before. But whoever has
 * run through the whole of that one came from farther away. */
static bool find_near(uint32_t granule, struct fh_found *f) {
    if (find_live(granule + 1, f)) return true;
    uint32_t first = granule - 1;
    if (first >= fh_space.mapped) return false;
    while (first > 1 && fh_space.heads[first].kind == FH_INSIDE) first--;
    if (!find_live(first, f) || first + fh_space.heads[first].granules != granule) return false;
    size_t front = f->front < FH_LARGE_FRONT ? f->front : FH_LARGE_FRONT;
    return fh_first_other(f->start + f->front - front, front, fh_canary) == NULL;
}

static bool explain_window(uintptr_t address, struct fh_misuse *m) {
    struct fh_found f;
    size_t offset = fh_space_offset((const void *)address);
    if (offset >= fh_space.size) return false;
    *m = (struct fh_misuse){.kind = FH_FAULT_NOWHERE, .address = (const void *)address};
    if (!find_near((uint32_t)(offset >> FH_GRANULE_SHIFT), &f)) return true;
    m->block = f.start + f.front;
    m->asked = m->usable = f.asked;
    m->offset = (ptrdiff_t)(address - (uintptr_t)m->block);
    m->allocated = f.mark->site;
    m->kind = m->offset < 0 ? FH_FAULT_BEFORE : FH_FAULT_BEHIND;
    return true;
}

/* ---- NULL ---- */

static __thread struct {
    size_t size;
    uint32_t site; /* 0: nothing was refused */
} refused __attribute__((tls_model("initial-exec")));

void *fh_check_refuse(size_t size, uintptr_t caller) {
    refused.size = size;
    refused.site = fh_site_here(caller);
    errno = ENOMEM;
    return NULL;
}

static bool explain_null(uintptr_t address, struct fh_misuse *m) {
    enum { NEAR_NULL = 4 << 20 }; /* programs begin above that, if they begin at a fixed place at all */
    if (address >= NEAR_NULL || refused.site == 0) return false;
    *m = (struct fh_misuse){.kind = FH_FAULT_NULL, .address = (const void *)address, .allocated = refused.site};
    if (refused.size == SIZE_MAX)
        fh_format(m->note, sizeof m->note, "The last that was refused here was more than there can be.");
    else fh_format(m->note, sizeof m->note, "The last that was refused here was for %zu bytes.", refused.size);
    m->detail = m->note;
    return true;
}

bool fh_check_explain_fault(uintptr_t address, bool known, const struct fh_os_registers *registers,
                            struct fh_misuse *m) {
    if (!fh_mode_checks()) return false;
    bool told = known ? explain_window(address, m) || explain_fill(address, m) || explain_null(address, m)
                      : explain_instruction(registers, m);
    m->registers = registers;
    return told;
}
