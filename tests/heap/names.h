/* names.h - the family of names under test.
 *
 * The same test source is built twice: with the standard's names (then it runs linked with the library, or with
 * the library preloaded, or on any other heap for comparison), and with -DTEST_FH_NAMES on the fh_ names.
 */
#ifndef TEST_NAMES_H
#define TEST_NAMES_H

#include <freehold/heap.h>
#include <malloc.h>
#include <stdlib.h>

#ifdef TEST_FH_NAMES

#define t_malloc fh_malloc
#define t_calloc fh_calloc
#define t_realloc fh_realloc
#define t_reallocarray fh_reallocarray
#define t_aligned_alloc fh_aligned_alloc
#define t_free fh_free
#define t_free_sized fh_free_sized
#define t_free_aligned_sized fh_free_aligned_sized
#define t_usable_size fh_usable_size

#else

/* C23, not yet in the libraries' headers. Weak, so that the tests run on a heap without them. */
#ifdef TEST_LINKED
#define T_MAYBE
#else
#define T_MAYBE __attribute__((weak))
#endif
extern void free_sized(void *p, size_t size) T_MAYBE;
extern void free_aligned_sized(void *p, size_t align, size_t size) T_MAYBE;

static inline void t_free_sized(void *p, size_t size) {
    void (*volatile f)(void *, size_t) = free_sized;
    if (f) f(p, size);
    else free(p);
}
static inline void t_free_aligned_sized(void *p, size_t align, size_t size) {
    void (*volatile f)(void *, size_t, size_t) = free_aligned_sized;
    if (f) f(p, align, size);
    else free(p);
}

#define t_malloc malloc
#define t_calloc calloc
#define t_realloc realloc
#define t_reallocarray reallocarray
#define t_aligned_alloc aligned_alloc
#define t_free free
#define t_usable_size malloc_usable_size

#endif

/* Gives all that is free back. Returns the bytes; with the standard's name, only whether there were any. */
static inline size_t t_trim(void) {
#if defined(TEST_FH_NAMES)
    return fh_trim();
#elif defined(__GLIBC__)
    return (size_t)malloc_trim(0);
#else
    return 0;
#endif
}

/* Hides a value from the optimiser, so that absurd constants make no warning and no call is left out. */
static inline size_t hidden(size_t value) {
    __asm__ volatile("" : "+r"(value));
    return value;
}
static inline void *escape(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

#endif
