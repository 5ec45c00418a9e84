/* cxx.c - operator new and delete in every form, in C, under their mangled names.
 *
 * In C, so that the library needs no C++ compiler and no C++ runtime. What C++ asks of a failing new - call the program's
 * new_handler until it gives up, then throw std::bad_alloc - is done through the C++ runtime where the program has one:
 * its functions are weak references here. Without one nobody can catch, and the report says so.
 *
 *     _Znwm     operator new(size_t)             _ZdlPv     operator delete(void *)
 *     _Znam     ... new[]                        _ZdaPv     ... delete[]
 *     suffixes: St11align_val_t  aligned,   m  sized delete,   RKSt9nothrow_t  nothrow
 *
 * The nothrow forms of new are left to the C++ runtime on purpose: there they call the forms above and turn any
 * exception, also one that the new_handler throws, into NULL. C cannot catch.
 */
#include "../base/report.h"
#include "../heap/fast.h"

typedef void (*new_handler)(void);
extern new_handler _ZSt15get_new_handlerv(void) __attribute__((weak));       /* std::get_new_handler() */
extern _Noreturn void _ZSt17__throw_bad_allocv(void) __attribute__((weak)); /* std::__throw_bad_alloc() */

/* Tries again as long as the program's handler hopes; NULL when there is no handler. */
static void *retry(size_t size, size_t align) {
    while (_ZSt15get_new_handlerv) {
        new_handler handler = _ZSt15get_new_handlerv();
        if (handler == NULL) return NULL;
        handler(); /* may throw */
        void *block = fh_alloc_slow(size, align);
        if (block) return block;
    }
    return NULL;
}

static __attribute__((noinline, cold)) void *new_failed(size_t size, size_t align) {
    void *block = retry(size, align);
    if (block) return block;
    if (_ZSt17__throw_bad_allocv) _ZSt17__throw_bad_allocv();
    fh_fatal("operator new: no memory for %zu bytes, and no C++ runtime to throw std::bad_alloc", size);
}

FH_INLINE void *or_throw(void *block, size_t size, size_t align) {
    return FH_LIKELY(block != NULL) ? block : new_failed(size, align);
}

#define NEW(name) FH_API void *name(size_t size); void *name(size_t size)
#define NEW_ALIGNED(name) FH_API void *name(size_t size, size_t align); void *name(size_t size, size_t align)

NEW(_Znwm) { return or_throw(fh_fast_malloc(size), size, 1); }
NEW(_Znam) { return or_throw(fh_fast_malloc(size), size, 1); }
NEW_ALIGNED(_ZnwmSt11align_val_t) { return or_throw(fh_fast_aligned(align, size), size, align); }
NEW_ALIGNED(_ZnamSt11align_val_t) { return or_throw(fh_fast_aligned(align, size), size, align); }

/* All deletes are one: the heap knows the class, and does not trust a size that a wrong destructor may have made wrong. */
#define DELETE(name) FH_API void name(void *p); void name(void *p) { fh_fast_free(p); }
#define DELETE_1(name, type) FH_API void name(void *p, type a); void name(void *p, type a) { (void)a; fh_fast_free(p); }
#define DELETE_2(name, type1, type2) \
    FH_API void name(void *p, type1 a, type2 b); \
    void name(void *p, type1 a, type2 b) { (void)a; (void)b; fh_fast_free(p); }

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE_1(_ZdlPvm, size_t)
DELETE_1(_ZdaPvm, size_t)
DELETE_1(_ZdlPvRKSt9nothrow_t, const void *)
DELETE_1(_ZdaPvRKSt9nothrow_t, const void *)
DELETE_1(_ZdlPvSt11align_val_t, size_t)
DELETE_1(_ZdaPvSt11align_val_t, size_t)
DELETE_2(_ZdlPvmSt11align_val_t, size_t, size_t)
DELETE_2(_ZdaPvmSt11align_val_t, size_t, size_t)
DELETE_2(_ZdlPvSt11align_val_tRKSt9nothrow_t, size_t, const void *)
DELETE_2(_ZdaPvSt11align_val_tRKSt9nothrow_t, size_t, const void *)
