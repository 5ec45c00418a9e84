/* os_pages.c - pages of memory from Linux.
 *
 * Everything is a private anonymous mapping. Places are asked for with MAP_FIXED_NOREPLACE, so that a mapping
 * of somebody else's is never torn away; kernels before 4.17 take the address as a hint, which the test of the
 * result covers. Memory is given back with MADV_DONTNEED and never MADV_FREE, because only the former shows in
 * the resident size at once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif

#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

size_t fh_os_page_size(void) {
    static _Atomic size_t size; /* asked for once; every thread would find the same */
    size_t known = atomic_load_explicit(&size, memory_order_relaxed);
    if (known == 0) {
        known = getauxval(AT_PAGESZ);
        atomic_store_explicit(&size, known, memory_order_relaxed);
    }
    return known;
}

static void *mapped(void *result) { return result == MAP_FAILED ? NULL : result; }

void *fh_os_map(size_t size) { return mapped(mmap(NULL, size, PROT_READ | PROT_WRITE, PRIVATE, -1, 0)); }

static bool map_at(void *at, size_t size, int flags) {
    void *got = mmap(at, size, PROT_READ | PROT_WRITE, PRIVATE | MAP_FIXED_NOREPLACE | flags, -1, 0);
    if (got == at) return true;
    if (got != MAP_FAILED) { /* an old kernel put it elsewhere */
        munmap(got, size);
        errno = EEXIST;
    }
    return false;
}

bool fh_os_map_at(void *at, size_t size) { return map_at(at, size, 0); }

bool fh_os_map_table_at(void *at, size_t size) { return map_at(at, size, MAP_NORESERVE); }

void *fh_os_reserve(size_t size) { return mapped(mmap(NULL, size, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0)); }

void *fh_os_map_sparse(size_t size) {
    return mapped(mmap(NULL, size, PROT_READ | PROT_WRITE, PRIVATE | MAP_NORESERVE, -1, 0));
}

bool fh_os_decommit(void *at, size_t size) {
    return mmap(at, size, PROT_NONE, PRIVATE | MAP_NORESERVE | MAP_FIXED, -1, 0) == at;
}

bool fh_os_commit(void *at, size_t size) { return mprotect(at, size, PROT_READ | PROT_WRITE) == 0; }

void fh_os_unmap(void *at, size_t size) { munmap(at, size); }

bool fh_os_protect(void *at, size_t size) { return mprotect(at, size, PROT_NONE) == 0; }

bool fh_os_purge(void *at, size_t size) { return madvise(at, size, MADV_DONTNEED) == 0; }

bool fh_os_resident(void *at, size_t size, unsigned char *there) {
    int saved = errno;
    bool done = mincore(at, size, there) == 0;
    errno = saved;
    return done;
}

bool fh_os_use_huge(void *at, size_t size, bool huge) {
    int saved = errno;
    bool done = madvise(at, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0;
    errno = saved;
    return done;
}

/* By bare system calls: the C library's functions may end the thread here, when it is cancelled. Its words are
 * no constants: they would be the only ones that most processes read, and 64 KiB around them came into memory.
 * */
bool fh_os_gives_huge_unasked(void) {
    static char setting[] = "/sys/kernel/mm/transparent_hugepage/enabled", always[] = "[always]";
    char text[64] = "";
    int saved = errno;
    long file = syscall(SYS_openat, AT_FDCWD, setting, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        syscall(SYS_read, file, text, sizeof text - 1);
        syscall(SYS_close, file);
    }
    errno = saved;
    return strstr(text, always) != NULL;
}

/* A kernel before 6.12 that refuses what it would have to promise has unmapped the place already: hence the
 * second try, without a promise. */
bool fh_os_map_anew(void *at, size_t size) {
    int flags = PRIVATE | MAP_FIXED;
    return mmap(at, size, PROT_READ | PROT_WRITE, flags, -1, 0) == at ||
           mmap(at, size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, -1, 0) == at;
}

/* The old place is mapped anew, although DONTUNMAP leaves it mapped: so it can merge with its neighbours'
 * mappings, which the kernel allows only to mappings that never held pages; and qemu-user 7 takes it for
 * unmapped otherwise. It is never given up in between, so nobody else can get it. */
bool fh_os_move(void *from, void *to, size_t size) {
    void *got = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
    if (got != to) return false;
    (void)fh_os_map_anew(from, size); /* if this is refused, what DONTUNMAP left will do */
    return true;
}
