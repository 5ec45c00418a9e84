/* arc.h - Arc(T): one T with owners in several threads; ArcWeak(T): a handle that does not keep it alive.
 *
 *     #include <freehold/type.h>
 *     #include <pthread.h>
 *
 *     typedef struct { int answer; } Shared;
 *     FH_PLAIN(Shared)
 *
 *     static void *work(void *in) {
 *         fh_own(fh_Arc(Shared)) shared = in;                       // adopted: this thread owns one handle
 *         return shared->answer == 42 ? NULL : in;
 *     }
 *     int main(void) {
 *         fh_own(fh_Arc(Shared)) shared = fh_arc(Shared, .answer = 42);
 *         pthread_t thread;
 *         if (pthread_create(&thread, NULL, work, fh_arc_clone(shared)) != 0) return 1;
 *         void *wrong;
 *         pthread_join(thread, &wrong);
 *         return wrong != NULL;
 *     }
 *
 * As Rc (rc.h: same block, same word), with atomic counts. The handles may be used and dropped by any thread;
 * the T itself is as safe as you make it (a mutex in it, or nothing that changes). Each subtraction of an owner
 * releases; the last one acquires, drops the T, and finds out by a load whether a Weak is about: so an Arc that
 * is made and dropped costs one atomic operation.
 *
 * While the process has a single thread, counting is plain arithmetic: glibc keeps a variable that says so
 * (<sys/single_threaded.h>, from 2.32), which pthread_create changes before the second thread begins; libstdc++
 * counts its shared_ptr likewise. Elsewhere, and once there was a second thread, each count is atomic. Threads
 * that are made by clone() behind the C library's back must not share an Arc.
 *
 * Why not look at the count before subtracting, and spare the atomic operation whenever nobody shares it?
 * Measured: an Arc that is made and dropped gains a third, but one that is cloned and dropped, which is what an
 * Arc is for, loses a quarter.
 */
#ifndef FREEHOLD_ARC_H
#define FREEHOLD_ARC_H

#include <freehold/counts.h>

#ifdef __has_include
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define FH_ONE_THREAD __libc_single_threaded
#endif
#endif
#ifndef FH_ONE_THREAD
#define FH_ONE_THREAD 0
#endif

/* The types. */
#define fh_Arc(T) FH_CAT(fh_Arc_, T)
#define fh_ArcWeak(T) FH_CAT(fh_ArcWeak_, T)

/* fh_arc(T, initialiser...)  fh_arc_of(T, value)  fh_try_arc(T, ...)     as fh_rc and its forms
 * fh_arc_clone(a)            one more owner (NULL for NULL)
 * fh_arc_downgrade(T, a)     an ArcWeak(T) to it
 * fh_arc_upgrade(w)          an owner, or NULL when the T is gone
 * fh_arc_strong_count(a)  fh_arc_weak_count(a)     a size_t, of a moment that may be past
 * fh_arc_get_mut(a)          a T * when a is the only handle, else NULL */
#define fh_arc(T, ...) FH_COUNTED(T, fh_arc_put, "Arc(", FH_UNIQUE(fh_init_), {__VA_ARGS__})
#define fh_arc_of(T, value) FH_COUNTED(T, fh_arc_put, "Arc(", FH_UNIQUE(fh_init_), (value))
#define fh_try_arc(T, ...) \
    FH_TRY_COUNTED(T, fh_try_arc_put, "Arc(", FH_UNIQUE(fh_init_), FH_UNIQUE(fh_arc_), {__VA_ARGS__})
