/* thrd.c - C11's thrd_create in front of the C library's, which does not come by pthread_create.
 *
 *     program ── thrd_create ──> here ── threads are to be seen ──> threads.c ──> pthread_create of the C library
 *                                     └─ nobody looks ────────────────────────> thrd_create of the C library
 *
 * Both C libraries have pthread_t and thrd_t as one type, join a thread of C11's as one of POSIX's, and take
 * the result from the low bits of what its function returned; so a thread that pthread_create started is one of
 * C11's, too.
 *
 * Only in the shared library: a static program takes the C library's thrd_create, which is how threads.c gets
 * hold of its pthread_create.
 */
#include "stack/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <freehold/heap.h>
#include <stdatomic.h>

_Static_assert(_Generic((thrd_t){0}, pthread_t : 1, default : 0), "a thread of C11's is one of POSIX's");

fh_threads_c11 *fh_threads_next_c11(void) {
    static fh_threads_c11 *_Atomic next;
    fh_threads_c11 *found = atomic_load_explicit(&next, memory_order_acquire);
    if (found == NULL) {
        *(void **)&found = dlsym(RTLD_NEXT, "thrd_create");
        atomic_store_explicit(&next, found, memory_order_release);
    }
    return found;
}

int fh_threads_our_c11(thrd_t *thread, thrd_start_t function, void *argument) {
    int error;
    if (fh_threads_create_c11(thread, function, argument, &error))
        return error == 0 ? thrd_success : error == ENOMEM ? thrd_nomem : thrd_error;
    fh_threads_c11 *create = fh_threads_next_c11();
    return create != NULL ? create(thread, function, argument) : thrd_error;
}

FH_API int thrd_create(thrd_t *thread, thrd_start_t function, void *argument) {
    return fh_threads_our_c11(thread, function, argument);
}
