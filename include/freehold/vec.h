/* vec.h - Vec(T): a growing array; Slice(T): a view of a part of one.
 *
 *     #include <freehold/type.h>
 *     #include <freehold/str.h>
 *
 *     FH_OWNER(fh_Vec(int))                                         // so that a Vec of Vecs may be named
 *
 *     static int by_value(const int *a, const int *b) { return (*a > *b) - (*a < *b); }
 *
 *     int main(void) {
 *         fh_own(fh_Vec(int)) v = fh_vec_of(int, 3, 1, 2);
 *         fh_vec_push(&v, 4);
 *         fh_vec_sort(&v, by_value);
 *         int sum = 0;
 *         fh_vec_each(x, &v) sum += *x;                             // x is an int *
 *         fh_Slice(int) middle = fh_slice(&v, 1, 3);                // a view: ptr and len
 *         fh_own(fh_Vec(fh_Vec(int))) rows = {0};
 *         fh_vec_push(&rows, fh_move(v));                           // the Vec moves into the Vec
 *         return sum == 10 && middle.len == 2 && rows.ptr[0].ptr[3] == 4 ? 0 : 1;
 *     }                                                             // rows and the row in it are freed
 *
 *     fh_Vec(T)    { T *ptr; size_t len, cap; }     three words; all zero is empty and holds no memory
 *     elements     ptr[0 .. len-1] are owned; len <= cap; ptr is NULL while cap is 0
 *
 * v is a pointer to a Vec throughout, evaluated once, and after the value x that it shall take: so x may make
 * what v stands in grow. v.ptr[i] is as unchecked as C is; fh_vec_at stops the
 * program when i is out of range. What takes an element out (pop, remove, drain) hands it over to you; what
 * takes one in owns it. Any push may move the elements: a pointer into a Vec is good until the next one. Growth
 * doubles, through realloc: a push is O(1) on the mean, insert, remove and drain move what stands behind.
 *
 * Out of memory is reported, then abort; the try_ forms give false instead, with ENOMEM, and change nothing. A
 * place that is not there (insert, remove, drain, split_off, slice, at) is reported, then abort. For one thread
 * at a time.
 */
#ifndef FREEHOLD_VEC_H
#define FREEHOLD_VEC_H

#include <freehold/own.h>
#include <freehold/alloc.h>

#include <stdlib.h>

/* The types. VecIn is a Vec with an allocator in a fourth word: fh_own(fh_VecIn(int)) v = {.alloc =
 * &arena.alloc}. */
#define fh_Vec(T) FH_CAT(fh_Vec_, T)
#define fh_VecIn(T) FH_CAT(fh_VecIn_, T)
#define fh_Slice(T) FH_CAT(fh_Slice_, T)

/* ---------------------------------------------------------------- making ------------------------------ */

/* fh_vec_of(T, a, b, c)        a Vec of these            fh_vec_with(T, cap)     an empty one with room for cap
 * fh_vec_from(T, ptr, n)       a Vec of copies of n plain elements */
#define fh_vec_of(T, ...) FH_VEC_OF(T, FH_UNIQUE(fh_list_), __VA_ARGS__)
#define fh_vec_with(T, capacity) FH_VEC_WITH(T, capacity, FH_UNIQUE(fh_vec_))
#define fh_vec_from(T, from, n) FH_VEC_FROM(T, from, n, FH_UNIQUE(fh_vec_))

/* ---------------------------------------------------------------- in and out -------------------------- */

/* fh_vec_push(v, x)            at the end               fh_vec_try_push(v, x)    false when there is no memory: x is yours
 * fh_vec_pop(v)                the last one, handed over; a zero (an empty owner) when there is none
 * fh_vec_insert(v, i, x)       before element i <= len  fh_vec_remove(v, i)      element i, handed over; the rest moves up
 * fh_vec_swap_remove(v, i)     element i, handed over; the last one takes its place: O(1)
 * fh_vec_extend(v, ptr, n)     copies of n plain elements at the end; they may be elements of v
 * fh_vec_append(v, w)          all elements of *w move to the end of v; w is left empty, its memory kept
 * fh_vec_drain(v, from, to)    a Vec of the elements from .. to-1, which leave v
 * fh_vec_split_off(v, at)      a Vec of the elements from `at` on */
