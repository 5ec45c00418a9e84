/* counts.h - the word that Rc and Arc keep before each value, and how either is made. See rc.h. */
#ifndef FREEHOLD_COUNTS_H
#define FREEHOLD_COUNTS_H

#include <freehold/own.h>

#define FH_RC_ONE ((uint64_t)1 << 32 | 1)
#define FH_RC_WEAK_ONE ((uint64_t)1 << 32)

/* The bytes before the value, and the alignment of the whole. */
#define FH_RC_HEAD(T) (FH_ALIGNOF(T) > 8 ? FH_ALIGNOF(T) : 8)
#define FH_RC_SIZE(T) (FH_RC_HEAD(T) + sizeof(T))

/* The word of counts of a value: strong in the lower half, weak in the upper. */
FH_INLINE uint64_t *fh_counts(const void *value) { return (uint64_t *)(uintptr_t)value - 1; }

/* Takes the block that fh_own_new or fh_own_try gave, sets the counts, returns the place of the value. */
FH_INLINE void *fh_rc_at(void *block, size_t head) {
    char *value = (char *)block + head;
    *fh_counts(value) = FH_RC_ONE;
    return value;
}

#define FH_COUNTED(T, put, what, init, ...)                             \
    __extension__({                                                     \
        T init = __VA_ARGS__;                                           \
        FH_AT(what FH_TEXT(T) ")");                                     \
        (T *)put(&init, sizeof(T), FH_RC_HEAD(T), what FH_TEXT(T) ")"); \
    })
#define FH_TRY_COUNTED(T, put, what, init, counted, ...)                             \
    __extension__({                                                                  \
        T init = __VA_ARGS__;                                                        \
        FH_AT("try " what FH_TEXT(T) ")");                                           \
        T *counted = (T *)put(&init, sizeof(T), FH_RC_HEAD(T), what FH_TEXT(T) ")"); \
        if (counted == NULL) FH_CAT(fh_drop_, T)(&init);                             \
        counted;                                                                     \
    })
#define FH_DOWNGRADE(WeakT, T, r, more) FH_DOWNGRADE_I(WeakT, T, r, more, FH_UNIQUE(fh_r_), FH_UNIQUE(fh_w_))
#define FH_DOWNGRADE_I(WeakT, T, r, more, rr, ww)                                      \
    __extension__({                                                                    \
        const T *rr = (r);                                                             \
        WeakT ww = {(T *)(uintptr_t)more(FH_VALUE_USED(rr, #r, "downgrade(" #r ")"))}; \
        ww;                                                                            \
    })
/* r when it is the only handle. */
#define FH_ONLY_ONE(r, is_unique, rr)             \
    __extension__({                               \
        __typeof__(r) rr = (r);                   \
        rr == NULL || !is_unique(rr) ? NULL : rr; \
    })

#endif
