/* tools.h - telling AddressSanitizer and Valgrind about memory and stacks, through their public client
 * interfaces.
 *
 * Both are found out at run time. The sanitizer's functions are weak references: they are there when the
 * program was linked with it. Valgrind's requests are a few instructions that do nothing outside of it; they
 * are built in when its headers were there at build time.
 */
#ifndef FH_STACK_TOOLS_H
#define FH_STACK_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#define FH_HAVE_VALGRIND 1
#endif
#endif

#define FH_WEAK __attribute__((weak, visibility("default")))

FH_WEAK void __asan_poison_memory_region(const volatile void *address, size_t size);
FH_WEAK void __asan_unpoison_memory_region(const volatile void *address, size_t size);
FH_WEAK void *__asan_get_report_address(void);
FH_WEAK void __asan_set_error_report_callback(void (*callback)(const char *report));
FH_WEAK void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
FH_WEAK void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old, size_t *size_old);

static inline bool fh_tools_asan(void) { return __asan_poison_memory_region != NULL; }

static inline bool fh_tools_valgrind(void) {
#ifdef FH_HAVE_VALGRIND
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

static inline void fh_tools_forbid(char *address, size_t size) {
    if (__asan_poison_memory_region) __asan_poison_memory_region(address, size);
#ifdef FH_HAVE_VALGRIND
    VALGRIND_MAKE_MEM_NOACCESS(address, size);
#endif
}

/* Readable and writable, contents undefined. */
static inline void fh_tools_allow(char *address, size_t size) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(address, size);
#ifdef FH_HAVE_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(address, size);
#endif
}

/* Readable and writable as memory is that belongs to nobody in particular. */
static inline void fh_tools_release(char *address, size_t size) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(address, size);
#ifdef FH_HAVE_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(address, size);
#endif
}

/* Gives the memory a name in Valgrind's reports. Returns a handle for fh_tools_unname; 0 is none. */
static inline unsigned fh_tools_name(char *address, size_t size, const char *name) {
#ifdef FH_HAVE_VALGRIND
    return (unsigned)VALGRIND_CREATE_BLOCK(address, size, name) + 1;
#else
    (void)address, (void)size, (void)name;
    return 0;
#endif
}

static inline void fh_tools_unname(unsigned handle) {
#ifdef FH_HAVE_VALGRIND
    if (handle != 0) VALGRIND_DISCARD(handle - 1);
#else
    (void)handle;
#endif
}

#endif