#define fh_arc_clone(a)                                                                   \
    __extension__({                                                                       \
        FH_AT("arc_clone(" #a ")");                                                       \
        (__typeof__(a))(uintptr_t)fh_arc_more(FH_VALUE_USED(a, #a, "arc_clone(" #a ")")); \
    })
#define fh_arc_downgrade(T, a) FH_DOWNGRADE(fh_ArcWeak(T), T, a, fh_arc_more_weak)
#define fh_arc_upgrade(w) ((__typeof__((w).fh_weak))(uintptr_t)fh_arc_try_more((w).fh_weak))
#define fh_arc_strong_count(a) fh_arc_strong(a)
#define fh_arc_weak_count(a) fh_arc_weak(a)
#define fh_arc_get_mut(a) FH_ONLY_ONE(a, fh_arc_is_unique, FH_UNIQUE(fh_a_))

/* ---------------------------------------------------------------- how ---------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* More handles than 2^31, or a handle to a T that is gone: reports and stops. */
FH_API void fh_arc_overflow(const void *value) __attribute__((cold, noreturn));

/* The two halves of the word, each an atomic of its own; the whole is read at once where both must be of one
 * moment. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
FH_INLINE int32_t *fh_arc_strong_at(const void *value) { return (int32_t *)(void *)fh_counts(value); }
FH_INLINE int32_t *fh_arc_weak_at(const void *value) { return (int32_t *)(void *)fh_counts(value) + 1; }
#else
FH_INLINE int32_t *fh_arc_strong_at(const void *value) { return (int32_t *)(void *)fh_counts(value) + 1; }
FH_INLINE int32_t *fh_arc_weak_at(const void *value) { return (int32_t *)(void *)fh_counts(value); }
#endif
/* One more: whether there are too many. One fewer: whether it was the last. The sign, and being zero, is all
 * that is asked, and asked in each branch by itself, so that the operation's own flags answer it: GCC sees that
 * of the new value (lock add; js), Clang of the old one (lock add; jle), and the other way round each makes a
 * lock xadd, which is a tenth slower. So with Clang the count may be one more. */
#ifdef __clang__
#define FH_ARC_ONE_MORE(count) __atomic_fetch_add(count, 1, __ATOMIC_RELAXED)
#else
#define FH_ARC_ONE_MORE(count) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED)
#endif
FH_INLINE bool fh_arc_up(int32_t *count) {
    if (FH_ONE_THREAD) {
        if (FH_UNLIKELY((*count = (int32_t)((uint32_t)*count + 1)) < 0)) return true;
    } else {
        if (FH_UNLIKELY(FH_ARC_ONE_MORE(count) < 0)) return true;
    }
    return false;
}
FH_INLINE bool fh_arc_down(int32_t *count) {
    if (FH_ONE_THREAD) {
        if (FH_LIKELY((*count = (int32_t)((uint32_t)*count - 1)) != 0)) return false;
    } else {
        if (FH_LIKELY(__atomic_sub_fetch(count, 1, __ATOMIC_RELEASE) != 0)) return false;
    }
    return true;
}
FH_INLINE uint64_t fh_arc_word(const void *value) {
    return __atomic_load_n(fh_counts(value), __ATOMIC_ACQUIRE);
}

FH_INLINE bool fh_arc_is_unique(const void *value) { return fh_arc_word(value) == FH_RC_ONE; }

FH_INLINE void *fh_arc_put(const void *init, size_t size, size_t head, const char *what) {
    return __builtin_memcpy(fh_rc_at(fh_own_new(head + size, head, what), head), init, size);
}
FH_INLINE void *fh_try_arc_put(const void *init, size_t size, size_t head, const char *what) {
    void *block = fh_own_try(head + size, head, what);
    return block == NULL ? NULL : __builtin_memcpy(fh_rc_at(block, head), init, size);
}

FH_INLINE const void *fh_arc_more(const void *value) {
    if (value == NULL) return NULL;
    if (FH_UNLIKELY(fh_arc_up(fh_arc_strong_at(value)))) fh_arc_overflow(value);
    return value;
}
FH_INLINE const void *fh_arc_more_weak(const void *value) {
    if (value == NULL) return NULL;
    if (FH_UNLIKELY(fh_arc_up(fh_arc_weak_at(value)))) fh_arc_overflow(value);
    return value;
}
FH_INLINE const void *fh_arc_try_more(const void *value) {
    if (value == NULL) return NULL;
    int32_t strong = __atomic_load_n(fh_arc_strong_at(value), __ATOMIC_RELAXED);
    while (strong != 0) {
        if (FH_UNLIKELY(strong < 0 || strong == INT32_MAX)) fh_arc_overflow(value);
        if (__atomic_compare_exchange_n(fh_arc_strong_at(value), &strong, strong + 1, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return value;
    }
    return NULL;
}
FH_INLINE size_t fh_arc_strong(const void *value) { return value ? (uint32_t)fh_arc_word(value) : 0; }
FH_INLINE size_t fh_arc_weak(const void *value) {
    if (value == NULL) return 0;
    uint64_t word = fh_arc_word(value);
    return (size_t)(word >> 32) - ((uint32_t)word > 0);
}

/* One Weak fewer. Who sees 1 is alone, and need not subtract. */
FH_INLINE void fh_arc_less_weak(const void *value, size_t size, size_t head) {
    int32_t *weak = fh_arc_weak_at(value);
    if (__atomic_load_n(weak, __ATOMIC_ACQUIRE) != 1) {
        if (!fh_arc_down(weak)) return;
        (void)__atomic_load_n(weak, __ATOMIC_ACQUIRE);
    }
    fh_own_free((char *)(uintptr_t)value - head, head + size, head);
}

#ifdef __cplusplus
}
#endif

#define FH_ARC_NAMES(T)                                                                                        \
    typedef T *fh_Arc_##T FH_NOTE("fh:arc");                                                                   \
    typedef struct fh_ArcWeak_##T {                                                                            \
        T *fh_weak;                                                                                            \
    } fh_ArcWeak_##T FH_NOTE("fh:arcweak");                                                                    \
    FH_GLUE void fh_Arc_##T##_drop(fh_Arc_##T *arc);                                                           \
    FH_GLUE void fh_ArcWeak_##T##_drop(fh_ArcWeak_##T *weak);                                                  \
    FH_GLUE fh_Arc_##T fh_Arc_##T##_clone(const fh_Arc_##T *arc) { return (T *)(uintptr_t)fh_arc_more(*arc); } \
    FH_GLUE fh_ArcWeak_##T fh_ArcWeak_##T##_clone(const fh_ArcWeak_##T *weak) {                                \
        fh_arc_more_weak(weak->fh_weak);                                                                       \
        return *weak;                                                                                          \
    }

#define FH_ARC_BODIES(T)                                                  \
    FH_GLUE void fh_Arc_##T##_run(void *p, size_t len, size_t cap) {      \
        (void)len, (void)cap;                                             \
        fh_drop_##T((T *)p);                                              \
        fh_arc_less_weak(p, sizeof(T), FH_RC_HEAD(T));                    \
    }                                                                     \
    FH_GLUE void fh_Arc_##T##_drop(fh_Arc_##T *arc) {                     \
        T *fh_p_ = *arc;                                                  \
        FH_DROPPED(arc);                                                  \
        if (fh_p_ == NULL) return;                                        \
        *arc = NULL;                                                      \
        if (!fh_arc_down(fh_arc_strong_at(fh_p_))) return;                \
        (void)__atomic_load_n(fh_arc_strong_at(fh_p_), __ATOMIC_ACQUIRE); \
        if (fh_plain_##T) {                                               \
            fh_arc_less_weak(fh_p_, sizeof(T), FH_RC_HEAD(T));            \
            return;                                                       \
        }                                                                 \
        fh_drop_guarded(fh_Arc_##T##_run, fh_p_, 0, 0);                   \
    }                                                                     \
    FH_GLUE void fh_ArcWeak_##T##_drop(fh_ArcWeak_##T *weak) {            \
        FH_DROPPED(weak);                                                 \
        if (weak->fh_weak == NULL) return;                                \
        fh_arc_less_weak(weak->fh_weak, sizeof(T), FH_RC_HEAD(T));        \
        weak->fh_weak = NULL;                                             \
    }

#include <freehold/type.h>

#endif