#define fh_vec_push(v, ...) FH_VEC_PUSH(v, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_x_), (__VA_ARGS__))
#define fh_vec_try_push(v, ...) FH_VEC_TRY_PUSH(v, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_x_), (__VA_ARGS__))
#define fh_vec_pop(v) FH_VEC_POP(v, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_x_))
#define fh_vec_insert(v, i, ...) \
    FH_VEC_INSERT(v, i, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_x_), FH_UNIQUE(fh_at_), (__VA_ARGS__))
#define fh_vec_remove(v, i) \
    FH_VEC_REMOVE(v, i, "vec_remove", fh_vec_close_gap, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_i_), FH_UNIQUE(fh_x_))
#define fh_vec_swap_remove(v, i)                                                                \
    FH_VEC_REMOVE(v, i, "vec_swap_remove", fh_vec_fill_gap, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_i_), \
                  FH_UNIQUE(fh_x_))
#define fh_vec_extend(v, from, n) \
    FH_VEC_EXTEND(v, from, n, "vec_extend(" #v ")", FH_UNIQUE(fh_v_), FH_UNIQUE(fh_f_), FH_UNIQUE(fh_n_))
#define fh_vec_append(v, w) FH_VEC_APPEND(v, w, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_w_))
#define fh_vec_drain(v, from, to) FH_VEC_DRAIN(v, from, to, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_out_))
#define fh_vec_split_off(v, at) FH_VEC_SPLIT(v, at, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_at_), FH_UNIQUE(fh_out_))

/* fh_vec_clear(X, v)  fh_vec_truncate(X, v, len)    drops all elements, or those from len on; X is the Vec's type
 * fh_vec_reserve(v, n)         room for n more          fh_vec_try_reserve(v, n) false when there is no memory
 * fh_vec_shrink(v)             gives back the room that is not used */
#define fh_vec_clear(X, v) FH_CAT(X, _truncate)(FH_USED(X, v, "vec_clear(" #v ")"), 0)
#define fh_vec_truncate(X, v, len) FH_CAT(X, _truncate)(FH_USED(X, v, "vec_truncate(" #v ")"), (len))
#define fh_vec_reserve(v, n) FH_VEC_CALL(fh_vec_room, v, n, FH_UNIQUE(fh_v_))
#define fh_vec_try_reserve(v, n) FH_VEC_CALL(fh_vec_try_room, v, n, FH_UNIQUE(fh_v_))
#define fh_vec_shrink(v) FH_VEC_CALL(fh_vec_fit, v, 0, FH_UNIQUE(fh_v_))

/* ---------------------------------------------------------------- looking (Vec and Slice alike) ------- */

/* fh_vec_at(v, i)              a T * to element i; out of range is reported, then abort
 * fh_vec_get(v, i)             the same, but NULL when out of range
 * fh_vec_first(v)  fh_vec_last(v)      a T *, NULL when there is none
 * fh_vec_each(x, v) statement  for each element, x being a T * to it; the Vec may not grow meanwhile
 * fh_slice(v, from, to)        a Slice(T) of elements from .. to-1
 * fh_vec_sort(v, compare)      int compare(const T *, const T *), as for qsort; not stable
 * fh_vec_search(v, key, compare)       a T * to an element equal to *key in a sorted Vec, or NULL
 * fh_vec_reverse(v) */
#define fh_vec_at(v, i) FH_VEC_AT(v, i, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_i_))
#define fh_vec_get(v, i) FH_VEC_GET(v, i, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_i_))
#define fh_vec_first(v) fh_vec_get(v, 0)
#define fh_vec_last(v) FH_VEC_LAST(v, FH_UNIQUE(fh_v_))
#define fh_vec_each(x, v) \
    FH_VEC_EACH(x, v, "vec_each(" #v ")", FH_UNIQUE(fh_v_), FH_UNIQUE(fh_once_), FH_UNIQUE(fh_end_))
#define fh_slice(v, from, to) \
    FH_SLICE(v, from, to, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_s_), FH_UNIQUE(fh_from_), FH_UNIQUE(fh_to_))
#define fh_vec_sort(v, compare) FH_VEC_SORT(v, compare, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_c_))
#define fh_vec_search(v, key, compare) \
    FH_VEC_SEARCH(v, key, compare, FH_UNIQUE(fh_v_), FH_UNIQUE(fh_c_), FH_UNIQUE(fh_k_))
#define fh_vec_reverse(v) FH_VEC_CALL(fh_vec_turn, v, 0, FH_UNIQUE(fh_v_))

/* ---------------------------------------------------------------- how ---------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* Any Vec seen without its type; alloc is there only when the struct is four words, as `whole` says. */
struct fh_raw_vec {
    char *ptr;
    size_t len, cap;
    struct fh_alloc *alloc;
};

/* Out of line: room for n more elements. The second returns false and ENOMEM instead of stopping. */
FH_API void fh_vec_room(void *vec, size_t size, size_t align, size_t whole, size_t n);
FH_API bool fh_vec_try_room(void *vec, size_t size, size_t align, size_t whole, size_t n);
/* The first again, for elements at `from`, which may be the Vec's own and move with it: where they stand now.
 * */
FH_API const void *fh_vec_room_for(void *vec, size_t size, size_t align, size_t whole, size_t n,
                                   const void *from);
FH_API void fh_vec_fit(void *vec, size_t size, size_t align, size_t whole, size_t unused);
FH_API void fh_vec_turn(void *vec, size_t size, size_t align, size_t whole, size_t unused);
FH_API void fh_vec_free(void *vec, size_t size, size_t align, size_t whole);
/* What stood aside while elements of it were dropped becomes the Vec again; what was pushed meanwhile follows.
 * */
FH_API void fh_vec_put_back(void *vec, const void *aside, size_t size, size_t align, size_t whole);
FH_API void fh_vec_open_gap(void *vec, size_t size, size_t i);
FH_API void fh_vec_close_gap(void *vec, size_t size, size_t i);
FH_API void fh_vec_fill_gap(void *vec, size_t size, size_t i);
FH_API void fh_vec_cut(void *vec, void *out, size_t size, size_t align, size_t whole, size_t from, size_t to);
FH_API void *fh_vec_search_raw(const void *ptr, size_t len, size_t size, const void *key,
                               int (*compare)(const void *, const void *));

/* ptr + len, which must not be computed from NULL. */
FH_INLINE void *fh_vec_end(const void *ptr, size_t len, size_t size) {
    return len == 0 ? (void *)(uintptr_t)ptr : (char *)(uintptr_t)ptr + len * size;
}

#define FH_VEC_ALIGN(v) FH_ALIGNOF(__typeof__(*(v)->ptr))
/* Elements without a byte, which GNU C has, take one: so a Vec of them has a block of the size that it says. */
#define FH_VEC_ELEMENT(T) (sizeof(T) + (sizeof(T) == 0))
#define FH_VEC_SHAPE(v) FH_VEC_ELEMENT(*(v)->ptr), FH_VEC_ALIGN(v), sizeof *(v)

#define FH_VEC_CALL(f, v, n, vv)              \
    __extension__({                           \
        __typeof__(v) vv = (v);               \
        FH_USE_AT(vv, #f "(" #v ")");         \
        f((void *)vv, FH_VEC_SHAPE(vv), (n)); \
    })
/* The length is stored after the element: an element may alias it (Vec(size_t)), and so the compiler knows it
 * still when the next one is pushed. ptr is read before the test, and again when it has moved: so that a loop
 * keeps it in a register. */
#define FH_VEC_PUSH(v, vv, xx, x)                         \
    __extension__({                                       \
        __typeof__(*(v)->ptr) xx = x;                     \
        __typeof__(v) vv = (v);                           \
        FH_USE_AT(vv, "vec_push(" #v ")");                \
        size_t fh_n_ = vv->len;                           \
        __typeof__(vv->ptr) fh_to_ = vv->ptr;             \
        if (FH_UNLIKELY(fh_n_ == vv->cap)) {              \
            fh_vec_room((void *)vv, FH_VEC_SHAPE(vv), 1); \
            fh_to_ = vv->ptr;                             \
        }                                                 \
        fh_to_[fh_n_] = xx;                               \
        vv->len = fh_n_ + 1;                              \
        (void)0;                                          \
    })
#define FH_VEC_TRY_PUSH(v, vv, xx, x)                                                          \
    __extension__({                                                                            \
        __typeof__(*(v)->ptr) xx = x;                                                          \
        __typeof__(v) vv = (v);                                                                \
        FH_USE_AT(vv, "vec_try_push(" #v ")");                                                 \
        bool fh_done_ = vv->len < vv->cap || fh_vec_try_room((void *)vv, FH_VEC_SHAPE(vv), 1); \
        if (fh_done_) vv->ptr[vv->len++] = xx;                                                 \
        fh_done_;                                                                              \
    })
#define FH_VEC_POP(v, vv, xx)                                \
    __extension__({                                          \
        __typeof__(v) vv = (v);                              \
        __typeof__(*vv->ptr) xx;                             \
        FH_USE_AT(vv, "vec_pop(" #v ")");                    \
        if (FH_LIKELY(vv->len > 0)) xx = vv->ptr[--vv->len]; \
        else __builtin_memset((void *)&xx, 0, sizeof xx);    \
        xx;                                                  \
    })
#define FH_VEC_INSERT(v, i, vv, xx, at, x)                                                 \
    __extension__({                                                                        \
        __typeof__(*(v)->ptr) xx = x;                                                      \
        __typeof__(v) vv = (v);                                                            \
        size_t at = (i);                                                                   \
        FH_USE_AT(vv, "vec_insert(" #v ")");                                               \
        if (FH_UNLIKELY(at > vv->len)) fh_own_out_of_range("vec_insert", at, vv->len);     \
        if (FH_UNLIKELY(vv->len == vv->cap)) fh_vec_room((void *)vv, FH_VEC_SHAPE(vv), 1); \
        fh_vec_open_gap((void *)vv, sizeof xx, at);                                        \
        vv->ptr[at] = xx;                                                                  \
        (void)0;                                                                           \
    })
#define FH_VEC_REMOVE(v, i, what, close, vv, ii, xx)                            \
    __extension__({                                                             \
        __typeof__(v) vv = (v);                                                 \
        size_t ii = (i);                                                        \
        FH_USE_AT(vv, what "(" #v ")");                                         \
        if (FH_UNLIKELY(ii >= vv->len)) fh_own_out_of_range(what, ii, vv->len); \
        __typeof__(*vv->ptr) xx = vv->ptr[ii];                                  \
        close((void *)vv, sizeof xx, ii);                                       \
        xx;                                                                     \
    })
#define FH_VEC_EXTEND(v, from, n, text, vv, ff, more)                                       \
    __extension__({                                                                         \
        __typeof__(v) vv = (v);                                                             \
        const __typeof__(*vv->ptr) *ff = (from);                                            \
        size_t more = (n);                                                                  \
        FH_USE_AT(vv, text);                                                                \
        if (more > vv->cap - vv->len)                                                       \
            ff = (__typeof__(ff))fh_vec_room_for((void *)vv, FH_VEC_SHAPE(vv), more, ff);   \
        if (more > 0) __builtin_memcpy((void *)(vv->ptr + vv->len), ff, more * sizeof *ff); \
        vv->len += more;                                                                    \
        (void)0;                                                                            \
    })
#define FH_VEC_APPEND(v, w, vv, ww)                                                                       \
    __extension__({                                                                                       \
        __typeof__(v) vv = (v);                                                                           \
        __typeof__(w) ww = (w);                                                                           \
        FH_USE_AT(ww, "vec_append(" #v ", " #w ")");                                                      \
        if ((void *)vv != (void *)ww) {                                                                   \
            FH_VEC_EXTEND(vv, ww->ptr, ww->len, "vec_append(" #v ")", FH_UNIQUE(fh_v_), FH_UNIQUE(fh_f_), \
                          FH_UNIQUE(fh_n_));                                                              \
            ww->len = 0;                                                                                  \
        }                                                                                                 \
        (void)0;                                                                                          \
    })
#define FH_VEC_DRAIN(v, from, to, vv, out)                                    \
    __extension__({                                                           \
        __typeof__(v) vv = (v);                                               \
        __typeof__(*vv) out;                                                  \
        FH_USE_AT(vv, "vec_drain(" #v ")");                                   \
        fh_vec_cut((void *)vv, (void *)&out, FH_VEC_SHAPE(vv), (from), (to)); \
        out;                                                                  \
    })
#define FH_VEC_SPLIT(v, at, vv, from, out)                                                    \
    __extension__({                                                                           \
        __typeof__(v) vv = (v);                                                               \
        size_t from = (at);                                                                   \
        __typeof__(*vv) out;                                                                  \
        FH_USE_AT(vv, "vec_split_off(" #v ")");                                               \
        if (FH_UNLIKELY(from > vv->len)) fh_own_out_of_range("vec_split_off", from, vv->len); \
        fh_vec_cut((void *)vv, (void *)&out, FH_VEC_SHAPE(vv), from, vv->len);                \
        out;                                                                                  \
    })
#define FH_VEC_AT(v, i, vv, ii)                                                     \
    __extension__({                                                                 \
        __typeof__(v) vv = (v);                                                     \
        size_t ii = (i);                                                            \
        FH_USE_AT(vv, "vec_at(" #v ")");                                            \
        if (FH_UNLIKELY(ii >= vv->len)) fh_own_out_of_range("vec_at", ii, vv->len); \
        vv->ptr + ii;                                                               \
    })
#define FH_VEC_GET(v, i, vv, ii)            \
    __extension__({                         \
        __typeof__(v) vv = (v);             \
        size_t ii = (i);                    \
        FH_USE_AT(vv, "vec_get(" #v ")");   \
        ii < vv->len ? vv->ptr + ii : NULL; \
    })
#define FH_VEC_LAST(v, vv)                            \
    __extension__({                                   \
        __typeof__(v) vv = (v);                       \
        FH_USE_AT(vv, "vec_last(" #v ")");            \
        vv->len > 0 ? vv->ptr + (vv->len - 1) : NULL; \
    })
/* The outer loop runs once: it is there so that v is evaluated once, and may have a name. With -DFH_CHECKED
 * each turn asks whether the Vec is still where and as long as it was. */
#define FH_VEC_EACH(x, v, text, vv, once, end)                                                         \
    for (__typeof__(*(v)) *vv = (v), **once = (FH_USE_AT(vv, text), &vv); once != NULL; once = NULL)   \
        for (__typeof__(*vv->ptr) *x = vv->ptr,                                                        \
                                  *end = (__typeof__(x))fh_vec_end(vv->ptr, vv->len, sizeof *vv->ptr); \
             FH_SAME((void *)end == fh_vec_end(vv->ptr, vv->len, sizeof *vv->ptr), text), x != end; ++x)
#define FH_SLICE(v, from, to, vv, ss, first, end)                                   \
    __extension__({                                                                 \
        __typeof__(v) vv = (v);                                                     \
        size_t first = (from), end = (to);                                          \
        FH_USE_AT(vv, "slice(" #v ")");                                             \
        if (FH_UNLIKELY(end > vv->len)) fh_own_out_of_range("slice", end, vv->len); \
        if (FH_UNLIKELY(first > end)) fh_own_out_of_range("slice", first, end);     \
        __typeof__(*vv->fh_slice[0]) ss;                                            \
        ss.ptr = (__typeof__(ss.ptr))fh_vec_end(vv->ptr, first, sizeof *ss.ptr);    \
        ss.len = end - first;                                                       \
        ss;                                                                         \
    })
#define FH_COMPARE(T, c) int (*c)(const T *, const T *)
#define FH_VEC_SORT(v, compare, vv, c)                                                                \
    __extension__({                                                                                   \
        __typeof__(v) vv = (v);                                                                       \
        FH_COMPARE(__typeof__(*vv->ptr), c) = (compare);                                              \
        FH_USE_AT(vv, "vec_sort(" #v ")");                                                            \
        if (vv->len > 1)                                                                              \
            qsort((void *)vv->ptr, vv->len, sizeof *vv->ptr, (int (*)(const void *, const void *))c); \
    })
#define FH_VEC_SEARCH(v, key, compare, vv, c, k)                                        \
    __extension__({                                                                     \
        __typeof__(v) vv = (v);                                                         \
        FH_COMPARE(__typeof__(*vv->ptr), c) = (compare);                                \
        const __typeof__(*vv->ptr) *k = (key);                                          \
        FH_USE_AT(vv, "vec_search(" #v ")");                                            \
        (__typeof__(vv->ptr))fh_vec_search_raw(vv->ptr, vv->len, sizeof *k, k,          \
                                               (int (*)(const void *, const void *))c); \
    })
#define FH_VEC_OF(T, list, ...)                           \
    __extension__({                                       \
        T list[] = {__VA_ARGS__};                         \
        fh_vec_from(T, list, sizeof list / sizeof *list); \
    })
#define FH_VEC_WITH(T, capacity, vv)                             \
    __extension__({                                              \
        fh_Vec(T) vv = FH_ZERO(fh_Vec(T));                       \
        FH_AT("vec_with(" FH_TEXT(T) ")");                       \
        fh_vec_room((void *)&vv, FH_VEC_SHAPE(&vv), (capacity)); \
        vv;                                                      \
    })
#define FH_VEC_FROM(T, from, n, vv)                                                               \
    __extension__({                                                                               \
        fh_Vec(T) vv = FH_ZERO(fh_Vec(T));                                                        \
        FH_VEC_EXTEND(&vv, (from), (n), "vec of " FH_TEXT(T), FH_UNIQUE(fh_v_), FH_UNIQUE(fh_f_), \
                      FH_UNIQUE(fh_n_));                                                          \
        vv;                                                                                       \
    })

#ifdef __cplusplus
}
#endif

/* fh_slice[0] takes no room: it only tells the macros which Slice belongs to this Vec. */
#define FH_VEC_NAMES(T)                              \
    __extension__ typedef struct fh_Slice_##T {      \
        T *ptr;                                      \
        size_t len;                                  \
        struct fh_Slice_##T *fh_slice[0];            \
    } fh_Slice_##T FH_NOTE("fh:slice");              \
    __extension__ typedef struct fh_Vec_##T {        \
        T *ptr;                                      \
        size_t len, cap;                             \
        fh_Slice_##T *fh_slice[0];                   \
    } fh_Vec_##T FH_NOTE("fh:vec");                  \
    __extension__ typedef struct fh_VecIn_##T {      \
        T *ptr;                                      \
        size_t len, cap;                             \
        struct fh_alloc *alloc;                      \
        fh_Slice_##T *fh_slice[0];                   \
    } fh_VecIn_##T FH_NOTE("fh:vec");                \
    FH_GLUE void fh_Vec_##T##_drop(fh_Vec_##T *vec); \
    FH_GLUE void fh_VecIn_##T##_drop(fh_VecIn_##T *vec);

/* The Vec is empty before its elements are dropped, so that glue that meets it again finds nothing. */
#define FH_VEC_BODIES(T)                                                                           \
    FH_GLUE void fh_Vec_##T##_run(void *p, size_t len, size_t cap) {                               \
        fh_Vec_##T fh_vec_;                                                                        \
        fh_vec_.ptr = (T *)p, fh_vec_.len = len, fh_vec_.cap = cap;                                \
        for (size_t fh_i_ = 0; fh_i_ < len; fh_i_++) fh_drop_##T(&fh_vec_.ptr[fh_i_]);             \
        fh_vec_free(&fh_vec_, FH_VEC_ELEMENT(T), FH_ALIGNOF(T), sizeof fh_vec_);                   \
    }                                                                                              \
    FH_GLUE void fh_Vec_##T##_drop(fh_Vec_##T *vec) {                                              \
        FH_DROPPED(vec);                                                                           \
        if (vec->cap == 0) return;                                                                 \
        if (fh_plain_##T || vec->len == 0) {                                                       \
            fh_vec_free(vec, FH_VEC_ELEMENT(T), FH_ALIGNOF(T), sizeof *vec);                       \
        } else {                                                                                   \
            fh_Vec_##T fh_old_ = *vec;                                                             \
            __builtin_memset((void *)vec, 0, sizeof *vec);                                         \
            fh_drop_guarded(fh_Vec_##T##_run, fh_old_.ptr, fh_old_.len, fh_old_.cap);              \
        }                                                                                          \
    }                                                                                              \
    FH_GLUE void fh_Vec_##T##_truncate(fh_Vec_##T *vec, size_t len) {                              \
        if (len >= vec->len) return;                                                               \
        fh_Vec_##T fh_old_ = *vec;                                                                 \
        vec->len = len;                                                                            \
        if (fh_plain_##T) return;                                                                  \
        __builtin_memset((void *)vec, 0, sizeof *vec);                                             \
        for (size_t fh_i_ = len; fh_i_ < fh_old_.len; fh_i_++) fh_drop_##T(&fh_old_.ptr[fh_i_]);   \
        fh_old_.len = len;                                                                         \
        fh_vec_put_back(vec, &fh_old_, FH_VEC_ELEMENT(T), FH_ALIGNOF(T), sizeof *vec);             \
    }                                                                                              \
    FH_GLUE void fh_VecIn_##T##_run(void *p, size_t copied, size_t cap) {                          \
        fh_VecIn_##T *fh_vec_ = (fh_VecIn_##T *)p;                                                 \
        (void)cap;                                                                                 \
        for (size_t fh_i_ = 0; fh_i_ < fh_vec_->len; fh_i_++) fh_drop_##T(&fh_vec_->ptr[fh_i_]);   \
        fh_vec_free(fh_vec_, FH_VEC_ELEMENT(T), FH_ALIGNOF(T), sizeof *fh_vec_);                   \
        if (copied) fh_free(p);                                                                    \
    }                                                                                              \
    FH_GLUE void fh_VecIn_##T##_drop(fh_VecIn_##T *vec) {                                          \
        FH_DROPPED(vec);                                                                           \
        if (vec->cap == 0) return;                                                                 \
        fh_VecIn_##T fh_old_ = *vec;                                                               \
        vec->ptr = NULL;                                                                           \
        vec->len = vec->cap = 0;                                                                   \
        if (fh_plain_##T) fh_vec_free(&fh_old_, FH_VEC_ELEMENT(T), FH_ALIGNOF(T), sizeof fh_old_); \
        else fh_drop_copied(fh_VecIn_##T##_run, &fh_old_, sizeof fh_old_);                         \
    }

#define FH_VEC_CLONE_NAME(T) FH_GLUE fh_Vec_##T fh_Vec_##T##_clone(const fh_Vec_##T *vec);
#define FH_VEC_CLONE(T)                                            \
    FH_GLUE fh_Vec_##T fh_Vec_##T##_clone(const fh_Vec_##T *vec) { \
        fh_Vec_##T fh_copy_ = fh_vec_with(T, vec->len);            \
        for (size_t fh_i_ = 0; fh_i_ < vec->len; fh_i_++)          \
            fh_copy_.ptr[fh_i_] = fh_clone_##T(&vec->ptr[fh_i_]);  \
        fh_copy_.len = vec->len;                                   \
        return fh_copy_;                                           \
    }

#include <freehold/type.h>

#endif
