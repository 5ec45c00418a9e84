/* own_macros.h - how the macros of the owners expand. For those who want to know; users read the headers that
 * use it.
 *
 * Three expansions of the same spelling, equivalent in what they do (tests/own holds them to it):
 *
 *     production               nothing but the work
 *     -DFH_CHECKED             tells the library where it is (fh_here) and notes moves and scopes
 *     -D__FREEHOLD_CHECK__     calls of marker functions, and typedefs annotated "fh:box", "fh:vec" ... (Clang only), so
 *                              that a checker reads the rules off the syntax tree
 *
 * Locals inside statement expressions get unique names, so that nested uses do not shadow each other.
 */
#ifndef FREEHOLD_OWN_MACROS_H
#define FREEHOLD_OWN_MACROS_H

#include <freehold/heap.h>
#include <string.h>

#define FH_CAT(a, b) FH_CAT_(a, b)
#define FH_CAT_(a, b) a##b
#define FH_UNIQUE(name) FH_CAT(name, __COUNTER__)
#define FH_TEXT(...) FH_TEXT_(__VA_ARGS__)
#define FH_TEXT_(...) #__VA_ARGS__
#define FH_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* A function that is compiled only where it is used, and may recurse. */
#define FH_GLUE static inline __attribute__((unused))

#ifdef __cplusplus
#define FH_ZERO(T) T()
#else
#define FH_ZERO(T) ((T){0})
#endif

/* ---- notes for a checker ---- */

#if defined(__FREEHOLD_CHECK__) && defined(__clang__)
#define FH_NOTE(text) __attribute__((annotate(text)))
#else
#define FH_NOTE(text)
#endif

#ifdef __FREEHOLD_CHECK__
/* Marker functions: they do nothing, and stand in the syntax tree with the owner as their first argument. Two
 * hand it on, so that an argument is evaluated once and a compound literal in it lives as long as in the other
 * expansions. */
FH_INLINE void fh_mark_move(const void *owner) { (void)owner; }
FH_INLINE void fh_mark_take(const void *owner) { (void)owner; }
FH_INLINE void fh_mark_replace(const void *owner) { (void)owner; }
FH_INLINE void fh_mark_swap(const void *owner) { (void)owner; }
FH_INLINE void fh_mark_forget(const void *owner) { (void)owner; }
FH_INLINE void *fh_mark_drop(const void *owner) { return (void *)(uintptr_t)owner; }
FH_INLINE void fh_mark_put(const void *owner) { (void)owner; }
FH_INLINE void *fh_mark_clone(const void *owner) { return (void *)(uintptr_t)owner; }
FH_INLINE void fh_mark_use(const void *owner) { (void)owner; }
#define FH_MARK(marker, p) marker(p)
#else
#define FH_MARK(marker, p) ((void)0)
#endif

/* ---- positions ---- */

#ifdef FH_CHECKED
#define FH_PLACE(text_)                                                                    \
    __extension__({                                                                        \
        static const struct fh_site fh_site_here_ = {__FILE__, __LINE__, __func__, text_}; \
        &fh_site_here_;                                                                    \
    })
