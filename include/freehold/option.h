/* option.h - Option(T): a T or nothing; Result(T): a T or an error.
 *
 *     #include <freehold/type.h>
 *
 *     static fh_Option(int) half(int n) { return n % 2 == 0 ? fh_some(int, n / 2) : fh_none(int); }
 *     static fh_Result(double) quotient(double a, double b) {
 *         return b == 0 ? fh_err(double, EDOM) : fh_ok(double, a / b);
 *     }
 *
 *     int main(void) {
 *         fh_Option(int) h = half(10);
 *         if (!h.some) return 1;
 *         fh_Result(double) q = quotient(1, 0);
 *         return h.value == 5 && q.error == EDOM && fh_option_or(half(3), -1) == -1 ? 0 : 1;
 *     }
 *
 *     fh_Option(T)   { T value; bool some; }      all zero is none
 *     fh_Result(T)   { T value; int error; }      error is 0, or an errno and value is zero
 *
 * Owners do not need Option: an empty Box, Rc, Str or Vec is its own none. Both are owners of what they hold
 * when T is one.
 */
#ifndef FREEHOLD_OPTION_H
#define FREEHOLD_OPTION_H

#include <freehold/own.h>

#include <errno.h>

/* The types. */
#define fh_Option(T) FH_CAT(fh_Option_, T)
#define fh_Result(T) FH_CAT(fh_Result_, T)

/* fh_some(T, v)  fh_none(T)  fh_ok(T, v)  fh_err(T, error)     make them
 * fh_option_or(o, v)      its value, or v when it is none
 * fh_unwrap(o)            an Option's value; none is reported, then abort. fh_unwrap_ok(r): a Result's, likewise.
 *                         The value of an owner goes with it: fh_unwrap(fh_move(o)), where o is a variable
 * fh_option_take(p)       the Option at p, which is none afterwards */
#define fh_some(T, v) FH_WITH(fh_Option(T), v, some, true, FH_UNIQUE(fh_o_))
#define fh_none(T) FH_ZERO(fh_Option(T))
#define fh_ok(T, v) FH_WITH(fh_Result(T), v, error, 0, FH_UNIQUE(fh_o_))
#define fh_err(T, code) FH_ERR(fh_Result(T), code, FH_UNIQUE(fh_o_))
#define fh_option_or(o, v) FH_OPTION_OR(o, v, FH_UNIQUE(fh_o_))
#define fh_unwrap(o) FH_UNWRAP(o, some, "unwrap of none: " #o, FH_UNIQUE(fh_o_))
#define fh_unwrap_ok(r) FH_UNWRAP(r, error == 0, "unwrap of an error: " #r, FH_UNIQUE(fh_o_))
#define fh_option_take(p) fh_take(*(p))

#define FH_WITH(X, v, field, mark, o) \
    __extension__({                   \
        X o = FH_ZERO(X);             \
        o.value = (v);                \
        o.field = mark;               \
        o;                            \
    })
#define FH_ERR(X, code, o) \
    __extension__({        \
        X o = FH_ZERO(X);  \
        o.error = (code);  \
        o;                 \
    })
#define FH_OPTION_OR(o, v, oo)    \
    __extension__({               \
        __typeof__(o) oo = (o);   \
        oo.some ? oo.value : (v); \
    })
#define FH_UNWRAP(o, good, text, oo)                          \
    __extension__({                                           \
        __typeof__(o) oo = (o);                               \
        FH_AT(text);                                          \
        if (FH_UNLIKELY(!(oo.good))) fh_own_stop("%s", text); \
        oo.value;                                             \
    })

#define FH_OPTION(T)                                                                                          \
    typedef struct fh_Option_##T {                                                                            \
        T value;                                                                                              \
        bool some;                                                                                            \
    } fh_Option_##T FH_NOTE("fh:option");                                                                     \
    typedef struct fh_Result_##T {                                                                            \
        T value;                                                                                              \
        int error;                                                                                            \
    } fh_Result_##T FH_NOTE("fh:result");                                                                     \
    FH_GLUE void fh_Option_##T##_drop(fh_Option_##T *option) {                                                \
        FH_DROPPED(option);                                                                                   \
        if (!option->some) return;                                                                            \
        option->some = false;                                                                                 \
        fh_drop_##T(&option->value);                                                                          \
    }                                                                                                         \
    FH_GLUE void fh_Result_##T##_drop(fh_Result_##T *result) {                                                \
        FH_DROPPED(result);                                                                                   \
        if (!fh_plain_##T && result->error == 0 && !FH_IS_EMPTY(&result->value)) fh_drop_##T(&result->value); \
    }

#define FH_OPTION_CLONE(T)                                                           \
    FH_GLUE fh_Option_##T fh_Option_##T##_clone(const fh_Option_##T *option) {       \
        return option->some ? fh_some(T, fh_clone_##T(&option->value)) : fh_none(T); \
    }

#include <freehold/type.h>

#endif
