/* early_lib.c - a library with a constructor of the highest priority: it runs before those of most others. */
#include "early.h"

static struct early_blocks lib_blocks;

int early_lib_ready(void);

__attribute__((constructor(101))) static void lib_start(void) { early_make(&lib_blocks); }

__attribute__((destructor(101))) static void lib_end(void) {
    early_drop(&lib_blocks);
    free(malloc(77));
}

int early_lib_ready(void) { return lib_blocks.made; }
