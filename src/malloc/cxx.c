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
 * A program may replace some forms and leave the others, which the standard makes of those:
 *
 *     new[] ──> new        delete of a size, nothrow delete ──> delete        delete[] ──> delete, and so with the
 *     aligned ones                delete[] of a size, nothrow delete[] ──> delete[] ──> delete
 *
 * The program's blocks may have a header in front, its calls may be counted; so ours must come to its forms,
 * too. All our names are weak, for a program that is linked with the static library. And where a form that
 * others are made of is the program's, these others take no fast path (space.h has the bounds), and their slow
 * path hands the call on.
 *
 * The nothrow forms of new are left to the C++ runtime on purpose: there they call the forms above and turn any
 * exception, also one that the new_handler throws, into NULL. C cannot catch.
 */
#include "../base/report.h"
#include "../heap/check.h"
#include "../heap/fast.h"
#include "../os/os.h"

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
static __attribute__((noinline)) void *new_slow(size_t size, size_t align, unsigned kind, uintptr_t caller) {
    void *block = fh_new_slow(size, align, kind, caller);
    return FH_LIKELY(block != NULL) ? block : new_failed(size, align, kind, caller);
}

FH_INLINE void *new (size_t size, unsigned kind, uintptr_t caller) {
    void *block = fh_fast_take(size);
    return FH_LIKELY(block != NULL) ? block : new_slow(size, 1, kind, caller);
}

/* Every alignment and size within the bins' reach. */
FH_INLINE void *take_aligned(size_t size, size_t align) {
    return align <= FH_SMALL_MAX && size <= FH_SMALL_MAX ? fh_fast_take(fh_aligned_size(size, align)) : NULL;
}

FH_INLINE void *new_aligned(size_t size, size_t align, unsigned kind, uintptr_t caller) {
    void *block = take_aligned(size, align);
    return FH_LIKELY(block != NULL) ? block : new_slow(size, align, kind, caller);
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

#define FORM FH_API __attribute__((weak))
#define NEW(name)                 \
    FORM void *name(size_t size); \
    void *name(size_t size)
#define NEW_ALIGNED(name)                       \
    FORM void *name(size_t size, size_t align); \
    void *name(size_t size, size_t align)

NEW(_Znwm) { return new (size, FH_KIND_NEW, CALLER); }
NEW_ALIGNED(_ZnwmSt11align_val_t) { return new_aligned(size, align, FH_KIND_NEW, CALLER); }

/* Deletes are one on the fast path: the heap knows the class, and does not trust a size that a wrong destructor
 * may have made wrong. Where each call is seen, kind, size and alignment are compared with the new's. */
#define SIZED FH_CALL_SIZED
#define DELETE(name, parameters, align)                                \
    FORM void name parameters;                                         \
    void name parameters {                                             \
        if (!fh_fast_put(p)) fh_delete_slow(p, 0, align, FH_KIND_NEW); \
    }
DELETE(_ZdlPv, (void *p), 1)
DELETE(_ZdlPvSt11align_val_t, (void *p, size_t align), align)

/* ---- forms that are made of others ---- */

/* Ours of those that others are made of, whoever else's stands in front. */
static __typeof__(_Znwm) own_new __attribute__((alias("_Znwm")));
static __typeof__(_ZnwmSt11align_val_t) own_new_aligned __attribute__((alias("_ZnwmSt11align_val_t")));
static __typeof__(_ZdlPv) own_delete __attribute__((alias("_ZdlPv")));
static __typeof__(_ZdlPvSt11align_val_t) own_delete_aligned __attribute__((alias("_ZdlPvSt11align_val_t")));

static void *array_slow(size_t size, uintptr_t caller) {
    return _Znwm != own_new ? _Znwm(size) : new_slow(size, 1, FH_KIND_NEW_ARRAY, caller);
}

static void *array_aligned_slow(size_t size, size_t align, uintptr_t caller) {
    if (_ZnwmSt11align_val_t != own_new_aligned) return _ZnwmSt11align_val_t(size, align);
    return new_slow(size, align, FH_KIND_NEW_ARRAY, caller);
}

NEW(_Znam) {
    void *block = size <= FH_READ(fh_space.array_most) ? fh_fast_take(size) : NULL;
    return FH_LIKELY(block != NULL) ? block : array_slow(size, CALLER);
}

NEW_ALIGNED(_ZnamSt11align_val_t) {
    void *block = size <= FH_READ(fh_space.array_most) ? take_aligned(size, align) : NULL;
    return FH_LIKELY(block != NULL) ? block : array_aligned_slow(size, align, CALLER);
}

/* Each ends in a jump, so that the caller is the program still. */
static __attribute__((noinline)) void on_delete(void *p, size_t size, unsigned kind) {
    if (_ZdlPv != own_delete) _ZdlPv(p);
    else fh_delete_slow(p, size, 1, kind);
}

static __attribute__((noinline)) void on_delete_aligned(void *p, size_t size, size_t align, unsigned kind) {
    if (_ZdlPvSt11align_val_t != own_delete_aligned) _ZdlPvSt11align_val_t(p, align);
    else fh_delete_slow(p, size, align, kind);
}

#define MADE_OF(slow, name, parameters, ...)                                            \
    FORM void name parameters;                                                          \
    void name parameters {                                                              \
        if (!fh_fast_put_below(p, FH_READ(fh_space.delete_size))) slow(p, __VA_ARGS__); \
    }
#define NOTHROW __attribute__((unused)) const void *nothrow

MADE_OF(on_delete, _ZdlPvm, (void *p, size_t size), size, FH_KIND_NEW | SIZED)
MADE_OF(on_delete, _ZdlPvRKSt9nothrow_t, (void *p, NOTHROW), 0, FH_KIND_NEW)
MADE_OF(on_delete_aligned, _ZdlPvmSt11align_val_t, (void *p, size_t size, size_t align), size, align,
        FH_KIND_NEW | SIZED)
MADE_OF(on_delete_aligned, _ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, NOTHROW), 0, align,
        FH_KIND_NEW)
