/* cell.h - Cell(T) and RefCell(T): change what several owners share, with the borrow rules checked at run time.
 *
 *     #include <freehold/type.h>
 *
 *     typedef struct { int balance; } Account;
 *     FH_PLAIN(Account)
 *
 *     int main(void) {
 *         fh_own(fh_Rc(fh_RefCell(Account))) a = fh_rc_of(fh_RefCell(Account), fh_refcell(Account, .balance = 1));
 *         fh_own(fh_Rc(fh_RefCell(Account))) b = fh_rc_clone(a);
 *         {
 *             fh_own(fh_RefMut(Account)) w = fh_borrow_mut(b);      // exclusive until the end of this scope
 *             w.ptr->balance += 10;
 *         }
 *         fh_own(fh_Ref(Account)) r = fh_borrow(a);                 // shared: others may look at the same time
 *         return r.ptr->balance - 11;
 *     }
 *
 *     fh_RefCell(T)   { int32_t flag; T value; }    flag: 0 free, n > 0 shared borrows, -1 borrowed exclusively
 *     fh_Ref(T)       { const T *ptr; flag * }      gives the borrow back when dropped; likewise fh_RefMut(T), whose ptr is T *
 *
 * A borrow that breaks the rule stops the program with a report, as in Rust; fh_try_borrow and
 * fh_try_borrow_mut give an empty Ref (ptr NULL) instead. The flags are always checked: that is what a RefCell
 * is. With -DFH_CHECKED and FREEHOLD=mode=checked the report also says where the other borrow was taken. Not
 * for two threads.
 *
 * A Cell(T) is a T in a struct, for plain values: in C any field may change, so it adds only a name to the
 * intent.
 */
#ifndef FREEHOLD_CELL_H
#define FREEHOLD_CELL_H

#include <freehold/own.h>

/* The types. */
#define fh_Cell(T) FH_CAT(fh_Cell_, T)
#define fh_RefCell(T) FH_CAT(fh_RefCell_, T)
#define fh_Ref(T) FH_CAT(fh_Ref_, T)
#define fh_RefMut(T) FH_CAT(fh_RefMut_, T)

/* fh_cell(T, v)  fh_cell_get(c)  fh_cell_set(c, v)  fh_cell_replace(c, v): c is a pointer to the Cell; plain
 * values only. */
#define fh_cell(T, v) FH_BRACED(fh_Cell(T), FH_UNIQUE(fh_c_), (v))
#define fh_cell_get(c) ((c)->value)
#define fh_cell_set(c, v) ((void)((c)->value = (v)))
#define fh_cell_replace(c, v) fh_replace((c)->value, v)

/* fh_refcell(T, initialiser...)   a RefCell holding (T){initialiser...}   fh_refcell_of(T, value)   one from a value
 * fh_borrow(c)                    a Ref(T): many at once, none while it is borrowed exclusively
 * fh_borrow_mut(c)                a RefMut(T): alone. Both stop the program when refused
 * fh_try_borrow(c) fh_try_borrow_mut(c)    ptr is NULL when refused
 * fh_refcell_replace(c, v)        the old value, the new one in its place; not while it is borrowed
 * c is a pointer to the RefCell (an Rc of one is). */
