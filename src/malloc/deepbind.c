/* deepbind.c - plug-ins that are loaded with RTLD_DEEPBIND get the same malloc as the rest of the program.
 *
 * The flag makes a plug-in look names up in itself and its libraries before the program: so it would find
 * libc's malloc and free, while the program that hands it blocks uses ours. The first block that crosses over
 * ends the process inside libc, with every preloaded malloc; PHP loads its extensions so. We take the flag out.
 * What it is meant for - a plug-in whose own names shadow the program's - is lost to such plug-ins; what they
 * gain is that they run.
 *
 * Only in the shared library, and only with glibc, which alone has the flag. The real function is jumped to,
 * not called from here: it looks at its return address to tell whose search path and namespace apply.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/os.h"

#include <dlfcn.h>
#include <freehold/heap.h>

#ifdef RTLD_DEEPBIND

FH_AT_START FH_API void *dlopen(const char *file, int mode) {
    static void *(*real)(const char *, int);
    static char name[] = "dlopen"; /* not a constant: see fh_os_gives_huge_unasked */
    if (real == NULL) {            /* found twice when two threads come at once, with the same result */
        void *found = dlsym(RTLD_NEXT, name);
        __builtin_memcpy(&real, &found, sizeof real);
    }
    return real(file, mode & ~RTLD_DEEPBIND);
}

#endif
