/* reads.h - what takes part in the taking over of the C library's functions (system.c) that read memory. */
#ifndef FH_MALLOC_READS_H
#define FH_MALLOC_READS_H

#include "../os/os_stack.h"

enum { FH_READS = 28 };
/* Fills FH_READS entries of the list. */
void fh_reads_take_part(struct fh_os_rebinding *list);

#endif
