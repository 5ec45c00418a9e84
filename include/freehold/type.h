/* type.h - what a type owns: drop glue for structs, tagged unions and foreign types, and the generic types over
 * them.
 *
 *     #include <freehold/type.h>
 *     #include <freehold/str.h>
 *
 *     FH_TYPE(Node);                                               // Node, Box(Node), Rc(Node), Vec(Node) ... may be named now
 *     struct Node {
 *         fh_Box(Node) next;
 *         fh_str name;
 *         int id;
 *     };
 *     FH_DROP(Node, (fh_Box(Node), next), (fh_str, name))           // what it owns, in drop order
 *     FH_CLONE(Node, (fh_Box(Node), next), (fh_str, name))          // only if it shall be cloned
 *
 *     int main(void) {
 *         fh_own(fh_Box(Node)) list = fh_box(Node, .name = fh_str_from("first"));
 *         list->next = fh_box(Node, .id = 2);
 *         fh_own(fh_Box(Node)) copy = fh_clone(fh_Box(Node), &list);
 *         return copy->next->id == 2 ? 0 : 1;
 *     }                                                            // both lists are freed here
 *
 * Four ways to make a type known; each needs a name of one token (typedef first), or a generic type such as
 * fh_Box(T):
 *
 *     FH_TYPE(T); + FH_DROP(T, (X, field)...)      a struct T: FH_TYPE before it, so that it may refer to itself
 *                   FH_DROP_WITH(T, f, (X, field)...)     f(T *) runs first, as Rust's Drop::drop, then the fields;
 *                                 not for a variable or field that is all zero, as one is that was moved from or
 *                                 dropped before; for what a Box, Vec, Rc, Map ... holds always. (Bytes between
 *                                 fields do not count with GCC. With Clang they do, and f may be called for an
 *                                 empty one: leave no room between fields, or let f look)
 *                   FH_DROP_ENUM(T, tag, (CASE, X, field)...)   a tagged union: only the fields of its case
 *     FH_PLAIN(T)        a type that is complete and owns nothing (any integer, struct, enum ...)
 *     FH_OWNER(X)        a type that is complete and has X_drop(X *): fh_Vec(fh_Box(T)) and fh_Rc are declared already
 *
 * A field is (X, name) for an owner, (X, name, n) for an array of n of them (n may use `self`). Fields are
 * dropped in the order listed: list them as declared, as Rust does. A field's address must be an X *, so a
 * wrong X is a compiler's complaint. In a tagged union the tag 0 must own nothing, as zero is empty; this is
 * asserted.
 *
 * Nothing here is code until it is used: types that are declared and not used leave no trace in the object
 * file.
 */
#ifndef FREEHOLD_TYPE_H
#define FREEHOLD_TYPE_H

#include <freehold/own.h>
#include <freehold/box.h>
#include <freehold/rc.h>
#include <freehold/arc.h>
#include <freehold/vec.h>
#include <freehold/cell.h>
#include <freehold/option.h>

/* ---------------------------------------------------------------- declaring --------------------------- */

