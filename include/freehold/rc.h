/* rc.h - Rc(T): one T with several owners in one thread; Weak(T): a handle that does not keep it alive.
 *
 *     #include <freehold/type.h>
 *
 *     FH_TYPE(Tree);
 *     struct Tree {
 *         int value;
 *         fh_Weak(Tree) parent;                                     // up: weak, or the cycle would never be freed
 *         fh_Vec(fh_Rc(Tree)) children;                             // down: strong
 *     };
 *     FH_DROP(Tree, (fh_Weak(Tree), parent), (fh_Vec(fh_Rc(Tree)), children))
 *
 *     int main(void) {
 *         fh_own(fh_Rc(Tree)) root = fh_rc(Tree, .value = 1);
 *         fh_own(fh_Rc(Tree)) leaf = fh_rc(Tree, .value = 2, .parent = fh_rc_downgrade(Tree, root));
 *         fh_vec_push(&root->children, fh_rc_clone(leaf));
 *         fh_own(fh_Rc(Tree)) up = fh_weak_upgrade(leaf->parent);   // NULL once the tree is gone
 *         return up->value == 1 && fh_rc_strong_count(root) == 2 ? 0 : 1;
 *     }
 *
 *     fh_Rc(T)                 T *, so r->field and *r work as they are
 *     block                    [ padding to alignof(T) | strong, weak | T ]     one word before the T
 *
 *     strong = handles                        the T is dropped when it comes to 0
 *     weak   = Weak handles + (strong > 0)    the block is given back when it comes to 0
 *     1 handle and no Weak  <=>  word = FH_RC_ONE   (so the last drop of most Rcs is one comparison)
 *
 * Not for two threads: that is Arc. In checked mode the second thread that touches an Rc is stopped: there the
 * sign bit of strong is set from birth, which sends each operation down the slow path that exists for overflow.
 */
#ifndef FREEHOLD_RC_H
#define FREEHOLD_RC_H

#include <freehold/counts.h>

/* The types. Weak is a struct: what it refers to may be gone, so it must be upgraded before it is used. */
#define fh_Rc(T) FH_CAT(fh_Rc_, T)
#define fh_Weak(T) FH_CAT(fh_Weak_, T)

/* fh_rc(T, initialiser...)   a new T and its first owner, as fh_box. Out of memory is reported, then abort
 * fh_rc_of(T, value)         the same from a value
 * fh_try_rc(T, ...)          NULL and ENOMEM when there is no memory; the value has been dropped */
#define fh_rc(T, ...) FH_COUNTED(T, fh_rc_put, "Rc(", FH_UNIQUE(fh_init_), {__VA_ARGS__})
#define fh_rc_of(T, value) FH_COUNTED(T, fh_rc_put, "Rc(", FH_UNIQUE(fh_init_), (value))
#define fh_try_rc(T, ...) \
    FH_TRY_COUNTED(T, fh_try_rc_put, "Rc(", FH_UNIQUE(fh_init_), FH_UNIQUE(fh_rc_), {__VA_ARGS__})

/* fh_rc_clone(r)             one more owner of the same T (NULL for NULL)
 * fh_rc_downgrade(T, r)      a Weak(T) to it (empty for NULL)
 * fh_weak_upgrade(w)         an owner, or NULL when the T is gone
 * fh_rc_strong_count(r)  fh_rc_weak_count(r)     how many owners, how many Weaks: a size_t, printed by %zu
 * fh_rc_get_mut(r)           a T * when r is the only handle, else NULL
 * fh_rc_ptr_eq(a, b)         whether both are the same T */
