/* box.h - Box(T): one T on the heap, with one owner.
 *
 *     #include <freehold/type.h>
 *     #include <stdio.h>
 *
 *     typedef struct { double x, y; } Point;
 *     FH_PLAIN(Point)
 *
 *     static void eat(fh_Box(Point) in) {                      // by value: takes ownership
 *         fh_own(fh_Box(Point)) p = fh_move(in);               // adopted: freed at the end of the scope
 *         printf("%g %g\n", p->x, p->y);
 *     }
 *     int main(void) {
 *         fh_own(fh_Box(int)) n = fh_box(int, 42);             // n is an ordinary int *
 *         fh_own(fh_Box(Point)) p = fh_box(Point, .x = 1, .y = 2);
 *         *n += 1;
 *         eat(fh_move(p));                                     // p is empty (NULL) now
 *         return *n - 43;
 *     }                                                        // *n is freed here
 *
 *     fh_Box(T)                T *, sizeof(T *); no header: the block holds the T alone. NULL is empty
 *     drop                     drops the T, gives back the block. sizeof(T) is known, so no size class is looked up
 *
 * A function that only looks takes `const T *`, one that changes takes `T *`; a Box is passed to either as it
 * is. In C++, std::unique_ptr<T, fh_deleter(T)> holds a Box: construct it from fh_move(b), or give it back with
 * release().
 */
#ifndef FREEHOLD_BOX_H
#define FREEHOLD_BOX_H

#include <freehold/own.h>
#include <freehold/alloc.h>

/* The type. */
#define fh_Box(T) FH_CAT(fh_Box_, T)

/* fh_box(T, initialiser...)    a new T as (T){initialiser...} would be. Out of memory is reported, then abort
 * fh_box_of(T, value)          a new T that takes over the value
 * fh_box_zero(T)               a new T, all zero; the one for a T too large for the stack
 * fh_try_box(T, ...) fh_try_box_of(T, value)   NULL and ENOMEM when there is no memory; the value has been dropped */
#define fh_box(T, ...) FH_BOX(T, FH_UNIQUE(fh_init_), {__VA_ARGS__})
#define fh_box_of(T, value) FH_BOX(T, FH_UNIQUE(fh_init_), (value))
#define fh_box_zero(T) (FH_AT("box_zero(" #T ")"), (T *)fh_box_zeroed(sizeof(T), FH_ALIGNOF(T), "Box(" #T ")"))
#define fh_try_box(T, ...) FH_TRY_BOX(T, FH_UNIQUE(fh_init_), FH_UNIQUE(fh_box_), {__VA_ARGS__})
#define fh_try_box_of(T, value) FH_TRY_BOX(T, FH_UNIQUE(fh_init_), FH_UNIQUE(fh_box_), (value))

/* fh_unbox(b)                  the T out of the Box, whose block is given back; b is empty afterwards */
#define fh_unbox(b) FH_UNBOX(b, FH_UNIQUE(fh_from_), FH_UNIQUE(fh_out_))

/* fh_box_in(T, alloc, initialiser...)   a BoxIn(T): a Box in another allocator, which it remembers. {ptr, alloc}. */
#define fh_BoxIn(T) FH_CAT(fh_BoxIn_, T)
#define fh_box_in(T, allocator, ...) \
    FH_BOX_IN(T, allocator, FH_UNIQUE(fh_init_), FH_UNIQUE(fh_alloc_), {__VA_ARGS__})

/* ---------------------------------------------------------------- how ---------------------------------- */

/* The initialiser stands in a variable of its own before the block is asked for: it may itself allocate. */
#define FH_BOX(T, init, ...)                                                                                  \
    __extension__({                                                                                           \
        T init = __VA_ARGS__;                                                                                 \
        FH_AT("box(" FH_TEXT(T) ")");                                                                         \
        (T *)__builtin_memcpy(fh_own_new(sizeof(T), FH_ALIGNOF(T), "Box(" FH_TEXT(T) ")"), &init, sizeof(T)); \
    })
#define FH_TRY_BOX(T, init, box, ...)                                              \
    __extension__({                                                                \
        T init = __VA_ARGS__;                                                      \
        FH_AT("try_box(" FH_TEXT(T) ")");                                          \
        T *box = (T *)fh_own_try(sizeof(T), FH_ALIGNOF(T), "Box(" FH_TEXT(T) ")"); \
        if (FH_LIKELY(box != NULL)) *box = init;                                   \
        else FH_CAT(fh_drop_, T)(&init);                                           \
        box;                                                                       \
    })
#define FH_UNBOX(b, from, out)                                       \
    __extension__({                                                  \
        __typeof__(b) *from = &(b);                                  \
        __typeof__(**from) out = **from;                             \
        FH_MARK(fh_mark_move, from);                                 \
        fh_own_free(*from, sizeof out, FH_ALIGNOF(__typeof__(out))); \
        *from = NULL;                                                \
        out;                                                         \
    })

