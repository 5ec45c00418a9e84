/* guard.h - blocks on pages of their own, against a page that faults. See guard.c. */
#ifndef FH_HEAP_GUARD_H
#define FH_HEAP_GUARD_H

#include "../os/os_unwind.h"
#include "misuse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In a mode that checks: shall the next block, of `size` bytes, be guarded? All in mode=guard; the first ones,
 * then the first of each place that calls, samples, and large ones as far as that is allowed (check_large.c) in
 * mode=checked. */
bool fh_guard_wants(size_t size, uintptr_t caller);

/* In mode=fast with guard_sample: the same, asked in a slow path that stands for `calls` allocations. */
bool fh_guard_samples(unsigned calls);

/* A guarded block; NULL when there is no place for it: then it comes from the heap proper. `call`: enum
 * fh_call_kind. */
void *fh_guard_alloc(size_t size, size_t align, unsigned call, uintptr_t caller);

/* Is the address in the region of guarded blocks? */
extern uintptr_t fh_guard_base __attribute__((visibility("hidden")));
extern size_t fh_guard_size __attribute__((visibility("hidden")));
static inline bool fh_guard_owns(const void *p) { return (uintptr_t)p - fh_guard_base < fh_guard_size; }

/* For addresses in the region. What is no block in use is reported; then usable is false and free does nothing.
 * */
void fh_guard_free(void *p, size_t size, size_t align, unsigned call, uintptr_t caller);
bool fh_guard_usable(const void *p, size_t *size, const char *call, uintptr_t caller);

/* A fault at `address`: was it in guarded memory, or in a freed large block? Then true, and *misuse tells. In a
 * handler. */
bool fh_guard_explain_fault(uintptr_t address, const struct fh_os_registers *registers,
                            struct fh_misuse *misuse);

/* A fault without an address, which the instruction at pc raised itself: because it wants a guarded block in
 * use at a multiple of 16? Then true, and *misuse tells. In a handler. */
bool fh_guard_explain_alignment(const struct fh_os_registers *registers, struct fh_misuse *misuse);

/* The same, and it is a move that would do no harm had the block been at a multiple of 16: then it is done, and
 * true. */
bool fh_guard_moves(void *context, const struct fh_os_registers *registers);

/* A fault elsewhere, in checked mode: through a pointer that is a block's fill, or in the heap's window?
 * `known`: the address is. In a handler. (fault.c) */
bool fh_check_explain_fault(uintptr_t address, bool known, const struct fh_os_registers *registers,
                            struct fh_misuse *misuse);

/* The system has been given `size` bytes from `from` on, and has refused them or stopped there: reports it when
 * one of them is in a guard page, or in a freed block whose pages are closed. Else nothing. */
void fh_guard_look(const char *call, const void *from, size_t size, uintptr_t caller);

/* Somebody is about to read `size` bytes, one at least, from an address in the region: reports nothing, but if
 * it is a freed block, or one in use that is not so long, then true, and *misuse tells all but the call. */
bool fh_guard_explain_source(const void *from, size_t size, struct fh_misuse *misuse);

/* Looks at the canaries of all guarded blocks in use, and reports what is damaged. */
void fh_guard_sweep(const char *call, uintptr_t caller);

/* Shows each guarded block in use. `look` may not allocate. */
void fh_guard_each(void (*look)(const void *p, size_t asked));

/* For fork. */
void fh_guard_lock(void);
void fh_guard_unlock(void);

/* Does what is freed agree with what was asked for? Else false, and *m says how. (found.c) */
bool fh_check_agrees(size_t asked, unsigned kind, size_t size, size_t align, unsigned call,
                     struct fh_misuse *m);

#endif
