/* region_check.h - which frame did this address belong to? */
#ifndef FH_STACK_REGION_CHECK_H
#define FH_STACK_REGION_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Puts into buf what is known of an address inside a region whose pushes are checked: that it was pushed in
 * such a frame, which was closed. False: not inside one. In a handler. */
bool fh_check_explain(const void *address, char *buf, size_t size);

#endif
