/* malloc.c - the standard names, so that the library can be preloaded into a program or linked into it.
 *
 * malloc, calloc, realloc, free, aligned_alloc and the rest of the family as C, POSIX and glibc define them;
 * each is the heap's function under another name, or a few lines around it. All of them must be here: a program
 * that got some from us and some from libc would free what the other one allocated.
 *
 *     free_sized, free_aligned_sized       C23; the size is not trusted
 *     valloc, pvalloc, memalign            obsolete, still in use
 *     mallinfo, mallinfo2, malloc_info, malloc_stats, malloc_trim, mallopt      glibc's own
 */
#include "../base/report.h"
#include "../heap/fast.h"
#include "../os/os.h"
#include "own_names.h"

#include <errno.h>

#define EXPORT FH_API

/* Ours, since not every libc declares them all. */
EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t size);
EXPORT void *reallocarray(void *p, size_t n, size_t size);
EXPORT void free(void *p);
EXPORT void cfree(void *p);
EXPORT void free_sized(void *p, size_t size);
EXPORT void free_aligned_sized(void *p, size_t align, size_t size);
EXPORT void *aligned_alloc(size_t align, size_t size);
EXPORT int posix_memalign(void **result, size_t align, size_t size);
EXPORT void *memalign(size_t align, size_t size);
EXPORT void *valloc(size_t size);
EXPORT void *pvalloc(size_t size);
EXPORT size_t malloc_usable_size(void *p);
EXPORT size_t malloc_good_size(size_t size);

const char fh_standard_names __attribute__((visibility("hidden"))) = 1; /* alloc.c says why */

void *malloc(size_t size) { return fh_fast_malloc(size); }

void free(void *p) { fh_fast_free(p); }

void cfree(void *p) { fh_fast_free(p); }

void *calloc(size_t n, size_t size) { return fh_fast_calloc(n, size); }

void *fh_own_malloc(size_t size) __attribute__((alias("malloc")));
void *fh_own_calloc(size_t n, size_t size) __attribute__((alias("calloc")));
void fh_own_free(void *p) __attribute__((alias("free")));

void *realloc(void *p, size_t size) { return fh_realloc(p, size); }

/* Those that a program with a malloc of its own may lack: elsewhere they are made of realloc and free, and
 * blocks of the program's come to them. Whose those are is asked of the loader: Clang would take them for ours.
 * */
static void *own_realloc(void *p, size_t size) __attribute__((alias("realloc")));
#define FOUND_FIRST(name)                   \
    __extension__({                         \
        __typeof__(&(name)) found = (name); \
        __asm__("" : "+r"(found));          \
        found;                              \
    })

void *reallocarray(void *p, size_t n, size_t size) {
    size_t bytes;
    void *(*first)(void *, size_t) = FOUND_FIRST(realloc);
    if (FH_LIKELY(first == own_realloc)) return fh_reallocarray(p, n, size);
    return __builtin_mul_overflow(n, size, &bytes) ? fh_reallocarray(NULL, n, size) : first(p, bytes);
}

static __attribute__((noinline)) void free_sized_slow(void *p, size_t size, size_t align) {
    void (*first)(void *) = FOUND_FIRST(free);
    if (first != fh_own_free) first(p);
    else fh_sized_slow(p, size, align);
}

void free_sized(void *p, size_t size) {
    if (!fh_fast_put(p)) free_sized_slow(p, size, 1);
}

void free_aligned_sized(void *p, size_t align, size_t size) {
    if (!fh_fast_put(p)) free_sized_slow(p, size, align);
}

void *aligned_alloc(size_t align, size_t size) { return fh_aligned_alloc(align, size); }

/* glibc's memalign takes any number and rounds it up to a power of two; programs rely on it. */
void *memalign(size_t align, size_t size) {
    size_t power = 1;
    while (power < align && power <= PTRDIFF_MAX) power *= 2;
    return fh_aligned_alloc(power, size);
}

int posix_memalign(void **result, size_t align, size_t size) {
    if (align < sizeof(void *) || (align & (align - 1))) return EINVAL;
    int saved = errno;
    void *block = fh_fast_aligned(align, size, (uintptr_t)__builtin_return_address(0));
    errno = saved; /* the function reports through its result alone */
    if (block == NULL) return ENOMEM;
    *result = block;
    return 0;
}

void *valloc(size_t size) { return fh_aligned_alloc(fh_os_page_size(), size); }

void *pvalloc(size_t size) {
    size_t page = fh_os_page_size();
    if (size > PTRDIFF_MAX) return fh_aligned_alloc(page, size); /* which refuses it */
    return fh_aligned_alloc(page, size ? (size + page - 1) & ~(page - 1) : page);
}

size_t malloc_usable_size(void *p) { return fh_usable_size(p); }

size_t malloc_good_size(size_t size) { return fh_good_size(size); }