MADE_OF(on_delete, _ZdaPv, (void *p), 0, FH_KIND_NEW_ARRAY)
MADE_OF(on_delete_aligned, _ZdaPvSt11align_val_t, (void *p, size_t align), 0, align, FH_KIND_NEW_ARRAY)

static __typeof__(_ZdaPv) own_array_delete __attribute__((alias("_ZdaPv")));
static __typeof__(_ZdaPvSt11align_val_t) own_array_delete_aligned
    __attribute__((alias("_ZdaPvSt11align_val_t")));

static __attribute__((noinline)) void on_array(void *p, size_t size, unsigned kind) {
    if (_ZdaPv != own_array_delete) _ZdaPv(p);
    else on_delete(p, size, kind);
}

static __attribute__((noinline)) void on_array_aligned(void *p, size_t size, size_t align, unsigned kind) {
    if (_ZdaPvSt11align_val_t != own_array_delete_aligned) _ZdaPvSt11align_val_t(p, align);
    else on_delete_aligned(p, size, align, kind);
}

MADE_OF(on_array, _ZdaPvm, (void *p, size_t size), size, FH_KIND_NEW_ARRAY | SIZED)
MADE_OF(on_array, _ZdaPvRKSt9nothrow_t, (void *p, NOTHROW), 0, FH_KIND_NEW_ARRAY)
MADE_OF(on_array_aligned, _ZdaPvmSt11align_val_t, (void *p, size_t size, size_t align), size, align,
        FH_KIND_NEW_ARRAY | SIZED)
MADE_OF(on_array_aligned, _ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, NOTHROW), 0, align,
        FH_KIND_NEW_ARRAY)

FH_AT_START bool fh_new_is_replaced(void) {
    return _Znwm != own_new || _ZnwmSt11align_val_t != own_new_aligned;
}

FH_AT_START bool fh_delete_is_replaced(void) {
    return _ZdlPv != own_delete || _ZdlPvSt11align_val_t != own_delete_aligned || _ZdaPv != own_array_delete ||
           _ZdaPvSt11align_val_t != own_array_delete_aligned;
}
