/* sites.h - places in the program, in 32 bits.
 *
 * As a rule a site is the low half of one return address: noting it costs nothing, and a report, which knows
 * what code is loaded, finds the upper half again. (Two libraries may lie 4 GiB apart to the byte: then the
 * first is named. What is not loaded any more is not named.)
 *
 * With the setting stacks=2 and more a site is the number of a call stack, each of which is kept once:
 *
 *     pcs --hash--> slot: number -----> words[number]: how many, then the return addresses, innermost first
 *
 * Both tables only grow, up to a fixed room, and nothing is locked: a slot is filled by one atomic exchange.
 * When the room is used up new stacks get the number 0, "not known".
 */
#ifndef FH_HEAP_SITES_H
#define FH_HEAP_SITES_H

#include <stdbool.h>
#include <stdint.h>

enum { FH_SITE_MOST = 32 }; /* frames in a stack */

/* Maps the tables, if stacks are to be kept. False: no memory; then every site is 0. */
bool fh_sites_begin(void);

/* The stack at the site: *count return addresses; NULL when it is not known. For one report at a time. */
const uintptr_t *fh_site_stack(uint32_t site, unsigned *count);

/* The site of the calling thread, whose innermost frame is the call that returns to `caller`. With the setting
 * stacks=1 only that is kept; with more the stack is walked; 0: nothing. */
uint32_t fh_site_here(uintptr_t caller);

#endif
