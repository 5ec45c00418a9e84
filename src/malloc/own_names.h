/* own_names.h - our own malloc, calloc and free, whoever else stands in front of them. */
#ifndef FH_MALLOC_OWN_NAMES_H
#define FH_MALLOC_OWN_NAMES_H

#include <stddef.h>

void *fh_own_malloc(size_t size) __attribute__((visibility("hidden")));
void *fh_own_calloc(size_t n, size_t size) __attribute__((visibility("hidden")));
void fh_own_free(void *p) __attribute__((visibility("hidden")));

#endif
