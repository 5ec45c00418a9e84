/* count.h - counting each call, when the setting count=on asks for it. See counters.h for what is counted.
 *
 * How many bytes a small block was asked for is kept out of line, as the difference to its class
 * (fh_space.slacks); for a large block its head knows. */
#ifndef FH_HEAP_COUNT_H
#define FH_HEAP_COUNT_H

#include <stddef.h>

/* A block of class c (0 = large) has been given to the program, which asked for `asked` bytes. */
void fh_count_alloc(void *block, unsigned c, size_t asked);

/* The program has given the block back. */
void fh_count_free(const void *block, unsigned c);

/* A block keeps its place and class but now serves a request for `asked` bytes. */
void fh_count_resize(void *block, unsigned c, size_t asked);

/* Some call asked for a block to be resized. */
void fh_count_realloc(void);

/* Bytes asked for when the block was given out. */
size_t fh_count_asked(const void *block, unsigned c);

#endif