/* struct T, and the generic types over it; the struct itself may follow later. */
#define FH_TYPE(T) FH_TYPE_I(T)
#define FH_TYPE_I(T)                              \
    typedef struct T T;                           \
    typedef struct fh_RefCell_##T fh_RefCell_##T; \
    FH_NAMES(T)                                   \
    FH_RC_NAMES(fh_RefCell_##T)                   \
    FH_VEC_NAMES(fh_Box_##T)                      \
    FH_VEC_NAMES(fh_Rc_##T)                       \
    FH_VEC_NAMES(fh_Arc_##T)                      \
    FH_VEC_NAMES(fh_Weak_##T)                     \
    FH_GLUE void T##_drop(T *self)

/* The types over T that need not know what T is made of. */
#define FH_NAMES(T) FH_BOX_NAMES(T) FH_RC_NAMES(T) FH_ARC_NAMES(T) FH_VEC_NAMES(T)

/* The types that hold a T, and all glue. */
#define FH_BODIES(T) FH_BOX_BODIES(T) FH_RC_BODIES(T) FH_ARC_BODIES(T) FH_VEC_BODIES(T) FH_OPTION(T)

#ifdef __clang__ /* as in own_macros.h */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

/* ---------------------------------------------------------------- what a struct owns ------------------- */

#define FH_DROP(T, ...)                                      \
    FH_GLUE void T##_drop(T *self) {                         \
        (void)self;                                          \
        FH_DROPPED(self);                                    \
        FH_EACH(FH_DROP_FIELD, T, ##__VA_ARGS__)             \
    }                                                        \
    FH_GLUE void fh_drop_##T(T *p) { T##_drop(p); }          \
    FH_REST(T, FH_EACH(FH_REST_FIELD, T, ##__VA_ARGS__))     \
    enum { fh_plain_##T = FH_COUNT(T, ##__VA_ARGS__) == 0 }; \
    FH_STRUCT_BODIES(T)

/* What a container holds is there, whatever its bytes are; of a variable or a field only its bytes tell. */
#define FH_DROP_WITH(T, function, ...)                   \
    FH_GLUE void fh_drop_##T(T *self) {                  \
        FH_DROPPED(self);                                \
        function(self);                                  \
        FH_EACH(FH_DROP_FIELD, T, ##__VA_ARGS__)         \
    }                                                    \
    FH_GLUE void T##_drop(T *self) {                     \
        FH_DROPPED(self);                                \
        if (FH_IS_EMPTY(self)) return;                   \
        fh_drop_##T(self);                               \
        __builtin_memset((void *)self, 0, sizeof *self); \
    }                                                    \
    FH_REST_NONE(T, fh_drop_##T(self))                   \
    enum { fh_plain_##T = 0 };                           \
    FH_STRUCT_BODIES(T)

#define FH_DROP_ENUM(T, tag, ...)                              \
    FH_GLUE void T##_drop(T *self) {                           \
        FH_DROPPED(self);                                      \
        FH_EACH(FH_DROP_CASE, tag, ##__VA_ARGS__)              \
    }                                                          \
    FH_GLUE void fh_drop_##T(T *p) { T##_drop(p); }            \
    FH_REST_NONE(T, T##_drop(self)) enum { fh_plain_##T = 0 }; \
    FH_STRUCT_BODIES(T)

#define FH_STRUCT_BODIES(T)       \
    FH_BODIES(T)                  \
    FH_REFCELL_BODIES(T)          \
    FH_VEC_OF_OWNERS(fh_Box_##T)  \
    FH_VEC_OF_OWNERS(fh_Rc_##T)   \
    FH_VEC_OF_OWNERS(fh_Arc_##T)  \
    FH_VEC_OF_OWNERS(fh_Weak_##T) \
    FH_VEC_OF_HANDLES(fh_Rc_##T)  \
    FH_VEC_OF_HANDLES(fh_Arc_##T) \
    FH_VEC_OF_HANDLES(fh_Weak_##T)

/* An Rc clones without its T being cloned. */
#define FH_VEC_OF_HANDLES(X)                                    \
    FH_GLUE X fh_clone_##X(const X *p) { return X##_clone(p); } \
    FH_VEC_CLONE(X)

#define FH_VEC_OF_OWNERS(X)                         \
    FH_GLUE void fh_drop_##X(X *p) { X##_drop(p); } \
    enum { fh_plain_##X = 0 };                      \
    FH_VEC_BODIES(X)                                \
    FH_OPTION(X)

/* Is the value at p empty? What stands between its fields is no part of it: compilers leave out those bytes
 * when they copy a struct. Where the compiler cannot clear them (Clang), they count as fields. */
#if defined(__has_builtin) && !defined(FH_PADDING_COUNTS)
#if __has_builtin(__builtin_clear_padding)
#define FH_IS_EMPTY(p) (__builtin_clear_padding(p), fh_is_empty(p, sizeof *(p)))
#endif
#endif
#ifndef FH_IS_EMPTY
#define FH_PADDING_COUNTS
#define FH_IS_EMPTY(p) fh_is_empty(p, sizeof *(p))
#endif
/* The first byte says it, as a rule. */
FH_INLINE bool fh_is_empty(const void *p, size_t size) {
    const unsigned char *bytes = (const unsigned char *)p;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

#define FH_DROP_FIELD(T, field) FH_CAT(FH_DROP_FIELD_, FH_COUNT field) field
#define FH_DROP_FIELD_1(X, name) FH_CAT(X, _drop)(&self->name);
#define FH_DROP_FIELD_2(X, name, n) \
    for (size_t fh_i_ = 0; fh_i_ < (size_t)(n); fh_i_++) FH_CAT(X, _drop)(&self->name[fh_i_]);

/* T *fh_rest_T(T *): drops what a T in a Box owns, but for a Box(T) that comes last, which it returns: so Box's
 * glue walks a list, and down one side of a tree, in a loop. That field is told by its drop function and its
 * type; both are known when this is compiled. A type with a drop function of its own is dropped whole, as that
 * function may look at its parent, whose block is given back before its child here. */
#define FH_REST_NONE(T, drop)         \
    FH_GLUE T *fh_rest_##T(T *self) { \
        drop;                         \
        return NULL;                  \
    }
#ifdef __cplusplus
#define FH_REST(T, fields) FH_REST_NONE(T, T##_drop(self))
#else
#define FH_REST(T, fields)            \
    FH_GLUE T *fh_rest_##T(T *self) { \
        T *fh_last_ = NULL;           \
        (void)self;                   \
        fields;                       \
        return fh_last_;              \
    }
#endif
#define FH_REST_FIELD(T, field)                                         \
    if (fh_last_ != NULL) FH_CAT(FH_CAT(fh_Box_, T), _drop)(&fh_last_); \
    FH_CAT(FH_REST_FIELD_, FH_COUNT field)(T, FH_PEEL field)
#define FH_REST_FIELD_1(T, ...) FH_REST_FIELD_1_I(T, __VA_ARGS__)
#define FH_REST_FIELD_1_I(T, X, name)                                                                      \
    if (fh_same_drop((void (*)(void))FH_CAT(X, _drop), (void (*)(void))FH_CAT(FH_CAT(fh_Box_, T), _drop))) \
        fh_last_ = _Generic(self->name, T * : self->name, default : NULL);                                 \
    else FH_CAT(X, _drop)(&self->name);
#define FH_REST_FIELD_2(T, ...) FH_REST_FIELD_2_I(__VA_ARGS__)
#define FH_REST_FIELD_2_I(X, name, n) FH_DROP_FIELD_2(X, name, n)
FH_INLINE bool fh_same_drop(void (*a)(void), void (*b)(void)) { return a == b; }

#define FH_DROP_CASE(tag, field) FH_DROP_CASE_I(tag, FH_PEEL field)
#define FH_PEEL(...) __VA_ARGS__
#define FH_DROP_CASE_I(tag, ...) FH_DROP_CASE_II(tag, __VA_ARGS__)
#define FH_DROP_CASE_II(tag, CASE, ...)                                                                \
    FH_STATIC_ASSERT((int)(CASE) != 0, "the tag 0 of a tagged union must own nothing: zero is empty"); \
    if (self->tag == (CASE)) {                                                                         \
        FH_DROP_FIELD(T, (__VA_ARGS__))                                                                \
    }

#ifdef __cplusplus
#define FH_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define FH_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* ---------------------------------------------------------------- cloning ------------------------------ */

/* T_clone(const T *): a copy whose listed fields are clones. List all fields that own. Box(T) and Vec(T) follow
 * suit. FH_CLONE_LATER(T) goes before the FH_CLONE of another type that has such fields, when T's own comes
 * after it. */
#define FH_CLONE_LATER(T) FH_BOX_CLONE_NAME(T) FH_VEC_CLONE_NAME(T) FH_VEC_CLONE_NAME(fh_Box_##T)
#define FH_CLONE(T, ...)                          \
    FH_CLONE_LATER(T)                             \
    FH_GLUE T T##_clone(const T *self) {          \
        T fh_copy_ = *self;                       \
        FH_EACH(FH_CLONE_FIELD, T, ##__VA_ARGS__) \
        return fh_copy_;                          \
    }                                             \
    FH_CLONE_BODIES(T)

#define FH_CLONE_ENUM(T, tag, ...)                 \
    FH_CLONE_LATER(T)                              \
    FH_GLUE T T##_clone(const T *self) {           \
        T fh_copy_ = *self;                        \
        FH_EACH(FH_CLONE_CASE, tag, ##__VA_ARGS__) \
        return fh_copy_;                           \
    }                                              \
    FH_CLONE_BODIES(T)

#define FH_CLONE_BODIES(T)                                                                        \
    FH_GLUE T fh_clone_##T(const T *p) { return T##_clone(p); }                                   \
    FH_CLONE_TYPES(T)                                                                             \
    FH_GLUE fh_Box_##T fh_clone_fh_Box_##T(const fh_Box_##T *p) { return fh_Box_##T##_clone(p); } \
    FH_VEC_CLONE(fh_Box_##T)

#define FH_CLONE_TYPES(T) FH_BOX_CLONE(T) FH_VEC_CLONE(T) FH_OPTION_CLONE(T)

#define FH_CLONE_FIELD(T, field) FH_CAT(FH_CLONE_FIELD_, FH_COUNT field) field
#define FH_CLONE_FIELD_1(X, name) fh_copy_.name = FH_CAT(X, _clone)(&self->name);
#define FH_CLONE_FIELD_2(X, name, n)                     \
    for (size_t fh_i_ = 0; fh_i_ < (size_t)(n); fh_i_++) \
        fh_copy_.name[fh_i_] = FH_CAT(X, _clone)(&self->name[fh_i_]);
#define FH_CLONE_CASE(tag, field) FH_CLONE_CASE_I(tag, FH_PEEL field)
#define FH_CLONE_CASE_I(tag, ...) FH_CLONE_CASE_II(tag, __VA_ARGS__)
#define FH_CLONE_CASE_II(tag, CASE, ...) \
    if (self->tag == (CASE)) {           \
        FH_CLONE_FIELD(T, (__VA_ARGS__)) \
    }

#ifdef __clang__
#pragma clang diagnostic pop
#endif

/* ---------------------------------------------------------------- types that are there already --------- */

/* A complete type that owns nothing: its drop does nothing, its clone copies. */
#define FH_PLAIN(T) FH_PLAIN_I(T)
#define FH_PLAIN_I(T)                                 \
    FH_NAMES(T)                                       \
    FH_GLUE void fh_drop_##T(T *p) { (void)p; }       \
    FH_REST_NONE(T, (void)self)                       \
    FH_GLUE T fh_clone_##T(const T *p) { return *p; } \
    enum { fh_plain_##T = 1 };                        \
    FH_BODIES(T)                                      \
    FH_CLONE_TYPES(T)                                 \
    FH_REFCELL(T)

/* A complete type that has X_drop(X *), and FH_OWNER_CLONE for one that has X_clone(const X *) besides. */
#define FH_OWNER(X) FH_OWNER_I(X)
#define FH_OWNER_I(X)                               \
    FH_NAMES(X)                                     \
    FH_GLUE void fh_drop_##X(X *p) { X##_drop(p); } \
    FH_REST_NONE(X, X##_drop(self))                 \
    enum { fh_plain_##X = 0 };                      \
    FH_BODIES(X)                                    \
    FH_REFCELL(X)
#define FH_OWNER_CLONE(X) FH_OWNER_CLONE_I(X)
#define FH_OWNER_CLONE_I(X)                                     \
    FH_GLUE X fh_clone_##X(const X *p) { return X##_clone(p); } \
    FH_CLONE_TYPES(X)

/* ---------------------------------------------------------------- the types of C ----------------------- */

FH_PLAIN(char)
FH_PLAIN(short)
FH_PLAIN(int)
FH_PLAIN(long)
FH_PLAIN(unsigned)
FH_PLAIN(float)
FH_PLAIN(double)
FH_PLAIN(size_t)
FH_PLAIN(int8_t)
FH_PLAIN(int16_t)
FH_PLAIN(int32_t)
FH_PLAIN(int64_t)
FH_PLAIN(uint8_t)
FH_PLAIN(uint16_t)
FH_PLAIN(uint32_t)
FH_PLAIN(uint64_t)
FH_PLAIN(uintptr_t)
#if defined(__cplusplus) || __STDC_VERSION__ > 201710L
FH_PLAIN(bool)
#else
FH_PLAIN(_Bool)
#endif

#endif
