/* sites.h - places in the program, each kept once: a call stack of some frames has a number.
 *
 *     pcs --hash--> slot: number -----> words[number]: how many, then the return addresses, innermost first
 *
 * Both tables only grow, up to a fixed room, and nothing is locked: a slot is filled by one atomic exchange.
 * When the room is used up new stacks get the number 0, "not known".
 */
#ifndef FH_HEAP_SITES_H
#define FH_HEAP_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FH_SITE_MOST = 32 }; /* frames in a stack */

/* Maps the tables. False: no memory; then every site is 0. */
bool fh_sites_begin(void);

/* The number of the stack. */
uint32_t fh_site_of(const uintptr_t *pcs, unsigned count);

/* The stack of the number: *count return addresses; NULL when it is not known. */
const uintptr_t *fh_site_stack(uint32_t site, unsigned *count);

/* The number of the calling thread's stack, whose innermost frame is the call that returns to `caller`. With
 * the setting stacks=1 only that is kept; with more the stack is walked. */
uint32_t fh_site_here(uintptr_t caller);

#endif
