/* prints.h - what takes part in the taking over of the C library's functions (system.c) that print. */
#ifndef FH_MALLOC_PRINTS_H
#define FH_MALLOC_PRINTS_H

#include "../os/os_stack.h"

enum { FH_PRINTS = 24 };
/* Fills FH_PRINTS entries of the list. */
void fh_prints_take_part(struct fh_os_rebinding *list);

#endif
