/* os_bounds.c - where stacks begin and end, and how far they were used.
 *
 * A thread's stack is known to the C library. The main thread's is not a mapping of fixed size: the kernel lets
 * it grow downwards until the limit (RLIMIT_STACK, counted from the mapping's high end), or until it comes
 * within 256 pages of the next mapping. glibc answers for it by reading /proc/self/maps and allocating; we read
 * the same file ourselves. Which mapping it is, is told by the program's random bytes, which the kernel puts
 * above the first frame. (The name "[stack]" in that file is Valgrind's own, where that runs the program.)
 */
#include "os/os.h"
#include "os/os_maps.h"
#include "os/os_stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { KERNEL_GAP_PAGES = 256 };

static uintptr_t on_main_stack(void) { return getauxval(AT_RANDOM); }

struct search {
    uintptr_t address;
    uintptr_t below; /* high end of the accessible mapping below the one found */
    struct fh_os_mapping found;
    bool main;
};

/* The first accessible mapping that holds the address or lies above it. */
static bool look(const struct fh_os_mapping *mapping, void *context) {
    struct search *search = context;
    if (mapping->high <= search->address || !mapping->write) {
        search->below = mapping->high;
        return true;
    }
    search->found = *mapping;
    search->main = mapping->low <= on_main_stack() && on_main_stack() < mapping->high;
    return false;
}

static char *main_low(const struct search *search) {
    struct rlimit limit;
    uintptr_t low = search->found.low, high = search->found.high, page = fh_os_page_size();
    uintptr_t nearest = search->below ? search->below + KERNEL_GAP_PAGES * page : 0;
    if (getrlimit(RLIMIT_STACK, &limit) == 0) {
        uintptr_t lowest = limit.rlim_cur < high ? high - (uintptr_t)limit.rlim_cur : 0;
        lowest = (lowest + page - 1) & ~(page - 1);
        if (lowest < nearest) lowest = nearest;
        if (lowest < low) low = lowest;
    }
    return (char *)low;
}

bool fh_os_stack_bounds_near(const void *address, struct fh_os_bounds *bounds) {
    struct search search = {.address = (uintptr_t)address};
    if (!fh_os_maps(look, &search) || search.found.high == 0) return false;
    bounds->low = search.main ? main_low(&search) : (char *)search.found.low;
    bounds->high = (char *)search.found.high;
    bounds->main = search.main;
    bounds->mapped_low = (char *)search.found.low;
    return true;
}

bool fh_os_main_stack(struct fh_os_bounds *bounds) {
    return fh_os_stack_bounds_near((const void *)on_main_stack(), bounds) && bounds->main;
}

struct guard_search {
    uintptr_t low;
    struct fh_os_guard *guard;
    bool found;
};

static bool look_for_guard(const struct fh_os_mapping *mapping, void *context) {
    struct guard_search *search = context;
    if (mapping->high < search->low) return true;
    search->found = mapping->high == search->low && !mapping->read && !mapping->write;
    *search->guard = (struct fh_os_guard){(char *)mapping->low, mapping->high - mapping->low};
    return false;
}

bool fh_os_guard_below(const char *low, struct fh_os_guard *guard) {
    struct guard_search search = {(uintptr_t)low, guard, false};
    return fh_os_maps(look_for_guard, &search) && search.found;
}

bool fh_os_stack_bounds(struct fh_os_bounds *bounds) {
    if (syscall(SYS_gettid) == getpid()) {
        return fh_os_stack_bounds_near(__builtin_frame_address(0), bounds) && bounds->main;
    }
    pthread_attr_t attributes;
    void *low;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return false;
    bool good = pthread_attr_getstack(&attributes, &low, &size) == 0;
    pthread_attr_destroy(&attributes);
    *bounds = (struct fh_os_bounds){low, (char *)low + size, false, low};
    return good;
}

char *fh_os_lowest_touched(char *low, char *here) {
    enum { CHUNK = 1024 };
    unsigned char touched[CHUNK];
    size_t page = fh_os_page_size();
    char *at = (char *)((uintptr_t)here & ~(uintptr_t)(page - 1)), *lowest = at;
    low = (char *)(((uintptr_t)low + page - 1) & ~(uintptr_t)(page - 1));
    size_t step = CHUNK;
    while (at > low && step > 0) {
        size_t pages = (size_t)(at - low) / page;
        if (pages > step) pages = step;
        char *start = at - pages * page;
        if (mincore(start, pages * page, touched) != 0) {
            step = pages / 2; /* part of it is not mapped: the end of the main thread's stack so far */
            continue;
        }
        for (size_t i = 0; i < pages; i++) {
            if (!(touched[i] & 1)) continue;
            lowest = start + i * page;
            break;
        }
        at = start;
    }
    return lowest;
}

char *fh_os_stack_map(size_t size, const char *below) {
    size_t page = fh_os_page_size(), whole = size + 2 * page;
    char *hint = (uintptr_t)below > whole + page
                     ? (char *)(((uintptr_t)below - whole - page) & ~(uintptr_t)(page - 1))
                     : NULL;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    char *mapping = mmap(hint, whole, PROT_NONE, flags, -1, 0);
    if (mapping == MAP_FAILED && hint)
        mapping = mmap(NULL, whole, PROT_NONE, flags, -1, 0); /* places may be refused */
    if (mapping == MAP_FAILED) return NULL;
    if (mprotect(mapping + page, size, PROT_READ | PROT_WRITE) != 0) {
        munmap(mapping, whole);
        errno = ENOMEM;
        return NULL;
    }
    return mapping + page;
}

void fh_os_stack_unmap(char *low, size_t size) {
    size_t page = fh_os_page_size();
    munmap(low - page, size + 2 * page);
}

bool fh_os_on_signal_stack(const char *here, size_t *left) {
    stack_t now;
    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_ONSTACK)) return false;
    *left = (size_t)(here - (char *)now.ss_sp);
    return true;
}
