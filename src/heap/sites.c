/* sites.c - see sites.h. */
#include "sites.h"

#include "../base/settings.h"
#include "../os/os.h"
#include "../os/os_backtrace.h"

enum { SLOTS = 1 << 18, WORDS = 1 << 23, PROBES = 16 };

static _Atomic uint32_t *slots; /* 0 = empty */
static uintptr_t *words;
static _Atomic uint32_t next_word = 1;

static bool keeps_stacks(void) { return fh_settings.stacks > 1; }

bool fh_sites_begin(void) {
    if (!keeps_stacks() || words) return true;
    uintptr_t *room = fh_os_map_sparse(WORDS * sizeof *words);
    slots = fh_os_map_sparse(SLOTS * sizeof *slots);
    if (slots == NULL || room == NULL) return false;
    words = room;
    return true;
}

static uint64_t hash_of(const uintptr_t *pcs, unsigned count) {
    uint64_t hash = count;
    for (unsigned i = 0; i < count; i++) hash = (hash ^ pcs[i]) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static bool is_stack(uint32_t at, const uintptr_t *pcs, unsigned count) {
    if (words[at] != count) return false;
    for (unsigned i = 0; i < count; i++)
        if (words[at + 1 + i] != pcs[i]) return false;
    return true;
}

/* Writes the stack behind the others. 0 = no room. */
static uint32_t append(const uintptr_t *pcs, unsigned count) {
    if (atomic_load_explicit(&next_word, memory_order_relaxed) > WORDS - 2 * FH_SITE_MOST) return 0;
    uint32_t at = atomic_fetch_add_explicit(&next_word, count + 1, memory_order_relaxed);
    if (at > WORDS - FH_SITE_MOST - 1) return 0;
    words[at] = count;
    for (unsigned i = 0; i < count; i++) words[at + 1 + i] = pcs[i];
    return at;
}

/* Of a stack of 1 to FH_SITE_MOST frames. */
static uint32_t number_of(const uintptr_t *pcs, unsigned count) {
    if (words == NULL) return 0;
    uint64_t hash = hash_of(pcs, count);
    for (unsigned i = 0; i < PROBES; i++) {
        _Atomic uint32_t *slot = &slots[(hash + i) % SLOTS];
        uint32_t at = atomic_load_explicit(slot, memory_order_acquire);
        if (at == 0) {
            uint32_t own = append(pcs, count);
            if (own == 0 || atomic_compare_exchange_strong(slot, &at, own)) return own;
        }
        if (is_stack(at, pcs, count)) return at;
    }
    return 0;
}

const uintptr_t *fh_site_stack(uint32_t site, unsigned *count) {
    static uintptr_t found;
    *count = 0;
    if (site == 0) return NULL;
    if (keeps_stacks()) {
        if (words == NULL) return NULL;
        *count = (unsigned)words[site];
        return &words[site + 1];
    }
    found = fh_os_code_from_low(site);
    *count = found != 0;
    return &found;
}

uint32_t fh_site_here(uintptr_t caller) {
    size_t most = fh_settings.stacks;
    if (most <= 1) return most ? (uint32_t)caller : 0;
    uintptr_t pcs[FH_SITE_MOST];
    unsigned count = fh_os_backtrace(pcs, most < FH_SITE_MOST ? (unsigned)most : FH_SITE_MOST, caller);
    return count ? number_of(pcs, count) : number_of(&caller, 1);
}
