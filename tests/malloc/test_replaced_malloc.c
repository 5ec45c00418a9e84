/* test_replaced_malloc.c - a program with a malloc of its own, which lacks the younger names.
 *
 * Its malloc, calloc, realloc and free come first, preloaded library or not. The C library's reallocarray is
 * made of realloc, so a block of the program's may be given to it; ours, found in its place, must not take it
 * for a mistake.
 */
#include "../heap/support.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void free_sized(void *p, size_t size) __attribute__((weak));
void free_aligned_sized(void *p, size_t align, size_t size) __attribute__((weak));

static alignas(16) char pool[8 << 20];
static size_t used;

struct block {
    alignas(16) size_t size;
};

static bool is_ours(const void *p) { return (uintptr_t)p - (uintptr_t)pool < sizeof pool; }

void *malloc(size_t size) {
    struct block *block = (struct block *)(void *)(pool + used);
    used += sizeof *block + ((size + 15) & ~(size_t)15);
    CHECK(used <= sizeof pool);
    block->size = size;
    return block + 1;
}

void *calloc(size_t n, size_t size) { return memset(malloc(n * size), 0, n * size); }

void free(void *p) { CHECK(p == NULL || is_ours(p)); }

void *realloc(void *p, size_t size) {
    void *other = malloc(size);
    if (p) memcpy(other, p, ((struct block *)p)[-1].size < size ? ((struct block *)p)[-1].size : size);
    return other;
}

static void what_is_made_of_realloc_comes_to_ours(void) {
    char *p = (char *)reallocarray(NULL, 10, 10);
    CHECK(is_ours(p));
    memset(p, 7, 100);
    p = (char *)reallocarray(p, 1000, 10);
    CHECK(is_ours(p));
    for (size_t i = 0; i < 100; i++) CHECK(p[i] == 7);
    volatile size_t many = SIZE_MAX / 2;
    CHECK(reallocarray(p, many, 10) == NULL);
    free(p);
}

static void what_is_made_of_free_comes_to_ours(void) {
    if (free_sized) free_sized(malloc(100), 100);
    if (free_aligned_sized) free_aligned_sized(malloc(100), 16, 100);
    if (free_sized) free_sized(NULL, 0);
}

int main(void) {
    what_is_made_of_realloc_comes_to_ours();
    what_is_made_of_free_comes_to_ours();
    return 0;
}