#define fh_refcell(T, ...) FH_REFCELL_OF(T, FH_UNIQUE(fh_init_), FH_UNIQUE(fh_cell_), {__VA_ARGS__})
#define fh_refcell_of(T, v) FH_REFCELL_OF(T, FH_UNIQUE(fh_init_), FH_UNIQUE(fh_cell_), (v))
#define fh_borrow(c) FH_BORROW(c, fh_ref, fh_flag_share, "borrow(" #c ")", FH_UNIQUE(fh_c_), FH_UNIQUE(fh_r_))
#define fh_borrow_mut(c) \
    FH_BORROW(c, fh_mut, fh_flag_lock, "borrow_mut(" #c ")", FH_UNIQUE(fh_c_), FH_UNIQUE(fh_r_))
#define fh_try_borrow(c) \
    FH_BORROW(c, fh_ref, fh_flag_try_share, "try_borrow(" #c ")", FH_UNIQUE(fh_c_), FH_UNIQUE(fh_r_))
#define fh_try_borrow_mut(c) \
    FH_BORROW(c, fh_mut, fh_flag_try_lock, "try_borrow_mut(" #c ")", FH_UNIQUE(fh_c_), FH_UNIQUE(fh_r_))
#define fh_refcell_replace(c, v) FH_REFCELL_REPLACE(c, v, FH_UNIQUE(fh_c_))

/* ---------------------------------------------------------------- how ---------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* A borrow that is refused: reports both and stops. wanted: 's' shared, 'm' exclusive, 'r' replace, 'd' drop.
 * */
FH_API void fh_borrow_refused(const int32_t *flag, char wanted) __attribute__((cold, noreturn));
/* Notes the place of a borrow, and that it is over (programs with -DFH_CHECKED). */
FH_API void fh_note_borrow(const int32_t *flag, const struct fh_site *site);

FH_INLINE bool fh_flag_try_share(int32_t *flag) {
    return FH_LIKELY(*flag >= 0 && *flag < INT32_MAX) ? (++*flag, true) : false;
}
FH_INLINE bool fh_flag_try_lock(int32_t *flag) { return FH_LIKELY(*flag == 0) ? (*flag = -1, true) : false; }
FH_INLINE bool fh_flag_share(int32_t *flag) {
    if (!fh_flag_try_share(flag)) fh_borrow_refused(flag, 's');
    return true;
}
FH_INLINE bool fh_flag_lock(int32_t *flag) {
    if (!fh_flag_try_lock(flag)) fh_borrow_refused(flag, 'm');
    return true;
}
/* The end of a borrow of either kind. */
FH_INLINE void fh_flag_release(int32_t *flag) { *flag = *flag < 0 ? 0 : *flag - 1; }

#ifdef FH_CHECKED
#define FH_NOTE_BORROW(flag) fh_note_borrow(flag, fh_here)
#else
#define FH_NOTE_BORROW(flag) ((void)0)
#endif

#define FH_BRACED(X, c, ...) \
    __extension__({          \
        X c = {__VA_ARGS__}; \
        c;                   \
    })
#define FH_REFCELL_OF(T, init, cell, ...) \
    __extension__({                       \
        T init = __VA_ARGS__;             \
        fh_RefCell(T) cell;               \
        cell.fh_flag = 0;                 \
        cell.value = init;                \
        cell;                             \
    })
#define FH_BORROW(c, kind, take, text, cc, rr)      \
    __extension__({                                 \
        __typeof__(*(c)) *cc = (c);                 \
        __typeof__(*cc->kind[0]) rr = {NULL, NULL}; \
        FH_AT(text);                                \
        if (take(&cc->fh_flag)) {                   \
            rr.ptr = &cc->value;                    \
            rr.fh_flag = &cc->fh_flag;              \
            FH_NOTE_BORROW(rr.fh_flag);             \
        }                                           \
        rr;                                         \
    })
#define FH_REFCELL_REPLACE(c, v, cc)                                             \
    __extension__({                                                              \
        __typeof__(*(c)) *cc = (c);                                              \
        FH_AT("refcell_replace(" #c ")");                                        \
        if (FH_UNLIKELY(cc->fh_flag != 0)) fh_borrow_refused(&cc->fh_flag, 'r'); \
        fh_replace(cc->value, v);                                                \
    })

#ifdef __cplusplus
}
#endif

/* The structs; fh_ref and fh_mut take no room, and tell the macros the types of the borrows. T must be
 * complete. */
#define FH_REFCELL_TYPES(T)               \
    typedef struct fh_Cell_##T {          \
        T value;                          \
    } fh_Cell_##T FH_NOTE("fh:cell");     \
    typedef struct fh_Ref_##T {           \
        const T *ptr;                     \
        int32_t *fh_flag;                 \
    } fh_Ref_##T FH_NOTE("fh:ref");       \
    typedef struct fh_RefMut_##T {        \
        T *ptr;                           \
        int32_t *fh_flag;                 \
    } fh_RefMut_##T FH_NOTE("fh:refmut"); \
    __extension__ struct fh_RefCell_##T { \
        int32_t fh_flag;                  \
        T value;                          \
        fh_Ref_##T *fh_ref[0];            \
        fh_RefMut_##T *fh_mut[0];         \
    };

#define FH_REFCELL_GLUE(T)                                                           \
    FH_GLUE void fh_Ref_##T##_drop(fh_Ref_##T *ref) {                                \
        FH_DROPPED(ref);                                                             \
        if (ref->ptr != NULL) fh_flag_release(ref->fh_flag);                         \
        ref->ptr = NULL;                                                             \
    }                                                                                \
    FH_GLUE void fh_RefMut_##T##_drop(fh_RefMut_##T *ref) {                          \
        FH_DROPPED(ref);                                                             \
        if (ref->ptr != NULL) fh_flag_release(ref->fh_flag);                         \
        ref->ptr = NULL;                                                             \
    }                                                                                \
    FH_GLUE void fh_RefCell_##T##_drop(fh_RefCell_##T *cell) {                       \
        FH_DROPPED(cell);                                                            \
        if (FH_UNLIKELY(cell->fh_flag != 0)) fh_borrow_refused(&cell->fh_flag, 'd'); \
        if (!fh_plain_##T && !FH_IS_EMPTY(&cell->value)) fh_drop_##T(&cell->value);  \
    }                                                                                \
    FH_GLUE void fh_drop_fh_RefCell_##T(fh_RefCell_##T *cell) {                      \
        FH_DROPPED(cell);                                                            \
        if (FH_UNLIKELY(cell->fh_flag != 0)) fh_borrow_refused(&cell->fh_flag, 'd'); \
        fh_drop_##T(&cell->value);                                                   \
    }                                                                                \
    enum { fh_plain_fh_RefCell_##T = 0 };                                            \
    FH_RC_BODIES(fh_RefCell_##T)

/* For structs of FH_TYPE, which has declared the names; and for types that were complete. */
#define FH_REFCELL_BODIES(T) FH_REFCELL_TYPES(T) FH_REFCELL_GLUE(T)
#define FH_REFCELL(T)                                                   \
    typedef struct fh_RefCell_##T fh_RefCell_##T FH_NOTE("fh:refcell"); \
    FH_RC_NAMES(fh_RefCell_##T)                                         \
    FH_REFCELL_BODIES(T)

#include <freehold/type.h>

#endif
