/* cxx.c - operator new and delete in every form, in C, under their mangled names.
 *
 * In C, so that the library needs no C++ compiler and no C++ runtime. What C++ asks of a failing new - call the
 * program's new_handler until it gives up, then throw std::bad_alloc - is done through the C++ runtime where
 * the program has one: its functions are weak references here. Without one nobody can catch, and the report
 * says so.
 *
 *     _Znwm     operator new(size_t)             _ZdlPv     operator delete(void *)
 *     _Znam     ... new[]                        _ZdaPv     ... delete[]
 *     suffixes: St11align_val_t  aligned,   m  sized delete,   RKSt9nothrow_t  nothrow
 *
 * The nothrow forms of new are left to the C++ runtime on purpose: there they call the forms above and turn any
 * exception, also one that the new_handler throws, into NULL. C cannot catch.
 */
#include "../base/report.h"
#include "../heap/check.h"
#include "../heap/fast.h"

typedef void (*new_handler)(void);
extern new_handler _ZSt15get_new_handlerv(void) __attribute__((weak));      /* std::get_new_handler() */
extern _Noreturn void _ZSt17__throw_bad_allocv(void) __attribute__((weak)); /* std::__throw_bad_alloc() */

/* Tries again as long as the program's handler hopes; NULL when there is no handler. */
static void *retry(size_t size, size_t align, unsigned kind, uintptr_t caller) {
    while (_ZSt15get_new_handlerv) {
        new_handler handler = _ZSt15get_new_handlerv();
        if (handler == NULL) return NULL;
        handler(); /* may throw */
        void *block = fh_new_slow(size, align, kind, caller);
        if (block) return block;
    }
    return NULL;
}

static __attribute__((noinline, cold)) void *new_failed(size_t size, size_t align, unsigned kind,
                                                        uintptr_t caller) {
    void *block = retry(size, align, kind, caller);
    if (block) return block;
    if (_ZSt17__throw_bad_allocv) _ZSt17__throw_bad_allocv();
    fh_fatal("operator new: no memory for %zu bytes, and no C++ runtime to throw std::bad_alloc", size);
}

/* Behind an empty bin the kind of the call is told, so that checked mode can compare it with the delete's. */
FH_INLINE void *new (size_t size, unsigned kind, uintptr_t caller) {
    void *block = fh_fast_take(size);
    if (FH_LIKELY(block != NULL)) return block;
    block = fh_new_slow(size, 1, kind, caller);
    return FH_LIKELY(block != NULL) ? block : new_failed(size, 1, kind, caller);
}

FH_INLINE void *new_aligned(size_t size, size_t align, unsigned kind, uintptr_t caller) {
    void *block =
        align <= FH_SMALL_MAX && size <= FH_SMALL_MAX ? fh_fast_take(fh_aligned_size(size, align)) : NULL;
    if (FH_LIKELY(block != NULL)) return block;
    block = fh_new_slow(size, align, kind, caller);
    return FH_LIKELY(block != NULL) ? block : new_failed(size, align, kind, caller);
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

#define NEW(name)                   \
    FH_API void *name(size_t size); \
    void *name(size_t size)
#define NEW_ALIGNED(name)                         \
    FH_API void *name(size_t size, size_t align); \
    void *name(size_t size, size_t align)

NEW(_Znwm) { return new (size, FH_KIND_NEW, CALLER); }
NEW(_Znam) { return new (size, FH_KIND_NEW_ARRAY, CALLER); }
NEW_ALIGNED(_ZnwmSt11align_val_t) { return new_aligned(size, align, FH_KIND_NEW, CALLER); }
NEW_ALIGNED(_ZnamSt11align_val_t) { return new_aligned(size, align, FH_KIND_NEW_ARRAY, CALLER); }

/* All deletes are one on the fast path: the heap knows the class, and does not trust a size that a wrong
 * destructor may have made wrong. Where each call is seen, kind, size and alignment are compared with the
 * new's. */
#define DELETE(name, kind, parameters, size, align)                \
    FH_API void name parameters;                                   \
    void name parameters {                                         \
        if (!fh_fast_put(p)) fh_delete_slow(p, size, align, kind); \
    }
#define SIZED FH_CALL_SIZED

DELETE(_ZdlPv, FH_KIND_NEW, (void *p), 0, 1)
DELETE(_ZdaPv, FH_KIND_NEW_ARRAY, (void *p), 0, 1)
DELETE(_ZdlPvm, FH_KIND_NEW | SIZED, (void *p, size_t size), size, 1)
DELETE(_ZdaPvm, FH_KIND_NEW_ARRAY | SIZED, (void *p, size_t size), size, 1)
DELETE(_ZdlPvSt11align_val_t, FH_KIND_NEW, (void *p, size_t align), 0, align)
DELETE(_ZdaPvSt11align_val_t, FH_KIND_NEW_ARRAY, (void *p, size_t align), 0, align)
DELETE(_ZdlPvmSt11align_val_t, FH_KIND_NEW | SIZED, (void *p, size_t size, size_t align), size, align)
DELETE(_ZdaPvmSt11align_val_t, FH_KIND_NEW_ARRAY | SIZED, (void *p, size_t size, size_t align), size, align)

#define NOTHROW __attribute__((unused)) const void *nothrow
DELETE(_ZdlPvRKSt9nothrow_t, FH_KIND_NEW, (void *p, NOTHROW), 0, 1)
DELETE(_ZdaPvRKSt9nothrow_t, FH_KIND_NEW_ARRAY, (void *p, NOTHROW), 0, 1)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, FH_KIND_NEW, (void *p, size_t align, NOTHROW), 0, align)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, FH_KIND_NEW_ARRAY, (void *p, size_t align, NOTHROW), 0, align)