#define FH_BOX_IN(T, allocator, init, from, ...)                                           \
    __extension__({                                                                        \
        T init = __VA_ARGS__;                                                              \
        struct fh_alloc *from = (allocator);                                               \
        fh_BoxIn(T) fh_boxed_ = {(T *)fh_alloc_get(from, sizeof(T), FH_ALIGNOF(T)), from}; \
        if (fh_boxed_.ptr == NULL) fh_own_no_memory("BoxIn(" FH_TEXT(T) ")", sizeof(T));   \
        *fh_boxed_.ptr = init;                                                             \
        fh_boxed_;                                                                         \
    })

FH_INLINE void *fh_box_zeroed(size_t size, size_t align, const char *what) {
    return __builtin_memset(fh_own_new(size, align, what), 0, size);
}

/* T *fh_Box_T; _drop(&owner); _free(p) for those who take a destructor by pointer (GDestroyNotify and its
 * like). */
#define FH_BOX_NAMES(T)                              \
    typedef T *fh_Box_##T FH_NOTE("fh:box");         \
    typedef struct fh_BoxIn_##T {                    \
        T *ptr;                                      \
        struct fh_alloc *alloc;                      \
    } fh_BoxIn_##T FH_NOTE("fh:box");                \
    FH_GLUE void fh_Box_##T##_drop(fh_Box_##T *box); \
    FH_GLUE void fh_BoxIn_##T##_drop(fh_BoxIn_##T *box);

#define FH_BOX_BODIES(T)                                                      \
    FH_GLUE void fh_Box_##T##_run(void *p, size_t len, size_t cap) {          \
        (void)len, (void)cap;                                                 \
        for (T *fh_at_ = (T *)p, *fh_next_; fh_at_; fh_at_ = fh_next_) {      \
            fh_next_ = fh_rest_##T(fh_at_);                                   \
            fh_own_free(fh_at_, sizeof(T), FH_ALIGNOF(T));                    \
        }                                                                     \
    }                                                                         \
    FH_GLUE void fh_Box_##T##_drop(fh_Box_##T *box) {                         \
        T *fh_p_ = *box;                                                      \
        FH_DROPPED(box);                                                      \
        if (fh_p_ == NULL) return;                                            \
        *box = NULL;                                                          \
        if (fh_plain_##T) fh_own_free(fh_p_, sizeof(T), FH_ALIGNOF(T));       \
        else fh_drop_guarded(fh_Box_##T##_run, fh_p_, 0, 0);                  \
    }                                                                         \
    FH_GLUE void fh_Box_##T##_free(void *p) {                                 \
        fh_Box_##T fh_box_ = (T *)p;                                          \
        fh_Box_##T##_drop(&fh_box_);                                          \
    }                                                                         \
    FH_GLUE void fh_BoxIn_##T##_run(void *p, size_t alloc, size_t cap) {      \
        (void)cap;                                                            \
        fh_drop_##T((T *)p);                                                  \
        fh_alloc_give((struct fh_alloc *)alloc, p, sizeof(T), FH_ALIGNOF(T)); \
    }                                                                         \
    FH_GLUE void fh_BoxIn_##T##_drop(fh_BoxIn_##T *box) {                     \
        T *fh_p_ = box->ptr;                                                  \
        FH_DROPPED(box);                                                      \
        if (fh_p_ == NULL) return;                                            \
        box->ptr = NULL;                                                      \
        fh_drop_guarded(fh_BoxIn_##T##_run, fh_p_, (size_t)box->alloc, 0);    \
    }                                                                         \
    FH_GLUE void fh_drop_in_##T(void *p) { fh_drop_##T((T *)p); }             \
    FH_BOX_CXX(T)

#define FH_BOX_CLONE_NAME(T) FH_GLUE fh_Box_##T fh_Box_##T##_clone(const fh_Box_##T *box);
#define FH_BOX_CLONE(T)                                                \
    FH_GLUE fh_Box_##T fh_Box_##T##_clone(const fh_Box_##T *box) {     \
        return *box == NULL ? NULL : fh_box_of(T, fh_clone_##T(*box)); \
    }

/* For C++: what std::unique_ptr needs to hold a Box. */
#ifdef __cplusplus
#define fh_deleter(T) FH_CAT(fh_deleter_, T)
#define FH_BOX_CXX(T)                                         \
    struct fh_deleter_##T {                                   \
        void operator()(T *p) const { fh_Box_##T##_free(p); } \
    };
#else
#define FH_BOX_CXX(T)
#endif

#include <freehold/type.h>

#endif