#define FH_AT(text) ((void)fh_at(FH_PLACE(text)))
#define FH_BEGIN_DROP(text) ((void)(fh_dropping = fh_at(FH_PLACE(text))))
#define FH_END_DROP ((void)(fh_dropping = NULL))
#define FH_USE_AT(p, text) fh_note_use((p), sizeof *(p), fh_at(FH_PLACE(text)))
#define FH_SET_AT(p) fh_note_set(p)
#define FH_USED(X, p, text) ((X *)fh_used((p), sizeof(X), fh_at(FH_PLACE(text))))
#define FH_VALUE_USED(x, name, text) fh_value_used((x), name, __builtin_frame_address(0), fh_at(FH_PLACE(text)))
#define FH_DROPPED(p) fh_note_gone((p), sizeof *(p))
#define FH_SAME(same, text) ((same) ? (void)0 : fh_note_changed(FH_PLACE(text)))
#define FH_NOTE_fh_mark_move(p, x) \
    fh_note_move((p), sizeof *(p), __builtin_frame_address(0), fh_at(FH_PLACE(#x)), FH_IS_BY_OWN(x))
#define FH_NOTE_fh_mark_take(p, x) ((void)fh_at(FH_PLACE(#x)))
#define FH_NOTE_MOVED(marker, p, x) FH_NOTE_##marker(p, x)
#define FH_NOTE_FORGET(p) fh_note_forget(p)
#else
#define FH_AT(text) ((void)0)
#define FH_BEGIN_DROP(text) ((void)0)
#define FH_END_DROP ((void)0)
#define FH_USE_AT(p, text) FH_MARK(fh_mark_use, p)
#define FH_SET_AT(p) ((void)0)
#define FH_USED(X, p, text) (p)
#define FH_VALUE_USED(x, name, text) (x)
#define FH_DROPPED(p) ((void)0)
#define FH_SAME(same, text) ((void)0)
#define FH_NOTE_MOVED(marker, p, x) FH_MARK(marker, p)
#define FH_NOTE_FORGET(p) fh_note_forget(p)
#endif

/* ---- the verbs ---- */

#if defined(FH_CHECKED)
/* A variable of FH_OWN is known by an alignment that is larger than its type's: no other mark of a variable can
 * be asked for, by both compilers. It also keeps Clang from making a local that is returned in its caller's
 * place (where its drop would leave an empty one): a `return x;` without move is the same mistake with both. */
#define FH_OWN(X, text, scope)                                                                    \
    struct fh_scope scope __attribute__((cleanup(fh_scope_leave), unused)) =                      \
        fh_scope_enter(&scope, __builtin_frame_address(0), FH_PLACE("own(" text ")"), sizeof(X)); \
    __attribute__((aligned(2 * FH_ALIGNOF(X)))) FH_OWN_AS(X)
#define FH_IS_BY_OWN(x) (__alignof__(x) > __alignof__(__typeof__(x)))
#else
#define FH_OWN(X, text, scope) FH_OWN_AS(X)
#endif
#define FH_OWN_AS(X) FH_NOTE("fh:own") __attribute__((cleanup(FH_CAT(X, _drop)), unused)) X

/* The assignment that never runs does not compile when x is const: nothing moves out of a shared borrow. */
#define FH_MOVED(x, marker, from, out)                   \
    __extension__({                                      \
        __typeof__(x) *from = &(x);                      \
        __typeof__(x) out = *from;                       \
        (void)(0 ? (void)(*from = out) : (void)0);       \
        FH_NOTE_MOVED(marker, from, x);                  \
        __builtin_memset((void *)from, 0, sizeof *from); \
        out;                                             \
    })
#define FH_REPLACE(x, to, in, old, value) \
    __extension__({                       \
        __typeof__(x) in = value;         \
        __typeof__(x) *to = &(x);         \
        __typeof__(x) old = *to;          \
        FH_MARK(fh_mark_replace, to);     \
        FH_SET_AT(to);                    \
        *to = in;                         \
        old;                              \
    })
#define FH_SWAP(p, q, pp, qq, t)   \
    __extension__({                \
        __typeof__(p) pp = (p);    \
        __typeof__(pp) qq = (q);   \
        __typeof__(*pp) t = *pp;   \
        FH_MARK(fh_mark_swap, pp); \
        FH_SET_AT(pp);             \
        FH_SET_AT(qq);             \
        *pp = *qq;                 \
        *qq = t;                   \
        (void)0;                   \
    })
#define FH_FORGET(x, p)                            \
    __extension__({                                \
        __typeof__(x) *p = &(x);                   \
        FH_MARK(fh_mark_forget, p);                \
        FH_NOTE_FORGET(p);                         \
        __builtin_memset((void *)p, 0, sizeof *p); \
        (void)0;                                   \
    })
#define FH_DROP_NOW(X, p)                                      \
    __extension__({                                            \
        FH_BEGIN_DROP("drop(" FH_TEXT(X) ", " FH_TEXT(p) ")"); \
        FH_DROP_MARKED(X, p);                                  \
        FH_END_DROP;                                           \
    })
#define FH_DROP_MARKED(X, p) FH_CAT(X, _drop)(FH_MARKED(fh_mark_drop, p))
#define FH_CLONE_NOW(X, p) \
    FH_CAT(X, _clone)(FH_USED(const X, FH_MARKED(fh_mark_clone, p), "clone(" FH_TEXT(X) ", " FH_TEXT(p) ")"))
#define FH_PUT(X, p, to, in, old, value)                      \
    __extension__({                                           \
        X in = value;                                         \
        X *to = (p);                                          \
        X old = *to;                                          \
        FH_BEGIN_DROP("set(" FH_TEXT(X) ", " FH_TEXT(p) ")"); \
        FH_MARK(fh_mark_put, to);                             \
        FH_SET_AT(to);                                        \
        *to = in;                                             \
        FH_CAT(X, _drop)(&old);                               \
        FH_END_DROP;                                          \
    })
#ifdef __FREEHOLD_CHECK__
#define FH_MARKED(marker, p) ((__typeof__(p))marker(p))
#else
#define FH_MARKED(marker, p) (p)
#endif

/* ---- each of a list of (X, field) ---- */

/* FH_EACH(m, c, (a), (b)) is m(c, (a)) m(c, (b)); up to 32. */
/* Lists that may be empty want ##, which C23 has as __VA_OPT__; Clang's -pedantic tells of it in headers too.
 * */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define FH_EACH(m, c, ...) FH_CAT(FH_EACH_, FH_COUNT(c, ##__VA_ARGS__))(m, c, ##__VA_ARGS__)
#ifdef __clang__
#pragma clang diagnostic pop
#endif
#define FH_COUNT(...)                                                                                          \
    FH_COUNT_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, \
              11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define FH_COUNT_(c, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, \
                  a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, n, ...)                 \
    n
#define FH_EACH_0(m, c)
#define FH_EACH_1(m, c, x) m(c, x)
#define FH_EACH_2(m, c, x, ...) m(c, x) FH_EACH_1(m, c, __VA_ARGS__)
#define FH_EACH_3(m, c, x, ...) m(c, x) FH_EACH_2(m, c, __VA_ARGS__)
#define FH_EACH_4(m, c, x, ...) m(c, x) FH_EACH_3(m, c, __VA_ARGS__)
#define FH_EACH_5(m, c, x, ...) m(c, x) FH_EACH_4(m, c, __VA_ARGS__)
#define FH_EACH_6(m, c, x, ...) m(c, x) FH_EACH_5(m, c, __VA_ARGS__)
#define FH_EACH_7(m, c, x, ...) m(c, x) FH_EACH_6(m, c, __VA_ARGS__)
#define FH_EACH_8(m, c, x, ...) m(c, x) FH_EACH_7(m, c, __VA_ARGS__)
#define FH_EACH_9(m, c, x, ...) m(c, x) FH_EACH_8(m, c, __VA_ARGS__)
#define FH_EACH_10(m, c, x, ...) m(c, x) FH_EACH_9(m, c, __VA_ARGS__)
#define FH_EACH_11(m, c, x, ...) m(c, x) FH_EACH_10(m, c, __VA_ARGS__)
#define FH_EACH_12(m, c, x, ...) m(c, x) FH_EACH_11(m, c, __VA_ARGS__)
#define FH_EACH_13(m, c, x, ...) m(c, x) FH_EACH_12(m, c, __VA_ARGS__)
#define FH_EACH_14(m, c, x, ...) m(c, x) FH_EACH_13(m, c, __VA_ARGS__)
#define FH_EACH_15(m, c, x, ...) m(c, x) FH_EACH_14(m, c, __VA_ARGS__)
#define FH_EACH_16(m, c, x, ...) m(c, x) FH_EACH_15(m, c, __VA_ARGS__)
#define FH_EACH_17(m, c, x, ...) m(c, x) FH_EACH_16(m, c, __VA_ARGS__)
#define FH_EACH_18(m, c, x, ...) m(c, x) FH_EACH_17(m, c, __VA_ARGS__)
#define FH_EACH_19(m, c, x, ...) m(c, x) FH_EACH_18(m, c, __VA_ARGS__)
#define FH_EACH_20(m, c, x, ...) m(c, x) FH_EACH_19(m, c, __VA_ARGS__)
#define FH_EACH_21(m, c, x, ...) m(c, x) FH_EACH_20(m, c, __VA_ARGS__)
#define FH_EACH_22(m, c, x, ...) m(c, x) FH_EACH_21(m, c, __VA_ARGS__)
#define FH_EACH_23(m, c, x, ...) m(c, x) FH_EACH_22(m, c, __VA_ARGS__)
#define FH_EACH_24(m, c, x, ...) m(c, x) FH_EACH_23(m, c, __VA_ARGS__)
#define FH_EACH_25(m, c, x, ...) m(c, x) FH_EACH_24(m, c, __VA_ARGS__)
#define FH_EACH_26(m, c, x, ...) m(c, x) FH_EACH_25(m, c, __VA_ARGS__)
#define FH_EACH_27(m, c, x, ...) m(c, x) FH_EACH_26(m, c, __VA_ARGS__)
#define FH_EACH_28(m, c, x, ...) m(c, x) FH_EACH_27(m, c, __VA_ARGS__)
#define FH_EACH_29(m, c, x, ...) m(c, x) FH_EACH_28(m, c, __VA_ARGS__)
#define FH_EACH_30(m, c, x, ...) m(c, x) FH_EACH_29(m, c, __VA_ARGS__)
#define FH_EACH_31(m, c, x, ...) m(c, x) FH_EACH_30(m, c, __VA_ARGS__)
#define FH_EACH_32(m, c, x, ...) m(c, x) FH_EACH_31(m, c, __VA_ARGS__)

#endif
