/* valid.h - is the heap whole? See valid.c. */
#ifndef FH_HEAP_VALID_H
#define FH_HEAP_VALID_H

#include <stdbool.h>

/* Checks every invariant of the heap's books; says and returns false at the first that is broken. `quiet`: no
 * other thread allocates or frees meanwhile, so that the bins can be looked at too. */
bool fh_heap_is_valid(bool quiet);

#endif