#define fh_rc_clone(r)                                                                  \
    __extension__({                                                                     \
        FH_AT("rc_clone(" #r ")");                                                      \
        (__typeof__(r))(uintptr_t)fh_rc_more(FH_VALUE_USED(r, #r, "rc_clone(" #r ")")); \
    })
#define fh_rc_downgrade(T, r) FH_DOWNGRADE(fh_Weak(T), T, r, fh_rc_more_weak)
#define fh_weak_upgrade(w)                                              \
    __extension__({                                                     \
        FH_AT("weak_upgrade(" #w ")");                                  \
        (__typeof__((w).fh_weak))(uintptr_t)fh_rc_upgrade((w).fh_weak); \
    })
#define fh_rc_strong_count(r) fh_rc_strong(r)
#define fh_rc_weak_count(r) fh_rc_weak(r)
#define fh_rc_get_mut(r) FH_ONLY_ONE(r, fh_rc_is_unique, FH_UNIQUE(fh_r_))
#define fh_rc_ptr_eq(a, b) ((const void *)(a) == (const void *)(b))

/* ---------------------------------------------------------------- how ---------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* Slow paths: overflow, the last strong handle with Weaks about, and everything in checked mode. */
FH_API uint64_t fh_rc_one_slow(void *value, const char *what);
FH_API void fh_rc_more_slow(void *value) __attribute__((cold));
FH_API void fh_rc_drop_slow(void *value, void (*run)(void *, size_t, size_t), size_t size, size_t head)
    __attribute__((cold));
FH_API void fh_rc_weak_slow(const void *value, size_t size, size_t head) __attribute__((cold));

FH_INLINE int32_t fh_strong(const void *value) { return (int32_t)(uint32_t)*fh_counts(value); }

/* With -DFH_CHECKED: something is used as an Rc, or dropped as one, whose sign bit is not set. In checked mode
 * it is none; in the others that is how they are. */
FH_API void fh_note_unwatched(const void *value, bool dropped) __attribute__((cold));
#ifdef FH_CHECKED
#define FH_AS_RC(value, dropped) (fh_strong(value) < 0 ? (void)0 : fh_note_unwatched(value, dropped))
#else
#define FH_AS_RC(value, dropped) ((void)0)
#endif

FH_INLINE void *fh_rc_put(const void *init, size_t size, size_t head, const char *what) {
    void *block = fh_own_pop(head + size, head);
    void *value;
    if (FH_LIKELY(block != NULL)) {
        value = fh_rc_at(block, head);
    } else {
        value = fh_rc_at(fh_own_new_slow(head + size, head, what), head);
        *fh_counts(value) = fh_rc_one_slow(value, what);
    }
    return __builtin_memcpy(value, init, size);
}

FH_INLINE void *fh_try_rc_put(const void *init, size_t size, size_t head, const char *what) {
    void *block = fh_own_pop(head + size, head);
    void *value;
    if (FH_LIKELY(block != NULL)) {
        value = fh_rc_at(block, head);
    } else {
        block = fh_own_try_slow(head + size, head, what);
        if (block == NULL) return NULL;
        value = fh_rc_at(block, head);
        *fh_counts(value) = fh_rc_one_slow(value, what);
    }
    return __builtin_memcpy(value, init, size);
}

FH_INLINE const void *fh_rc_more(const void *value) {
    if (value == NULL) return NULL;
    FH_AS_RC(value, false);
    uint64_t *word = fh_counts(value), more = *word + 1;
    if (FH_UNLIKELY((int32_t)(uint32_t)more <= 1)) /* it was 0, or 2^31 - 1 and above, or is watched */
        fh_rc_more_slow((void *)(uintptr_t)value);
    else *word = more;
    return value;
}

FH_INLINE const void *fh_rc_more_weak(const void *value) {
    if (value == NULL) return NULL;
    FH_AS_RC(value, false);
    if (FH_UNLIKELY(fh_strong(value) < 0)) fh_rc_weak_slow(value, 0, 0);
    *fh_counts(value) += FH_RC_WEAK_ONE;
    return value;
}

FH_INLINE const void *fh_rc_upgrade(const void *value) {
    if (value == NULL || ((uint32_t)*fh_counts(value) & INT32_MAX) == 0) return NULL;
    return fh_rc_more(value);
}

FH_INLINE size_t fh_rc_strong(const void *value) { return value ? (uint32_t)*fh_counts(value) & INT32_MAX : 0; }
FH_INLINE size_t fh_rc_weak(const void *value) {
    return value ? (size_t)(*fh_counts(value) >> 32) - (fh_rc_strong(value) > 0) : 0;
}
FH_INLINE bool fh_rc_is_unique(const void *value) {
    return (*fh_counts(value) & ~(uint64_t)0x80000000) == FH_RC_ONE;
}

/* One Weak handle fewer; the block goes with the last. */
FH_INLINE void fh_rc_less_weak(const void *value, size_t size, size_t head) {
    uint64_t *word = fh_counts(value);
    if (FH_UNLIKELY(fh_strong(value) < 0)) fh_rc_weak_slow(value, size, head);
    *word -= FH_RC_WEAK_ONE;
    if (*word >> 32 == 0) fh_own_free((char *)(uintptr_t)value - head, head + size, head);
}

#ifdef __cplusplus
}
#endif

#define FH_RC_NAMES(T)                                                                                   \
    typedef T *fh_Rc_##T FH_NOTE("fh:rc");                                                               \
    typedef struct fh_Weak_##T {                                                                         \
        T *fh_weak;                                                                                      \
    } fh_Weak_##T FH_NOTE("fh:weak");                                                                    \
    FH_GLUE void fh_Rc_##T##_drop(fh_Rc_##T *rc);                                                        \
    FH_GLUE void fh_Weak_##T##_drop(fh_Weak_##T *weak);                                                  \
    FH_GLUE fh_Rc_##T fh_Rc_##T##_clone(const fh_Rc_##T *rc) { return (T *)(uintptr_t)fh_rc_more(*rc); } \
    FH_GLUE fh_Weak_##T fh_Weak_##T##_clone(const fh_Weak_##T *weak) {                                   \
        fh_rc_more_weak(weak->fh_weak);                                                                  \
        return *weak;                                                                                    \
    }

/* _run drops the value and gives back the block, for a handle that is alone; _run_value drops only the value.
 * */
#define FH_RC_BODIES(T)                                                                                 \
    FH_GLUE void fh_Rc_##T##_run(void *p, size_t len, size_t cap) {                                     \
        (void)len, (void)cap;                                                                           \
        fh_drop_##T((T *)p);                                                                            \
        fh_own_free((char *)p - FH_RC_HEAD(T), FH_RC_SIZE(T), FH_RC_HEAD(T));                           \
    }                                                                                                   \
    FH_GLUE void fh_Rc_##T##_run_value(void *p, size_t len, size_t cap) {                               \
        (void)len, (void)cap;                                                                           \
        fh_drop_##T((T *)p);                                                                            \
        fh_rc_less_weak(p, sizeof(T), FH_RC_HEAD(T));                                                   \
    }                                                                                                   \
    FH_GLUE void fh_Rc_##T##_drop(fh_Rc_##T *rc) {                                                      \
        T *fh_p_ = *rc;                                                                                 \
        FH_DROPPED(rc);                                                                                 \
        if (fh_p_ == NULL) return;                                                                      \
        *rc = NULL;                                                                                     \
        FH_AS_RC(fh_p_, true);                                                                          \
        uint64_t *fh_word_ = fh_counts(fh_p_), fh_now_ = *fh_word_;                                     \
        if ((int32_t)(uint32_t)fh_now_ > 1) {                                                           \
            *fh_word_ = fh_now_ - 1;                                                                    \
        } else if (FH_LIKELY(fh_now_ == FH_RC_ONE)) {                                                   \
            if (fh_plain_##T) fh_own_free((char *)fh_p_ - FH_RC_HEAD(T), FH_RC_SIZE(T), FH_RC_HEAD(T)); \
            else fh_drop_guarded(fh_Rc_##T##_run, fh_p_, 0, 0);                                         \
        } else {                                                                                        \
            fh_rc_drop_slow(fh_p_, fh_Rc_##T##_run_value, sizeof(T), FH_RC_HEAD(T));                    \
        }                                                                                               \
    }                                                                                                   \
    FH_GLUE void fh_Weak_##T##_drop(fh_Weak_##T *weak) {                                                \
        FH_DROPPED(weak);                                                                               \
        if (weak->fh_weak == NULL) return;                                                              \
        fh_rc_less_weak(weak->fh_weak, sizeof(T), FH_RC_HEAD(T));                                       \
        weak->fh_weak = NULL;                                                                           \
    }

#include <freehold/type.h>

#endif
