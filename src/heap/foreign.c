/* foreign.c - blocks that pass between two C++ runtimes.
 *
 * A module may bring its own operator new: one that is linked with a static libstdc++, say. It calls malloc,
 * and what it made may be deleted by another module, whose operator delete is ours - or the other way round:
 *
 *     module A: new int ──> A's own operator new ──> malloc (ours)     family: malloc
 *     module B: delete p ────────────────────────> delete (ours)      freed as: delete          nothing is wrong
 *
 * So before malloc beside delete, or new beside free, is called a mistake, the module is looked at that called
 * malloc, or free. That takes reading its symbols; the places that were found to be such are remembered.
 */
#include "../os/os.h"
#include "../os/os_backtrace.h"
#include "check.h"
#include "sites.h"

#include <stdatomic.h>

enum { KNOWN_BITS = 6 };

static struct fh_lock lock; /* of what fh_site_stack gives */

/* Is the place, whose site is known or whose address is, in a module with an operator new of its own? */
static bool in_such_a_module(uint32_t site, uintptr_t address) {
    static _Atomic uint32_t known[1 << KNOWN_BITS];
    _Atomic uint32_t *slot = &known[site * 0x9e3779b1u >> (32 - KNOWN_BITS)];
    if (site == 0) return false;
    if (atomic_load_explicit(slot, memory_order_relaxed) == site) return true;
    unsigned count = 1;
    const uintptr_t *stack = &address;
    fh_lock(&lock);
    if (address == 0) stack = fh_site_stack(site, &count);
    bool such = count > 0 && fh_os_has_own_new(stack[0]);
    fh_unlock(&lock);
    if (such) atomic_store_explicit(slot, site, memory_order_relaxed);
    return such;
}

bool fh_check_passes_runtimes(unsigned family, unsigned freed_as, uint32_t allocated, uintptr_t caller) {
    if (family == FH_KIND_MALLOC) return in_such_a_module(allocated, 0);
    return freed_as == FH_KIND_MALLOC && in_such_a_module((uint32_t)caller, caller);
}
