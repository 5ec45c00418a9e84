/* check_large.h - how much may be spent on making large blocks inaccessible: see check_large.c. */
#ifndef FH_HEAP_CHECK_LARGE_H
#define FH_HEAP_CHECK_LARGE_H

#include <stdbool.h>
#include <stddef.h>

/* May `size` bytes be given to the system and taken back? Then they count as spent. */
bool fh_check_allows(size_t size);

#endif
